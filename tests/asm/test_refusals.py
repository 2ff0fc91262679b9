"""What GNU as refuses of an instruction's operands we refuse, and what it takes we take (M10, M20)."""

from __future__ import annotations

import random
import re
import subprocess
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from pvasm.asm.resolve import resolve
from pvasm.asm.scope import OperandError, Scope
from pvasm.isa.operands import Kind
from tests.check.checking import check
from tests.isa.assembly import instruction, legal_texts, readings, written
from tests.oracle import require_tool

# One of each sort of operand; a mnemonic's own operands are replaced by these one at a time.
# fmt: off
_SORTS = [
    "r9", "f9", "p9", "b5", "ar9", "ar70", "ar.pfs", "ar.ccv", "ar.csd", "cr9", "ip", "pr", "pr.rot", "psr",
    "psr.l", "psr.um", "r0", "[r9]", "rr[r9]", "dbr[r9]", "cpuid[r9]", "-1", "0", "1", "3", "4", "5", "16",
    "17", "31", "32", "33", "63", "64", "65", "127", "128", "255", "256", "-128", "-129", "-256", "-257",
    "8191", "8192", "-8192", "-8193", "0x1fffff", "0x200000", "0xffffffff", "0xffffffffffffffff", "-0x200001",
    "0xffff", "0x10000", "0x80000", "0x1000000", "0x3fffffffffffffff", "0x4000000000000000", "symbol",
]
# fmt: on

# GNU as complains of these for other reasons than an operand of the wrong sort or value.
_OTHER_REASONS = re.compile(
    r"must be (first|last)|Invalid duplicate|hint\.b|doesn't match|first operand must|Register number"
    r"|branch tag"  # which must be near, and defined
)


# Names of the file, where what is meant depends on where they stand (a tag's bundle must be near) or on other files.
_NAME = re.compile(r"\b(symbol|here|start)\b")

# What GNU as takes though it cannot be: it counts a frame's parts in 32 bits, and one less than 65 bits are 64.
_OVERLOOKED = re.compile(
    r"alloc .*(0x8000000000000001|4294967296|4294967297|9223372036854775808|0,0x60)|cmp.*=18446744073709551616"
)


def _replaced() -> Iterator[str]:
    rng = random.Random(7)
    for mnemonic, candidate in readings():
        legal = [rng.choice(legal_texts(spec, rng)) for spec in candidate.operands]
        for place in range(len(legal)):
            for other in rng.sample(_SORTS, 6):
                yield written(mnemonic, candidate, [*legal[:place], other, *legal[place + 1 :]])
        if legal:
            yield written(mnemonic, candidate, legal) + ",r9"
            yield f"(p6) {written(mnemonic, candidate, legal)}"
            yield f"(r6) {written(mnemonic, candidate, legal)}"


def _edges() -> Iterator[str]:
    """Every operand that is an integer, of a mnemonic for each row and kind, at the edges of its range and of words."""
    rng = random.Random(13)
    seen: set[tuple[object, ...]] = set()
    for mnemonic, candidate in readings():
        form = candidate.spelling.form if candidate.spelling is not None else candidate.reals[0].partition(".")[0]
        legal = [rng.choice(legal_texts(spec, rng)) for spec in candidate.operands]
        for place, spec in enumerate(candidate.operands):
            kind = spec.kind
            if kind is None or kind.shape != "i" or kind.name.startswith("tag") or (form, place, kind.name) in seen:
                continue
            seen.add((form, place, kind.name))
            if mnemonic == "alloc":
                legal[1:] = ["0"] * (len(legal) - 1) if legal[1] != "ar.pfs" else ["ar.pfs", *["0"] * (len(legal) - 2)]
            for edge in _around(kind):
                if kind.name == "entry" and int(edge, 0) >> 64:
                    continue  # an internal error of GNU as
                yield written(mnemonic, candidate, [*legal[:place], edge, *legal[place + 1 :]])


