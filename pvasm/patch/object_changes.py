"""A relocatable object whose code changes with its relocations.

The tables of relocations are made anew behind the file, and what was there before is kept behind these, so that the
file can be had again as it was.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import chain
from typing import Final

from pvasm.errors import PvasmError
from pvasm.isa.bundle import SIZE, Bundle
from pvasm.objects.elf_file import ElfFile
from pvasm.patch.records import Place

_OF_UNIT: Final = {"B": 0x49, "M": 0x4A, "F": 0x4B, "X": 0x48}
"""The relocations of targets, by the unit of the instruction: R_IA64_PCREL21B, 21M, 21F, 60B."""

Entry = tuple[int, int, int]
"""A relocation as it stands in its table: where, the symbol and the type, what is added."""

_ENTRY: Final = struct.Struct("<QQq")
_SYMBOL: Final = struct.Struct("<IBBHQQ")
_GLOBAL: Final = 0x10  # STB_GLOBAL, STT_NOTYPE
_SECTION: Final = struct.Struct("<IIQQQQIIQQ")
_SECTIONS_AT, _COUNT_AT, _NAMES_AT = 0x28, 0x3C, 0x3E
"""Where e_shoff, e_shnum and e_shstrndx stand in the file header (gABI, "ELF Header")."""

_OFFSET_AT: Final = 24
"""Where sh_offset stands in a section header, and sh_size behind it."""

_RELA: Final = 4
_INFO_LINK: Final = 0x40
_MOST_SECTIONS: Final = 0xFF00

_MAGIC: Final = b"pvasm\0\1\n"
_TRAILER: Final = struct.Struct("<QQ8s")
"""The end of a file that has grown: its old size, the number of saved pieces, the mark; a piece is saved before."""
_PIECE: Final = struct.Struct("<QQ")
_MOST_CHANGES: Final = 2
"""How often a file is changed: by our records, then by Linux's."""


def original(data: bytes, path: str) -> bytes:
    """A relocatable object as it was before its relocations moved; any other file as it is.

    Raises PvasmError if what was saved cannot be right.
    """
    for _ in range(_MOST_CHANGES):
        data = _unchanged(data, path)
    return data


def _unchanged(data: bytes, path: str) -> bytes:
    """The same for what was changed last."""
    if len(data) < _TRAILER.size or not data.endswith(_MAGIC):
        return data
    size, count, _ = _TRAILER.unpack(data[-_TRAILER.size :])
    end = len(data) - _TRAILER.size
    if size > end or count > end // _PIECE.size:
        raise PvasmError("damaged: what was saved behind the file is not right; assemble it anew", path)
    made = bytearray(data[:size])
    for _ in range(count):
        if end - _PIECE.size < size:
            raise PvasmError("damaged: what was saved behind the file is cut off; assemble it anew", path)
        offset, length = _PIECE.unpack(data[end - _PIECE.size : end])
        start = end - _PIECE.size - length
        if start < size or offset + length > size:
            raise PvasmError("damaged: what was saved behind the file is not of this file; assemble it anew", path)
        made[offset : offset + length] = data[start : start + length]
        end = start
    return bytes(made)


def branch_relocation(bundle: bytes, slot: int) -> int:
    """The number of the relocation of a branch in a slot; slots 1 and 2 of a long one mean the same."""
    found = Bundle.of(bundle).instructions()
    return _OF_UNIT[found[min(slot, len(found) - 1)][1]]


class ObjectChanges:
    """An object that is being changed."""

    def __init__(self, data: bytes, file: ElfFile) -> None:
        self.data = data
        self.file = file
        self.now = bytearray(data)
        self.tables = {each.info: each for each in file.sections if each.kind == "SHT_RELA"}
        self.entries: dict[int, dict[int, list[Entry]]] = {}  # by section, and by where their bundles begin
        for number, each in self.tables.items():
            by_bundle = self.entries.setdefault(number, {})
            for entry in _ENTRY.iter_unpack(each.data):
                by_bundle.setdefault(entry[0] & -SIZE, []).append(entry)
        self.changed: dict[int, None] = {}  # the sections whose relocations are
        symbols = [*enumerate(file.symbols)]
        self.sections = {each.section: number for number, each in symbols if each.kind == "section"}
        self.names = {
            each.name: number for number, each in symbols if each.name and each.kind not in ("section", "file")
        }
        self.added: list[str] = []
        self.pieces: list[tuple[int, int]] = []  # what is written over: where, and how much

    def code_at(self, place: Place, length: int) -> bytes:
        """The bytes at a place as they are now."""
        at = self.file.sections[place.section].offset + place.offset
        return bytes(self.now[at : at + length])

    def entries_at(self, place: Place, length: int) -> list[Entry]:
        """The relocations of bundles as they are now."""
        found = self.entries.get(place.section, {})
        return [each for at in range(place.offset, place.offset + length, SIZE) for each in found.get(at, ())]

    def put(self, place: Place, code: bytes, entries: Sequence[Entry]) -> None:
        """Puts bundles at a place, with their relocations in the place of those that were there."""
        at = self.file.sections[place.section].offset + place.offset
        self.pieces.append((at, len(code)))
        self.now[at : at + len(code)] = code
        by_bundle = self.entries.setdefault(place.section, {})
        for offset in range(place.offset, place.offset + len(code), SIZE):
            by_bundle.pop(offset, None)
        for each in entries:
            by_bundle.setdefault(each[0] & -SIZE, []).append(each)
        self.changed[place.section] = None

    def symbol_of_section(self, section: int) -> int:
        """The number of a section's symbol. Raises PvasmError if it has none."""
        number = self.sections.get(section)
        if number is not None:
            return number
        name = self.file.sections[section].name
        raise PvasmError(f"has no symbol for the section {name}, which relocations would need", self.file.path)

    def symbol_named(self, name: str) -> int:
        """The number of a symbol, which is a new one that other files define if there is none of this name."""
        if name not in self.names:
            self.names[name] = len(self.file.symbols) + len(self.added)
            self.added.append(name)
        return self.names[name]

    def written(self) -> bytes:
        """The file with new tables behind it, and what they and the code take the place of behind these.

        Raises PvasmError where ELF has no number for what would be new.
        """
        return _Written(self).made() if self.pieces else self.data


