"""The back end that tells which of the processor's resources a program reads, and which it writes.

Resources are those of the dependency tables (`resources.py`): of the processor status register, of ar.fpsr and of the
predicates as one word each part by itself, so bits are followed one by one. A bit that a cell keeps, because the
program gives it back what it held, is neither read nor written; one that it may keep (`fpsr | flags`) is written.
Faults count, and so do NaTs; which value goes where does not: that is `data_flow.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final

from msgspec import Struct

from pvasm.isa.registers import Register
from pvasm.isa.resources import CONSTANTS, Resource, named
from pvasm.isa.semantics.cell_resources import FIELDS, register_of_cell
from pvasm.isa.semantics.programs import CALLS, Assign, Call, Effect
from pvasm.isa.semantics.terms import Cell, Term

Place = tuple[Cell, int]
"""A bit of a cell; of a cell that is one resource, bit 0 stands for all."""

_NOTHING: Final[frozenset[Place]] = frozenset()


class Bit(Struct, frozen=True):
    """Where a bit of a value comes from: what it depends on, and what it may be a mere copy of.

    `constant` is what it is, if that is known when the instruction is decoded.
    """

    needs: frozenset[Place] = _NOTHING
    copies: frozenset[Place] = _NOTHING
    constant: int | None = None

    @property
    def sources(self) -> frozenset[Place]:
        """All that it comes from."""
        return self.needs | self.copies


_BITS: Final = (Bit(constant=0), Bit(constant=1))


def touched(effects: tuple[Effect, ...], fields: Mapping[str, int]) -> tuple[frozenset[Resource], frozenset[Resource]]:
    """The resources that a program reads and writes; `fields` are the instruction's, by which groups are told apart."""
    flow = _Flow(fields)
    flow.follow(effects)
    reads, writes = (
        called.union(*map(_resources, places)) - CONSTANTS
        for called, places in ((flow.call_reads, flow.reads), (flow.call_writes, flow.writes))
    )
    return reads, writes


class _Flow:
    """What has been found of one program."""

    def __init__(self, fields: Mapping[str, int]) -> None:
        self.fields = fields
        self.reads: set[Place] = set()
        self.writes: set[Place] = set()
        self.call_reads: frozenset[Resource] = frozenset()
        self.call_writes: frozenset[Resource] = frozenset()
        self._known: dict[int, tuple[Term, list[Bit]]] = {}

    def follow(self, effects: tuple[Effect, ...]) -> None:
        """Adds what some effects touch."""
        for effect in effects:
            if isinstance(effect, Assign):
                self._assign(effect)
            elif isinstance(effect, Call):
                self._call(effect)
            else:
                self._read(effect.condition)
                self.follow(effect.then)
                self.follow(effect.otherwise)

    def _assign(self, effect: Assign) -> None:
        for number, bit in enumerate(self._bits(effect.value)):
            own = _place(effect.cell, number)
            if bit.needs or bit.constant is not None or bit.copies != {own}:
                self.writes.add(own)
            self.reads |= bit.needs
            self.reads |= bit.copies - {own}

    def _call(self, effect: Call) -> None:
        for argument in effect.arguments:
            if isinstance(argument, Term):
                self._read(argument)
        words = [argument for argument in effect.arguments if isinstance(argument, str)]
        interface = CALLS[effect.name]
        self.call_reads |= frozenset(named(_names(interface.reads, words), self.fields))
        self.call_writes |= frozenset(named(_names(interface.writes, words), self.fields))

    def _read(self, term: Term) -> None:
        for bit in self._bits(term):
            self.reads |= bit.sources

    # ---------------------------------------------------------------------------------------- bits

    def _bits(self, term: Term) -> list[Bit]:
        """The bits of a term, from the right."""
        known = self._known.get(id(term))
        if known is None:
            known = self._known[id(term)] = term, self._followed(term)
        return known[1]

    def _followed(self, term: Term) -> list[Bit]:
        arguments = [self._bits(each) for each in term.arguments if isinstance(each, Term)]
        match term.operator:
            case "const":
                value = term.constant
                assert value is not None
                return [_BITS[value >> number & 1] for number in range(term.width)]
            case "read":
                (cell,) = term.arguments
                assert isinstance(cell, Cell)
                return _held(cell)
            case "symbol":
                return [Bit()] * term.width
            case "bits":
                low = term.arguments[1]
                assert isinstance(low, int)
                return arguments[0][low : low + term.width]
            case "zext":
                return arguments[0] + [_BITS[0]] * (term.width - len(arguments[0]))
            case "sext":
                return arguments[0] + [arguments[0][-1]] * (term.width - len(arguments[0]))
            case "join":
                return [bit for part in arguments for bit in part]
            case "choose":
                (condition,), *values = arguments
                return [_chosen(condition, *pair) for pair in zip(*values, strict=True)]
            case "and" | "or":
                left, right = arguments
                absorbing = int(term.operator == "or")
                return [_masked(*pair, absorbing) for pair in zip(left, right, strict=True)]
            case "xor":
                return [_joined(*pair) for pair in zip(*arguments, strict=True)]
            case "shl" | "shr":
                return _shifted(term, arguments[0]) or [_joined(*arguments[0], *arguments[1])] * term.width
        return [_joined(*(bit for bits in arguments for bit in bits))] * term.width


