"""The code of an object function by function, as it can be compared with another's: without places that merely shift.

Bundles, templates and nops are the assembler's business, and so are addresses: what is left are instructions in order,
with stops, operands by the symbols that they are about, and labels numbered within each function.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct, field

from pvasm.isa.bundle import SIZE
from pvasm.isa.operands import Symbolic
from pvasm.objects.elf_file import ElfFile, Relocation, Section
from pvasm.objects.object_code import CodeBundle, Slot, bundle_at, is_filler
from pvasm.objects.object_extents import Extent, Extents, code_sections, extents_of
from pvasm.objects.object_places import Places
from pvasm.objects.relocations import relocated_operand, type_of, with_operand

_STOP: Final = " ;;"
_LEADING: Final = frozenset(("B1.br.cond", "X3.brl.cond"))
_ZEROS: Final = bytes(SIZE)
_Place = tuple[int, int]
"""The number of a section, and an offset in it."""


class FunctionCode(Struct):
    """A function: its name, its section, and its lines; code that no symbol names has the section's name.

    `origins` has for each line what it came from, as far as that is known; it is empty where nothing is.
    """

    name: str
    section: str
    lines: list[str]
    origins: list[str] = field(default_factory=list)

    @property
    def instructions(self) -> int:
        """How many instructions it has, nops left out."""
        return sum(not line.endswith(":") for line in self.lines)


class Detour(Struct, frozen=True):
    """Code that stands elsewhere and is run in the place of some bundles, from `start` to `end` in `section`.

    A branch at its end that leads back to where the bundles end is no part of it.
    """

    length: int
    section: int
    start: int
    end: int


class Origins:
    """What is known of where code came from. This is of a file that tells nothing."""

    def of(self, section: int, offset: int) -> str:
        """What the instruction at an offset, its slot in the low bits, came from; nothing if that is not known."""
        return ""

    def detour(self, section: int, offset: int) -> Detour | None:
        """What is run in the place of the bundles from one on."""
        return None

    def is_apart(self, section: int) -> bool:
        """Whether a section has nothing but code that is run, or put, in the place of other code."""
        return False


class _Piece(Struct, frozen=True):
    """A bundle that is read: its section and offset, the place that a label there has, and where a branch of it that
    leads back goes.
    """

    section: Section
    offset: int
    place: _Place
    back: _Place | None = None


def functions_of(file: ElfFile, origins: Origins | None = None) -> list[FunctionCode]:
    """The functions of a file in its order. Each takes memory in proportion to its code."""
    return list(_Reading(file, origins or Origins()).functions())


class _Reading:
    """A file whose functions are read."""

    def __init__(self, file: ElfFile, origins: Origins) -> None:
        self.file = file
        self.origins = origins
        self.extents = extents_of(file) if file.sections else {}
        self.places = Places(file, ())

    def functions(self) -> Iterator[FunctionCode]:
        for section in code_sections(self.file):
            if self.origins.is_apart(section.index):
                continue
            for extent, offsets in self._runs(section):
                function = FunctionCode(_name(extent) or section.name, section.name, [])
                self._read(function, (section.index, extent.start) if extent is not None else None, section, offsets)
                if function.lines or extent is not None:
                    yield function

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

    def _pieces(self, section: Section, offsets: list[int]) -> Iterator[_Piece]:
        """The bundles of a function in the order in which they are run."""
        passed = 0
        for offset in offsets:
            if offset < passed:
                continue
            place = section.index, offset
            detour = self.origins.detour(*place)
            if detour is None:
                yield _Piece(section, offset, place)
                continue
            passed = offset + detour.length
            for at in range(detour.start, detour.end, SIZE):
                own = place if at == detour.start else (detour.section, at)
                back = (section.index, passed) if at + SIZE == detour.end else None
                yield _Piece(self.file.sections[detour.section], at, own, back)

    def _read(self, function: FunctionCode, start: _Place | None, section: Section, offsets: list[int]) -> None:
        """Reads the lines of a function: a label where it branches to, and the instructions."""
        pieces = list(self._pieces(section, offsets))
        bundles = [
            bundle_at(each.offset, bytes(each.section.data[each.offset : each.offset + SIZE])) for each in pieces
        ]
        targets = {
            target
            for piece, bundle in zip(pieces, bundles, strict=True)
            for target in self._targets(piece.section, bundle)
            if target != piece.back
        }
        places = [each.place for each in pieces if each.place in targets and each.place != start]
        labels = {place: f".L{number}" for number, place in enumerate(places, start=1)}
        for piece, bundle in zip(pieces, bundles, strict=True):
            label = labels.get(piece.place)
            if label is not None:
                self._line(function, f"{label}:", self.origins.of(piece.section.index, piece.offset))
            for slot in bundle.slots:
                is_back = piece.back is not None and self._leads(piece.section, bundle, slot, piece.back)
                text = None if is_back else self._text(piece.section, bundle, slot, labels)
                if text is not None:
                    origin = self.origins.of(piece.section.index, piece.offset + slot.slot)
                    self._line(function, text + _STOP if slot.stop else text, origin)
                elif slot.stop and function.lines and not function.lines[-1].endswith((_STOP, ":")):
                    function.lines[-1] += _STOP

    def _line(self, function: FunctionCode, text: str, origin: str) -> None:
        if origin and not function.origins:
            function.origins = [""] * len(function.lines)
        function.lines.append(text)
        if function.origins or origin:
            function.origins.append(origin)

    def _leads(self, section: Section, bundle: CodeBundle, slot: Slot, place: _Place) -> bool:
        """Whether a slot has a branch that leads to a place in any case."""
        instruction = slot.instruction
        is_branch = instruction is not None and instruction.form.id in _LEADING and not instruction.predicate
        return is_branch and place in self._slot_targets(section, bundle, slot)

    def _targets(self, section: Section, bundle: CodeBundle) -> Iterator[_Place]:
        for slot in bundle.slots:
            yield from self._slot_targets(section, bundle, slot)

    def _slot_targets(self, section: Section, bundle: CodeBundle, slot: Slot) -> Iterator[_Place]:
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
