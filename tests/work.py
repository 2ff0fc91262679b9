"""Work, counted: what a test bounds in the place of time, which depends on who else uses the machine."""

from __future__ import annotations

import sys
from types import FrameType


class Bounded:
    """A context in which no more than so many calls are made; checked at its end, whatever is raised in it."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.number = 0

    def __enter__(self) -> Bounded:
        self._before = sys.getprofile()
        sys.setprofile(self._count)
        return self

    def _count(self, frame: FrameType, event: str, argument: object) -> None:
        if event in ("call", "c_call"):
            self.number += 1

    def __exit__(self, *_: object) -> None:
        sys.setprofile(self._before)
        assert self.number <= self.most, f"{self.number} calls"
