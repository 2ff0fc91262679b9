"""Register frames, rotation and the backing store (SDM vol. 2, 6).

Frames and registers that move are the machine's: it renames by moving what registers hold, and knows which registers
are dirty.
"""

from __future__ import annotations

from typing import Final

from pvasm.isa.registers import FIRST_STACKED
from pvasm.isa.semantics.checks import is_unprivileged, needs_real_machine
from pvasm.isa.semantics.operation import Operation, clause
from pvasm.isa.semantics.programs import call
from pvasm.isa.semantics.terms import FALSE, Cell, Term, read

NEW_FRAME: Final = call("new_frame", may_fault=True, ends=True, reads="CFM <rse>", writes="CFM RSE ar.bspstore ar.rnat")
"""The current frame gets other sizes (sof, sol, sor in registers); dirty registers in its way are spilled."""

PRESERVE_FRAME: Final = call("preserve_frame", ends=True, reads="CFM ar.bsp RSE", writes="CFM ar.bsp RSE")
"""A call: the locals become dirty, the outs are the frame."""

RESTORE_FRAME: Final = call("restore_frame", ends=True, reads="CFM ar.bsp RSE", writes="CFM ar.bsp RSE")
"""The frame before: its size, how many of its registers to take back from below, its marker."""

ROTATE: Final = call("rotate", ends=True, reads="CFM", writes="CFM")
"""Rotating registers move one up, all three files."""

CLEAR_RENAMING: Final = call("clear_renaming", ends=True, writes="CFM")
"""The bases of renaming are 0: those of predicates alone, or all."""

COVER: Final = call("cover", ends=True, reads="CFM ar.bsp RSE", writes="CFM ar.bsp RSE")
"""The whole frame becomes dirty."""

FLUSH: Final = call(
    "flush_registers", may_fault=True, ends=True, reads="<rse> ar.bsp", writes="mem ar.bspstore ar.rnat RSE"
)
"""All dirty registers are spilled."""

LOAD: Final = call(
    "load_registers", may_fault=True, ends=True, reads="CFM <rse> ar.bsp mem", writes="ar.bspstore ar.rnat RSE"
)
"""So many bytes below bsp are made dirty, loaded if need be; other registers are lost."""


def check_lazy(op: Operation) -> None:
    """An Illegal Operation fault unless the RSE is in enforced lazy mode (SDM vol. 2, 6.5)."""
    with op.when(op.ar("rsc").bits(0, 2).differs(0)):
        op.fault("illegal_operation")


def marker() -> Term:
    """The current frame marker."""
    return read(Cell("cfm"))


@clause("M34.alloc")
def alloc(op: Operation) -> None:
    """SDM 3:2, alloc: other sizes for the current frame, and what pfs holds.

    The target is one of the new frame. Rotating registers must not be renamed when their number changes.
    """
    target, sof, sol, sor = op.register("r1"), op.number("sof"), op.number("sol"), op.number("sor")
    if target == 0 or target >= FIRST_STACKED + sof or sof > 96 or sol > sof or sor > sof:
        op.fault("illegal_operation")
        return
    with op.when(marker().bits(14, 4).differs(sor // 8) & marker().bits(18, 20).differs(0)):
        op.fault("reserved_register_field")
    op.call(NEW_FRAME, sof, sol, sor)
    op.assign(Cell("gr", target), op.ar("pfs"))
    op.assign(Cell("nat", target), FALSE)


@clause("B8.clrrrb", "B8.clrrrb.pr")
def clrrrb(op: Operation) -> None:
    """SDM 3:2, clrrrb: registers have their own names again; clrrrb.pr: predicates have."""
    op.call(CLEAR_RENAMING, int(op.form.id == "B8.clrrrb.pr"))


@clause("B8.cover")
def cover(op: Operation) -> None:
    """SDM 3:2, cover: an empty frame above the current one. While psr.ic is 0, ifs gets the marker."""
    with op.when(~is_unprivileged(op)):
        needs_real_machine(op)
    with op.when(~op.psr(13)):
        op.set_cr("ifs", marker().extended(64) | 1 << 63)
    op.call(COVER)


@clause("M25.flushrs")
def flushrs(op: Operation) -> None:
    """SDM 3:2, flushrs: spills all dirty registers; bspstore equals bsp then."""
    op.call(FLUSH)


@clause("M25.loadrs")
def loadrs(op: Operation) -> None:
    """SDM 3:2, loadrs: makes rsc.loadrs bytes below bsp present and dirty, and all else of the stack invalid."""
    check_lazy(op)
    size = op.ar("rsc").bits(16, 14)
    with op.when(marker().bits(0, 7).differs(0) & size.differs(0)):
        op.fault("illegal_operation")
    op.call(LOAD, size)
