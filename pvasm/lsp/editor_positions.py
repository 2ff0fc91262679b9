"""Places as the Language Server Protocol counts them, and as offsets in a text."""

from __future__ import annotations

from bisect import bisect_right
from typing import Final, Literal, NamedTuple

from pvasm.regex import regex
from pvasm.text import line_starts

Units = Literal["utf-8", "utf-16", "utf-32"]
"""What columns count (LSP 3.17, PositionEncodingKind)."""

_LINE_END: Final = regex(r"\r\n|\n|\r")
_LONE: Final = regex(r"[\ud800-\udfff]")


class Span(NamedTuple):
    """From one place to another: lines and columns count from 0."""

    line: int
    column: int
    end_line: int
    end_column: int


def without_lone_surrogates(text: str) -> str:
    """The text with what is no character replaced, as no file can hold it: columns stay."""
    return text if text.isascii() else _LONE.sub("\ufffd", text)


class Lines:
    """The lines of a text, which end with a newline, a carriage return, or both; columns count `units`."""

    def __init__(self, text: str, units: Units) -> None:
        self.text = text
        self._units = units
        self._starts = [0, *(found.end() for found in _LINE_END.finditer(text))]
        self._text_starts = line_starts(text)

    def position(self, offset: int) -> tuple[int, int]:
        """The line and the column of an offset."""
        line = bisect_right(self._starts, offset) - 1
        return line, self._width(self.text[self._starts[line] : offset])

    def span(self, start: int, end: int) -> Span:
        """The place of what stands from one offset to another."""
        return Span(*self.position(start), *self.position(end))

    def offset(self, line: int, column: int) -> int:
        """The offset of a place; of one beyond the end of its line or of the text, that end."""
        if line >= len(self._starts):
            return len(self.text)
        start = self._starts[line]
        end = self._starts[line + 1] if line + 1 < len(self._starts) else len(self.text)
        content = self.text[start:end].rstrip("\r\n")
        if content.isascii() or self._units == "utf-32":
            return start + min(column, len(content))
        for count, character in enumerate(content):
            column -= self._width(character)
            if column < 0:
                return start + count
        return start + len(content)

    def text_offset(self, line: int, column: int) -> int:
        """The offset of a place as messages tell it: lines end with a newline, and both count from 1."""
        if line > len(self._text_starts):
            return len(self.text)
        return min(self._text_starts[line - 1] + column - 1, len(self.text))

    def end_of_line(self, line: int) -> int:
        """Where a line, counted so, ends."""
        end = self.text_offset(line + 1, 1)
        return end if line >= len(self._text_starts) else end - 1

    def _width(self, text: str) -> int:
        if text.isascii() or self._units == "utf-32":
            return len(text)
        if self._units == "utf-8":
            return len(text.encode("utf-8", "surrogatepass"))
        return len(text) + sum(character > "\uffff" for character in text)
