"""What the machine does where control goes elsewhere: traps, privilege, unimplemented addresses (SDM vol. 2, 5)."""

from __future__ import annotations

from typing import Final

from pvsim.machine.instruction_cache import InstructionCache
from pvsim.machine.instruction_fetch import UNIMPLEMENTED, CodeAddresses
from pvsim.machine.interruptions import Interruption, Vector

FLOATING_POINT: Final = 1 << 0
LOWER_PRIVILEGE: Final = 1 << 1
TAKEN_BRANCH: Final = 1 << 2
SINGLE_STEP: Final = 1 << 3
"""The traps that cr.isr.code tells, all of them that an instruction has at once (SDM vol. 2, table 8-2)."""

_VECTORS: Final = {
    FLOATING_POINT: Vector.FLOATING_POINT_TRAP,
    UNIMPLEMENTED: Vector.LOWER_PRIVILEGE_TRANSFER_TRAP,
    LOWER_PRIVILEGE: Vector.LOWER_PRIVILEGE_TRANSFER_TRAP,
    TAKEN_BRANCH: Vector.TAKEN_BRANCH_TRAP,
    SINGLE_STEP: Vector.SINGLE_STEP_TRAP,
}
"""Where each goes, by priority (SDM vol. 2, table 5-5)."""

_LP: Final = 1 << 25
_TB: Final = 1 << 26
_SS: Final = 1 << 40
STEPPED: Final = _TB | _SS
"""Bits of psr under which instructions are carried out one by one, for the traps behind each."""


class Branching(InstructionCache, CodeAddresses):
    """Calls of programs that say where control goes."""

    def branch(self, target: int) -> None:
        """Goes to a bundle. Raises Interruption, a trap, where there is one behind the branch."""
        origin = self.ip
        self.ip = target & ~15
        self.trap(origin, TAKEN_BRANCH if self.psr & _TB else 0)

    def return_to(self, target: int, is_lower: int) -> None:
        """Goes back to a caller, whose frame gets its registers. Raises Interruption for traps, and faults of loads."""
        origin = self.ip
        self.ip = target & ~15
        lowered = LOWER_PRIVILEGE if is_lower and self.psr & _LP else 0
        self.loads_frame = True
        self.trap(origin, lowered | (TAKEN_BRANCH if self.psr & _TB else 0))
        self.load_frame(origin)

    def resume(self, ip: int, psr: int) -> None:
        """Goes back to where an interruption came from: no trap but of an address that is not implemented."""
        origin = self.ip
        self.set_psr(psr & ~(3 << 41))  # `ip` holds the slot
        self.ip = ip
        self.loads_frame = True
        self.serialize_instructions()
        if self.is_unimplemented(ip):
            raise Interruption(Vector.LOWER_PRIVILEGE_TRANSFER_TRAP, UNIMPLEMENTED, is_trap=True, origin=origin)
        self.load_frame(origin)

    def trap_step(self, origin: int) -> None:
        """Behind an instruction that is no branch. Raises Interruption, if it is to be trapped."""
        self.trap(origin, 0)

    def trap(self, origin: int, code: int) -> None:
        """Raises Interruption, if an instruction that has been done has traps."""
        if self.psr & _SS:
            code |= SINGLE_STEP
        if self.is_unimplemented(self.ip):
            code |= UNIMPLEMENTED
        if code:
            vector = next(vector for bit, vector in _VECTORS.items() if code & bit)
            raise Interruption(vector, code, is_trap=True, origin=origin)

    loads_frame = True
    """Whether registers that the current frame lacks are loaded (RSE.CFLE): an interruption makes this False."""

    def load_frame(self, origin: int | None = None) -> None:
        """Loads registers of the current frame that are not there: see the register stack."""
