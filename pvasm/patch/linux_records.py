"""Linux's own records of what is patched (3.12, asm/paravirt_patch.h), in linked images, whose addresses they hold.

| section | fields, of 8 bytes |
| --- | --- |
| .paravirt_bundles | where the site begins, where it ends, the number of its type |
| .paravirt_insts | the same for instructions: a bundle's address and the slot; the end is the first that stays |
| .paravirt_branches | a bundle's address and the slot of a branch; the number of its type |

They say what a site does, not what takes its place: that is what the catalog has for the number of the type (`sites`),
its ops expanded for the instance. What an image had there before is not kept.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, Literal

from msgspec import Struct

from pvasm.asm.layout import lay_out
from pvasm.asm.reading import assembly_parser
from pvasm.errors import PvasmError
from pvasm.isa.bundle import SIZE, TEMPLATES, Bundle
from pvasm.isa.encoding import EncodingError, nop
from pvasm.objects.elf_file import ABSOLUTE, ElfFile, Section, elf_file_of
from pvasm.objects.long_branches import aimed_bundle
from pvasm.paravirt.instance import Instance
from pvasm.patch.records import filling
from pvasm.syntax.document import read_document
from pvasm.tables.call_sites import called_table, code_lines, sites_of_table

Kind = Literal["bundles", "insts", "branches"]

BUNDLES: Final = ".paravirt_bundles"
SECTIONS: Final[dict[str, Kind]] = {
    BUNDLES: "bundles",
    ".paravirt_insts": "insts",
    ".paravirt_branches": "branches",
}
_FIELDS: Final[dict[Kind, struct.Struct]] = {
    "bundles": struct.Struct("<QQQ"),
    "insts": struct.Struct("<QQQ"),
    "branches": struct.Struct("<QQ"),
}
_SLOTS: Final = 3


class LinuxSite(Struct, frozen=True):
    """A site: the section and number of its record, the addresses of its first slot and of the one behind its last, its
    type.
    """

    section: str
    number: int
    start: int
    end: int
    type: int

    @property
    def kind(self) -> Kind:
        """What is patched there."""
        return SECTIONS[self.section]


class LinuxCounts(Struct):
    """How many sites have an instance's code, how many branches go to its functions, and how many calls are left:
    those whose room is not enough, and of registers that the catalog has no code for.
    """

    sites: int = 0
    branches: int = 0
    left: int = 0


def has_linux_records(file: ElfFile) -> bool:
    """Whether a file has a section of Linux's records."""
    return any(file.section_named(name) is not None for name in SECTIONS)


def linux_sites(file: ElfFile) -> list[LinuxSite]:
    """The sites of a linked image in order of their places.

    Raises PvasmError, with the number of the record, for what cannot be right: places that are no code, no bundles or
    slots, and sites that overlap.
    """
    if file.is_relocatable or file.big_endian:
        said = "is not linked" if file.is_relocatable else "is big-endian"
        raise PvasmError(f"{said}: Linux's records hold addresses of a little-endian image", file.path)
    found = sorted(_sites(file), key=lambda each: each.start)
    for site in found:
        _check(file, site)
    for before, after in pairwise(found):
        if before.end > after.start:
            raise _error(file, after, "the site overlaps another")
    return found


def linux_patched(data: bytes, path: str, instance: Instance) -> tuple[bytes, LinuxCounts]:
    """An image with an instance's code at the sites of Linux's records, and how much that is.

    Raises PvasmError as `linux_sites` does, and for a type that there is not, a branch out of reach, and a function
    that the image does not define; ExpandErrors for ops that the instance does not take as the catalog has them.
    """
    return _Patching(data, elf_file_of(data, path), instance).made()


def _sites(file: ElfFile) -> Iterator[LinuxSite]:
    for name, kind in SECTIONS.items():
        section = file.section_named(name)
        if section is None:
            continue
        fields = _FIELDS[kind]
        if len(section.data) % fields.size:
            raise PvasmError(f"{name} has {len(section.data)} bytes, no multiple of {fields.size}", file.path)
        for number, values in enumerate(fields.iter_unpack(section.data)):
            start, end = values[0], values[1] if kind != "branches" else values[0] + 1
            yield LinuxSite(name, number, start, end, values[-1])


def _check(file: ElfFile, site: LinuxSite) -> None:
    """Raises PvasmError for a site that cannot be one."""
    slots = 1 if site.kind == "bundles" else _SLOTS
    ends = (site.start, site.start if site.kind == "branches" else site.end)
    if site.start >= site.end or any(each % SIZE >= slots for each in ends):
        what = "bundles" if site.kind == "bundles" else "slots"
        raise _error(file, site, f"from {site.start:#x} to {site.end:#x} are no {what}")
    section = _section_at(file, site.start)
    if section is None or not section.is_code or (site.end - 1 & -SIZE) + SIZE > section.address + len(section.data):
        raise _error(file, site, f"{site.start:#x} to {site.end:#x} is no code")


def _section_at(file: ElfFile, address: int) -> Section | None:
    """The section with contents that an address is in."""
    return next(
        (
            each
            for each in file.sections
            if each.address and each.has_room and each.address <= address < each.address + len(each.data)
        ),
        None,
    )


