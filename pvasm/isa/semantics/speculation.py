"""Control and data speculation: checks, and the ALAT (SDM vol. 1, 4.4.4 and 4.4.5)."""

from __future__ import annotations

from typing import Final

from pvasm.isa.semantics.branches import BRANCH
from pvasm.isa.semantics.floating_registers import check, is_natval, source
from pvasm.isa.semantics.memory import FORGET, IS_ADVANCED
from pvasm.isa.semantics.operation import Operation, clause
from pvasm.isa.semantics.programs import call

FORGET_ALL: Final = call("forget_all_advanced", writes="ALAT")
"""The ALAT loses all entries."""


def _recover(op: Operation) -> None:
    """Goes to the code that does again what did not hold."""
    op.call(BRANCH, op["target25c" if "target25c" in op else "target25b"].value)


@clause("M20.chk.s.m", "I20.chk.s.i")
def chk_s(op: Operation) -> None:
    """SDM 3:2, chk: branches if the register is a NaT."""
    with op.when(op.r2.nat):
        _recover(op)


@clause("M21.chk.s")
def chk_s_fr(op: Operation) -> None:
    """SDM 3:2, chk: branches if the register is NaTVal."""
    if check(op, None, "f2"):
        with op.when(is_natval(source(op, "f2"))):
            _recover(op)


@clause("M22.chk.a.nc", "M22.chk.a.clr", "M23.chk.a.nc", "M23.chk.a.clr")
def chk_a(op: Operation) -> None:
    """SDM 3:2, chk: branches if the ALAT has no entry for the register, which itself is not looked at."""
    name, file = ("r1", "gr") if "r1" in op else ("f1", "fr")
    (held,) = op.call(IS_ADVANCED, file, op.register(name), op.words[-1])
    with op.when(~held):
        _recover(op)


@clause("M24.invala")
def invala(op: Operation) -> None:
    """SDM 3:2, invala: all entries of the ALAT."""
    op.call(FORGET_ALL)


@clause("M26.invala.e", "M27.invala.e")
def invala_e(op: Operation) -> None:
    """SDM 3:2, invala: the entry of a register."""
    name, file = ("r1", "gr") if "r1" in op else ("f1", "fr")
    op.call(FORGET, file, op.register(name))
