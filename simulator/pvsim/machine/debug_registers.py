"""Breakpoints: the debug registers that watch code and data (SDM vol. 2, 7.1)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pvsim.machine.indexed_files import IndexedFiles
from pvsim.machine.interruptions import EXECUTE, READ, WRITE, Interruption, Vector

_WORD: Final = (1 << 64) - 1
_CONTROL: Final = (1 << 56) - 1  # the mask in a control register; above are levels, and what is watched
_LEVELS_AT: Final = 56
_X, _R, _W = 1 << 63, 1 << 63, 1 << 62  # of an ibr, and of a dbr
_BUNDLE: Final = ~15 & _WORD


class DebugRegisters(IndexedFiles):
    """The pairs of `ibr` and `dbr`: an address, and a mask with what is watched, and at which privilege levels."""

    watches_code = False
    """Whether any pair watches code, at whatever level."""

    def write_indexed(self, file: str, index: int, value: int) -> None:
        """Sets a register of an indexed file."""
        super().write_indexed(file, index, value)
        if file == "ibr":
            self.watches_code = any(control & _X for control in self.files["ibr"][1::2])

    def is_watched(self, address: int, size: int, access: int, level: int) -> bool:
        """Whether a pair watches an access to any of so many bytes."""
        wanted = (_R if access & READ else 0) | (_W if access & WRITE else 0)
        last = address + size - 1
        return any(
            any((byte ^ start) & kept == 0 for byte in range(address, last + 1))
            for start, kept in self._pairs("dbr", wanted, level)
        )

    def check_code_watched(self) -> None:
        """Raises Interruption, an Instruction Debug fault, where a pair watches the bundle that is to be executed."""
        at, level = self.ip & _BUNDLE, self.psr >> 32 & 3
        if any((at ^ start) & kept & _BUNDLE == 0 for start, kept in self._pairs("ibr", _X, level)):
            raise Interruption(Vector.DEBUG, EXECUTE, at)

    def _pairs(self, file: str, wanted: int, level: int) -> Iterator[tuple[int, int]]:
        """The address, and which of its bits count, of each pair that watches what is wanted at a level."""
        registers = self.files[file]
        for start, control in zip(registers[::2], registers[1::2], strict=True):
            if control & wanted and control >> _LEVELS_AT & 1 << level:
                yield start, control & _CONTROL | ~_CONTROL & _WORD