class _Written:
    """A changed object that is being put together."""

    def __init__(self, changes: ObjectChanges) -> None:
        self.changes = changes
        self.file = changes.file
        (start,) = struct.unpack_from("<Q", changes.data, _SECTIONS_AT)
        count = len(self.file.sections)
        self.headers = [
            bytearray(changes.data[at : at + _SECTION.size])
            for at in range(start, start + count * _SECTION.size, _SECTION.size)
        ]
        self.grown = bytearray()
        self.names = struct.unpack_from("<H", changes.data, _NAMES_AT)[0]
        self.symbols = next(each for each in self.file.sections if each.kind == "SHT_SYMTAB")
        self.strings: dict[int, bytearray] = {}  # what tables of strings have been made, by section

    def made(self) -> bytes:
        """The file."""
        changes = self.changes
        for section in changes.changed:
            self._relocations(section, sorted(chain.from_iterable(changes.entries[section].values())))
        if changes.added:
            self._symbols()
        for number, strings in self.strings.items():
            self._move(number, bytes(strings))
        if len(self.headers) >= _MOST_SECTIONS:
            raise PvasmError("has so many sections that there is no number for more", self.file.path)
        rest = {
            _SECTIONS_AT: struct.pack("<Q", self._put(b"".join(map(bytes, self.headers)))),
            _COUNT_AT: struct.pack("<H", len(self.headers)),
        }
        made = changes.now + self.grown
        for at, length in (*changes.pieces, *((at, len(piece)) for at, piece in rest.items())):
            made += changes.data[at : at + length] + _PIECE.pack(at, length)
        for at, piece in rest.items():
            made[at : at + len(piece)] = piece
        return bytes(made + _TRAILER.pack(len(changes.data), len(changes.pieces) + len(rest), _MAGIC))

    def _put(self, piece: bytes) -> int:
        """Puts something behind the file; where it is."""
        size = len(self.changes.data)
        self.grown.extend(bytes(-(size + len(self.grown)) % 8))
        at = size + len(self.grown)
        self.grown.extend(piece)
        return at

    def _move(self, number: int, contents: bytes) -> None:
        """Gives a section other contents."""
        struct.pack_into("<QQ", self.headers[number], _OFFSET_AT, self._put(contents), len(contents))

    def _string(self, section: int, text: str) -> int:
        """Where a text is in a table of strings, at whose end it is put."""
        strings = self.strings.setdefault(section, bytearray(self.file.sections[section].data))
        at = len(strings)
        strings += text.encode("utf-8", "surrogateescape") + b"\0"
        return at

    def _relocations(self, section: int, entries: Sequence[Entry]) -> None:
        contents = b"".join(_ENTRY.pack(*each) for each in entries)
        table = self.changes.tables.get(section)
        if table is not None:
            self._move(table.index, contents)
            return
        name = self._string(self.names, f".rela{self.file.sections[section].name}")
        places = (self._put(contents), len(contents), self.symbols.index, section, 8, _ENTRY.size)
        self.headers.append(bytearray(_SECTION.pack(name, _RELA, _INFO_LINK, 0, *places)))

    def _symbols(self) -> None:
        """Puts new symbols behind the others, which are not of this file."""
        if any(each.kind == "SHT_SYMTAB_SHNDX" for each in self.file.sections):
            raise PvasmError("has so many sections that there is no room for another symbol", self.file.path)
        added = [(self._string(self.symbols.link, name), _GLOBAL, 0, 0, 0, 0) for name in self.changes.added]
        self._move(self.symbols.index, bytes(self.symbols.data) + b"".join(_SYMBOL.pack(*each) for each in added))
