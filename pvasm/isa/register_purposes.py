"""What each register is for, in a few words: by the architecture (SDM vol. 2, chapters 3 and 5), else by convention."""

from __future__ import annotations

from typing import Final

from pvasm.isa.conventions import RESULTS, RETURN_LINK, USAGES
from pvasm.isa.registers import FILE_NOUNS, REGISTERS, Register

_NAMED: Final = {
    "r0": "always 0",
    "r1": "the global pointer (gp)",
    "r12": "the memory stack pointer (sp)",
    "r13": "the thread pointer (tp)",
    "f0": "always +0.0",
    "f1": "always +1.0",
    "p0": "always 1",
    "ip": "the address of the bundle that is executed",
    "pr": "all predicate registers, as bits",
    "pr.rot": "the rotating predicate registers, as bits",
    "psr": "the processor status register",
    "psr.l": "the low half of the processor status register",
    "psr.um": "the user mask, the lowest bits of the processor status register",
    "ar.rsc": "configuration of the register stack engine",
    "ar.bsp": "where in the backing store the current frame would be",
    "ar.bspstore": "where the register stack engine stores next",
    "ar.rnat": "NaT bits that the register stack engine has not stored yet",
    "ar.fcr": "IA-32 floating-point control",
    "ar.eflag": "IA-32 flags",
    "ar.csd": "IA-32 code segment; the second half of 16-byte loads and stores",
    "ar.ssd": "IA-32 stack segment",
    "ar.cflg": "IA-32 control registers",
    "ar.fsr": "IA-32 floating-point status",
    "ar.fir": "IA-32 floating-point instruction",
    "ar.fdr": "IA-32 floating-point data",
    "ar.ccv": "what cmpxchg compares with",
    "ar.unat": "NaT bits of ld8.fill and st8.spill",
    "ar.fpsr": "floating-point status and controls",
    "ar.itc": "the interval time counter",
    "ar.ruc": "the resource utilization counter",
    "ar.pfs": "the previous function's state: frame, EC, privilege level",
    "ar.lc": "the loop count",
    "ar.ec": "the epilog count",
    "cr.dcr": "defaults of processor status and of deferred faults",
    "cr.itm": "the interval timer's match value",
    "cr.iva": "the address of the interruption vectors",
    "cr.pta": "address, size and format of the hashed page table",
    "cr.gpta": "the page table of a guest",
    "cr.ipsr": "psr before the interruption",
    "cr.isr": "the cause of the interruption",
    "cr.iip": "the bundle that was interrupted",
    "cr.ifa": "the address that the interruption is about",
    "cr.itir": "page size and key of the translation to insert",
    "cr.iipa": "the bundle that was executed last before the interruption",
    "cr.ifs": "the frame marker before the interruption, once `cover` has saved it",
    "cr.iim": "the immediate of the `break` that interrupted",
    "cr.iha": "where the hashed page table would have the translation",
    "cr.iib0": "the bundle that was interrupted, first half",
    "cr.iib1": "the bundle that was interrupted, second half",
    "cr.lid": "the processor's number for interrupts",
    "cr.ivr": "the interrupt to serve next; reading it begins that",
    "cr.tpr": "which interrupts are masked",
    "cr.eoi": "ends the interrupt in service",
    "cr.itv": "the timer's interrupt vector",
    "cr.pmv": "the performance monitors' interrupt vector",
    "cr.cmcv": "the corrected machine checks' interrupt vector",
    "cr.lrr0": "interrupt redirection of the LINT0 pin",
    "cr.lrr1": "interrupt redirection of the LINT1 pin",
    **{f"cr.irr{number}": f"pending interrupts {64 * number} to {64 * number + 63}" for number in range(4)},
    **{f"ar.k{number}": "a kernel register: any level may read it" for number in range(8)},
}
_PURPOSES: Final = {REGISTERS[name]: purpose for name, purpose in _NAMED.items() if name in REGISTERS}


def about_register(register: Register) -> str:
    """What a register is for: "the cause of the interruption", or "a general register, preserved across calls"."""
    if register in _PURPOSES:
        return _PURPOSES[register]
    noun = FILE_NOUNS.get(register.file, register.file)
    if register == RETURN_LINK:
        return f"{noun}, where a call leaves the return address"
    usage = USAGES.get(register)
    said = {"preserved": "preserved across calls", "scratch": "scratch", "stacked": "of the register stack"}.get(
        usage or "", ""
    )
    said = "scratch, and for a result of functions" if register in RESULTS else said
    return f"{noun}, {said}" if said else noun
