"""Putting an instance's code in its places, ahead of time: what a kernel does at boot.

In a linked image bytes change in place and nothing else. In a relocatable object the relocations move with the code:
the tables of the sections with sites are made anew behind the file, and what was there before is kept behind these, so
that the file can be had again as it was.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from pvasm.errors import PvasmError
from pvasm.isa.bundle import SIZE, Bundle
from pvasm.isa.encoding import EncodingError, decode
from pvasm.objects.elf_file import ElfFile, Relocation, elf_file_of
from pvasm.objects.relocations import patched_bundle, relocated_operand
from pvasm.patch.object_records import SiteRecords, read_sites
from pvasm.patch.records import INDIRECT, NAMES, NATIVE, Place, Record, filling
from pvasm.suggestions import near

_OF_UNIT: Final = {"B": 0x49, "M": 0x4A, "F": 0x4B, "X": 0x48}
"""The relocations of targets, by the unit of the instruction: R_IA64_PCREL21B, 21M, 21F, 60B."""

_ENTRY: Final = struct.Struct("<QQq")
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


class Sites(Struct, frozen=True):
    """The sites of a file, in order of their places, and by site whose code stands there."""

    file: ElfFile
    sites: list[SiteRecords]
    states: list[str]
    said: Callable[[Place], str]
    """A place as people name it: a symbol before it, and how far."""


def sites_of(data: bytes, path: str) -> Sites:
    """The sites of a file, with whose code stands there: `native` where several have the same.

    Raises PvasmError for records that are not right, and for a site that holds none of its codes.
    """
    file = elf_file_of(data, path)
    sites = read_sites(file)
    codes = _Codes(file)
    return Sites(file, sites, [codes.state(site) for site in sites], codes.said)


def patched(data: bytes, path: str, instance: str) -> bytes:
    """The file with an instance's code at each site that has a record for it, and native code at the others.

    Raises PvasmError with a place for what cannot be: records that are not right, a site that holds none of its codes,
    a branch out of reach, an instance that the file knows nothing of.
    """
    return _Patching(original(data, path), path).for_instance(instance)


def original(data: bytes, path: str) -> bytes:
    """A relocatable object as it was before its relocations moved; any other file as it is.

    Raises PvasmError if what was saved cannot be right.
    """
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


def instances_of(file: ElfFile, sites: Sequence[SiteRecords]) -> list[str]:
    """The instances that a file knows, the native one first: some may have native code everywhere."""
    names = {name for site in sites for name in site.records}
    section = file.section_named(NAMES)
    if section is not None:
        names.update(each.decode("ascii") for each in bytes(section.data).split(b"\0") if each and each.isascii())
    return [NATIVE, *sorted(names - {NATIVE})]


class _Codes:
    """What sites hold, and what they would hold."""

    def __init__(self, file: ElfFile) -> None:
        self.file = file
        self.names: dict[int, list[tuple[int, str]]] = {}  # made for the first place that is said
        self.tables = {
            number: {each.offset: (each.kind, *self._named(each)) for each in entries}
            for number, entries in (file.relocations.items() if file.is_relocatable else ())
        }

    def _named(self, relocation: Relocation) -> tuple[int | str, int]:
        """What a relocation is about: a section or a name, and what is added."""
        symbol = relocation.symbol
        if symbol.is_defined:
            return symbol.section, self.file.offset_of(symbol) + relocation.addend
        return symbol.name, relocation.addend

    def address(self, place: Place) -> int:
        """Where a place is: of an object, in its section."""
        return place.offset + (0 if self.file.is_relocatable else self.file.sections[place.section].address)

    def at(self, place: Place, length: int) -> bytes:
        return bytes(self.file.sections[place.section].data[place.offset : place.offset + length])

    def said(self, place: Place) -> str:
        """A place as messages name it."""
        if not self.names:
            self.names = _symbols(self.file)
        before = self.names.get(place.section, [])
        at = bisect_right(before, place.offset, key=lambda each: each[0])
        value, name = before[at - 1] if at else (0, self.file.sections[place.section].name)
        return name if value == place.offset else f"{name}+{place.offset - value:#x}"

    def error(self, place: Place, message: str) -> PvasmError:
        return PvasmError(f"{self.said(place)}: {message}", self.file.path)

    def state(self, site: SiteRecords) -> str:
        """The instance whose code a site holds, by what relocations fill in as well if that tells."""
        now = self.at(site.place, site.length)
        names = (NATIVE, *sorted(site.records.keys() - {NATIVE}))
        standing = [name for name in names if self._stands(site, site.records[name], now)]
        if not standing:
            raise self.error(
                site.place, "what stands here is no instance's code: has it been changed by something else?"
            )
        alike = [name for name in standing if self._is_filled_alike(site, site.records[name], now)]
        return (alike or standing)[0]

    def _stands(self, site: SiteRecords, record: Record, now: bytes) -> bool:
        """Whether a site holds the code of a record, the fields that relocations fill in aside."""
        try:
            made = self.code(site, record)
        except PvasmError:
            return False
        now = now[: len(made)]
        if not self.file.is_relocatable:
            return made == now
        return _without_fields(made) == _without_fields(now)

    def _is_filled_alike(self, site: SiteRecords, record: Record, now: bytes) -> bool:
        """Whether fields are the same where no relocation fills them in, and relocations where there are two."""
        if not self.file.is_relocatable:
            return True
        here = self._relocations(site.place, site.length)
        there = self._relocations(record.replacement, record.replacement_length)
        if any(here[at] != there[at] for at in here.keys() & there.keys()):
            return False
        made = self.code(site, record)
        for offset in range(0, len(made), SIZE):
            pieces = (Bundle.of(code[offset : offset + SIZE]).instructions() for code in (made, now))
            for mine, other in zip(*pieces, strict=True):
                filled = {offset + each for each in ((1, 2) if mine[1] == "X" else (mine[0],))}
                if mine != other and not filled & (here.keys() | there.keys()):
                    return False
        return True

    def _relocations(self, place: Place, length: int) -> dict[int, tuple[int, int | str, int]]:
        """The types of the relocations at a place, and what they are about, by their distance from it."""
        entries = self.tables.get(place.section, {})
        return {
            at: entries[place.offset + at]
            for offset in range(0, length, SIZE)
            for at in range(offset, offset + 3)
            if place.offset + at in entries
        }

    def code(self, site: SiteRecords, record: Record) -> bytes:
        """What a site holds with the code of a record; behind a branch stays what stands there."""
        code = self.moved(record, site.place)
        return code if record.is_branch else code + filling(site.length - len(code))

    def moved(self, record: Record, to: Place) -> bytes:
        """The replacement of a record as it is at another place: what is named by its distance is where it was.

        Raises PvasmError for what is out of reach.
        """
        code = self.at(record.replacement, record.replacement_length)
        start, target = self.address(record.replacement), self.address(to)
        if self.file.is_relocatable and record.replacement.section != to.section:
            return code  # relocations say where it goes
        made = b""
        for offset in range(0, len(code), SIZE):
            bundle = code[offset : offset + SIZE]
            for slot, where in _targets(bundle, start + offset):
                if not start <= where < start + len(code):
                    try:
                        bundle = patched_bundle(bundle, slot, target + offset, where)
                    except EncodingError as error:
                        raise self.error(to, f"the code for {record.instance}: {error}") from None
            made += bundle
        return made


class _Patching:
    """A file that is being patched."""

    def __init__(self, data: bytes, path: str) -> None:
        self.data = bytearray(data)
        self.path = path
        self.file = elf_file_of(data, path)
        self.sites = read_sites(self.file)
        self.codes = _Codes(self.file)

    def for_instance(self, instance: str) -> bytes:
        names = instances_of(self.file, self.sites)
        if instance not in names:
            said = f"has no code for {instance}: it has that of {', '.join(names)}{near(instance, names)}"
            raise PvasmError(said, self.path)
        states = [self.codes.state(site) for site in self.sites]  # nothing is written over what is not known
        chosen = [site.records.get(instance, site.records[NATIVE]) for site in self.sites]
        if self.file.is_relocatable:
            # Other tools keep a patched object's code, but not what is behind the file: native code is put back, too.
            changed = [
                (site, each)
                for site, each, state in zip(self.sites, chosen, states, strict=True)
                if each.instance != state or state not in (NATIVE, INDIRECT)
            ]
            return _Relocating(self.data, self.file, self.codes).with_codes(changed) if changed else bytes(self.data)
        for site, record in zip(self.sites, chosen, strict=True):
            self._put(site.place, self.codes.code(site, record))
        return bytes(self.data)

    def _put(self, place: Place, code: bytes) -> None:
        at = self.file.sections[place.section].offset + place.offset
        self.data[at : at + len(code)] = code


class _Relocating:
    """A relocatable object whose relocations move with its code."""

    def __init__(self, data: bytes | bytearray, file: ElfFile, codes: _Codes) -> None:
        self.data = data
        self.file = file
        self.codes = codes
        self.tables = {each.info: each for each in file.sections if each.kind == "SHT_RELA"}
        self.entries = {number: [*_ENTRY.iter_unpack(each.data)] for number, each in self.tables.items()}
        symbols = enumerate(file.symbols)
        self.symbols = {each.section: number for number, each in symbols if each.kind == "section"}
        self.pieces: list[tuple[int, bytes]] = []  # what is written over: where, and with what

    def with_codes(self, changed: Sequence[tuple[SiteRecords, Record]]) -> bytes:
        """The file with the code of some records at their sites."""
        tables: dict[int, list[tuple[int, int, int]]] = {}
        gone: dict[int, set[int]] = {}  # bundles that are written over, by section
        for site, record in changed:
            section, offset = site.place
            code, moved = self._moved(record, self.codes.code(site, record), site.place)
            self.pieces.append((self.file.sections[section].offset + offset, code))
            tables.setdefault(section, []).extend(moved)
            gone.setdefault(section, set()).update(range(offset, offset + len(code), SIZE))
        for section, entries in tables.items():
            kept = [each for each in self.entries.get(section, ()) if each[0] & -SIZE not in gone[section]]
            entries[:] = sorted([*kept, *entries])
        return self._written(tables)

    def _moved(self, record: Record, code: bytes, to: Place) -> tuple[bytes, list[tuple[int, int, int]]]:
        """The code of a record for another place, and the relocations that it has there."""
        start, end = record.replacement.offset, record.replacement.offset + record.replacement_length
        own = [each for each in self.entries.get(record.replacement.section, ()) if start <= each[0] < end]
        moved = [(offset - start + to.offset, info, addend) for offset, info, addend in own]
        placed = {offset for offset, _, _ in moved}
        made = b""
        for offset in range(0, len(code), SIZE):
            bundle = code[offset : offset + SIZE]
            for slot, where in _targets(bundle, start + offset):
                place = to.offset + offset + slot
                is_inside = start <= where < start + record.replacement_length
                if place in placed or (is_inside and offset < record.replacement_length):
                    continue
                info = self._symbol(record.replacement.section) << 32 | self._kind(bundle, slot)
                moved.append((place, info, where))
                bundle = patched_bundle(bundle, slot, 0, 0)
            made += bundle
        return made, moved

    def _symbol(self, section: int) -> int:
        """The number of a section's symbol."""
        number = self.symbols.get(section)
        if number is not None:
            return number
        name = self.file.sections[section].name
        raise PvasmError(f"has no symbol for the section {name}, which relocations would need", self.file.path)

    @staticmethod
    def _kind(bundle: bytes, slot: int) -> int:
        """The relocation of an instruction's target."""
        unit = next(unit for at, unit, _ in Bundle.of(bundle).instructions() if at == slot)
        return _OF_UNIT[unit]

    def _written(self, tables: Mapping[int, Sequence[tuple[int, int, int]]]) -> bytes:
        """The file with new tables behind it, and what they and the code take the place of behind these."""
        (start,) = struct.unpack_from("<Q", self.data, _SECTIONS_AT)
        count = len(self.file.sections)
        headers = [
            bytearray(self.data[at : at + _SECTION.size])
            for at in range(start, start + count * _SECTION.size, _SECTION.size)
        ]
        grown = bytearray()
        symbols = next(each.index for each in self.file.sections if each.kind == "SHT_SYMTAB")
        names = self.file.sections[struct.unpack_from("<H", self.data, _NAMES_AT)[0]]
        strings = bytearray(names.data)

        def put(piece: bytes) -> int:
            """Puts something behind the file; where it is."""
            grown.extend(bytes(-(len(self.data) + len(grown)) % 8))
            at = len(self.data) + len(grown)
            grown.extend(piece)
            return at

        for section, entries in tables.items():
            at = put(b"".join(_ENTRY.pack(*each) for each in entries))
            size = len(entries) * _ENTRY.size
            table = self.tables.get(section)
            if table is not None:
                struct.pack_into("<QQ", headers[table.index], _OFFSET_AT, at, size)
                continue
            new = (len(strings), _RELA, _INFO_LINK, 0, at, size, symbols, section, 8, _ENTRY.size)
            strings += f".rela{self.file.sections[section].name}".encode("utf-8", "surrogateescape") + b"\0"
            headers.append(bytearray(_SECTION.pack(*new)))
        if len(strings) > len(names.data):
            struct.pack_into("<QQ", headers[names.index], _OFFSET_AT, put(bytes(strings)), len(strings))
        if len(headers) >= _MOST_SECTIONS:
            raise PvasmError("has so many sections that there is no number for more", self.file.path)
        self.pieces += [
            (_SECTIONS_AT, struct.pack("<Q", put(b"".join(map(bytes, headers))))),
            (_COUNT_AT, struct.pack("<H", len(headers))),
        ]
        made = bytearray(self.data) + grown
        for at, piece in self.pieces:
            made += self.data[at : at + len(piece)] + _PIECE.pack(at, len(piece))
            made[at : at + len(piece)] = piece
        return bytes(made + _TRAILER.pack(len(self.data), len(self.pieces), _MAGIC))


