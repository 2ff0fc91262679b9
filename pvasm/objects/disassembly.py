"""An object as assembly: text of which GNU as makes the same sections, symbols and relocations.

Instructions stand in bundles with their templates and stops. What assembly cannot say stands as data, with a comment
that tells what it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct

from pvasm.errors import PvasmError
from pvasm.isa.bundle import SIZE
from pvasm.objects.data_directives import comment
from pvasm.objects.elf_file import ALLOC, ElfFile
from pvasm.objects.label_lines import LabelWriter
from pvasm.objects.object_places import Part, Places
from pvasm.objects.section_code import Lines, Remark, SectionCode
from pvasm.objects.section_data import SectionData, unsaid
from pvasm.objects.section_headings import SectionHeadings
from pvasm.objects.symbol_names import can_be_quoted
from pvasm.regex import regex

# What the assembler makes of itself.
_MADE: Final = frozenset(
    ("SHT_NULL", "SHT_SYMTAB", "SHT_STRTAB", "SHT_RELA", "SHT_REL", "SHT_GROUP", "SHT_SYMTAB_SHNDX")
)
_MADE_FLAGS: Final = 0x10  # EF_IA_64_ABI64: longs and pointers of 64 bits
_BIG_ENDIAN: Final = 0x08  # EF_IA_64_BE
# What the linker makes for the dynamic linker.
_DYNAMIC: Final = frozenset(
    ("SHT_DYNSYM", "SHT_HASH", "SHT_GNU_HASH", "SHT_DYNAMIC", "SHT_GNU_versym", "SHT_GNU_verneed", "SHT_GNU_verdef")
)
_DEBUGGING: Final = regex(r"\.(debug_|zdebug_|stab|gdb_index)[\w.]*")


class Wanted(Struct, frozen=True):
    """Which parts are asked for: sections by name and functions by symbol; all where both are empty.

    Sections with debugging information are left out unless they are named.
    """

    sections: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    addresses: bool = False


def disassembly(
    file: ElfFile, wanted: Wanted, remark: Remark = lambda _: None, lines: Lines = lambda *_: ()
) -> Iterator[str]:
    """The lines of the text. Raises PvasmError for a section or a symbol that is asked for and that there is not."""
    return _Writing(file, wanted, remark, lines).text()


class _Writing:
    """A file that is being written as assembly."""

    def __init__(self, file: ElfFile, wanted: Wanted, remark: Remark, lines: Lines) -> None:
        self.file = file
        self.wanted = wanted
        self.left_out: list[str] = []
        self.linked: list[str] = []
        self.parts = list(self._parts())
        self.places = Places(file, self.parts)
        self.labels = LabelWriter(self.places, self.parts)
        self.headings = SectionHeadings(file)
        self.data = SectionData(self.places, self.labels)
        self.code = SectionCode(self.places, self.labels, remark, lines, tells_addresses=wanted.addresses)

    # --------------------------------------------------------------------------------- what is asked for

    def _parts(self) -> Iterator[Part]:
        """The parts that are asked for, in the order of the file."""
        known = {each.name for each in self.file.sections}
        named = {each.section for each in self.file.symbols if each.kind != "section"}
        for name in self.wanted.sections:
            if name not in known:
                raise self._missing("section", name, known)
        ranges: list[tuple[int, int, int]] = []
        for index, start, end in sorted(map(self._range_of, self.wanted.symbols)):
            if ranges and ranges[-1][0] == index and start < ranges[-1][2]:
                _, start, before = ranges.pop()
                end = max(before, end)
            ranges.append((index, start, end))
        for section in self.file.sections:
            if section.name in self.wanted.sections:
                yield Part(section, 0, section.size)
            elif self.wanted.sections or self.wanted.symbols or section.kind in _MADE:
                yield from (Part(section, start, end) for index, start, end in ranges if index == section.index)
            elif not section.flags & ALLOC and _DEBUGGING.fullmatch(section.name):
                self.left_out.append(section.name)
            elif section.kind in _DYNAMIC:
                self.linked.append(section.name)
            elif section.size or section.index in named:
                yield Part(section, 0, section.size)

    def _missing(self, what: str, name: str, known: Iterable[str]) -> PvasmError:
        from pvasm.suggestions import near

        return PvasmError(f"there is no {what} {name}{near(name, known)}", self.file.path)

    def _range_of(self, name: str) -> tuple[int, int, int]:
        """A section and the offsets that a symbol is about: of its size, or up to the next symbol."""
        defined = [each for each in self.file.symbols if each.is_defined and each.kind != "section"]
        found = [each for each in defined if each.name == name]
        if not found:
            raise self._missing("symbol", name, (each.name for each in defined))
        symbol = found[0]
        section = self.file.sections[symbol.section]
        start = self.file.offset_of(symbol)
        later = [self.file.offset_of(each) for each in defined if each.section == section.index]
        end = start + symbol.size if symbol.size else min((at for at in later if at > start), default=section.size)
        if not 0 <= start <= section.size:
            raise PvasmError(f"the symbol {name} is outside of its section", self.file.path)
        if section.is_code:
            start, end = start & ~(SIZE - 1), end + -end % SIZE
        return section.index, start, min(end, section.size)

    # ------------------------------------------------------------------------------------------- text

    def text(self) -> Iterator[str]:
        """All of it."""
        yield f"// {comment(self.file.path)}: {self.file.kind}"
        yield "\t.explicit"
        if self.file.big_endian:
            yield "// big-endian: give the assembler -mbe"
        if self.file.is_relocatable and self.file.flags & ~_BIG_ENDIAN != _MADE_FLAGS:
            yield f"// e_flags are {self.file.flags:#x}; the assembler makes {_MADE_FLAGS:#x} of this"
        if self.file.relocations.get(0):
            yield f"// relocations for the dynamic linker are left out: {len(self.file.relocations[0])}"
        if self.linked:
            yield f"// what the linker makes is left out: {comment(', '.join(self.linked))}"
        if self.left_out:
            yield f"// debugging information is left out: {comment(', '.join(self.left_out))}"
        for each in self.file.symbols:
            if each.kind == "file" and can_be_quoted(each.name):
                yield f'\t.file "{each.name}"'
        for symbol in self.places.names.unsaid:
            name = symbol.name
            if symbol.is_defined:
                name += f" ({self.file.sections[symbol.section].name}+{self.file.offset_of(symbol):#x})"
            yield f"// the symbol {comment(name)} cannot be said: its name is another's, or no name"
        for part in self.parts:
            yield ""
            yield from self._part(part)
        if not (self.wanted.sections or self.wanted.symbols):
            for symbol in self.file.symbols:
                if not symbol.is_defined and self.places.names.is_said(symbol):
                    yield from self.labels.apart(symbol)

    def _part(self, part: Part) -> Iterator[str]:
        section = part.section
        is_whole = (part.start, part.end) == (0, section.size)
        yield from self.headings.lines(section)
        if not is_whole:
            yield f"// from {part.start:#x} to {part.end:#x} of {section.size:#x} bytes"
        elif section.alignment > 1:
            yield f"\t.align {section.alignment}"
        if section.is_code:
            yield from self.code.lines(part)
        elif section.has_room:
            yield from self.data.lines(section, part.start, part.end)
        else:
            yield from self.data.room(section, part.start, part.end)
        yield from self.labels.values(section)
        if part.end == section.size:
            yield from self.labels.labels(section, part.end, part.end + 1)
            for offset, symbol in self.places.symbols(section, section.size + 1, 1 << 64):
                name = self.places.names.reference(symbol)
                yield f"// the symbol {name} is {offset - section.size:#x} bytes behind the end of its section"
            for each in self.places.relocations_behind(part):
                yield unsaid(each)
        elif part.end in self.places.labels.get(section.index, ()):
            yield f"{self.places.label(section, part.end)}:"
