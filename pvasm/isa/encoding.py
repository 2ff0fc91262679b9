"""Instructions to and from the bits of their slots (SDM vol. 3, chapter 4)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final

from pvasm.isa.bundle import SLOT_BITS, TEMPLATES, Bundle
from pvasm.isa.instruction import Instruction, instruction_of, row_of
from pvasm.isa.operands import IndexedRegister, Kind, MemoryOperand, Symbolic, Value, signed64
from pvasm.isa.registers import Register
from pvasm.isa.table import Form, OperandSpec, Spelling, all_forms, completer_fields, formats, spelling_of


class EncodingError(ValueError):
    """An instruction with an operand that is not known, or a bundle out of reach, so that it has no bits."""


ValueOf = Callable[[Any], int]  # of a symbolic operand's expression


def encode(resolved: Instruction, address: int = 0, value_of: ValueOf | None = None) -> int:
    """The 41 bits of the instruction's slot.

    For a long instruction (formats X1 to X5) the result has 82 bits: the instruction's own slot in the low 41, the L
    slot that stands before it in its bundle in the high 41. `address` is that of the bundle, which bundle addresses are
    relative to; `value_of` says what a symbolic operand is. Raises `EncodingError` for an operand or a predicate that
    is not known, and for a bundle out of the branch's reach.
    """
    if resolved.predicate is None:
        raise EncodingError("the qualifying predicate is not known")
    words = [_fixed_bits(resolved.spelling) | resolved.predicate, 0]
    for (spec, kind, fields), value in zip(_written(resolved.form), resolved.operands, strict=True):
        if kind is not None:
            bits = value.number if value.__class__ is Register else _bits(spec, kind, value, address, value_of)
            for word, low, ones, width in fields:
                words[word] |= (bits & ones) << low
                bits >>= width
    return words[0] | words[1] << SLOT_BITS


@cache
def _fixed_bits(spelling: Spelling) -> int:
    """The bits of its own slot that a form and its completers fix."""
    places = formats()[spelling.form.format]
    bits = 0
    for field, code in spelling.fields.items():
        word, low, _ = places[field]
        assert word == 0
        bits |= code << low
    return bits


@cache
def _written(form: Form) -> list[tuple[OperandSpec, Kind | None, list[tuple[int, int, int, int]]]]:
    """The operands of a form, each with its kind and where its bits go, the lowest first."""
    places = {field: (*_place(place), place[2]) for field, place in formats()[form.format].items()}
    return [
        (spec, spec.kind, [places[field] for field in reversed(spec.kind.fields)] if spec.kind is not None else [])
        for spec in form.operands
    ]


def _bits(spec: OperandSpec, kind: Kind, value: Value, address: int, value_of: ValueOf | None) -> int:
    if isinstance(value, MemoryOperand):
        value = value.base
    elif isinstance(value, IndexedRegister):
        value = value.index
    if isinstance(value, Symbolic) and value_of is not None:
        value = value_of(value.expression)
    if isinstance(value, Register):
        return value.number
    if isinstance(value, int):
        if not kind.is_target:
            return kind.encode(value)
        distance = signed64(value - address)
        if not kind.low <= distance <= kind.high:
            raise EncodingError(f"{value:#x} is out of reach from {address:#x}")
        return kind.encode(distance)
    raise EncodingError(f"operand `{spec.text}' is not known")


@cache
def nop(unit: str) -> int:
    """The bits of the `nop` of a unit."""
    row = row_of(f"nop.{unit.lower()}", (0,))
    assert row is not None
    return encode(instruction_of(row, (0,), 0))


@cache
def padding_bundle(*, stop: bool = False) -> bytes:
    """What GNU as fills code with up to an alignment: `nop.m`, `nop.m`, `nop.i`, without a stop unless asked for."""
    stops = (2,) if stop else ()
    template = next(number for number, each in TEMPLATES.items() if (each.units, each.stops) == ("MMI", stops))
    return Bundle(template, (nop("M"), nop("M"), nop("I"))).to_bytes()


# ---------------------------------------------------------------------------------------- decoding


_Words = tuple[int, int]
"""The bits of an instruction's own slot, and of the L slot before it."""

_Reader = Callable[[_Words, int], "Value | None"]
"""What an operand is, in some bits at an address; None where they are no such operand."""


class _Pattern:
    """The bits that a form fixes in its own slot, and what its other fields are read by."""

    __slots__ = ("bits", "completers", "form", "mask", "operands", "predicate")

    def __init__(self, form: Form) -> None:
        places = formats()[form.format]
        self.form = form
        self.mask = self.bits = 0
        for field, value in form.fixed.items():
            word, low, width = places[field]
            assert word == 0
            self.mask |= ((1 << width) - 1) << low
            self.bits |= value << low
        self.completers = [_place(places[field]) for field in completer_fields(form)]
        self.operands = [_reader(spec, places) for spec in form.operands]
        self.predicate = 0 if form.unpredicated or "qp" not in places else _place(places["qp"])[2]

    def spelling(self, words: _Words) -> Spelling | None:
        """The form with the completers that some bits have; None where there are no such."""
        return spelling_of(self.form, tuple([words[word] >> low & ones for word, low, ones in self.completers]))

    def decoded(self, spelling: Spelling, words: _Words, address: int) -> Instruction | None:
        """The instruction that some bits are, with these completers, if their operands are right."""
        operands = tuple([read(words, address) for read in self.operands])
        if None in operands:
            return None
        return instruction_of(spelling, operands, words[0] & self.predicate)  # type: ignore[arg-type]  # none is None


