"""Translation of virtual addresses: registers, caches, and what instructions about them do (SDM vol. 2, 4.1)."""

from __future__ import annotations

from typing import Final

from pvsim.machine.configuration import Configuration
from pvsim.machine.interruptions import EXECUTE as _X
from pvsim.machine.interruptions import GENERAL_CODES, Interruption, Vector, fault
from pvsim.machine.interruptions import NON_ACCESS as _NA
from pvsim.machine.interruptions import READ as _R
from pvsim.machine.interruptions import WRITE as _W
from pvsim.machine.memory import Memory
from pvsim.machine.notes import OverlappingTranslation
from pvsim.machine.state import State
from pvsim.machine.translation_cache import Translation, TranslationCache

_OFFSET: Final = (1 << 61) - 1
_IC: Final = 1 << 13
_PK: Final = 1 << 15
_DT: Final = 1 << 17
_TAK: Final = 3  # of cr.isr.code
_IT: Final = 1 << 36
_IFA, _ITIR = 20, 21
NAT_PAGE: Final = 7
"""The memory attribute of pages that read as NaT."""
_RESERVED_ATTRIBUTES: Final = frozenset([1, 2, 3])


ALTERNATE: Final = {"d": Vector.ALTERNATE_DATA_TLB, "i": Vector.ALTERNATE_INSTRUCTION_TLB}
"""The vectors of a miss where the table is not searched."""

_KEY_MISS: Final = (Vector.DATA_KEY_MISS, Vector.INSTRUCTION_KEY_MISS)
_NO_RIGHTS: Final = (Vector.DATA_ACCESS_RIGHTS, Vector.INSTRUCTION_ACCESS_RIGHTS)


def unimplemented(address: int, access: int) -> Interruption:
    """The fault of an address of data that is not implemented."""
    return Interruption(Vector.GENERAL_EXCEPTION, GENERAL_CODES["reserved_register_field"] | access, address)


