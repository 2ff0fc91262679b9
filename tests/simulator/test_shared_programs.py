"""A program that instructions share does for each what its own program does, and so does the function made of it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from pvsim import Interruption, Machine
from pvsim.machine.direct import execute
from pvsim.machine.pattern_code import function_of

from pvasm.isa.encoding import decode
from pvasm.isa.instruction import Instruction, instruction_of
from pvasm.isa.operands import IndexedRegister, MemoryOperand
from pvasm.isa.registers import Register
from pvasm.isa.semantics.all_clauses import clauses, program_of
from pvasm.isa.semantics.operation import is_turned_off
from pvasm.isa.semantics.shared_programs import pattern_of

# Few registers, so that often two operands are the same; of each kind that clauses tell apart some.
NUMBERS = {"r": (0, 1, 2, 31, 32, 33, 127), "f": (0, 1, 2, 3, 31, 32, 33), "p": (0, 1, 2, 15, 16, 63)}


def instruction(choose: random.Random) -> Instruction | None:
    """An instruction of random bits, with some of few registers."""
    unit = choose.choice("MIFBX")
    found = decode(choose.getrandbits(82 if unit == "X" else 41), unit, 0x10000)
    if found is None or found.predicate is None:
        return None
    predicate = 0 if found.form.unpredicated else choose.choice(NUMBERS["p"])
    return instruction_of(found.spelling, tuple(other(each, choose) for each in found.operands), predicate)


def other(value: Any, choose: random.Random) -> Any:
    if isinstance(value, MemoryOperand):
        return MemoryOperand(other(value.base, choose))
    if isinstance(value, IndexedRegister):
        return IndexedRegister(value.file, other(value.index, choose))
    if isinstance(value, Register) and value.file in NUMBERS:
        return Register(value.file, choose.choice(NUMBERS[value.file]))
    return value


def outcome(seed: int, turned_off_by: int, do: Callable[..., bool], *program: Any) -> tuple[Any, ...]:
    """All that a machine of random contents holds when a program has been executed in a way, and how that ended.

    It is not executed where a predicate is 0 that turns it off.
    """
    choose = random.Random(seed)
    made = Machine()
    made.sof, made.sol, made.sor = 33, 16, 8
    made.psr = choose.choice(
        (1 << 13 | 1 << 44, 1 << 44 | 3 << 32, *(1 << 13 | 1 << 44 | off << 18 for off in (1, 2, 3)))
    )
    made.ip = 0x10000 | choose.randrange(3)
    made.gr[1:] = [choose.choice((choose.getrandbits(64), 8 * choose.getrandbits(16))) for _ in range(127)]
    made.nat[1:] = [choose.random() < 0.1 for _ in range(127)]
    made.fr[2:] = [choose.getrandbits(64) | choose.randrange(0xFF00, 0x10100) << 64 | 1 << 63 for _ in range(126)]
    made.br[:] = [choose.getrandbits(64) & ~15 for _ in range(8)]
    made.ar[64:67] = [choose.getrandbits(32) for _ in range(3)]
    made.set_prs(choose.getrandbits(64) | 1)
    ended: Any
    try:
        ended = bool(made.pr[turned_off_by] and do(made, *program))
    except Interruption as interruption:
        ended = str(interruption), interruption.vector
    files = (made.gr, made.nat, made.fr, made.pr, made.br, made.ar, made.cr, made.rr, *made.files.values())
    pages = {page: bytes(each) for page, each in made.memory.pages.items()}
    kinds = {each.__class__ for file in (made.gr, made.fr, made.pr, made.br, made.ar, made.cr) for each in file}
    return ended, made.ip, made.psr, made.cfm, [list(map(int, file)) for file in files], kinds, pages


@pytest.mark.parametrize(
    ("seed", "number", "most"), [(1, 40_000, 4), pytest.param(2, 400_000, 200, marks=pytest.mark.slow)]
)
def test_shared_programs(seed: int, number: int, most: int) -> None:
    """Of each instruction, whatever has been asked of others before it; of a form so many at most."""
    choose = random.Random(seed)
    seen: Counter[str] = Counter()
    made: dict[int, tuple[Any, Any]] = {}  # the functions of patterns, by identity of the effects
    for at in range(number):
        each = instruction(choose)
        if each is None or seen[each.form.id] >= most:
            continue
        slot = choose.randrange(3)
        try:
            own = program_of(each.form, each.mnemonic, each.operands, each.predicate or 0, slot)
        except TypeError:  # an operand that no source can name, which the table has as a number
            continue
        effects, bound = pattern_of(each, slot)
        if id(effects) not in made:
            made[id(effects)] = effects, function_of(effects)
        expected = outcome(at, 0, execute, own)
        turned_off_by = (each.predicate or 0) if is_turned_off(each.form) else 0
        assert outcome(at, turned_off_by, execute, effects, bound) == expected, each
        if seen[each.form.id] < 50:
            assert outcome(at, turned_off_by, made[id(effects)][1], bound) == expected, each
        seen[each.form.id] += 1
    assert len(seen) > 0.7 * len(clauses())
