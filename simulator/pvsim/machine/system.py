"""What the machine does for instructions of the system, for faults, and for control that goes elsewhere."""

from __future__ import annotations

from pvsim.machine.interruptions import GENERAL_CODES, Interruption, Vector
from pvsim.machine.state import State


class System(State):
    """Calls of programs about interruptions and system registers."""

    def fault(self, name: str, *arguments: int) -> None:
        """Ends an instruction in a fault. Raises Interruption."""
        raise Interruption(Vector.GENERAL_EXCEPTION, GENERAL_CODES[name])

    def check_target_register(self, number: int) -> None:
        """Raises Interruption for r0, and for a register outside of the frame."""
        if number == 0 or number >= 32 + self.sof:
            raise Interruption(Vector.GENERAL_EXCEPTION, GENERAL_CODES["illegal_operation"])

    def branch(self, target: int) -> None:
        """Goes to a bundle."""
        self.ip = target & ~15

    def break_(self, immediate: int) -> None:
        """Raises Interruption, a Break Instruction fault."""
        raise Interruption(Vector.BREAK_INSTRUCTION, immediate=immediate)

    def feature(self, number: int) -> int:
        """A bit of cpuid[4] from 32 on: the features that `tf` tests."""
        return 0
