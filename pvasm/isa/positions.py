"""Where an instruction must stand in its group: `alloc` first, `rfi` and `cover` last (SDM vol. 3, each one's page)."""

from __future__ import annotations

from typing import Literal, NamedTuple

from pvasm.isa.instruction import Instruction


class Misplaced(NamedTuple):
    """The instruction called `name` must be `must_be` in its group, but `other` stands before or after it there."""

    name: int
    must_be: Literal["first", "last"]
    other: int


class Positions:
    """One straight line of instructions, and those in it that stand in the wrong place of their group."""

    __slots__ = ("_last", "_latest")

    def __init__(self) -> None:
        self._latest: int | None = None  # the instruction before, if it is of this group
        self._last: int | None = None  # the same, if nothing may follow it

    def copy(self) -> Positions:
        """The same state, to be carried on independently."""
        new = Positions()
        new._latest, new._last = self._latest, self._last
        return new

    @property
    def is_first(self) -> bool:
        """Whether what follows is the first of its group, as far as is known."""
        return self._latest is None and self._last is None

    def stop(self) -> None:
        """The group ends here."""
        self._latest = self._last = None

    barrier = stop

    def instruction(self, resolved: Instruction, index: int) -> list[Misplaced]:
        """What is out of place now that this instruction follows."""
        found = []
        form = resolved.form
        if self._last is not None:
            found.append(Misplaced(self._last, "last", index))
        elif form.first_in_group and self._latest is not None:
            found.append(Misplaced(index, "first", self._latest))
        self._latest = index
        self._last = index if form.last_in_group else None
        return found
