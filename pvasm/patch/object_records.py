"""The records of alternatives in an object file or a linked image, each looked at before it is believed."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from msgspec import Struct

from pvasm.errors import PvasmError
from pvasm.isa.bundle import SIZE, Bundle
from pvasm.isa.encoding import decode
from pvasm.objects.elf_file import ALLOC, ElfFile, Section
from pvasm.objects.relocations import relocated_operand, type_of
from pvasm.patch.records import BRANCH, CALL, COPY, NAME, NATIVE, RECORDS, REPLACEMENT, SITE, WORDS, Place, Record

_LONGEST_NAME: Final = 256
_PLACED: Final = "R_IA64_PCREL32LSB"


class SiteRecords(Struct, frozen=True):
    """A site: where, its length in bytes, and its records by instance."""

    place: Place
    length: int
    records: dict[str, Record]


def read_sites(file: ElfFile) -> list[SiteRecords]:
    """The sites that a file's records tell of, in order of their places.

    Raises PvasmError for a file without records, and with the number of the record for what cannot be right: a place
    outside of code, a length that is no number of bundles, sites that overlap, replacements longer than their sites.
    """
    return _Records(file).sites()


class _Records:
    def __init__(self, file: ElfFile) -> None:
        self.file = file
        section = file.section_named(RECORDS)
        if section is None:
            message = f"has no records of alternatives, in a section {RECORDS}"
            raise PvasmError(f"{message}: `pvasm expand --single-binary' makes some", file.path)
        if file.big_endian:
            raise PvasmError("is big-endian: records are read from little-endian files", file.path)
        self.section = section
        self.relocations = {each.offset: each for each in file.relocations.get(section.index, ())}
        placed = [each for each in file.sections if each.flags & ALLOC and each.size] if not file.is_relocatable else []
        self.by_address = sorted(placed, key=lambda each: each.address)
        self.addresses = [each.address for each in self.by_address]

    def sites(self) -> list[SiteRecords]:
        data = self.section.data
        if len(data) % WORDS.size:
            raise self._error(f"{RECORDS} has {len(data)} bytes, no multiple of {WORDS.size}")
        found: dict[Place, SiteRecords] = {}
        for number, words in enumerate(WORDS.iter_unpack(data)):
            record = self._record(number, words)
            site = found.setdefault(record.site, SiteRecords(record.site, record.length, {}))
            if site.length != record.length:
                raise self._error(f"the site has {record.length} bytes here and {site.length} before", number)
            if record.instance in site.records:
                raise self._error(f"the site has two records for {record.instance}", number)
            site.records[record.instance] = record
        sites = sorted(found.values(), key=lambda each: each.place)
        for before, after in pairwise(sites):
            if before.place.section == after.place.section and before.place.offset + before.length > after.place.offset:
                raise self._error("the site overlaps another", min(each.number for each in after.records.values()))
        for site in sites:
            native = site.records.get(NATIVE)
            first = min(each.number for each in site.records.values())
            if native is None:
                raise self._error(f"the site has no record for {NATIVE}", first)
            if native.is_branch:
                raise self._error(f"the record for {NATIVE} is a branch", native.number)
            for record in site.records.values():
                self._check_apart(record, sites)
        return sites

    def _check_apart(self, record: Record, sites: Sequence[SiteRecords]) -> None:
        """Raises PvasmError for a replacement that is, in part, a site: it would change itself."""
        start = record.replacement
        at = bisect_right(sites, start, key=lambda each: each.place)
        for site in sites[max(at - 1, 0) : at + 1]:
            end = max(start.offset, site.place.offset)
            if site.place.section == start.section and end < min(
                start.offset + record.replacement_length, site.place.offset + site.length
            ):
                raise self._error("the replacement overlaps a site", record.number)

    def _record(self, number: int, words: tuple[int, ...]) -> Record:
        at = number * WORDS.size
        site = self._place(number, at + SITE, words[0], "the site")
        replacement = self._place(number, at + REPLACEMENT, words[3], "the replacement")
        name = self._name(number, self._place(number, at + NAME, words[2], "the name"))
        _, length, _, _, replacement_length, flags = words
        self._check_code(number, site, length, "the site")
        self._check_code(number, replacement, replacement_length, "the replacement")
        if replacement_length > length:
            raise self._error(f"the replacement has {replacement_length} bytes, and the site {length}", number)
        if flags & ~(BRANCH | COPY | CALL):
            raise self._error(f"the flags are {flags:#x}: a later version of records?", number)
        if flags & BRANCH and replacement_length != SIZE:
            raise self._error("a branch that replaces code must be one bundle", number)
        if flags & CALL and (flags & BRANCH or not self._ends_in_branch(replacement, replacement_length)):
            raise self._error("there is no branch at the end of the replacement, as the flags say", number)
        return Record(number, site, length, name, replacement, replacement_length, flags)

    def _ends_in_branch(self, place: Place, length: int) -> bool:
        """Whether the last instruction of some code, in slot 2 or a brl, goes to a place by its distance."""
        end = place.offset + length
        bundle = Bundle.of(bytes(self.file.sections[place.section].data[end - SIZE : end]))
        for slot, unit, bits in bundle.instructions():
            instruction = decode(bits, unit) if (slot, unit) in ((2, "B"), (1, "X")) else None
            operand = relocated_operand(instruction) if instruction is not None else None
            if instruction is not None and operand is not None:
                kind = instruction.form.operands[operand].kind
                return kind is not None and kind.is_target
        return False

    def _place(self, number: int, at: int, value: int, what: str) -> Place:
        """The place that a word at an offset of the records names."""
        if self.file.is_relocatable:
            relocation = self.relocations.get(at)
            if relocation is None or type_of(relocation.kind).name != _PLACED or not relocation.symbol.is_defined:
                raise self._error(f"{what} is nowhere: its word needs a relocation {_PLACED} for code here", number)
            section = self.file.sections[relocation.symbol.section]
            return self._within(number, section, self.file.offset_of(relocation.symbol) + relocation.addend, what)
        address = self.section.address + at + value
        index = bisect_right(self.addresses, address) - 1
        if index < 0:
            raise self._error(f"{what} is at {address:#x}, where nothing is", number)
        section = self.by_address[index]
        return self._within(number, section, address - section.address, what)

    def _within(self, number: int, section: Section, offset: int, what: str) -> Place:
        if not 0 <= offset < section.size or not section.has_room:
            raise self._error(
                f"{what} is at {offset:#x} of {section.name}, which has {len(section.data):#x} bytes", number
            )
        return Place(section.index, offset)

    def _name(self, number: int, place: Place) -> str:
        raw = bytes(self.file.sections[place.section].data[place.offset : place.offset + _LONGEST_NAME])
        name, end, _ = raw.partition(b"\0")
        if not end or not name or not name.isascii() or not name.decode("ascii").isprintable():
            raise self._error("the instance has no name that can be read", number)
        return name.decode("ascii")

    def _check_code(self, number: int, place: Place, length: int, what: str) -> None:
        section = self.file.sections[place.section]
        start = place.offset + (0 if self.file.is_relocatable else section.address)
        if not section.is_code:
            raise self._error(f"{what} is in {section.name}, which holds no code", number)
        if start % SIZE or length % SIZE or not length:
            raise self._error(f"{what} is {length} bytes at {start:#x}: no bundles", number)
        if place.offset + length > len(section.data):
            raise self._error(f"{what} goes beyond the end of {section.name}", number)

    def _error(self, message: str, number: int | None = None) -> PvasmError:
        where = "" if number is None else f"record {number} of {RECORDS}: "
        return PvasmError(f"{where}{message}", self.file.path)
