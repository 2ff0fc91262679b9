"""Rounding: an exact number becomes what a register may hold, with flags and traps (SDM vol. 1, 5.2 to 5.4).

Arithmetic gives an `Outcome`, packed into one integer, from the right: 82 bits of value, 6 of flags for the status
field, 8 of faults as cr.isr has them in bits 0 to 7, 8 of traps as it has them in bits 7 to 14; approximations have one
more. Where there is a fault the rest says nothing. Of a pair, the high half has the right four bits of faults and the
left four of traps, the low half the others; what is no pair is told as a high half is.
"""

from __future__ import annotations

from typing import Final

from pvsim.machine.float_values import BIAS, EXTENDED_LEAST, INFINITY, SPECIAL

Outcome = int
"""See above."""

FLAGS_AT: Final = 82
FAULTS_AT: Final = 88
TRAPS_AT: Final = 96

# The exceptions, as bits of flags, of traps that are enabled, and of a fault's code.
INVALID: Final = 1
DENORMAL: Final = 2
ZERO_DIVIDE: Final = 4
OVERFLOW: Final = 8
UNDERFLOW: Final = 16
INEXACT: Final = 32
ASSIST: Final = 8  # the software assist, of a fault's code

_FLAG_INEXACT: Final = INEXACT << FLAGS_AT
_TRAP_OVERFLOW: Final = 1 << TRAPS_AT + 4
_TRAP_UNDERFLOW: Final = 2 << TRAPS_AT + 4
_TRAP_INEXACT: Final = 4 << TRAPS_AT + 4
_TRAP_AWAY: Final = 8 << TRAPS_AT + 4  # isr.fpa: the magnitude that is delivered is greater than the exact one

NEAREST, DOWN, UP, TRUNCATE = range(4)

Environment = tuple[int, int, int, int, int, int]
"""Precision in bits, rounding, least and greatest biased exponent, flush to zero, enabled exceptions as flags."""

_RANGES: Final = {8: (BIAS - 126, BIAS + 127), 11: (BIAS - 1022, BIAS + 1023), 15: (EXTENDED_LEAST, BIAS + 16383)}
_WIDEST: Final = (1, SPECIAL - 1)
_DYNAMIC: Final = {0: 24, 1: 64, 2: 53, 3: 64}  # the precision control; 1 is reserved


class Environments(dict[int, Environment]):
    """What 13 bits say: the exceptions that are disabled (fpsr.traps), and the 7 bits of control of a status field.

    `form` is "" for the precision that the status field tells, "s" or "d" for a completer of the instruction, "p" for
    pairs of singles, whose range is always that of singles (SDM vol. 1, tables 5-4 to 5-6).
    """

    def __init__(self, form: str) -> None:
        super().__init__()
        self.form = form

    def __missing__(self, control: int) -> Environment:
        form, field = self.form, control >> 6
        precision = {"": _DYNAMIC[field >> 2 & 3], "s": 24, "d": 53, "p": 24}[form]
        least, greatest = _RANGES[{"": 15, "s": 8, "d": 11, "p": 8}[form]]
        if field >> 1 & 1 and form != "p":
            least, greatest = _WIDEST
        enabled = 0 if field >> 6 else ~control & 63
        made = self[control] = (precision, field >> 4 & 3, least, greatest, field & 1, enabled)
        return made


SINGLE: Final = Environments("s")
DOUBLE: Final = Environments("d")
DYNAMIC: Final = Environments("")
PAIR: Final = Environments("p")


def cut(magnitude: int, drop: int, rounding: int, sign: int) -> tuple[int, bool, bool]:
    """A magnitude without its last bits: the integer, whether it is inexact, and whether it is greater than it was."""
    if drop <= 0:
        return magnitude << -drop, False, False
    kept = magnitude >> drop
    rest = magnitude - (kept << drop)
    if not rest:
        return kept, False, False
    if rounding == NEAREST:
        half = 1 << drop - 1
        away = rest > half or (rest == half and kept & 1 == 1)
    else:
        away = rounding == (DOWN if sign else UP)
    return kept + away, True, away


