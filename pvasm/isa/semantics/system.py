"""System instructions, and those that do nothing (SDM vol. 3)."""

from __future__ import annotations

from typing import Final

from pvasm.isa.semantics.operation import Operation, clause
from pvasm.isa.semantics.programs import call

BREAK: Final = call("break_", may_fault=True, leaves=True)
"""A Break Instruction fault with an immediate."""


@clause(
    *("I18.nop.i", "X5.nop.x", "M48.nop.m", "F16.nop.f", "B9.nop.b"),
    *("I18.hint.i", "X5.hint.x", "M49.hint.m", "F16.hint.f", "B9.hint.b"),
)
def nop(op: Operation) -> None:
    """SDM 3:2, nop and hint: nothing."""


@clause("I19.break.i", "X1.break.x", "M37.break.m", "F15.break.f", "B9.break.b")
def break_(op: Operation) -> None:
    """SDM 3:2, break: a fault that tells its immediate; break.b tells 0 (its immediate is ignored)."""
    name = "imm62" if "imm62" in op else "imm21"
    op.call(BREAK, 0 if op.form.unit == "B" else op.number(name))
