"""A finding's place in its source, with the lines around it."""

from __future__ import annotations

from msgspec import Struct

from pvasm.check.diagnostic import Diagnostic
from pvasm.errors import PvasmError
from pvasm.text import read_text

_CONTEXT = 2  # lines before and behind
_WIDTH = 200  # characters of a line


class ExcerptLine(Struct, frozen=True):
    """A line of a source, in three pieces: the middle one is what the finding is about, empty beside it."""

    number: int
    before: str
    marked: str
    behind: str


class Sources:
    """The lines of sources, by path; those of a few files at a time."""

    def __init__(self) -> None:
        self._lines: dict[str, list[str]] = {}

    def excerpt(self, diagnostic: Diagnostic) -> list[ExcerptLine]:
        """The lines around a finding; its own line alone, where the file does not have it (any more)."""
        if not diagnostic.line:
            return []
        lines = self._of(diagnostic.path)
        at = diagnostic.line - 1
        is_there = at < len(lines) and lines[at].startswith(diagnostic.source_line[:_WIDTH].rstrip("\r"))
        if not is_there or diagnostic.column != diagnostic.source_column:
            line = diagnostic.source_line
            return [_marked(diagnostic, line, diagnostic.source_column)] if line.strip() else []
        numbers = range(max(at - _CONTEXT, 0), min(at + _CONTEXT + 1, len(lines)))
        return [
            _marked(diagnostic, lines[number], diagnostic.column)
            if number == at
            else ExcerptLine(number + 1, lines[number][:_WIDTH], "", "")
            for number in numbers
        ]

    def _of(self, path: str) -> list[str]:
        known = self._lines.get(path)
        if known is None:
            if len(self._lines) > 8:
                self._lines.clear()
            try:
                known = [line.rstrip("\r") for line in read_text(path).split("\n")] if path != "<stdin>" else []
            except PvasmError:
                known = []  # the finding has its line
            self._lines[path] = known
        return known


def _marked(diagnostic: Diagnostic, line: str, column: int) -> ExcerptLine:
    """The line with what the finding is about, cut to size around that."""
    start = column - 1
    is_one_line = diagnostic.end_line == diagnostic.line
    end = start + diagnostic.end_column - diagnostic.column if is_one_line else len(line.rstrip())
    end = max(min(end, len(line)), start + 1)
    cut = max(0, start - _WIDTH // 2) if len(line) > _WIDTH else 0
    last = cut + _WIDTH
    return ExcerptLine(diagnostic.line, line[cut:start], line[start : min(end, last)], line[min(end, last) : last])
