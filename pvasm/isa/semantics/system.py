"""System instructions, and those that do nothing (SDM vol. 3)."""

from __future__ import annotations

from typing import Final

from pvasm.isa.semantics.checks import (
    NON_ACCESS,
    R,
    W,
    consumes,
    current_level,
    needs_level_0,
    needs_real_machine,
)
from pvasm.isa.semantics.operation import Operation, Word, clause
from pvasm.isa.semantics.programs import call
from pvasm.isa.semantics.terms import Cell, Term, choose, const, mask, read

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
    """SDM 3:2, break: a fault that tells 21 bits of its immediate; break.b tells 0 (its immediate is ignored)."""
    name = "imm62" if "imm62" in op else "imm21"
    op.call(BREAK, 0 if op.form.unit == "B" else op.number(name) & mask(21))


# --------------------------------------------------------------------------- order, and code that changes

SERIALIZE: Final = call("serialize_instructions", ends=True)
"""Code that has been changed and flushed is seen from here on."""
SYNCHRONIZE: Final = call("synchronize")
"""Lines that have been flushed are so for instruction fetches, too."""
FLUSH: Final = call("flush_cache", may_fault=True, reads="<flush>", writes="mem")
"""The line of an address goes to memory; `fc.i` or `fc`."""


@clause("M24.fwb", "M24.mf", "M24.mf.a", "M24.srlz.d")
def ordered(op: Operation) -> None:
    """SDM 3:2, fwb, mf, srlz.d: order what stands before and what comes. fwb: buffered writes leave; mf: accesses of
    memory are seen in order, mf.a: the platform has accepted them; srlz.d: data references mind what registers were
    given. Nothing is left to do where all is done in order.
    """


@clause("M24.sync.i")
def sync_i(op: Operation) -> None:
    """SDM 3:2, sync.i: flushed lines are no longer there for instruction fetches; a change is seen after `srlz.i`."""
    op.call(SYNCHRONIZE)


@clause("M24.srlz.i")
def srlz_i(op: Operation) -> None:
    """SDM 3:2, srlz.i: what comes after it is fetched again, and minds what registers were given."""
    op.call(SERIALIZE)


@clause("M28.fc", "M28.fc.i")
def fc(op: Operation) -> None:
    """SDM 3:2, fc: flushes the line of an address."""
    consumes(op, op.r3, access=_FC | R)
    op.call(FLUSH, op.r3.value, _FC | R)


# -------------------------------------------------------------------------------------- banks, psr.vm

SWITCH_BANK: Final = call("switch_bank", ends=True, writes="psr.bn")
"""r16 to r31 become those of a bank, and psr.bn its number."""
CHECK_VMSW: Final = call("check_vmsw", may_fault=True)
"""An Illegal Operation fault on a machine without virtualization."""
CHECK_VMSW_PAGE: Final = call("check_vmsw_page", may_fault=True, reads="ITC ITR")
"""A Virtualization fault, but for code on a page from which psr.vm may be changed."""


@clause("B8.bsw.0", "B8.bsw.1")
def bsw(op: Operation) -> None:
    """SDM 3:2, bsw: r16 to r31 are those of bank 0, or of bank 1."""
    needs_level_0(op)
    needs_real_machine(op)
    op.call(SWITCH_BANK, int(op.words[0]))


@clause("B8.vmsw.0", "B8.vmsw.1")
def vmsw(op: Operation) -> None:
    """SDM 3:2, vmsw: psr.vm becomes 0 or 1."""
    op.call(CHECK_VMSW)
    needs_level_0(op)
    op.call(CHECK_VMSW_PAGE)
    virtual = 1 << 46
    status = read(Cell("psr"))
    op.assign(Cell("psr"), status | virtual if op.words[0] == "1" else status & ~const(virtual))


# ----------------------------------------------------------------------------------------- translation

# What cr.isr.code tells of an instruction that reaches data without an access (SDM vol. 2, table 5-2).
_TPA: Final = NON_ACCESS | 0
_FC: Final = NON_ACCESS | 1
_PROBE: Final = NON_ACCESS | 2
_TAK: Final = NON_ACCESS | 3
_PROBE_FAULT: Final = NON_ACCESS | 5

HASH_ADDRESS: Final = call("vhpt_address", 64, 1, reads="cr.pta RR")
"""Where the VHPT has the entry of an address, and whether the address is none that there is."""
HASH_TAG: Final = call("vhpt_tag", 64, 1, reads="RR")
TRANSLATE: Final = call("physical_address", 64, may_fault=True, reads="psr.dt cr.pta RR DTC DTR")
KEY: Final = call("access_key", 64, reads="psr.dt cr.pta RR DTC DTR")
GRANT: Final = call("grants_access", 64, may_fault=True, reads="<probe>")
"""Whether an address may be accessed, by the bits of cr.isr for the kind, at a privilege level."""
CHECK_ACCESS: Final = call("check_access", may_fault=True, reads="<probe> psr.db")
"""The faults of such an access."""
INSERT_CACHE: Final = call("insert_translation", ends=True, reads="cr.ifa cr.itir RR DTC ITC {0}TR", writes="DTC ITC")
"""Into a translation cache, `d` or `i`, what cr.ifa, cr.itir and a page table entry say."""
CHECK_SLOT: Final = call("check_slot", may_fault=True)
"""A Reserved Register/Field fault for a translation register that there is not."""
CHECK_INSERTION: Final = call("check_insertion", may_fault=True, reads="cr.itir")
"""The same for reserved fields of a page table entry, and of cr.itir."""
INSERT_REGISTER: Final = call(
    "insert_translation_register", ends=True, reads="cr.ifa cr.itir RR DTC ITC {0}TR", writes="{0}TR DTC ITC"
)
PURGE_CACHE: Final = call("purge_translations", ends=True, reads="RR DTC ITC DTR ITR", writes="DTC ITC")
PURGE_REGISTERS: Final = call(
    "purge_translation_registers", ends=True, reads="RR DTC ITC {0}TR", writes="{0}TR DTC ITC"
)
PURGE_ALL: Final = call("purge_translation_cache", ends=True, reads="DTC", writes="DTC ITC")


