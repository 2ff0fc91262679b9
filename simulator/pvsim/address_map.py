"""Where programs that are linked for virtual regions are in physical memory.

IA-64 programs have their code in region 2 and their data in region 3 (psABI, "Virtual Address Space"). What is in
region 0 stays where it is; each other region has a terabyte of physical memory of its own.
"""

from __future__ import annotations

from typing import Final

from pvasm.asm.image import Image, Segment
from pvasm.errors import PvasmError
from pvsim.machine.machine import Machine
from pvsim.machine.translation_cache import Translation

_REGION: Final = 61  # where an address has its region's number
_OFFSET: Final = (1 << _REGION) - 1
_ROOM: Final = 40  # the exponent of each region's part of physical memory
_PAGE: Final = 32  # that of a page's size
_PREFERRED: Final = 14 << 2  # a size of pages, for region registers
_ALL: Final = 1 | 1 << 5 | 1 << 6 | 3 << 7 | 3 << 9  # present, accessed, dirty; read, write, execute at every level


class AddressMap:
    """The pages of an image: those of its segments, and the first 4 GiB of region 0."""

    def __init__(self, image: Image) -> None:
        """Raises PvasmError for a segment that is too far from its region's start."""
        self.in_other_region: Segment | None = None
        """A segment that is not in region 0, if there is one: addresses must be translated then."""
        pages = {0}
        for segment in image.segments:
            last = segment.address + max(len(segment.data), 1) - 1
            if segment.address >> _REGION:
                self.in_other_region = self.in_other_region or segment
                if last & _OFFSET >= 1 << _ROOM:
                    raise PvasmError(f"{segment.name} is at {segment.address:#x}, too far from its region's start")
            pages.update(range(segment.address >> _PAGE, (last >> _PAGE) + 1))
        self._pages = sorted(pages)
        self._regions = {page >> (_REGION - _PAGE) for page in pages}

    def install(self, machine: Machine) -> None:
        """Gives a machine the translations, for data and for instructions."""
        for region in range(1 << 64 - _REGION):  # each has its identifier: what is mapped in one is not in another
            machine.rr[region] = region << 8 | _PREFERRED
        for number, page in enumerate(self._pages):
            address = page << _PAGE
            entry = self.physical(address) | _ALL
            for registers in machine.translation_registers.values():
                registers[number] = Translation(address & _OFFSET, _PAGE, address >> _REGION, 0, entry)

    def physical(self, address: int) -> int:
        """Where an address is in memory."""
        region = address >> _REGION
        return (region << _ROOM) + (address & (1 << _ROOM) - 1) if region and region in self._regions else address

    def extend(self, address: int, machine: Machine) -> None:
        """Maps the page of an address as well; `install` has given the machine the others.

        Raises PvasmError for one whose place in memory is another's, or is none.
        """
        pages = sorted({*self._pages, address >> _PAGE})
        self._regions.add(address >> _REGION)
        places = {self.physical(page << _PAGE) for page in pages}
        if len(places) < len(pages) or max(places) >> machine.configuration.physical_bits:
            raise PvasmError(f"there is no room for {address:#x} beside the other addresses of its region")
        self._pages = pages
        self.install(machine)

    def is_mapped(self, address: int) -> bool:
        """Whether there is a page for an address, where it is translated."""
        return address >> _PAGE in self._pages

    def virtual(self, place: int) -> int:
        """The address of a place in memory."""
        page = next((page for page in self._pages if self.physical(page << _PAGE) >> _PAGE == place >> _PAGE), None)
        return place if page is None else (page << _PAGE) + (place & (1 << _PAGE) - 1)
