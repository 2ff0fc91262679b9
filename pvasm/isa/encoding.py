"""Instructions to and from the bits of their slots (SDM vol. 3, chapter 4)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final

from pvasm.isa.bundle import SLOT_BITS, TEMPLATES, Bundle
from pvasm.isa.instruction import Instruction, instruction_of, row_of
from pvasm.isa.operands import IndexedRegister, Kind, MemoryOperand, Symbolic, Value, number_of, signed64
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
    made = fixed_bits(resolved.spelling) | resolved.predicate
    operands = resolved.operands
    for at, spec, kind, fields in written_operands(resolved.form):
        value = operands[at]
        bits = value.number if value.__class__ is Register else _bits(spec, kind, value, address, value_of)
        for low, ones, width in fields:
            made |= (bits & ones) << low
            bits >>= width
    return made


WrittenOperand = tuple[int, OperandSpec, Kind, list[tuple[int, int, int]]]
"""An operand that has bits: its number among the form's, its kind, and the places of its bits, the lowest first."""


def operand_bits(written: WrittenOperand, value: Value) -> int:
    """What an operand that is known, and no target, adds to the bits of its instruction."""
    _, spec, kind, fields = written
    bits = _bits(spec, kind, value, 0, None)
    made = 0
    for low, ones, width in fields:
        made |= (bits & ones) << low
        bits >>= width
    return made


@cache
def fixed_bits(spelling: Spelling) -> int:
    """The bits of its own slot that a form and its completers fix."""
    places = formats()[spelling.form.format]
    bits = 0
    for field, code in spelling.fields.items():
        word, low, _ = places[field]
        assert word == 0
        bits |= code << low
    return bits


