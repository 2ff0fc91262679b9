"""Floating-point instructions that move bits: merge, mix, swap, select, logic; and integers in significands.

None of them looks at the status fields, and all give NaTVal where a source is that (SDM vol. 3, chapter 2).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pvasm.isa.semantics.floating_registers import check, integer, significand, source, unless_natval, write
from pvasm.isa.semantics.operation import Operation, clause
from pvasm.isa.semantics.terms import Term, choose, joined


def _move(op: Operation, make: Callable[..., Term], *names: str) -> None:
    """Gives f1 what is made of some registers."""
    if check(op, "f1", *names):
        values = [source(op, name) for name in names]
        write(op, "f1", unless_natval(make(*values), *values))


# ------------------------------------------------------------------------------------------- merge


@clause("F9.fmerge.s", "F9.fmerge.ns", "F9.fmerge.se")
def fmerge(op: Operation) -> None:
    """SDM 3:2, fmerge: the sign of the first, its complement, or its sign and exponent, and the rest of the second."""
    _move(op, lambda a, b: _MERGES[op.words[0]](a, b, 81, 64), "f2", "f3")


@clause("F9.fpmerge.s", "F9.fpmerge.ns", "F9.fpmerge.se")
def fpmerge(op: Operation) -> None:
    """SDM 3:2, fpmerge: the same of pairs of singles."""
    merge = _MERGES[op.words[0]]
    _pairs(op, lambda a, b: [merge(a[part], b[part], 31, 23) for part in (0, 1)])


_MERGES: Final[dict[str, Callable[[Term, Term, int, int], Term]]] = {
    "s": lambda a, b, sign, exponent: joined([b.bits(0, sign), a.bit(sign)]),
    "ns": lambda a, b, sign, exponent: joined([b.bits(0, sign), ~a.bit(sign)]),
    "se": lambda a, b, sign, exponent: joined([b.bits(0, exponent), a.bits(exponent, sign + 1 - exponent)]),
}
"""By the completer: what is made of two numbers, of which the sign is the last bit, the exponent right of it."""


# ----------------------------------------------------------------------- the halves of significands


def _pairs(op: Operation, make: Callable[[list[Term], list[Term]], list[Term]]) -> None:
    """Gives f1 a pair, low half first, made of the halves of two registers."""

    def whole(a: Term, b: Term) -> Term:
        return integer(joined(make(significand(a).lanes(32), significand(b).lanes(32))))

    _move(op, whole, "f2", "f3")


@clause("F9.fmix.l", "F9.fmix.r", "F9.fmix.lr")
def fmix(op: Operation) -> None:
    """SDM 3:2, fmix: a half of each; `lr` takes the left one of the first and the right one of the second."""
    first, second = {"l": (1, 1), "r": (0, 0), "lr": (1, 0)}[op.words[0]]
    _pairs(op, lambda a, b: [b[second], a[first]])


@clause("F9.fsxt.l", "F9.fsxt.r")
def fsxt(op: Operation) -> None:
    """SDM 3:2, fsxt: a half of the second, left of it the sign of that half of the first."""
    part = 1 if op.words[0] == "l" else 0
    _pairs(op, lambda a, b: [b[part], a[part].sign.sign_extended(32)])


@clause("F9.fswap", "F9.fswap.nl", "F9.fswap.nr")
def fswap(op: Operation) -> None:
    """SDM 3:2, fswap: the left half of the first and the right one of the second change sides; one may be negated."""
    negated = op.words[0] if op.words else ""
    left, right = (1 << 31 if negated == side else 0 for side in ("nl", "nr"))
    _pairs(op, lambda a, b: [a[1] ^ right, b[0] ^ left])


@clause("F9.fpack")
def fpack(op: Operation) -> None:
    """SDM 3:2, fpack: two numbers as singles of memory, not rounded."""
    _move(op, lambda a, b: integer(joined([_single(b), _single(a)])), "f2", "f3")


def _single(value: Term) -> Term:
    """A register as a single of memory (SDM vol. 1, figure 5-10): what is not normalized has an exponent of 0."""
    exponent = choose(value.bit(63), joined([value.bits(64, 7), value.bit(80)]), 0)
    return joined([value.bits(40, 23), exponent, value.bit(81)])


# ------------------------------------------------------------------------------------ logic, select


@clause("F9.fand", "F9.fandcm", "F9.for", "F9.fxor")
def logic(op: Operation) -> None:
    """SDM 3:2, fand, fandcm, for, fxor: of significands."""
    work = _LOGIC[op.form.mnemonic]
    _move(op, lambda a, b: integer(work(significand(a), significand(b))), "f2", "f3")


_LOGIC: Final[dict[str, Callable[[Term, Term], Term]]] = {
    "fand": lambda a, b: a & b,
    "fandcm": lambda a, b: a & ~b,
    "for": lambda a, b: a | b,
    "fxor": lambda a, b: a ^ b,
}


@clause("F3.fselect")
def fselect(op: Operation) -> None:
    """SDM 3:2, fselect: bits of f3 where f2 has ones, of f4 where it has zeros."""

    def selected(a: Term, b: Term, by: Term) -> Term:
        bits = significand(by)
        return integer(significand(a) & bits | significand(b) & ~bits)

    _move(op, selected, "f3", "f4", "f2")


# --------------------------------------------------------------------------- integers multiplied


@clause("F2.xma.l", "F2.xma.h", "F2.xma.hu")
def xma(op: Operation) -> None:
    """SDM 3:2, xma: a product of significands and a sum, its low or its high half; the addend has no sign."""
    is_signed = op.words[0] == "h"

    def made(a: Term, b: Term, c: Term) -> Term:
        first, second, addend = significand(a), significand(b), significand(c)
        if op.words[0] == "l":
            return integer(first * second + addend)
        wide = [each.sign_extended(128) if is_signed else each.extended(128) for each in (first, second)]
        return integer((wide[0] * wide[1] + addend.extended(128)).bits(64, 64))

    _move(op, made, "f3", "f4", "f2")
