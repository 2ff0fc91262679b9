"""Memory: sparse, in pages, by physical address."""

from __future__ import annotations

from typing import Final

PAGE: Final = 1 << 12


class Memory:
    """Bytes by physical address. Pages that nobody wrote are of zeros, and take no room."""

    def __init__(self) -> None:
        self.pages: dict[int, bytearray] = {}

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
