"""Floating-point arithmetic against exact rationals, in all precisions, ranges and roundings, with flags and traps."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pvsim.machine.functions import FUNCTIONS

from tests.slow import examples

BIAS = 65535
TOP = 2**63
INFINITY = 0x1FFFF << 64 | TOP
NATVAL = 0x1FFFE << 64
INDEFINITE = 1 << 81 | 0x1FFFF << 64 | 3 << 62
ONE = BIAS << 64 | TOP
MINUS = 1 << 81
QUIET, SIGNALLING = INFINITY | 1 << 62 | 5, INFINITY | 9
PSEUDO_ZERO, PSEUDO_INFINITY = 0x10005 << 64, 0x1FFFF << 64 | 1 << 60
V, D, Z, O, U, I = 1, 2, 4, 8, 16, 32  # noqa: E741  (the manual's letters)
NEAREST, DOWN, UP, TRUNCATE = range(4)
ALL_OFF = 63

# ------------------------------------------------------------------------------------ the reference


def value(register: int) -> Fraction:
    """The number that a register holds."""
    exponent = register >> 64 & 0x1FFFF or BIAS - 16382
    magnitude = Fraction(register % 2**64) * Fraction(2) ** (exponent - BIAS - 63)
    return -magnitude if register >> 81 else magnitude


def whole(exact: Fraction, rounding: int) -> int:
    """A rational rounded to an integer."""
    down = exact.numerator // exact.denominator
    if exact == down:
        return down
    if rounding == NEAREST:
        return round(exact)  # half to even
    return {DOWN: down, UP: down + 1, TRUNCATE: down if exact > 0 else down + 1}[rounding]


def at_unit(exact: Fraction, exponent: int, precision: int, rounding: int) -> Fraction:
    """Rounded to a multiple of the last place of numbers with that exponent."""
    unit = Fraction(2) ** (exponent - precision + 1)
    return whole(exact / unit, rounding) * unit


def exponent_of(exact: Fraction) -> int:
    magnitude = abs(exact)
    guess = magnitude.numerator.bit_length() - magnitude.denominator.bit_length()
    return guess if Fraction(2) ** guess <= magnitude else guess - 1


def register(exact: Fraction, exponent: int, biased: int) -> int:
    """A number as a register has it, with what stands for an exponent."""
    significand = abs(exact) / Fraction(2) ** (exponent - 63)
    assert significand.denominator == 1
    return (exact < 0) << 81 | (biased & 0x1FFFF) << 64 | significand.numerator


def expected(
    exact: Fraction, precision: int, bits: int, rounding: int, flush: bool, disabled: int
) -> tuple[int, int, int]:
    """Value, flags, and traps as cr.isr has them in bits 11 to 14, of a number other than zero."""
    greatest = 2 ** (bits - 1) - 1
    least = 1 - greatest if bits < 17 else -65534
    greatest = min(greatest, 65535)
    negative = exact < 0
    first = at_unit(exact, exponent_of(exact), precision, rounding)
    exponent = exponent_of(first)
    inexact = I if first != exact else 0
    isr_inexact = 4 | 8 * (abs(first) > abs(exact)) if inexact else 0
    if exponent > greatest and not disabled & O:
        return register(first, exponent, exponent + BIAS), O | inexact, 1 | isr_inexact
    if exponent < least and not disabled & U:
        return register(first, exponent, exponent + BIAS), U | inexact, 2 | isr_inexact
    if exponent > greatest:
        stays = rounding == TRUNCATE or rounding == (UP if negative else DOWN)
        largest = (Fraction(2) ** precision - 1) * Fraction(2) ** (greatest - precision + 1)
        made = register(largest, greatest, greatest + BIAS) if stays else INFINITY
        return made | negative << 81, O | I, 0 if disabled & I else 4 | 8 * (not stays)
    if exponent < least and flush:
        return negative << 81, U | I, 0 if disabled & I else 4
    if exponent < least:
        second = at_unit(exact, least, precision, rounding)
        away = abs(second) > abs(exact)
        flags = U | I if second != exact else 0
        trap = 4 | 8 * away if flags and not disabled & I else 0
        if second == 0:
            return negative << 81, flags, trap
        is_denormal = abs(second) < Fraction(2) ** least
        return register(second, least, 0 if is_denormal and bits == 15 else least + BIAS), flags, trap
    return register(first, exponent, exponent + BIAS), inexact, 0 if disabled & I else isr_inexact


def parts(outcome: int) -> tuple[int, int, int]:
    """Value, flags, and the traps of all of an outcome without a fault."""
    assert outcome >> 88 & 0xFF == 0
    return outcome % 2**82, outcome >> 82 & 63, outcome >> 100 & 15


# ------------------------------------------------------------------------------------- multiply-add

SIGNIFICANDS = st.one_of(
    st.integers(TOP, 2**64 - 1),
    st.integers(0, 2**24 - 1).map(lambda bits: TOP | bits << 39),
    st.integers(0, 2**53 - 1).map(lambda bits: TOP | bits << 10),
    st.sampled_from(
        [TOP, TOP + 1, 2**64 - 1, 2**64 - 2**40, 2**64 - 2**11, 2**64 - 2**39, TOP | 1 << 39, TOP | 1 << 10]
    ),
)
NEAR = st.integers(BIAS - 80, BIAS + 80)
EXPONENTS = st.one_of(
    NEAR,
    NEAR,
    st.integers(1, 0x1FFFE),
    *(
        st.integers(BIAS + edge - 3, BIAS + edge + 3)
        for edge in (-126, -63, 63, 127, -1022, -511, 511, 1023, -16382, -8191, 8191, 16383)
    ),
    st.integers(1, 130),
    st.integers(0x1FFF0, 0x1FFFE),
)
NORMALS = st.builds(
    lambda sign, exponent, significand: sign << 81 | exponent << 64 | significand,
    st.integers(0, 1),
    EXPONENTS,
    SIGNIFICANDS,
)
UNNORMALS = st.builds(
    lambda sign, exponent, significand: sign << 81 | exponent << 64 | significand,
    st.integers(0, 1),
    st.one_of(EXPONENTS, st.just(0)),
    st.integers(1, 2**63 - 1),
)
NUMBERS = st.one_of(NORMALS, NORMALS, NORMALS, UNNORMALS, st.sampled_from([0, MINUS, ONE, MINUS | ONE]))
CONTROLS = st.tuples(
    st.sampled_from([24, 53, 64]),
    st.booleans(),
    st.integers(0, 3),
    st.booleans(),
    st.integers(0, 63).map(lambda d: d | D),
)

RANGES = {"": 15, "_s": 8, "_d": 11}


def control(precision: int, wide: bool, rounding: int, flush: bool, disabled: int) -> int:
    code = {24: 0, 53: 2, 64: 3}[precision]
    return disabled | (flush | wide << 1 | code << 2 | rounding << 4) << 6


def check(
    form: str, exact: Fraction, got: int, given_controls: tuple[int, bool, int, bool, int], denormal: bool
) -> None:
    precision, wide, rounding, flush, disabled = given_controls
    precision = {"": precision, "_s": 24, "_d": 53}[form]
    want, flags, traps = expected(exact, precision, 17 if wide else RANGES[form], rounding, flush, disabled)
    assert parts(got) == (want, flags | D * denormal, traps)


def is_unnormal(register_: int) -> bool:
    return register_ % 2**64 < TOP and register_ % 2**81 != 0


@pytest.mark.slow
@settings(max_examples=examples(1500), deadline=None)
@given(st.sampled_from(["fma", "fms", "fnma"]), st.sampled_from(["", "_s", "_d"]), NUMBERS, NUMBERS, NUMBERS, CONTROLS)
@example("fma", "_d", ONE, ONE, MINUS | ONE - (1 << 64), (64, False, DOWN, False, ALL_OFF))
@example("fma", "_s", ONE + 1, ONE + 1, MINUS | ONE, (64, False, NEAREST, False, ALL_OFF))
def test_multiply_add(name: str, form: str, a: int, b: int, c: int, controls: tuple[int, bool, int, bool, int]) -> None:
    """An exact product and sum, rounded once."""
    product_ = value(a) * value(b) * (-1 if name == "fnma" else 1)
    addend = -value(c) if name == "fms" else value(c)
    got = FUNCTIONS[name + form](a, b, c, control(*controls))
    denormal = any(map(is_unnormal, (a, b, c)))
    if product_ + addend:
        check(form, product_ + addend, got, controls, denormal)
        return
    signs = ((a ^ b) >> 81 ^ (name == "fnma"), c >> 81 ^ (name == "fms"))
    negative = signs[0] if signs[0] == signs[1] else controls[2] == DOWN
    assert parts(got) == (negative << 81, D * denormal, 0)


@pytest.mark.slow
@settings(max_examples=examples(500), deadline=None)
@given(NORMALS, NORMALS, st.integers(-70, 70), SIGNIFICANDS, CONTROLS)
def test_sums_that_cancel(
    a: int, b: int, apart: int, significand: int, controls: tuple[int, bool, int, bool, int]
) -> None:
    """Addends about as great as the product, of the other sign."""
    exponent = (a >> 64 & 0x1FFFF) + (b >> 64 & 0x1FFFF) - BIAS + apart
    if not 0 < exponent < 0x1FFFF:
        return
    c = ((a ^ b) >> 81 ^ 1) << 81 | exponent << 64 | significand
    exact = value(a) * value(b) + value(c)
    if exact:
        check("", exact, FUNCTIONS["fma"](a, b, c, control(*controls)), controls, False)


@settings(max_examples=examples(300), deadline=None)
@given(st.sampled_from(["fmpy", "fnmpy"]), st.sampled_from(["", "_s", "_d"]), NUMBERS, NUMBERS, CONTROLS)
def test_products(name: str, form: str, a: int, b: int, controls: tuple[int, bool, int, bool, int]) -> None:
    """With f0 as addend, a product that is zero keeps its sign."""
    exact = value(a) * value(b) * (-1 if name == "fnmpy" else 1)
    got = FUNCTIONS[name + form](a, b, control(*controls))
    denormal = is_unnormal(a) or is_unnormal(b)
    if exact:
        check(form, exact, got, controls, denormal)
    else:
        assert parts(got) == (((a ^ b) >> 81 ^ (name == "fnmpy")) << 81, D * denormal, 0)


OFF = control(64, False, NEAREST, False, ALL_OFF)
SPECIALS = [
    # f3, f4, f2: value and flags
    (QUIET, ONE, ONE, QUIET, 0),
    (ONE, QUIET | 64, QUIET, QUIET | 64, 0),
    (QUIET, ONE, QUIET | 64, QUIET | 64, 0),
    (SIGNALLING, ONE, ONE, SIGNALLING | 1 << 62, V),
    (SIGNALLING, QUIET, ONE, QUIET, V),
    (QUIET, INFINITY, 0, QUIET, 0),
    (PSEUDO_INFINITY, QUIET, ONE, INDEFINITE, V),
    (INFINITY, 0, ONE, INDEFINITE, V),
    (0, INFINITY, QUIET, QUIET, 0),
    (PSEUDO_ZERO, INFINITY, ONE, INFINITY, D),
    (PSEUDO_ZERO, INFINITY | MINUS, ONE, INFINITY | MINUS, D),
    (INFINITY, ONE, INFINITY | MINUS, INDEFINITE, V),
    (INFINITY, ONE, INFINITY, INFINITY, 0),
    (ONE, ONE, INFINITY | MINUS, INFINITY | MINUS, 0),
    (PSEUDO_ZERO, ONE, ONE, ONE, D),
    (0, ONE, PSEUDO_ZERO, 0, D),
    (NATVAL, SIGNALLING, ONE, NATVAL, 0),
    (ONE, ONE, NATVAL, NATVAL, 0),
    (ONE, MINUS | NATVAL, ONE, ONE, D),  # with a sign it is a pseudo-zero
]


@pytest.mark.parametrize(("a", "b", "c", "want", "flags"), SPECIALS)
def test_specials(a: int, b: int, c: int, want: int, flags: int) -> None:
    """NaNs in the order f4, f2, f3; infinities; what is unsupported; an enabled exception is a fault instead."""
    assert parts(FUNCTIONS["fma"](a, b, c, OFF)) == (want, flags, 0)
    fault = FUNCTIONS["fma"](a, b, c, OFF & ~63)
    assert fault >> 88 & 0xFF == flags
    # td of the field turns all of them off
    assert FUNCTIONS["fma"](a, b, c, OFF & ~63 | 1 << 12) == FUNCTIONS["fma"](a, b, c, OFF)


# ------------------------------------------------------------------------------ compares and choices

ANY = st.one_of(
    NUMBERS,
    st.sampled_from([QUIET, SIGNALLING, INFINITY, INFINITY | MINUS, PSEUDO_ZERO, PSEUDO_INFINITY, NATVAL, 0, MINUS]),
)


def extended(register_: int) -> Fraction | None:
    """The number, far off for an infinity; None for what has no order."""
    if register_ >> 64 & 0x1FFFF == 0x1FFFF:
        if register_ % 2**64 != TOP:
            return None
        return Fraction(2) ** 70000 * (-1 if register_ >> 81 else 1)
    return value(register_)


def nan_flag(orders: bool, *registers: int) -> int:
    def is_bad(each: int) -> bool:
        special = each >> 64 & 0x1FFFF == 0x1FFFF and each % 2**64 != TOP
        return special and (orders or not each >> 62 & 1 or not each >> 63 & 1)

    return V if any(map(is_bad, registers)) else 0


@settings(max_examples=examples(400), deadline=None)
@given(ANY, ANY)
def test_compares(a: int, b: int) -> None:
    """The four relations of `fcmp`, of numbers, of what has no order, and of NaTVal."""
    if NATVAL in (a, b):
        assert all(FUNCTIONS[f"fcmp_{name}"](a, b, OFF) == 2 for name in ("eq", "lt", "le", "unord"))
        return
    x, y = extended(a), extended(b)
    known = x is not None and y is not None
    relations = {"eq": known and x == y, "unord": not known}
    relations |= {"lt": x is not None and y is not None and x < y, "le": x is not None and y is not None and x <= y}
    for name, holds in relations.items():
        flags = D * (is_number(a) or is_number(b)) if known else nan_flag(name in ("lt", "le"), a, b)
        assert parts(FUNCTIONS[f"fcmp_{name}"](a, b, OFF)) == (holds, flags, 0), name


def is_number(register_: int) -> bool:
    """Whether it is one that is not normalized."""
    return register_ >> 64 & 0x1FFFF != 0x1FFFF and is_unnormal(register_)


@pytest.mark.slow
@settings(max_examples=examples(400), deadline=None)
@given(ANY, ANY)
def test_choices(a: int, b: int) -> None:
    """The second where they are equal or one has no order."""
    if NATVAL in (a, b):
        assert FUNCTIONS["fmin"](a, b, OFF) == NATVAL
        return
    x, y = extended(a), extended(b)
    if x is None or y is None:
        want = dict.fromkeys(["fmin", "fmax", "famin", "famax"], b)
        flags = nan_flag(True, a, b)
    else:
        want = {"fmin": a if x < y else b, "fmax": a if x > y else b}
        want |= {"famin": a if abs(x) < abs(y) else b, "famax": a if abs(x) > abs(y) else b}
        flags = D * (is_number(a) or is_number(b))
    for name, chosen in want.items():
        assert parts(FUNCTIONS[name](a, b, OFF)) == (chosen, flags, 0), name


def test_classes() -> None:
    """Each sort of register is in its class alone, and numbers only with their sign."""
    sorts = {
        0x100: [NATVAL],
        0x080: [QUIET, QUIET | MINUS],
        0x040: [SIGNALLING],
        0x020: [INFINITY, INFINITY | MINUS],
        0x010: [ONE, ONE | MINUS, 0x1FFFE << 64 | TOP, 1 << 64 | TOP],
        0x008: [PSEUDO_ZERO, MINUS | NATVAL, 5, TOP, 1 << 64 | 1, MINUS | 7],
        0x004: [0, MINUS],
    }
    for (kind, registers), classes in product(sorts.items(), range(512)):
        for each in registers:
            signed = kind >= 0x40 or classes & (2 if each >> 81 else 1)
            assert FUNCTIONS["fclass"](each, classes) == bool(classes & kind and signed), (hex(each), hex(classes))
    assert not any(FUNCTIONS["fclass"](PSEUDO_INFINITY, classes) for classes in range(512))


# ----------------------------------------------------------------------------------------- conversions

INTEGERS = st.builds(
    lambda sign, exponent, significand: sign << 81 | exponent << 64 | significand,
    st.integers(0, 1),
    st.one_of(st.integers(BIAS - 3, BIAS + 66), st.integers(BIAS + 60, BIAS + 65), EXPONENTS),
    st.one_of(SIGNIFICANDS, st.integers(0, 2**64 - 1)),
)


@pytest.mark.slow
@settings(max_examples=examples(800), deadline=None)
@given(INTEGERS, CONTROLS, st.booleans(), st.booleans())
@example(MINUS | BIAS + 63 << 64 | TOP, (64, False, NEAREST, False, ALL_OFF), False, False)
@example(MINUS | BIAS - 1 << 64 | TOP, (64, False, NEAREST, False, ALL_OFF), True, False)
@example(MINUS | BIAS - 1 << 64 | TOP, (64, False, DOWN, False, ALL_OFF), True, False)
def test_to_integer(
    register_: int, controls: tuple[int, bool, int, bool, int], unsigned: bool, truncates: bool
) -> None:
    """Rounded as the field says, or towards zero; what has no place is the indefinite integer."""
    if register_ == NATVAL:
        return
    rounding, disabled = controls[2], controls[4]
    exact = value(register_)
    number = whole(exact, TRUNCATE if truncates else rounding)
    got = FUNCTIONS["fcvt_fx" + "u" * unsigned + "_trunc" * truncates](register_, control(*controls))
    if not (0 <= number < 2**64 if unsigned else -(2**63) <= number < 2**63):
        assert got >> 88 & 255 == V if not disabled & V else parts(got) == (0x1003E << 64 | TOP, V, 0)
        return
    inexact = number != exact
    trap = 4 | 8 * (abs(number) > abs(exact)) if inexact and not disabled & I else 0
    flags = D * (is_unnormal(register_)) | I * inexact
    assert parts(got) == (0x1003E << 64 | number % 2**64, flags, trap)


@settings(deadline=None)
@given(st.integers(0, 2**64 - 1), st.integers(0, 0x3FFFF))
def test_from_integer(significand: int, head: int) -> None:
    """All 64 bits are kept, whatever the exponent was."""
    register_ = head << 64 | significand
    if register_ == NATVAL:
        return
    number = significand - 2**64 * (significand >> 63)
    made = FUNCTIONS["fcvt_xf"](register_)
    assert value(made) == number
    assert not is_unnormal(made)


# -------------------------------------------------------------------------------------- approximations


@settings(deadline=None)
@given(st.integers(0, 1), st.integers(BIAS - 60000, BIAS + 60000), st.one_of(SIGNIFICANDS, st.integers(1, 2**64 - 1)))
def test_reciprocals(sign: int, exponent: int, significand: int) -> None:
    """SDM 3:2, frcpa and frsqrta: relative errors below 2**-8.886 and 2**-8.831; 11 bits of significand."""
    register_ = sign << 81 | exponent << 64 | significand
    got = FUNCTIONS["frcpa"](ONE, register_, OFF)
    assert got >> 104
    assert abs(value(got % 2**82) * value(register_) - 1) < Fraction(2) ** -8 * Fraction(541, 1000)
    assert not got % 2**53
    positive = register_ % 2**81
    root = FUNCTIONS["frsqrta"](positive, OFF)
    assert root >> 104
    squared = value(root % 2**82) ** 2 * value(positive)
    assert (
        (1 - Fraction(2) ** -8 * Fraction(563, 1000)) ** 2
        < squared
        < (1 + Fraction(2) ** -8 * Fraction(563, 1000)) ** 2
    )


QUOTIENTS = [
    (0, 0, INDEFINITE, V),
    (INFINITY, INFINITY, INDEFINITE, V),
    (ONE, 0, INFINITY, Z),
    (ONE, MINUS, INFINITY | MINUS, Z),
    (INFINITY, 0, INFINITY, 0),
    (ONE, INFINITY | MINUS, MINUS, 0),
    (MINUS, ONE, MINUS, 0),
    (QUIET, SIGNALLING, QUIET, V),
    (ONE, QUIET, QUIET, 0),
    (PSEUDO_INFINITY, ONE, INDEFINITE, V),
    (PSEUDO_ZERO, ONE, 0, D),
    (ONE, PSEUDO_ZERO, INFINITY, Z),
]


@pytest.mark.parametrize(("a", "b", "want", "flags"), QUOTIENTS)
def test_quotients_known_at_once(a: int, b: int, want: int, flags: int) -> None:
    """p2 is 0 then; an enabled exception is a fault."""
    assert FUNCTIONS["frcpa"](a, b, OFF) == want | flags << 82
    assert FUNCTIONS["frcpa"](a, b, OFF & ~63) >> 88 == flags


@pytest.mark.parametrize(
    ("a", "want", "flags"),
    [
        (0, 0, 0),
        (MINUS, MINUS, 0),
        (INFINITY, INFINITY, 0),
        (INFINITY | MINUS, INDEFINITE, V),
        (ONE | MINUS, INDEFINITE, V),
        (SIGNALLING, SIGNALLING | 1 << 62, V),
        (MINUS | PSEUDO_ZERO, MINUS, D),
    ],
)
def test_roots_known_at_once(a: int, want: int, flags: int) -> None:
    assert FUNCTIONS["frsqrta"](a, OFF) == want | flags << 82


@pytest.mark.parametrize(
    ("a", "b", "assisted"),
    [
        (BIAS, 0x1FFFB, False),
        (BIAS, 0x1FFFC, True),
        (64, BIAS - 20, True),
        (65, BIAS - 20, False),
        (BIAS + 65524, BIAS - 10, False),
        (BIAS + 65525, BIAS - 10, True),
        (BIAS - 64532, BIAS + 1000, False),
        (BIAS - 64533, BIAS + 1000, True),
    ],
)
def test_software_assist(a: int, b: int, assisted: bool) -> None:
    """Where iterations could go out of range, frcpa is a Software Assist fault."""
    got = FUNCTIONS["frcpa"](a << 64 | TOP, b << 64 | TOP, OFF)
    assert (got >> 88 & 255, got >> 104) == ((8, 0) if assisted else (0, 1))
    assert FUNCTIONS["frsqrta"](64 << 64 | TOP, OFF) >> 88 == 8
    assert FUNCTIONS["frsqrta"](64 << 64 | 1, OFF & ~63) >> 88 == 8  # before an operand that is not normalized
    assert FUNCTIONS["frsqrta"](BIAS << 64 | 1, OFF & ~63) >> 88 == D
    assert FUNCTIONS["frsqrta"](65 << 64 | TOP, OFF) >> 104 == 1


# ---------------------------------------------------------------------------------------- pairs

SINGLES = st.one_of(
    st.integers(0, 2**32 - 1),
    st.builds(
        lambda sign, e, f: sign << 31 | e << 23 | f, st.integers(0, 1), st.integers(100, 154), st.integers(0, 2**23 - 1)
    ),
    st.sampled_from(
        [0, 1 << 31, 0x7F800000, 0xFF800000, 0x7FC00001, 0x7F800001, 1, 0x807FFFFF, 0x7F7FFFFF, 0x3F800000]
    ),
)


def as_register(single: int) -> int:
    """A single in a register, from its value."""
    sign, e, fraction = single >> 31, single >> 23 & 255, single % 2**23
    if e == 255:
        return sign << 81 | 0x1FFFF << 64 | TOP | fraction << 40
    if e == 0:
        return sign << 81 | (BIAS - 126 << 64 | fraction << 40 if fraction else 0)
    return sign << 81 | e - 127 + BIAS << 64 | TOP | fraction << 40


def as_single(register_: int) -> int:
    e = (register_ >> 64 & 0x1FFFF) - BIAS + 127
    if register_ >> 64 & 0x1FFFF == 0x1FFFF:
        e = 255
    return register_ >> 81 << 31 | (e if register_ >> 63 & 1 else 0) << 23 | register_ >> 40 & 0x7FFFFF


@pytest.mark.slow
@settings(max_examples=examples(500), deadline=None)
@given(st.lists(SINGLES, min_size=6, max_size=6), st.integers(0, 3), st.booleans())
def test_pairs(singles: list[int], rounding: int, flush: bool) -> None:
    """Each half is what the instruction of one number gives of it, in the range of singles."""
    of_pairs = control(64, True, rounding, flush, ALL_OFF)
    alone = control(64, False, rounding, flush, ALL_OFF)
    a, b, c = (0x1003E << 64 | high << 32 | low for high, low in zip(singles[::2], singles[1::2], strict=True))
    halves = [[as_register(each) for each in singles[part::2]] for part in (0, 1)]
    for name, same in (("fpma", "fma_s"), ("fpms", "fms_s"), ("fpnma", "fnma_s")):
        high, low = (FUNCTIONS[same](*half, alone) for half in halves)
        want = 0x1003E << 64 | as_single(high % 2**82) << 32 | as_single(low % 2**82)
        assert parts(FUNCTIONS[name](a, b, c, of_pairs)) == (want, (high | low) >> 82, 0)
    for name in ("min", "max", "amin", "amax"):
        high, low = (FUNCTIONS[f"f{name}"](*half[:2], alone) for half in halves)
        want = 0x1003E << 64 | as_single(high % 2**82) << 32 | as_single(low % 2**82)
        assert parts(FUNCTIONS[f"fp{name}"](a, b, of_pairs)) == (want, (high | low) >> 82, 0)
    for name, other in (("eq", "neq"), ("lt", "nlt"), ("le", "nle"), ("unord", "ord")):
        high, low = (FUNCTIONS[f"fcmp_{name}"](*half[:2], alone) for half in halves)
        want = 0x1003E << 64 | (high & 1) * 0xFFFFFFFF << 32 | (low & 1) * 0xFFFFFFFF
        flags = (high | low) >> 82
        assert parts(FUNCTIONS[f"fpcmp_{name}"](a, b, of_pairs)) == (want, flags, 0)
        assert parts(FUNCTIONS[f"fpcmp_{other}"](a, b, of_pairs)) == (want ^ 2**64 - 1, flags, 0)


@pytest.mark.parametrize(
    ("single", "signed_", "unsigned_"),
    [
        (0x4F000000, 0x80000000, 0x80000000),  # 2**31 has no place among signed integers
        (0x4EFFFFFF, 0x7FFFFF80, 0x7FFFFF80),
        (0xCF000000, 0x80000000, 0x80000000),
        (0xBF800000, 0xFFFFFFFF, 0x80000000),
        (0x4F7FFFFF, 0x80000000, 0xFFFFFF00),
        (0x7FC00000, 0x80000000, 0x80000000),
        (0x40200000, 2, 2),
    ],
)
def test_pairs_to_integers(single: int, signed_: int, unsigned_: int) -> None:
    pair = 0x1003E << 64 | single << 32 | 0x3F800000
    assert FUNCTIONS["fpcvt_fx"](pair, OFF) % 2**82 == 0x1003E << 64 | signed_ << 32 | 1
    assert FUNCTIONS["fpcvt_fxu"](pair, OFF) % 2**82 == 0x1003E << 64 | unsigned_ << 32 | 1


def test_faults_of_pairs() -> None:
    """Those of the high half in bits 0 to 3, those of the low half left of them (SDM vol. 2, table 8-3)."""
    bad, good, enabled = 0x7F800001, 0x3F800000, OFF & ~63
    pair = 0x1003E << 64 | good << 32 | good
    for high, low, code in ((bad, good, 0x01), (good, bad, 0x10), (bad, 1, 0x21), (0x00000001, good, 0x02)):
        got = FUNCTIONS["fpma"](0x1003E << 64 | high << 32 | low, pair, pair, enabled)
        assert got >> 88 & 255 == code
    overflows, fits = 0x7F7FFFFF, 0x3F800000
    high = FUNCTIONS["fpmpy"](*[0x1003E << 64 | overflows << 32 | fits] * 2, enabled)
    low = FUNCTIONS["fpmpy"](*[0x1003E << 64 | fits << 32 | overflows] * 2, enabled)
    assert (high >> 96 & 255, low >> 96 & 255) == (0x50, 0x05)
    assert high % 2**82 == 0x1003E << 64 | 0x3F7FFFFE << 32 | fits  # the exponent modulo 256


@pytest.mark.slow
@settings(max_examples=examples(300), deadline=None)
@given(st.lists(SINGLES, min_size=4, max_size=4))
def test_approximations_of_pairs(singles: list[int]) -> None:
    """Each half is what frcpa gives, where a single has it; p2 tells that iterations end in the right result."""
    a, b = (0x1003E << 64 | high << 32 | low for high, low in zip(singles[::2], singles[1::2], strict=True))
    halves = [[as_register(each) for each in singles[part::2]] for part in (0, 1)]
    got = FUNCTIONS["fprcpa"](a, b, OFF)
    approximates = []
    for part, half in enumerate(halves):
        alone = FUNCTIONS["frcpa"](*half, OFF)
        single = got >> 32 * (1 - part) & 0xFFFFFFFF
        if not alone >> 104:
            assert single == as_single(alone % 2**82)
            approximates.append(False)
            continue
        dividend, divisor = (exponent_of(value(each)) for each in half)
        if divisor < -126 or divisor >= 125:
            assert single == (half[1] >> 81 << 31 | (0x7F800000 if divisor < 0 else 0))
            approximates.append(False)
            continue
        assert single == as_single(alone % 2**82)
        approximates.append(dividend > -126 + 23 and -125 < dividend - divisor < 127)
    assert got >> 104 == all(approximates)


@pytest.mark.parametrize(
    ("single", "want", "flags"),
    [
        (0x3F800000, 0x3F7F8000, 0),
        (0x00000000, 0x7F800000, 0),
        (0x80000000, 0xFF800000, 0),
        (0x7F800000, 0x00000000, 0),
        (0xFF800000, 0xFFC00000, V),
        (0xBF800000, 0xFFC00000, V),
        (0x80000001, 0xFFC00000, V),
        (0x7F800001, 0x7FC00001, V),
        (0x0C800000, 0x58FF8000, 0),
        (0x0C000000, 0x5934A000, 0),
    ],
)
def test_roots_of_pairs(single: int, want: int, flags: int) -> None:
    """Of zeros infinities, of an infinity zero, unlike frsqrta; p2 is 0 where iterations could go out of range."""
    got = FUNCTIONS["fprsqrta"](0x1003E << 64 | 0x3F800000 << 32 | single, OFF)
    assert got % 2**82 == 0x1003E << 64 | 0x3F7F8000 << 32 | want
    assert got >> 82 & 63 == flags
    assert got >> 104 == (single in (0x3F800000, 0x0C800000))
