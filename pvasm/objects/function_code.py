"""The code of an object function by function, as it can be compared with another's: without places that merely shift.

Bundles, templates and nops are the assembler's business, and so are addresses: what is left are instructions in order,
with stops, operands by the symbols that they are about, and labels numbered within each function.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from pvasm.isa.bundle import SIZE
from pvasm.isa.operands import Symbolic
from pvasm.objects.elf_file import ElfFile, Relocation, Section
from pvasm.objects.object_code import CodeBundle, Slot, bundle_at, is_filler
from pvasm.objects.object_extents import Extent, Extents, code_sections, extents_of
from pvasm.objects.object_places import Places
from pvasm.objects.relocations import relocated_operand, type_of, with_operand

_STOP: Final = " ;;"
_ZEROS: Final = bytes(SIZE)
_Place = tuple[int, int]
"""The number of a section, and an offset in it."""


class FunctionCode(Struct):
    """A function: its name, its section, and its lines; code that no symbol names has the section's name."""

    name: str
    section: str
    lines: list[str]

    @property
    def instructions(self) -> int:
        """How many instructions it has, nops left out."""
        return sum(not line.endswith(":") for line in self.lines)


def functions_of(file: ElfFile) -> list[FunctionCode]:
    """The functions of a file in its order. Each takes memory in proportion to its code."""
    return list(_Reading(file).functions())


class _Reading:
    """A file whose functions are read."""

    def __init__(self, file: ElfFile) -> None:
        self.file = file
        self.extents = extents_of(file) if file.sections else {}
        self.places = Places(file, ())

    def functions(self) -> Iterator[FunctionCode]:
        for section in code_sections(self.file):
            for extent, offsets in self._runs(section):
                name = _name(extent) or section.name
                lines = list(self._lines(section, extent, offsets))
                if lines or extent is not None:
                    yield FunctionCode(name, section.name, lines)

    def _runs(self, section: Section) -> Iterator[tuple[Extent | None, list[int]]]:
        """The bundles of each function, in order, by their offsets: what stands together belongs together."""
        extents = self.extents.get(section.index) or Extents(())
        found: dict[int, tuple[Extent | None, list[int]]] = {}
        for offset in range(0, len(section.data) - SIZE + 1, SIZE):
            extent = extents.at(offset)
            if (extent is not None and extent.is_data) or _is_room(section, offset):
                continue
            found.setdefault(id(extent), (extent, []))[1].append(offset)
        yield from found.values()

    def _lines(self, section: Section, extent: Extent | None, offsets: list[int]) -> Iterator[str]:
        """The lines of a function: a label where it branches to, and the instructions."""
        bundles = [bundle_at(offset, bytes(section.data[offset : offset + SIZE])) for offset in offsets]
        inside = {(section.index, offset) for offset in offsets}
        targets = {each for bundle in bundles for each in self._targets(section, bundle) if each in inside}
        start = (section.index, extent.start) if extent is not None else None
        labels = {place: f".L{number}" for number, place in enumerate(sorted(targets - {start}), start=1)}
        lines: list[str] = []
        for bundle in bundles:
            label = labels.get((section.index, bundle.offset))
            if label is not None:
                lines.append(f"{label}:")
            for slot in bundle.slots:
                text = self._text(section, bundle, slot, labels)
                if text is not None:
                    lines.append(text + _STOP if slot.stop else text)
                elif slot.stop and lines and not lines[-1].endswith((_STOP, ":")):
                    lines[-1] += _STOP
        return iter(lines)

    def _targets(self, section: Section, bundle: CodeBundle) -> Iterator[_Place]:
        for slot in bundle.slots:
            for _, target in self.places.open_targets(section, bundle, slot):
                if target is not None:
                    yield target[0].index, target[1]
            for relocation in self.places.relocations_of(section, bundle, slot):
                place = self._place_of(relocation)
                if place is not None:
                    yield place

    def _text(self, section: Section, bundle: CodeBundle, slot: Slot, labels: dict[_Place, str]) -> str | None:
        """An instruction with what it is about by name; None for a nop."""
        instruction = slot.instruction
        if instruction is None:
            return f"(no instruction: {slot.bits:#x})"
        if is_filler(instruction):
            return None
        for place, target in self.places.open_targets(section, bundle, slot):
            name = self._named((target[0].index, target[1]), labels) if target is not None else "(nowhere)"
            instruction = with_operand(instruction, place, Symbolic(name))
        extra = ""
        for relocation in self.places.relocations_of(section, bundle, slot):
            kind, operand = type_of(relocation.kind), relocated_operand(instruction)
            name = self._expression(relocation, labels)
            if operand is not None and kind.operator:
                instruction = with_operand(instruction, operand, Symbolic(kind.operator.format(name)))
            else:
                extra += f" ({kind.name} {name})"
        return instruction.full_text + extra

    def _place_of(self, relocation: Relocation) -> _Place | None:
        """What a relocation is for, if that is in this file: a place that a section or a local symbol names."""
        symbol = relocation.symbol
        if not symbol.is_defined or (symbol.binding != "local" and symbol.kind != "section"):
            return None
        return symbol.section, self.file.offset_of(symbol) + relocation.addend

    def _expression(self, relocation: Relocation, labels: dict[_Place, str]) -> str:
        place = self._place_of(relocation)
        if place is not None:
            return self._named(place, labels)
        return f"{relocation.symbol.name}{relocation.addend:+#x}" if relocation.addend else relocation.symbol.name

    def _named(self, place: _Place, labels: dict[_Place, str]) -> str:
        """A place by a label of the function, or by the symbol that it belongs to."""
        if place in labels:
            return labels[place]
        index, offset = place
        extents = self.extents.get(index)
        extent = extents.at(offset) if extents is not None else None
        name = _name(extent)
        if extent is None or not name:
            section = self.file.sections[index].name if index < len(self.file.sections) else "?"
            return f"{section}{offset:+#x}"
        return name if offset == extent.start else f"{name}{offset - extent.start:+#x}"


def _is_room(section: Section, offset: int) -> bool:
    """Whether a bundle is of room that was left (`.org`, `.skip`): one of several that are zeros."""
    data = section.data
    if data[offset : offset + SIZE] != _ZEROS:
        return False
    return data[offset + SIZE : offset + 2 * SIZE] == _ZEROS or data[max(0, offset - SIZE) : offset] == _ZEROS


def _name(extent: Extent | None) -> str:
    return extent.names[0] if extent is not None and extent.names else ""
