"""The explicit bundles that GNU as refuses are those that PV605 flags, and no other."""

from __future__ import annotations

import random
import re
import subprocess
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from pvasm.asm.slots import STOPS_INSIDE
from pvasm.syntax.tokens import BUNDLE_TEMPLATES
from tests.check.checking import check
from tests.oracle import require_tool

# Two of each kind as far as slots go, without any dependency; `here` is a label of the bundle's section.
_INSTRUCTIONS = [
    *("nop.m 0", "ld8 r8=[r9]", "nop.i 0", "shl r10=r11,r12", "nop.f 0", "fadd f8=f9,f10", "nop.b 0", "br.few here"),
    *("add r13=r14,r15", "nop 0", "break 0", "movl r16=5", "nop.x 0", "brl.few here"),
    *("alloc r17=ar.pfs,0,0,0,0", "flushrs", "itc.d r18", "ptc.g r19,r20", "rfi", "cover", "bsw.0"),
    *("br.ctop.sptk.few here", "br.cloop.sptk.few here", "chk.s r21,here", "mov ar48=r22", "mov ar.lc=r23", "hint 0"),
    *("mov b7=r24", "clrrrb", "br.call.sptk.few b6=here", "mov r25=ip", "mov r26=ar.itc"),
]


def _bundle(template: str | None, lines: list[str]) -> list[str]:
    return [f"{{ .{template}" if template else "{", *lines, "}"]


def _systematic() -> Iterator[list[str]]:
    """Every template with every three kinds of instruction."""
    kinds = ["nop.m 0", "nop.i 0", "nop.f 0", "nop.b 0", "add r13=r14,r15", "movl r16=5", "nop 0"]
    for template in (None, *BUNDLE_TEMPLATES):
        for count in (1, 2, 3):
            for lines in product(kinds, repeat=count):
                yield _bundle(template, list(lines))


def _random(rng: random.Random, count: int) -> Iterator[list[str]]:
    """Bundles with stops, labels, templates in the wrong place, and up to five instructions."""
    for number in range(count):
        lines = []
        for place in range(rng.choice((1, 2, 2, 3, 3, 3, 3, 4, 5))):
            line = rng.choice(_INSTRUCTIONS)
            if rng.random() < 0.25:
                line += " ;;"
            if rng.random() < 0.06:
                line = f"l{number}_{place}: {line}"
            if rng.random() < 0.04:
                line = f".{rng.choice(BUNDLE_TEMPLATES)}\n{line}"
            lines.append(line)
        yield _bundle(rng.choice((None, *BUNDLE_TEMPLATES, *BUNDLE_TEMPLATES)), lines)


def _laid_out(bundles: list[list[str]]) -> tuple[str, dict[int, int]]:
    """The text, each bundle in a section of its own, and the bundle that each line belongs to."""
    lines: list[str] = []
    owner: dict[int, int] = {}
    for number, bundle in enumerate(bundles):
        block = "\n".join([f'.section .s{number},"ax"', "here: nop 0 ;;", ".align 16", *bundle, '.section .other,"ax"'])
        block = block.replace("here", f"here{number}")
        for line in block.split("\n"):
            lines.append(line)
            owner[len(lines)] = number
    return "\n".join(lines) + "\n", owner


def _refused(text: str, owner: dict[int, int], folder: Path, *options: str) -> dict[int, str]:
    source = folder / "in.s"
    source.write_text(text)
    # It minds that some processors take hint.b for a nop.
    command = [require_tool("ia64-linux-gnu-as"), "-mhint.b=ok", *options, str(source), "-o", str(folder / "out.o")]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    assert "Internal error" not in said
    found: dict[int, str] = {}
    for one in re.finditer(r"in\.s:(\d+): Error: (.*)", said):
        found.setdefault(owner[int(one[1])], one[2])
    return found


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("-x",)], ids=["automatic", "explicit"])
@pytest.mark.parametrize("kind", ["systematic", "random"])
def test_bundles_are_refused_by_both_or_by_neither(kind: str, options: tuple[str, ...], tmp_path: Path) -> None:
    bundles = list(_systematic()) if kind == "systematic" else list(_random(random.Random(19), 4000))
    text, owner = _laid_out(bundles)
    theirs = _refused(text, owner, tmp_path, *options)
    ours = {owner[diagnostic.line]: diagnostic.message for diagnostic in check(text, "PV605", preprocessed=True)}
    differences = [
        (bundles[number], theirs.get(number), ours.get(number)) for number in sorted(theirs.keys() ^ ours.keys())
    ]
    assert len(theirs) > len(bundles) // 8
    assert differences == [], "\n".join(map(str, differences))


def test_every_place_of_a_stop_is_tried(tmp_path: Path) -> None:
    for template, slot in product(BUNDLE_TEMPLATES, (0, 1)):
        kinds = [f"nop.{kind} 0" for kind in template]
        if template == "mlx":
            kinds[1:] = ["nop.x 0"]
            if slot:
                continue
        kinds[slot] += " ;;"
        text, owner = _laid_out([_bundle(template, kinds)])
        fits = (template, slot) in STOPS_INSIDE
        assert (not _refused(text, owner, tmp_path)) == fits
        assert (not check(text, "PV605", preprocessed=True)) == fits
