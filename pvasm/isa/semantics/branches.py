"""Branches (SDM vol. 3, br and brl; vol. 1, 4.5)."""

from __future__ import annotations

from typing import Final

from pvasm.isa.semantics.operation import Operation, clause
from pvasm.isa.semantics.programs import call
from pvasm.isa.semantics.terms import Term

BRANCH: Final = call("branch", may_fault=True, leaves=True)
"""Control goes to an address, of which bits 3 to 0 do not count."""


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
