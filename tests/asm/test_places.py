"""Each instruction is where GNU as puts it: bundle by bundle and slot by slot, for text that says little of bundles."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from pvasm.asm.layout import lay_out
from pvasm.asm.reading import assembly_parser
from pvasm.isa.bundle import SIZE, Bundle
from pvasm.isa.encoding import nop
from pvasm.syntax.document import read_document
from tests.oracle import require_tool

START = 0x10000

_INSTRUCTIONS = (
    *("nop.m 0", "ld8 r8=[r9]", "nop.i 0", "shl r10=r11,r12", "nop.f 0", "fadd f8=f9,f10", "nop.b 0", "br.few here"),
    *("add r13=r14,r15", "nop 0", "break 0", "movl r16=5", "nop.x 0", "brl.few here", "st8 [r5]=r6,8"),
    *("alloc r17=ar.pfs,0,0,0,0", "flushrs", "itc.d r18", "ptc.g r19,r20", "rfi", "cover", "bsw.0", "clrrrb"),
    *("br.ctop.sptk.few here", "chk.s r21,here", "mov ar48=r22", "mov ar.lc=r23", "mov b7=r24", "mov r25=ip"),
    *("br.call.sptk.few b6=here", "br.ret.sptk.few b0", "br.few 64", "tbit.z p6,p7=r4,5", "movl r14=here"),
)
_EXPLICIT = (
    "{ .mib\n nop.m 0\n br.few here\n}",
    "{ .mfi\n ld8 r8=[r9]\n nop.i 1 ;;\n}",
    "{ .mmi\n ld8 r8=[r9] ;;\n ld8 r10=[r9]\n}",
    "{ .bbb\n br.few here\n}",
)


def _program(rng: random.Random) -> str:
    """Up to 14 instructions with stops, labels, tags, templates, explicit bundles, data and alignment among them."""
    lines = ["here:"]
    names = []
    stops = rng.choice((0.1, 0.4, 0.9))
    for number in range(rng.randint(1, 14)):
        line = f" {rng.choice(_INSTRUCTIONS)}{' ;;' if rng.random() < stops else ''}"
        if rng.random() < 0.04:
            line = rng.choice(_EXPLICIT)
        if rng.random() < 0.1:
            line = f"l{number}:\n{line}"
            names.append(f"l{number}")
        if rng.random() < 0.04:
            line = f"{rng.randint(1, 2)}:\n{line}"
        if rng.random() < 0.03 and line[0] != "{":
            line = f"[.t{number}:]\n{line}"
            names.append(f".t{number}")
        if rng.random() < 0.03:
            line = f" .align 32\n{line}"
        if rng.random() < 0.02:
            line = f" data8 here\n .align 16\n{line}"
        lines.append(line)
    return "\n".join([*lines, *(f" data8 {name}" for name in names), ""])


def _assembled(text: str, folder: Path) -> bytes:
    source, made, whole, raw = (str(folder / f"t.{ending}") for ending in ("s", "o", "elf", "bin"))
    Path(source).write_text(text)
    subprocess.run([require_tool("ia64-linux-gnu-as"), "-xnone", "-o", made, source], check=True)
    link = [require_tool("ia64-linux-gnu-ld"), "-N", "-e0", "-Ttext", hex(START), "-o", whole, made]
    subprocess.run(link, check=True, capture_output=True)
    subprocess.run([require_tool("ia64-linux-gnu-objcopy"), "-O", "binary", "-j", ".text", whole, raw], check=True)
    return Path(raw).read_bytes()


def _places(code: bytes) -> list[tuple[int, int]]:
    """The instructions but for nops of nothing: address with the slot, and bits."""
    return [
        (at | slot, bits)
        for at in range(0, len(code) - len(code) % SIZE, SIZE)
        for slot, unit, bits in Bundle.of(code[at : at + SIZE]).instructions()
        if unit == "X" or bits != nop(unit)
    ]


@pytest.mark.parametrize("seed", range(40))
def test_each_instruction_has_the_place_that_the_assembler_gives_it(seed: int, tmp_path: Path) -> None:
    text = _program(random.Random(seed))
    document = read_document(assembly_parser(), text, "t.s", preprocessed=True)
    (segment,) = lay_out(document, address=START).segments
    assert _places(bytes(segment.data)) == _places(_assembled(text, tmp_path)), text


def test_an_image_may_begin_in_the_middle_of_its_section() -> None:
    """`.org` counts from where the section begins."""
    document = read_document(assembly_parser(), "a: nop.m 0 ;;\n.org 0x140\nb: nop.m 1 ;;\n", "t.s", preprocessed=True)
    image = lay_out(document, address=0x10000, start=0x100)
    (segment,) = image.segments
    assert (segment.address, len(segment.data)) == (0x10100, 0x50)
    assert image.symbols == {"a": 0x10100, "b": 0x10140}
