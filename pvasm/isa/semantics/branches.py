"""Branches (SDM vol. 3, br, brl, brp, epc and rfi; vol. 1, 4.5)."""

from __future__ import annotations

from typing import Final

from pvasm.isa.semantics.checks import current_level, needs_level_0, needs_real_machine
from pvasm.isa.semantics.frames import PRESERVE_FRAME, RESTORE_FRAME, ROTATE
from pvasm.isa.semantics.operation import Operation, clause, minds_predicate
from pvasm.isa.semantics.programs import call
from pvasm.isa.semantics.system import SWITCH_BANK
from pvasm.isa.semantics.terms import FALSE, Cell, Term, const, joined, read

BRANCH: Final = call("branch", may_fault=True, leaves=True, reads="psr.tb")
"""Control goes to an address, of which bits 3 to 0 do not count. May end in a trap: nothing comes after it."""

RETURN: Final = call("return_to", may_fault=True, leaves=True, reads="psr.tb psr.lp RSE", writes="RSE")
"""The same for a return: an address, and whether privilege has been lowered."""

RESUME: Final = call("resume", may_fault=True, leaves=True, reads="RSE", writes="<status> RSE")
"""Control goes where an interruption came from: an address with its slot, and the processor status register."""

PROMOTION: Final = call("promoted_level", 2, reads="psr.it ITC ITR")
"""The privilege level that epc gives at an address, which may be the same as before."""

ENTER_IA32: Final = call("enter_ia32", may_fault=True, leaves=True, reads="psr.di ar.bsp ar.bspstore")
"""What br.ia does on a processor that has no IA-32 instruction set: a fault."""

_CPL: Final = 32
_IS: Final = 34
_RI: Final = 41
_BN: Final = 44
_PPL: Final = 62
_PEC: Final = 52
_LAST_SLOT: Final = 2


def target(op: Operation) -> Term:
    """Where a branch goes: an address that the decoder has made absolute, or what a branch register holds."""
    for name in ("target25b", "target64"):
        if name in op:
            return op[name].value
    return op["b2"].value


@clause("B1.br.cond", "B4.br.cond", "X3.brl.cond")
def br_cond(op: Operation) -> None:
    """SDM 3:2, br.cond and brl.cond: taken if the qualifying predicate is 1."""
    op.call(BRANCH, target(op))


@clause("B3.br.call", "B5.br.call", "X4.brl.call")
def br_call(op: Operation) -> None:
    """SDM 3:2, br.call and brl.call: leaves a link and the caller's state; the callee's frame is the caller's outs."""
    goal = target(op)
    level = current_level(op)
    state = [read(Cell("cfm")), const(0, 14), op.ar("ec").bits(0, 6), const(0, 4), level]
    op.set_ar("pfs", joined(state))
    op.b1 = read(Cell("ip")) + 16
    op.call(PRESERVE_FRAME)
    op.call(BRANCH, goal)


@clause("B4.br.ret")
def br_ret(op: Operation) -> None:
    """SDM 3:2, br.ret: the caller's frame, its EC, and its privilege level where that is lower."""
    goal = target(op)
    pfs = op.ar("pfs")
    level = pfs.bits(_PPL, 2)
    lowers = current_level(op).below(level)
    op.set_ar("ec", pfs.bits(_PEC, 6).extended(64))
    with op.when(lowers):
        set_privilege(op, level)
    op.call(RESTORE_FRAME, pfs.bits(0, 7), pfs.bits(7, 7), pfs.bits(0, 38))
    op.call(RETURN, goal, lowers)


def set_privilege(op: Operation, level: Term) -> None:
    """Gives psr.cpl a value."""
    psr = read(Cell("psr"))
    op.assign(Cell("psr"), joined([psr.bits(0, _CPL), level, psr.bits(_CPL + 2, 64 - _CPL - 2)]))


@clause("B4.br.ia")
@minds_predicate
def br_ia(op: Operation) -> None:
    """SDM 3:2, br.ia: the IA-32 instruction set, which is not there; under a predicate an Illegal Operation fault."""
    if op.predicate != 0:
        op.fault("illegal_operation")
    op.call(ENTER_IA32)


