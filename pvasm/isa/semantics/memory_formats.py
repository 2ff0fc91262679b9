"""How floating-point registers and memory hold the same number (SDM vol. 1, 5.1.1 to 5.1.3 and figures 5-4 to 5-12)."""

from __future__ import annotations

from typing import Final

from pvasm.isa.semantics.terms import Term, choose, const, joined

INTEGER: Final = const(0x1003E, 18)  # sign and exponent of integers and of pairs of singles
_BIAS: Final = 0xFFFF
_SPECIAL: Final = const(0x1FFFF, 17)  # the exponent of infinities and NaNs


def _from_parts(fraction: Term, exponent: Term, sign: Term) -> Term:
    """A register of the parts of a single or double: numbers below the least normal one are not normalized."""
    bias = (1 << (exponent.width - 1)) - 1
    is_special = exponent.equals((1 << exponent.width) - 1)
    is_small = exponent.equals(0)
    least = choose(fraction.equals(0), const(0, 17), const(_BIAS - bias + 1, 17))
    usual = choose(is_special, _SPECIAL, exponent.extended(17) + (_BIAS - bias))
    return joined([const(0, 63 - fraction.width), fraction, ~is_small, choose(is_small, least, usual), sign])


def from_single(value: Term) -> Term:
    """A register of a single, 32 bits."""
    return _from_parts(value.bits(0, 23), value.bits(23, 8), value.bit(31))


def from_double(value: Term) -> Term:
    """A register of a double, 64 bits."""
    return _from_parts(value.bits(0, 52), value.bits(52, 11), value.bit(63))


def from_extended(value: Term) -> Term:
    """A register of a double-extended number, 80 bits: the exponents 0 and 7fff stay the least and the greatest."""
    exponent = value.bits(64, 15)
    usual = choose(exponent.equals(0x7FFF), _SPECIAL, exponent.extended(17) + (_BIAS - 0x3FFF))
    return joined([value.bits(0, 64), choose(exponent.equals(0), const(0, 17), usual), value.bit(79)])


def from_integer(value: Term) -> Term:
    """A register of 64 bits that are its significand."""
    return joined([value, INTEGER])


def from_spilled(value: Term) -> Term:
    """A register of the 16 bytes that it was spilled to."""
    return value.bits(0, 82)


def _exponent(register: Term, width: int) -> Term:
    """As many bits of the exponent as a format has; what is not normalized has none."""
    kept = joined([register.bits(64, width - 1), register.bit(80)])
    return choose(register.bit(63), kept, 0)


def to_single(register: Term) -> Term:
    """32 bits, not rounded."""
    return joined([register.bits(40, 23), _exponent(register, 8), register.bit(81)])


def to_double(register: Term) -> Term:
    """64 bits, not rounded."""
    return joined([register.bits(11, 52), _exponent(register, 11), register.bit(81)])


def to_extended(register: Term) -> Term:
    """80 bits."""
    return joined([register.bits(0, 64), register.bits(64, 14), register.bit(80), register.bit(81)])


def to_integer(register: Term) -> Term:
    """The significand."""
    return register.bits(0, 64)


def to_spilled(register: Term) -> Term:
    """16 bytes from which it can be filled again."""
    return register.extended(128)
