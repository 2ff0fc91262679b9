"""Which symbol each place of an object's section belongs to: a function by its size, a label up to the next one."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from msgspec import Struct, field

from pvasm.objects.elf_file import ElfFile, Section, Symbol


class Extent(Struct, eq=False):
    """The code or data from an offset on that symbols name; `end` is where it ends, if they have a size."""

    start: int
    end: int = 0
    names: list[str] = field(default_factory=list)
    is_data: bool = False


class Extents:
    """The extents of a section. A label within a function is a part of it, as it is in source."""

    def __init__(self, symbols: Iterable[tuple[int, Symbol]]) -> None:
        self._starts: list[int] = []
        self._extents: list[Extent | None] = []
        opened: list[Extent] = []
        for extent in _in_order(symbols):
            self._close(opened, extent.start)
            if extent.end > extent.start:
                opened.append(extent)
            elif opened:
                continue
            self._begin(extent.start, extent)
        self._close(opened, None)

    def _close(self, opened: list[Extent], until: int | None) -> None:
        """Ends what is over where the next begins: then what is around it goes on."""
        while opened and (until is None or opened[-1].end <= until):
            end = opened.pop().end
            self._begin(end, opened[-1] if opened else None)

    def _begin(self, start: int, extent: Extent | None) -> None:
        self._starts.append(max(start, self._starts[-1] if self._starts else 0))
        self._extents.append(extent)

    def at(self, offset: int) -> Extent | None:
        """What a place belongs to; None where no symbol says."""
        place = bisect_right(self._starts, offset) - 1
        return self._extents[place] if place >= 0 else None


def _in_order(symbols: Iterable[tuple[int, Symbol]]) -> list[Extent]:
    """What begins at each offset, in order; functions' names before those of labels there."""
    found: dict[int, Extent] = {}
    for offset, symbol in sorted(symbols, key=lambda each: (not each[1].size, each[1].name)):
        extent = found.get(offset)
        if extent is None:
            extent = found[offset] = Extent(offset)
        extent.names.append(symbol.name)
        if symbol.size:
            extent.end = max(extent.end, offset + symbol.size)
            extent.is_data = symbol.kind == "object"
    return sorted(found.values(), key=lambda extent: extent.start)


def extents_of(file: ElfFile) -> dict[int, Extents]:
    """The extents of each section that has symbols, by its number."""
    by_section: dict[int, list[tuple[int, Symbol]]] = {}
    for symbol in file.symbols:
        if symbol.is_defined and symbol.name and symbol.kind not in ("section", "file", "tls"):
            by_section.setdefault(symbol.section, []).append((file.offset_of(symbol), symbol))
    return {number: Extents(symbols) for number, symbols in by_section.items()}


def code_sections(file: ElfFile) -> list[Section]:
    """The sections with instructions; of a program without a table of sections, its segments with instructions."""
    if file.sections or file.is_relocatable:
        return [each for each in file.sections if each.is_code]
    return [
        Section(number, f"segment {number}", "SHT_PROGBITS", 0, each.address, len(each.data), 0, 0, 1, 0, each.data)
        for number, each in enumerate(file.segments)
        if each.executable
    ]
