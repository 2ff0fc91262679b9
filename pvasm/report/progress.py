"""How far a run is, on a terminal's standard error."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Self

_PATIENCE = 1.0  # seconds without
_INTERVAL = 0.1  # between two of its states
_WIDTH = 30  # of the bar, in characters
_CLEAR = "\r\033[K"


class Progress:
    """A bar that shows on a terminal when a run takes over a second. Whatever else is printed must `clear` it first.

    A `with` takes it away at its end.
    """

    def __init__(
        self, what: str = "files", *, wanted: bool = True, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._is_on = wanted and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._what = what
        self._clock = clock
        self._next = clock() + _PATIENCE
        self._shows = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.clear()

    def __call__(self, done: int, total: int) -> None:
        """Shows how many of the files, or of what else there is, are done."""
        if not self._is_on or (now := self._clock()) < self._next:
            return
        self._next = now + _INTERVAL
        filled = _WIDTH * done // max(total, 1)
        self._write(f"{_CLEAR}[{'#' * filled}{'.' * (_WIDTH - filled)}] {done}/{total} {self._what}")
        self._shows = True

    def clear(self) -> None:
        """Takes the bar away, if it shows."""
        if self._shows:
            self._write(_CLEAR)
            self._shows = False

    def _write(self, text: str) -> None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except OSError:  # a terminal that has gone away is no reason to stop
            self._is_on = False
