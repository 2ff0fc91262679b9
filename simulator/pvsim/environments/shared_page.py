"""The page that a guest shares with its hypervisor: virtual registers as words of memory."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from msgspec import UNSET

from pvasm.isa.registers import CONTROL, PSR_MASKS
from pvsim.environments.description import COUNTS, Field, Mask, Page
from pvsim.machine.machine import Machine
from pvsim.machine.memory import PAGE, Memory

PLACE: Final = 1 << 48
"""Where in memory it is: beyond what a guest is given."""

_APART: Final = frozenset(["psr.bn", "itc_offset", "itc_last"])
_FORMATS: Final = {1: "B", 2: "H", 4: "I", 8: "Q"}
_BANK, _COLLECTS = PSR_MASKS["psr.bn"], PSR_MASKS["psr.i"]


class SharedPage:
    """The page in memory. The virtual processor's registers come from there, and go there."""

    def __init__(self, page: Page, memory: Memory) -> None:
        self.page = page
        self.address = page.address
        self._memory = memory
        own = {name: each for name, each in page.fields.items() if not each.told and name not in _APART}
        self._control = [
            (CONTROL[name.removeprefix("cr.")], self._at(each), each.bytes)
            for name, each in own.items()
            if name.startswith("cr.")
        ]
        self._status = [
            (PSR_MASKS[name], self._at(each), each.bytes, each.inverted)
            for name, each in own.items()
            if name in PSR_MASKS
        ]
        self._banks = [
            (int(name[4]), name.endswith(".nats"), self._at(each), each.bytes)
            for name, each in own.items()
            if name.startswith("bank")
        ]
        self._regions = own.get("rr")
        self._bank = page.fields.get("psr.bn")
        self._numbers = range(PLACE // PAGE, (PLACE + page.size) // PAGE)
        self._stored: list[bytes] | None = None

    def has(self, address: int) -> bool:
        """Whether a virtual address is one of it."""
        return self.address <= address < self.address + self.page.size

    def physical(self, address: int) -> int:
        """Where a virtual address of it is in memory."""
        return PLACE + address - self.address

    def move(self, address: int) -> bool:
        """Makes an address the page's, whose contents stay; false for one that it cannot have."""
        last = address + self.page.size - 1
        if address % self.page.size or not any(low <= address and last <= high for low, high in self.page.room):
            return False
        self.address = address
        self.begin()
        return True

    # ------------------------------------------------------------------------------- words

    def word(self, name: str) -> int:
        """What a field holds; 0 if there is none of that name."""
        each = self.page.fields.get(name)
        return 0 if each is None else self._read(self._at(each), each.bytes)

    def put(self, name: str, value: int) -> None:
        """Gives a field a value; nothing if there is none of that name."""
        each = self.page.fields.get(name)
        if each is not None:
            self._write(self._at(each), value, each.bytes)

    def _at(self, each: Field) -> int:
        """Where a field is, counted from the page's start."""
        return self.page.fields_from - self.page.address + each.at

    def _read(self, at: int, size: int) -> int:
        return int.from_bytes(self._memory.read(PLACE + at, size), "little")

    def _write(self, at: int, value: int, size: int) -> None:
        self._memory.write(PLACE + at, (value & (1 << 8 * size) - 1).to_bytes(size, "little"))

    def _read_words(self, at: int, size: int, count: int) -> list[int]:
        return list(struct.unpack(f"<{count}{_FORMATS[size]}", self._memory.read(PLACE + at, size * count)))

    def _write_words(self, at: int, size: int, values: Sequence[int]) -> None:
        mask = (1 << 8 * size) - 1
        packed = struct.pack(f"<{len(values)}{_FORMATS[size]}", *[value & mask for value in values])
        self._memory.write(PLACE + at, packed)

    # -------------------------------------------------------------------------- registers

    def begin(self) -> None:
        """Points to the byte that masks interrupts."""
        mask = self.page.mask
        if mask is not UNSET:
            self._write(self._at(Field(mask.pointer)), self.address + mask.byte - self.page.address, 8)

    def load(self, processor: Machine) -> None:
        """Gives a virtual processor the registers that the page has."""
        if self._stored == self._contents():
            return  # as `store` left it: the processor has them
        status = processor.psr
        if self._bank is not None:
            status = status & ~_BANK | (_BANK if self._read(self._at(self._bank), self._bank.bytes) else 0)
        for bit, at, size, inverted in self._status:
            status = status | bit if bool(self._read(at, size)) != inverted else status & ~bit
        for number, at, size in self._control:
            processor.cr[number] = self._read(at, size)
        self._take_arrays(processor, status)
        mask = self.page.mask
        if mask is not UNSET:
            is_masked = self._read(self._mask_at(mask), 1)
            status = status & ~_COLLECTS | (0 if is_masked else _COLLECTS)
        processor.set_psr(status)

    def _take_arrays(self, processor: Machine, status: int) -> None:
        """The region registers, and the bank that psr does not have."""
        if self._regions is not None:
            values = self._read_words(self._at(self._regions), self._regions.bytes, COUNTS["rr"])
            if values != processor.rr:
                processor.rr[:] = values
                processor.reach_changed("di")
        for bank, is_nats, at, size in self._banks:
            if bank == bool(status & _BANK):
                continue
            if is_nats:
                word = self._read(at, size)
                processor.other_bank_nat = [word >> number & 1 for number in range(16)]
            else:
                processor.other_bank = self._read_words(at, size, 16)

    def store(self, processor: Machine) -> None:
        """Puts the registers of a virtual processor into the page."""
        status = processor.psr
        if self._bank is not None:
            self._write(self._at(self._bank), bool(status & _BANK), self._bank.bytes)
        for bit, at, size, inverted in self._status:
            self._write(at, bool(status & bit) != inverted, size)
        for number, at, size in self._control:
            self._write(at, processor.cr[number], size)
        if self._regions is not None:
            self._write_words(self._at(self._regions), self._regions.bytes, processor.rr)
        for bank, is_nats, at, size in self._banks:
            if bank == bool(status & _BANK):
                continue
            if is_nats:
                self._write(at, sum(bit << number for number, bit in enumerate(processor.other_bank_nat)), size)
            else:
                self._write_words(at, size, processor.other_bank)
        mask = self.page.mask
        if mask is not UNSET:
            is_masked = not status & _COLLECTS
            at = self._mask_at(mask)
            self._write(at, is_masked, 1)
            self._write(at - 1, processor.pending is not None, 1)
        self._stored = self._contents()

    def _contents(self) -> list[bytes]:
        """The page as it is."""
        pages = self._memory.pages
        return [bytes(pages[number]) for number in self._numbers if number in pages]

    def _mask_at(self, mask: Mask) -> int:
        """Where the byte is that the page points to; where it ought to be, if that is not in the page."""
        address = self._read(self._at(Field(mask.pointer)), 8)
        is_own = self.has(address) and self.has(address - 1)
        return address - self.address if is_own else mask.byte - self.page.address
