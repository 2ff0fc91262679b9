"""Code that is in the instruction cache, and code that a program changes (SDM vol. 2, 4.4.3 and 4.4.6).

A line that has been fetched is executed as it was, whatever is stored there, until a program has flushed it (`fc.i`),
has waited for that (`sync.i`), and has its instructions fetched again (`srlz.i` or `rfi`). Code that is executed after
a change and before all of that is noted: a processor may run the one or the other.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from pvsim.machine.configuration import Configuration
from pvsim.machine.memory import PAGE, Memory
from pvsim.machine.state import State

LINE: Final = 32
"""Bytes of a line: the smallest that the architecture has, so that a program which flushes too few is found out."""


class _Written(Struct):
    """A page that a program has stored to: what was there as code may see it, and the first store."""

    seen: bytearray
    store: int


class InstructionCache(State):
    """Lines of code, as they have been fetched, by physical address."""

    def __init__(self, memory: Memory | None = None, configuration: Configuration | None = None) -> None:
        super().__init__(memory, configuration)
        self.code_pages: set[int] = set()
        """Pages of memory that code has been fetched from: each store there is looked at."""
        self._lines: dict[int, bytes] = {}
        self._changed: dict[int, int] = {}  # lines that are stored to, and the last store
        self._flushed: set[int] = set()
        self._synchronized: set[int] = set()
        self._written: dict[int, _Written] = {}

    # ------------------------------------------------------------------------------------- stores

    def note_store(self, physical: int, size: int) -> None:
        """The program is about to store so many bytes."""
        for page in {physical // PAGE, (physical + size - 1) // PAGE}:
            if page not in self._written:
                self._written[page] = _Written(bytearray(self.memory.read(page * PAGE, PAGE)), self.ip)
        if physical // PAGE in self.code_pages or (physical + size - 1) // PAGE in self.code_pages:
            for line in range(physical // LINE, (physical + size - 1) // LINE + 1):
                if line in self._lines:
                    self._changed[line] = self.ip
                    self._flushed.discard(line)
                    self._synchronized.discard(line)
                    self.leave_code(line)

    # ------------------------------------------------------------------------------------ fetching

    def fetch_bundle(self, physical: int) -> bytes:
        """The 16 bytes of a bundle, as they are in the cache."""
        line = physical // LINE
        data = self._lines.get(line)
        if data is None:
            data = self._lines[line] = self.memory.read(line * LINE, LINE)
            page = line * LINE // PAGE
            if page not in self.code_pages:
                self.code_pages.add(page)
                self.forget_written_views()
            written = self._written.get(page)
            if written is not None:
                at = line * LINE % PAGE
                if written.seen[at : at + LINE] != data:
                    self._changed[line] = written.store
        at = physical % LINE
        return data[at : at + 16]

    def changed_lines(self, first: int, last: int) -> list[tuple[int, int]]:
        """The lines between two physical addresses that are changed, and the store of each."""
        if not self._changed:
            return []
        lines = range(first // LINE, last // LINE + 1)
        return [(line, self._changed[line]) for line in lines if line in self._changed]

    # -------------------------------------------------------------- calls of programs, and behind them

    def flush_line(self, physical: int) -> None:
        """What `fc.i` and `fc` do to a line."""
        self._flushed.add(physical // LINE)

    def synchronize(self) -> None:
        """What `sync.i` does: lines that have been flushed are so for instruction fetches, too."""
        self._synchronized |= self._flushed
        self._flushed.clear()

    def serialize_instructions(self) -> None:
        """What `srlz.i` and `rfi` do: code is fetched again, where its lines have been flushed."""
        if not self._synchronized:
            return
        lines, self._synchronized = self._synchronized, set()
        for line in lines:
            self._lines.pop(line, None)
            self._changed.pop(line, None)
            written = self._written.get(line * LINE // PAGE)
            if written is not None:
                at = line * LINE % PAGE
                written.seen[at : at + LINE] = self.memory.read(line * LINE, LINE)
        self.drop_code(lines)

    def forget_lines(self) -> None:
        """The cache is empty, and no program has stored to any page: memory is as it was loaded."""
        for kept in (self._lines, self._changed, self._written, self.code_pages, self._flushed, self._synchronized):
            kept.clear()
        self.forget_written_views()

    # ------------------------------------------------------------------- what the machine makes of it

    def leave_code(self, line: int) -> None:
        """A line of code has been changed: code there has to be looked at before it is executed again."""

    def drop_code(self, lines: set[int]) -> None:
        """Code of these lines is decoded again."""

    def forget_written_views(self) -> None:
        """Stores have to be looked at, which may be to code now."""
