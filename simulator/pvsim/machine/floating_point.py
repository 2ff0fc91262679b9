"""What the machine does for floating-point instructions: faults, traps and flags."""

from __future__ import annotations

from pvsim.machine.state import State


class FloatingPoint(State):
    """Calls of programs: what the machine does for floating-point instructions: faults, traps and flags."""
