"""What the machine does for floating-point instructions: faults and traps."""

from __future__ import annotations

from typing import Final

from pvasm.isa.bundle import SIZE
from pvsim.machine.branching import FLOATING_POINT, Branching
from pvsim.machine.interruptions import Interruption, Vector

_TRAPS_AT: Final = 7  # of the code in cr.isr: overflow, underflow, inexact, fpa, of the low half and then of the high
_LAST_SLOT: Final = 2


class FloatingPoint(Branching):
    """Calls of programs: what the machine does for floating-point instructions."""

    def disabled_fp_register(self, parts: int) -> None:
        """Raises Interruption: `parts` has bit 0 for psr.dfl, bit 1 for psr.dfh (SDM vol. 2, table 8-3)."""
        raise Interruption(Vector.DISABLED_FP_REGISTER, parts)

    def floating_point_fault(self, code: int) -> None:
        """Raises Interruption: `code` has V, D, Z and SWA of the high half or of all, then those of the low half."""
        raise Interruption(Vector.FLOATING_POINT_FAULT, code)

    def floating_point_trap(self, code: int) -> None:
        """Raises Interruption: `code` has O, U, I and FPA of the low half, then those of the high one or of all."""
        origin = self.ip
        self.ip = origin + 1 if origin & 3 < _LAST_SLOT else (origin & ~15) + SIZE
        self.trap(origin, code << _TRAPS_AT | FLOATING_POINT)
