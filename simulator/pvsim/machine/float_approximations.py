"""Approximations of reciprocals and of reciprocals of square roots (SDM vol. 3, frcpa and frsqrta, with their tables).

An entry of the tables has the 10 bits behind the integer bit of a significand: those of the exact function of the
middle of the interval that it stands for, rounded to the nearest.
"""

from __future__ import annotations

from math import isqrt
from typing import Any, Final

from pvsim.machine.float_rounding import (
    ASSIST,
    DENORMAL,
    DYNAMIC,
    FAULTS_AT,
    INVALID,
    TRAPS_AT,
    ZERO_DIVIDE,
    Environment,
    Outcome,
    operand_exception,
)
from pvsim.machine.float_values import (
    BIAS,
    FRACTION,
    INDEFINITE,
    INFINITY,
    NATVAL,
    SIGN,
    is_infinite,
    is_nan,
    is_signalling,
    is_unnormal,
    is_unsupported,
    is_zero,
    normalized,
    quieted,
)

PREDICATE_AT: Final = TRAPS_AT + 8
"""The bit of an outcome that says that the value is an approximation, which p2 tells."""

_APPROXIMATE: Final = 1 << PREDICATE_AT

RECIPROCALS: Final = [((1 << 21) // (513 + 2 * i) + 1 >> 1) - 1024 for i in range(256)]
"""By the 8 bits behind the integer bit: of 1 over the number, times 2."""


def _root(i: int) -> int:
    middle = (257 + 2 * (i & 127)) << (i >> 7)  # times 256, from 1 to 4
    return (isqrt((4096 << 4) ** 2 // middle) + 1 >> 1) - 1024


RECIPROCAL_ROOTS: Final = [_root(i) for i in range(256)]
"""By the last bit of the unbiased exponent and 7 bits behind the integer bit: of 1 over the root, times 2."""


def reciprocal(value: int) -> int:
    """An approximation of 1 over a number other than zero."""
    sign, e, significand = normalized(value)
    return sign << 81 | 2 * BIAS - 1 - e << 64 | 1 << 63 | RECIPROCALS[significand >> 55 & 0xFF] << 53


def reciprocal_root(value: int) -> int:
    """An approximation of 1 over the square root of a positive number."""
    _, e, significand = normalized(value)
    unbiased = e - BIAS
    entry = RECIPROCAL_ROOTS[(unbiased & 1) << 7 | significand >> 56 & 0x7F]
    return BIAS - 1 - (unbiased >> 1) << 64 | 1 << 63 | entry << 53


class Limits:
    """Where iterations from an approximation are not sure to end in the right result, by a format's exponents."""

    def __init__(self, least: int, greatest: int, precision: int) -> None:
        self.least = least
        self.greatest = greatest
        self.precision = precision

    def bad_divisor(self, divisor: int) -> bool:
        """Whether the reciprocal is out of reach."""
        e = normalized(divisor)[1] - BIAS
        return e < self.least or e >= self.greatest - 2

    def bad_quotient(self, dividend: int, divisor: int) -> bool:
        """Whether the dividend is too small, or the quotient too great or too small."""
        e = normalized(dividend)[1] - BIAS
        apart = e - (normalized(divisor)[1] - BIAS)
        return e <= self.least + self.precision - 1 or apart >= self.greatest or apart <= self.least + 1

    def bad_root(self, value: int) -> bool:
        """Whether a number is too small."""
        return normalized(value)[1] - BIAS <= self.least + self.precision - 1


REGISTER: Final = Limits(-65534, 65535, 64)
SINGLE: Final = Limits(-126, 127, 24)


def quotient_special(a: int, b: int, environment: Environment) -> Outcome | None:
    """What a quotient is where it is known at once: of NaNs, infinities and zeros. None for two numbers."""
    for bad in (a, b):
        if is_unsupported(bad):
            return operand_exception(INVALID, environment, INDEFINITE)
    for nan in (a, b):
        if is_nan(nan):
            flags = INVALID if is_signalling(a) or is_signalling(b) else 0
            return operand_exception(flags, environment, quieted(nan))
    sign = (a ^ b) & SIGN
    a_is_zero, b_is_zero = not a & FRACTION, not b & FRACTION
    flags = DENORMAL if is_unnormal(a) or is_unnormal(b) else 0
    if is_infinite(a):
        if is_infinite(b):
            return operand_exception(INVALID, environment, INDEFINITE)
        return operand_exception(flags, environment, sign | INFINITY)
    if is_infinite(b):
        return operand_exception(flags, environment, sign)
    if b_is_zero:
        if a_is_zero:
            return operand_exception(INVALID, environment, INDEFINITE)
        return operand_exception(ZERO_DIVIDE, environment, sign | INFINITY)
    return operand_exception(flags, environment, sign) if a_is_zero else None


def root_special(a: int, environment: Environment) -> Outcome | None:
    """What 1 over a square root is where it is known at once; None for a positive number."""
    if is_unsupported(a):
        return operand_exception(INVALID, environment, INDEFINITE)
    if is_nan(a):
        return operand_exception(INVALID if is_signalling(a) else 0, environment, quieted(a))
    if not a & FRACTION:
        return operand_exception(0 if is_zero(a) else DENORMAL, environment, a & SIGN)
    if a & SIGN:
        return operand_exception(INVALID, environment, INDEFINITE)
    return INFINITY if is_infinite(a) else None


def frcpa(a: int, b: int, control: int) -> Outcome:
    """SDM 3:2, frcpa: 1 over the second, or the quotient where it is known at once."""
    if a == NATVAL or b == NATVAL:
        return NATVAL
    environment = DYNAMIC[control]
    special = quotient_special(a, b, environment)
    if special is not None:
        return special
    if REGISTER.bad_divisor(b) or REGISTER.bad_quotient(a, b):
        return ASSIST << FAULTS_AT
    flags = DENORMAL if is_unnormal(a) or is_unnormal(b) else 0
    return operand_exception(flags, environment, reciprocal(b) | _APPROXIMATE)


def frsqrta(a: int, control: int) -> Outcome:
    """SDM 3:2, frsqrta: 1 over the square root, or the root where it is known at once."""
    if a == NATVAL:
        return NATVAL
    environment = DYNAMIC[control]
    special = root_special(a, environment)
    if special is not None:
        return special
    if REGISTER.bad_root(a):
        return ASSIST << FAULTS_AT
    return operand_exception(DENORMAL if is_unnormal(a) else 0, environment, reciprocal_root(a) | _APPROXIMATE)


FUNCTIONS: Final[dict[str, Any]] = {"frcpa": frcpa, "frsqrta": frsqrta}
