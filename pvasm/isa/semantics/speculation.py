"""Control and data speculation: checks, and the ALAT (SDM vol. 1, 4.4.4 and 4.4.5)."""

from __future__ import annotations

from typing import Final

from pvasm.isa.semantics.branches import BRANCH
from pvasm.isa.semantics.floating_registers import check, is_natval, source
from pvasm.isa.semantics.memory import FORGET, IS_ADVANCED
from pvasm.isa.semantics.operation import Operation, clause
from pvasm.isa.semantics.programs import call
from pvasm.isa.semantics.terms import Cell, read

FORGET_ALL: Final = call("forget_all_advanced", writes="ALAT")
"""The ALAT loses all entries."""


CHECK_RECOVERY: Final = call("check_recovery", may_fault=True)
"""A Speculative Operation fault where the model has software go to recovery code: what cr.isr.code says of the check,
and its immediate."""

_CODES: Final = {("a", "gr"): 0, ("s", "gr"): 1, ("a", "fr"): 2, ("s", "fr"): 3}
FLAGS_CODE: Final = 4
"""What cr.isr.code says of a Speculative Operation fault (SDM vol. 2, vector 0x5700): here of fchkf."""


def recover(op: Operation, name: str, code: int) -> None:
    """Goes to the code that does again what did not hold; `name` is the operand that says where that is."""
    goal = op[name].value
    distance = (goal - read(Cell("ip"))).bits(4, 21)
    op.call(CHECK_RECOVERY, code, distance.extended(64))
    op.call(BRANCH, goal)


def _recover(op: Operation, file: str) -> None:
    recover(op, "target25c" if "target25c" in op else "target25b", _CODES[op.words[0], file])


@clause("M20.chk.s.m", "I20.chk.s.i")
def chk_s(op: Operation) -> None:
    """SDM 3:2, chk: branches if the register is a NaT."""
    with op.when(op.r2.nat):
        _recover(op, "gr")


@clause("M21.chk.s")
def chk_s_fr(op: Operation) -> None:
    """SDM 3:2, chk: branches if the register is NaTVal."""
    if check(op, None, "f2"):
        with op.when(is_natval(source(op, "f2"))):
            _recover(op, "fr")


@clause("M22.chk.a.nc", "M22.chk.a.clr", "M23.chk.a.nc", "M23.chk.a.clr")
def chk_a(op: Operation) -> None:
    """SDM 3:2, chk: branches if the ALAT has no entry for the register, which itself is not looked at."""
    name, file = ("r1", "gr") if "r1" in op else ("f1", "fr")
    (held,) = op.call(IS_ADVANCED, file, op.register(name), op.words[-1])
    with op.when(~held):
        _recover(op, file)


@clause("M24.invala")
def invala(op: Operation) -> None:
    """SDM 3:2, invala: all entries of the ALAT are gone."""
    op.call(FORGET_ALL)


@clause("M26.invala.e", "M27.invala.e")
def invala_e(op: Operation) -> None:
    """SDM 3:2, invala.e: the entry of a register in the ALAT is gone."""
    name, file = ("r1", "gr") if "r1" in op else ("f1", "fr")
    op.call(FORGET, file, op.register(name))
