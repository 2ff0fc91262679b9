"""What an operand can be: the values that operands have, and the kinds of operand that instructions take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from pvasm.isa.registers import Register

_WORD: Final = (1 << 64) - 1

# ----------------------------------------------------------------------------------------- values


class Symbolic(Struct, frozen=True):
    """A value that only a linker or the assembler's later passes know: `foo + 8`, `@ltoff(x)`, a label.

    What `expression` is, who made it knows (for assembly: a node of the syntax tree); `str` of it is its text.
    """

    expression: Any


class Unknown(Struct, frozen=True):
    """Anything at all (in raw source a macro's argument, or a name that a `#define` explains); `file` if known.

    An integer that is not known has the file `i`; `ones` are bits that it has for certain: of `psr.ic | X` that of ic.
    """

    file: str | None = None
    ones: int = 0


class MemoryOperand(Struct, frozen=True):
    """`[r3]`."""

    base: Register | Unknown


class IndexedRegister(Struct, frozen=True):
    """`cpuid[r3]`."""

    file: str
    index: Register | Unknown


Value = Register | int | Symbolic | Unknown | MemoryOperand | IndexedRegister


def shape_of(value: Value) -> str:
    """The class of operand that a value is, in the table's terms; `?` fits anything."""
    kind = value.__class__
    if kind is Register:
        return value.file  # type: ignore[union-attr, return-value]
    if kind is int or isinstance(value, int | Symbolic):
        return "i"
    if isinstance(value, Unknown):
        return value.file or "?"
    if isinstance(value, MemoryOperand):
        return "[]"
    return f"{value.file}[]"


def number_of(value: Value) -> int:
    """The number of a register, of `[r3]` and `rr[r3]` that of the base or the index; an integer as it is.

    Raises TypeError for what is not known.
    """
    if isinstance(value, Register):
        return value.number
    if isinstance(value, MemoryOperand):
        return number_of(value.base)
    if isinstance(value, IndexedRegister):
        return number_of(value.index)
    if isinstance(value, int):
        return value
    raise TypeError(f"{value!r} has no number")


def ones_of(value: Value) -> int:
    """The bits that a value has for certain; 0 for what is no integer."""
    return value if isinstance(value, int) else value.ones if isinstance(value, Unknown) else 0


def signed64(value: int) -> int:
    """The value of the 64 low bits, read as two's complement."""
    value &= _WORD
    return value - (1 << 64) if value >> 63 else value


# ------------------------------------------------------------------------------------------ kinds

# fclass: zeros, normals and infinities of either sign where the class names none (SDM vol. 3, fclass).
_SIGNS: Final = 0x3
_SIGNED_CLASSES: Final = 0x3C


class Kind(Struct, frozen=True):
    """One line of `operands.txt`: what an operand may be and how it is encoded.

    `shape` is the register file for a register, `i` for an integer. An integer is encoded as
    `sign * value + offset` (or through `choices`), divided by `scale`; `low` and `high` bound `value`, `excluded` lie
    between.
    """

    name: str
    shape: str
    fields: tuple[str, ...]
    low: int = 0
    high: int = 0
    offset: int = 0
    sign: int = 1
    scale: int = 1
    drops_low_bits: bool = False
    either_sign: bool = False
    width32: bool = False
    hexadecimal: bool = False
    is_target: bool = False
    is_class: bool = False
    takes_symbols: bool = False
    excluded: range = range(0)
    choices: Mapping[int, int] = {}

    def accepts(self, value: Value) -> bool:
        """Whether the value, whose shape is the kind's, is in range."""
        if value.__class__ is Register:
            return self.low <= value.number <= self.high and value.number not in self.excluded
        if isinstance(value, int):
            if self.is_target:
                return self.low <= signed64(value) < self.high + self.scale
            if self.choices:
                return signed64(value) in self.choices
            if self.width32 and value == 1 << 32:
                return bool(self.excluded)  # one more than 0xffffffff, the greatest that there is to compare with
            if self.drops_low_bits and not self.either_sign and signed64(value) > self.high:
                return False
            number = self.normal(value)
            if number in self.excluded:
                return False
            return self.low <= number <= self.high and (self.drops_low_bits or number % self.scale == 0)
        return not isinstance(value, Symbolic) or self.takes_symbols

    def normal(self, value: int) -> int:
        """The value as the instruction sees it: 64 bits (or 32, sign-extended), signed where the field is."""
        if self.is_class and value & _SIGNED_CLASSES and not value & _SIGNS:
            value |= _SIGNS
        if self.low >= 0 and not self.choices:
            return value & _WORD if self.high > 1 << 40 else signed64(value)
        if self.width32 and (1 << 31) <= value <= 1 << 32:
            return value - (1 << 32)
        number = signed64(value)
        if self.drops_low_bits and not self.is_target:
            number -= number % self.scale
            return number - self._span if self.either_sign and self.high < number < self._span else number
        return number

    def encode(self, value: int) -> int:
        """The bits of the fields together, for a value that the kind accepts."""
        if self.choices:
            return self.choices[signed64(value)]
        return (self.sign * self.normal(value) + self.offset) // self.scale

    def decode(self, bits: int, width: int) -> int:
        """The value that the fields' bits stand for."""
        if self.choices:
            return next((value for value, code in self.choices.items() if code == bits), bits)
        if self.low < 0 and bits >> (width - 1):
            bits -= 1 << width
        return (bits * self.scale - self.offset) * self.sign

    @property
    def _span(self) -> int:
        """How many values a signed field has, those between its steps counted."""
        return 1 << (self.high.bit_length() + 1)

    @property
    def numbers(self) -> frozenset[int]:
        """The numbers of the registers that it may be; empty for an integer."""
        return frozenset() if self.shape == "i" else frozenset(range(self.low, self.high + 1)).difference(self.excluded)

    @property
    def noun(self) -> str:
        """What an integer must be, in words."""
        if self.choices:
            *most, last_word = (str(choice) for choice in sorted(self.choices))
            return f"one of {', '.join(most)} and {last_word}" if most else last_word
        if self.is_target:
            return f"the address of a bundle, from {self.low:#x} to {self.high:#x} away"
        multiple = f", a multiple of {self.scale}" if self.scale > 1 and not self.drops_low_bits else ""
        high = self._span - 1 if self.either_sign else self.high
        if self.low == -(1 << 63):
            return "an integer of 64 bits"
        if self.hexadecimal:
            return f"an integer from {self.low:#x} to {high:#x}{multiple}"
        return f"an integer from {self.low} to {high}{multiple}"


# The words that stand for a number in some operand (SDM vol. 3: mux1, fclass, tf, hint).
WORDS: Final = {
    "@brcst": 0,
    "@mix": 8,
    "@shuf": 9,
    "@alt": 10,
    "@rev": 11,
    "@pos": 1,
    "@neg": 2,
    "@zero": 4,
    "@unorm": 8,
    "@norm": 16,
    "@inf": 32,
    "@snan": 64,
    "@qnan": 128,
    "@nat": 256,
    "@clz": 32,
    "@mpy": 33,
    "@datahints": 34,
    "@pause": 0,
    "@priority": 1,
}
