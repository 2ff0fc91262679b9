"""Programs: what an instruction does, step by step, as its clause says it when the instruction is decoded.

Effects are in order. What a term reads of a cell is what that held when the instruction began, whatever has been
assigned since: as in the manual, an instruction reads before it writes. A fault leaves undone what comes after it, so a
clause writes no cell before the last of its effects that may fault.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from pvasm.isa.semantics.terms import Cell, Term


class Assign(Struct, frozen=True, eq=False):
    """A cell is given a value."""

    cell: Cell
    value: Term


class Call(Struct, frozen=True, eq=False):
    """The machine is asked for what is no arithmetic: translation, the register stack, interruptions.

    `name` is one of `CALLS`. `results` are terms for what comes back.
    """

    name: str
    arguments: tuple[Term | int | str, ...]
    results: tuple[Term, ...] = ()


class If(Struct, frozen=True, eq=False):
    """Some effects where a value of one bit is 1, others where it is 0."""

    condition: Term
    then: tuple[Effect, ...]
    otherwise: tuple[Effect, ...] = ()


Effect = Assign | Call | If


class Interface(Struct, frozen=True):
    """A call of the machine: the widths of what comes back, and what becomes of control.

    `may_fault` says that it may end in an interruption; `leaves` that it says where control goes (the machine's method
    sets `ip`); `ends` that control goes on behind the instruction, but that what was known of the state no longer
    holds: registers have other names, or code other bytes. A basic block ends with either. `counts` says that it asks
    how many instructions have been executed.

    `reads` and `writes` are the resources that the machine touches for it, by their names in the columns of the
    instruction table; `{0}` in a name is the first argument, a word, in capitals, and `NAME?a,sa` is for calls that
    have one of these words among their arguments. What renames registers and how large the frame is are none of them:
    every instruction with a stacked or rotating register would have them. Nor is what an interruption sets.
    """

    results: tuple[int, ...] = ()
    may_fault: bool = False
    leaves: bool = False
    ends: bool = False
    counts: bool = False
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()


CALLS: Final[dict[str, Interface]] = {}
"""The calls of the machine, by name. Each family adds its own with `call`."""


def call(
    name: str,
    *results: int,
    may_fault: bool = False,
    leaves: bool = False,
    ends: bool = False,
    counts: bool = False,
    reads: str = "",
    writes: str = "",
) -> str:
    """Adds a call of the machine; returns its name. Raises ValueError for a name that is taken.

    `reads` and `writes` are names of resources with spaces between them.
    """
    if name in CALLS:
        raise ValueError(f"{name} is a call already")
    CALLS[name] = Interface(results, may_fault, leaves, ends, counts, tuple(reads.split()), tuple(writes.split()))
    return name


def every_effect(effects: tuple[Effect, ...]) -> Iterator[Effect]:
    """The effects, and those in their arms."""
    for effect in effects:
        yield effect
        if isinstance(effect, If):
            yield from every_effect(effect.then)
            yield from every_effect(effect.otherwise)


def terms_of(effect: Effect) -> Iterator[Term]:
    """The terms that an effect evaluates, those of its arms left out."""
    if isinstance(effect, Assign):
        yield effect.value
    elif isinstance(effect, If):
        yield effect.condition
    else:
        yield from (argument for argument in effect.arguments if isinstance(argument, Term))