# ------------------------------------------------------------------------------------------ loops


def _check_slot(op: Operation) -> None:
    """Branches of loops are in slot 2, or an Illegal Operation fault (SDM 3:2, br)."""
    if op.slot != _LAST_SLOT:
        op.fault("illegal_operation")


@clause("B2.br.cloop")
def br_cloop(op: Operation) -> None:
    """SDM 3:2, br.cloop: taken, and LC one less, until LC is 0."""
    _check_slot(op)
    lc = op.ar("lc")
    with op.when(lc.differs(0)):
        op.set_ar("lc", lc - 1)
        op.call(BRANCH, target(op))


@clause("B2.br.ctop", "B2.br.cexit")
def br_counted(op: Operation) -> None:
    """SDM 3:2, br.ctop and br.cexit: counts LC, then EC, down; p63 says whether a new iteration begins."""
    _check_slot(op)
    lc, ec = op.ar("lc"), op.ar("ec")
    begins = lc.differs(0)
    with op.when(begins):
        op.set_ar("lc", lc - 1)
    _turn(op, begins, lc.differs(0) | const(1, 64).below(ec), begins)


@clause("B1.br.wtop", "B1.br.wexit")
@minds_predicate
def br_while(op: Operation) -> None:
    """SDM 3:2, br.wtop and br.wexit: goes on while the qualifying predicate is 1, then counts EC down; p63 is 0."""
    _check_slot(op)
    goes_on = op.qualified
    _turn(op, goes_on, goes_on | const(1, 64).below(op.ar("ec")), FALSE)


def _turn(op: Operation, in_kernel: Term, continues: Term, begins: Term) -> None:
    """One turn of a software-pipelined loop (SDM vol. 1, 4.5.1.1).

    `in_kernel` is whether the loop's own condition holds, else the epilog counts EC down; `continues` is whether there
    is another turn: `top` branches then, `exit` else. `begins` is what p63 gets, before registers rotate.
    """
    ec = op.ar("ec")
    counts = ~in_kernel & ec.differs(0)
    with op.when(counts):
        op.set_ar("ec", ec - 1)
    op.assign(Cell("pr", 63), begins)
    with op.when(in_kernel | counts):
        op.call(ROTATE)
    is_exit = op.form.id.endswith("exit")
    with op.when(~continues if is_exit else continues):
        op.call(BRANCH, target(op))


@clause("B6.brp", "B7.brp", "B7.brp.ret")
def brp(op: Operation) -> None:
    """SDM 3:2, brp: a hint about a branch to come, and nothing else."""


# ------------------------------------------------------------------------------------- privilege


@clause("B8.epc")
def epc(op: Operation) -> None:
    """SDM 3:2, epc: the privilege level of the page that the instruction is in, if that is higher."""
    level = current_level(op)
    with op.when(op.ar("pfs").bits(_PPL, 2).below(level)):
        op.fault("illegal_operation")
    (promoted,) = op.call(PROMOTION, read(Cell("ip")))
    with op.when(promoted.below(level)):
        set_privilege(op, promoted)


@clause("B8.rfi")
def rfi(op: Operation) -> None:
    """SDM 3:2, rfi: back to where an interruption came from: its state, its frame if ifs is valid, its slot."""
    needs_level_0(op)
    needs_real_machine(op)
    ipsr, ifs, iip = op.cr("ipsr"), op.cr("ifs"), op.cr("iip")
    with op.when(ipsr.bit(_IS)):  # the IA-32 instruction set, which is not implemented
        op.fault("illegal_operation")
    with op.when(ifs.bit(63)):
        op.call(RESTORE_FRAME, ifs.bits(0, 7), ifs.bits(0, 7), ifs.bits(0, 38))
    op.call(SWITCH_BANK, ipsr.bit(_BN))
    op.call(RESUME, joined([ipsr.bits(_RI, 2), const(0, 2), iip.bits(4, 60)]), ipsr)