def _joined(*bits: Bit) -> Bit:
    """A bit for which all of some bits have to be looked at."""
    return Bit(frozenset().union(*(bit.sources for bit in bits)))


def _masked(left: Bit, right: Bit, absorbing: int) -> Bit:
    """The `and` of two bits, for which 0 is absorbing, or the `or`, for which 1 is."""
    if absorbing in (left.constant, right.constant):
        return _BITS[absorbing]
    if left.constant is not None:
        return right
    if right.constant is not None:
        return left
    return Bit(left.needs | right.needs, left.copies | right.copies)


def _chosen(condition: Bit, then: Bit, otherwise: Bit) -> Bit:
    if then == otherwise:
        return then
    return Bit(condition.sources | then.needs | otherwise.needs, then.copies | otherwise.copies)


def _shifted(term: Term, bits: list[Bit]) -> list[Bit] | None:
    """The bits shifted by a number that is known; None by any other."""
    by = term.arguments[1]
    count = by.constant if isinstance(by, Term) else None
    if count is None:
        return None
    zeros = [_BITS[0]] * min(count, term.width)
    return (zeros + bits)[: term.width] if term.operator == "shl" else bits[count:] + zeros


# ----------------------------------------------------------------------------------- as resources


def _place(cell: Cell, bit: int) -> Place:
    return cell, bit if cell in FIELDS else 0


@cache
def _held(cell: Cell) -> list[Bit]:
    """The bits that a cell holds when the instruction begins."""
    return [Bit(copies=frozenset([_place(cell, number)])) for number in range(cell.width)]


@cache
def _resources(place: Place) -> frozenset[Resource]:
    """What a bit of a cell is a part of, as the dependency tables have it; nothing for a reserved bit."""
    cell, bit = place
    if cell in FIELDS:
        return frozenset(name for name, each in FIELDS[cell].items() if _has(each, bit))
    if cell.file == "cfm":
        return frozenset(["CFM"])
    register = Register("r", cell.number) if cell.file == "nat" else register_of_cell(cell)
    return frozenset() if register is None else frozenset([register])


def _has(place: tuple[int, int], bit: int) -> bool:
    """Whether a bit is one of a field, of which the lowest bit and the width are given."""
    low, width = place
    return low <= bit < low + width


def _names(names: tuple[str, ...], words: list[str]) -> Iterator[str]:
    """The names of resources that a call with these words touches, as `Interface` says it."""
    for each in names:
        name, _, only = each.partition("?")
        if not only or not set(only.split(",")).isdisjoint(words):
            yield name.replace("{0}", words[0].upper() if words else "")
