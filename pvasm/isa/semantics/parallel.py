"""Parallel arithmetic, on 1, 2 or 4 bytes at a time (SDM vol. 3, chapter 2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pvasm.isa.semantics.operation import Operation, Word, clause, combined
from pvasm.isa.semantics.terms import Term, bits_from, choose, const, joined, mask

LaneWork = Callable[[Term, Term], Term]
LaneReading = Callable[[Term, int], Term]


def _width(op: Operation) -> int:
    """Bits of a lane: the digit at the end of the mnemonic's first word says how many bytes."""
    return 8 * int(op.mnemonic.partition(".")[0][-1])


def _by_lanes(op: Operation, work: LaneWork) -> Word:
    """Each lane of r2 with the one of r3 beside it; lanes of the result are as wide as `work` makes them."""
    width = _width(op)
    return combined(op.r2, op.r3, lambda a, b: joined(map(work, a.lanes(width), b.lanes(width))))


def _unsigned(value: Term, width: int) -> Term:
    return value.extended(width)


def _signed(value: Term, width: int) -> Term:
    return value.sign_extended(width)


def _limited(value: Term, low: int, high: int, width: int) -> Term:
    """A signed value in `width` bits: those nearest that a lane can hold, from `low` to `high`."""
    limit = const(low, width)
    upper = const(high, width)
    small = value.less(const(low, value.width))
    large = const(high, value.width).less(value)
    return choose(small, limit, choose(large, upper, value.bits(0, width)))


def _limited_signed(value: Term, width: int) -> Term:
    return _limited(value, -(1 << (width - 1)), mask(width - 1), width)


def _limited_unsigned(value: Term, width: int) -> Term:
    return _limited(value, 0, mask(width), width)


# Of `.sss` and so on: how the first source is read, how the second, and how the result is limited.
_SATURATIONS: Final[dict[str, tuple[LaneReading, LaneReading, LaneReading]]] = {
    "sss": (_signed, _signed, _limited_signed),
    "uus": (_unsigned, _signed, _limited_unsigned),
    "uuu": (_unsigned, _unsigned, _limited_unsigned),
}


# --------------------------------------------------------------------------- sums and differences


def _saturating(op: Operation, work: LaneWork) -> None:
    """Lane by lane: modulo a power of two, or within the limits that the completer names."""
    if not op.words:
        op.r1 = _by_lanes(op, work)
        return
    first, second, limited = _SATURATIONS[op.words[0]]

    def lane(a: Term, b: Term) -> Term:
        wide = a.width + 2  # that of a sum of any two lanes, and its sign
        return limited(work(first(a, wide), second(b, wide)), a.width)

    op.r1 = _by_lanes(op, lane)


@clause("A9.padd1", "A9.padd2", "A9.padd4")
def padd(op: Operation) -> None:
    """SDM 3:2, padd: the sums of lanes; with a completer, within the limits of their signs."""
    _saturating(op, lambda a, b: a + b)


@clause("A9.psub1", "A9.psub2", "A9.psub4")
def psub(op: Operation) -> None:
    """SDM 3:2, psub: the differences of lanes; with a completer, within the limits of their signs."""
    _saturating(op, lambda a, b: a - b)


@clause("A9.pavg1", "A9.pavg1.raz", "A9.pavg2", "A9.pavg2.raz")
def pavg(op: Operation) -> None:
    """SDM 3:2, pavg: the mean, `.raz` rounded up; else its last bit is 1 if a bit is lost."""
    rounds_up = "raz" in op.words

    def mean(a: Term, b: Term) -> Term:
        total = a.extended(a.width + 1) + b.extended(a.width + 1)
        return (total + 1).bits(1, a.width) if rounds_up else _halved(total)

    op.r1 = _by_lanes(op, mean)


@clause("A9.pavgsub1", "A9.pavgsub2")
def pavgsub(op: Operation) -> None:
    """SDM 3:2, pavgsub: half of the difference, with 1 as last bit if a bit is lost."""
    op.r1 = _by_lanes(op, lambda a, b: _halved(a.extended(a.width + 1) - b.extended(a.width + 1)))


def _halved(total: Term) -> Term:
    """A value without its last bit, which is or'ed into the one before."""
    width = total.width - 1
    return total.bits(1, width) | total.bit(0).extended(width)


