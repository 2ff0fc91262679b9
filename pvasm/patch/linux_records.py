"""Linux's own records of what is patched (3.12, asm/paravirt_patch.h), in objects and in images.

| section | fields, of 8 bytes |
| --- | --- |
| .paravirt_bundles | where the site begins, where it ends, the number of its type |
| .paravirt_insts | the same for instructions: a bundle's address and the slot; the end is the first that stays |
| .paravirt_branches | a bundle's address and the slot of a branch; the number of its type |

Places are addresses, which relocations fill in as long as an object is not linked. Records say what a site does, not
what takes its place (`linux_patching.py`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Final, Literal

from msgspec import Struct

from pvasm.errors import PvasmError
from pvasm.isa.bundle import SIZE
from pvasm.objects.elf_file import ElfFile, Relocation, Section
from pvasm.objects.relocations import type_of
from pvasm.patch.records import Place

Kind = Literal["bundles", "insts", "branches"]

BUNDLES: Final = ".paravirt_bundles"
INSTS: Final = ".paravirt_insts"
BRANCHES: Final = ".paravirt_branches"
SECTIONS: Final[dict[str, Kind]] = {BUNDLES: "bundles", INSTS: "insts", BRANCHES: "branches"}
_FIELDS: Final[dict[Kind, struct.Struct]] = {
    "bundles": struct.Struct("<QQQ"),
    "insts": struct.Struct("<QQQ"),
    "branches": struct.Struct("<QQ"),
}
_PLACED: Final = "R_IA64_DIR64LSB"
_FIELD: Final = 8
SLOTS: Final = 3


class LinuxSite(Struct, frozen=True):
    """A site: the section and number of its record; the section that it is in, its first slot and the one behind its
    last, by offsets there with the slots added; its type.
    """

    section: str
    number: int
    within: Section
    start: int
    end: int
    type: int

    @property
    def kind(self) -> Kind:
        """What is patched there."""
        return SECTIONS[self.section]

    @property
    def address(self) -> int:
        """Where it is in an image; in an object, in its section."""
        return self.within.address + self.start

    def place(self, offset: int) -> Place:
        """The bundle that a slot of its section is in."""
        return Place(self.within.index, offset & -SIZE)


def has_linux_records(file: ElfFile) -> bool:
    """Whether a file has a section of Linux's records."""
    return any(file.section_named(name) is not None for name in SECTIONS)


def linux_sites(file: ElfFile) -> list[LinuxSite]:
    """The sites of a file in order of their places.

    Raises PvasmError, with the number of the record, for what cannot be right: places that are no code, no bundles or
    slots, and sites that overlap.
    """
    if file.big_endian:
        raise PvasmError("is big-endian: Linux's records are read from little-endian files", file.path)
    found = sorted(_sites(file), key=lambda each: (each.within.index, each.start))
    for before, after in pairwise(found):
        if before.within is after.within and before.end > after.start:
            raise site_error(file, after, "the site overlaps another")
    return found


def site_error(file: ElfFile, site: LinuxSite, message: str) -> PvasmError:
    """What is wrong with a site, with the number of its record."""
    return _error(file, site.section, site.number, message)


def _error(file: ElfFile, section: str, number: int, message: str) -> PvasmError:
    return PvasmError(f"record {number} of {section}: {message}", file.path)


def _sites(file: ElfFile) -> Iterator[LinuxSite]:
    for name, kind in SECTIONS.items():
        section = file.section_named(name)
        if section is None:
            continue
        fields = _FIELDS[kind]
        if len(section.data) % fields.size:
            raise PvasmError(f"{name} has {len(section.data)} bytes, no multiple of {fields.size}", file.path)
        relocations = {each.offset: each for each in file.relocations.get(section.index, ())}
        for number, values in enumerate(fields.iter_unpack(section.data)):
            at = number * fields.size
            if file.is_relocatable and at + fields.size - _FIELD in relocations:
                raise _error(file, name, number, "its type is no number as long as the object is not linked")
            places = [_place(file, value, at + _FIELD * field, relocations) for field, value in enumerate(values[:-1])]
            yield _site(file, (name, number), places, values[-1])


def _place(file: ElfFile, value: int, at: int, relocations: Mapping[int, Relocation]) -> tuple[Section | None, int]:
    """The place that a field names: a section, None if it is in none, and an offset there, or what the field holds."""
    if not file.is_relocatable:
        section = _section_at(file, value)
        return section, value if section is None else value - section.address
    relocation = relocations.get(at)
    if relocation is None or type_of(relocation.kind).name != _PLACED or not relocation.symbol.is_defined:
        return None, value
    symbol = relocation.symbol
    return file.sections[symbol.section], file.offset_of(symbol) + relocation.addend


def _section_at(file: ElfFile, address: int) -> Section | None:
    """The section with contents that an address is in, or the end of."""
    return next(
        (
            each
            for each in file.sections
            if each.address and each.has_room and each.address <= address < each.address + len(each.data)
        ),
        None,
    )


def _site(file: ElfFile, record: tuple[str, int], places: list[tuple[Section | None, int]], type_: int) -> LinuxSite:
    """The site of a record. Raises PvasmError for one that cannot be one."""
    (within, start), (other, end) = places[0], places[-1]
    if within is None:
        said = "the place is in no section: its word needs a relocation R_IA64_DIR64LSB"
        raise _error(file, *record, said if file.is_relocatable else f"{start:#x} to {end:#x} is no code")
    if len(places) == 1:
        end = start + 1
    elif other is not within:
        # An end is often that of its section, where another may begin; what it is, its distance says.
        end += (0 if other is None else other.address) - within.address
        if file.is_relocatable:
            raise _error(file, *record, f"begins in {within.name} and ends elsewhere")
    site = LinuxSite(*record, within, start, end, type_)
    slots = 1 if site.kind == "bundles" else SLOTS
    ends = (start, start if len(places) == 1 else end)
    said = f"{within.address + start:#x} to {within.address + end:#x}"
    if start >= end or any(each % SIZE >= slots for each in ends):
        raise _error(file, *record, f"from {said} are no {'bundles' if site.kind == 'bundles' else 'slots'}")
    if not within.is_code or (end - 1 & -SIZE) + SIZE > len(within.data):
        raise _error(file, *record, f"{said} is no code")
    return site