def _around(kind: Kind) -> Iterator[str]:
    """Numbers about the edges of a kind's range, of what its field holds, and of 32 and 64 bits, also as unsigned."""
    low, high = min(kind.choices, default=kind.low), max(kind.choices, default=kind.high)
    steps = (0, 1, kind.scale - 1, kind.scale)
    edges = {number + sign * step for number in (0, low, high) for step in steps for sign in (1, -1)}
    edges |= {edge % 2**32 for edge in edges if edge < 0} | {edge % 2**64 for edge in edges if edge < 0}
    edges |= {2**power + step for power in (31, 32, 63, 64) for step in (-1, 0, 1)}
    for edge in sorted(edges):
        yield str(edge) if edge % 3 else f"{'-' * (edge < 0)}{abs(edge):#x}"


def _refused_by_gnu_as(texts: list[str], folder: Path) -> dict[int, str]:
    source = folder / "in.s"
    refused: dict[int, str] = {}
    while True:
        lines = ["here: start:", *("" if index in refused else f"{text} ;;" for index, text in enumerate(texts))]
        source.write_text("\n".join(lines) + "\n")
        command = [require_tool("ia64-linux-gnu-as"), str(source), "-o", str(folder / "out.o")]
        said = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "Internal error" not in said.stderr
        found = {int(one[1]) - 2: one[2] for one in re.finditer(r"in\.s:(\d+): Error: (.*)", said.stderr)}
        new = {index: message for index, message in found.items() if index not in refused}
        if not new:
            return refused
        refused.update(new)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str | None]]:
    """Instructions, and why GNU as refuses them, if it does."""
    texts = list(dict.fromkeys(_replaced()))
    texts = random.Random(11).sample(texts, min(len(texts), 12_000))
    texts += sorted(set(_edges()).difference(texts))
    texts += ["mov pr=r5,0xffff", "tf.z p1,p2=@datahints", "movl r8=0x10000000000000000", "ld8.mov r2=[r3],sym#"]
    refused = _refused_by_gnu_as(texts, tmp_path_factory.mktemp("refusals"))
    return [(text, refused.get(index)) for index, text in enumerate(texts)]


@pytest.mark.slow
def test_refused_by_both_or_by_neither(judged: list[tuple[str, str | None]]) -> None:
    wrong = []
    for text, theirs in judged:
        try:
            resolve(instruction(text), Scope())
            ours = None
        except OperandError as error:
            ours = error.message
        explained = _OTHER_REASONS.search(theirs) if theirs else _OVERLOOKED.match(text)
        if theirs == "integer operand out of range":
            explained = _NAME.search(text)
        if (ours is None) != (theirs is None) and not explained:
            wrong.append((text, ours, theirs))
    assert wrong == [], "\n".join(map(str, wrong))


@pytest.mark.slow
def test_the_rule_flags_what_gnu_as_refuses(judged: list[tuple[str, str | None]]) -> None:
    """M20: PV604 tells of the same lines, but for those with a name that only another file can explain."""
    found = check("".join(f"{text} ;;\n" for text, _ in judged), "PV604")
    flagged = {diagnostic.line: diagnostic.message for diagnostic in found}
    wrong = []
    for line, (text, theirs) in enumerate(judged, 1):
        explained = _OTHER_REASONS.search(theirs) if theirs else _OVERLOOKED.match(text)
        if (line in flagged) != (theirs is not None) and not explained and not _NAME.search(text):
            wrong.append((text, flagged.get(line), theirs))
    assert wrong == [], "\n".join(map(str, wrong))


