"""Arguments for an op to try its template with: all kinds of choices that can make a difference, but not too many."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import combinations, product
from typing import Final

from pvasm.isa.registers import REGISTERS
from pvasm.paravirt.catalog import Op, Parameter
from pvasm.paravirt.instance import Definition
from pvasm.regex import regex

# Registers that are nothing special, to choose from.
_GENERAL: Final = tuple(f"r{number}" for number in (*range(20, 32), 2, 3, 10, 11, *range(14, 20), *range(40, 60)))
_PREDICATES: Final = tuple(f"p{number}" for number in (6, 7, 8, 9, 11, 12, 13, 14, 15))
_MOST_SPECIAL: Final = 6

_REGISTER: Final = regex(r"(?<![\w.])[a-z]+\d*(?![\w.])")


def named_registers(text: str) -> set[str]:
    """The general and predicate registers that stand in a text, by their plain names."""
    found = (REGISTERS.get(word) for word in _REGISTER.findall(text))
    return {f"{register.file}{register.number}" for register in found if register and register.file in ("r", "p")}


def plain_choice(
    op: Op, definition: Definition, special: Collection[str], kernel_registers: Sequence[str], skip: int = 0
) -> tuple[str, ...] | None:
    """Arguments that are all different, and none of them `special`; None if the registers do not suffice.

    Of the registers that suit an argument, the first `skip` are not taken.
    """
    taken: set[str] = set()
    chosen = []
    for parameter in op.parameters:
        if parameter.kind == "kernel-register":
            chosen.append(kernel_registers[0])
            continue
        pool = _GENERAL if parameter.kind == "general" else _PREDICATES
        banned = definition.not_among.get(parameter.name, frozenset())
        free = [word for word in pool if not (word in special or word in taken or word in banned)]
        if len(free) <= skip:
            return None
        taken.add(free[skip])
        chosen.append(free[skip])
    return tuple(chosen)


def choices(
    op: Op,
    definition: Definition,
    plain: tuple[str, ...],
    special: Collection[str],
    kernel_registers: Sequence[str],
    most: int,
) -> Iterator[tuple[str, ...]]:
    """Arguments for an op, the plainest first, and at most so many.

    Each is `plain` with some arguments instead p0, r0, a special register, or the same as one before; none that
    the definition forbids.
    """
    others = [
        _alternatives(parameter, plain, op.parameters[:place], special, kernel_registers)
        for place, parameter in enumerate(op.parameters)
    ]
    names = [parameter.name for parameter in op.parameters]
    left = most
    for count in range(len(plain) + 1):
        for places in combinations(range(len(plain)), count):
            for words in product(*(others[place] for place in places)):
                arguments = list(plain)
                for place, word in zip(places, words, strict=True):
                    arguments[place] = word
                if left <= 0:
                    return
                if is_allowed(definition, dict(zip(names, arguments, strict=True))):
                    left -= 1
                    yield tuple(arguments)


def _alternatives(
    parameter: Parameter,
    plain: tuple[str, ...],
    before: Sequence[Parameter],
    special: Collection[str],
    kernel_registers: Sequence[str],
) -> list[str]:
    """What else an argument may be."""
    if parameter.kind == "kernel-register":
        return list(kernel_registers[1:2])
    file = "r" if parameter.kind == "general" else "p"
    ranked = sorted((word for word in special if word[0] == file), key=lambda word: int(word[1:]))
    found = [word for word in ranked if int(word[1:])][:_MOST_SPECIAL]
    found += [word for word, other in zip(plain, before, strict=False) if other.kind == parameter.kind]
    return [f"{file}0", *found] if parameter.use == "in" else found


def is_allowed(definition: Definition, given: Mapping[str, str]) -> bool:
    """Whether a definition takes these arguments, which are plain names of registers."""
    for group in definition.apart:
        if len({given[name] for name in group}) < len(group):
            return False
    return not any(given[name] in registers for name, registers in definition.not_among.items())
