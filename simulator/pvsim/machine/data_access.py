"""What the machine does to reach data: translation, alignment, what is deferred, and the order of bytes.

Data that is reached again and again is reached without all that: `read_views` and `written_views` hold, for each size
of 1, 2, 4 and 8 bytes, the pages whose addresses have been found good to read or write, as memoryviews of elements of
that size. They are dropped when anything changes that they depend on. Compiled code looks there first
(`python_code.py`), so every other way to memory may be slow.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from pvsim.machine.advanced_loads import AdvancedLoads
from pvsim.machine.configuration import Configuration
from pvsim.machine.instruction_fetch import InstructionFetch
from pvsim.machine.interruptions import DEFERRABLE as _ED
from pvsim.machine.interruptions import READ as _R
from pvsim.machine.interruptions import SPECULATIVE_LOAD as _SP
from pvsim.machine.interruptions import WRITE as _W
from pvsim.machine.interruptions import Interruption, Vector, fault
from pvsim.machine.memory import PAGE, Memory
from pvsim.machine.translation import unimplemented
from pvsim.machine.translation_cache import Translation

_WORD: Final = (1 << 64) - 1

# Bits of psr (SDM vol. 2, table 3-2).
_BE, _AC, _IC, _PK, _DT, _DB = 1 << 1, 1 << 3, 1 << 13, 1 << 15, 1 << 17, 1 << 24
_IT, _DA, _DD, _PSR_ED = 1 << 36, 1 << 38, 1 << 39, 1 << 43
_CPL: Final = 3 << 32
_SEEN: Final = _BE | _PK | _DT | _DB | _CPL  # what views depend on

_DCR: Final = 0
_OFFSET: Final = (1 << 61) - 1
_UNCACHED: Final = 1 << 63  # of a physical address
_DIRTY, _ACCESSED, _PAGE_ED = 1 << 6, 1 << 5, 1 << 52  # of a translation's entry

WRITE_BACK, UNCACHEABLE, EXPORTED, COALESCING = 0, 4, 5, 6
"""Memory attributes (SDM vol. 2, table 4-11)."""

_ANY: Final = frozenset([WRITE_BACK, UNCACHEABLE, EXPORTED, COALESCING])
_CACHED: Final = frozenset([WRITE_BACK])
_ADDED_TO: Final = frozenset([WRITE_BACK, EXPORTED])
"""Memory that fetchadd may reach; other semaphores need it cached (SDM vol. 2, 4.4.3)."""

_DEFERRED_BY: Final = {
    Vector.VHPT_TRANSLATION: 8,
    Vector.DATA_TLB: 8,
    Vector.ALTERNATE_DATA_TLB: 8,
    Vector.PAGE_NOT_PRESENT: 9,
    Vector.DATA_KEY_MISS: 10,
    Vector.KEY_PERMISSION: 11,
    Vector.DATA_ACCESS_RIGHTS: 12,
    Vector.DATA_ACCESS_BIT: 13,
    Vector.DEBUG: 14,
}
"""The bit of cr.dcr with which a fault of a speculative load is deferred (SDM vol. 2, table 5-4)."""

_ALWAYS_DEFERRED: Final = frozenset([Vector.GENERAL_EXCEPTION, Vector.NAT_CONSUMPTION])
"""Faults that need no leave to be deferred: there is no such address, or it is on a NaTPage."""

_FORMATS: Final = {1: "B", 2: "H", 4: "I", 8: "Q"}

Views = dict[int, "memoryview[int]"]


class DataAccess(AdvancedLoads, InstructionFetch):
    """Calls of programs that load and store."""

    def __init__(self, memory: Memory | None = None, configuration: Configuration | None = None) -> None:
        super().__init__(memory, configuration)
        self.read_views: dict[int, Views] = {size: {} for size in _FORMATS}
        """By size and the page of an address: what is there, where it may be read."""
        self.written_views: dict[int, Views] = {size: {} for size in _FORMATS}
        """The same where it may be written, and no advanced load has to be told of it."""
        self._views_psr = 0

    # --------------------------------------------------------------------------------------- views

    def set_psr(self, word: int) -> None:
        """Sets the processor status register."""
        super().set_psr(word)
        self.check_views()

    def check_views(self) -> None:
        """Drops the views, if psr is not what they have been made with."""
        if (self.psr ^ self._views_psr) & _SEEN:
            self.drop_views()

    def drop_views(self) -> None:
        """What is known of addresses no longer holds: a translation, a region or a key has changed."""
        self._views_psr = self.psr
        for views in (*self.read_views.values(), *self.written_views.values()):
            views.clear()

    def reach_changed(self, kinds: str) -> None:
        """What may be reached, or where it is, has changed."""
        super().reach_changed(kinds)
        self.drop_views()

    def forget_written_views(self) -> None:
        """Stores have to be looked at, which may be to code, or to what an advanced load has read."""
        for views in self.written_views.values():
            views.clear()

    def _keep_view(self, views: dict[int, Views], address: int, physical: int, size: int) -> None:
        """Keeps the view of a page, unless each access has to be looked at."""
        page = self.memory.plain_page(physical)
        if page is None or self.psr & (_BE | _DB | _DA) or size not in _FORMATS or sys.byteorder != "little":
            return
        self._views_psr = self.psr
        views[size][address // PAGE] = memoryview(page).cast(_FORMATS[size])  # type: ignore[call-overload]

    # ----------------------------------------------------------------------- translation and faults

    def translate(self, address: int, access: int) -> int:
        """The physical address of one byte. Raises Interruption where it may not be reached.

        `access` is what cr.isr says of it: bits 32 to 36, and the code of an instruction that accesses nothing.
        """
        for interruption in self._conditions(address, 1, access, _ANY):
            raise interruption
        return self.physical_data(address)

    def physical_data(self, address: int) -> int:
        """The physical address of data that may be reached."""
        if not self.psr & _DT:
            return address & ~_UNCACHED
        page = self.translation_of(address)
        assert page is not None
        return page.physical(address & _OFFSET)

    def _attribute(self, address: int) -> int:
        if not self.psr & _DT:
            return UNCACHEABLE if address & _UNCACHED else WRITE_BACK
        page = self.translation_of(address)
        return page.attribute if page is not None else WRITE_BACK

    def _speculates(self, address: int) -> bool:
        """Whether memory may be reached ahead of time: not if it is uncached, nor by its physical address, which limits
        speculation (SDM vol. 2, 4.4.6).
        """
        return bool(self.psr & _DT) and self._attribute(address) in (WRITE_BACK, COALESCING)

    def _conditions(
        self, address: int, size: int, access: int, attributes: frozenset[int], *, aligned: bool = False
    ) -> Iterator[Interruption]:
        """The faults of an access, in the order of their priorities (SDM vol. 2, tables 5-3 and 5-6).

        What follows from another is left out: an address without a page has no rights. `aligned` says that the access
        has to be, whatever the model and psr.ac.
        """
        level = (self.psr & _CPL) >> 32
        if self.psr & _DT:
            yield from self.page_conditions(address, access, level)
        elif (address & ~_UNCACHED) >> self.configuration.physical_bits:
            yield unimplemented(address, access)
        if self._is_stopped_at(address, size, access, level):
            yield Interruption(Vector.DEBUG, access, address)
        if self._is_misplaced(address, size, aligned):
            yield Interruption(Vector.UNALIGNED_REFERENCE, access, address)
        if attributes is not _ANY and self._attribute(address) not in attributes:
            yield Interruption(Vector.UNSUPPORTED_DATA_REFERENCE, access, address)

    def page_conditions(self, address: int, access: int, level: int) -> Iterator[Interruption]:
        """The faults of an access at a level that its page has. A NaTPage has rights and a key all the same."""
        try:
            page: Translation | None = self.found_translation(address, access)
        except Interruption as interruption:
            yield interruption
            page = self.translation_of(address) if interruption.vector == Vector.NAT_CONSUMPTION else None
        if page is None:
            return
        try:
            if self.psr & _PK:
                self.check_key(page, address, access)
        except Interruption as interruption:
            yield interruption
        try:
            self.check_page_rights(page, address, access, level)
        except Interruption as interruption:
            yield interruption
        if not self.psr & _DA:
            if access & _W and not page.entry & _DIRTY:
                yield Interruption(Vector.DIRTY_BIT, access, address)
            if not page.entry & _ACCESSED:
                yield Interruption(Vector.DATA_ACCESS_BIT, access, address)

    def _is_stopped_at(self, address: int, size: int, access: int, level: int) -> bool:
        """Whether a breakpoint stops an access: psr.db lets it, and psr.dd lets one go."""
        return self.psr & (_DB | _DD) == _DB and self.is_watched(address, size, access, level)

    def check_access(self, address: int, access: int, level: int) -> None:
        """Raises Interruption where an access at a level would, for `probe.fault`."""
        for interruption in self.page_conditions(address, access, level) if self.psr & _DT else ():
            raise self._told(interruption)
        if self._is_stopped_at(address, 1, access, level):
            raise self._told(Interruption(Vector.DEBUG, access, address))

    def _is_misplaced(self, address: int, size: int, aligned: bool) -> bool:
        """Whether an access is not aligned, and the machine does not do it for all that."""
        needed = 16 if size == 10 else size
        if not address & needed - 1:
            return False
        boundary = self.configuration.unaligned_within
        return bool(aligned or self.psr & _AC or not boundary or address % boundary + size > boundary)

    # ------------------------------------------------------------------------------- loads, stores

    def check_translation(self, address: int, access: int) -> None:
        """Raises Interruption for a virtual address without a page that may be reached, where addresses are virtual."""
        with self._tells():
            super().check_translation(address, access)

    def physical_address(self, address: int) -> int:
        """The physical address of a virtual one, for `tpa`. Raises Interruption where there is none."""
        with self._tells():
            return super().physical_address(address)

    def grants_access(self, address: int, access: int, level: int) -> int:
        """Whether an access at a level would be let be, for `probe`. Raises Interruption where nobody knows."""
        with self._tells():
            return super().grants_access(address, access, level)

    @contextmanager
    def _tells(self) -> Iterator[None]:
        """A fault on the way says whether the page of the code lets it be deferred."""
        try:
            yield
        except Interruption as interruption:
            self._told(interruption)
            raise

    def _reached(
        self, address: int, size: int, access: int, attributes: frozenset[int] = _ANY, *, aligned: bool = False
    ) -> int:
        """The physical address of so many bytes. Raises Interruption for the first of the faults."""
        for interruption in self._conditions(address, size, access, attributes, aligned=aligned):
            raise self._told(interruption)
        return self.physical_data(address)

    def _told(self, interruption: Interruption) -> Interruption:
        """A fault of data, with what cr.isr tells of it: whether the page of the code lets it be deferred."""
        if interruption.vector not in _ALWAYS_DEFERRED and self._code_defers():
            interruption.code |= _ED
        return interruption

    @property
    def _order(self) -> str:
        return "big" if self.psr & _BE else "little"

    def _read(self, physical: int, size: int) -> int:
        return int.from_bytes(self.memory.load(physical, size), self._order)  # type: ignore[arg-type]

    def _write(self, physical: int, size: int, value: int) -> None:
        data = (value & (1 << 8 * size) - 1).to_bytes(size, self._order)  # type: ignore[arg-type]
        self.write_bytes(physical, data)

    def write_bytes(self, physical: int, data: bytes) -> None:
        """Stores bytes: of code that they change, and of advanced loads, is taken account."""
        self.note_store(physical, len(data))
        self.memory.store(physical, data)
        self.forget_overlapping(physical, len(data))

    def _load(self, address: int, size: int, attributes: frozenset[int] = _ANY) -> int:
        physical = self._reached(address, size, _R, attributes)
        self._keep_view(self.read_views, address, physical, size)
        return self._read(physical, size)

    def _store(self, address: int, value: int, size: int, attributes: frozenset[int] = _ANY) -> None:
        physical = self._reached(address, size, _W, attributes)
        self._write(physical, size, value)
        if not self.advanced and physical // PAGE not in self.code_pages:
            self._keep_view(self.written_views, address, physical, size)

    def load1(self, address: int) -> int:
        """A byte. Raises Interruption, as all of these do."""
        return self._load(address, 1)

    def load2(self, address: int) -> int:
        """Two bytes."""
        return self._load(address, 2)

    def load4(self, address: int) -> int:
        """Four bytes."""
        return self._load(address, 4)

    def load8(self, address: int) -> int:
        """Eight bytes."""
        return self._load(address, 8)

    def load10(self, address: int) -> int:
        """Ten bytes, a double-extended number."""
        return self._load(address, 10, _CACHED)

    def load16(self, address: int) -> int:
        """Sixteen bytes, a spilled floating-point register."""
        return self._load(address, 16)

    def store1(self, address: int, value: int) -> None:
        """A byte."""
        self._store(address, value, 1)

    def store2(self, address: int, value: int) -> None:
        """Two bytes."""
        self._store(address, value, 2)

    def store4(self, address: int, value: int) -> None:
        """Four bytes."""
        self._store(address, value, 4)

    def store8(self, address: int, value: int) -> None:
        """Eight bytes."""
        self._store(address, value, 8)

    def store10(self, address: int, value: int) -> None:
        """Ten bytes, a double-extended number."""
        self._store(address, value, 10, _CACHED)

    def store16(self, address: int, value: int) -> None:
        """Sixteen bytes, a spilled floating-point register."""
        self._store(address, value, 16)

    def load_pair(self, address: int, size: int) -> tuple[int, int]:
        """Two values side by side."""
        physical = self._reached(address, 2 * size, _R)
        return self._read(physical, size), self._read(physical + size, size)

    def check_pair(self, first: int, second: int) -> None:
        """Raises Interruption where two registers, one of them renamed, are both odd or both even."""
        numbers = (self._physical_register("fr", each)[1] for each in (first, second))
        if sum(numbers) % 2 == 0:
            raise fault("illegal_operation")

    def load_pair_of_words(self, address: int) -> tuple[int, int]:
        """Two values of 8 bytes for `ld16`, which only memory that is cached has."""
        physical = self._reached(address, 16, _R, _CACHED, aligned=True)
        return self._read(physical, 8), self._read(physical + 8, 8)

    def store_pair(self, address: int, low: int, high: int) -> None:
        """Two values of 8 bytes."""
        physical = self._reached(address, 16, _W, _CACHED, aligned=True)
        self._write(physical, 8, low)
        self._write(physical + 8, 8, high)

    # ---------------------------------------------------------------------------------- semaphores

    def exchange(self, address: int, size: int, value: int) -> int:
        """Writes a value; what was there."""
        physical = self._reached(address, size, _R | _W, _CACHED, aligned=True)
        held = self._read(physical, size)
        self._write(physical, size, value)
        return held

    def compare_exchange(self, address: int, size: int, expected: int, value: int) -> int:
        """Writes a value where memory holds what is expected; what it held."""
        physical = self._reached(address, size, _R | _W, _CACHED, aligned=True)
        held = self._read(physical, size)
        if held == expected:
            self._write(physical, size, value)
        return held

    def compare_exchange_pair(self, address: int, expected: int, low: int, high: int) -> int:
        """Writes the 16 bytes that an address lies in where its 8 are what is expected; what these were."""
        physical = self._reached(address, 8, _R | _W, _CACHED, aligned=True)
        held = self._read(physical, 8)
        if held == expected:
            self._write(physical & ~15, 8, low)
            self._write(physical | 8, 8, high)
        return held

    def fetch_add(self, address: int, size: int, amount: int) -> int:
        """Adds to a value; what it was."""
        physical = self._reached(address, size, _R | _W, _ADDED_TO, aligned=True)
        held = self._read(physical, size)
        self._write(physical, size, held + amount)
        return held

    def prefetch(self, address: int, access: int) -> None:
        """Raises Interruption for the faults of an access that reads nothing."""
        self._reached(address, 1, access)

    # --------------------------------------------------------------------------------- speculation

    def load_speculative(
        self, is_nat: int, address: int, size: int, parts: int, kind: str, file: str, number: int
    ) -> tuple[int, int]:
        """A load of type `s`, `a` or `sa`: what was read, and whether it has been deferred, which reads 0.

        SDM vol. 2, 5.5.5: a fault is raised only if it is neither deferred nor follows from another. `a` reads 0 of
        memory that does not allow speculation, and leaves no entry.
        """
        is_deferred = bool(is_nat)
        attributes = _CACHED if size == 10 else _ANY
        if "s" not in kind:
            self._reached(address, size, _R, attributes)
        elif not is_nat and not self.psr & _PSR_ED:
            is_deferred = self._is_deferred(address, size, attributes)
        elif self.psr & _PSR_ED:
            is_deferred = True
        if "a" in kind:
            self.forget_advanced(file, number)
        if is_deferred:
            return 0, 1
        if "s" in kind and not self._speculates(address):
            return 0, 1
        if self._attribute(address) not in (WRITE_BACK, COALESCING):
            return 0, 0
        physical = self.physical_data(address)
        if "a" in kind and self._speculates(address):
            self._advance(file, number, physical, size)
        each = size // parts
        return sum(self._read(physical + each * part, each) << 64 * part for part in range(parts)), 0

    def _is_deferred(self, address: int, size: int, attributes: frozenset[int]) -> bool:
        """Whether a speculative load has faults, all of which are deferred. Raises Interruption for any that is not."""
        may_defer = self._code_defers()
        found = list(self._conditions(address, size, _R | _SP, attributes))
        for interruption in found:
            if not self._defers(interruption, may_defer):
                raise self._told(interruption)
        return bool(found)

    def _code_defers(self) -> bool:
        """Whether the page of the code lets faults be deferred: psr.it and the translation's ed."""
        if not self.psr & _IT:
            return False
        page = self.translation_of(self.ip & ~15, "i")
        return page is not None and bool(page.entry & _PAGE_ED)

    def defers(self, interruption: Interruption) -> bool:
        """Whether a fault of a speculative load, of the instruction at `ip`, is deferred."""
        return self._defers(interruption, self._code_defers())

    def _defers(self, interruption: Interruption, may_defer: bool) -> bool:
        if not self.psr & _IC:
            return True
        vector = interruption.vector
        if vector in _ALWAYS_DEFERRED:
            return True
        if vector == Vector.UNALIGNED_REFERENCE:
            return may_defer
        bit = _DEFERRED_BY.get(vector)
        return may_defer and bit is not None and bool(self.cr[_DCR] >> bit & 1)

    # -------------------------------------------------------------------------------- advanced loads

    def advance(self, file: str, number: int, address: int, size: int) -> None:
        """The ALAT notes a load that has been done, where memory allows speculation."""
        if self._speculates(address):
            self._advance(file, number, self.physical_data(address), size)

    def _advance(self, file: str, number: int, physical: int, size: int) -> None:
        if self.note_advanced(file, number, physical, size):
            self.forget_written_views()
