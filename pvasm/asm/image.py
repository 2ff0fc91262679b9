"""An image: bytes at addresses, with the names and the lines that they came from."""

from __future__ import annotations

from bisect import bisect_right

from msgspec import Struct, field

from pvasm.errors import PvasmError


class Segment(Struct):
    """Bytes from an address on; `name` is the section's."""

    name: str
    address: int
    data: bytearray
    executable: bool = False


class Image(Struct):
    """What is put in memory to be run.

    `symbols` are addresses by name. `lines` has, in order, the address of each instruction that was written, the
    slot in its low bits, with its file and line; a bundle begins with its first. `gp` is the global pointer; `entry`
    is where a program begins, None for what is none. `path` is the file that it was made of. `warnings` tell of what is
    taken, but hardly meant.
    """

    segments: list[Segment] = field(default_factory=list)
    symbols: dict[str, int] = field(default_factory=dict)
    lines: list[tuple[int, str, int]] = field(default_factory=list)
    gp: int = 0
    entry: int | None = None
    path: str | None = None
    warnings: list[PvasmError] = field(default_factory=list)

    def line_of(self, address: int) -> tuple[str, int] | None:
        """The file and the line that code at an address came from; None outside of the code."""
        at = bisect_right(self.lines, address, key=lambda entry: entry[0]) - 1
        if at < 0 or address >= self.lines[at][0] + 16:
            return None
        return self.lines[at][1:]

    def symbol_of(self, address: int) -> str | None:
        """The name before an address in its segment, and how far: `copy+0x20`; None if there is none."""
        starts = (each.address for each in self.segments if each.address <= address < each.address + len(each.data))
        start = next(starts, address)
        before = [(value, name) for name, value in self.symbols.items() if start <= value <= address]
        if not before:
            return None
        value, name = max(before)
        return name if value == address else f"{name}+{address - value:#x}"
