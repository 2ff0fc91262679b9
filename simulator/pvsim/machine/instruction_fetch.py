"""Where code is in memory, and the faults of fetching it (SDM vol. 2, 4.1 and table 5-6)."""

from __future__ import annotations

from typing import Final

from pvsim.machine.debug_registers import DebugRegisters
from pvsim.machine.instruction_cache import InstructionCache
from pvsim.machine.interruptions import EXECUTE, Interruption, Vector, fault
from pvsim.machine.state import State
from pvsim.machine.vhpt import PageTable

_UNCACHED: Final = 1 << 63  # of a physical address
_OFFSET: Final = (1 << 61) - 1
_ACCESSED: Final = 1 << 5  # of a translation's entry
_PROMOTING: Final = 7  # access rights of a translation's entry
_REGION: Final = 61
_PK, _IT, _IA, _CPL = 1 << 15, 1 << 36, 1 << 45, 3 << 32  # of psr
_SEEN: Final = _PK | _IT | _CPL  # what the places of code depend on
UNIMPLEMENTED: Final = 1 << 4
"""The trap, of those that cr.isr.code tells, of an address of code that is not implemented."""


class CodeAddresses(State):
    """Which addresses code may have."""

    def is_unimplemented(self, address: int) -> bool:
        """Whether an address of code is not implemented (SDM vol. 2, 4.3.2)."""
        if not self.psr & _IT:
            return bool((address & ~_UNCACHED) >> self.configuration.physical_bits)
        bits = self.configuration.virtual_bits
        above = (address & (1 << _REGION) - 1) >> bits - 1
        return above not in (0, (1 << _REGION - bits + 1) - 1)


class InstructionFetch(PageTable, InstructionCache, DebugRegisters, CodeAddresses):
    """Where the code of an address is. What is kept by address is forgotten when anything changes that says so."""

    def code_address(self, address: int) -> int:
        """The physical address of code. Raises Interruption where it may not be fetched."""
        if self.is_unimplemented(address):
            raise Interruption(Vector.LOWER_PRIVILEGE_TRANSFER_TRAP, UNIMPLEMENTED)
        if not self.psr & _IT:
            return address & ~_UNCACHED
        at = address & ~15
        page = self.found_translation(at, EXECUTE, "i")
        self.check_rights(page, at, EXECUTE, (self.psr & _CPL) >> 32)
        if not page.entry & _ACCESSED and not self.psr & _IA:
            raise Interruption(Vector.INSTRUCTION_ACCESS_BIT, EXECUTE, at)
        return page.physical(address & _OFFSET)

    def check_vmsw_page(self) -> None:
        """Raises Interruption: only code on a page with access rights 7 may change psr.vm (SDM 3:2, vmsw)."""
        page = self.translation_of(self.ip & ~15, "i") if self.psr & _IT else None
        if page is None or page.entry >> 9 & 7 != _PROMOTING:
            raise fault("virtualization")

    def forget_places(self) -> None:
        """What is known of where code is no longer holds."""

    # ------------------------------------------------------------------------ what changes the places

    def set_psr(self, word: int) -> None:
        """Sets the processor status register."""
        if (word ^ self.psr) & _SEEN:
            self.forget_places()
        super().set_psr(word)

    def reach_changed(self, kinds: str) -> None:
        """What may be reached, or where it is, has changed."""
        super().reach_changed(kinds)
        if "i" in kinds:
            self.forget_places()
