"""Delivery of interruptions to the interruption vector table: what is collected, and what becomes of psr.

SDM vol. 2, 5.5 and 8.1: which control registers an interruption sets, by its vector.
"""

from __future__ import annotations

from typing import Final

from pvasm.isa.bundle import SIZE
from pvasm.isa.registers import CONTROL
from pvsim.machine.instruction_fetch import InstructionFetch
from pvsim.machine.interruptions import EXECUTE, INCOMPLETE_FRAME, NESTED, REGISTER_STACK, Interruption, Vector
from pvsim.machine.register_stack import RegisterStack
from pvsim.machine.system import System

_IVA, _DCR, _IPSR, _ISR = CONTROL["iva"], CONTROL["dcr"], CONTROL["ipsr"], CONTROL["isr"]
_IIP, _IFA, _ITIR, _IIPA = CONTROL["iip"], CONTROL["ifa"], CONTROL["itir"], CONTROL["iipa"]
_IFS, _IIM, _IHA = CONTROL["ifs"], CONTROL["iim"], CONTROL["iha"]
_IIB: Final = 26
_WORD: Final = (1 << 64) - 1
_TABLE: Final = _WORD & ~0x7FFF  # the table has 32 KiB, and begins at a multiple of that
_BANK_0: Final = 0
_VALID_FRAME: Final = 1 << 63
_RI_AT: Final = 41  # of psr; cr.isr.ei is there too

# Bits of psr (SDM vol. 2, table 3-2).
_UP, _MFL, _MFH, _IC, _PK = 1 << 2, 1 << 4, 1 << 5, 1 << 13, 1 << 15
_DT, _PP, _RT, _MC, _IT, _BN = 1 << 17, 1 << 21, 1 << 27, 1 << 35, 1 << 36, 1 << 44
_UNCHANGED: Final = _UP | _MFL | _MFH | _PK | _DT | _RT | _MC | _IT | _BN  # bn by switching the bank
_DCR_PP, _DCR_BE = 1 << 0, 1 << 1
_BE: Final = 1 << 1

_HASHED: Final = frozenset([Vector.VHPT_TRANSLATION, Vector.INSTRUCTION_TLB, Vector.DATA_TLB])
"""The vectors that tell in cr.iha where the table has the entry."""

_TRANSLATED: Final = _HASHED | frozenset(
    [
        Vector.ALTERNATE_INSTRUCTION_TLB,
        Vector.ALTERNATE_DATA_TLB,
        Vector.INSTRUCTION_KEY_MISS,
        Vector.DATA_KEY_MISS,
        Vector.DIRTY_BIT,
        Vector.INSTRUCTION_ACCESS_BIT,
        Vector.DATA_ACCESS_BIT,
        Vector.PAGE_NOT_PRESENT,
        Vector.KEY_PERMISSION,
        Vector.INSTRUCTION_ACCESS_RIGHTS,
        Vector.DATA_ACCESS_RIGHTS,
    ]
)
"""The vectors that tell in cr.itir what a translation would have by default."""


class Delivery(InstructionFetch, RegisterStack, System):
    """What is done where an instruction ends in an interruption."""

    last_executed = 0
    """The last instruction that was executed with psr.ic 1: what cr.iipa gets."""

    def deliver_interruption(self, interruption: Interruption) -> None:
        """Collects the state of an interruption in control registers, and goes to its vector in the table at cr.iva.

        While psr.ic is 0, cr.isr alone is set; a Data Nested TLB fault leaves that as it is too. `interruption` is what
        `run` has returned: the machine is where it has left it.
        """
        slot = self.ip & 3
        collects = self.psr & _IC
        if interruption.vector != Vector.DATA_NESTED_TLB:
            self.cr[_ISR] = self.isr_of(interruption)
        if collects:
            self._collect(interruption, slot)
        self.loads_frame = False
        status = self.psr & _UNCHANGED
        status |= _PP if self.cr[_DCR] & _DCR_PP else 0
        status |= _BE if self.cr[_DCR] & _DCR_BE else 0
        self.use_bank(_BANK_0)
        self.set_psr(status & ~_BN)
        self.ip = (self.cr[_IVA] & _TABLE) + interruption.vector

    def isr_of(self, interruption: Interruption) -> int:
        """What cr.isr is told of an interruption that `run` has returned, if it is delivered."""
        is_behind = interruption.is_trap and interruption.origin is not None
        excepting = (interruption.origin or 0) & 3 if is_behind else self.ip & 3
        state = (0 if self.psr & _IC else NESTED) | (INCOMPLETE_FRAME if self.is_incomplete else 0)
        return interruption.code | excepting << _RI_AT | state

    def _collect(self, interruption: Interruption, slot: int) -> None:
        cr, vector, address = self.cr, interruption.vector, interruption.address
        cr[_IPSR] = self.psr | slot << _RI_AT
        cr[_IIP] = self.ip & ~15
        cr[_IIPA] = self.last_executed & ~15
        cr[_IFS] &= ~_VALID_FRAME
        self._collect_bundle(interruption)
        if interruption.immediate is not None:
            cr[_IIM] = interruption.immediate & _WORD
        if address is None:
            return
        cr[_IFA] = address & _WORD
        missed = address
        if vector in _HASHED:
            cr[_IHA], _ = self.vhpt_address(address)
            missed = cr[_IHA] if vector == Vector.VHPT_TRANSLATION else address
        if vector in _TRANSLATED:
            region = self.rr[missed >> 61]
            cr[_ITIR] = region & 0x3F << 2 | (region >> 8 & 0xFFFFFF) << 8

    def _collect_bundle(self, interruption: Interruption) -> None:
        """Puts the bundle of the instruction into cr.iib0 and cr.iib1 (SDM vol. 2, 3.3.5.10).

        Of an instruction that could not be fetched, and of the register stack, there is none to tell.
        """
        if not self.configuration.has_bundle_registers or interruption.code & (EXECUTE | REGISTER_STACK):
            return
        at = interruption.origin if interruption.is_trap and interruption.origin is not None else self.ip
        try:
            data = self.memory.read(self.code_address(at & ~15), SIZE)
        except Interruption:
            return
        self.cr[_IIB], self.cr[_IIB + 1] = (int.from_bytes(data[half : half + 8], "little") for half in (0, 8))