@cache
def written_operands(form: Form) -> list[WrittenOperand]:
    """The operands of a form that are written, each with its number, its kind and where its bits go, the lowest first.

    The L slot of a long instruction is above its own, as `encode` has them.
    """
    places = {
        field: (low + SLOT_BITS * word, (1 << width) - 1, width)
        for field, (word, low, width) in formats()[form.format].items()
    }
    return [
        (at, spec, spec.kind, [places[field] for field in reversed(spec.kind.fields)])
        for at, spec in enumerate(form.operands)
        if spec.kind is not None
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


_Values = tuple[list["Value | None"], int, int]
"""What an operand is by its field, whose lowest bit that is, and as many ones as it is wide."""

_Numbers = tuple[list["int | None"], int, int]
"""The same, and which number that has."""


class _Pattern:
    """The bits that a form fixes in its own slot, and what its other fields are read by."""

    __slots__ = ("bits", "completers", "fields", "form", "mask", "number_fields", "numbers", "operands", "predicate")

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
        fields = [_values_of(spec, places) for spec in form.operands]
        self.fields = [each for each in fields if each is not None] if None not in fields else None
        self.number_fields = None if self.fields is None else list(map(_numbers_of, self.fields))
        self.numbers = [_number_reader_of(*each) for each in zip(self.operands, fields, strict=True)]
        self.predicate = 0 if form.unpredicated or "qp" not in places else _place(places["qp"])[2]

    def spelling(self, words: _Words) -> Spelling | None:
        """The form with the completers that some bits have; None where there are no such."""
        return spelling_of(self.form, tuple([words[word] >> low & ones for word, low, ones in self.completers]))

    def decoded(self, spelling: Spelling, words: _Words, address: int) -> Instruction | None:
        """The instruction that some bits are, with these completers, if their operands are right."""
        if self.fields is not None:
            bits = words[0]
            operands = tuple([values[bits >> low & ones] for values, low, ones in self.fields])
        else:
            operands = tuple([read(words, address) for read in self.operands])
        if None in operands:
            return None
        return instruction_of(spelling, operands, words[0] & self.predicate)  # type: ignore[arg-type]  # none is None

    def decoded_numbers(self, words: _Words, address: int) -> tuple[int, ...] | None:
        """The numbers of its operands, if they are right."""
        numbers: tuple[int | None, ...]
        if self.number_fields is not None:
            bits = words[0]
            numbers = tuple([known[bits >> low & ones] for known, low, ones in self.number_fields])
        else:
            numbers = tuple([read(words, address) for read in self.numbers])
        return None if None in numbers else numbers  # type: ignore[return-value]  # none is None


def _number_reader_of(read: _Reader, field: _Values | None) -> Callable[[_Words, int], int | None]:
    """How the number of an operand is read; it is an integer where it has no field of its own."""
    if field is None:
        return read  # type: ignore[return-value]
    numbers, low, ones = _numbers_of(field)
    return lambda words, address: numbers[words[0] >> low & ones]


_NUMBERS: Final[dict[int, tuple[list[Value | None], list[int | None]]]] = {}
"""The numbers of values that are kept, by identity of their list, which is held there: most are those of many forms."""


def _numbers_of(field: _Values) -> _Numbers:
    values, low, ones = field
    known = _NUMBERS.get(id(values))
    if known is None:
        known = _NUMBERS[id(values)] = values, [None if value is None else number_of(value) for value in values]
    return known[1], low, ones


def _place(place: tuple[int, int, int]) -> tuple[int, int, int]:
    """The word of a field, its lowest bit, and as many ones as it is wide."""
    word, low, width = place
    return word, low, (1 << width) - 1


def _reader(spec: OperandSpec, places: dict[str, tuple[int, int, int]]) -> _Reader:
    known = _values_of(spec, places)
    if known is None:
        assert spec.kind is not None
        return _number_reader(spec.kind, [places[field] for field in spec.kind.fields])
    values, low, ones = known
    return lambda words, address: values[words[0] >> low & ones]


_LARGEST: Final = 255  # of a field whose numbers are kept


def _values_of(spec: OperandSpec, places: dict[str, tuple[int, int, int]]) -> _Values | None:
    """What an operand is by its field, if it is of one in the instruction's own slot; None where it is not."""
    kind = spec.kind
    if kind is None:
        return [spec.literal], 0, 0
    if kind.shape == "i" and spec.form == "kind":
        word, low, width = places[kind.fields[0]] if len(kind.fields) == 1 else (1, 0, 0)
        if word or width > _LARGEST.bit_length() or kind.is_target:
            return None
        return _integers(kind, width), low, (1 << width) - 1
    word, low, ones = _place(places[kind.fields[0]])
    assert word == 0
    file = "r" if spec.form != "kind" else kind.shape
    if spec.form == "memory":
        return _bases(ones), low, ones
    if spec.form == "indexed":
        return [IndexedRegister(spec.file, Register(file, number)) for number in range(ones + 1)], low, ones
    return _registers(file, kind.low, kind.high, ones), low, ones


@cache
def _registers(file: str, low: int, high: int, most: int) -> list[Value | None]:
    """The registers of a file up to the most that there may be; None for those that are not from `low` to `high`."""
    return [Register(file, number) if low <= number <= high else None for number in range(most + 1)]


@cache
def _bases(most: int) -> list[Value | None]:
    """`[r0]` and so on."""
    return [MemoryOperand(Register("r", number)) for number in range(most + 1)]


_INTEGERS: Final[dict[tuple[int, int], list[Value | None]]] = {}
"""By identity of the kind, which the table holds, and how wide the field is."""


def _integers(kind: Kind, width: int) -> list[Value | None]:
    """What an integer operand is by its field; None for those that are none."""
    found = _INTEGERS.get((id(kind), width))
    if found is None:
        read = _number_reader(kind, [(0, 0, width)])
        found = _INTEGERS[id(kind), width] = [read((bits, 0), 0) for bits in range(1 << width)]
    return found


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


def decoded_numbers(bits: int, unit: str, address: int = 0) -> tuple[Spelling, tuple[int, ...], int] | None:
    """The same as `decode`, by numbers alone: what is spelt, the number of each operand, and the predicate's.

    The number of a register is its own, that of `[r3]` and `rr[r3]` the base's and the index's.
    """
    slot = bits & ((1 << SLOT_BITS) - 1)
    words = slot, bits >> SLOT_BITS
    opcode = _opcode(unit, slot >> 37)
    if opcode is None:
        return None
    for pattern, spelling in opcode.fitting(words):
        numbers = pattern.decoded_numbers(words, address)
        if numbers is not None:
            return spelling, numbers, slot & pattern.predicate
    return None