def _symbols(file: ElfFile) -> dict[int, list[tuple[int, str]]]:
    """The symbols of each section in their order, with their offsets."""
    found: dict[int, list[tuple[int, str]]] = {}
    for each in file.symbols:
        if each.is_defined and each.name and each.kind != "section":
            found.setdefault(each.section, []).append((file.offset_of(each), each.name))
    return {section: sorted(names) for section, names in found.items()}


def _targets(bundle: bytes, address: int) -> Iterator[tuple[int, int]]:
    """The slots of a bundle whose instructions go to a place by its distance, each with the place."""
    for slot, unit, bits in Bundle.of(bundle).instructions():
        instruction = decode(bits, unit, address)
        place = relocated_operand(instruction) if instruction is not None else None
        if instruction is None or place is None:
            continue
        kind, value = instruction.form.operands[place].kind, instruction.operands[place]
        if kind is not None and kind.is_target and isinstance(value, int):
            yield slot, value


def _without_fields(code: bytes) -> list[object]:
    """Code without what relocations may fill in."""
    found: list[object] = []
    for offset in range(0, len(code), SIZE):
        bundle = Bundle.of(code[offset : offset + SIZE])
        found.append(bundle.template)
        for slot, unit, bits in bundle.instructions():
            instruction = decode(bits, unit)
            place = relocated_operand(instruction) if instruction is not None else None
            if instruction is None or place is None:
                found.append(bits)
            else:
                operands = [each for at, each in enumerate(instruction.operands) if at != place]
                found.append((slot, instruction.spelling, operands, instruction.predicate))
    return found
