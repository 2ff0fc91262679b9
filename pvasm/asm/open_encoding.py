"""The bits of instructions that differ in nothing but registers and numbers (`syntax/alike.py`), from these words.

Which row such an instruction is, is asked of each word by itself: a row takes it, or does not. So the bits that a word
adds to a row's are found once, and an instruction is as many look-ups as it has words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from msgspec import Struct

from pvasm.asm.resolve import literal_value, planned, rows_of_shapes
from pvasm.isa.encoding import WrittenOperand, fixed_bits, operand_bits, written_operands
from pvasm.isa.instruction import rows_that_fit
from pvasm.isa.operands import MemoryOperand, Value, shape_of
from pvasm.isa.registers import REGISTERS, Register
from pvasm.isa.table import Candidate, Form, OperandSpec, PlanItem, Spelling
from pvasm.syntax import alike, tree
from pvasm.syntax.parser import Parser, integer_value

_WORD: Final = (1 << 64) - 1
_REFUSED: Final = -1
_MOST_WORDS: Final = 1024  # that are kept of one operand: there are as many numbers as programs write


class Way(Struct, frozen=True):
    """A row that instructions which are alike may be: the bits that it has whatever they name, and what gives those
    that each word adds.
    """

    form: Form
    bits: int
    words: tuple[dict[str, int], ...]

    def encoded(self, words: Sequence[str]) -> int | None:
        """The bits of the instruction with these words, as `encode` gives them; None if it is not this row."""
        made = self.bits
        try:
            for bits, word in zip(self.words, words, strict=True):
                made |= bits[word]
        except KeyError:  # of what is no operand at all
            return None
        return made if made >= 0 else None  # _REFUSED is all ones, and below 0


def ways_of(parser: Parser, chunk: str) -> tuple[Way, ...]:
    """The rows that instructions like one may be: the first that takes the words, it is. Where none does, it takes a
    closer look, and so it does for what may be in several units, and for targets.
    """
    like = alike.like_of(chunk, parser.chunk(chunk), integer_value)
    if like is None:
        return ()
    words = alike.split(chunk)[1::2]
    operands = [_operand(part, words) for part in like.operands]
    predicate = None if like.predicate is None else _operand(like.predicate, words)
    if None in operands or (like.predicate is not None and (predicate is None or shape_of(predicate.value) != "p")):
        return ()
    return tuple(_ways(like.instruction, [each for each in operands if each is not None], predicate, len(words)))


class _Operand(Struct, frozen=True):
    """An operand as it is written: what it is in one instruction; the number of its word and what makes it of that, if
    it is made of one.
    """

    value: Value
    word: int | None
    make: Callable[[str], Value | None]


def _operand(part: Any, words: Sequence[str]) -> _Operand | None:
    node = part[2]
    value = literal_value(node)
    word = alike.number_of_word(part)
    make = _MAKERS.get(node.__class__, _nothing)
    if value is None or (word is not None and make(words[word]) != value):
        return None
    return _Operand(value, word, make)


def _ways(
    syntax: tree.Instruction, operands: Sequence[_Operand], predicate: _Operand | None, words: int
) -> Iterator[Way]:
    values = tuple([each.value for each in operands])
    for candidate, looked_at in rows_of_shapes(syntax, tuple(map(shape_of, values))).ways:
        plan = tuple(range(len(values))) if candidate.plan is None else candidate.plan
        if len(candidate.reals) > 1 or any(_source(item) == _SEVERAL for item in plan):
            return
        for spelling, specs in _rows(candidate, tuple([planned(item, values) for item in plan])):
            form = spelling.form
            if form.has_target or form.sizes_frame or (predicate is not None and form.unpredicated):
                return
            checks = [*looked_at, *((plan[at], spec) for at, spec in enumerate(specs))]
            parts = [(plan[written[0]], written) for written in written_operands(form)]
            bits = fixed_bits(spelling) | _bits_of(_NOTHING, checks, parts, _nothing).of(0)
            tables = [_PREDICATES] * words
            for number, operand in enumerate(operands):
                found = _bits_of(number, checks, parts, operand.make)
                if operand.word is None:
                    bits |= found.of(operand.value)
                else:
                    tables[operand.word] = found
            yield Way(form, bits, tuple(tables))


def _rows(candidate: Candidate, operands: tuple[Value, ...]) -> Iterator[tuple[Spelling, tuple[OperandSpec, ...]]]:
    """The rows that a way to read a mnemonic may come to, each with what it asks of these operands besides."""
    if candidate.spelling is not None:
        yield candidate.spelling, ()
        return
    for real in rows_that_fit(candidate.reals[0], tuple(map(shape_of, operands))):
        if real.spelling is not None:
            yield real.spelling, real.operands


_NOTHING, _SEVERAL = -1, -2


def _source(item: PlanItem) -> int:
    """The operand, of those that are written, that one of a row is made of; _NOTHING for a constant."""
    if isinstance(item, int):
        return item
    terms = () if isinstance(item, Register) else item[1]
    return _NOTHING if not terms else terms[0][1] if len(terms) == 1 else _SEVERAL


def _alone(item: PlanItem) -> PlanItem:
    """The same of what is written alone."""
    if isinstance(item, int):
        return 0
    return item if isinstance(item, Register) else (item[0], tuple([(sign, 0) for sign, _ in item[1]]))


class _Bits(dict[str, int]):
    """What the words that an operand may be add to the bits of a row; _REFUSED for those that it does not take."""

    def __init__(
        self,
        make: Callable[[str], Value | None],
        checks: Sequence[tuple[PlanItem, OperandSpec]],
        parts: Sequence[tuple[PlanItem, WrittenOperand]],
    ) -> None:
        super().__init__()
        self.make = make
        self.checks = checks
        self.parts = parts

    def __missing__(self, word: str) -> int:
        """Finds them. Raises KeyError for a word that is no operand at all."""
        value = self.make(word)
        if value is None:
            raise KeyError(word)
        if len(self) >= _MOST_WORDS:
            self.clear()
        found = self[word] = self.of(value)
        return found

    def of(self, value: Value) -> int:
        """What an operand adds."""
        if not all(spec.accepts(planned(item, (value,))) for item, spec in self.checks):
            return _REFUSED
        bits = 0
        for item, written in self.parts:
            bits |= operand_bits(written, planned(item, (value,)))
        return bits


def _bits_of(
    number: int,
    checks: Sequence[tuple[PlanItem, OperandSpec]],
    parts: Sequence[tuple[PlanItem, WrittenOperand]],
    make: Callable[[str], Value | None],
) -> _Bits:
    """What an operand that is written adds, by its number; rows whose fields are alike share it."""
    own_checks = [(_alone(item), spec) for item, spec in checks if _source(item) == number]
    own_parts = [(_alone(item), written) for item, written in parts if _source(item) == number]
    key = (
        make,
        *((item, id(spec.kind), spec.literal) for item, spec in own_checks),
        *((item, id(kind), tuple(fields)) for item, (_, _, kind, fields) in own_parts),
    )
    found = _SHARED.get(key)
    if found is None:
        found = _SHARED[key] = _Bits(make, own_checks, own_parts)
    return found


_SHARED: Final[dict[tuple[object, ...], _Bits]] = {}
"""By what an operand is made by, the kinds that it has to be of, and the fields that it goes in."""


# --------------------------------------------------------------------------- operands, by what they are


def _nothing(word: str) -> Value | None:
    return None


def _register(word: str) -> Value | None:
    return REGISTERS.get(word)


def _number(word: str) -> Value | None:
    value = integer_value(word)
    return None if value is None or value > _WORD else value


def _based(word: str) -> Value | None:
    register = REGISTERS.get(word)
    return None if register is None or register.file != "r" else MemoryOperand(register)


def _negative(word: str) -> Value | None:
    value = _number(word)
    return -value & _WORD if isinstance(value, int) else None


_MAKERS: Final[dict[type, Callable[[str], Value | None]]] = {
    tree.Name: _register,
    tree.Number: _number,
    tree.Memory: _based,
    tree.Unary: _negative,
}
_PREDICATES: Final = {name: each.number for name, each in REGISTERS.items() if each.file == "p"}
