"""Slots at random, over all opcodes and opcode extensions: what objdump takes for an instruction, we do, and alike."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pvasm.ia64 import OperandError, Scope, resolve
from pvasm.ia64.encoding import EncodingError, decode, encode
from tests.ia64.assembly import SLOT, disassemble, instruction

# More of them: PVASM_SLOTS=20000 (per major opcode and unit).
_SLOTS = int(os.environ.get("PVASM_SLOTS", "600"))

# objdump 2.40 prints these, and GNU as 2.40 refuses them: a frame of more than 96 registers or with more locals than
# registers; application registers that belong to the other unit; a count of 4; mux1 permutations that there are not; hint.b.
_NO_SOURCE = re.compile(r"alloc |mov\.[mi] .*ar\d*|p(shl|shr)add2 .*,4,|mux1 .*,0x|hint\.b|(mov|brp)\.?[a-z.]* b\d.*,")


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
        size, local = int(frame[2]), int(frame[3])
        text = f"alloc {frame[1]}=ar.pfs,{local},0,{size - local},{frame[4]}"
    return f"(p{predicate}) {text}" if predicate else text


@pytest.mark.parametrize("unit", ["M", "I", "F", "B", "X"])
def test_what_objdump_knows_we_know(unit: str, tmp_path: Path) -> None:
    slots = list(_slots(random.Random(f"slots of {unit}"), unit))
    known = 0
    wrong = []
    for index, (bits, theirs) in enumerate(zip(slots, disassemble(slots, unit, tmp_path), strict=True)):
        address = index * 16
        ours = decode(bits, unit, address)
        if theirs is None:
            if ours is not None:
                wrong.append((f"{bits:x}", "nothing", ours.full_text))
            continue
        known += 1
        predicate, text = theirs
        if ours is None:
            if not _NO_SOURCE.match(text):
                wrong.append((f"{bits:x}", text, "nothing"))
            continue
        if (ours.predicate, ours.text) != (predicate, text) and not _NO_SOURCE.match(text):
            wrong.append((f"{bits:x}", text, ours.full_text))
        try:
            same = encode(resolve(instruction(_source(predicate, text)), Scope()), address) == encode(ours, address)
        except (OperandError, EncodingError) as error:
            if not _NO_SOURCE.match(text):
                wrong.append((f"{bits:x}", text, str(error)))
        else:
            if not same:
                wrong.append((f"{bits:x}", text, "other bits"))
    assert wrong == []
    assert known > len(slots) // 10
