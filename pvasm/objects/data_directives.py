"""Bytes as data directives of the assembler."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

from msgspec import Struct

from pvasm.regex import regex

_ROW: Final = 16  # bytes in a line
_LOOKED_AT: Final = 1024
_BLOCK: Final = 256  # pieces that are compared at once
_TEXT: Final = regex(r"[\t\n\x20-\x7e]{4,}\x00")


class DataWriter(Struct, frozen=True):
    """Writes the bytes of a section that is aligned to so many bytes."""

    data: memoryview
    alignment: int
    order: Literal["little", "big"]

    def unaligned(self, at: int, size: int) -> str:
        """The suffix of a directive for a word that is to stand where it is: without, the assembler aligns it."""
        return ".ua" if at % size or self.alignment % size else ""

    def lines(self, start: int, end: int) -> Iterator[str]:
        """The directives for the bytes from an offset until another."""
        at = start
        while at < end:
            size, line = self._zeros(at, end) or self._text(at, end) or self._words(at, end)
            yield f"\t{line}"
            at += size

    def _zeros(self, start: int, end: int) -> tuple[int, str] | None:
        """Sixteen zeros and more."""
        size = repeated(self.data, bytes(_ROW), start, end)
        return (size, f".skip {size}") if size else None

    def _text(self, start: int, end: int) -> tuple[int, str] | None:
        """A string of four characters and more that ends with a NUL."""
        found = _TEXT.match(str(self.data[start : min(start + _LOOKED_AT, end)], "latin-1"))
        return (len(found[0]), f'stringz "{_escaped(found[0][:-1])}"') if found is not None else None

    def _words(self, start: int, end: int) -> tuple[int, str]:
        """A row of words, or of bytes until the next word or the end."""
        row = bytes(self.data[start : min(start + _ROW, end)])
        count = 0 if start % 8 else len(row) // 8
        if count > 1 and self._text(start + 8, end):
            count = 1
        if count:
            words = (int.from_bytes(row[at : at + 8], self.order) for at in range(0, 8 * count, 8))
            return 8 * count, f"data8{self.unaligned(start, 8)} {','.join(f'{word:#x}' for word in words)}"
        row = row[: 8 - start % 8]
        return len(row), f"data1 {','.join(f'{byte:#04x}' for byte in row)}"


def repeated(data: memoryview, piece: bytes, start: int, end: int) -> int:
    """How many bytes from an offset on are a piece of 16 bytes again and again."""
    at, pieces = start, piece * _BLOCK
    while data[at : min(at + len(pieces), end)] == pieces:
        at += len(pieces)
    while at + _ROW <= end and data[at : at + _ROW] == piece:
        at += _ROW
    return at - start


def comment(text: str) -> str:
    """A text as it may stand in a comment: on one line."""
    return text if text.isprintable() else "".join(each if each.isprintable() else "?" for each in text)


def _escaped(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return escaped.replace("\n", "\\n").replace("\t", "\\t")
