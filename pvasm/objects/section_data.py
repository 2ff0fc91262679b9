"""Sections of data as lines of assembly."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from pvasm.objects.data_directives import DataWriter, comment
from pvasm.objects.elf_file import Relocation, Section
from pvasm.objects.label_lines import LabelWriter
from pvasm.objects.object_places import Places
from pvasm.objects.relocations import type_of


class SectionData:
    """Writes the bytes of sections, with what the linker fills in."""

    def __init__(self, places: Places, labels: LabelWriter) -> None:
        self.places = places
        self.labels = labels

    def room(self, section: Section, start: int, end: int) -> Iterator[str]:
        """A section without bytes."""
        stops = [at for at in self.places.busy[section.index] if start < at < end]
        for at, after in zip([start, *stops], [*stops, end], strict=True):
            yield from self.labels.labels(section, at, at + 1)
            if after > at:
                yield f"\t.skip {after - at}"

    def lines(self, section: Section, start: int, end: int, *, with_labels: bool = True) -> Iterator[str]:
        """A section, or a part of it, as data directives; with its labels, where these are not written already."""
        busy = self.places.busy[section.index]
        relocations = self.places.relocations.get(section.index, {})
        at = start
        while at < end:
            size = self._relocated_size(section, relocations.get(at, ()), end - at)
            if with_labels:
                yield from self.labels.labels(section, at, at + max(size, 1))
            if size:
                yield from self._relocated(section, at, size, relocations[at][0])
                at += size
                continue
            for each in relocations.get(at, ()):
                yield unsaid(each)
            next_busy = bisect_left(busy, at + 1)
            stop = min(busy[next_busy], end) if next_busy < len(busy) else end
            yield from self._data_of(section).lines(at, stop)
            at = stop

    def _data_of(self, section: Section) -> DataWriter:
        return DataWriter(section.data, section.alignment, "big" if self.places.file.big_endian else "little")

    def _relocated_size(self, section: Section, found: Sequence[Relocation], room: int) -> int:
        """How many bytes are filled in at a place, if assembly can say it; else 0."""
        if len(found) != 1:
            return 0
        kind = type_of(found[0].kind)
        if not (kind.size and kind.operator) or kind.size > room or self.places.expression(found[0]) is None:
            return 0
        within = self.places.relocations_between(section, found[0].offset + 1, found[0].offset + kind.size)
        return 0 if within else kind.size

    def _relocated(self, section: Section, at: int, size: int, relocation: Relocation) -> Iterator[str]:
        kind = type_of(relocation.kind)
        expression = self.places.expression(relocation)
        assert expression is not None
        is_other = kind.big_endian != self.places.file.big_endian
        said = "\t// the bytes are not 0 in the file" if any(section.data[at : at + size]) else ""
        if is_other:
            yield "\t.msb" if kind.big_endian else "\t.lsb"
        yield f"\tdata{size}{self._data_of(section).unaligned(at, size)} {kind.operator.format(expression)}{said}"
        if is_other:
            yield "\t.lsb" if kind.big_endian else "\t.msb"


def unsaid(relocation: Relocation) -> str:
    """What to say of a relocation that assembly cannot say."""
    kind, symbol = type_of(relocation.kind), relocation.symbol
    what = f"{symbol.name or 'no symbol'}{relocation.addend:+#x}"
    return f"// {comment(f'the relocation {kind.name} for {what} at {relocation.offset:#x} cannot be said here')}"
