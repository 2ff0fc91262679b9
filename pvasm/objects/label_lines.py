"""Symbols and labels of an object as lines of assembly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final

from pvasm.isa.bundle import SIZE
from pvasm.objects.elf_file import ABSOLUTE, COMMON, UNDEFINED, Section, Symbol
from pvasm.objects.object_places import Part, Places
from pvasm.objects.written_code import is_behind_stop

_NATURES: Final = {
    "notype": "",
    "tls": "",
    "common": "",
    "object": "object",
    "function": "function",
    "gnu_indirect_function": "gnu_indirect_function",
}


class LabelWriter:
    """Writes the symbols of a file's parts: where they are, what they are, and how large."""

    def __init__(self, places: Places, parts: Iterable[Part]) -> None:
        self.places = places
        self.used = {id(each.symbol) for found in places.file.relocations.values() for each in found}
        self.within: list[tuple[int, Symbol]] = []  # symbols of the part being written at no line of their own
        self.procedures: dict[tuple[int, int], list[Symbol]] = {}  # by section and offset: the names of one
        self.ends: dict[tuple[int, int], list[Symbol]] = {}  # procedures that end at an offset of a section
        for part in parts:
            if part.section.is_code:
                self._find_procedures(part)

    def labels(self, section: Section, start: int, end: int, *, in_group: bool = False) -> Iterator[str]:
        """The symbols and labels at an offset, and those between it and another.

        Those within a bundle are told of when the part is at its end. Within a group of instructions no directive may
        stand that the assembler makes a stop for.
        """
        procedure = self.procedures.get((section.index, start), [])
        if procedure and in_group:
            del self.ends[section.index, start + procedure[0].size]
            procedure = []
        for _, symbol in self.places.symbols(section, start, start + 1):
            yield from self._binding(symbol)
            if symbol not in procedure:
                yield from self._nature(symbol)
        if procedure:
            yield f"\t.proc {self._references(procedure)}"
        if start in self.places.labels.get(section.index, ()):
            yield f"{self.places.label(section, start)}:"
        for offset, symbol in self.places.symbols(section, start, end):
            if offset == start:
                yield f"{self.places.names.definition(symbol)}:"
            elif section.is_code:
                self.within.append((offset, symbol))
            else:
                yield from self._binding(symbol)
                yield from self._nature(symbol)
                yield f"\t{self.places.names.definition(symbol)} = . + {offset - start}"
        for offset in range(start + 1, end) if not section.is_code and section.index in self.places.labels else ():
            if offset in self.places.labels[section.index]:
                yield f"\t{self.places.label(section, offset)} = . + {offset - start}"

    def values(self, section: Section) -> Iterator[str]:
        """The symbols that are within bundles, as values: among instructions the assembler's `.` lags behind."""
        for offset, symbol in self.within:
            yield from self._binding(symbol)
            yield from self._nature(symbol)
            yield f"\t{self.places.names.definition(symbol)} = {self.places.named_place(section, offset)}"
        self.within.clear()

    def procedure_ends(self, section: Section, offset: int) -> Iterator[str]:
        """The directive that ends the procedure which ends at an offset, if one does."""
        names = self.ends.get((section.index, offset))
        if names:
            yield f"\t.endp {self._references(names)}"

    def apart(self, symbol: Symbol) -> Iterator[str]:
        """A symbol that has no place in a section."""
        name = self.places.names.reference(symbol)
        if symbol.section == ABSOLUTE:
            yield from self._binding(symbol)
            yield f"\t{self.places.names.definition(symbol)} = {symbol.value:#x}"
        elif symbol.section == COMMON:
            yield f"\t.comm {name},{symbol.size},{symbol.value}"
            yield from self._visibility(symbol)
        elif symbol.section == UNDEFINED:
            if symbol.binding == "weak":
                yield f"\t.weak {name}"
            elif id(symbol) not in self.used:
                yield f"\t.global {name}"
            yield from self._visibility(symbol)
            if symbol.kind == "function":
                yield f"\t.type {name},@function"
        else:
            yield f"// the symbol {name} is in section {symbol.section:#x}, which only the system knows"

    def _find_procedures(self, part: Part) -> None:
        """Takes note of the functions of code that are whole bundles and overlap no other: `.proc` to `.endp`."""
        functions = [
            (offset, offset + symbol.size, symbol)
            for offset, symbol in self.places.symbols(part.section, part.start, part.end)
            if symbol.kind == "function" and symbol.size and not (offset | symbol.size) & (SIZE - 1)
        ]
        free = part.start
        for (start, end), same in groupby(functions, key=lambda each: each[:2]):
            if start >= free and end <= part.end and is_behind_stop(part.section, end):
                names = [symbol for _, _, symbol in same]
                self.procedures[part.section.index, start] = self.ends[part.section.index, end] = names
                free = end

    def _binding(self, symbol: Symbol) -> Iterator[str]:
        name = self.places.names.reference(symbol)
        if symbol.binding in ("global", "weak"):
            yield f"\t.{symbol.binding} {name}"
        elif symbol.binding != "local":
            yield f"// the symbol {name} has the binding {symbol.binding}, which cannot be said"
        yield from self._visibility(symbol)

    def _visibility(self, symbol: Symbol) -> Iterator[str]:
        if symbol.visibility != "default":
            yield f"\t.{symbol.visibility} {self.places.names.reference(symbol)}"
        if symbol.other:
            name = self.places.names.reference(symbol)
            yield f"// the symbol {name} has {symbol.other:#x} in st_other, which cannot be said"

    def _nature(self, symbol: Symbol) -> Iterator[str]:
        """What a symbol is, and its size."""
        name = self.places.names.reference(symbol)
        said = _NATURES.get(symbol.kind)
        if said:
            yield f"\t.type {name},@{said}"
        elif said is None:
            yield f"// the symbol {name} is of type {symbol.kind}, which cannot be said"
        if symbol.size:
            yield f"\t.size {name},{symbol.size}"

    def _references(self, symbols: Iterable[Symbol]) -> str:
        return ", ".join(map(self.places.names.reference, symbols))
