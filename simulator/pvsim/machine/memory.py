"""Memory: sparse, in pages, by physical address."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

PAGE: Final = 1 << 12


class Device:
    """A word of a device: each load takes the next of some values, the last again and again; what is stored is kept."""

    def __init__(self, values: Sequence[int]) -> None:
        """There is at least one value; a load takes as many of its low bytes as it is wide, little-endian."""
        self.values = values
        self.loads = 0
        """How often it was read."""
        self.stored: list[bytes] = []
        """What it was told, in order."""

    def load(self, size: int) -> bytes:
        """What it says next."""
        value = self.values[min(self.loads, len(self.values) - 1)]
        self.loads += 1
        return (value & (1 << 8 * size) - 1).to_bytes(size, "little")


class Memory:
    """Bytes by physical address. Pages that nobody wrote are of zeros, and take no room.

    A program loads and stores; who looks at memory from outside reads and writes, and no device sees it.
    """

    def __init__(self) -> None:
        self.pages: dict[int, bytearray] = {}
        self.devices: dict[int, Device] = {}
        """By the address of each: loads and stores there are theirs, of whatever size."""

    def load(self, address: int, size: int) -> bytes:
        """What a program reads."""
        device = self.devices.get(address)
        return self.read(address, size) if device is None else device.load(size)

    def store(self, address: int, data: bytes) -> None:
        """What a program writes."""
        device = self.devices.get(address)
        if device is None:
            self.write(address, data)
        else:
            device.stored.append(data)

    def plain_page(self, address: int) -> bytearray | None:
        """The page of an address, where a load is nothing but a look at its bytes; None where it is not there, too."""
        number = address // PAGE
        if self.devices and any(each // PAGE == number for each in self.devices):
            return None
        return self.pages.get(number)

    def write(self, address: int, data: bytes) -> None:
        """Puts bytes at an address, across pages if need be."""
        at = 0
        while at < len(data):
            page, offset = divmod(address + at, PAGE)
            part = data[at : at + PAGE - offset]
            self.pages.setdefault(page, bytearray(PAGE))[offset : offset + len(part)] = part
            at += len(part)

    def read(self, address: int, size: int) -> bytes:
        """So many bytes from an address on."""
        page, offset = divmod(address, PAGE)
        if offset + size <= PAGE:
            kept = self.pages.get(page)
            return bytes(kept[offset : offset + size]) if kept is not None else bytes(size)
        found = bytearray()
        while len(found) < size:
            page, offset = divmod(address + len(found), PAGE)
            wanted = min(size - len(found), PAGE - offset)
            kept = self.pages.get(page)
            found += kept[offset : offset + wanted] if kept is not None else bytes(wanted)
        return bytes(found)

    def fetch(self, address: int) -> bytes:
        """The 16 bytes of a bundle."""
        return self.read(address, 16)
