"""Floating-point arithmetic, compares, approximations and conversions, of one number and of pairs (SDM vol. 1, 5).

The arithmetic itself is a function by the instruction's name: of registers, and of the controls that rule it. It gives
value, flags, faults and traps side by side, from the right: 82, 6, 8, and 8 bits, and one that approximations set.
"""

from __future__ import annotations

from typing import Final

from pvasm.isa.semantics.floating_registers import WIDTH, asked, check, is_natval, source, write
from pvasm.isa.semantics.operation import Operation, clause, minds_predicate
from pvasm.isa.semantics.programs import call
from pvasm.isa.semantics.speculation import FLAGS_CODE, recover
from pvasm.isa.semantics.terms import FALSE, Term, const, joined, mask

FLOATING_FAULT: Final = call("floating_point_fault", may_fault=True)
"""A Floating-point Exception fault, if its code is not 0: V, D, Z, SWA of the high half or of all, then of the low."""

FLOATING_TRAP: Final = call("floating_point_trap", may_fault=True)
"""A Floating-point Exception trap: O, U, I, FPA of the low half, then of the high half or of all."""

_FLAGS: Final = (82, 6)  # the place of each in what a function gives, and how many bits it has
_FAULTS: Final = (88, 8)
_TRAPS: Final = (96, 8)
_APPROXIMATE: Final = 104
OUTCOME: Final = 105

_TRAPS_OF_FPSR: Final = 6  # bits of fpsr before the status fields
_FIELD: Final = 13  # bits of each: 7 of control, 6 of flags
_CONTROLS: Final = 7


def status_field(op: Operation) -> int:
    """The number of the status field that the completer names."""
    last = op.words[-1]
    return int(last[1]) if last in _FIELDS else 0


_FIELDS: Final = frozenset(["s0", "s1", "s2", "s3"])


def _place(field: int) -> int:
    """The bit of fpsr where a status field begins."""
    return _TRAPS_OF_FPSR + _FIELD * field


def control(op: Operation) -> Term:
    """The traps that are disabled, and the controls of the status field: 13 bits.

    The main status field has no control that turns all traps off: its bit is reserved (SDM vol. 1, 5.2).
    """
    fpsr, field = op.ar("fpsr"), status_field(op)
    if field == 0:
        return fpsr.bits(0, _TRAPS_OF_FPSR + _CONTROLS - 1).extended(_TRAPS_OF_FPSR + _CONTROLS)
    return joined([fpsr.bits(0, _TRAPS_OF_FPSR), fpsr.bits(_place(field), _CONTROLS)])


def outcome(op: Operation, name: str, *sources: str) -> Term:
    """Asks for a function of registers, and says its faults and flags."""
    made = asked(name, [*(source(op, each) for each in sources), control(op)], OUTCOME)
    with op.when(const(mask(WIDTH), OUTCOME).below(made)):
        faults = made.bits(*_FAULTS)
        with op.when(const(0, faults.width).below(faults)):
            op.call(FLOATING_FAULT, faults)
        at = _place(status_field(op)) + _CONTROLS
        op.set_ar("fpsr", op.ar("fpsr") | made.bits(*_FLAGS).extended(64) << at)
    return made


def _trap(op: Operation, made: Term) -> None:
    """Says the traps of what a function gave: when all is written."""
    low = _TRAPS[0]
    with op.when(const(mask(low), OUTCOME).below(made)):
        op.call(FLOATING_TRAP, made.bits(*_TRAPS))


def _plain(op: Operation) -> str:
    """The mnemonic without its status field."""
    return op.form.mnemonic.partition("<")[0]


# ------------------------------------------------------------------------------------- arithmetic


@clause(
    *(f"F1.{name}{form}" for name in ("fma", "fms", "fnma") for form in ("", ".s", ".d")),
    *("F1.fpma", "F1.fpms", "F1.fpnma"),
)
def multiply_add(op: Operation) -> None:
    """SDM 3:2, fma, fms, fnma, and fpma, fpms, fpnma: f3 * f4 + f2, f3 * f4 - f2, f2 - f3 * f4, rounded once; with
    f0 as addend, the product alone.
    """
    if not check(op, "f1", "f2", "f3", "f4"):
        return
    name, sources = _plain(op), ["f3", "f4", "f2"]
    if op.register("f2") == 0:
        head, dot, form = name.partition(".")
        name, sources = _PRODUCTS[head] + dot + form, ["f3", "f4"]
    made = outcome(op, name, *sources)
    write(op, "f1", made.bits(0, WIDTH))
    _trap(op, made)


_PRODUCTS: Final = {
    "fma": "fmpy",
    "fms": "fmpy",
    "fnma": "fnmpy",
    "fpma": "fpmpy",
    "fpms": "fpmpy",
    "fpnma": "fpnmpy",
}


_PAIRS: Final = ("f", "fp")
_CHOICES: Final = ("min", "max", "amin", "amax")
_RELATIONS: Final = ("eq", "lt", "le", "unord", "neq", "nlt", "nle", "ord")
_CONVERSIONS: Final = ("fx", "fxu", "fx.trunc", "fxu.trunc")


