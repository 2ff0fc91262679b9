"""What must stand first or last in its group, or last in its bundle: the marks of the table against GNU as -x."""

from __future__ import annotations

import random
import re
import subprocess
from pathlib import Path

import pytest

from pvasm.asm.resolve import resolve
from pvasm.asm.scope import OperandError, Scope
from pvasm.isa.positions import Misplaced, Positions
from pvasm.isa.table import Form
from tests.isa.assembly import instances, instruction
from tests.oracle import require_tool


@pytest.fixture(scope="module")
def forms() -> dict[Form, str]:
    """An instruction of each form."""
    found: dict[Form, str] = {}
    for text in ["alloc r9=ar.pfs,0,0,0,0", *instances(random.Random(5))]:
        own = re.sub(r"\b(start|here)\b", "1b", text)
        try:
            form = resolve(instruction(own), Scope()).form
        except OperandError:
            continue
        found.setdefault(form, own)
    return found


def _complaints(forms: dict[Form, str], bundles: dict[str, str], said: str, folder: Path) -> set[str]:
    """The instructions of which as says so when each stands in the bundle for its unit."""
    lines = ["1:"]
    owner: dict[int, str] = {}
    for form, text in forms.items():
        if form.unit in bundles:
            block = bundles[form.unit].format(text).split("\n")
            owner.update((len(lines) + 1 + offset, text) for offset in range(len(block)))
            lines += block
    source = folder / "in.s"
    source.write_text("\n".join(lines) + "\n")
    command = [require_tool("ia64-linux-gnu-as"), "-x", str(source), "-o", str(folder / "out.o")]
    messages = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    return {owner[int(found[1])] for found in re.finditer(rf"in\.s:(\d+): .*{said}", messages)}


def _stopped(forms: dict[Form, str], bundle: str, folder: Path) -> set[str]:
    """The instructions for which as puts a stop after slot 0 of the `.mmi` bundle that they stand in."""
    texts = [text for form, text in forms.items() if form.unit in "MA"]
    source, made, raw = folder / "in.s", folder / "out.o", folder / "out.bin"
    source.write_text("1:\n" + "".join(f"{{{{\n.mmi\n{bundle}\nnop.i 0 ;;\n}}}}\n".format(text) for text in texts))
    subprocess.run([require_tool("ia64-linux-gnu-as"), "-x", source, "-o", made], check=True, capture_output=True)
    subprocess.run([require_tool("ia64-linux-gnu-objcopy"), "-O", "binary", "-j", ".text", made, raw], check=True)
    return {text for text, template in zip(texts, raw.read_bytes()[::16], strict=True) if template & 0x1E == _M_MI}


_M_MI = 0x0A  # the template with a stop after slot 0 (SDM vol. 3, table 4-2)


def test_last_in_group(forms: dict[Form, str], tmp_path: Path) -> None:
    bundles = {
        "I": "{{\n.mii\nnop.m 0\n{}\nnop.i 0 ;;\n}}",
        "F": "{{\n.mfi\nnop.m 0\n{}\nnop.i 0 ;;\n}}",
        "B": "{{\n.bbb\n{}\nnop.b 0\nnop.b 0 ;;\n}}",
    }
    theirs = _complaints(forms, bundles, "must be last in instruction group", tmp_path)
    theirs |= _stopped(forms, "{}\nnop.m 0", tmp_path)
    assert theirs == {text for form, text in forms.items() if form.last_in_group}


def test_last_in_bundle(forms: dict[Form, str], tmp_path: Path) -> None:
    theirs = _complaints(forms, {"B": "{{\n.bbb\n{}\nnop.b 0\nnop.b 0 ;;\n}}"}, "must be last in bundle", tmp_path)
    assert theirs == {text for form, text in forms.items() if form.slot_2 and form.unit == "B"}


def test_first_in_group(forms: dict[Form, str], tmp_path: Path) -> None:
    others = {form: text for form, text in forms.items() if not form.last_in_group}
    theirs = _stopped(others, "nop.m 0\n{}", tmp_path)
    assert theirs == {text for form, text in forms.items() if form.first_in_group}


@pytest.mark.parametrize("seed", range(4))
def test_as_puts_a_stop_where_something_is_misplaced(seed: int, tmp_path: Path) -> None:
    """Each instruction bears its number, so that objdump shows after which ones there are stops."""
    rng = random.Random(seed)
    special = (
        "alloc r8=ar.pfs,0,8,0,0",
        "flushrs",
        "loadrs",
        "cover",
        "bsw.0",
        "bsw.1",
        "rfi",
        "clrrrb",
        "itc.d r2",
        "ptc.g r2,r3",
    )
    positions = Positions()
    source = ["1:"]
    expected: list[bool] = []  # of every instruction, whether a stop follows it
    for number in range(400):
        text = rng.choice(special) if rng.random() < 0.4 else f"mov r9={number}"
        found = positions.instruction(resolve(instruction(text), Scope()), number)
        assert found in ([], [Misplaced(number - 1, "last", number)], [Misplaced(number, "first", number - 1)])
        if found:
            expected[-1] = True
        expected.append(rng.random() < 0.3)
        source.append(f"{text} {';;' if expected[-1] else ''}")
        if expected[-1]:
            positions.stop()
    (tmp_path / "in.s").write_text("\n".join(source) + " ;;\n")
    command = [require_tool("ia64-linux-gnu-as"), "-x", str(tmp_path / "in.s"), "-o", str(tmp_path / "out.o")]
    subprocess.run(command, check=True, capture_output=True)
    shown = subprocess.run(
        [require_tool("ia64-linux-gnu-objdump"), "-d", "--no-show-raw-insn", str(tmp_path / "out.o")],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    stops: list[bool] = []
    for line in shown.splitlines():
        if not re.match(r"\s*[0-9a-f]+:\t", line):
            continue
        if not re.search(r"\bnop\.", line):
            stops.append(False)
        if line.rstrip().endswith(";;"):
            stops[-1] = True
    assert stops[:-1] == expected[:-1]
