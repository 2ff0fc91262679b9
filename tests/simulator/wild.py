"""Runs images of random bytes: each stops for a reason, at a place, and never in an error of the machine's own.

`python -m tests.simulator.wild --images 100000 --seed 1` runs as many; what fails is printed with its number, which
`--first` begins at.
"""

from __future__ import annotations

import argparse
import random
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Final

from pvsim.machine.configuration import Configuration
from pvsim.machine.external_interrupts import VECTORS
from pvsim.machine.interruptions import Interruption
from pvsim.machine.machine import Machine
from pvsim.machine.translation_cache import Translation

from pvasm.isa.bundle import Bundle
from pvasm.isa.registers import CONTROL
from pvasm.isa.table import all_forms, formats

START: Final = 0x1_0000
IVA: Final = 0x2_0000
LIMIT: Final = 200  # instructions
_SIZE: Final = 512
_WORD: Final = 1 << 64
_TEMPLATES: Final = tuple(number for number in range(32) if number not in (6, 7, 20, 21, 26, 27, 30, 31))


def _noise(chance: random.Random) -> bytes:
    """Bytes, and no more."""
    return chance.randbytes(_SIZE)


def _sparse(chance: random.Random) -> bytes:
    """Bytes with few bits set."""
    return bytes(chance.randrange(256) & chance.randrange(256) & chance.randrange(256) for _ in range(_SIZE))


def _bundles(chance: random.Random) -> bytes:
    """Bundles of templates that there are; instructions of major opcodes at random, often under p0."""
    made = bytearray()
    while len(made) < _SIZE:
        slots = []
        for _ in range(3):
            bits = chance.getrandbits(41)
            if chance.random() < 0.7:
                bits &= ~0x3F  # of the qualifying predicate
            slots.append(bits)
        made += Bundle(chance.choice(_TEMPLATES), (slots[0], slots[1], slots[2])).to_bytes()
    return bytes(made)


def _instructions(chance: random.Random) -> bytes:
    """Bundles of instructions that there are, by the opcode fields of the table's forms; the rest is at random."""
    made = bytearray()
    while len(made) < _SIZE:
        number = chance.choice(_TEMPLATES)
        bundle = Bundle(number, (0, 0, 0))
        slots = [chance.getrandbits(41) for _ in range(3)]
        for slot, unit, _ in bundle.instructions():
            fixed, value = chance.choice(_forms()[unit]) if unit in _forms() else (0, 0)
            kept = slots[slot] & ~fixed & (~0x3F if chance.random() < 0.8 else -1)
            slots[slot] = (kept | value) & (1 << 41) - 1
        made += Bundle(number, (slots[0], slots[1], slots[2])).to_bytes()
    return bytes(made)


@cache
def _forms() -> dict[str, list[tuple[int, int]]]:
    """By unit, the bits that forms fix in their own slots: which, and what they are."""
    found: dict[str, list[tuple[int, int]]] = {}
    for form in all_forms():
        mask = value = 0
        for field, code in form.fixed.items():
            word, low, width = formats()[form.format][field]
            if word == 0:
                mask |= (1 << width) - 1 << low
                value |= code << low
        for unit in "IM" if form.unit == "A" else form.unit:
            found.setdefault(unit, []).append((mask, value))
    return found


_KINDS: Final[dict[str, Callable[[random.Random], bytes]]] = {
    "noise": _noise,
    "sparse": _sparse,
    "bundles": _bundles,
    "instructions": _instructions,
}

# Bits of psr: what a machine starts with, each with even odds; most of the time it collects, at level 0.
_STATUS: Final = (1, 3, 4, 5, 13, 14, 15, 17, 18, 19, 22, 23, 24, 25, 26, 27, 36, 37, 38, 39, 40, 43, 44, 45, 46)
_FETCHED_VIRTUALLY: Final = 1 << 36 | 1 << 14  # psr.it and psr.i
_PAGES: Final = (1 | 3 << 5 | 3 << 7 | 3 << 9, 1 | 3 << 5, 1 | 1 << 5 | 1 << 9, 1 | 3 << 5 | 7 << 2, 0, 1 | 7 << 9)


def _number(chance: random.Random) -> int:
    """A number for a register: often an address of what is there."""
    kind = chance.randrange(6)
    if kind < 3:
        return START + chance.randrange(-64, 2 * _SIZE) & (-8 if kind else -1)
    if kind == 3:
        return chance.randrange(256)
    return chance.getrandbits(64) if kind == 4 else 1 << chance.randrange(64)


