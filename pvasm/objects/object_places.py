"""What has a place in an object, and how assembly names it: symbols, labels that are needed, relocations."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from pvasm.isa.bundle import SIZE
from pvasm.objects.elf_file import ABSOLUTE, ALLOC, ElfFile, Relocation, Section, Symbol
from pvasm.objects.object_code import CodeBundle, Slot, bundles_of
from pvasm.objects.relocations import relocated_operand
from pvasm.objects.symbol_names import SymbolNames, section_name


class Part(Struct):
    """A part of a section, from an offset to another."""

    section: Section
    start: int
    end: int


class Places:
    """The places of a file of which some parts are written, by section and offset."""

    def __init__(self, file: ElfFile, parts: Sequence[Part]) -> None:
        self.file = file
        self.names = SymbolNames(file)
        self.labels: dict[int, set[int]] = defaultdict(set)  # that are needed and that no symbol is: offsets
        self.busy: dict[int, list[int]] = defaultdict(list)  # offsets in a section at which there is something
        self.relocations = {index: _by_offset(found) for index, found in file.relocations.items() if index}
        self._written: dict[int, list[tuple[int, int]]] = defaultdict(list)
        self._symbols: dict[int, dict[int, list[Symbol]]] = defaultdict(lambda: defaultdict(list))
        self._by_address = sorted((each.address, each.index) for each in file.sections if each.flags & ALLOC)
        for part in parts:
            self._written[part.section.index].append((part.start, part.end))
        for symbol in file.symbols:
            if symbol.is_defined and self.names.is_said(symbol):
                self._symbols[symbol.section][file.offset_of(symbol)].append(symbol)
        self._in_order = defaultdict(list, {index: sorted(found) for index, found in self._symbols.items()})
        for part in parts:
            self._find_labels(part)
        for part in parts:
            index = part.section.index
            busy = {*self._in_order[index], *self.labels.get(index, ()), *self.relocations.get(index, ())}
            self.busy[index] = sorted(busy)

    # ---------------------------------------------------------------------------------------- symbols

    def symbols(self, section: Section, start: int, end: int) -> Iterator[tuple[int, Symbol]]:
        """The symbols from an offset to another, in order."""
        places = self._in_order[section.index]
        for at in range(bisect_left(places, start), bisect_left(places, end)):
            yield from ((places[at], symbol) for symbol in self._symbols[section.index][places[at]])

    def symbol_at(self, section: Section, offset: int) -> Symbol | None:
        """A symbol that may be named for an offset: the assembler makes relocations of names that are global."""
        for symbol in self._symbols[section.index].get(offset, ()) if section.index in self._symbols else ():
            if symbol.binding == "local" or not self.file.is_relocatable:
                return symbol
        return None

    # ------------------------------------------------------------------------------------ relocations

    def relocations_between(self, section: Section, start: int, end: int) -> list[Relocation]:
        """The relocations from an offset to another."""
        found = self.relocations.get(section.index, {})
        return [each for offset in range(start, end) for each in found.get(offset, ())]

    def relocations_behind(self, part: Part) -> list[Relocation]:
        """The relocations for what is no byte of a section that is written to its end."""
        found = self.relocations.get(part.section.index, {})
        end = part.end if part.section.has_room else 0
        return [each for offset, several in found.items() if offset >= end for each in several]

    def relocations_of(self, section: Section, bundle: CodeBundle, slot: Slot) -> list[Relocation]:
        """What is to be filled in an instruction. The psABI has a long one's in slot 1, and some have it in slot 2."""
        found = self.relocations.get(section.index)
        if not found:
            return []
        places = (1, 2) if slot.unit == "X" else (slot.slot,)
        return [each for place in places for each in found.get(bundle.offset + place, ())]

    # ----------------------------------------------------------------------------------------- labels

    def _find_labels(self, part: Part) -> None:
        """Takes note of the places that what is written will name, and that no symbol of its own is at."""
        section = part.section
        found = self.relocations.get(section.index, {})
        for each in (one for several in found.values() for one in several):
            if part.start <= each.offset < part.end:
                place = self._place_of(each)
                if place is not None:
                    self._want(*place)
        if section.is_code:
            for offset, _ in self.symbols(section, part.start, part.end):
                if offset % SIZE:
                    self._want(section, offset)
            for bundle in bundles_of(section, part.start, part.end):
                for slot in bundle.slots:
                    for _, target in self.open_targets(section, bundle, slot):
                        if target is not None:
                            self._want(*target)

    def _want(self, section: Section, offset: int) -> None:
        if self.symbol_at(section, self._settled(section, offset)) is None:
            self.labels[section.index].add(self._settled(section, offset))

    @staticmethod
    def _settled(section: Section, offset: int) -> int:
        """Where a label for an offset stands: in code before a bundle."""
        return offset & ~(SIZE - 1) if section.is_code else offset

    def label(self, section: Section, offset: int) -> str:
        """The name of a label that no symbol is; the assembler keeps none that begins with `.L`."""
        return f".L{section.index:x}_{offset:x}" if self.file.is_relocatable else f".L{section.address + offset:x}"

    def is_written(self, section: Section, offset: int) -> bool:
        """Whether the place of a label is in a part that is written."""
        return any(start <= offset <= end for start, end in self._written.get(section.index, ()))

    def open_targets(
        self, section: Section, bundle: CodeBundle, slot: Slot
    ) -> list[tuple[int, tuple[Section, int] | None]]:
        """The operands that name bundles and that no linker fills in, with the place, None for one that is nowhere."""
        if not slot.targets:
            return []
        assert slot.instruction is not None
        filled = relocated_operand(slot.instruction) if self.relocations_of(section, bundle, slot) else None
        return [
            (place, self.target(section, bundle.offset + distance))
            for place, distance in slot.targets
            if place != filled
        ]

    def target(self, section: Section, offset: int) -> tuple[Section, int] | None:
        """The place of a target; in a program it may be in another section."""
        if 0 <= offset < section.size:
            return section, offset
        if self.file.is_relocatable:
            return None
        address = section.address + offset
        at = bisect_left(self._by_address, (address + 1, 0)) - 1
        if at < 0:
            return None
        found = self.file.sections[self._by_address[at][1]]
        return (found, address - found.address) if address < found.address + found.size else None

    # -------------------------------------------------------------------------------------- operands

    def named_place(self, section: Section, offset: int) -> str:
        """A place in a section as an operand."""
        at = self._settled(section, min(max(offset, 0), section.size))
        symbol = self.symbol_at(section, at)
        if symbol is not None:
            name = self.names.reference(symbol)
        elif self.is_written(section, at):
            name = self.label(section, at)
        else:
            return f"{section_name(section)}+{offset:#x}"
        return name if offset == at else f"{name}{offset - at:+#x}"

    def _place_of(self, relocation: Relocation) -> tuple[Section, int] | None:
        """The place that a relocation is for, if it is one in a section and not a symbol that has a name."""
        symbol = relocation.symbol
        if not symbol.is_defined or self.names.is_said(symbol):
            return None
        section = self.file.sections[symbol.section]
        return section, min(max(self.file.offset_of(symbol) + relocation.addend, 0), section.size)

    def expression(self, relocation: Relocation) -> str | None:
        """What a relocation is for, as an operand; None where it cannot be said."""
        symbol, addend = relocation.symbol, relocation.addend
        if self.names.is_said(symbol):
            name = self.names.reference(symbol)
            return f"{name}{addend:+#x}" if addend else name
        if symbol.is_defined:
            section = self.file.sections[symbol.section]
            return self.named_place(section, self.file.offset_of(symbol) + addend)
        return f"{addend:#x}" if not symbol.name and symbol.section == ABSOLUTE else None


def _by_offset(relocations: Iterable[Relocation]) -> dict[int, list[Relocation]]:
    found: dict[int, list[Relocation]] = defaultdict(list)
    for each in relocations:
        found[each.offset].append(each)
    return found