@clause(
    *(f"F8.{f}{name}" for f in _PAIRS for name in _CHOICES),
    *(f"F8.fpcmp.{relation}" for relation in _RELATIONS),
)
def of_two(op: Operation) -> None:
    """SDM 3:2, fmin, fmax, famin, famax, those of pairs, and fpcmp: the smaller or the larger, `a` by magnitude;
    fpcmp: all ones where a relation holds, else zeros.
    """
    if check(op, "f1", "f2", "f3"):
        write(op, "f1", outcome(op, _plain(op), "f2", "f3").bits(0, WIDTH))


@clause(*(f"F10.{f}cvt.{name}" for f in _PAIRS for name in _CONVERSIONS))
def to_integer(op: Operation) -> None:
    """SDM 3:2, fcvt.fx and fpcvt.fx: rounded to an integer, signed or not."""
    if check(op, "f1", "f2"):
        made = outcome(op, _plain(op), "f2")
        write(op, "f1", made.bits(0, WIDTH))
        _trap(op, made)


@clause("F11.fcvt.xf")
def from_integer(op: Operation) -> None:
    """SDM 3:2, fcvt.xf: a signed integer as a number, exactly."""
    if check(op, "f1", "f2"):
        write(op, "f1", asked("fcvt.xf", [source(op, "f2")], WIDTH))


@clause("F6.frcpa", "F6.fprcpa", "F7.frsqrta", "F7.fprsqrta")
@minds_predicate
def approximation(op: Operation) -> None:
    """SDM 3:2, frcpa, fprcpa, frsqrta, fprsqrta: p2 says whether it is an approximation; if not, it is the result."""
    with op.when(op.qualified):
        sources = ["f2", "f3"] if "f2" in op else ["f3"]
        if check(op, "f1", *sources):
            made = outcome(op, _plain(op), *sources)
            write(op, "f1", made.bits(0, WIDTH))
            op.p2 = made.bit(_APPROXIMATE)
    with op.when(~op.qualified):
        op.p2 = FALSE


# --------------------------------------------------------------------------------------- compares


@clause(*(f"F4.fcmp.{relation}" for relation in ("eq", "lt", "le", "unord")))
@minds_predicate
def compare(op: Operation) -> None:
    """SDM 3:2, fcmp: predicates tell whether a relation holds; of a NaTVal, neither it nor its complement."""
    with op.when(op.qualified):
        if _check_pair(op):
            check(op, None, "f2", "f3")
            made = outcome(op, _plain(op), "f2", "f3")
            _set_pair(op, made.bit(0), made.bit(1))
    _clear_pair(op)


@clause("F5.fclass.m")
@minds_predicate
def classify(op: Operation) -> None:
    """SDM 3:2, fclass: predicates tell whether a register is of a class; a NaTVal that is not asked for is of none."""
    with op.when(op.qualified):
        if _check_pair(op):
            check(op, None, "f2")
            value, classes = source(op, "f2"), op["fclass9"].value
            nat = is_natval(value) & ~classes.bit(_CLASS_NATVAL)
            _set_pair(op, asked("fclass", [value, classes], 1), nat)
    _clear_pair(op)


_CLASS_NATVAL: Final = 8  # a bit of the classes


def _check_pair(op: Operation) -> bool:
    if op.register("p1") == op.register("p2"):
        op.fault("illegal_operation")
        return False
    return True


def _set_pair(op: Operation, holds: Term, nat: Term) -> None:
    op.p1 = holds & ~nat
    op.p2 = ~holds & ~nat


def _clear_pair(op: Operation) -> None:
    """What `.unc` does where the qualifying predicate is 0."""
    if "unc" in op.words:
        with op.when(~op.qualified):
            if _check_pair(op):
                op.p1 = FALSE
                op.p2 = FALSE


# ---------------------------------------------------------------------------------- status fields


@clause("F12.fsetc")
def fsetc(op: Operation) -> None:
    """SDM 3:2, fsetc: a field's controls become those of the main one, some cleared, some set.

    A precision that is reserved, and `td` in the main status field, are Reserved Register/Field faults.
    """
    field, fpsr = status_field(op), op.ar("fpsr")
    cleared, added = (op[name].value.bits(0, _CONTROLS) for name in ("amask7", "omask7"))
    made = fpsr.bits(_place(0), _CONTROLS) & cleared | added
    reserved = made.bits(2, 2).equals(1)
    if field == 0:
        reserved |= made.bit(6)
    with op.when(reserved):
        op.fault("reserved_register_field")
    kept = ~(mask(_CONTROLS) << _place(field)) & mask(64)
    op.set_ar("fpsr", fpsr & kept | made.extended(64) << _place(field))


@clause("F13.fclrf")
def fclrf(op: Operation) -> None:
    """SDM 3:2, fclrf: clears a field's flags."""
    kept = ~(mask(6) << _place(status_field(op)) + _CONTROLS) & mask(64)
    op.set_ar("fpsr", op.ar("fpsr") & kept)


@clause("F14.fchkf")
def fchkf(op: Operation) -> None:
    """SDM 3:2, fchkf: branches if a flag is set whose trap is enabled, or that the main status field has not."""
    fpsr = op.ar("fpsr")
    flags = fpsr.bits(_place(status_field(op)) + _CONTROLS, 6)
    known = fpsr.bits(0, 6) & fpsr.bits(_place(0) + _CONTROLS, 6)
    with op.when((flags & ~known).differs(0)):
        recover(op, "target25a", FLAGS_CODE)
