"""The register stack and renaming: frames, rotation, the backing store."""

from __future__ import annotations

from pvsim.machine.state import State


class RegisterStack(State):
    """Calls of programs: the register stack and renaming: frames, rotation, the backing store."""