def rounded(sign: int, magnitude: int, low: int, environment: Environment) -> Outcome:
    """A number other than zero: `magnitude` times 2 to the power of `low` less the bias."""
    precision, rounding, least, greatest, _, enabled = environment
    length = magnitude.bit_length()
    e = low + length - 1
    drop = length - precision
    if not least <= e < greatest or enabled & INEXACT:
        return _rounded_with_care(sign, magnitude, low, environment)
    # What happens nearly always, for speed.
    if drop <= 0:
        return (sign << 17 | e) << 64 | magnitude << 64 - length
    kept = magnitude >> drop
    rest = magnitude ^ kept << drop
    if not rest:
        return (sign << 17 | e) << 64 | kept << 64 - precision
    if rounding == NEAREST:
        if rest >> drop - 1 and (kept & 1 or rest & rest - 1):
            kept += 1
    elif rounding == (DOWN if sign else UP):
        kept += 1
    if kept >> precision:
        return (sign << 17 | e + 1) << 64 | _ONE_INEXACT
    return (sign << 17 | e) << 64 | kept << 64 - precision | _FLAG_INEXACT


_ONE_INEXACT: Final = _FLAG_INEXACT | 1 << 63


def _rounded_with_care(sign: int, magnitude: int, low: int, environment: Environment) -> Outcome:
    """As `rounded`, with results out of range and traps (SDM vol. 1, 5.4)."""
    precision, rounding, least, greatest, flush, enabled = environment
    length = magnitude.bit_length()
    kept, inexact, away = cut(magnitude, length - precision, rounding, sign)
    e = low + length - 1
    if kept >> precision:
        kept >>= 1
        e += 1
    head = sign << 81
    if e > greatest:
        if enabled & OVERFLOW:
            value = head | (e & SPECIAL) << 64 | kept << 64 - precision
            return value | OVERFLOW << FLAGS_AT | _TRAP_OVERFLOW | _inexact(inexact, away, True)
        to_infinity = rounding == NEAREST or rounding == (DOWN if sign else UP)
        largest = greatest << 64 | (1 << precision) - 1 << 64 - precision
        value = head | (INFINITY if to_infinity else largest)
        return value | OVERFLOW << FLAGS_AT | _inexact(True, to_infinity, bool(enabled & INEXACT))
    if e >= least:
        return head | e << 64 | kept << 64 - precision | _inexact(inexact, away, bool(enabled & INEXACT))
    if enabled & UNDERFLOW:
        value = head | (e & SPECIAL) << 64 | kept << 64 - precision
        return value | UNDERFLOW << FLAGS_AT | _TRAP_UNDERFLOW | _inexact(inexact, away, True)
    if flush:
        return head | UNDERFLOW << FLAGS_AT | _inexact(True, False, bool(enabled & INEXACT))
    kept, inexact, away = cut(magnitude, least - precision + 1 - low, rounding, sign)
    value = head | kept << 64 - precision
    if kept >> precision - 1 or (kept and least != EXTENDED_LEAST):
        value |= least << 64
    if not inexact:
        return value
    return value | UNDERFLOW << FLAGS_AT | _inexact(True, away, bool(enabled & INEXACT))


def _inexact(inexact: bool, away: bool, traps: bool) -> int:
    """What an inexact result adds to an outcome: its flag; where there is a trap, what that tells of it."""
    if not inexact:
        return 0
    return _FLAG_INEXACT | ((_TRAP_INEXACT | (_TRAP_AWAY if away else 0)) if traps else 0)


def exact_zero(sign: int, other: int, rounding: int) -> int:
    """The zero that is the sum of two numbers with these signs."""
    negative = sign if sign == other else rounding == DOWN
    return int(negative) << 81


def operand_exception(flags: int, environment: Environment, value: int) -> Outcome:
    """What comes of exceptions of operands: a fault where one of them is enabled, else a value and flags."""
    faults = flags & environment[5]
    return faults << FAULTS_AT if faults else value | flags << FLAGS_AT
