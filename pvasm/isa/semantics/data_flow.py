"""The back end that follows data: which values go where in an instruction, and of what the others are made.

A *word* is a value of some bits as pieces, from the right: each a constant, or bits of a value that something held at
the start. Constants that are added are followed, and so are bits that are masked, joined and cut out; anything else is
*derived*, and all that is known is from what. Faults do not happen here, and nothing is a NaT or NaTVal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

from msgspec import Struct

from pvasm.isa.instruction import Instruction
from pvasm.isa.semantics.all_clauses import program_of
from pvasm.isa.semantics.floating_registers import NATVAL, WIDTH
from pvasm.isa.semantics.operation import FAULT
from pvasm.isa.semantics.programs import CALLS, Assign, Call, Effect, If
from pvasm.isa.semantics.terms import OPERATORS, WORD, Cell, Term, mask


class Value(Struct, frozen=True):
    """What something held at the start (`base`, whatever may be a key; None for 0) plus `offset`.

    Of a single bit, the offset tells whether it is negated; `Value(None, 1)` is 1.
    """

    base: Any
    offset: int = 0


class Derived(Struct, frozen=True, eq=False):
    """The base of a value that an instruction has made of others, in a way that is not followed."""

    sources: tuple[Value, ...]


class Piece(NamedTuple):
    """`width` bits of a value, of which the rightmost is its bit `low`. Those of a constant begin at its bit 0."""

    width: int
    value: Value
    low: int = 0


Word = tuple[Piece, ...]
"""Pieces side by side, the first at the right."""


def constant(value: int, width: int) -> Word:
    """A word that is known."""
    return (Piece(width, Value(None, value & mask(width))),)


def whole(value: Value, width: int) -> Word:
    """A word that is all of a value."""
    return (Piece(width, value),)


def width_of(word: Word) -> int:
    """How many bits a word has."""
    return sum(piece.width for piece in word)


def known(word: Word) -> int | None:
    """The number that a word is, if that is known."""
    return word[0].value.offset if len(word) == 1 and word[0].value.base is None else None


def sources(word: Word) -> Iterator[Value]:
    """The values that a word is made of, constants left out."""
    for piece in word:
        base = piece.value.base
        if isinstance(base, Derived):
            yield from base.sources
        elif base is not None:
            yield piece.value


def bits(word: Word, low: int, width: int) -> Word:
    """Some bits of a word."""
    found, at = [], 0
    for piece in word:
        first, last = max(low, at), min(low + width, at + piece.width)
        if first < last:
            found.append(_part(piece, first - at, last - first))
        at += piece.width
    return _merged(found)


def joined(words: Iterable[Word]) -> Word:
    """Words side by side, the first at the right."""
    return _merged([piece for word in words for piece in word])


def _part(piece: Piece, low: int, width: int) -> Piece:
    value = piece.value
    if value.base is None:
        return Piece(width, Value(None, value.offset >> low & mask(width)))
    return Piece(width, value, piece.low + low)


def _merged(pieces: Sequence[Piece]) -> Word:
    """Pieces, those that belong together as one."""
    found: list[Piece] = []
    for piece in pieces:
        if found:
            last = found[-1]
            if last.value.base is None and piece.value.base is None:
                value = Value(None, last.value.offset | piece.value.offset << last.width)
                found[-1] = Piece(last.width + piece.width, value)
                continue
            if last.value == piece.value and last.low + last.width == piece.low:
                found[-1] = Piece(last.width + piece.width, last.value, last.low)
                continue
        found.append(piece)
    return tuple(found)


# ---------------------------------------------------------------------------------------- operators


def derived(width: int, *words: Word) -> Word:
    """A word made of others in a way that is not followed."""
    return whole(Value(Derived(tuple(dict.fromkeys(value for word in words for value in sources(word))))), width)


def _bitwise(operator: str, left: Word, right: Word, width: int) -> Word:
    """`and`, `or` and `xor`: where a side is known, bits of the other stay, or are known too."""
    found: list[Word] = []
    for one, two in _aligned(left, right):
        found.append(_combined(operator, one, two))
    return joined(found)


def _aligned(left: Word, right: Word) -> Iterator[tuple[Word, Word]]:
    """Both words in parts, such that each part is a run of equal bits in a side, or one piece of each."""
    edges = sorted({edge for word in (left, right) for edge in _edges(word)})
    for low, high in pairwise(edges):
        yield bits(left, low, high - low), bits(right, low, high - low)


def _edges(word: Word) -> Iterator[int]:
    """Where pieces begin and end, and where in those that are known the bits change."""
    at = 0
    yield 0
    for piece in word:
        if piece.value.base is None:
            changes = piece.value.offset ^ piece.value.offset >> 1
            for place in range(piece.width - 1):
                if changes >> place & 1:
                    yield at + place + 1
        at += piece.width
        yield at


def _combined(operator: str, left: Word, right: Word) -> Word:
    width = width_of(left)
    if known(left) is not None:
        left, right = right, left
    other = known(right)
    if other is not None:
        mine = known(left)
        if mine is not None:
            return constant(OPERATORS[operator](mine, other, width), width)
        if other == 0:
            return right if operator == "and" else left
        if operator != "xor":  # all ones
            return left if operator == "and" else right
        negated = _negated(left)
        if negated is not None:
            return negated
    elif left == right:
        return constant(0, width) if operator == "xor" else left
    return derived(width, left, right)


def _negated(word: Word) -> Word | None:
    """The other truth of a single bit."""
    (piece, *others) = word
    if others or piece.width != 1 or piece.low:
        return None
    return whole(Value(piece.value.base, 1 - piece.value.offset), 1)


def _sum(left: Word, right: Word, width: int) -> Word:
    if known(left) is not None:
        left, right = right, left
    amount = known(right)
    if amount is None or width != WORD or len(left) != 1 or left[0].low:
        return derived(width, left, right)
    return _moved(left[0].value, amount)


def _difference(left: Word, right: Word, width: int) -> Word:
    amount = known(right)
    if amount is None or width != WORD or len(left) != 1 or left[0].low:
        return constant(0, width) if left == right else derived(width, left, right)
    return _moved(left[0].value, -amount)


def _moved(value: Value, amount: int) -> Word:
    return whole(Value(value.base, value.offset + amount & mask(WORD)), WORD)


def _shifted(operator: str, left: Word, right: Word, width: int) -> Word:
    by = known(right)
    if by is None or operator == "sar":
        return derived(width, left, right)
    by = min(by, width)
    kept = bits(left, 0, width - by) if operator == "shl" else bits(left, by, width - by)
    zeros = constant(0, by) if by else ()
    return joined((zeros, kept) if operator == "shl" else (kept, zeros))


def _compared(operator: str, left: Word, right: Word, width: int) -> Word:
    if left == right:
        return constant(operator == "eq", 1)
    if operator == "eq" and width_of(left) == WIDTH and NATVAL.constant in (known(left), known(right)):
        return constant(0, 1)
    return derived(width, left, right)


def _plain(_: str, left: Word, right: Word, width: int) -> Word:
    return derived(width, left, right)


_BINARY: Final[dict[str, Callable[[str, Word, Word, int], Word]]] = {
    "add": lambda _, left, right, width: _sum(left, right, width),
    "sub": lambda _, left, right, width: _difference(left, right, width),
    "mul": _plain,
    **dict.fromkeys(("and", "or", "xor"), _bitwise),
    **dict.fromkeys(("shl", "shr", "sar"), _shifted),
    **dict.fromkeys(("eq", "ltu", "lts"), _compared),
}


def chosen(condition: Word, then: Word, otherwise: Word) -> Word:
    """One of two words; of bits that differ no more is known than what they, and the choice, are made of."""
    decided = known(condition)
    if decided is not None:
        return then if decided else otherwise
    return joined(
        one if one == two else derived(width_of(one), condition, one, two) for one, two in _aligned(then, otherwise)
    )


# -------------------------------------------------------------------------------------- instructions


class Flow:
    """What one instruction does with values: `assigned` are the words that it gives cells, in order.

    `held` says what a cell holds at the start, `call` what a call of the machine gives for these arguments, and
    whether it happens for certain.
    """

    def __init__(
        self, held: Callable[[Cell], Word], call: Callable[[Call, Sequence[Word | int | str], bool], Sequence[Word]]
    ) -> None:
        self._held = held
        self._call = call
        self._words: dict[int, Word] = {}
        self.assigned: dict[Cell, Word] = {}

    def run(self, program: tuple[Effect, ...], predicate: int, holds: bool) -> None:
        """Follows a program whose qualifying predicate is as `holds` says."""
        given = self._held
        if predicate:
            qualified = Cell("pr", predicate)
            self._held = lambda cell: constant(holds, 1) if cell == qualified else given(cell)
        self._effects(program, None)
        self._held = given

    def _effects(self, effects: Iterable[Effect], condition: Word | None) -> None:
        for effect in effects:
            if isinstance(effect, Assign):
                word = self.word(effect.value)
                if condition is not None:
                    before = self.assigned.get(effect.cell)
                    word = chosen(condition, word, self._held(effect.cell) if before is None else before)
                self.assigned[effect.cell] = word
            elif isinstance(effect, Call):
                given = [self.word(each) if isinstance(each, Term) else each for each in effect.arguments]
                found = self._call(effect, given, condition is None)
                for result, word in zip(effect.results, found, strict=True):
                    self._words[id(result)] = word
            else:
                self._decide(effect, condition)

    def _decide(self, effect: If, condition: Word | None) -> None:
        decides = self.word(effect.condition)
        decided = known(decides)
        if decided is not None:
            self._effects(effect.then if decided else effect.otherwise, condition)
            return
        both = decides if condition is None else derived(1, condition, decides)
        self._effects(effect.then, both)
        self._effects(effect.otherwise, both)

    def word(self, term: Term) -> Word:
        """What a term is."""
        found = self._words.get(id(term))
        if found is None:
            found = self._words[id(term)] = self._word(term)
        return found

    def _word(self, term: Term) -> Word:
        operator, arguments = term.operator, term.arguments
        if operator == "const":
            assert isinstance(arguments[0], int)
            return constant(arguments[0], term.width)
        if operator == "read":
            (cell,) = arguments
            assert isinstance(cell, Cell)
            return constant(0, 1) if cell.file == "nat" else self._held(cell)
        if operator == "symbol":
            return derived(term.width)
        if operator == "function":
            return derived(term.width, *(self.word(each) for each in arguments[1:] if isinstance(each, Term)))
        given: list[Any] = [self.word(each) if isinstance(each, Term) else each for each in arguments]
        if operator in _BINARY:
            left, right = given
            one, two = known(left), known(right)
            if one is not None and two is not None:
                return constant(OPERATORS[operator](one, two, width_of(left)), term.width)
            return _BINARY[operator](operator, left, right, term.width)
        return _OTHERS[operator](given, term.width)


def _sign_extended(given: list[Any], width: int) -> Word:
    (word,) = given
    number, held = known(word), width_of(word)
    if number is not None:
        return constant((number ^ 1 << (held - 1)) - (1 << (held - 1)), width)
    return joined((word, derived(width - held, word)))


_OTHERS: Final[dict[str, Callable[[list[Any], int], Word]]] = {
    "bits": lambda given, width: bits(given[0], given[1], width),
    "zext": lambda given, width: joined((given[0], constant(0, width - width_of(given[0])))),
    "sext": _sign_extended,
    "join": lambda given, width: joined(given),
    "choose": lambda given, width: chosen(*given),
}


def program_without_faults(instruction: Instruction) -> tuple[Effect, ...]:
    """What an instruction does, its faults left out."""
    effects = program_of(instruction.form, instruction.mnemonic, instruction.operands, instruction.predicate or 0)
    return tuple(_without_faults(effects))


def _without_faults(effects: Iterable[Effect]) -> Iterator[Effect]:
    for effect in effects:
        if isinstance(effect, If):
            then, otherwise = tuple(_without_faults(effect.then)), tuple(_without_faults(effect.otherwise))
            if then or otherwise:
                yield If(effect.condition, then, otherwise)
        elif not (isinstance(effect, Call) and is_check(effect)):
            yield effect


def is_check(call: Call) -> bool:
    """Whether a call does nothing but fault, if at all, by its arguments alone: nothing else is looked at for it."""
    each = CALLS[call.name]
    does_more = each.results or each.leaves or each.ends or each.reads or each.writes
    return call.name == FAULT or (each.may_fault and not does_more)
