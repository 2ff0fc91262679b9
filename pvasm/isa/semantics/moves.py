"""Moves to and from registers other than general ones (SDM vol. 3, mov)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from pvasm.isa.registers import APPLICATION, CONTROL, Register
from pvasm.isa.semantics.checks import (
    consumes,
    current_level,
    field,
    is_unprivileged,
    keeps_reserved,
    needs_level_0,
    needs_real_machine,
    other_than,
    refuses,
)
from pvasm.isa.semantics.operation import Operation, Word, clause
from pvasm.isa.semantics.programs import call
from pvasm.isa.semantics.terms import FALSE, WORD, Cell, Term, choose, const, joined, mask, read

READ_BSP: Final = call("read_bsp", 64, reads="ar.bsp RSE")
READ_BSPSTORE: Final = call("read_bspstore", 64, reads="ar.bspstore RSE")
READ_RNAT: Final = call("read_rnat", 64, reads="ar.rnat RSE")
WRITE_BSPSTORE: Final = call("write_bspstore", reads="RSE", writes="ar.bspstore ar.bsp ar.rnat RSE")
WRITE_RNAT: Final = call("write_rnat", reads="RSE", writes="ar.rnat")
"""The registers of the register stack engine, of which the machine keeps account (SDM vol. 2, 6)."""

READ_ITC: Final = call("read_itc", 64, counts=True, reads="ar.itc")
READ_RUC: Final = call("read_ruc", 64, counts=True, reads="ar.ruc")
WRITE_ITC: Final = call("write_itc", ends=True, counts=True, writes="ar.itc")
"""ar.itc; ar.ruc advances with it, and stays as it is where ar.itc is set."""

# ---------------------------------------------------------------------------------- branch registers


@clause("I21.mov", "I21.mov.hint", "I21.mov.ret")
def mov_to_br(op: Operation) -> None:
    """SDM 3:2, mov br: to a branch register; the tag of the hinted forms is nothing but a hint."""
    consumes(op, op.r2)
    op.b1 = op.r2.value


@clause("I22.mov")
def mov_from_br(op: Operation) -> None:
    """SDM 3:2, mov br: what a branch register holds, to a general register."""
    op.r1 = op.b2


# ---------------------------------------------------------------------------------------- predicates


@clause("I23.mov")
def mov_to_pr(op: Operation) -> None:
    """SDM 3:2, mov pr: those that the mask names, as if none were rotated; its leftmost bit is for all that rotate."""
    consumes(op, op.r2)
    chosen = op.open_number("mask17") & ~1
    op.assign(_PREDICATES, (read(_PREDICATES) & ~chosen) | (op.r2.value & chosen))


@clause("I24.mov")
def mov_to_rotating_pr(op: Operation) -> None:
    """SDM 3:2, mov pr.rot: p16 to p63, as if none were rotated."""
    rotating = mask(WORD) & ~mask(16)
    op.assign(_PREDICATES, (read(_PREDICATES) & mask(16)) | (op.imm44.value & rotating))


_PREDICATES: Final = Cell("prs")

# --------------------------------------------------------------------------------------- register rules


class Rules(Struct, frozen=True):
    """What is special about the fields of a register: masks of those that are reserved, and of those that are not kept.

    A 1 in a reserved field is a Reserved Register/Field fault; an ignored one reads as 0.
    """

    reserved: int = 0
    ignored: int = 0


_PLAIN: Final = Rules()

# Of floating-point status: the traps, four status fields of 13 bits with the precision in bits 2 and 3; sf0 has no td.
_STATUS_FIELDS: Final = (6, 19, 32, 45)
_FPSR: Final = Rules(reserved=field(58, 6) | field(6 + 6))

_AR_RULES: Final[dict[str, Rules]] = {
    "rsc": Rules(reserved=other_than(field(0, 5), field(16, 14))),
    "rnat": Rules(ignored=field(63)),
    "bspstore": Rules(ignored=field(0, 3)),
    "fpsr": _FPSR,
    "pfs": Rules(reserved=field(38, 14) | field(58, 4)),
    "ec": Rules(ignored=other_than(field(0, 6))),
}
"""Rules of application registers that have any (SDM vol. 1, 3.1.8)."""

_NAMES: Final = {number: name for name, number in APPLICATION.items()}
_IGNORED_ARS: Final = frozenset([*range(48, 64), *range(112, 128)])
_OF_M: Final = range(64)
_OF_I: Final = range(48, 128)
_RSE: Final = {"bspstore": (READ_BSPSTORE, WRITE_BSPSTORE), "rnat": (READ_RNAT, WRITE_RNAT)}
_COUNTERS: Final = frozenset(["itc", "ruc"])
_KERNEL: Final = frozenset(f"k{number}" for number in range(8))

_SI: Final = 23


def _application(op: Operation, name: str) -> str | None:
    """The name of the application register that an operand is; "" for one that is ignored.

    None for one that there is not, or that the unit has not: an Illegal Operation fault (SDM vol. 1, table 3-3).
    """
    number = op.register(name)
    is_here = number in (_OF_I if op.form.unit == "I" else _OF_M) or number in _IGNORED_ARS
    if is_here and number in _IGNORED_ARS:
        return ""
    return _NAMES.get(number) if is_here else None


def _needs_enforced_lazy(op: Operation, name: str) -> None:
    """ar.bspstore and ar.rnat are there only while ar.rsc.mode is 0."""
    if name in _RSE:
        with op.when(op.ar("rsc").bits(0, 2).differs(0)):
            op.fault("illegal_operation")


@clause(
    "I28.mov.i",
    *(f"M31.mov.m{name}" for name in ("", ".k", ".itc", ".bsp", ".bspstore", ".rnat")),
)
def mov_from_ar(op: Operation) -> None:
    """SDM 3:2, mov ar: what an application register holds, to a general register."""
    name = _application(op, "ar3")
    if name is None:
        op.fault("illegal_operation")
        return
    op.check_target("r1")
    _needs_enforced_lazy(op, name)
    if name in _COUNTERS:
        is_secured = op.psr(_SI)
        with op.when(is_secured & is_unprivileged(op)):
            op.fault("privileged_register")
        with op.when(is_secured):
            needs_real_machine(op)
    op.r1 = _application_value(op, name)


def _application_value(op: Operation, name: str) -> Term:
    if name in _COUNTERS:
        return op.call(READ_RUC if name == "ruc" else READ_ITC)[0]
    if name == "bsp":
        return op.call(READ_BSP)[0]
    if name in _RSE:
        return op.call(_RSE[name][0])[0]
    return op.ar(name) if name else const(0)


@clause(
    "I26.mov.i",
    "I27.mov.i",
    *(
        f"{row}.mov.m{name}"
        for row in ("M29", "M30")
        for name in ("", ".k", ".itc", ".eflag", ".rsc", ".bspstore", ".rnat")
    ),
)
def mov_to_ar(op: Operation) -> None:
    """SDM 3:2, mov ar: to an application register. ar.bsp is read only."""
    name = _application(op, "ar3")
    if name is None or name == "bsp":
        op.fault("illegal_operation")
        return
    source = op.r2 if "r2" in op else op.imm8
    _needs_enforced_lazy(op, name)
    consumes(op, source)
    rules = _AR_RULES.get(name, _PLAIN)
    keeps_reserved(op, source.value, rules.reserved)
    if name in _AR_REFUSALS:
        refuses(op, _AR_REFUSALS[name](source.value))
    if name in _KERNEL or name in _COUNTERS:
        with op.when(is_unprivileged(op)):
            op.fault("privileged_register")
    if name in _COUNTERS:
        needs_real_machine(op)
    _set_application(op, name, source.value & (mask(WORD) & ~rules.ignored))


def _set_application(op: Operation, name: str, value: Term) -> None:
    if name == "itc":
        op.call(WRITE_ITC, value)
    elif name in _RSE:
        op.call(_RSE[name][1], value)
    elif name == "rsc":
        level = value.bits(2, 2)
        kept = choose(level.below(current_level(op)), current_level(op), level)  # no promotion
        op.set_ar(name, joined([value.bits(0, 2), kept, value.bits(4, 60)]))
    elif name == "cflg":
        with op.when(~is_unprivileged(op)):  # else ignored
            op.set_ar(name, value)
    elif name and name != "ruc":
        op.set_ar(name, value)


def _is_reserved_precision(value: Term) -> Term:
    """Whether a status field of ar.fpsr has the precision 1, which there is not (SDM vol. 1, table 5-6)."""
    found = FALSE
    for low in _STATUS_FIELDS:
        found = found | value.bits(low + 2, 2).equals(1)
    return found


def is_no_frame(marker: Term) -> Term:
    """Whether no frame has a marker like this: sizes that do not fit, or bases of renaming beyond what rotates.

    SDM vol. 1, table 4-1 and 4.1; the marker is in the 38 low bits.
    """
    sof, sol, sor = marker.bits(0, 7), marker.bits(7, 7), joined([const(0, 3), marker.bits(14, 4)])
    rotating = (marker.bits(18, 7), sor), (marker.bits(25, 7), const(96, 7)), (marker.bits(32, 6), const(48, 6))
    found = const(96, 7).below(sof) | sof.below(sol) | sof.below(sor)
    for base, count in rotating:
        found = found | (base.differs(0) & ~base.below(count))
    return found


_AR_REFUSALS: Final[dict[str, Callable[[Term], Term]]] = {"fpsr": _is_reserved_precision, "pfs": is_no_frame}
"""What an application register refuses besides reserved bits."""

# --------------------------------------------------------------------------------- control registers

_VECTOR: Final = Rules(reserved=field(8, 4) | field(13, 3), ignored=field(12) | field(17, 47))
_LOCAL: Final = Rules(reserved=field(11), ignored=field(12) | field(14) | field(17, 47))

PSR_RESERVED: Final = field(0) | field(6, 7) | field(16) | field(28, 4) | field(47, 17)
"""Bits of the processor status register that there are not (SDM vol. 2, table 3-2)."""

_CR_RULES: Final[dict[str, Rules]] = {
    "dcr": Rules(reserved=field(3, 5) | field(15, 49)),
    "itm": _PLAIN,
    "iva": Rules(ignored=field(0, 15)),
    "pta": Rules(reserved=field(1) | field(9, 6)),
    "gpta": _PLAIN,
    "ipsr": Rules(reserved=PSR_RESERVED),
    "isr": Rules(reserved=field(24, 8) | field(44, 20)),
    "iip": _PLAIN,
    "ifa": _PLAIN,
    "itir": Rules(ignored=field(0, 2) | field(32, 32)),
    "iipa": _PLAIN,
    "ifs": Rules(reserved=field(38, 25)),
    "iim": _PLAIN,
    "iha": Rules(ignored=field(0, 2)),
    "iib0": _PLAIN,
    "iib1": _PLAIN,
    "lid": Rules(reserved=field(0, 16), ignored=field(32, 32)),
    "ivr": _PLAIN,
    "tpr": Rules(reserved=field(8, 8), ignored=field(0, 4) | field(17, 47)),
    "eoi": Rules(ignored=mask(WORD)),
    "irr0": _PLAIN,
    "irr1": _PLAIN,
    "irr2": _PLAIN,
    "irr3": _PLAIN,
    "itv": _VECTOR,
    "pmv": _VECTOR,
    "cmcv": _VECTOR,
    "lrr0": _LOCAL,
    "lrr1": _LOCAL,
}
"""The control registers that there are (SDM vol. 2, 3.3.4 and 5.8.3), and their fields."""

_CR_NAMES: Final = {number: name for name, number in CONTROL.items() if name in _CR_RULES}


_READ_ONLY_CRS: Final = frozenset(["ivr", "irr0", "irr1", "irr2", "irr3"])
_OF_INTERRUPTIONS: Final = range(16, 28)
_SMALLEST_TABLE: Final = 15
_LARGEST_TABLE: Final = 61
_IC: Final = 13


def _is_no_table(value: Term) -> Term:
    """Whether the size of the VHPT is none that there is (SDM vol. 2, 3.3.5.4)."""
    size = value.bits(2, 6)
    return size.below(_SMALLEST_TABLE) | ~size.below(_LARGEST_TABLE + 1)


def _is_no_delivery(value: Term) -> Term:
    """Whether the way that an interrupt is delivered is none that there is (SDM vol. 2, table 5-10)."""
    mode = value.bits(8, 3)
    return mode.equals(1) | mode.equals(3) | mode.equals(6)


_CR_REFUSALS: Final[dict[str, Callable[[Term], Term]]] = {
    "pta": _is_no_table,
    "lrr0": _is_no_delivery,
    "lrr1": _is_no_delivery,
}
"""What a control register refuses besides reserved bits."""

_WHY_REFUSED: Final = {
    "fpsr": "1 is no precision of a status field",
    "pfs": "its fields do not fit each other",
    "pta": f"the size of a table is from {_SMALLEST_TABLE} to {_LARGEST_TABLE}",
    **dict.fromkeys(("lrr0", "lrr1"), "there is no such way to deliver an interrupt"),
}
"""The same as the end of a sentence, by register."""


def refused_value(register: Register, value: int) -> str | None:
    """Why no `mov` leaves a value of 64 bits in an application or a control register; None if one does."""
    names, rules, refusals = (
        (_NAMES, _AR_RULES, _AR_REFUSALS) if register.file == "ar" else (_CR_NAMES, _CR_RULES, _CR_REFUSALS)
    )
    name = names.get(register.number, "")
    rule = rules.get(name, _PLAIN)
    for bits, what in ((rule.reserved, "reserved"), (rule.ignored, "ignored")):
        if value & bits:
            return f"bits {bits & mask(WORD):#x} of it are {what}"
    refuses_value = refusals.get(name)
    if refuses_value is None or refuses_value(const(value, WORD)) == FALSE:
        return None
    return _WHY_REFUSED[name]


READ_IVR: Final = call(
    "read_ivr", 64, reads="cr.ivr cr.tpr InService", writes="InService cr.irr0 cr.irr1 cr.irr2 cr.irr3"
)
"""The vector of the highest pending interrupt that is not masked, which is in service then."""
END_OF_INTERRUPT: Final = call("end_of_interrupt", ends=True, reads="InService", writes="cr.eoi InService")
OBSERVE_CONTROL: Final = call("observe_control", ends=True, counts=True)
"""A control register, by its number, that has a say in which interrupts come and when, has been written."""
_OF_INTERRUPTS: Final = frozenset(["itm", "tpr", "itv"])


def _control(op: Operation) -> str | None:
    """The name of the control register that an instruction is about, None for one that there is not.

    While psr.ic is 1, those of interruptions are not there.
    """
    number = op.register("cr3")
    if number in _OF_INTERRUPTIONS:
        with op.when(op.psr(_IC)):
            op.fault("illegal_operation")
    return _CR_NAMES.get(number)


@clause("M33.mov", "M33.mov.int", "M33.mov.ivr")
def mov_from_cr(op: Operation) -> None:
    """SDM 3:2, mov cr: what a control register holds, to a general register. Of cr.ivr, an interrupt begins."""
    name = _control(op)
    if name is None:
        op.fault("illegal_operation")
        return
    op.check_target("r1")
    needs_level_0(op)
    needs_real_machine(op)
    op.r1 = op.call(READ_IVR)[0] if name == "ivr" else read(Cell("cr", CONTROL[name]))


@clause("M32.mov", "M32.mov.int", "M32.mov.eoi")
def mov_to_cr(op: Operation) -> None:
    """SDM 3:2, mov cr: to a control register. cr.eoi ends the interrupt in service."""
    name = _control(op)
    if name is None or name in _READ_ONLY_CRS:
        op.fault("illegal_operation")
        return
    rules = _CR_RULES[name]
    needs_level_0(op)
    consumes(op, op.r2)
    keeps_reserved(op, op.r2.value, rules.reserved)
    if name in _CR_REFUSALS:
        refuses(op, _CR_REFUSALS[name](op.r2.value))
    needs_real_machine(op)
    if name == "eoi":
        op.call(END_OF_INTERRUPT)
    else:
        op.assign(Cell("cr", CONTROL[name]), op.r2.value & (mask(WORD) & ~rules.ignored))
    if name in _OF_INTERRUPTS:
        op.call(OBSERVE_CONTROL, CONTROL[name])


# ------------------------------------------------------------------------- processor status register

OBSERVE_STATUS: Final = call("observe_status", ends=True)
"""What depends on psr, an interrupt that it lets through, comes before the next instruction."""

_PSR: Final = Cell("psr")
_SP: Final = 20
_UP: Final = 2
_USER_MASK: Final = field(1, 5)
_SYSTEM_MASK: Final = field(1, 5) | field(13, 3) | field(17, 7)


@clause("M36.mov")
def mov_from_psr(op: Operation) -> None:
    """SDM 3:2, mov psr: bits 31 to 0 of psr, with mc and it, to a general register."""
    op.check_target("r1")
    needs_level_0(op)
    needs_real_machine(op)
    op.r1 = read(_PSR) & (mask(32) | field(35, 2))


@clause("M36.mov.um")
def mov_from_um(op: Operation) -> None:
    """SDM 3:2, mov psr.um: the user mask, to a general register."""
    op.r1 = read(_PSR) & mask(6)


@clause("M35.mov")
def mov_to_psr(op: Operation) -> None:
    """SDM 3:2, mov psr.l: bits 31 to 0. Others may be what mov from psr gave, but no reserved ones, ia or vm."""
    needs_level_0(op)
    consumes(op, op.r2)
    keeps_reserved(op, op.r2.value, PSR_RESERVED | field(45, 2))
    needs_real_machine(op)
    _set_status(op, op.r2.value, mask(32))
    op.call(OBSERVE_STATUS)


@clause("M35.mov.um")
def mov_to_um(op: Operation) -> None:
    """SDM 3:2, mov psr.um: the user mask; psr.up only where psr.sp lets it."""
    consumes(op, op.r2)
    keeps_reserved(op, op.r2.value, other_than(_USER_MASK))
    _set_user_mask(op, op.r2.value, _USER_MASK)


@clause("M44.sum", "M44.rum")
def sum_rum(op: Operation) -> None:
    """SDM 3:2, sum and rum: the bits of psr that the immediate names become 1, or 0, within the user mask."""
    named = op.number("imm24")
    if named & ~_USER_MASK:
        op.fault("reserved_register_field")
        return
    _set_user_mask(op, const(mask(WORD) if op.mnemonic == "sum" else 0), named)


@clause("M44.ssm", "M44.rsm")
def ssm_rsm(op: Operation) -> None:
    """SDM 3:2, ssm and rsm: the bits of psr that the immediate names become 1, or 0, within the system mask."""
    named = op.number("imm24")
    needs_level_0(op)
    if named & ~_SYSTEM_MASK:
        op.fault("reserved_register_field")
        return
    needs_real_machine(op)
    _set_status(op, const(mask(WORD) if op.mnemonic == "ssm" else 0), named)
    op.call(OBSERVE_STATUS)


def _set_user_mask(op: Operation, value: Term, named: int) -> None:
    if not named & field(_UP):
        _set_status(op, value, named)
        return
    secured = read(_PSR) & ~(named & ~field(_UP)) | value & (named & ~field(_UP))
    free = read(_PSR) & ~named | value & named
    op.assign(_PSR, choose(op.psr(_SP), secured, free))


def _set_status(op: Operation, value: Term, named: int) -> None:
    """Gives bits of the processor status register those of a value."""
    op.assign(_PSR, (read(_PSR) & (mask(WORD) & ~named)) | (value & named))


# --------------------------------------------------------------------------------------- indexed files

READ_INDEXED: Final = call("read_indexed", 64, may_fault=True, reads="{0} psr.cpl?pmd psr.sp?pmd PMC?pmd")
"""A register of an indexed file, by the file's name and the index, whose bits beyond 7 the machine drops."""
WRITE_INDEXED: Final = call("write_indexed", may_fault=True, writes="{0}")
CHECK_INDEXED: Final = call("check_indexed", may_fault=True)
"""A Reserved Register/Field fault for a register that a file has not."""
CHECK_INDEXED_VALUE: Final = call("check_indexed_value", may_fault=True)
"""The same for a value with a reserved bit."""

