"""Integer arithmetic, shifts, bit fields, extensions, and moves between general registers (SDM vol. 3, chapter 2)."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from pvasm.isa.semantics.operation import Operation, Word, clause, combined
from pvasm.isa.semantics.terms import Cell, Term, bits_from, choose, const, function, joined, mask, read


@clause("A1.add", "A4.adds", "A5.addl")
def add(op: Operation) -> None:
    """SDM 3:2, add: the sum. `adds` and `addl` add an immediate."""
    first = op.r2 if "r2" in op else op.imm14 if "imm14" in op else op.imm22
    op.r1 = first + op.r3


@clause("A1.add.one")
def add_one(op: Operation) -> None:
    """SDM 3:2, add: the sum and 1."""
    op.r1 = op.r2 + op.r3 + 1


@clause("A1.sub", "A3.sub")
def sub(op: Operation) -> None:
    """SDM 3:2, sub: the first less the second."""
    op.r1 = _first(op) - op.r3


@clause("A1.sub.one")
def sub_one(op: Operation) -> None:
    """SDM 3:2, sub: the difference less 1."""
    op.r1 = op.r2 - op.r3 - 1


@clause("A1.addp4", "A4.addp4")
def addp4(op: Operation) -> None:
    """SDM 3:2, addp4: a 32-bit address in the region that bits 31 and 30 of r3 choose."""
    first = op.r2 if "r2" in op else op.imm14
    op.r1 = combined(first, op.r3, _pointer)


@clause("A2.shladd")
def shladd(op: Operation) -> None:
    """SDM 3:2, shladd: r2 shifted left by 1 to 4, plus r3."""
    op.r1 = (op.r2 << op.number("count2")) + op.r3


@clause("A2.shladdp4")
def shladdp4(op: Operation) -> None:
    """SDM 3:2, shladdp4: as shladd, of a 32-bit pointer, which addp4 tells of."""
    op.r1 = combined(op.r2 << op.number("count2"), op.r3, _pointer)


def _pointer(offset: Term, base: Term) -> Term:
    """The 32-bit sum, with bits 31 and 30 of the base in bits 62 and 61."""
    total = (offset + base).bits(0, 32)
    return joined([total, const(0, 29), base.bits(30, 2), const(0, 1)])


def _first(op: Operation) -> Word:
    return op.r2 if "r2" in op else op.imm8


@clause("A1.and", "A3.and")
def and_(op: Operation) -> None:
    """SDM 3:2, and: the bits that both have."""
    op.r1 = _first(op) & op.r3


@clause("A1.andcm", "A3.andcm")
def andcm(op: Operation) -> None:
    """SDM 3:2, andcm: the bits that the first has and the second has not."""
    op.r1 = _first(op) & ~op.r3


@clause("A1.or", "A3.or")
def or_(op: Operation) -> None:
    """SDM 3:2, or: the bits that either has."""
    op.r1 = _first(op) | op.r3


@clause("A1.xor", "A3.xor")
def xor(op: Operation) -> None:
    """SDM 3:2, xor: the bits that one has and the other has not."""
    op.r1 = _first(op) ^ op.r3


@clause("X2.movl")
def movl(op: Operation) -> None:
    """SDM 3:2, movl: a 64-bit immediate."""
    op.r1 = op.imm64


@clause("I25.mov.ip")
def mov_from_ip(op: Operation) -> None:
    """SDM 3:2, mov ip: the address of the bundle."""
    op.r1 = read(Cell("ip"))


# ------------------------------------------------------------------------------------------- shifts


@clause("I5.shr")
def shr(op: Operation) -> None:
    """SDM 3:2, shr: shifted right, with the sign from the left; by 64 or more, all sign."""
    op.r1 = op.r3.shifted_right_signed(op.r2)


@clause("I5.shr.u")
def shr_u(op: Operation) -> None:
    """SDM 3:2, shr.u: shifted right, with zeros from the left; by 64 or more, 0."""
    op.r1 = op.r3 >> op.r2


@clause("I7.shl")
def shl(op: Operation) -> None:
    """SDM 3:2, shl: shifted left; by 64 or more, 0."""
    op.r1 = op.r2 << op.r3


@clause("I10.shrp")
def shrp(op: Operation) -> None:
    """SDM 3:2, shrp: 64 bits of the pair r2:r3, from bit `count6` on."""
    count = op.open_number("count6")
    op.r1 = combined(op.r2, op.r3, lambda high, low: bits_from(joined([low, high]), count, 64))


# ---------------------------------------------------------------------------------------- bit fields


class _Field(Struct, frozen=True):
    """Where a field lies, and how many of its bits the register has: what sticks out is not there."""

    low: Term
    width: Term

    def taken(self, value: Term, *, is_signed: bool = False) -> Term:
        """The field of a value, extended by its sign or by zeros."""
        low, width = self.low.constant, self.width.constant
        if low is not None and width is not None:
            field = value.bits(low, width)
            return field.sign_extended(64) if is_signed else field.extended(64)
        at_left = value << const(64) - self.width - self.low
        return at_left.shifted_right_signed(self._rest) if is_signed else at_left >> self._rest

    def filled(self, value: Term) -> Term:
        """The low bits of a value in the field, zeros around it."""
        width = self.width.constant
        if width is not None:
            return value.bits(0, width).extended(64) << self.low
        return value << self._rest >> self._rest - self.low

    @property
    def _rest(self) -> Term:
        return const(64) - self.width


def _field(op: Operation, position: str, length: str) -> _Field:
    low, width = op.open_number(position), op.open_number(length)
    left = const(64) - low
    return _Field(low, choose(width.below(left), width, left))


@clause("I11.extr")
def extr(op: Operation) -> None:
    """SDM 3:2, extr: a field of a register, sign extended."""
    field = _field(op, "pos6", "len6")
    op.r1 = op.r3.made(lambda value: field.taken(value, is_signed=True))


@clause("I11.extr.u")
def extr_u(op: Operation) -> None:
    """SDM 3:2, extr.u: a field of a register, zero extended."""
    op.r1 = op.r3.made(_field(op, "pos6", "len6").taken)


@clause("I12.dep.z", "I13.dep.z")
def dep_z(op: Operation) -> None:
    """SDM 3:2, dep.z: low bits as a field, all else zeros."""
    source = op.r2 if "r2" in op else op.imm8
    op.r1 = source.made(_field(op, "cpos6c", "len6").filled)


@clause("I14.dep", "I15.dep")
def dep(op: Operation) -> None:
    """SDM 3:2, dep: low bits as a field in what r3 holds."""
    field = _field(op, *(("cpos6d", "len4") if "r2" in op else ("cpos6b", "len6")))
    source = op.r2 if "r2" in op else op.imm1
    op.r1 = combined(source, op.r3, lambda value, around: around & ~field.filled(_ONES) | field.filled(value))


_ONES: Final = const(mask(64))


# ---------------------------------------------------------------------------- extensions and counts


@clause("I29.zxt1", "I29.zxt2", "I29.zxt4")
def zxt(op: Operation) -> None:
    """SDM 3:2, zxt: the low 1, 2 or 4 bytes, zero extended."""
    width = 8 * int(op.mnemonic[3])
    op.r1 = op.r3.made(lambda value: value.bits(0, width).extended(64))


@clause("I29.sxt1", "I29.sxt2", "I29.sxt4")
def sxt(op: Operation) -> None:
    """SDM 3:2, sxt: the low 1, 2 or 4 bytes, sign extended."""
    width = 8 * int(op.mnemonic[3])
    op.r1 = op.r3.made(lambda value: value.bits(0, width).sign_extended(64))


@clause("I29.czx1.l", "I29.czx1.r", "I29.czx2.l", "I29.czx2.r")
def czx(op: Operation) -> None:
    """SDM 3:2, czx: the index of the first zero element from the left or the right; how many there are if none is."""
    width = 8 * int(op.mnemonic[3])

    def index(value: Term) -> Term:
        lanes = value.lanes(width)
        order = lanes if op.words[0] == "r" else lanes[::-1]
        found = const(len(order))
        for number in reversed(range(len(order))):
            found = choose(order[number].equals(0), const(number), found)
        return found

    op.r1 = op.r3.made(index)


@clause("I9.popcnt")
def popcnt(op: Operation) -> None:
    """SDM 3:2, popcnt: how many bits are 1."""
    op.r1 = op.r3.made(lambda value: function("ones", [value], 64))


@clause("I9.clz")
def clz(op: Operation) -> None:
    """SDM 3:2, clz: how many bits are 0 before the leftmost 1."""
    op.r1 = op.r3.made(lambda value: function("leading_zeros", [value], 64))