@clause(*(f"A9.pcmp{size}.{relation}" for size in (1, 2, 4) for relation in ("eq", "gt")))
def pcmp(op: Operation) -> None:
    """SDM 3:2, pcmp: all ones where the relation, of signed lanes, holds; else zeros."""
    is_equal = op.words[0] == "eq"
    op.r1 = _by_lanes(op, lambda a, b: (a.equals(b) if is_equal else b.less(a)).sign_extended(a.width))


@clause("A10.pshladd2")
def pshladd2(op: Operation) -> None:
    """SDM 3:2, pshladd2: shifted left by 1 to 3 and added; what either makes too large or too small is at the limit."""
    count = op.number("count2")

    def lane(a: Term, b: Term) -> Term:
        shifted = a.sign_extended(a.width + 4) << count
        fits = shifted.equals(shifted.bits(0, a.width).sign_extended(shifted.width))
        total = shifted + b.sign_extended(shifted.width)
        return _limited_signed(choose(fits, total, shifted), a.width)

    op.r1 = _by_lanes(op, lane)


@clause("A10.pshradd2")
def pshradd2(op: Operation) -> None:
    """SDM 3:2, pshradd2: shifted right by 1 to 3, signed, and added within the limits of signed lanes."""
    count = op.number("count2")

    def lane(a: Term, b: Term) -> Term:
        wide = a.width + 1
        return _limited_signed(a.sign_extended(wide).shifted_right_signed(count) + b.sign_extended(wide), a.width)

    op.r1 = _by_lanes(op, lane)


@clause("I2.pmin1.u", "I2.pmax1.u", "I2.pmin2", "I2.pmax2")
def pmin_pmax(op: Operation) -> None:
    """SDM 3:2, pmin and pmax: of unsigned bytes, or of signed pairs of bytes."""

    def lane(a: Term, b: Term) -> Term:
        first_is_less = a.below(b) if "u" in op.words else a.less(b)
        return choose(first_is_less, a, b) if op.mnemonic.startswith("pmin") else choose(first_is_less, b, a)

    op.r1 = _by_lanes(op, lane)


@clause("I2.psad1")
def psad1(op: Operation) -> None:
    """SDM 3:2, psad1: the sum of the differences of bytes, without their signs."""

    def total(first: Term, second: Term) -> Term:
        whole = const(0)
        for a, b in zip(first.lanes(8), second.lanes(8), strict=True):
            whole += choose(a.below(b), b - a, a - b).extended(64)
        return whole

    op.r1 = combined(op.r2, op.r3, total)


# ------------------------------------------------------------------------------------------ products


@clause("I2.pmpy2.r", "I2.pmpy2.l")
def pmpy2(op: Operation) -> None:
    """SDM 3:2, pmpy2: 32-bit products of two signed lanes each, the even (`.r`) or the odd ones."""
    odd = int(op.words[0] == "l")

    def products(first: Term, second: Term) -> Term:
        pairs = zip(first.lanes(16)[odd::2], second.lanes(16)[odd::2], strict=True)
        return joined(a.sign_extended(32) * b.sign_extended(32) for a, b in pairs)

    op.r1 = combined(op.r2, op.r3, products)


@clause("I1.pmpyshr2", "I1.pmpyshr2.u")
def pmpyshr2(op: Operation) -> None:
    """SDM 3:2, pmpyshr2: 16 bits of the 32-bit products, from bit `count` on."""
    count = op.number("count0-16")
    extended = _unsigned if "u" in op.words else _signed
    op.r1 = _by_lanes(op, lambda a, b: (extended(a, 32) * extended(b, 32)).bits(count, 16))


@clause("I2.mpy4")
def mpy4(op: Operation) -> None:
    """SDM 3:2, mpy4: the product of the low halves, unsigned."""
    op.r1 = combined(op.r2, op.r3, lambda a, b: a.bits(0, 32).extended(64) * b.bits(0, 32).extended(64))


@clause("I2.mpyshl4")
def mpyshl4(op: Operation) -> None:
    """SDM 3:2, mpyshl4: the low half of the product of the high half of r2 and the low half of r3, at the left."""
    op.r1 = combined(op.r2, op.r3, lambda a, b: joined([const(0, 32), a.bits(32, 32) * b.bits(0, 32)]))


# ------------------------------------------------------------------------------- order of the lanes


