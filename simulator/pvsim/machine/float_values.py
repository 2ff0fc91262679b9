"""Floating-point registers as integers of 82 bits, and what sorts of values they hold (SDM vol. 1, 5.1 and table 5-2).

A register is a sign, 17 bits of exponent with a bias of 65535, and 64 bits of significand whose leftmost bit is the
integer's. An exponent of 0 stands for that of double-extended denormals.
"""

from __future__ import annotations

from typing import Final

FRACTION: Final = (1 << 64) - 1  # the bits of a significand
INTEGER_BIT: Final = 1 << 63
QUIET_BIT: Final = 1 << 62
SIGN: Final = 1 << 81
VALUE: Final = (1 << 82) - 1  # the bits of a register
BIAS: Final = 0xFFFF
SPECIAL: Final = 0x1FFFF  # the exponent of infinities and NaNs
EXTENDED_LEAST: Final = BIAS - 16382  # the exponent of double-extended denormals
INTEGER: Final = 0x1003E << 64  # the exponent of integers and of pairs of singles

NATVAL: Final = 0x1FFFE << 64
INFINITY: Final = SPECIAL << 64 | INTEGER_BIT
INDEFINITE: Final = SIGN | INFINITY | QUIET_BIT  # the quiet NaN of an invalid operation
ONE: Final = BIAS << 64 | INTEGER_BIT


def exponent(value: int) -> int:
    """The biased exponent as it stands in the register."""
    return value >> 64 & SPECIAL


def effective_exponent(value: int) -> int:
    """The biased exponent that counts."""
    return value >> 64 & SPECIAL or EXTENDED_LEAST


def is_unsupported(value: int) -> bool:
    """Whether it is a pseudo-infinity or a pseudo-NaN."""
    return value >> 64 & SPECIAL == SPECIAL and not value & INTEGER_BIT


def is_nan(value: int) -> bool:
    """Whether it is a NaN, signalling or quiet."""
    return value >> 64 & SPECIAL == SPECIAL and value & FRACTION > INTEGER_BIT


def is_signalling(value: int) -> bool:
    """Whether it is a signalling NaN."""
    return is_nan(value) and not value & QUIET_BIT


def is_infinite(value: int) -> bool:
    """Whether it is an infinity."""
    return value & ~SIGN == INFINITY


def is_zero(value: int) -> bool:
    """Whether it is a zero; a pseudo-zero is none."""
    return not value & ~SIGN


def is_unnormal(value: int) -> bool:
    """Whether it is a number that is not normalized: an unnormal, a denormal, a pseudo-denormal or a pseudo-zero."""
    e = value >> 64 & SPECIAL
    if e == 0:
        return value & FRACTION != 0
    return e != SPECIAL and not value & INTEGER_BIT and value != NATVAL


def quieted(nan: int) -> int:
    """A NaN, quiet."""
    return nan | QUIET_BIT


def normalized(value: int) -> tuple[int, int, int]:
    """Sign, exponent and significand of a number other than zero, its integer bit set; the exponent may be below 0."""
    significand = value & FRACTION
    shift = 64 - significand.bit_length()
    return value >> 81, effective_exponent(value) - shift, significand << shift


def order(value: int) -> int:
    """An integer that is ordered as numbers are; of anything but a NaN. All zeros are 0."""
    significand = value & FRACTION
    if not significand:
        return 0
    length = significand.bit_length()
    key = effective_exponent(value) + length << 64 | significand << (64 - length)
    return -key if value >> 81 else key


# ------------------------------------------------------------------------------------- pairs of singles

_SINGLE_LEAST: Final = BIAS - 126


def from_single(bits: int) -> int:
    """A single of memory, 32 bits, as a register holds it (SDM vol. 1, figure 5-5)."""
    sign, e, fraction = bits >> 31, bits >> 23 & 0xFF, bits & 0x7FFFFF
    if e == 0xFF:
        return sign << 81 | INFINITY | fraction << 40
    if e:
        return sign << 81 | e + BIAS - 127 << 64 | INTEGER_BIT | fraction << 40
    return sign << 81 | (_SINGLE_LEAST << 64 | fraction << 40 if fraction else 0)


def to_single(value: int) -> int:
    """A register as a single of memory, not rounded (SDM vol. 1, figure 5-10)."""
    e = value >> 64
    biased = (e >> 9 & 0x80 | e & 0x7F) if value & INTEGER_BIT else 0
    return value >> 81 << 31 | biased << 23 | value >> 40 & 0x7FFFFF