_FOR_ALL: Final = frozenset(["pmd", "cpuid", "dahr"])
"""Files that may be read at any privilege level."""
_OF_REAL_MACHINE: Final = frozenset(["pmd", "dahr"])
"""Files that a virtual machine reads without a fault."""


def _index(op: Operation) -> tuple[str, Word]:
    """The indexed file of an instruction, and what its index register holds."""
    name = op.form.id.rpartition(".")[2]
    return name, op.r3


@clause(*(f"M43.mov.{name}" for name in ("rr", "dbr", "ibr", "pkr", "pmc", "pmd", "msr", "cpuid", "dahr")))
def mov_from_indexed(op: Operation) -> None:
    """SDM 3:2, mov indirect: what the register of a file holds that r3 gives the number of. What pmd shows at a level
    above 0 the machine decides.
    """
    file, index = _index(op)
    op.check_target("r1")
    if file not in _FOR_ALL:
        needs_level_0(op)
    consumes(op, index)
    op.call(CHECK_INDEXED, file, index.value)
    if file not in _OF_REAL_MACHINE:
        needs_real_machine(op)
    op.r1 = op.call(READ_INDEXED, file, index.value)[0]


@clause(*(f"M42.mov.{name}" for name in ("rr", "dbr", "ibr", "pkr", "pmc", "pmd", "msr")))
def mov_to_indexed(op: Operation) -> None:
    """SDM 3:2, mov indirect: to the register of a file that r3 gives the number of."""
    file, index = _index(op)
    needs_level_0(op)
    consumes(op, index, op.r2)
    op.call(CHECK_INDEXED, file, index.value)
    op.call(CHECK_INDEXED_VALUE, file, index.value, op.r2.value)
    needs_real_machine(op)
    op.call(WRITE_INDEXED, file, index.value, op.r2.value)


@clause("M50.mov")
def mov_to_dahr(op: Operation) -> None:
    """SDM 3:2, mov dahr: hints for accesses, which nothing but reading shows."""
    op.call(WRITE_INDEXED, "dahr", op.register("dahr3"), op.number("imm16"))