def prepared(number: int, seed: int) -> Machine:
    """The machine of an image, about to run."""
    chance = random.Random(f"{seed} {number}")
    kind = chance.choice(tuple(_KINDS))
    model = Configuration(
        alat_entries=chance.choice((0, 32, None)),
        unaligned_within=chance.choice((0, 16)),
        checks_branch=chance.random() < 0.8,
        physical_bits=chance.choice((40, 50)),
        virtual_bits=chance.choice((51, 61)),
    )
    machine = Machine(configuration=model)
    machine.memory.write(START, _KINDS[kind](chance))
    machine.delivers = chance.random() < 0.6
    handlers = [chance.choice((_bundles, _instructions))(chance)[:256] for _ in range(3)] if machine.delivers else ()
    for vector in range(0, 0x6200, 0x100) if handlers else ():
        machine.memory.write(IVA + vector, chance.choice(handlers))
    machine.gr[1:] = (_number(chance) for _ in range(127))
    machine.nat[1:] = (int(chance.random() < 0.05) for _ in range(127))
    machine.fr[2:] = (chance.getrandbits(82) for _ in range(126))
    machine.br[:] = (_number(chance) for _ in range(8))
    machine.set_prs(chance.getrandbits(64) | 1)
    machine.cr[CONTROL["iva"]] = IVA
    machine.cr[CONTROL["pta"]] = START & ~0x7FFF | 15 << 2 | chance.choice((0, 1, 0x101))
    machine.cr[CONTROL["dcr"]] = chance.getrandbits(15) & ~0xF8
    machine.rr = [
        chance.getrandbits(8) << 8 | chance.choice((12, 14, 16)) << 2 | chance.getrandbits(1) for _ in range(8)
    ]
    for kind_of_page in "di":
        registers = machine.translation_registers[kind_of_page]
        for slot in range(chance.randrange(4)):
            size = chance.choice((12, 14, 20))
            frame = chance.choice((START, IVA, 0)) >> size << size
            entry = frame | chance.choice(_PAGES) | chance.choice((0, 1 << 52))
            region = machine.rr[chance.randrange(8)] >> 8 & 0xFFFFFF
            registers[slot] = Translation(frame, size, region, 0, entry)
    for name in ("dbr", "ibr", "pkr"):
        for index in range(2):
            machine.write_indexed(name, index, _number(chance) if name != "pkr" else chance.getrandbits(16) & ~0xF0)
    machine.sof = chance.randrange(97)
    machine.write_bspstore(_number(chance))
    psr = sum(1 << bit for bit in _STATUS if chance.random() < 0.15) ^ (1 << 13 if chance.random() < 0.8 else 0)
    machine.psr = psr | (chance.randrange(4) << 32 if chance.random() < 0.3 else 0)
    if chance.random() < 0.3:
        machine.raise_interrupt(chance.choice(sorted(VECTORS)))
    machine.ip = START | chance.choice((0, 0, 1, 2))
    return machine


def check(machine: Machine, stop: Interruption | None) -> str:
    """Why it stopped. Raises AssertionError for a state that no processor has."""
    assert all(0 <= value < _WORD for file in (machine.gr, machine.br, machine.ar, machine.cr) for value in file)
    assert all(0 <= value < _WORD for value in (machine.ip, machine.psr, machine.prs, machine.cfm))
    assert all(bit in (0, 1) for bit in (*machine.nat, *machine.pr))
    assert machine.pr[0] == 1
    assert machine.gr[0] == machine.nat[0] == 0
    assert all(0 <= value < 1 << 82 for value in machine.fr)
    assert 0 <= machine.sol <= machine.sof <= 96
    assert len(machine.gr) == len(machine.nat) == 128
    return "limit" if stop is None else stop.vector.name.lower()


def run(number: int, seed: int) -> str:
    """Runs an image; why it stopped first. Where interruptions are not delivered, what comes behind is run as well."""
    machine = prepared(number, seed)
    stop = machine.run(LIMIT)
    assert stop is None or not machine.delivers
    reason = check(machine, stop)
    while stop is not None and START <= machine.ip < START + _SIZE and machine.instructions < LIMIT:
        machine.ip = (machine.ip & ~15) + 16
        machine.psr &= ~_FETCHED_VIRTUALLY
        stop = machine.run(LIMIT)
        check(machine, stop)
    return reason


def main(arguments: list[str]) -> int:
    """Runs as many images as it is asked to; 1 where one of them ended in an error."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulator.wild", description=__doc__)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    reasons: Counter[str] = Counter()
    failed = 0
    for number in range(options.first, options.first + options.images):
        try:
            reasons[run(number, options.seed)] += 1
        except Exception:
            failed += 1
            print(f"image {number} of seed {options.seed}:")
            traceback.print_exc(limit=-4, file=sys.stdout)
    for reason, count in reasons.most_common():
        print(f"{count:8} {reason.replace('_', ' ')}")
    print(f"{options.images} images, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
