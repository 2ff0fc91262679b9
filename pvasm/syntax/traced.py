"""Text that knows where each piece of it came from.

What a macro makes is put together of pieces of its body and of its arguments. A finding in it is shown where a person
wrote it, so the pieces keep their origins: a number that is an offset in one of the texts read (`origin_of`).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

_TEXT_BITS: Final = 40
_AT_THE_START: Final = (0,)
NOWHERE: Final = -1
"""The origin of what stands in no text that was read: a number that was counted, a word that was pasted."""


def origin_of(text_number: int, offset: int) -> int:
    """The origin that an offset in a text is; texts are numbered, the document being 0."""
    return text_number << _TEXT_BITS | offset


def text_number(origin: int) -> int:
    """The number of the text that an origin is an offset in."""
    return origin >> _TEXT_BITS


class Traced(Struct, frozen=True):
    """A text, and where its pieces came from: piece `i` begins at `starts[i]`, and stood at `origins[i]`."""

    text: str
    starts: Sequence[int]
    origins: Sequence[int]

    @classmethod
    def whole(cls, text: str, origin: int) -> Traced:
        """A text that stands as it is at `origin`."""
        return cls(text, _AT_THE_START, (origin,))

    @classmethod
    def join(cls, pieces: Iterable[tuple[str, int]]) -> Traced:
        """The text that some pieces make, each with its origin."""
        texts: list[str] = []
        starts: list[int] = []
        origins: list[int] = []
        length = 0
        due = NOWHERE - 1  # the origin with which a piece would go on where the one before ended
        for text, origin in pieces:
            if not text:
                continue
            if origin != due or origin == NOWHERE:
                starts.append(length)
                origins.append(origin)
            texts.append(text)
            length += len(text)
            due = NOWHERE if origin == NOWHERE else origin + len(text)
        return cls("".join(texts), starts, origins)

    def origin(self, offset: int) -> int:
        """Where the character at an offset came from."""
        at = bisect_right(self.starts, offset) - 1
        if at < 0 or self.origins[at] == NOWHERE:
            return NOWHERE
        return self.origins[at] + offset - self.starts[at]

    def pieces(self, start: int, end: int) -> list[tuple[str, int]]:
        """The pieces of a part of the text, each with its origin."""
        found = []
        at = max(bisect_right(self.starts, start) - 1, 0)
        while start < end and at < len(self.starts):
            stop = min(end, self.starts[at + 1] if at + 1 < len(self.starts) else len(self.text))
            if stop > start:
                found.append((self.text[start:stop], self.origin(start)))
            start = max(start, stop)
            at += 1
        return found

    def part(self, start: int, end: int) -> Traced:
        """A part of the text."""
        starts = self.starts
        text = self.text[start:end]
        if not text or not starts:
            return Traced("", (), ())
        at = max(bisect_right(starts, start) - 1, 0)
        stop = bisect_left(starts, start + len(text))
        if stop - at < 2:
            return Traced.whole(text, self.origin(start))
        within = [each - start for each in starts[at + 1 : stop]]
        return Traced(text, [0, *within], [self.origin(start), *self.origins[at + 1 : stop]])

    def span(self, start: int, end: int) -> tuple[int, int] | None:
        """Where a part of the text stands as it is, as a span of origins; None if it was put together."""
        first = self.origin(start)
        at = bisect_right(self.starts, start) - 1
        if first == NOWHERE or at < 0:
            return None
        stop = self.starts[at + 1] if at + 1 < len(self.starts) else len(self.text)
        return (first, first + end - start) if end <= stop else None