def _place(place: tuple[int, int, int]) -> tuple[int, int, int]:
    """The word of a field, its lowest bit, and as many ones as it is wide."""
    word, low, width = place
    return word, low, (1 << width) - 1


def _reader(spec: OperandSpec, places: dict[str, tuple[int, int, int]]) -> _Reader:
    kind = spec.kind
    if kind is None:
        literal = spec.literal
        return lambda words, address: literal
    if kind.shape != "i" or spec.form in ("memory", "indexed"):
        return _register_reader(spec, kind, _place(places[kind.fields[0]]))
    return _number_reader(kind, [places[field] for field in kind.fields])


def _register_reader(spec: OperandSpec, kind: Kind, place: tuple[int, int, int]) -> _Reader:
    word, low, ones = place
    registers = [Register("r" if spec.form != "kind" else kind.shape, number) for number in range(ones + 1)]
    values: list[Value | None]
    if spec.form == "memory":
        values = [MemoryOperand(each) for each in registers]
    elif spec.form == "indexed":
        values = [IndexedRegister(spec.file, each) for each in registers]
    else:
        values = [each if kind.low <= each.number <= kind.high else None for each in registers]
    return lambda words, address: values[words[word] >> low & ones]


def _number_reader(kind: Kind, places: list[tuple[int, int, int]]) -> _Reader:
    width = sum(each[2] for each in places)
    fields = [(word, low, (1 << size) - 1, size) for word, low, size in places]

    def read(words: _Words, address: int) -> int | None:
        bits = 0
        for word, low, ones, size in fields:
            bits = bits << size | words[word] >> low & ones
        value = kind.decode(bits, width) if fields else next(iter(kind.choices))
        if kind.choices and kind.choices.get(value) != bits:
            return None
        return value + address if kind.is_target else value

    return read


class _Opcode:
    """The patterns of a kind of slot and an opcode, in the table's order, and those that bits fit.

    `mask` are the bits that any of them fixes, or has completers in: alike in these, slots fit the same patterns.
    """

    __slots__ = ("_fitting", "mask", "patterns")

    def __init__(self) -> None:
        self.patterns: list[_Pattern] = []
        self.mask = 0
        self._fitting: dict[int, tuple[tuple[_Pattern, Spelling], ...]] = {}

    def add(self, pattern: _Pattern) -> None:
        """Adds a pattern, behind those before."""
        self.patterns.append(pattern)
        self.mask |= pattern.mask
        for word, low, ones in pattern.completers:
            self.mask |= 0 if word else ones << low

    def fitting(self, words: _Words) -> tuple[tuple[_Pattern, Spelling], ...]:
        """The patterns that bits fit, each with its completers chosen."""
        told = words[0] & self.mask
        found = self._fitting.get(told)
        if found is None:
            if len(self._fitting) >= _MOST_KEPT:
                self._fitting.clear()
            spelt = [(each, each.spelling(words)) for each in self.patterns if words[0] & each.mask == each.bits]
            found = self._fitting[told] = tuple((each, spelling) for each, spelling in spelt if spelling is not None)
        return found


_MOST_KEPT: Final = 1 << 14

_OPCODES: dict[tuple[str, int], _Opcode] = {}
_SLOT_UNITS: Final = {"M": "MA", "I": "IA", "F": "F", "B": "B", "X": "X"}


def _opcode(unit: str, opcode: int) -> _Opcode | None:
    if not _OPCODES:
        for form in all_forms():
            pattern = _Pattern(form)
            opcodes = {form.fixed["op"]} if "op" in form.fixed else set(range(16))
            for one in opcodes:
                for slot, units in _SLOT_UNITS.items():
                    if form.unit in units:
                        _OPCODES.setdefault((slot, one), _Opcode()).add(pattern)
    return _OPCODES.get((unit, opcode))


def decode(bits: int, unit: str, address: int = 0) -> Instruction | None:
    """The instruction of a slot, None where the table has none.

    `unit` is the slot's: `M I F B`, or `X` for a long instruction, whose bits are as `encode` gives them. Bits that no
    field of the format names are ignored. `address` is the bundle's; bundle addresses come out absolute.
    """
    slot = bits & ((1 << SLOT_BITS) - 1)
    words = slot, bits >> SLOT_BITS
    opcode = _opcode(unit, slot >> 37)
    if opcode is None:
        return None
    for pattern, spelling in opcode.fitting(words):  # of forms that fit, the table's first
        decoded = pattern.decoded(spelling, words, address)
        if decoded is not None:
            return decoded
    return None
