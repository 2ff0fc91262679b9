"""What the machine does to reach data: translation, alignment, the ALAT."""

from __future__ import annotations

from pvsim.machine.state import State


class DataAccess(State):
    """Calls of programs: what the machine does to reach data: translation, alignment, the ALAT."""
