"""An object as assembly: text of which GNU as makes the same sections, symbols and relocations.

Instructions stand in bundles with their templates and stops. What assembly cannot say stands as data, with a comment
that tells what it is.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

from msgspec import Struct

from pvasm.errors import PvasmError
from pvasm.isa.bundle import NOP_BUNDLE, SIZE
from pvasm.isa.instruction import Instruction
from pvasm.isa.operands import Symbolic
from pvasm.objects.data_directives import DataWriter, bytes_directive
from pvasm.objects.elf_file import (
    ABSOLUTE,
    ALLOC,
    COMMON,
    COMPRESSED,
    EXCLUDE,
    EXECUTE,
    GROUP,
    LINK_ORDER,
    MERGE,
    NO_RECOVERY,
    SHORT,
    STRINGS,
    TLS,
    UNDEFINED,
    WRITE,
    ElfFile,
    Relocation,
    Section,
    Symbol,
)
from pvasm.objects.object_code import CodeBundle, Slot, bundle_at, bundles_of, placed
from pvasm.objects.relocations import relocated_operand, type_of, with_operand
from pvasm.objects.symbol_names import SymbolNames
from pvasm.objects.written_code import (
    NOPS,
    can_be_written,
    is_behind_stop,
    makes_own_stops,
    must_be_first,
    predicate,
    written,
)
from pvasm.regex import regex

Remark = Callable[[Sequence[Instruction]], str | None]
"""What to remark on an instruction, given it and those behind it in line; None for nothing."""

Lines = Callable[[Section, int, int], Sequence[tuple[int, str, int]]]
"""Of a section from an offset to another: the offsets at which lines of sources begin, each with file and line."""

_AHEAD: Final = 3  # bundles that a remark may look at
_FLAGS: Final = {
    ALLOC: "a",
    WRITE: "w",
    EXECUTE: "x",
    EXCLUDE: "e",
    MERGE: "M",
    STRINGS: "S",
    TLS: "T",
    SHORT: "s",
    LINK_ORDER: "o",
    GROUP: "G",
}
_TYPES: Final = {
    "SHT_PROGBITS": "progbits",
    "SHT_NOBITS": "nobits",
    "SHT_NOTE": "note",
    "SHT_INIT_ARRAY": "init_array",
    "SHT_FINI_ARRAY": "fini_array",
    "SHT_PREINIT_ARRAY": "preinit_array",
    0x7000_0001: "unwind",
}
# What the assembler makes of itself.
_MADE: Final = frozenset(
    ("SHT_NULL", "SHT_SYMTAB", "SHT_STRTAB", "SHT_RELA", "SHT_REL", "SHT_GROUP", "SHT_SYMTAB_SHNDX")
)
_STANDARD: Final = {".text": ALLOC | EXECUTE, ".data": ALLOC | WRITE, ".bss": ALLOC | WRITE}
_DEBUGGING: Final = regex(r"\.(debug_|zdebug_|stab|gdb_index)[\w.]*")
_PLAIN_SECTION: Final = regex(r"[A-Za-z_.$][A-Za-z0-9_.$+-]*")
_QUOTABLE: Final = regex(r"[^\"\\\x00-\x1f\x7f\ud800-\udfff]+")


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


class _Part(Struct):
    """A part of a section, from an offset to another."""

    section: Section
    start: int
    end: int


class _Writing:
    """A file that is being written as assembly."""

    def __init__(self, file: ElfFile, wanted: Wanted, remark: Remark, lines: Lines) -> None:
        self.file = file
        self.wanted = wanted
        self.remark = remark
        self.lines = lines
        self.names = SymbolNames(file)
        self.left_out: list[str] = []
        self.told: tuple[str, int] | None = None  # the last line of a source that was told
        self.parts = list(self._parts())
        self.ranges: dict[int, list[tuple[int, int]]] = defaultdict(list)  # what is written of a section
        for part in self.parts:
            self.ranges[part.section.index].append((part.start, part.end))
        self.places: dict[int, dict[int, list[Symbol]]] = defaultdict(lambda: defaultdict(list))
        for symbol in file.symbols:
            if symbol.is_defined and self.names.is_said(symbol):
                self.places[symbol.section][self._offset(symbol)].append(symbol)
        self.relocations = {index: self._by_offset(found) for index, found in file.relocations.items() if index}
        self.labels: dict[int, set[int]] = defaultdict(set)  # that are needed and that no symbol is: offsets
        self.alike: dict[str, int] = {}  # sections of a name that another has, by name: how many there were
        self.in_order = defaultdict(list, {index: sorted(found) for index, found in self.places.items()})
        self.busy: dict[int, list[int]] = defaultdict(list)  # offsets in a section at which there is something
        self.used = {id(each.symbol) for found in file.relocations.values() for each in found}
        self.within: list[tuple[int, Symbol]] = []  # symbols of the part being written at no line of their own
        self.procedures: dict[tuple[int, int], list[Symbol]] = {}  # by section and offset: the names of one
        self.ends: dict[tuple[int, int], list[Symbol]] = {}  # procedures that end at an offset of a section
        self.by_address = sorted((each.address, each.index) for each in file.sections if each.flags & ALLOC)

    def _offset(self, symbol: Symbol) -> int:
        """Where in its section a symbol is."""
        return symbol.value - (0 if self.file.is_relocatable else self.file.sections[symbol.section].address)

    @staticmethod
    def _by_offset(relocations: Iterable[Relocation]) -> dict[int, list[Relocation]]:
        found: dict[int, list[Relocation]] = defaultdict(list)
        for each in relocations:
            found[each.offset].append(each)
        return found

    # --------------------------------------------------------------------------------- what is asked for

    def _parts(self) -> Iterator[_Part]:
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
                yield _Part(section, 0, section.size)
            elif self.wanted.sections or self.wanted.symbols or section.kind in _MADE:
                yield from (_Part(section, start, end) for index, start, end in ranges if index == section.index)
            elif not section.flags & ALLOC and _DEBUGGING.fullmatch(section.name):
                self.left_out.append(section.name)
            elif section.size or section.index in named:
                yield _Part(section, 0, section.size)

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
        start = self._offset(symbol)
        later = [self._offset(each) for each in defined if each.section == section.index]
        end = start + symbol.size if symbol.size else min((at for at in later if at > start), default=section.size)
        if not 0 <= start <= section.size:
            raise PvasmError(f"the symbol {name} is outside of its section", self.file.path)
        if section.is_code:
            start, end = start & ~(SIZE - 1), end + -end % SIZE
        return section.index, start, min(end, section.size)

    # ------------------------------------------------------------------------------------------- text

    def text(self) -> Iterator[str]:
        """All of it."""
        for part in self.parts:
            self._find_labels(part)
            if part.section.is_code:
                self._find_procedures(part)
        for part in self.parts:
            index = part.section.index
            busy = {*self.in_order[index], *self.labels.get(index, ()), *self.relocations.get(index, ())}
            self.busy[index] = sorted(busy)
        yield f"// {_comment(self.file.path)}: {self.file.kind}"
        yield "\t.explicit"
        if self.file.big_endian:
            yield "// big-endian: give the assembler -mbe"
        if self.left_out:
            yield f"// debugging information is left out: {_comment(', '.join(self.left_out))}"
        for each in self.file.symbols:
            if each.kind == "file" and _QUOTABLE.fullmatch(each.name):
                yield f'\t.file "{each.name}"'
        for symbol in self.names.unsaid:
            yield f"// the symbol {_comment(symbol.name)} cannot be said: its name is another's, or no name"
        for part in self.parts:
            yield ""
            yield from self._part(part)
        if not (self.wanted.sections or self.wanted.symbols):
            for symbol in self.file.symbols:
                if not symbol.is_defined and self.names.is_said(symbol):
                    yield from self._apart(symbol)

    def _apart(self, symbol: Symbol) -> Iterator[str]:
        """A symbol that has no place in a section."""
        name = self.names.reference(symbol)
        if symbol.section == ABSOLUTE:
            yield from self._binding(symbol)
            yield f"\t{self.names.definition(symbol)} = {symbol.value:#x}"
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

    def _binding(self, symbol: Symbol) -> Iterator[str]:
        name = self.names.reference(symbol)
        if symbol.binding in ("global", "weak"):
            yield f"\t.{symbol.binding} {name}"
        elif symbol.binding != "local":
            yield f"// the symbol {name} has the binding {symbol.binding}, which cannot be said"
        yield from self._visibility(symbol)

    def _visibility(self, symbol: Symbol) -> Iterator[str]:
        if symbol.visibility != "default":
            yield f"\t.{symbol.visibility} {self.names.reference(symbol)}"
        if symbol.other:
            name = self.names.reference(symbol)
            yield f"// the symbol {name} has {symbol.other:#x} in st_other, which cannot be said"

    def _part(self, part: _Part) -> Iterator[str]:
        section = part.section
        is_whole = (part.start, part.end) == (0, section.size)
        yield from self._heading(section)
        if not is_whole:
            yield f"// from {part.start:#x} to {part.end:#x} of {section.size:#x} bytes"
        elif section.alignment > 1:
            yield f"\t.align {section.alignment}"
        if section.is_code:
            yield from self._code(part)
        elif section.has_room:
            yield from self._data(section, part.start, part.end)
        else:
            yield from self._room(section, part.start, part.end)
        yield from self._values(section)
        if part.end == section.size:
            yield from self._labels(section, part.end, part.end + 1)
            for offset, symbol in self._symbols(section, section.size + 1, 1 << 64):
                name = self.names.reference(symbol)
                yield f"// the symbol {name} is {offset - section.size:#x} bytes behind the end of its section"
        elif part.end in self.labels.get(section.index, ()):
            yield f"{self._label(section, part.end)}:"

    def _heading(self, section: Section) -> Iterator[str]:
        flags = "".join(letter for flag, letter in _FLAGS.items() if section.flags & flag)
        unsaid = section.flags & ~(sum(_FLAGS) | COMPRESSED)
        said = section.name in _STANDARD and section.name not in self.alike
        kind = "SHT_NOBITS" if section.name == ".bss" else "SHT_PROGBITS"
        if said and section.flags == _STANDARD[section.name] and section.kind == kind:
            yield f"\t{section.name}"
        else:
            yield f'\t.section {self._section_name(section)},"{flags}",@{self._kind(section)}{self._more(section)}'
        self.alike[section.name] = self.alike.get(section.name, 0) + 1
        if section.flags & COMPRESSED:
            yield "// compressed: as it is, without the mark that says so"
        elif unsaid & ~NO_RECOVERY:
            yield f"// of the section's flags {unsaid:#x} cannot be said"
        if section.flags & NO_RECOVERY:
            yield "// of the section's flags SHF_IA_64_NORECOV cannot be said"

    @staticmethod
    def _section_name(section: Section) -> str:
        if _PLAIN_SECTION.fullmatch(section.name):
            return section.name
        return f'"{section.name}"' if _QUOTABLE.fullmatch(section.name) else f".unnamed_{section.index}"

    @staticmethod
    def _kind(section: Section) -> str:
        known = _TYPES.get(section.kind)
        if known is not None:
            return known
        return hex(_number_of(section.kind))

    def _more(self, section: Section) -> str:
        """What follows the type of a section: by its flags, and so that no other of its name is meant."""
        said = f",{section.entry_size}" if section.flags & MERGE else ""
        if section.flags & LINK_ORDER:
            sections = self.file.sections
            linked = sections[section.link] if 0 < section.link < len(sections) else section
            said += f",{self._section_name(linked)}"
        if section.flags & GROUP:
            said += f",{self.file.groups.get(section.index, 'group')},comdat"
        elif section.name in self.alike:
            said += f",unique,{section.index}"
        return said

    # ----------------------------------------------------------------------------------------- labels

    def _find_labels(self, part: _Part) -> None:
        """Takes note of the places that what is written will name, and that no symbol of its own is at."""
        section = part.section
        found = self.relocations.get(section.index, {})
        for each in (one for several in found.values() for one in several):
            if part.start <= each.offset < part.end:
                place = self._place_of(each)
                if place is not None:
                    self._want(*place)
        if section.is_code:
            for offset, _ in self._symbols(section, part.start, part.end):
                if offset % SIZE:
                    self._want(section, offset)
            for bundle in bundles_of(section, part.start, part.end):
                for slot in bundle.slots:
                    for _, target in self._open_targets(section, bundle, slot):
                        if target is not None:
                            self._want(*target)

    def _open_targets(
        self, section: Section, bundle: CodeBundle, slot: Slot
    ) -> list[tuple[int, tuple[Section, int] | None]]:
        """The operands that name bundles and that no linker fills in, with the place, None for one that is nowhere."""
        if not slot.targets:
            return []
        assert slot.instruction is not None
        filled = relocated_operand(slot.instruction) if self._relocation_of(section, bundle, slot) else None
        return [
            (place, self._target(section, bundle.offset + distance))
            for place, distance in slot.targets
            if place != filled
        ]

    def _place_of(self, relocation: Relocation) -> tuple[Section, int] | None:
        """The place that a relocation is for, if it is one in a section and not a symbol that has a name."""
        symbol = relocation.symbol
        if not symbol.is_defined or self.names.is_said(symbol):
            return None
        section = self.file.sections[symbol.section]
        return section, min(max(self._offset(symbol) + relocation.addend, 0), section.size)

    def _target(self, section: Section, offset: int) -> tuple[Section, int] | None:
        """The place of a target; in a program it may be in another section."""
        if 0 <= offset < section.size:
            return section, offset
        if self.file.is_relocatable:
            return None
        address = section.address + offset
        at = bisect_left(self.by_address, (address + 1, 0)) - 1
        if at < 0:
            return None
        found = self.file.sections[self.by_address[at][1]]
        return (found, address - found.address) if address < found.address + found.size else None

    def _want(self, section: Section, offset: int) -> None:
        if self._symbol_at(section, self._settled(section, offset)) is None:
            self.labels[section.index].add(self._settled(section, offset))

    @staticmethod
    def _settled(section: Section, offset: int) -> int:
        """Where a label for an offset stands: in code before a bundle."""
        return offset & ~(SIZE - 1) if section.is_code else offset

    def _symbol_at(self, section: Section, offset: int) -> Symbol | None:
        """A symbol that may be named for an offset: the assembler makes relocations of names that are global."""
        for symbol in self.places[section.index].get(offset, ()) if section.index in self.places else ():
            if symbol.binding == "local" or not self.file.is_relocatable:
                return symbol
        return None

    def _label(self, section: Section, offset: int) -> str:
        return f".L{section.index:x}_{offset:x}" if self.file.is_relocatable else f".L{section.address + offset:x}"

    def _named_place(self, section: Section, offset: int) -> str:
        """A place in a section as an operand."""
        at = self._settled(section, min(max(offset, 0), section.size))
        symbol = self._symbol_at(section, at)
        if symbol is not None:
            name = self.names.reference(symbol)
        elif self._iswritten(section, at):
            name = self._label(section, at)
        else:
            return f"{self._section_name(section)}+{offset:#x}"
        return name if offset == at else f"{name}{offset - at:+#x}"

    def _iswritten(self, section: Section, offset: int) -> bool:
        """Whether the place of a label is in a part that is written."""
        return any(start <= offset <= end for start, end in self.ranges.get(section.index, ()))

    def _expression(self, relocation: Relocation) -> str | None:
        """What a relocation is for, as an operand; None where it cannot be said."""
        symbol, addend = relocation.symbol, relocation.addend
        if self.names.is_said(symbol):
            name = self.names.reference(symbol)
            return f"{name}{addend:+#x}" if addend else name
        if symbol.is_defined:
            section = self.file.sections[symbol.section]
            return self._named_place(section, self._offset(symbol) + addend)
        return f"{addend:#x}" if not symbol.name and symbol.section == ABSOLUTE else None

    def _labels(self, section: Section, start: int, end: int, *, in_group: bool = False) -> Iterator[str]:
        """The symbols and labels at an offset, and those between it and another.

        Those within a bundle are told of when the part is at its end. Within a group of instructions no directive may
        stand that the assembler makes a stop for.
        """
        procedure = self.procedures.get((section.index, start), [])
        if procedure and in_group:
            del self.ends[section.index, start + procedure[0].size]
            procedure = []
        for _, symbol in self._symbols(section, start, start + 1):
            yield from self._binding(symbol)
            if symbol not in procedure:
                yield from self._nature(symbol)
        if procedure:
            yield f"\t.proc {self._references(procedure)}"
        if start in self.labels.get(section.index, ()):
            yield f"{self._label(section, start)}:"
        for offset, symbol in self._symbols(section, start, end):
            if offset == start:
                yield f"{self.names.definition(symbol)}:"
            elif section.is_code:
                self.within.append((offset, symbol))
            else:
                yield from self._binding(symbol)
                yield from self._nature(symbol)
                yield f"\t{self.names.definition(symbol)} = . + {offset - start}"
        for offset in range(start + 1, end) if not section.is_code and section.index in self.labels else ():
            if offset in self.labels[section.index]:
                yield f"\t{self._label(section, offset)} = . + {offset - start}"

    def _values(self, section: Section) -> Iterator[str]:
        """The symbols that are within bundles, as values: among instructions the assembler's `.` lags behind."""
        for offset, symbol in self.within:
            yield from self._binding(symbol)
            yield from self._nature(symbol)
            yield f"\t{self.names.definition(symbol)} = {self._named_place(section, offset)}"
        self.within.clear()

    def _symbols(self, section: Section, start: int, end: int) -> Iterator[tuple[int, Symbol]]:
        """The symbols from an offset to another, in order."""
        places = self.in_order[section.index]
        for at in range(bisect_left(places, start), bisect_left(places, end)):
            yield from ((places[at], symbol) for symbol in self.places[section.index][places[at]])

    def _nature(self, symbol: Symbol) -> Iterator[str]:
        """What a symbol is, and its size."""
        name = self.names.reference(symbol)
        said = _NATURES.get(symbol.kind)
        if said:
            yield f"\t.type {name},@{said}"
        elif said is None:
            yield f"// the symbol {name} is of type {symbol.kind}, which cannot be said"
        if symbol.size:
            yield f"\t.size {name},{symbol.size}"

    def _find_procedures(self, part: _Part) -> None:
        """Takes note of the functions of code that are whole bundles and overlap no other: `.proc` to `.endp`."""
        functions = [
            (offset, offset + symbol.size, symbol)
            for offset, symbol in self._symbols(part.section, part.start, part.end)
            if symbol.kind == "function" and symbol.size and not (offset | symbol.size) & (SIZE - 1)
        ]
        free = part.start
        for (start, end), same in groupby(functions, key=lambda each: each[:2]):
            if start >= free and end <= part.end and is_behind_stop(part.section, end):
                names = [symbol for _, _, symbol in same]
                self.procedures[part.section.index, start] = self.ends[part.section.index, end] = names
                free = end

    def _procedure_ends(self, section: Section, offset: int) -> Iterator[str]:
        names = self.ends.get((section.index, offset))
        if names:
            yield f"\t.endp {self._references(names)}"

    def _references(self, symbols: Iterable[Symbol]) -> str:
        return ", ".join(map(self.names.reference, symbols))

    # ------------------------------------------------------------------------------------------- code

    def _code(self, part: _Part) -> Iterator[str]:
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
                yield from self._procedure_ends(section, at)
                yield from self._labels(section, at, at + 1)
                yield f"\t{directive}"
                at += room
                continue
            group.append((bundle, texts))
            at += SIZE
            if texts is None or bundle.ends_group:
                yield from self._group(section, group)
                group.clear()
        yield from self._group(section, [(each, None) for each, _ in group])
        yield from self._procedure_ends(section, end)
        if end < part.end:
            yield from self._data(section, end, part.end)

    def _group(self, section: Section, group: Iterable[tuple[CodeBundle, list[str] | None]]) -> Iterator[str]:
        for place, (bundle, texts) in enumerate(group):
            yield from self._procedure_ends(section, bundle.offset)
            yield from self._labels(section, bundle.offset, bundle.offset + SIZE, in_group=place > 0)
            yield from self._bundle(section, bundle, texts)

    def _filler(self, section: Section, start: int, end: int, may_align: bool) -> tuple[int, str]:
        """How many bytes from a bundle on are room or padding that one directive makes, and that; 0 for none."""
        room = self._alike(section, start, end, bytes(SIZE))
        if room > SIZE:
            return room, f".skip {room}"
        padding = self._alike(section, start, end, NOP_BUNDLE) if may_align else 0
        found, alignment = (0, ""), SIZE
        while padding and alignment < section.alignment:
            alignment *= 2
            if found[0] < -start % alignment <= padding:
                found = -start % alignment, f".align {alignment}"
        return found

    def _alike(self, section: Section, start: int, end: int, code: bytes) -> int:
        """How many bytes from a bundle on repeat it, without a label within or a relocation."""
        busy = self.busy[section.index]
        at = start
        while at < end and section.data[at : at + SIZE] == code:
            first = bisect_left(busy, at + (at == start))
            if first < len(busy) and busy[first] < at + SIZE:
                break
            at += SIZE
        return at - start

    def _texts(self, section: Section, bundle: CodeBundle) -> list[str] | None:
        """The texts of a bundle's instructions; None where assembly cannot say one of them."""
        texts: list[str] = []
        if makes_own_stops(bundle):
            return None
        for slot in bundle.slots:
            text = self._instruction(section, bundle, slot)
            if text is None:
                return None
            texts.append(text)
        return texts or None

    def _bundle(self, section: Section, bundle: CodeBundle, texts: list[str] | None) -> Iterator[str]:
        offset = bundle.offset
        address = f"\t// {section.address + offset:#x}" if self.wanted.addresses else ""
        sources: dict[int, list[str]] = defaultdict(list)
        for place, file, line in self.lines(section, offset, offset + SIZE):
            if (file, line) != self.told:
                sources[place & 3].append(f"// {_comment(file)}:{line}")
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
            yield f"// no bundle: the template {bundle.bundle.template:#x} is reserved"
        for slot in bundle.slots:
            found = slot.instruction
            what = (
                f"no instruction: {slot.bits:#x}"
                if found is None
                else placed(found, section.address + offset).full_text
            )
            yield f"// {what}{' ;;' if slot.stop else ''}{self._said_of(section, bundle, slot)}"
        if self._texts(section, bundle) is not None:
            yield "// as data: the assembler would make a stop behind it"
        for relocation in self._relocations_between(section, offset, offset + SIZE):
            yield f"// {_comment(self._unsaid(relocation))}"
        data = bytes(section.data[offset : offset + SIZE])
        yield f"\t{bytes_directive(data)}{address}"

    def _relocations_between(self, section: Section, start: int, end: int) -> list[Relocation]:
        found = self.relocations.get(section.index, {})
        return [each for offset in range(start, end) for each in found.get(offset, ())]

    def _unsaid(self, relocation: Relocation) -> str:
        kind, symbol = type_of(relocation.kind), relocation.symbol
        return f"the relocation {kind.name} for {symbol.name or 'no symbol'}{relocation.addend:+#x} cannot be said here"

    def _relocation_of(self, section: Section, bundle: CodeBundle, slot: Slot) -> list[Relocation]:
        """What is to be filled in an instruction. The psABI has a long one's in slot 1, and some have it in slot 2."""
        found = self.relocations.get(section.index)
        if not found:
            return []
        places = (1, 2) if slot.unit == "X" else (slot.slot,)
        return [each for place in places for each in found.get(bundle.offset + place, ())]

    def _instruction(self, section: Section, bundle: CodeBundle, slot: Slot) -> str | None:
        """The text of an instruction; None where none gives its bits."""
        instruction = slot.instruction
        if instruction is None or not can_be_written(instruction, slot.bits):
            return None
        relocations = self._relocation_of(section, bundle, slot)
        if len(relocations) > 1:
            return None
        filled = instruction
        for place, target in self._open_targets(section, bundle, slot):
            if target is None:
                return None
            filled = with_operand(filled, place, Symbolic(self._named_place(*target)))
        if relocations:
            return self._relocated_text(filled, relocations[0])
        return written(filled)

    def _relocated_text(self, instruction: Instruction, relocation: Relocation) -> str | None:
        """The text of an instruction with what a linker fills in; None where assembly cannot say that."""
        kind, expression = type_of(relocation.kind), self._expression(relocation)
        place = relocated_operand(instruction)
        if expression is None:
            return None
        if kind.quantity == "mark" and instruction.mnemonic == "ld8":
            return f"{predicate(instruction)}ld8.mov {instruction.text.partition(' ')[2]},{expression}"
        if kind.size or not kind.operator or place is None:
            return None
        return written(with_operand(instruction, place, Symbolic(kind.operator.format(expression))))

    def _said_of(self, section: Section, bundle: CodeBundle, slot: Slot) -> str:
        """What is remarked on an instruction, as a comment behind it."""
        if slot.instruction is None:
            return ""
        said: list[str] = []
        for _, target in self._open_targets(section, bundle, slot):
            if target is not None and self._symbol_at(*target) is None:
                named = next((symbol.name for _, symbol in self._symbols(target[0], target[1], target[1] + 1)), None)
                said += [named] if named else []
        if self._relocation_of(section, bundle, slot) and not _is_empty(slot.instruction):
            said.append("the field that is filled in is not 0 in the file")
        if slot.instruction.privileged or slot.instruction.sensitive or slot.instruction.level_dependent:
            remark = self.remark(self._run(section, bundle, slot))
            said += [remark] if remark else []
        return f"\t// {_comment('; '.join(said))}" if said else ""

    def _run(self, section: Section, bundle: CodeBundle, slot: Slot) -> list[Instruction]:
        """An instruction and those that follow it, without nops."""
        start = bundle.offset + SIZE
        ahead = bundles_of(section, start, min(start + _AHEAD * SIZE, section.size))
        rest = [each for each in bundle.slots if each.slot >= slot.slot]
        slots = [*rest, *(each for later in ahead for each in later.slots)]
        return [
            each.instruction for each in slots if each.instruction is not None and each.instruction.mnemonic not in NOPS
        ]

    # ------------------------------------------------------------------------------------------- data

    def _room(self, section: Section, start: int, end: int) -> Iterator[str]:
        """A section without bytes."""
        stops = [at for at in self.busy[section.index] if start < at < end]
        for at, after in zip([start, *stops], [*stops, end], strict=True):
            yield from self._labels(section, at, at + 1)
            if after > at:
                yield f"\t.skip {after - at}"

    def _data(self, section: Section, start: int, end: int) -> Iterator[str]:
        """A section, or a part of it, as data directives."""
        busy = self.busy[section.index]
        relocations = self.relocations.get(section.index, {})
        at = start
        while at < end:
            size = self._relocated_size(section, relocations.get(at, ()), end - at)
            yield from self._labels(section, at, at + max(size, 1))
            if size:
                yield from self._relocated(section, at, size, relocations[at][0])
                at += size
                continue
            for each in relocations.get(at, ()):
                yield f"// {_comment(self._unsaid(each))}"
            next_busy = bisect_left(busy, at + 1)
            stop = min(busy[next_busy], end) if next_busy < len(busy) else end
            yield from self._data_of(section).lines(at, stop)
            at = stop

    def _data_of(self, section: Section) -> DataWriter:
        return DataWriter(section.data, section.alignment, "big" if self.file.big_endian else "little")

    def _relocated_size(self, section: Section, found: Sequence[Relocation], room: int) -> int:
        """How many bytes are filled in at a place, if assembly can say it; else 0."""
        if len(found) != 1:
            return 0
        kind = type_of(found[0].kind)
        if not (kind.size and kind.operator) or kind.size > room or self._expression(found[0]) is None:
            return 0
        within = self._relocations_between(section, found[0].offset + 1, found[0].offset + kind.size)
        return 0 if within else kind.size

    def _relocated(self, section: Section, at: int, size: int, relocation: Relocation) -> Iterator[str]:
        kind = type_of(relocation.kind)
        expression = self._expression(relocation)
        assert expression is not None
        is_other = kind.big_endian != self.file.big_endian
        said = "\t// the bytes are not 0 in the file" if any(section.data[at : at + size]) else ""
        if is_other:
            yield "\t.msb" if kind.big_endian else "\t.lsb"
        yield f"\tdata{size}{self._data_of(section).unaligned(at, size)} {kind.operator.format(expression)}{said}"
        if is_other:
            yield "\t.lsb" if kind.big_endian else "\t.msb"


_NATURES: Final = {
    "notype": "",
    "tls": "",
    "common": "",
    "object": "object",
    "function": "function",
    "gnu_indirect_function": "gnu_indirect_function",
}


def _comment(text: str) -> str:
    """A text as it may stand in a comment: on one line."""
    return "".join(each if each.isprintable() else "?" for each in text)


def _number_of(kind: str | int) -> int:
    """The number of a type of section that has a name."""
    from elftools.elf.enums import ENUM_SH_TYPE_BASE

    return kind if isinstance(kind, int) else int(ENUM_SH_TYPE_BASE.get(kind, 1))


def _is_empty(instruction: Instruction) -> bool:
    """Whether the field that a linker fills in is 0."""
    place = relocated_operand(instruction)
    return place is None or instruction.operands[place] == 0
