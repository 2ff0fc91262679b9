"""The page that a guest shares with its hypervisor: virtual registers as words of memory."""

from __future__ import annotations

from typing import Final

from msgspec import UNSET

from pvasm.isa.registers import CONTROL, PSR_MASKS
from pvsim.environments.description import COUNTS, Field, Mask, Page
from pvsim.machine.machine import Machine
from pvsim.machine.memory import Memory

PLACE: Final = 1 << 48
"""Where in memory it is: beyond what a guest is given."""

_WORD: Final = (1 << 64) - 1
_BANK, _COLLECTS = PSR_MASKS["psr.bn"], PSR_MASKS["psr.i"]


class SharedPage:
    """The page in memory. The virtual processor's registers come from there, and go there."""

    def __init__(self, page: Page, memory: Memory) -> None:
        self.page = page
        self.address = page.address
        self._memory = memory
        self._fields = [(name, each) for name, each in page.fields.items() if name != "psr.bn"]
        self._bank = page.fields.get("psr.bn")

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

    # -------------------------------------------------------------------------- registers

    def begin(self) -> None:
        """Points to the byte that masks interrupts."""
        mask = self.page.mask
        if mask is not UNSET:
            self._write(self._at(Field(mask.pointer)), self.address + mask.byte - self.page.address, 8)

    def load(self, processor: Machine) -> None:
        """Gives a virtual processor the registers that the page has."""
        status = processor.psr
        if self._bank is not None:
            status = status & ~_BANK | (_BANK if self._read(self._at(self._bank), self._bank.bytes) else 0)
        for name, each in self._fields:
            if each.told:
                continue
            if name in PSR_MASKS:
                is_set = bool(self._read(self._at(each), each.bytes)) != each.inverted
                status = status & ~PSR_MASKS[name] | (PSR_MASKS[name] if is_set else 0)
            else:
                self._take(processor, name, each, status)
        mask = self.page.mask
        if mask is not UNSET:
            is_masked = self._read(self._mask_at(mask), 1)
            status = status & ~_COLLECTS | (0 if is_masked else _COLLECTS)
        processor.set_psr(status)

    def _take(self, processor: Machine, name: str, each: Field, status: int) -> None:
        at = self._at(each)
        if name.startswith("cr."):
            processor.cr[CONTROL[name.removeprefix("cr.")]] = self._read(at, each.bytes)
        elif name == "rr":
            values = [self._read(at + each.bytes * number, each.bytes) for number in range(COUNTS[name])]
            if values != processor.rr:
                processor.rr[:] = values
                processor.reach_changed("di")
        elif name.startswith("bank") and int(name[4]) != bool(status & _BANK):
            if name.endswith(".nats"):
                word = self._read(at, each.bytes)
                processor.other_bank_nat = [word >> number & 1 for number in range(16)]
            else:
                processor.other_bank = [self._read(at + each.bytes * number, each.bytes) for number in range(16)]

    def store(self, processor: Machine) -> None:
        """Puts the registers of a virtual processor into the page."""
        status = processor.psr
        if self._bank is not None:
            self._write(self._at(self._bank), bool(status & _BANK), self._bank.bytes)
        for name, each in self._fields:
            if each.told or name == "itc_offset":
                continue
            if name in PSR_MASKS:
                self._write(self._at(each), bool(status & PSR_MASKS[name]) != each.inverted, each.bytes)
            else:
                self._give(processor, name, each, status)
        mask = self.page.mask
        if mask is not UNSET:
            is_masked = not status & _COLLECTS
            at = self._mask_at(mask)
            self._write(at, is_masked, 1)
            self._write(at - 1, processor.pending is not None, 1)

    def _mask_at(self, mask: Mask) -> int:
        """Where the byte is that the page points to; where it ought to be, if that is not in the page."""
        address = self._read(self._at(Field(mask.pointer)), 8)
        is_own = self.has(address) and self.has(address - 1)
        return address - self.address if is_own else mask.byte - self.page.address

    def _give(self, processor: Machine, name: str, each: Field, status: int) -> None:
        at = self._at(each)
        if name.startswith("cr."):
            self._write(at, processor.cr[CONTROL[name.removeprefix("cr.")]], each.bytes)
        elif name == "rr":
            for number, value in enumerate(processor.rr):
                self._write(at + each.bytes * number, value, each.bytes)
        elif name.startswith("bank") and int(name[4]) != bool(status & _BANK):
            if name.endswith(".nats"):
                self._write(at, sum(bit << number for number, bit in enumerate(processor.other_bank_nat)), each.bytes)
            else:
                for number, value in enumerate(processor.other_bank):
                    self._write(at + each.bytes * number, value, each.bytes)
