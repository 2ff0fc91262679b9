"""What the machine does for instructions of the system, for faults, and for control that goes elsewhere."""

from __future__ import annotations

from typing import Final

from pvasm.isa.registers import FIRST_STACKED
from pvsim.machine import interruptions
from pvsim.machine.interruptions import Interruption, Vector
from pvsim.machine.state import State

_BN: Final = 1 << 44
_WORD: Final = (1 << 64) - 1


class System(State):
    """Calls of programs about interruptions and system registers."""

    def fault(self, name: str, code: int = 0) -> None:
        """Ends an instruction in a fault, of which cr.isr says `code` besides. Raises Interruption."""
        raise interruptions.fault(name, code)

    def check_target_register(self, number: int) -> None:
        """Raises Interruption for r0, and for a register outside of the frame."""
        if number == 0 or number >= FIRST_STACKED + self.sof:
            raise interruptions.fault("illegal_operation")

    def break_(self, immediate: int) -> None:
        """Raises Interruption, a Break Instruction fault."""
        raise Interruption(Vector.BREAK_INSTRUCTION, immediate=immediate)

    def check_recovery(self, code: int, immediate: int) -> None:
        """Raises Interruption, a Speculative Operation fault, where the model leaves it to software to go to recovery
        code: cr.isr.code says which check it is, cr.iim has its immediate (SDM vol. 3, chk).
        """
        if not self.configuration.checks_branch:
            raise Interruption(Vector.SPECULATION, code, immediate=immediate)

    def feature(self, number: int) -> int:
        """A bit of cpuid[4] from 32 on: the features that `tf` tests."""
        return self.configuration.cpuid[4] >> number & 1

    # ------------------------------------------------------------------------------------- counters

    def read_itc(self) -> int:
        """ar.itc, which advances by so much with each instruction as the model says."""
        return self.instructions * self.configuration.ticks_per_instruction + self.itc_offset & _WORD

    def read_ruc(self) -> int:
        """ar.ruc: the one logical processor has all resources to itself, so that it advances as ar.itc does."""
        return self.instructions * self.configuration.ticks_per_instruction + self.ruc_offset & _WORD

    def write_itc(self, value: int) -> None:
        """Sets ar.itc."""
        self.itc_offset = value - self.instructions * self.configuration.ticks_per_instruction

    def observe_status(self) -> None:
        """The block ends behind what changes psr; `run` looks at all that depends on it before the next one."""

    # -------------------------------------------------------------------------------- banks, psr.vm

    idle_switches = 0
    """How often a program has switched to the bank that was there already."""

    def switch_bank(self, bank: int) -> None:
        """The instruction: r16 to r31 are those of a bank, 0 or 1."""
        self.idle_switches += self.psr >> 44 & 1 == bank
        self.use_bank(bank)

    def use_bank(self, bank: int) -> None:
        """Makes r16 to r31 those of a bank, 0 or 1."""
        if self.psr >> 44 & 1 != bank:
            self.gr[16:32], self.other_bank = self.other_bank, self.gr[16:32]
            self.nat[16:32], self.other_bank_nat = self.other_bank_nat, self.nat[16:32]
            self.psr ^= _BN

    def check_vmsw(self) -> None:
        """Raises Interruption on a machine without virtualization."""
        if not self.configuration.has_virtualization:
            raise interruptions.fault("illegal_operation")
