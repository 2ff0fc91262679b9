"""Every instruction form, with choices of completers and operands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pvasm.isa.operands import IndexedRegister, MemoryOperand, Value, shape_of
from pvasm.isa.registers import Register
from pvasm.isa.resources import CONSTANTS
from pvasm.isa.semantics.operation import FAULT
from pvasm.isa.semantics.programs import Call, Effect, If
from pvasm.isa.table import STEMS, Form, OperandSpec, Spelling, mnemonics, real_candidates

_HINTS: Final = frozenset(["hx", "hint", "wh", "wh3", "p", "d", "ih"])
"""Fields of the encoding that say nothing about what is done."""

_REGISTERS: Final = {"r": [9, 33, 40, 5, 0], "f": [6, 40, 9, 50, 1, 0], "p": [7, 8, 20, 40], "b": [6, 3, 0]}
_NUMBERS: Final = {"mbtype4": [8, 0, 9, 10, 11], "imm24": [0x4, 0x2000, 0x3A, 0x82_6004], "imm8": [-128, 127, 0, 3, 29]}


def spellings() -> Iterator[Spelling]:
    """Every form with each choice of completers that are no hints."""
    seen = set()
    for stem in sorted(STEMS):
        for mnemonic in [*mnemonics(stem), stem]:
            for candidate in real_candidates(mnemonic):
                spelling = candidate.spelling
                assert spelling is not None
                rest = tuple((name, value) for name, value in spelling.fields.items() if name not in _HINTS)
                if (spelling.form.id, rest) not in seen:
                    seen.add((spelling.form.id, rest))
                    yield spelling


def _choices(form: Form, spec: OperandSpec, place: int) -> list[Value]:
    if spec.literal is not None:
        return [spec.literal]
    if spec.form == "memory":
        return [MemoryOperand(Register("r", number)) for number in (10, 34)]
    if spec.form == "indexed":
        return [IndexedRegister(spec.file, Register("r", number)) for number in (10, 34)]
    kind = spec.kind
    assert kind is not None
    if kind.shape != "i":
        numbers = [each for each in _REGISTERS.get(kind.shape, ()) if each in kind.numbers] or sorted(kind.numbers)
        if "<base>" in form.writes:
            numbers = [number for number in numbers if number]  # r0 added to a base leaves it as it was
        turn = place % len(numbers)
        return [Register(kind.shape, number) for number in numbers[turn:] + numbers[:turn]]
    if kind.choices:
        return list(kind.choices)
    numbers = [kind.low, kind.high, (kind.low + kind.high) // 2, kind.low + kind.scale]
    return [*_NUMBERS.get(spec.text, ()), *(number - number % kind.scale for number in numbers)]


def operands(spelling: Spelling) -> Iterator[tuple[Value, ...]]:
    """Operands such that each takes each of its choices, and no two targets are the same or constants."""
    form = spelling.form
    choices = [_choices(form, spec, place) for place, spec in enumerate(form.operands)]
    for turn in range(max(map(len, choices), default=1)):
        chosen = tuple(each[(turn + place) % len(each)] for place, each in enumerate(choices))
        targets = chosen[: len(form.outputs)]
        is_legal = len(set(targets)) == len(targets) and CONSTANTS.isdisjoint(targets)
        if is_legal and _row(spelling, chosen) is form:
            yield chosen


def _row(spelling: Spelling, chosen: tuple[Value, ...]) -> Form:
    """The row that these operands are of: the first that takes them."""
    for candidate in real_candidates(spelling.mnemonic):
        specs = candidate.operands
        if len(specs) == len(chosen) and all(
            spec.shape == shape_of(value) and spec.accepts(value) for spec, value in zip(specs, chosen, strict=True)
        ):
            assert candidate.spelling is not None
            return candidate.spelling.form
    return spelling.form


def always_faults(effects: tuple[Effect, ...]) -> bool:
    """Whether, if its predicate is 1, nothing but a fault comes of it."""
    inner = effects[0].then if len(effects) == 1 and isinstance(effects[0], If) else effects
    return any(isinstance(each, Call) and each.name == FAULT for each in (*effects, *inner))