@clause(*(f"I2.mix{size}.{side}" for size in (1, 2, 4) for side in "lr"))
def mix(op: Operation) -> None:
    """SDM 3:2, mix: the odd (`.l`) or even lanes of both sources, those of r2 left of those of r3."""
    _interleaved(op, lambda lanes: lanes[int(op.words[0] == "l") :: 2])


@clause(*(f"I2.unpack{size}.{half}" for size in (1, 2, 4) for half in "hl"))
def unpack(op: Operation) -> None:
    """SDM 3:2, unpack: the lanes of the left (`.h`) or right halves, those of r2 left of those of r3."""
    _interleaved(op, lambda lanes: lanes[len(lanes) // 2 :] if op.words[0] == "h" else lanes[: len(lanes) // 2])


def _interleaved(op: Operation, chosen: Callable[[list[Term]], list[Term]]) -> None:
    width = _width(op)

    def lanes(first: Term, second: Term) -> Term:
        pairs = zip(chosen(second.lanes(width)), chosen(first.lanes(width)), strict=True)
        return joined(lane for pair in pairs for lane in pair)

    op.r1 = combined(op.r2, op.r3, lanes)


@clause("I2.pack2.sss", "I2.pack2.uss", "I2.pack4.sss")
def pack(op: Operation) -> None:
    """SDM 3:2, pack: signed lanes in half their width, within its limits; those of r2 at the right."""
    width = _width(op)
    limited = _limited_unsigned if op.words[0] == "uss" else _limited_signed

    def lanes(first: Term, second: Term) -> Term:
        return joined(limited(lane, width // 2) for lane in [*first.lanes(width), *second.lanes(width)])

    op.r1 = combined(op.r2, op.r3, lanes)


_MUX1: Final = {
    0x0: (0, 0, 0, 0, 0, 0, 0, 0),
    0x8: (0, 4, 2, 6, 1, 5, 3, 7),
    0x9: (0, 4, 1, 5, 2, 6, 3, 7),
    0xA: (0, 2, 4, 6, 1, 3, 5, 7),
    0xB: (7, 6, 5, 4, 3, 2, 1, 0),
}
"""Which byte of the source each byte of the result is, from the right: `@brcst @mix @shuf @alt @rev` (SDM 3:2, mux)."""


@clause("I3.mux1")
def mux1(op: Operation) -> None:
    """SDM 3:2, mux1: bytes in another order. An order that the table does not have is an Illegal Operation fault."""
    order = _MUX1.get(op.number("mbtype4"))
    if order is None:
        op.fault("illegal_operation")
        return
    op.r1 = op.r2.made(lambda value: joined(value.lanes(8)[at] for at in order))


@clause("I4.mux2")
def mux2(op: Operation) -> None:
    """SDM 3:2, mux2: each pair of bytes is the one that two bits of the immediate name."""
    order = op.open_number("mhtype8")
    lowest = [joined([const(0, 4), order.bits(at, 2), const(0, 58)]) for at in (0, 2, 4, 6)]
    op.r1 = op.r2.made(lambda value: joined(bits_from(value, low, 16) for low in lowest))


# -------------------------------------------------------------------------------------------- shifts


def _shifted(op: Operation, source: Word, count: Word, work: LaneWork) -> Word:
    """Each lane of a source, by a count of 64 bits: as many as a lane has, or more, leave nothing of it."""
    width = _width(op)

    def lanes(value: Term, by: Term) -> Term:
        number = choose(by.below(width), by.bits(0, width), const(width, width))
        return joined(work(lane, number) for lane in value.lanes(width))

    return combined(source, count, lanes)


@clause("I7.pshl2", "I7.pshl4", "I8.pshl2", "I8.pshl4")
def pshl(op: Operation) -> None:
    """SDM 3:2, pshl: lanes shifted left; by their width or more, 0."""
    count = op.r3 if "r3" in op else op.ccount5
    op.r1 = _shifted(op, op.r2, count, lambda lane, by: lane << by)


@clause(*(f"{row}.pshr{size}{unsigned}" for row in ("I5", "I6") for size in (2, 4) for unsigned in ("", ".u")))
def pshr(op: Operation) -> None:
    """SDM 3:2, pshr: lanes shifted right; `.u` with zeros from the left, else with the sign."""
    count = op.r2 if "r2" in op else op.count5
    is_unsigned = "u" in op.words
    op.r1 = _shifted(op, op.r3, count, lambda lane, by: lane >> by if is_unsigned else lane.shifted_right_signed(by))
