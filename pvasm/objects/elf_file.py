"""ELF files for IA-64: header, sections, segments, symbols and relocations (System V ABI; Intel's IA-64 psABI).

What a file claims of itself is believed only as far as the file goes: each offset and count is looked at before it is
used, so that memory and time stay in proportion to the file.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct, field

from pvasm.errors import PvasmError
from pvasm.files import open_regular
from pvasm.objects.archive import ARCHIVE_MAGIC, THIN_MAGIC, member_of, refuse_thin, split_name, which_member
from pvasm.text import read_bytes, shown_name

MAX_OBJECT_BYTES: Final = 256 << 20
MAGIC: Final = b"\x7fELF"

_LONGEST_NAME: Final = 1 << 15
_NAMES_AT_MOST: Final = 64 << 20
_MOST_SECTIONS: Final = 100_000
_HEADER, _SECTION_HEADER, _SEGMENT_HEADER, _SYMBOL, _RELOCATION = 64, 64, 56, 24, 24  # bytes of each

# Section numbers that are none (gABI, "Special Section Indexes").
UNDEFINED: Final = 0
ABSOLUTE: Final = 0xFFF1
COMMON: Final = 0xFFF2
_NUMBER_ELSEWHERE: Final = 0xFFFF
_RESERVED: Final = 0xFF00

# sh_flags
WRITE, ALLOC, EXECUTE, MERGE, STRINGS, LINK_ORDER, GROUP, TLS, COMPRESSED = (
    *(0x1, 0x2, 0x4, 0x10, 0x20, 0x80, 0x200, 0x400, 0x800),
)
INFO_LINK: Final = 0x40
EXCLUDE: Final = 0x8000_0000
SHORT: Final = 0x1000_0000
"""SHF_IA_64_SHORT: near gp."""
NO_RECOVERY: Final = 0x2000_0000
"""SHF_IA_64_NORECOV: speculative loads that fail are not recovered from."""

_TYPES: Final = {"ET_REL": "relocatable", "ET_EXEC": "executable", "ET_DYN": "shared"}
BINDINGS: Final = {0: "local", 1: "global", 2: "weak"}
SYMBOL_TYPES: Final = {
    0: "notype",
    1: "object",
    2: "function",
    3: "section",
    4: "file",
    5: "common",
    6: "tls",
    10: "gnu_indirect_function",
}
VISIBILITIES: Final = {0: "default", 1: "internal", 2: "hidden", 3: "protected"}


class Section(Struct, eq=False):
    """A section; `kind` is its type as pyelftools names it, or a number. `data` is empty for one without room."""

    index: int
    name: str
    kind: str | int
    flags: int
    address: int
    size: int
    link: int
    info: int
    alignment: int
    entry_size: int
    data: memoryview
    offset: int = 0

    @property
    def is_code(self) -> bool:
        """Whether it holds instructions."""
        return bool(self.flags & EXECUTE) and self.kind == "SHT_PROGBITS"

    @property
    def has_room(self) -> bool:
        """Whether its bytes are in the file: those of `.bss` are not."""
        return self.kind != "SHT_NOBITS"


class Symbol(Struct, eq=False):
    """A symbol; `section` is the number of a section, or UNDEFINED, ABSOLUTE, COMMON.

    `value` counts from the section's start in a relocatable object, and is an address in others; of a common symbol it
    is the alignment. `binding` and `kind` are words, or the number that has none.
    """

    name: str
    value: int
    size: int
    section: int
    binding: str
    kind: str
    visibility: str = "default"
    other: int = 0

    @property
    def is_defined(self) -> bool:
        """Whether it has a place in a section."""
        return 0 < self.section < _RESERVED


class Relocation(Struct, eq=False):
    """What the linker has to fill in; `kind` is the number that the psABI gives it.

    `offset` counts from the section's start in a relocatable object, and is an address in others. For an instruction
    it is the bundle's, with the slot in the low bits.
    """

    offset: int
    kind: int
    symbol: Symbol
    addend: int


class ProgramSegment(Struct, eq=False):
    """A part of the file that the program header has put in memory (PT_LOAD)."""

    address: int
    data: memoryview
    size: int
    executable: bool


class ElfFile(Struct, eq=False):
    """An ELF file for IA-64.

    `kind` is relocatable, executable or shared. `relocations` are by the number of the section that they are for; those
    of a program as a whole (for the dynamic linker) stand under 0.
    """

    path: str
    kind: str
    entry: int
    flags: int
    big_endian: bool
    sections: list[Section] = field(default_factory=list)
    segments: list[ProgramSegment] = field(default_factory=list)
    symbols: list[Symbol] = field(default_factory=list)
    relocations: dict[int, list[Relocation]] = field(default_factory=dict)
    groups: dict[int, str] = field(default_factory=dict)
    """The signature of the group that a section is in, by its number (gABI, SHT_GROUP)."""

    @property
    def is_relocatable(self) -> bool:
        """Whether sections have no addresses yet."""
        return self.kind == "relocatable"

    def offset_of(self, symbol: Symbol) -> int:
        """Where in its section a symbol is, of those that are defined."""
        return symbol.value - (0 if self.is_relocatable else self.sections[symbol.section].address)

    def section_named(self, name: str) -> Section | None:
        """The first section of a name."""
        return next((each for each in self.sections if each.name == name), None)


def read_elf_file(path: str | os.PathLike[str], given: bytes | None = None) -> ElfFile:
    """The ELF file of a path; `-` is standard input, and `libc.a(memcpy.o)` a member of an archive.

    `given` are its bytes, if they have been read.

    Raises PvasmError, with what is wrong and where, for a file that cannot be read, that is no ELF file for IA-64, that
    is damaged, or that is larger than MAX_OBJECT_BYTES.
    """
    name = os.fspath(path)
    data = read_object_bytes(name) if given is None else given
    if data.startswith(ARCHIVE_MAGIC):
        raise which_member(data, shown_name(name))
    return elf_file_of(data, shown_name(name))


def read_object_bytes(path: str) -> bytes:
    """The bytes of an object, a program, an archive as a whole, or a member. Raises PvasmError as `read_elf_file`."""
    inside = None if os.path.exists(path) else split_name(path)
    data = read_bytes(inside[0] if inside else path, MAX_OBJECT_BYTES)
    return member_of(data, *inside) if inside else data


def is_elf_file(path: str, given: bytes | None = None) -> bool:
    """Whether a file begins as ELF files and archives do; false for one that cannot be read.

    `given` are its bytes, if they have been read, as those of standard input must be.
    """
    if given is not None:
        return given.startswith((MAGIC, ARCHIVE_MAGIC, THIN_MAGIC))
    inside = None if os.path.exists(path) else split_name(path)
    try:
        with open_regular(inside[0] if inside else path) as file:
            return file.read(len(ARCHIVE_MAGIC)).startswith((MAGIC, ARCHIVE_MAGIC, THIN_MAGIC))
    except OSError:
        return False


def elf_file_of(data: bytes, path: str) -> ElfFile:
    """The ELF file that some bytes are; `path` is for messages. Raises PvasmError as `read_elf_file` does."""
    return _Reading(data, path).file()


class _Reading:
    """An ELF file that is being read."""

    def __init__(self, data: bytes, path: str) -> None:
        self.data = memoryview(data)
        self.path = path
        self.names_left = _NAMES_AT_MOST
        self.headers: list[Any] = []  # of sections, as pyelftools reads them
        self.tables: dict[int, list[Symbol]] = {}  # of symbols, by the number of the section

    def error(self, message: str) -> PvasmError:
        return PvasmError(message, self.path)

    def file(self) -> ElfFile:
        from elftools.common.exceptions import ELFError
        from elftools.elf.structs import ELFStructs

        self._check_identity()
        self.order = "<>"[self.data[5] - 1]
        self.structs = ELFStructs(little_endian=self.order == "<", elfclass=64)
        try:
            self.structs.create_basic_structs()
            header = self._parsed("Elf_Ehdr", 0, _HEADER, "the file header")
            self.structs.create_advanced_structs(header["e_type"], header["e_machine"], header["e_ident"]["EI_OSABI"])
            return self._file(header)
        except ELFError as error:
            raise self.error(f"damaged: {error}") from None

    def _check_identity(self) -> None:
        """Refuses what is no ELF file of 64 bits."""
        if bytes(self.data[:4]) != MAGIC:
            refuse_thin(self.data, self.path)
            raise self.error("no ELF file")
        if len(self.data) < _HEADER:
            raise self.error(f"cut off: the file header needs {_HEADER} bytes, and there are {len(self.data)}")
        if self.data[4] != 2:
            raise self.error("not an ELF file of 64 bits: others are not read")
        if self.data[5] not in (1, 2):
            raise self.error(f"damaged: the byte order is {self.data[5]}, and not 1 or 2")

    def _parsed(self, layout: str, offset: int, size: int, what: str) -> Any:
        """A structure of the file, as pyelftools names its layouts."""
        from elftools.common.utils import struct_parse

        raw = self._slice(offset, size, what)
        return struct_parse(getattr(self.structs, layout), io.BytesIO(bytes(raw)))

    def _slice(self, offset: int, size: int, what: str) -> memoryview:
        """Some bytes of the file. Raises PvasmError if it has them not."""
        if offset + size > len(self.data):
            end = f"{offset:#x} to {offset + size:#x}"
            raise self.error(f"cut off: {what} is at {end}, and the file ends at {len(self.data):#x}")
        return self.data[offset : offset + size]

    def _file(self, header: Mapping[str, Any]) -> ElfFile:
        if header["e_machine"] != "EM_IA_64":
            raise self.error(f"not for IA-64: the machine is {_plain(header['e_machine'], 'EM_')}")
        kind = _TYPES.get(header["e_type"])
        if kind is None:
            raise self.error(f"neither an object nor a program: the type is {_plain(header['e_type'], 'ET_')}")
        file = ElfFile(self.path, kind, header["e_entry"], header["e_flags"], self.order == ">")
        file.sections = self._sections(header)
        self._refuse_overlaps(file.sections)
        file.segments = list(self._segments(header, file))
        self._symbols(file)
        for section in file.sections:
            if section.kind in ("SHT_RELA", "SHT_REL"):
                self._relocations(file, section)
            elif section.kind == "SHT_GROUP":
                self._group(file, section)
        return file

    # ------------------------------------------------------------------------------------- sections

    def _sections(self, header: Mapping[str, Any]) -> list[Section]:
        offset, count, names = header["e_shoff"], header["e_shnum"], header["e_shstrndx"]
        if offset == 0:
            return []
        self._check_size("section headers", header["e_shentsize"], _SECTION_HEADER)
        first = self._parsed("Elf_Shdr", offset, _SECTION_HEADER, "the first section header")
        # Numbers that do not fit stand in the first section's header (gABI, "ELF Header").
        count = count or first["sh_size"]
        names = first["sh_link"] if names == _NUMBER_ELSEWHERE else names
        if count > _MOST_SECTIONS:
            raise self.error(f"{count} sections: at most {_MOST_SECTIONS} are read")
        self._slice(offset, count * _SECTION_HEADER, f"the table of {count} section headers")
        where = range(offset, offset + count * _SECTION_HEADER, _SECTION_HEADER)
        self.headers = [self._parsed("Elf_Shdr", each, _SECTION_HEADER, "a section header") for each in where]
        table = self._contents(names) if 0 < names < count else memoryview(b"")
        return [self._section(index, each, table) for index, each in enumerate(self.headers)]

    def _check_size(self, what: str, size: int, due: int) -> None:
        if size != due:
            raise self.error(f"damaged: {what} have {size} bytes each, and not {due}")

    def _contents(self, index: int) -> memoryview:
        header = self.headers[index]
        if header["sh_type"] in ("SHT_NOBITS", "SHT_NULL"):
            return memoryview(b"")
        return self._slice(header["sh_offset"], header["sh_size"], f"section {index}")

    def _section(self, index: int, header: Mapping[str, Any], names: memoryview) -> Section:
        alignment = header["sh_addralign"] or 1
        name = self._name(names, header["sh_name"], f"the name of section {index}")
        if alignment & (alignment - 1):
            raise self.error(f"damaged: section {name} is aligned to {alignment:#x}, which is no power of two")
        return Section(
            index,
            name,
            header["sh_type"],
            header["sh_flags"],
            header["sh_addr"],
            header["sh_size"],
            header["sh_link"],
            header["sh_info"],
            alignment,
            header["sh_entsize"],
            self._contents(index),
            header["sh_offset"],
        )

    def _name(self, table: memoryview, offset: int, what: str) -> str:
        """A name in a table of strings."""
        if offset == 0 and not table:
            return ""
        if offset >= len(table):
            raise self.error(f"damaged: {what} is at {offset:#x} of a table of {len(table):#x} bytes")
        text = bytes(table[offset : offset + _LONGEST_NAME])
        end = text.find(b"\0")
        if end < 0:
            raise self.error(f"damaged: {what} does not end within {_LONGEST_NAME} bytes, or within its table")
        self.names_left -= end
        if self.names_left < 0:
            raise self.error(f"the names are more than {_NAMES_AT_MOST >> 20} MiB: not read")
        return text[:end].decode("utf-8", "surrogateescape")

    def _refuse_overlaps(self, sections: Sequence[Section]) -> None:
        """Refuses sections that share bytes: no linker makes them, and what is read would not be bounded."""
        last: Section | None = None
        for section in sorted((each for each in sections if len(each.data)), key=lambda each: each.offset):
            if last is not None and section.offset < last.offset + len(last.data):
                raise self.error(f"damaged: the sections {last.index} ({last.name}) and {section.index} "
                                 f"({section.name}) overlap in the file")  # fmt: skip
            last = section

    def _segments(self, header: Mapping[str, Any], file: ElfFile) -> Iterator[ProgramSegment]:
        offset, count = header["e_phoff"], header["e_phnum"]
        if file.is_relocatable or offset == 0 or count == 0:
            return
        self._check_size("program headers", header["e_phentsize"], _SEGMENT_HEADER)
        for at in range(offset, offset + count * _SEGMENT_HEADER, _SEGMENT_HEADER):
            each = self._parsed("Elf_Phdr", at, _SEGMENT_HEADER, "a program header")
            if each["p_type"] != "PT_LOAD":
                continue
            address, size = each["p_vaddr"], each["p_memsz"]
            data = self._slice(each["p_offset"], each["p_filesz"], f"the segment for {address:#x}")
            if size < len(data) or address + size > 1 << 64:
                raise self.error(f"damaged: the segment for {address:#x} has {len(data):#x} bytes for {size:#x}")
            yield ProgramSegment(address, data, size, bool(each["p_flags"] & 1))

    # --------------------------------------------------------------------------- symbols, relocations

    def _symbols(self, file: ElfFile) -> None:
        """Reads the tables of symbols; those of a file are the full table's, or what a stripped file has left."""
        further = {each.link: each for each in file.sections if each.kind == "SHT_SYMTAB_SHNDX"}
        for section in file.sections:
            if section.kind in ("SHT_SYMTAB", "SHT_DYNSYM"):
                self.tables[section.index] = self._table(file, section, further.get(section.index))
                if section.kind == "SHT_SYMTAB" or not file.symbols:
                    file.symbols = self.tables[section.index]

    def _entries(self, section: Section, layout: str, size: int) -> Iterator[tuple[int, ...]]:
        """The entries of a section that is a table. pyelftools takes fifty times as long for each."""
        if len(section.data) % size:
            raise self.error(f"damaged: section {section.name} has {len(section.data)} bytes, no multiple of {size}")
        return struct.iter_unpack(self.order + layout, section.data)

    def _table(self, file: ElfFile, section: Section, further: Section | None) -> list[Symbol]:
        strings = self._linked(file, section.link, section).data
        numbers = [each for (each,) in self._entries(further, "I", 4)] if further is not None else []
        symbols: list[Symbol] = []
        for entry in self._entries(section, "IBBHQQ", _SYMBOL):
            name, info, other, number, value, size = entry
            what = f"the name of symbol {len(symbols)}"
            if number == _NUMBER_ELSEWHERE:
                number = numbers[len(symbols)] if len(symbols) < len(numbers) else len(file.sections)
            if number < _RESERVED and number >= len(file.sections):
                raise self.error(f"damaged: symbol {len(symbols)} is in section {number}, which there is not")
            symbol = Symbol(
                self._name(strings, name, what),
                value,
                size,
                number,
                BINDINGS.get(info >> 4, str(info >> 4)),
                SYMBOL_TYPES.get(info & 15, str(info & 15)),
                VISIBILITIES[other & 3],
                other & ~3,
            )
            if symbol.kind == "section" and not symbol.name and symbol.is_defined:
                symbol.name = file.sections[number].name
            symbols.append(symbol)
        return symbols

    def _linked(self, file: ElfFile, number: int, section: Section) -> Section:
        if not 0 < number < len(file.sections):
            raise self.error(f"damaged: section {section.name} refers to section {number}, which there is not")
        return file.sections[number]

    def _relocations(self, file: ElfFile, section: Section) -> None:
        if section.kind == "SHT_REL":
            raise self.error(f"damaged: {section.name} has relocations without addends, which IA-64 has not")
        symbols = self.tables.get(section.link, [])
        target = section.info if file.is_relocatable else 0
        if file.is_relocatable:
            self._linked(file, target, section)
        found = file.relocations.setdefault(target, [])
        nothing = Symbol("", 0, 0, ABSOLUTE, "local", "notype")
        for offset, info, addend in self._entries(section, "QQq", _RELOCATION):
            number = info >> 32
            if number and number >= len(symbols):
                raise self.error(
                    f"damaged: {section.name} has a relocation at {offset:#x} for symbol {number}, which there is not"
                )
            found.append(Relocation(offset, info & 0xFFFF_FFFF, symbols[number] if number else nothing, addend))

    def _group(self, file: ElfFile, section: Section) -> None:
        symbols = self.tables.get(section.link, [])
        if section.info >= len(symbols):
            raise self.error(f"damaged: the group {section.name} is named by a symbol which there is not")
        _, *members = (each for (each,) in self._entries(section, "I", 4)) if section.data else (0,)
        for member in members:
            self._linked(file, member, section)
            file.groups[member] = symbols[section.info].name


def _plain(word: object, prefix: str) -> str:
    return str(word).removeprefix(prefix)
