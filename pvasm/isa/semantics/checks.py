"""What instructions check before they do anything: privilege, NaTs, reserved fields (SDM vol. 2, 5.5; vol. 3, 3)."""

from __future__ import annotations

from typing import Final

from pvasm.isa.semantics.operation import Operation, Word
from pvasm.isa.semantics.terms import FALSE, WORD, Term, mask

X: Final = 1 << 32
W: Final = 1 << 33
R: Final = 1 << 34
NON_ACCESS: Final = 1 << 35
"""Bits of cr.isr that say how data would have been accessed (SDM vol. 2, table 8-1)."""

_CPL: Final = (32, 2)
_VM: Final = 46


def current_level(op: Operation) -> Term:
    """The privilege level, 0 the most privileged: two bits."""
    return op.psr(*_CPL)


def is_unprivileged(op: Operation) -> Term:
    """Whether the privilege level is not 0."""
    return current_level(op).differs(0)


def needs_level_0(op: Operation, *, access: int = 0) -> None:
    """A Privileged Operation fault above level 0; `access` is what cr.isr says of it besides."""
    with op.when(is_unprivileged(op)):
        op.fault("privileged_operation", access)


def needs_real_machine(op: Operation) -> None:
    """A Virtualization fault while psr.vm is 1."""
    with op.when(op.psr(_VM)):
        op.fault("virtualization")


def consumes(op: Operation, *words: Word, access: int = 0) -> None:
    """A Register NaT Consumption fault if one of the values is a NaT; `access` is what cr.isr says of it besides."""
    nat = FALSE
    for word in words:
        nat = nat | word.nat
    with op.when(nat):
        op.fault("register_nat_consumption", access)


def refuses(op: Operation, condition: Term) -> None:
    """A Reserved Register/Field fault if a condition holds."""
    with op.when(condition):
        op.fault("reserved_register_field")


def keeps_reserved(op: Operation, value: Term, reserved: int) -> None:
    """A Reserved Register/Field fault if a reserved bit is 1."""
    if reserved:
        refuses(op, (value & reserved).differs(0))


def field(low: int, width: int = 1) -> int:
    """The mask of a field."""
    return mask(width) << low


def other_than(*fields: int) -> int:
    """All bits of a register but those of fields that do not overlap."""
    return mask(WORD) & ~sum(fields)