def _error(file: ElfFile, site: LinuxSite, message: str) -> PvasmError:
    return PvasmError(f"record {site.number} of {site.section}: {message}", file.path)


class _Patching:
    """An image that is being patched."""

    def __init__(self, data: bytes, file: ElfFile, instance: Instance) -> None:
        self.data = bytearray(data)
        self.file = file
        self.instance = instance
        table = called_table(instance.catalog)
        self.types = {each.type: each for each in sites_of_table(table) if each.type is not None}
        self.by_register = [each.type for each in table.sites.values() if each.by_register is not None]
        self.branches = {
            facts.type: (other.name, member)
            for other in instance.catalog.tables.values()
            if other.convention is None
            for member, facts in other.sites.items()
        }
        self.counts = LinuxCounts()

    def made(self) -> tuple[bytes, LinuxCounts]:
        for site in linux_sites(self.file):
            section = _section_at(self.file, site.start)
            assert section is not None  # _check has seen it
            at = section.offset - section.address
            if site.kind == "branches":
                self._branch(site, at)
            else:
                self._code(site, at)
        return bytes(self.data), self.counts

    def _bundle(self, at: int, address: int) -> bytes:
        place = at + (address & -SIZE)
        return bytes(self.data[place : place + SIZE])

    def _put(self, at: int, address: int, code: bytes) -> None:
        place = at + (address & -SIZE)
        self.data[place : place + len(code)] = code

    def _branch(self, site: LinuxSite, at: int) -> None:
        """Has a branch go to the instance's function."""
        if site.type not in self.branches:
            raise _error(self.file, site, f"{site.type:#x} is the number of no branch")
        table, member = self.branches[site.type]
        name = self.instance.tables.get(table, {}).get(member)
        named = [each for each in self.file.symbols if each.name == name]
        symbol = next((each for each in named if each.is_defined or each.section == ABSOLUTE), None)
        if symbol is None:
            raise _error(self.file, site, f"tables.{table}.{member} is {name}, which the image does not define")
        bundle, address = self._bundle(at, site.start), site.start & -SIZE
        try:
            made = aimed_bundle(bundle, site.start % SIZE, address, symbol.value)
        except EncodingError as error:
            raise _error(self.file, site, f"the branch to {name}: {error}") from None
        self._put(at, site.start, made)
        self.counts.branches += 1

    def _code(self, site: LinuxSite, at: int) -> None:
        """Puts the instance's code at a site, and nops behind it; leaves a call that has not enough room."""
        known = self.types.get(site.type)
        if known is None:
            if not any(0 <= site.type - first < 1 << 16 for first in self.by_register):
                raise _error(self.file, site, f"{site.type:#x} is the number of no type")
            self.counts.left += 1
            return
        lines = code_lines(known, self.instance)
        assert lines is not None  # sites_of_table has only such
        done = self._bundles(site, at, lines) if site.kind == "bundles" else self._slots(site, at, lines)
        self.counts.sites += done
        self.counts.left += not done

    def _bundles(self, site: LinuxSite, at: int, lines: Sequence[str]) -> bool:
        code = _laid_out(lines, site.start)
        room = site.end - site.start
        if len(code) > room:
            return False
        self._put(at, site.start, code + filling(room - len(code)))
        return True

    def _slots(self, site: LinuxSite, at: int, lines: Sequence[str]) -> bool:
        """The same in slots of bundles whose templates stay: for code of one group, each of which fits its slot."""
        slots = [
            address + slot
            for address in range(site.start & -SIZE, site.end, SIZE)
            for slot in range(_SLOTS)
            if site.start <= address + slot < site.end
        ]
        code = [line.removesuffix(";;").strip() for line in lines]
        if len(code) > len(slots) or any(line.endswith(";;") for line in lines[:-1]):
            return False
        made: dict[int, list[int]] = {}
        for number, place in enumerate(slots):
            address, slot = place & -SIZE, place % SIZE
            bundle = Bundle.of(self._bundle(at, address))
            template = TEMPLATES.get(bundle.template)
            if template is None or "L" in template.units:
                return False
            unit = template.units[slot]
            if number >= len(code):
                bits = nop(unit)
            else:
                words = [f"nop.{each.lower()} 0" for each in template.units]
                words[slot] = code[number]
                try:
                    alone = _laid_out([f"{{ .{template.units.lower()} ; {' ; '.join(words)} }}"], address)
                except PvasmError:
                    return False
                bits = Bundle.of(alone).slots[slot]
            made.setdefault(address, list(bundle.slots))[slot] = bits
        for address, contents in made.items():
            old = Bundle.of(self._bundle(at, address))
            self._put(at, address, Bundle(old.template, (contents[0], contents[1], contents[2])).to_bytes())
        return True


def _laid_out(lines: Sequence[str], address: int) -> bytes:
    """Some code at an address."""
    text = "".join(f"\t{line}\n" for line in lines)
    image = lay_out(read_document(assembly_parser(), text, preprocessed=True), address=address)
    return b"".join(bytes(each.data) for each in image.segments)