_NAMES_BY_PLACE = """
    mov r8=in0
    mov r8=out0
    alloc r2=ar.pfs,1,2,1,0
    mov r8=in0
    mov r8=in1
    mov r8=loc1
    mov loc2=r8
    add r8=out1,out0
    ld8 r8=[loc2]
    mov r8=loc96
    .proc g
g:  mov r8=loc1
    mov r8=loc2
    .regstk 2,3,1,0
    mov r8=in1
    mov r8=loc3
    .regstk 0,0,0,0
    mov r8=in0
    alloc loc0=ar.pfs,1,0,1,0
    alloc loc0=ar.pfs,1,1,1,0
    alloc r32=ar.pfs,8,8,8,32
    alloc r32=ar.pfs,8,8,8,16
    alloc r32=ar.pfs,8,8,8,15
    alloc r32=ar.pfs,95,1,1,8
    alloc r32=ar.pfs,96,0,0,104
    .rotr a[3],b[5]
    .rotp pa[3]
    .rotf fa[96]
    mov r8=a[3]
    mov r8=a[2]
    mov b[5]=r8
    mov r8=a[-1]
    (pa[3]) mov r8=r9
    (pa[2]) mov r8=r9
    mov f8=fa[96]
    mov f8=fa[95]
"""

_WIDE = """
    movl r8 = 0x10000000000000000
    movl r8 = 0xffffffffffffffff
    movl r8 = -0x10000000000000000
    movl r8 = ~0x10000000000000000
    movl r8 = !0x10000000000000000
    movl r8 = (0x10000000000000000)
    movl r8 = 0x10000000000000000 - 1
    movl r8 = (0x10000000000000000) | 5
    movl r8 = 18446744073709551616 >> 4
    movl r8 = -18446744073709551615
    movl r8 = -18446744073709551616
    adds r8 = 1 + 0x10000000000000000, r9
    adds r8 = 5 / 0, r9
    adds r8 = 8192 / 0, r9
    adds r8 = -8193 % 0, r9
"""


@pytest.mark.parametrize("text", [_NAMES_BY_PLACE, _WIDE], ids=["names", "wide numbers"])
@pytest.mark.parametrize("preprocessed", [True, False])
def test_the_rule_flags_registers_beyond_the_frame(text: str, preprocessed: bool, tmp_path: Path) -> None:
    """M20: stacked registers and rotating ones beyond what there are, and numbers of more than 64 bits."""
    source = tmp_path / "in.s"
    source.write_text(text)
    command = [require_tool("ia64-linux-gnu-as"), str(source), "-o", str(tmp_path / "out.o")]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    refused = {int(line) for line in re.findall(r"in\.s:(\d+): Error:", said)}
    assert {diagnostic.line for diagnostic in check(text, "PV604", preprocessed=preprocessed)} == refused


def _frames() -> Iterator[str]:
    """Frames around every bound of alloc's counts. Of counts below 0 GNU as loses track (_OVERLOOKED)."""
    for inputs, local, outputs in product((0, 1, 48, 96, 97), (0, 8, 47, 48, 49, 95, 96), (0, 1, 7, 96)):
        eights = (inputs + local + outputs) // 8 * 8
        for rotating in sorted({0, 4, 8, eights, eights + 8, 96, 104}):
            yield f"alloc r2=ar.pfs,{inputs},{local},{outputs},{rotating}"
    near = (0, 1, 7, 8, 9, 47, 48, 95, 96, 97)
    yield from (f"alloc r2=ar.pfs,0,{size},0,{rotating}" for size in near for rotating in near)


def test_frames_that_gnu_as_takes_without_a_word(tmp_path: Path) -> None:
    """PV604 says something of an alloc where GNU as refuses it or warns of it, and nowhere else."""
    texts = list(_frames())
    source = tmp_path / "in.s"
    source.write_text("".join(f"{text}\n" for text in texts))
    command = [require_tool("ia64-linux-gnu-as"), str(source), "-o", str(tmp_path / "out.o")]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    theirs = {int(line) for line in re.findall(r"in\.s:(\d+): (?:Error|Warning):", said)}
    ours = {diagnostic.line: diagnostic.message for diagnostic in check(source.read_text(), "PV604")}
    wrong = [(text, ours.get(line)) for line, text in enumerate(texts, 1) if (line in ours) != (line in theirs)]
    assert wrong == []
    assert 0 < len(theirs) < len(texts)
