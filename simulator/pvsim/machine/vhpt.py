"""The virtual hash page table: its hashes, and the walker that looks for pages there (SDM vol. 2, 4.1.5 to 4.1.8)."""

from __future__ import annotations

from typing import Final

from pvasm.isa.registers import CONTROL
from pvsim.machine.interruptions import REGISTER_STACK, Vector
from pvsim.machine.translation import ALTERNATE, TranslationBuffers
from pvsim.machine.translation_cache import Translation

_OFFSET: Final = (1 << 61) - 1
_PTA, _DCR = CONTROL["pta"], CONTROL["dcr"]
_ENABLED: Final = 1  # of cr.pta, and of a region register
_LONG: Final = 1 << 8  # of cr.pta: vf
_BIG_ENDIAN: Final = 1 << 1  # of cr.dcr: the table is in that order, too
_INVALID_TAG: Final = 1 << 63
_IDENTIFIER_AT: Final = 40  # of a tag
_LEAST_HASHED: Final = 12  # bits of a page's number that are in the hash of a table of 32 KB with short entries
_WORD: Final = (1 << 64) - 1
_IC, _DT, _RT, _IT = 1 << 13, 1 << 17, 1 << 27, 1 << 36  # of psr
_WRITE_BACK: Final = 0
_SIZE: Final = 0x3F << 2  # of a region register and of cr.itir
_MISSED: Final = {"d": Vector.DATA_TLB, "i": Vector.INSTRUCTION_TLB}


class PageTable(TranslationBuffers):
    """The table in memory behind the translation buffers, and calls of programs about it."""

    def vhpt_address(self, address: int) -> tuple[int, int]:
        """Where the table has the entry of an address (SDM vol. 2, 4.1.5.3), and whether there is no such address.

        The hash of the long format is the model's own: that of this machine mixes in the region's id.
        """
        table, region = self.cr[_PTA], self.rr[address >> 61]
        within = (1 << (table >> 2 & 0x3F)) - 1
        number = (address & _OFFSET) >> (region >> 2 & 0x3F)
        is_long = table & _LONG
        place = (number ^ region >> 8 & 0xFFFFFF) << 5 if is_long else number << 3
        base = table & ~0x7FFF
        in_region = base & ~_OFFSET if is_long else address & ~_OFFSET
        found = in_region | (base & _OFFSET & ~within) | place & within
        return found, self.is_unimplemented_data(address)

    def vhpt_tag(self, address: int) -> tuple[int, int]:
        """What the entry of an address has as its tag in the long format, and whether there is no such address.

        What a tag looks like, the architecture leaves to the model (SDM vol. 2, 4.1.5.5).
        """
        region = self.rr[address >> 61]
        identifier, size = region >> 8 & 0xFFFFFF, region >> 2 & 0x3F
        from_bit = self.configuration.tags_from
        if from_bit is None:
            return identifier << 39 ^ (address & _OFFSET) >> size, self.is_unimplemented_data(address)
        hashed = max(size + _LEAST_HASHED - from_bit, 0)
        of_address = (address & _OFFSET) >> from_bit >> hashed << hashed
        return identifier << _IDENTIFIER_AT & _WORD | of_address, self.is_unimplemented_data(address)

    def missing_translation(self, address: int, access: int, kind: str) -> Translation:
        """The page of an address that the buffers do not have: the walker puts it into a cache.

        Raises Interruption: an Alternate TLB fault where the walker is off, a VHPT Translation fault where it misses
        the table's own page, and a TLB fault where the table has no entry that is good.
        """
        if not self._is_walked(address, access, kind):
            raise self.miss(ALTERNATE[kind], address, access, kind)
        place, _ = self.vhpt_address(address)
        page = None
        if not self.is_unimplemented_data(place):
            table = self.translation_of(place)
            if table is None:
                raise self.miss(Vector.VHPT_TRANSLATION, address, access, kind)
            if table.is_present and table.attribute == _WRITE_BACK:
                page = self._entry(address, table.physical(place & _OFFSET))
        if page is None:
            raise self.miss(_MISSED[kind], address, access, kind)
        self.cache_translation(kind, page)
        return page

    def _is_walked(self, address: int, access: int, kind: str) -> bool:
        """Whether the walker is on for a reference: by cr.pta, the region, and psr (SDM vol. 2, 4.1.7)."""
        if not self.cr[_PTA] & self.rr[address >> 61] & _ENABLED:
            return False
        needed = _DT | _IT | _IC if kind == "i" else _DT | (_RT if access & REGISTER_STACK else 0)
        return self.psr & needed == needed

    def _entry(self, address: int, physical: int) -> Translation | None:
        """The page that the table's entry at a physical address gives to an address, None for one that is not good.

        An entry that is not present is good all the same: the page is found, and is not there.
        """
        region = self.rr[address >> 61]
        entry = self._word(physical)
        itir = region & _SIZE | (region >> 8 & 0xFFFFFF) << 8
        if self.cr[_PTA] & _LONG:
            itir = self._word(physical + 8)
            if not entry & 1:
                itir &= _SIZE | 0xFFFFFF << 8
            tag = self._word(physical + 16)
            if tag & _INVALID_TAG or tag != self.vhpt_tag(address)[0]:
                return None
        return None if self.is_reserved(entry, itir) else self.translation(address, itir, entry)

    def _word(self, physical: int) -> int:
        order = "big" if self.cr[_DCR] & _BIG_ENDIAN else "little"
        return int.from_bytes(self.memory.read(physical, 8), order)  # type: ignore[arg-type]
