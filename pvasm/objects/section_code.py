"""Sections of code as lines of assembly: bundles with their templates and stops."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from pvasm.isa.bundle import SIZE
from pvasm.isa.encoding import padding_bundle
from pvasm.isa.instruction import Instruction
from pvasm.isa.operands import Symbolic
from pvasm.objects.data_directives import comment, repeated
from pvasm.objects.elf_file import Relocation, Section
from pvasm.objects.label_lines import LabelWriter
from pvasm.objects.object_code import CodeBundle, Slot, bundle_at, placed, run_from
from pvasm.objects.object_places import Part, Places
from pvasm.objects.relocations import relocated_operand, type_of, with_operand
from pvasm.objects.section_data import SectionData
from pvasm.objects.written_code import makes_own_stops, must_be_first, predicate, text_of_slot, written

Remark = Callable[[Sequence[Instruction]], str | None]
"""What to remark on an instruction, given it and those behind it in line; None for nothing."""

Lines = Callable[[Section, int, int], Sequence[tuple[int, str, int]]]
"""Of a section from an offset to another: the offsets at which lines of sources begin, each with file and line."""


class SectionCode:
    """Writes the bundles of sections; `tells_addresses` says whether each has its address in a comment."""

    def __init__(
        self, places: Places, labels: LabelWriter, remark: Remark, lines: Lines, *, tells_addresses: bool
    ) -> None:
        self.places = places
        self.labels = labels
        self.data = SectionData(places, labels)
        self.remark = remark
        self.sources = lines
        self.tells_addresses = tells_addresses
        self.told: tuple[str, int] | None = None  # the last line of a source that was told

    def lines(self, part: Part) -> Iterator[str]:
        """The bundles. Before data the assembler makes a stop: where there is none, the whole group is data then."""
        section = part.section
        at, end = part.start, part.end - (part.end - part.start) % SIZE
        group: list[tuple[CodeBundle, list[str] | None]] = []  # bundles since the last stop at a bundle's end
        while at < end:
            room, directive = self._filler(section, at, end, not group)
            bundle = bundle_at(at, bytes(section.data[at : at + SIZE]))
            texts = None if directive else self._texts(section, bundle)
            if texts is None or must_be_first(bundle.slots[0]):
                yield from self._group(section, [(each, None) for each, _ in group])
                group.clear()
            if directive:
                yield from self.labels.procedure_ends(section, at)
                yield from self.labels.labels(section, at, at + 1)
                yield f"\t{directive}"
                at += room
                continue
            group.append((bundle, texts))
            at += SIZE
            if texts is None or bundle.ends_group:
                yield from self._group(section, group)
                group.clear()
        yield from self._group(section, [(each, None) for each, _ in group])
        yield from self.labels.procedure_ends(section, end)
        if end < part.end:
            yield from self.data.lines(section, end, part.end)

    def _group(self, section: Section, group: Iterable[tuple[CodeBundle, list[str] | None]]) -> Iterator[str]:
        for place, (bundle, texts) in enumerate(group):
            yield from self.labels.procedure_ends(section, bundle.offset)
            yield from self.labels.labels(section, bundle.offset, bundle.offset + SIZE, in_group=place > 0)
            yield from self._bundle(section, bundle, texts)

    def _filler(self, section: Section, start: int, end: int, may_align: bool) -> tuple[int, str]:
        """How many bytes from a bundle on are room or padding that one directive makes, and that; 0 for none."""
        if self.places.relocations_between(section, start, start + 1):
            return 0, ""
        room = self._alike(section, start, end, bytes(SIZE))
        if room > SIZE:
            return room, f".skip {room}"
        padding = self._alike(section, start, end, padding_bundle()) if may_align else 0
        found, alignment = (0, ""), SIZE
        while padding and alignment < section.alignment:
            alignment *= 2
            if found[0] < -start % alignment <= padding:
                found = -start % alignment, f".align {alignment}"
        return found

    def _alike(self, section: Section, start: int, end: int, code: bytes) -> int:
        """How many bytes from a bundle on repeat it, without a label within or a relocation."""
        busy = self.places.busy[section.index]
        first = bisect_left(busy, start + 1)
        if first < len(busy):
            end = min(end, busy[first])
        return repeated(section.data, code, start, end)

    def _texts(self, section: Section, bundle: CodeBundle) -> list[str] | None:
        """The texts of a bundle's instructions; None where assembly cannot say one of them."""
        texts: list[str] = []
        filled_in = sum(len(self.places.relocations_of(section, bundle, slot)) for slot in bundle.slots)
        if makes_own_stops(bundle) or filled_in < len(
            self.places.relocations_between(section, bundle.offset, bundle.offset + SIZE)
        ):
            return None  # or data has been put here
        for slot in bundle.slots:
            text = self._instruction(section, bundle, slot)
            if text is None:
                return None
            texts.append(text)
        return texts or None

    def _instruction(self, section: Section, bundle: CodeBundle, slot: Slot) -> str | None:
        """The text of an instruction; None where none gives its bits."""
        text, instruction = text_of_slot(slot.unit, slot.bits), slot.instruction
        relocations = self.places.relocations_of(section, bundle, slot)
        if text is None or instruction is None or len(relocations) > 1:
            return None
        if not (relocations or slot.targets):
            return text
        filled = instruction
        for place, target in self.places.open_targets(section, bundle, slot):
            if target is None:
                return None
            filled = with_operand(filled, place, Symbolic(self.places.named_place(*target)))
        if relocations:
            return self._relocated_text(filled, relocations[0])
        return written(filled)

    def _relocated_text(self, instruction: Instruction, relocation: Relocation) -> str | None:
        """The text of an instruction with what a linker fills in; None where assembly cannot say that."""
        kind, expression = type_of(relocation.kind), self.places.expression(relocation)
        place = relocated_operand(instruction)
        if expression is None:
            return None
        if kind.quantity == "mark" and instruction.mnemonic == "ld8":
            return f"{predicate(instruction)}ld8.mov {instruction.text.partition(' ')[2]},{expression}"
        if kind.size or not kind.operator or place is None:
            return None
        return written(with_operand(instruction, place, Symbolic(kind.operator.format(expression))))

    def _bundle(self, section: Section, bundle: CodeBundle, texts: list[str] | None) -> Iterator[str]:
        offset = bundle.offset
        address = f"\t// {section.address + offset:#x}" if self.tells_addresses else ""
        sources: dict[int, list[str]] = defaultdict(list)
        for place, file, line in self.sources(section, offset, offset + SIZE):
            if (file, line) != self.told:
                sources[place & 3].append(f"// {comment(file)}:{line}")
                self.told = file, line
        if texts is None:
            yield from (each for found in sources.values() for each in found)
            yield from self._raw(section, bundle, address)
            return
        yield f"{{ .{bundle.units}{address}"
        for slot, text in zip(bundle.slots, texts, strict=True):
            yield from sources.pop(slot.slot, ())
            yield f"\t{text}{' ;;' if slot.stop else ''}{self._said_of(section, bundle, slot)}"
        yield from (each for found in sources.values() for each in found)
        yield "}"

    def _raw(self, section: Section, bundle: CodeBundle, address: str) -> Iterator[str]:
        """A bundle that cannot be said, as bytes."""
        offset = bundle.offset
        if not bundle.slots:
            yield f"// no bundle: the template {bundle.bundle.template:#x} is reserved{address}"
        for slot in bundle.slots:
            found = slot.instruction
            what = (
                f"no instruction: {slot.bits:#x}"
                if found is None
                else placed(found, section.address + offset).full_text
            )
            yield f"// {what}{' ;;' if slot.stop else ''}{self._said_of(section, bundle, slot)}"
        if self._texts(section, bundle) is not None:
            yield f"// as data: the assembler would make a stop behind it{address}"
        yield from self.data.lines(section, offset, offset + SIZE, with_labels=False)

    def _said_of(self, section: Section, bundle: CodeBundle, slot: Slot) -> str:
        """What is remarked on an instruction, as a comment behind it."""
        if slot.instruction is None:
            return ""
        said: list[str] = []
        for _, target in self.places.open_targets(section, bundle, slot):
            if target is not None and self.places.symbol_at(*target) is None:
                named = next(
                    (symbol.name for _, symbol in self.places.symbols(target[0], target[1], target[1] + 1)), None
                )
                said += [named] if named else []
        if self.places.relocations_of(section, bundle, slot) and not _is_empty(slot.instruction):
            said.append("the field that is filled in is not 0 in the file")
        if slot.instruction.privileged or slot.instruction.sensitive or slot.instruction.level_dependent:
            remark = self.remark(run_from(section, bundle, slot.slot))
            said += [remark] if remark else []
        return f"\t// {comment('; '.join(said))}" if said else ""


def _is_empty(instruction: Instruction) -> bool:
    """Whether the field that a linker fills in is 0."""
    place = relocated_operand(instruction)
    return place is None or instruction.operands[place] == 0