@clause("M46.thash", "M46.ttag")
def thash_ttag(op: Operation) -> None:
    """SDM 3:2, thash and ttag: where the hashed page table would have an address, and with which tag; a NaT for a NaT,
    or for an address that is not implemented.
    """
    op.check_target("r1")
    needs_real_machine(op)
    address = op.r3
    value, is_none = op.call(HASH_ADDRESS if op.mnemonic == "thash" else HASH_TAG, address.value)
    op.r1 = Word(value, address.nat | is_none)


@clause("M46.tpa")
def tpa(op: Operation) -> None:
    """SDM 3:2, tpa: the physical address of a virtual one."""
    op.check_target("r1")
    needs_level_0(op, access=_TPA)
    consumes(op, op.r3, access=_TPA)
    needs_real_machine(op)
    op.r1 = op.call(TRANSLATE, op.r3.value)[0]


@clause("M46.tak")
def tak(op: Operation) -> None:
    """SDM 3:2, tak: the protection key of an address, 1 where it has no translation."""
    op.check_target("r1")
    needs_level_0(op, access=_TAK)
    consumes(op, op.r3, access=_TAK)
    needs_real_machine(op)
    op.r1 = op.call(KEY, op.r3.value)[0]


@clause("M38.probe.r", "M38.probe.w", "M39.probe.r", "M39.probe.w")
def probe(op: Operation) -> None:
    """SDM 3:2, probe: whether an address may be read, or written, at a level no better than that of the code."""
    access = R if op.words[0] == "r" else W
    level = op.r2 if "r2" in op else op.imm2
    op.check_target("r1")
    consumes(op, op.r3, level, access=_PROBE | access)
    op.r1 = op.call(GRANT, op.r3.value, access, _level(op, level.value))[0]


@clause("M40.probe.r.fault", "M40.probe.w.fault", "M40.probe.rw.fault")
def probe_fault(op: Operation) -> None:
    """SDM 3:2, probe.fault: the faults that the access would have, and nothing else."""
    access = {"r": R, "w": W, "rw": R | W}[op.words[0]]
    consumes(op, op.r3, access=_PROBE_FAULT | access)
    op.call(CHECK_ACCESS, op.r3.value, _PROBE_FAULT | access, _level(op, op.imm2.value))


def _level(op: Operation, value: Term) -> Term:
    """The level that is asked about: the number in the two low bits, but not better than the code's own."""
    named = value.bits(0, 2)
    return choose(named.below(current_level(op)), current_level(op), named)


def _needs_no_collection(op: Operation) -> None:
    """cr.ifa and cr.itir may be used while psr.ic is 0."""
    with op.when(op.psr(13)):
        op.fault("illegal_operation")


@clause("M41.itc.d", "M41.itc.i")
def itc(op: Operation) -> None:
    """SDM 3:2, itc: puts a translation, of cr.ifa by cr.itir, into the cache of data or of instructions."""
    _needs_no_collection(op)
    needs_level_0(op)
    consumes(op, op.r2)
    op.call(CHECK_INSERTION, op.r2.value)
    needs_real_machine(op)
    op.call(INSERT_CACHE, op.words[0], op.r2.value)


@clause("M42.itr.d", "M42.itr.i")
def itr(op: Operation) -> None:
    """SDM 3:2, itr: puts a translation, of cr.ifa by cr.itir, into a translation register."""
    _needs_no_collection(op)
    needs_level_0(op)
    consumes(op, op.r3, op.r2)
    op.call(CHECK_SLOT, op.words[0], op.r3.value)
    op.call(CHECK_INSERTION, op.r2.value)
    needs_real_machine(op)
    op.call(INSERT_REGISTER, op.words[0], op.r3.value, op.r2.value)


@clause("M45.ptc.l", "M45.ptc.g", "M45.ptc.ga")
def ptc(op: Operation) -> None:
    """SDM 3:2, ptc: translations of an address range leave the caches; on one processor all forms do the same."""
    _checked_purge(op)
    op.call(PURGE_CACHE, op.r3.value, op.r2.value)


@clause("M45.ptr.d", "M45.ptr.i")
def ptr(op: Operation) -> None:
    """SDM 3:2, ptr: translations of an address range leave the registers, and the caches."""
    _checked_purge(op)
    op.call(PURGE_REGISTERS, op.words[0], op.r3.value, op.r2.value)


def _checked_purge(op: Operation) -> None:
    needs_level_0(op)
    consumes(op, op.r3, op.r2)
    needs_real_machine(op)


@clause("M47.ptc.e")
def ptc_e(op: Operation) -> None:
    """SDM 3:2, ptc.e: the caches become empty."""
    needs_level_0(op)
    consumes(op, op.r3)
    needs_real_machine(op)
    op.call(PURGE_ALL)
