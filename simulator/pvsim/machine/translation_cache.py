"""A cache of translations, in which pages are found by their address, and lie side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

_FRAME: Final = (1 << 50) - 1 & ~0xFFF


class Translation(Struct, frozen=True):
    """A page: where it begins in its region, its size's exponent, its region's id, its key, and its entry's bits."""

    start: int
    size: int
    region: int
    key: int
    entry: int

    def has(self, offset: int, region: int) -> bool:
        """Whether an address of a region lies in the page."""
        return region == self.region and offset >> self.size == self.start >> self.size

    def meets(self, offset: int, size: int, region: int) -> bool:
        """Whether a range of `1 << size` bytes has part in it."""
        wider = max(size, self.size)
        return region == self.region and offset >> wider == self.start >> wider

    def physical(self, offset: int) -> int:
        """The physical address of an address that lies in it."""
        low = (1 << self.size) - 1
        return self.entry & _FRAME & ~low | offset & low

    @property
    def is_present(self) -> bool:
        """Whether there is memory behind it."""
        return bool(self.entry & 1)

    @property
    def attribute(self) -> int:
        """Its memory attribute (SDM vol. 2, table 4-11)."""
        return self.entry >> 2 & 7

    def rights(self, level: int) -> str:
        """What may be done at a privilege level: of the letters `r w x` (SDM vol. 2, table 4-2)."""
        own, kind = self.entry >> 7 & 3, self.entry >> 9 & 7
        if kind == 7:
            return "x" if level else "rx"
        if level > own:
            return ""
        if kind == 5:
            return "rx" if level else "rwx"
        at_own, better = {4: ("r", "rw"), 6: ("rwx", "rw")}.get(kind, (("r", "rx", "rw", "rwx")[kind & 3],) * 2)
        return at_own if level == own and level else better


class TranslationCache:
    """Pages of which no two meet; as many as are put there: what is thrown out, software says."""

    def __init__(self) -> None:
        self._pages: dict[tuple[int, int, int], Translation] = {}
        """By size, region and number among the pages of that size."""
        self._sizes: dict[int, int] = {}
        """How many pages there are of each size."""

    def __len__(self) -> int:
        return len(self._pages)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TranslationCache) and self._pages == other._pages

    __hash__ = None  # type: ignore[assignment]  # its pages change

    def __iter__(self) -> Iterator[Translation]:
        return iter(self._pages.values())

    def of(self, offset: int, region: int) -> Translation | None:
        """The page that an address of a region lies in."""
        for size in self._sizes:
            page = self._pages.get((size, region, offset >> size))
            if page is not None:
                return page
        return None

    def add(self, page: Translation) -> None:
        """Puts a page there that meets no other."""
        self._pages[page.size, page.region, page.start >> page.size] = page
        self._sizes[page.size] = self._sizes.get(page.size, 0) + 1

    def purge(self, offset: int, size: int, region: int) -> bool:
        """Throws out the pages that a range meets; whether there were any."""
        if all(each >= size for each in self._sizes):
            page = self.of(offset, region)
            found = [] if page is None else [page]
        else:
            found = [page for page in self if page.meets(offset, size, region)]
        for page in found:
            del self._pages[page.size, page.region, page.start >> page.size]
            self._sizes[page.size] -= 1
            if not self._sizes[page.size]:
                del self._sizes[page.size]
        return bool(found)

    def clear(self) -> None:
        """Throws out all."""
        self._pages.clear()
        self._sizes.clear()
