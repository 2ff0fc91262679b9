"""What the machine notes of a program: what hardware need not do the way that it was done here."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

Where = Callable[[int], str]
"""What an address of code, with its slot in the low bits, is called."""


class StaleCode(Struct, frozen=True):
    """Code that was executed though a program has changed it, and has not made the change visible.

    `store` is the address of the instruction that changed it, or, where that is not known any more, of the first that
    stored to the page; `fetch` is that of the first instruction of the code. Both have the slot in the low bits.
    """

    store: int
    fetch: int

    def told(self, where: Where = hex) -> str:
        """One line."""
        return (
            f"{where(self.fetch)}: the code has been changed by the store at {where(self.store)}, without fc.i, sync.i "
            "and srlz.i behind it"
        )


class OverlappingTranslation(Struct, frozen=True):
    """A page that was inserted over one that a translation register has: a machine check (SDM vol. 2, 4.1.1.3)."""

    place: int
    page: int

    def told(self, where: Where = hex) -> str:
        """One line."""
        return (
            f"{where(self.place)}: the page at {self.page:#x} of its region is inserted over one of a translation "
            "register, which is a machine check"
        )


class LostMessage(Struct, frozen=True):
    """A message between processors that nobody takes: `reason` says why."""

    place: int
    reason: str

    def told(self, where: Where = hex) -> str:
        """One line."""
        return f"{where(self.place)}: the interrupt message is lost: {self.reason}"


Note = StaleCode | OverlappingTranslation | LostMessage