class TranslationBuffers(State):
    """The translation registers and caches, of data (`d`) and instructions (`i`), and calls of programs about them."""

    def __init__(self, memory: Memory | None = None, configuration: Configuration | None = None) -> None:
        super().__init__(memory, configuration)
        self.translation_registers: dict[str, dict[int, Translation]] = {"d": {}, "i": {}}
        self.translation_caches = {"d": TranslationCache(), "i": TranslationCache()}

    # ------------------------------------------------------------------------------------- looking

    def translation_of(self, address: int, kind: str = "d") -> Translation | None:
        """The page of an address, in a register or a cache."""
        offset, region = address & _OFFSET, self._region(address)
        for page in self.translation_registers[kind].values():
            if page.has(offset, region):
                return page
        return self.translation_caches[kind].of(offset, region)

    def _region(self, address: int) -> int:
        return self.rr[address >> 61] >> 8 & 0xFFFFFF

    def found_translation(self, address: int, access: int, kind: str = "d") -> Translation:
        """The page that is about to be reached, of data or of instructions.

        Raises Interruption where there is none, or no memory behind it; `access` is what cr.isr says of it.
        """
        if self.is_unimplemented_data(address):
            raise unimplemented(address, access)
        page = self.translation_of(address, kind) or self.missing_translation(address, access, kind)
        if not page.is_present:
            raise Interruption(Vector.PAGE_NOT_PRESENT, access, address)
        if page.attribute == NAT_PAGE:
            raise Interruption(Vector.NAT_CONSUMPTION, access | 0x20, address)
        return page

    def missing_translation(self, address: int, access: int, kind: str) -> Translation:
        """The page of an address that the buffers do not have. Raises Interruption: nothing looks elsewhere."""
        raise self.miss(ALTERNATE[kind], address, access, kind)

    def miss(self, vector: Vector, address: int, access: int, kind: str) -> Interruption:
        """The fault of a page that is not found: while psr.ic is 0 that of data is a nested one (table 4-10)."""
        if kind == "d" and not self.psr & _IC:
            vector = Vector.DATA_NESTED_TLB
        return Interruption(vector, access, address)

    def check_rights(self, page: Translation, address: int, access: int, level: int) -> None:
        """Raises Interruption where the page's key, or its rights, let an access at a level not be."""
        if self.psr & _PK:
            self.check_key(page, address, access)
        self.check_page_rights(page, address, access, level)

    def check_key(self, page: Translation, address: int, access: int) -> None:
        """Raises Interruption where no key register has the page's key, or it does not permit the access."""
        register = self._key_register(page.key)
        if register is None:
            raise Interruption(_KEY_MISS[bool(access & _X)], access, address)
        if (access & _R and register & 4) or (access & _W and register & 2) or (access & _X and register & 8):
            raise Interruption(Vector.KEY_PERMISSION, access, address)

    def check_page_rights(self, page: Translation, address: int, access: int, level: int) -> None:
        """Raises Interruption where the page does not have the rights that an access at a level needs."""
        if not _wanted(access) <= set(page.rights(level)):
            raise Interruption(_NO_RIGHTS[bool(access & _X)], access, address)

    def _key_register(self, key: int) -> int | None:
        for held in self.files["pkr"]:
            if held & 1 and held >> 8 == key:
                return held
        return None

    # ------------------------------------------------------------------- what instructions ask for

    def promoted_level(self, ip: int) -> int:
        """The level that epc gives: 0 without translation, else that of a page for promotion (SDM vol. 3, epc)."""
        level = self.psr >> 32 & 3
        if not self.psr & _IT:
            return 0
        page = self.translation_of(ip, "i")
        return min(level, page.entry >> 7 & 3) if page is not None and page.entry >> 9 & 7 == 7 else level

    def check_translation(self, address: int, access: int) -> None:
        """Raises Interruption for a virtual address without a page that may be reached, where addresses are virtual."""
        if self.psr & _DT:
            self.check_page_rights(self.found_translation(address, access), address, access, self.psr >> 32 & 3)

    def physical_address(self, address: int) -> int:
        """The physical address of a virtual one, for `tpa`. Raises Interruption where there is none."""
        return self.found_translation(address, _NA).physical(address & _OFFSET)

    def access_key(self, address: int) -> int:
        """The key of an address's page in its place in a key register, for `tak`; 1 where it has none.

        The table is searched as well, if it is for accesses: a fault of that is no fault of `tak`.
        """
        try:
            return self.found_translation(address, _NA | _TAK).key << 8
        except Interruption as interruption:
            page = self.translation_of(address)
            is_nat_page = interruption.vector == Vector.NAT_CONSUMPTION and page is not None
            return page.key << 8 if is_nat_page and page is not None else 1

    def grants_access(self, address: int, access: int, level: int) -> int:
        """Whether an access at a level would be let be, for `probe`. Raises Interruption where nobody knows.

        The buffers are asked whether addresses of data are virtual now or not.
        """
        seen = _NA | 2 | access
        page = self.found_translation(address, seen)
        try:
            self.check_rights(page, address, seen, level)
        except Interruption as interruption:
            if interruption.vector == Vector.DATA_KEY_MISS:
                raise
            return 0
        return 1

    def is_unimplemented_data(self, address: int) -> int:
        """Whether the bits that an implementation has not are no copies of the leftmost that it has."""
        sign = (address & _OFFSET) >> self.configuration.virtual_bits - 1
        return int(sign not in (0, _OFFSET >> self.configuration.virtual_bits - 1))

    # --------------------------------------------------------------------------- insertions, purges

    def check_slot(self, kind: str, index: int) -> None:
        """Raises Interruption for a translation register that there is not."""
        if index & 0xFF >= self.configuration.counts[f"{kind}tr"]:
            raise fault("reserved_register_field")

    def check_insertion(self, entry: int) -> None:
        """Raises Interruption for an entry, or cr.itir, with reserved fields (SDM vol. 2, 4.1.1.5)."""
        if self.is_reserved(entry, self.cr[_ITIR]):
            raise fault("reserved_register_field")

    def is_reserved(self, entry: int, itir: int) -> bool:
        """Whether an entry, or what is said of its size and key, has reserved fields."""
        model = self.configuration
        refused = bool(itir & (0b11 | -1 << 8 + model.key_bits)) or itir >> 2 & 0x3F not in model.page_sizes
        if entry & 1:
            beyond = (1 << 50) - (1 << model.physical_bits)
            refused = refused or bool(entry & (0b10 | 0b11 << 50 | beyond))
            refused = refused or entry >> 2 & 7 in _RESERVED_ATTRIBUTES
        return refused

    def translation(self, address: int, itir: int, entry: int) -> Translation:
        """The page that an entry is of: around an address, in the address's region; its size and key as in cr.itir."""
        size = itir >> 2 & 0x3F
        start = (address & _OFFSET) >> size << size
        return Translation(start, size, self._region(address), itir >> 8 & 0xFFFFFF, entry)

    def insert_translation(self, kind: str, entry: int) -> None:
        """Puts the page of cr.ifa and cr.itir into a cache, in the place of those that it meets."""
        self.cache_translation(kind, self.translation(self.cr[_IFA], self.cr[_ITIR], entry))

    def cache_translation(self, kind: str, page: Translation) -> None:
        """Puts a page into a cache, in the place of those that it meets."""
        self._note_overlap(kind, page, None)
        cache = self.translation_caches[kind]
        is_other = cache.purge(page.start, page.size, page.region)
        cache.add(page)
        if is_other:
            self.reach_changed(kind)  # else nobody has reached it before

    def insert_translation_register(self, kind: str, index: int, entry: int) -> None:
        """Puts a page into a register; pages of the caches that it meets leave."""
        page = self.translation(self.cr[_IFA], self.cr[_ITIR], entry)
        self._note_overlap(kind, page, index & 0xFF)
        self.translation_caches[kind].purge(page.start, page.size, page.region)
        self.translation_registers[kind][index & 0xFF] = page
        self.reach_changed(kind)

    def _note_overlap(self, kind: str, page: Translation, index: int | None) -> None:
        """Notes a page that meets one of a register, but for the register that it is put into."""
        for number, held in self.translation_registers[kind].items():
            if number != index and held.meets(page.start, page.size, page.region):
                self.note(OverlappingTranslation(self.ip, page.start))

    def purge_translations(self, address: int, size: int) -> None:
        """Takes the pages that a range meets out of both caches; bits 7 to 2 of `size` are its exponent."""
        for pages in self.translation_caches.values():
            pages.purge(address & _OFFSET, size >> 2 & 0x3F, self._region(address))
        self.reach_changed("di")

    def purge_translation_registers(self, kind: str, address: int, size: int) -> None:
        """Takes the pages that a range meets out of the registers of a kind, and out of both caches."""
        offset, exponent, region = address & _OFFSET, size >> 2 & 0x3F, self._region(address)
        kept = self.translation_registers[kind].items()
        self.translation_registers[kind] = {
            slot: page for slot, page in kept if not page.meets(offset, exponent, region)
        }
        self.purge_translations(address, size)

    def purge_translation_cache(self) -> None:
        """Empties both caches."""
        for pages in self.translation_caches.values():
            pages.clear()
        self.reach_changed("di")


def _wanted(access: int) -> set[str]:
    """The rights that an access needs."""
    return {letter for letter, bit in (("r", _R), ("w", _W), ("x", _X)) if access & bit}
