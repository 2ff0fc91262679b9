"""Instructions to and from the bits of their slots (SDM vol. 3, chapter 4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from pvasm.isa.bundle import SLOT_BITS
from pvasm.isa.instruction import Instruction, instruction_of
from pvasm.isa.operands import IndexedRegister, Kind, MemoryOperand, Symbolic, Value, signed64
from pvasm.isa.registers import Register
from pvasm.isa.table import Form, OperandSpec, Spelling, all_forms, canonical_spelling, formats


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
    form = resolved.form
    places = formats()[form.format]
    words = [0, 0]
    for field, code in resolved.fields.items():
        word, low, _ = places[field]
        words[word] |= code << low
    if resolved.predicate is None:
        raise EncodingError("the qualifying predicate is not known")
    words[0] |= resolved.predicate
    for spec, value in zip(form.operands, resolved.operands, strict=True):
        kind = spec.kind
        if kind is not None:
            bits = _bits(spec, kind, value, address, value_of)
            for field in reversed(kind.fields):
                word, low, width = places[field]
                words[word] |= (bits & ((1 << width) - 1)) << low
                bits >>= width
    return words[0] | words[1] << SLOT_BITS


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


# ---------------------------------------------------------------------------------------- decoding


class _Pattern:
    """The bits that a form fixes in its own slot."""

    __slots__ = ("bits", "form", "mask")

    def __init__(self, form: Form) -> None:
        places = formats()[form.format]
        self.form = form
        self.mask = self.bits = 0
        for field, value in form.fixed.items():
            word, low, width = places[field]
            assert word == 0
            self.mask |= ((1 << width) - 1) << low
            self.bits |= value << low


_PATTERNS: dict[tuple[str, int], list[_Pattern]] = {}
_SLOT_UNITS: Final = {"M": "MA", "I": "IA", "F": "F", "B": "B", "X": "X"}


def _patterns(unit: str, opcode: int) -> list[_Pattern]:
    if not _PATTERNS:
        for form in all_forms():
            pattern = _Pattern(form)
            opcodes = {form.fixed["op"]} if "op" in form.fixed else set(range(16))
            for one in opcodes:
                for slot, units in _SLOT_UNITS.items():
                    if form.unit in units:
                        _PATTERNS.setdefault((slot, one), []).append(pattern)
    return _PATTERNS.get((unit, opcode), [])


def decode(bits: int, unit: str, address: int = 0) -> Instruction | None:
    """The instruction of a slot, None where the table has none.

    `unit` is the slot's: `M I F B`, or `X` for a long instruction, whose bits are as `encode` gives them. Bits that no
    field of the format names are ignored. `address` is the bundle's; bundle addresses come out absolute.
    """
    slot = bits & ((1 << SLOT_BITS) - 1)
    for pattern in _patterns(unit, slot >> 37):
        if slot & pattern.mask == pattern.bits:
            found = _decoded(pattern.form, (slot, bits >> SLOT_BITS), address)
            if found is not None:
                return found
    return None


def _decoded(form: Form, words: tuple[int, int], address: int) -> Instruction | None:
    places = formats()[form.format]
    fields = {field: words[word] >> low & ((1 << width) - 1) for field, (word, low, width) in places.items()}
    spelling: Spelling | None = canonical_spelling(form, fields)
    if spelling is None:
        return None
    operands: list[Value] = []
    for spec in form.operands:
        value = _value(spec, fields, places, address)
        if value is None:
            return None
        operands.append(value)
    return instruction_of(spelling, tuple(operands), 0 if form.unpredicated else fields.get("qp", 0))


def _value(
    spec: OperandSpec, fields: dict[str, int], places: dict[str, tuple[int, int, int]], address: int
) -> Value | None:
    kind = spec.kind
    if kind is None:
        return spec.literal
    bits = width = 0
    for field in kind.fields:
        size = places[field][2]
        bits = bits << size | fields[field]
        width += size
    if kind.shape != "i" or spec.form in ("memory", "indexed"):
        register = Register("r" if spec.form != "kind" else kind.shape, bits)
        if spec.form == "memory":
            return MemoryOperand(register)
        if spec.form == "indexed":
            return IndexedRegister(spec.file, register)
        return register if kind.low <= bits <= kind.high else None
    value = kind.decode(bits, width) if kind.fields else next(iter(kind.choices))
    if kind.choices and kind.choices.get(value) != bits:
        return None
    return value + address if kind.is_target else value
