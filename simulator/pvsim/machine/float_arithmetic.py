"""Floating-point arithmetic on registers, as pure functions that give an `Outcome` (SDM vol. 1, 5; vol. 3).

`control` is what `Environments` are asked by: the exceptions that are disabled and a status field's controls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from pvsim.machine.float_rounding import (
    DENORMAL,
    DOUBLE,
    DOWN,
    DYNAMIC,
    FAULTS_AT,
    FLAGS_AT,
    INEXACT,
    INVALID,
    SINGLE,
    TRAPS_AT,
    TRUNCATE,
    Environment,
    Environments,
    Outcome,
    cut,
    exact_zero,
    operand_exception,
    rounded,
)
from pvsim.machine.float_values import (
    BIAS,
    FRACTION,
    INDEFINITE,
    INFINITY,
    INTEGER,
    INTEGER_BIT,
    NATVAL,
    SIGN,
    SPECIAL,
    effective_exponent,
    is_infinite,
    is_nan,
    is_signalling,
    is_unnormal,
    is_unsupported,
    is_zero,
    order,
    quieted,
)

Work = Callable[..., Outcome]

# -------------------------------------------------------------------------------------- multiply and add

_LOW: Final = BIAS + 126  # the lowest bit of a product of two significands
_NORMAL: Final = 0x1FFFE
_FAR: Final = 200  # bits apart, of which a sum only says that there is more


def multiply_add(environments: Environments, flip: int, flip_addend: int, adds: bool = True) -> Work:
    """A function `f(f3, f4, f2, control)`: the product, negated if `flip`, and the addend, negated if `flip_addend`.

    Without `adds` the addend is not looked at: the sign of a product that is zero is its own (SDM vol. 3, fmpy).
    """

    def work(a: int, b: int, c: int, control: int) -> Outcome:
        environment = environments[control]
        ma, mb, mc = a & FRACTION, b & FRACTION, c & FRACTION
        ea, eb, ec = a >> 64 & SPECIAL, b >> 64 & SPECIAL, c >> 64 & SPECIAL
        # Normalized numbers, all of them, but for an addend of zero: an exponent and 1 have a bit but the last in 1 to
        # 0x1fffe only.
        if not (ma & mb) >> 63 or not ea + 1 & _NORMAL or not eb + 1 & _NORMAL:
            return _multiply_add(a, b, c, environment, flip, flip_addend, adds)
        low = ea + eb - _LOW  # what the lowest bit of `total` is worth, as a power of two
        sign = (a ^ b) >> 81 ^ flip
        total = ma * mb
        if mc >> 63 and ec + 1 & _NORMAL:
            apart = low - ec + 63
            if apart > 0:
                if apart > _FAR:
                    total, mc, low = total << 70, 1, low - 70
                else:
                    total <<= apart
                    low -= apart
            elif apart < -_FAR:
                total, mc, low = 1, mc << 70, ec - 133
            else:
                mc <<= -apart
            if sign == c >> 81 ^ flip_addend:
                total += mc
            elif total > mc:
                total -= mc
            elif total < mc:
                total = mc - total
                sign ^= 1
            else:
                return SIGN if environment[1] == DOWN else 0
        elif ec or mc:
            return _multiply_add(a, b, c, environment, flip, flip_addend, adds)
        return rounded(sign, total, low, environment)

    if adds:
        return work
    return lambda a, b, control: work(a, b, 0, control)


def _multiply_add(a: int, b: int, c: int, environment: Environment, flip: int, flip_addend: int, adds: bool) -> Outcome:
    """As above, of operands of all sorts."""
    if NATVAL in (a, b, c):
        return NATVAL
    operands = (b, c, a)  # the order in which a NaN among them is the result
    bad = _not_a_number(operands, environment)
    if bad is not None:
        return bad
    sign, other = (a ^ b) >> 81 ^ flip, c >> 81 ^ flip_addend
    flags = DENORMAL if any(map(is_unnormal, operands)) else 0
    if is_infinite(a) or is_infinite(b):
        if is_zero(a) or is_zero(b) or (is_infinite(c) and sign != other):
            return operand_exception(INVALID, environment, INDEFINITE)
        return operand_exception(flags, environment, sign << 81 | INFINITY)
    if is_infinite(c):
        return operand_exception(flags, environment, other << 81 | INFINITY)
    given = operand_exception(flags, environment, 0)
    if given >> FAULTS_AT:
        return given
    product = (a & FRACTION) * (b & FRACTION)
    addend = c & FRACTION
    low, low_addend = effective_exponent(a) + effective_exponent(b) - _LOW, effective_exponent(c) - 63
    if not product and not addend:
        return given | (exact_zero(sign, other, environment[1]) if adds else sign << 81)
    if not addend:
        return given | rounded(sign, product, low, environment)
    if not product:
        return given | rounded(other, addend, low_addend, environment)
    # One whose lowest bit is far above the other's highest is that, and a little more or less.
    if low - low_addend > _FAR:
        product, addend, low_addend = product << 200, 1, low - 200
        low = low_addend
    elif low_addend - low > _FAR:
        product, addend, low = 1, addend << 200, low_addend - 200
        low_addend = low
    least = min(low, low_addend)
    total = (-1) ** sign * (product << low - least) + (-1) ** other * (addend << low_addend - least)
    if not total:
        return given | exact_zero(sign, other, environment[1])
    return given | rounded(int(total < 0), abs(total), least, environment)


def _not_a_number(operands: tuple[int, ...], environment: Environment) -> Outcome | None:
    """What comes of operands among which there is something unsupported, or a NaN: the first NaN, quiet."""
    if any(map(is_unsupported, operands)):
        return operand_exception(INVALID, environment, INDEFINITE)
    for operand in operands:
        if is_nan(operand):
            flags = INVALID if any(map(is_signalling, operands)) else 0
            return operand_exception(flags, environment, quieted(operand))
    return None


# ------------------------------------------------------------------------------- compares and choices


def comparison(environments: Environments, holds: Callable[[int, int], bool], *, orders: bool, unordered: bool) -> Work:
    """A function `f(f2, f3, control)` that tells in bit 0 whether a relation holds, in bit 1 whether one is NaTVal.

    `orders` says that quiet NaNs are invalid too, `unordered` what the relation is of what has no order.
    """

    def work(a: int, b: int, control: int) -> Outcome:
        if a == NATVAL or b == NATVAL:
            return 2
        flags, is_ordered = compared(a, b, orders=orders)
        return operand_exception(flags, environments[control], holds(order(a), order(b)) if is_ordered else unordered)

    return work


def compared(a: int, b: int, *, orders: bool) -> tuple[int, bool]:
    """The flags of a comparison, and whether both are in an order."""
    if is_unsupported(a) or is_unsupported(b):
        return INVALID, False
    if is_nan(a) or is_nan(b):
        return INVALID if orders or is_signalling(a) or is_signalling(b) else 0, False
    return DENORMAL if is_unnormal(a) or is_unnormal(b) else 0, True


def choice(environments: Environments, takes_first: Callable[[int, int], bool]) -> Work:
    """A function `f(f2, f3, control)` that gives the first if it is ordered so, else the second."""

    def work(a: int, b: int, control: int) -> Outcome:
        if a == NATVAL or b == NATVAL:
            return NATVAL
        flags, is_ordered = compared(a, b, orders=True)
        first = is_ordered and takes_first(order(a), order(b))
        return operand_exception(flags, environments[control], a if first else b)

    return work


CHOICES: Final[dict[str, Callable[[int, int], bool]]] = {
    "min": lambda a, b: a < b,
    "max": lambda a, b: a > b,
    "amin": lambda a, b: abs(a) < abs(b),
    "amax": lambda a, b: abs(a) > abs(b),
}

RELATIONS: Final[dict[str, tuple[Callable[[int, int], bool], bool, bool]]] = {
    "eq": (lambda a, b: a == b, False, False),
    "lt": (lambda a, b: a < b, True, False),
    "le": (lambda a, b: a <= b, True, False),
    "unord": (lambda a, b: False, False, True),
    "neq": (lambda a, b: a != b, False, True),
    "nlt": (lambda a, b: a >= b, True, True),
    "nle": (lambda a, b: a > b, True, True),
    "ord": (lambda a, b: True, False, False),
}
"""What each relation is of two numbers, whether a quiet NaN is invalid, and what it is of what has no order."""


def classified(value: int, classes: int) -> int:
    """Whether a register is in one of the classes of `fclass` (SDM vol. 3, table "Floating-point Classes")."""
    e = value >> 64 & SPECIAL
    if value == NATVAL:
        kind = 0x100
    elif e == SPECIAL and not value & INTEGER_BIT:
        return 0
    elif is_nan(value):
        kind = 0x80 if not is_signalling(value) else 0x40
    elif not classes & (2 if value >> 81 else 1):
        return 0
    elif is_infinite(value):
        kind = 0x20
    else:
        kind = 0x04 if is_zero(value) else 0x08 if is_unnormal(value) else 0x10
    return int(classes & kind != 0)


# ---------------------------------------------------------------------------------------- conversions


def to_integer(environments: Environments, width: int, *, signed: bool, truncates: bool) -> Work:
    """A function `f(f2, control)`: the integer of `width` bits, as a significand; an invalid one is 1 and zeros."""
    indefinite = 1 << width - 1
    greatest = (1 << width - 1) - 1 if signed else (1 << width) - 1
    least = -(1 << width - 1) if signed else 0

    def work(value: int, control: int) -> Outcome:
        environment = environments[control]
        if value == NATVAL:
            return NATVAL
        if value >> 64 & SPECIAL == SPECIAL:
            return operand_exception(INVALID, environment, INTEGER | indefinite)
        sign = value >> 81
        drop = BIAS + 63 - effective_exponent(value)
        rounding = TRUNCATE if truncates else environment[1]
        if drop < -width:
            # far too great, but for a pseudo-zero
            kept, inexact, away = (value & FRACTION) << width, False, False
        else:
            kept, inexact, away = cut(value & FRACTION, drop, rounding, sign)
        number = -kept if sign else kept
        if not least <= number <= greatest:
            return operand_exception(INVALID, environment, INTEGER | indefinite)
        given = operand_exception(DENORMAL if is_unnormal(value) else 0, environment, 0)
        if given >> FAULTS_AT:
            return given
        given |= INTEGER | number & (1 << width) - 1
        if inexact:
            given |= INEXACT << FLAGS_AT
            if environment[5] & INEXACT:
                given |= (4 | 8 * away) << TRAPS_AT + 4
        return given

    return work


def from_integer(value: int) -> int:
    """A signed integer in a significand as a number, exactly (SDM vol. 3, fcvt.xf)."""
    if value == NATVAL:
        return NATVAL
    bits = value & FRACTION
    sign = bits >> 63
    magnitude = (1 << 64) - bits if sign else bits
    if not magnitude:
        return 0
    length = magnitude.bit_length()
    return sign << 81 | BIAS + length - 1 << 64 | magnitude << 64 - length


# ------------------------------------------------------------------------------------------ the names

_FORMS: Final = {"": DYNAMIC, "_s": SINGLE, "_d": DOUBLE}
_CONVERSIONS: Final = [(f"fx{u}{t}", not u, bool(t)) for u in ("", "u") for t in ("", "_trunc")]

FUNCTIONS: Final[dict[str, Any]] = {
    **{f"fma{end}": multiply_add(form, 0, 0) for end, form in _FORMS.items()},
    **{f"fms{end}": multiply_add(form, 0, 1) for end, form in _FORMS.items()},
    **{f"fnma{end}": multiply_add(form, 1, 0) for end, form in _FORMS.items()},
    **{f"fmpy{end}": multiply_add(form, 0, 0, adds=False) for end, form in _FORMS.items()},
    **{f"fnmpy{end}": multiply_add(form, 1, 0, adds=False) for end, form in _FORMS.items()},
    **{f"f{name}": choice(DYNAMIC, takes_first) for name, takes_first in CHOICES.items()},
    **{
        f"fcmp_{name}": comparison(DYNAMIC, holds, orders=orders, unordered=unordered)
        for name, (holds, orders, unordered) in RELATIONS.items()
    },
    "fclass": classified,
    **{f"fcvt_{name}": to_integer(DYNAMIC, 64, signed=s, truncates=t) for name, s, t in _CONVERSIONS},
    "fcvt_xf": from_integer,
}
"""By the names that terms have them by."""

CONVERSIONS: Final = tuple(_CONVERSIONS)
