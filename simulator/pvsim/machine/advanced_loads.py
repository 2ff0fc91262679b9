"""The ALAT: which registers hold what memory still holds (SDM vol. 1, 4.4.5)."""

from __future__ import annotations

from msgspec import Struct

from pvasm.isa.registers import FIRST_ROTATING, FIRST_STACKED
from pvsim.machine.configuration import Configuration
from pvsim.machine.memory import Memory
from pvsim.machine.state import State

_FR_ROTATING = 96


class _Entry(Struct, frozen=True):
    """What has been loaded: the physical address, and how many bytes."""

    address: int
    size: int


class AdvancedLoads(State):
    """The ALAT, of as many entries as the model has: none, so many, or any number."""

    def __init__(self, memory: Memory | None = None, configuration: Configuration | None = None) -> None:
        super().__init__(memory, configuration)
        self.advanced: dict[tuple[str, int], _Entry] = {}
        """By file and physical register, the oldest first."""

    def _physical_register(self, file: str, number: int) -> tuple[str, int]:
        """The register behind a name: frames and rotation undone, so that an entry stays with what was loaded."""
        at = number - FIRST_ROTATING["f" if file == "fr" else "r"]
        if at < 0:
            return file, number
        if file == "fr":
            return file, FIRST_ROTATING["f"] + (at + self.rrb_fr) % _FR_ROTATING
        rotated = (at + self.rrb_gr) % self.sor if at < self.sor else at
        return file, FIRST_STACKED + self.frame_start + rotated

    @property
    def frame_start(self) -> int:
        """How many registers the backing store has below the frame, collections of NaT bits left out."""
        words = self.ar[17] >> 3
        return words - (words >> 6)

    def is_advanced(self, file: str, number: int, keep: str) -> int:
        """Whether the ALAT has a register; with `clr` its entry goes."""
        register = self._physical_register(file, number)
        held = register in self.advanced
        if held and keep == "clr":
            del self.advanced[register]
        return int(held)

    def forget_advanced(self, file: str, number: int) -> None:
        """The entry of a register goes."""
        self.advanced.pop(self._physical_register(file, number), None)

    def forget_all_advanced(self) -> None:
        """All entries go."""
        self.advanced.clear()

    def note_advanced(self, file: str, number: int, address: int, size: int) -> bool:
        """A register holds what memory does at a physical address; whether there is room for any. The oldest goes."""
        most = self.configuration.alat_entries
        if most == 0:
            return False
        register = self._physical_register(file, number)
        self.advanced.pop(register, None)
        if most is not None and len(self.advanced) >= most:
            del self.advanced[next(iter(self.advanced))]
        self.advanced[register] = _Entry(address, size)
        return True

    def forget_overlapping(self, address: int, size: int) -> None:
        """Bytes at a physical address have been written: entries that they are part of go."""
        if self.advanced:
            end = address + size
            self.advanced = {
                register: entry
                for register, entry in self.advanced.items()
                if entry.address >= end or entry.address + entry.size <= address
            }
