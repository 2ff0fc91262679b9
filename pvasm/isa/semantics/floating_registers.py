"""Floating-point registers as clauses see them: what is checked before them, what is noted after (SDM vol. 1, 5.1)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pvasm.isa.semantics.operation import Operation
from pvasm.isa.semantics.programs import call
from pvasm.isa.semantics.terms import WORD, Cell, Term, choose, const, function, joined, read

DISABLED: Final = call("disabled_fp_register", may_fault=True)
"""A Disabled Floating-point Register fault, with a bit for the low ones (f2 to f31) and one for the high (f32 on)."""

WIDTH: Final = 82
NATVAL: Final = const(0x1FFFE << 64, WIDTH)
ONE: Final = const(0xFFFF << 64 | 1 << 63, WIDTH)
_INTEGER: Final = const(0x1003E, 18)  # exponent and sign of integers and of pairs of singles

_LOW_MODIFIED, _HIGH_MODIFIED = 4, 5  # psr.mfl and psr.mfh
_DISABLED_AT: Final = 18  # psr.dfl, and psr.dfh left of it
_FIRST_HIGH: Final = 32


def check(op: Operation, target: str | None, *sources: str, access: int = 0) -> bool:
    """Says the faults of the registers that operands name; False where the target is f0 or f1, which ends it all.

    SDM vol. 3, fp_check_target_register and fp_reg_disabled. `access` is what cr.isr says of loads and stores besides.
    """
    if target is not None and op.register(target) < 2:
        op.fault("illegal_operation")
        return False
    names = [name for name in (target, *sources) if name is not None]
    if op.is_open:
        _check_open(op, names, access)
        return True
    numbers = [op.register(name) for name in names]
    parts = sum(1 << part for part in {number >= _FIRST_HIGH for number in numbers if number > 1})
    if parts:
        disabled = op.psr(_DISABLED_AT, 2) & parts
        with op.when(op.psr(_DISABLED_AT + parts - 1) if parts < 3 else const(0, 2).below(disabled)):
            op.call(DISABLED, disabled.extended(WORD) | access)
    return True


def _check_open(op: Operation, names: Iterable[str], access: int) -> None:
    """The same of registers that are left open: it is when some are disabled that it is asked which these are."""
    disabled = op.psr(_DISABLED_AT, 2)
    with op.when(const(0, 2).below(disabled)):
        parts = const(0, 2)
        for name in names:
            number = op.open_number(name)
            low = choose(const(1).below(number), const(1, 2), 0)
            parts |= choose(number.below(_FIRST_HIGH), low, const(2, 2))
        with op.when(const(0, 2).below(disabled & parts)):
            op.call(DISABLED, (disabled & parts).extended(WORD) | access)


def source(op: Operation, name: str) -> Term:
    """What a register holds; f0 and f1 are known, but where it is left open which it is."""
    number = op.register(name)
    if not op.is_open and number < 2:
        return ONE if number else const(0, WIDTH)
    return read(Cell("fr", number))


def write(op: Operation, name: str, value: Term) -> None:
    """Gives a register a value, and notes that the low or the high ones have been written."""
    write_all(op, {name: value})


def write_all(op: Operation, values: dict[str, Term]) -> None:
    """Gives registers values, by the names of their operands, and notes whether low or high ones have been written."""
    modified = const(0)
    for name, value in values.items():
        op.assign(Cell("fr", op.register(name)), value)
        is_low = op.open_number(name).below(_FIRST_HIGH)
        modified |= choose(is_low, const(1 << _LOW_MODIFIED), 1 << _HIGH_MODIFIED)
    with op.when((read(Cell("psr")) & modified).differs(modified)):
        op.assign(Cell("psr"), read(Cell("psr")) | modified)


def is_natval(*values: Term) -> Term:
    """Whether one of some registers is NaTVal."""
    first, *others = (value.equals(NATVAL) for value in values)
    for other in others:
        first |= other
    return first


def unless_natval(value: Term, *sources: Term) -> Term:
    """A value, or NaTVal where one of its sources is that."""
    return choose(is_natval(*sources), NATVAL, value)


def integer(significand: Term) -> Term:
    """An integer, or a pair of singles, as a register has it."""
    return joined([significand, _INTEGER])


def significand(value: Term) -> Term:
    """The 64 bits of a register's significand."""
    return value.bits(0, 64)


def asked(name: str, arguments: list[Term], width: int) -> Term:
    """A function of registers, by the name that the machine has it by."""
    return function(name.replace(".", "_"), arguments, width)
