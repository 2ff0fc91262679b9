"""What the data flow back end says of an instruction, against the machine that carries it out."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from pvsim import Interruption, Machine
from pvsim.machine.direct import execute

from pvasm.isa.encoding import decode
from pvasm.isa.instruction import Instruction
from pvasm.isa.semantics.all_clauses import program_of
from pvasm.isa.semantics.data_flow import Derived, Flow, Value, Word, program_without_faults, sources, whole, width_of
from pvasm.isa.semantics.programs import Call, every_effect
from pvasm.isa.semantics.terms import Cell, mask

UNITS = "MIFB"
FILES = frozenset(["gr", "fr", "pr", "br"])


def instructions(seed: int, number: int) -> list[Instruction]:
    """Instructions of random bits, a few of each form, that ask the machine for nothing but checks."""
    choose = random.Random(seed)
    found: dict[str, list[Instruction]] = {}
    for _ in range(number):
        each = decode(choose.getrandbits(41), choose.choice(UNITS))
        if each is None or len(found.setdefault(each.form.id, [])) >= 6:
            continue
        try:
            effects = program_of(each.form, each.mnemonic, each.operands, each.predicate or 0)
        except TypeError:
            continue
        names = {effect.name for effect in every_effect(effects) if isinstance(effect, Call)}
        if all(name == "fault" or name.startswith(("check_", "disabled_")) for name in names):
            found[each.form.id].append(each)
    return [each for several in found.values() for each in several]


def machine(choose: random.Random) -> Machine:
    """A machine with numbers in its registers, none of them NaT."""
    made = Machine()
    made.sof = 96
    made.psr = 1 << 13 | 1 << 44
    for number in range(1, 128):
        made.gr[number] = choose.getrandbits(64)
        if number > 1:
            made.fr[number] = choose.getrandbits(64) | choose.randrange(0xFF00, 0x10100) << 64 | 1 << 63
    for number in range(8):
        made.br[number] = choose.getrandbits(64)
    made.set_prs(choose.getrandbits(64) | 1)
    return made


def held(made: Machine, cell: Cell) -> int:
    value = getattr(made, cell.file)
    return int(value[cell.number] if isinstance(value, list) else value)


def expected(word: Word, made: Machine) -> tuple[int, int]:
    """The bits of a word that are told, and which these are."""
    bits = told = at = 0
    for piece in word:
        base = piece.value.base
        if not isinstance(base, Derived):
            whole_value = piece.value.offset
            if base is not None and base.width == 1:
                whole_value ^= held(made, base)
            elif base is not None:
                whole_value += held(made, base)
            bits |= (whole_value >> piece.low & mask(piece.width)) << at
            told |= mask(piece.width) << at
        at += piece.width
    return bits, told


def flow_of(each: Instruction, made: Machine) -> dict[Cell, Word]:
    def nothing(_: Call, __: Sequence[object], ___: bool) -> Sequence[Word]:
        return ()

    flow = Flow(lambda cell: whole(Value(cell), cell.width), nothing)
    flow.run(program_without_faults(each), each.predicate or 0, bool(made.pr[each.predicate or 0]))
    return flow.assigned


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_what_flows_where(seed: int) -> None:
    """What is told is so, and what is derived depends on nothing but its sources."""
    choose = random.Random(seed)
    found = instructions(seed, 40_000)
    assert len({each.form.id for each in found}) > 150
    followed = sum(followed_of(each, choose) for each in found)
    assert followed > 100


def followed_of(each: Instruction, choose: random.Random) -> int:
    """How many cells are followed as a whole, in states that agree in what the instruction's results are made of."""
    effects = program_of(each.form, each.mnemonic, each.operands, each.predicate or 0)
    first = machine(choose)
    words = flow_of(each, first)
    read = {value.base for word in words.values() for value in sources(word)}
    told = 0
    after: list[dict[Cell, int]] = []
    for _ in range(3):
        made = machine(choose)
        for cell in read:
            _copy(first, made, cell)
        made.pr[each.predicate or 0] = first.pr[each.predicate or 0]
        expectations = {cell: expected(word, made) for cell, word in words.items()}
        try:
            execute(made, effects)
        except Interruption:
            return 0
        for cell, (bits, mine) in expectations.items():
            assert held(made, cell) & mine == bits, (each, cell, words[cell])
            assert width_of(words[cell]) == cell.width
            told += mine == mask(cell.width)
        after.append({cell: held(made, cell) for cell in words if cell.file in FILES})
    assert after[0] == after[1] == after[2], each
    return told


def _copy(source: Machine, target: Machine, cell: Cell) -> None:
    mine = getattr(source, cell.file)
    if isinstance(mine, list):
        getattr(target, cell.file)[cell.number] = mine[cell.number]
    elif cell.file != "ip":
        getattr(target, f"set_{cell.file}")(mine)
