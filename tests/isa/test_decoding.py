"""Slots at random, over all opcodes and opcode extensions: what objdump takes for an instruction, we do, and alike."""

from __future__ import annotations

import os
import random
import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from pvasm.asm.resolve import resolve
from pvasm.asm.scope import OperandError, Scope
from pvasm.isa.encoding import EncodingError, decode, decoded_numbers, encode
from pvasm.isa.operands import number_of
from tests.isa.assembly import SLOT, disassemble, instruction
from tests.oracle import require_tool

# More of them: PVASM_SLOTS=20000 (per major opcode and unit).
_SLOTS = int(os.environ.get("PVASM_SLOTS", "600"))


def _printed_otherwise(text: str) -> bool:
    """Whether objdump shows something here that cannot be written so.

    It takes the tag of a move to a branch register for unsigned (SDM vol. 3, table 4-74, has it signed). A class of
    numbers without a sign, such as 0xc, is of both signs when written: 0xf.
    """
    if text.startswith("fclass"):
        classes = int(text.rpartition(",")[2], 16)
        return bool(classes & 0x3C) and not classes & 0x3
    return re.match(r"mov\S* b\d=r\d+,0x", text) is not None


def _slots(rng: random.Random, unit: str) -> Iterator[int]:
    for opcode in range(16):
        for _ in range(_SLOTS):
            extension, operands = rng.getrandbits(11), rng.getrandbits(26)
            keep = rng.choice([SLOT, SLOT, 0xFFFFF, 0x1FC0, 0x3F, 0])
            bits = opcode << 37 | extension << 26 | operands & keep
            if rng.random() < 0.3:
                bits &= ~(1 << 36)
            yield bits | (rng.getrandbits(41) << 41 if unit == "X" and rng.random() < 0.8 else 0)


def _source(predicate: int, text: str) -> str:
    """What objdump printed, as GNU as reads it."""
    frame = re.fullmatch(r"alloc (r\d+)=ar.pfs,(\d+),(\d+),(\d+)", text)
    if frame:
        size, local, rotating = (int(part) for part in frame.groups()[1:])
        if max(local, rotating) > size:
            return ".err"  # no such frame
        text = f"alloc {frame[1]}=ar.pfs,{local},0,{size - local},{rotating}"
    return f"(p{predicate}) {text}" if predicate else text


def _without_source(texts: Iterable[str], folder: Path) -> set[str]:
    """Those that GNU as does not take: frames of 100 registers, mov.i of an M-unit register, a count of 4 of 3, ..."""
    ordered = sorted(texts)
    source = folder / "in.s"
    source.write_text("".join(f"{text} ;;\n" for text in ordered))
    command = [require_tool("ia64-linux-gnu-as"), str(source), "-o", str(folder / "out.o")]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    return {ordered[int(line) - 1] for line in re.findall(r"in\.s:(\d+): Error", said)}


def _difference(bits: int, unit: str, address: int, theirs: tuple[int, str] | None) -> str | None:
    """What we make of a slot where that is not what objdump makes of it."""
    ours = decode(bits, unit, address)
    if theirs is None or ours is None:
        return None if theirs is None and ours is None else repr(ours)
    if (ours.predicate, ours.text) != theirs:
        return repr(ours)
    if _source(*theirs) == ".err":
        return None
    try:
        again = encode(resolve(instruction(_source(*theirs)), Scope()), address)
    except (OperandError, EncodingError) as error:
        return str(error)
    return None if again == encode(ours, address) else f"{again:x}"


@pytest.mark.parametrize("unit", ["M", "I", "F", "B", "X"])
def test_what_objdump_knows_we_know(unit: str, tmp_path: Path) -> None:
    slots = list(_slots(random.Random(f"slots of {unit}"), unit))
    known = 0
    wrong: list[tuple[str, str, str]] = []
    for index, (bits, theirs) in enumerate(zip(slots, disassemble(slots, unit, tmp_path), strict=True)):
        known += theirs is not None
        difference = _difference(bits, unit, index * 16, theirs)
        if difference is not None and not (theirs and _printed_otherwise(theirs[1])):
            wrong.append((f"{bits:x}", _source(*theirs) if theirs else "", difference))
    strange = _without_source({source for _, source, _ in wrong if source}, tmp_path)
    assert [one for one in wrong if one[1] not in strange] == []
    assert known > len(slots) // 10


def test_numbers() -> None:
    """What slots are by numbers alone is what they are, operand by operand."""
    rng = random.Random(3)
    found = 0
    for unit in "MIFBX":
        for bits in _slots(rng, unit):
            expected = decode(bits, unit, 0x10000)
            told = decoded_numbers(bits, unit, 0x10000)
            if expected is None:
                assert told is None, hex(bits)
                continue
            numbers = tuple(map(number_of, expected.operands))
            assert told == (expected.spelling, numbers, expected.predicate), (hex(bits), expected)
            found += 1
    assert found > 5000, found
