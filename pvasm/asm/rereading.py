"""What reading a text was like, for who reads the next version of it: most statements need not be read again.

A statement is *plain* if reading it changes nothing for those after it: it defines no macro, name or frame, opens no
conditional, and is invoked as no macro of the assembler's. What was made of a plain statement is made of it again, as
long as all statements before it that are not plain are the same, and what the whole text says (`basis`) is.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from pvasm.syntax import tree
from pvasm.syntax.document import Document
from pvasm.syntax.path_conditions import Conditions
from pvasm.syntax.traced import Traced, origin_of

_OTHER_TEXTS: Final = origin_of(1, 0)
_MOST_LINES: Final = 1 << 32  # those of conditions that stand in other texts are beyond

Made = tuple[int, ...]
"""How much somebody has made of the statements so far, as numbers of things of each kind."""


class Shift:
    """Where what stood behind a change of a text stands now: so many characters, lines and statements further on."""

    def __init__(self, old: Document, new: Document, end: int, statements: int) -> None:
        self._end = end  # of what has changed, in the old text: a line begins there
        self._line = bisect_left(old.line_starts, end) + 1
        self._by = len(new.text) - len(old.text)
        self._lines = len(new.line_starts) - len(old.line_starts)
        self.statements = statements
        self._conditions: dict[Conditions, Conditions] = {}

    def offset(self, offset: int) -> int:
        """An offset in the text, or an origin."""
        return offset + self._by if self._end <= offset < _OTHER_TEXTS else offset

    def conditions(self, conditions: Conditions) -> Conditions:
        """Conditions: the lines of their conditionals tell them apart."""
        if not self._lines or not conditions:
            return conditions
        found = self._conditions.get(conditions)
        if found is None:
            found = self._conditions[conditions] = tuple(map(self._condition, conditions))
        return found

    def _condition(self, condition: tree.Condition) -> tree.Condition:
        if self._line <= condition.line < _MOST_LINES:
            return replace(condition, line=condition.line + self._lines)
        return condition

    def traced(self, source: Traced) -> Traced:
        """A text that knows where its pieces stood."""
        return Traced(source.text, source.starts, tuple([self.offset(origin) for origin in source.origins]))


class Reading(Struct):
    """A reading of a document by `visitors`.

    `basis` is what reading depends on beside the statements in their order. `plain` has for each statement that is
    plain what each visitor had made before it and after it, and what it has cost of the budget of the macros.
    """

    document: Document
    basis: object
    visitors: tuple[Any, ...]
    plain: list[tuple[tuple[Made, ...], tuple[Made, ...], int] | None]


class Rereading:
    """Goes over the statements of a document along with those of an earlier version that was read."""

    def __init__(self, earlier: Reading, document: Document) -> None:
        self.earlier = earlier
        old, new = earlier.document, document
        same = _common_prefix(old.text, new.text)
        most = min(len(old.text), len(new.text)) - same
        behind = _common_prefix(old.text[::-1], new.text[::-1], most)
        self._document = document
        end = _next_line(old, len(old.text) - behind)
        self._before = _count_before(old, new, same)
        self._after = _count_behind(old, new, end, min(len(old.statements), len(new.statements)) - self._before)
        self._shift = Shift(old, new, end, len(new.statements) - len(old.statements))
        self.is_in_step = True  # nothing that is not plain was other than before

    def find(self, index: int) -> tuple[tuple[tuple[Made, ...], tuple[Made, ...], int], Shift | None] | None:
        """What was made of a plain statement before, and how it has moved; None if it has to be read."""
        if not self.is_in_step:
            return None
        if index < self._before:
            found = self.earlier.plain[index]
            return None if found is None else (found, None)
        was = index - self._shift.statements
        if index < len(self._document.statements) - self._after:
            return None
        found = self.earlier.plain[was]
        return None if found is None else (found, self._shift)

    def note(self, index: int, *, is_plain: bool) -> None:
        """Takes note that a statement was read: whether what it means for those after it is what it meant before."""
        end = len(self._document.statements) - self._after
        if self._before <= index < end and not is_plain:
            self.is_in_step = False

    def enter(self, index: int) -> None:
        """Comes to a statement: behind the change, what is no more there must not have been missed."""
        end = len(self._document.statements) - self._after
        if index == end and self.is_in_step:
            gone = self.earlier.plain[self._before : len(self.earlier.document.statements) - self._after]
            self.is_in_step = all(each is not None for each in gone)


def _common_prefix(one: str, other: str, most: int | None = None) -> int:
    """How many characters two texts begin with alike."""
    low, high = 0, min(len(one), len(other)) if most is None else most
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _count_before(old: Document, new: Document, same: int) -> int:
    """How many statements before the change are the same."""
    count = 0
    for one, other in zip(old.statements, new.statements, strict=False):
        if one.end >= same or not _is_same(one, other) or one.origin != other.origin:
            break
        count += 1
    return count


def _count_behind(old: Document, new: Document, start: int, most: int) -> int:
    """How many statements from an offset of the old text on are the same, of `most` at the ends."""
    by = len(new.text) - len(old.text)
    count = 0
    for one, other in zip(reversed(old.statements), reversed(new.statements), strict=False):
        is_kept = count < most and one.start >= start and one.origin + by == other.origin
        if not is_kept or not _is_same(one, other):
            break
        count += 1
    return count


def _next_line(document: Document, offset: int) -> int:
    """Where the first line begins from an offset on; the end of the text if there is none."""
    starts = document.line_starts
    at = bisect_left(starts, offset)
    return starts[at] if at < len(starts) else len(document.text)


def _is_same(one: tree.Statement, other: tree.Statement) -> bool:
    """Whether two statements are the same but for where they stand, and the lines of the conditionals around them."""
    return (
        (one.syntax is other.syntax or (one.syntax.__class__ is tree.CppDirective and one.syntax == other.syntax))
        and one.macro == other.macro
        and one.in_define == other.in_define
        and len(one.conditions) == len(other.conditions)
        and all(
            mine is its or (mine.expression == its.expression and mine.earlier == its.earlier)
            for mine, its in zip(one.conditions, other.conditions, strict=True)
        )
    )
