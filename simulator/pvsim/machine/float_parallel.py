"""Arithmetic on pairs of singles in a significand: each half as a register, in the range of singles (SDM vol. 1, 5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from pvsim.machine.float_approximations import (
    PREDICATE_AT,
    SINGLE,
    quotient_special,
    reciprocal,
    reciprocal_root,
    root_special,
)
from pvsim.machine.float_arithmetic import CHOICES, CONVERSIONS, RELATIONS, choice, comparison, multiply_add, to_integer
from pvsim.machine.float_rounding import (
    DENORMAL,
    FAULTS_AT,
    FLAGS_AT,
    PAIR,
    TRAPS_AT,
    Outcome,
    operand_exception,
)
from pvsim.machine.float_values import (
    BIAS,
    FRACTION,
    INFINITY,
    INTEGER,
    NATVAL,
    SIGN,
    from_single,
    is_unnormal,
    normalized,
    to_single,
)

Work = Callable[..., Outcome]

_WORD: Final = 0xFFFFFFFF
_ONLY: Final = 1 << PREDICATE_AT


def paired(work: Work, as_bits: Callable[[int], int]) -> Work:
    """A function of pairs, and of a control, that does `work` on both halves; `as_bits` makes 32 bits of its values."""

    def both(*given: int) -> Outcome:
        *operands, control = given
        if NATVAL in operands:
            return NATVAL
        high = work(*(from_single(operand >> 32 & _WORD) for operand in operands), control)
        low = work(*(from_single(operand & _WORD) for operand in operands), control)
        return joined(high, low, as_bits)

    return both


def joined(high: Outcome, low: Outcome, as_bits: Callable[[int], int]) -> Outcome:
    """The outcome of a pair, of those of its halves."""
    faults = high >> FAULTS_AT & 15 | (low >> FAULTS_AT & 15) << 4
    if faults:
        return faults << FAULTS_AT
    upper, lower = (_wrapped(half & _VALUE) if half & _OUT_OF_RANGE else as_bits(half & _VALUE) for half in (high, low))
    value = INTEGER | upper << 32 | lower
    flags = (high | low) >> FLAGS_AT & 63
    traps = high >> TRAPS_AT & 0xF0 | low >> TRAPS_AT + 4 & 15
    return value | flags << FLAGS_AT | traps << TRAPS_AT | high & low & _ONLY


_VALUE: Final = (1 << FLAGS_AT) - 1
_OUT_OF_RANGE: Final = 3 << TRAPS_AT + 4  # an overflow or an underflow that traps


def _wrapped(value: int) -> int:
    """A number out of the range of singles as one, of whose exponent the last 8 bits are left."""
    e = (value >> 64) - BIAS + 127 & 0xFF
    return value >> 81 << 31 | e << 23 | value >> 40 & 0x7FFFFF


def _integer(value: int) -> int:
    return value & _WORD


def _chosen(takes_first: Callable[[int, int], bool]) -> Work:
    return paired(choice(PAIR, takes_first), to_single)


def _related(name: str) -> Work:
    holds, orders, unordered = RELATIONS[name]
    return paired(comparison(PAIR, holds, orders=orders, unordered=unordered), lambda value: -(value & 1) & _WORD)


# -------------------------------------------------------------------------------------- approximations


def _reciprocal(a: int, b: int, control: int) -> Outcome:
    """Half of `fprcpa`. Where the reciprocal is out of the range of singles, it is an infinity or a zero."""
    environment = PAIR[control]
    special = quotient_special(a, b, environment)
    if special is not None:
        return special
    given = operand_exception(DENORMAL if is_unnormal(a) or is_unnormal(b) else 0, environment, 0)
    if given >> FAULTS_AT:
        return given
    sign = b & SIGN
    if normalized(b)[1] < SINGLE.least + BIAS:
        return given | sign | INFINITY
    if SINGLE.bad_divisor(b):
        return given | sign
    return given | reciprocal(b) | (0 if SINGLE.bad_quotient(a, b) else _ONLY)


def _reciprocal_root(a: int, control: int) -> Outcome:
    """Half of `fprsqrta`."""
    environment = PAIR[control]
    special = root_special(a, environment)
    if special is not None:
        return _inverted(special)
    given = operand_exception(DENORMAL if is_unnormal(a) else 0, environment, 0)
    if given >> FAULTS_AT:
        return given
    return given | reciprocal_root(a) | (0 if SINGLE.bad_root(a) else _ONLY)


def _inverted(outcome: Outcome) -> Outcome:
    """A root that is zero or infinite, as 1 over it: what `fprsqrta` gives, other than `frsqrta`."""
    if outcome & _VALUE & ~SIGN == INFINITY:
        return outcome & ~INFINITY
    return outcome | INFINITY if not outcome & FRACTION and not outcome >> FAULTS_AT else outcome


FUNCTIONS: Final[dict[str, Any]] = {
    "fpma": paired(multiply_add(PAIR, 0, 0), to_single),
    "fpms": paired(multiply_add(PAIR, 0, 1), to_single),
    "fpnma": paired(multiply_add(PAIR, 1, 0), to_single),
    "fpmpy": paired(multiply_add(PAIR, 0, 0, adds=False), to_single),
    "fpnmpy": paired(multiply_add(PAIR, 1, 0, adds=False), to_single),
    **{f"fp{name}": _chosen(takes_first) for name, takes_first in CHOICES.items()},
    **{f"fpcmp_{name}": _related(name) for name in RELATIONS},
    **{f"fpcvt_{name}": paired(to_integer(PAIR, 32, signed=s, truncates=t), _integer) for name, s, t in CONVERSIONS},
    "fprcpa": paired(_reciprocal, to_single),
    "fprsqrta": paired(_reciprocal_root, to_single),
}
"""By the names that terms have them by."""
