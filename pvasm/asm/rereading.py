"""What reading a text was like, for who reads the next version of it: most statements need not be read again.

A statement is *plain* if reading it changes nothing for those after it: it defines no macro, name or frame, opens no
conditional, and is invoked as no macro of the assembler's. What was made of a plain statement is made of it again, as
long as all statements before it that are not plain are the same, and those near it, what is known of the register stack
frame, and what the whole text says (`basis`). So whole runs of statements are taken over.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Set
from typing import Any, Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from pvasm.syntax import tree
from pvasm.syntax.document import Document
from pvasm.syntax.path_conditions import Conditions
from pvasm.syntax.traced import Traced, origin_of

_OTHER_TEXTS: Final = origin_of(1, 0)
_MOST_LINES: Final = 1 << 32  # those of conditions that stand in other texts are beyond

NEAR: Final = 8
"""Statements: what is made of one depends on no more of those that follow, or of plain ones before it."""

Made = tuple[int, ...]
"""How much somebody has made, of the statements so far or of one, as numbers of things of each kind."""


Frame = tuple[int, int, int] | None
FrameState = tuple[Frame, bool, Conditions, tuple[Frame, bool]]
"""What is known of the register stack frame: its sizes, whether for sure, under which conditions; and outside of a
macro's body."""


class Shift:
    """Where what stood behind a change of a text stands now: so many characters, lines and statements further on."""

    def __init__(self, old: Document, new: Document, end: int, statements: int) -> None:
        self._end = end  # of what has changed, in the old text: a line begins there
        self._line = bisect_left(old.line_starts, end) + 1
        self._by = len(new.text) - len(old.text)
        self._lines = len(new.line_starts) - len(old.line_starts)
        self._first = bisect_left(old.statements, end, key=lambda statement: statement.start)
        self._statements = statements
        self._conditions: dict[Conditions, Conditions] = {}

    def offset(self, offset: int) -> int:
        """An offset in the text, or an origin."""
        return offset + self._by if self._end <= offset < _OTHER_TEXTS else offset

    def statement(self, index: int) -> int:
        """The index of a statement."""
        return index + self._statements if index >= self._first else index

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


class Change(NamedTuple):
    """Where a text differs from `earlier`, of which all else means what it meant.

    What stood before `start` stands there still, what stood from `old_end` on stands from `new_end` on.
    """

    earlier: Document
    start: int
    old_end: int
    new_end: int

    def moved(self, start: int, end: int) -> tuple[int, int] | None:
        """Where a span of the earlier text stands now; None for one that has changed, or stands beside it."""
        if end <= self.start:
            return start, end
        by = self.new_end - self.old_end
        return (start + by, end + by) if start >= self.old_end else None


class Reading(Struct):
    """A reading of a document by `visitors`.

    `basis` is what reading depends on beside the statements in their order, and `labels` are those that there are, with
    whether they stand outside of macros. By statement, `made` has what the visitors
    have made of it, one visitor after the other, and what is left of the budget of the macros (negative: it is less).
    `frames` has what was known of the frame before each. `change` is what differs from an earlier text, if nothing that matters to other statements does.
    `matters` has a byte each, 1 for a statement that is not plain; `is_apart` has 1 for one of which nothing is taken
    over.
    """

    document: Document
    basis: object
    visitors: tuple[Any, ...]
    labels: Set[tuple[str, bool]] = set()
    made: list[Made] = []
    matters: bytearray = bytearray()
    is_apart: bytearray = bytearray()
    frames: list[FrameState] = []
    change: Change | None = None

    def take_over(self, earlier: Reading, run: Run) -> None:
        """Goes on as an earlier reading did."""
        part = slice(run.start, run.end)
        self.made += earlier.made[part]
        self.matters += earlier.matters[part]
        self.is_apart += earlier.is_apart[part]
        self.frames += [run.frame] * (run.end - run.start)


class Run(NamedTuple):
    """Statements of the earlier text, from `start` to before `end`, of which the same is made again.

    `before` and `after` say how much there was before them and after them; `shift` is where they stand now, and `frame`
    what is known of the frame in all of them.
    """

    start: int
    end: int
    before: Made
    after: Made
    shift: Shift | None
    frame: FrameState


class Rereading:
    """Goes over the statements of a document along with those of an earlier version that was read."""

    def __init__(self, earlier: Reading, document: Document) -> None:
        self.earlier = earlier
        self._document = document
        old, new = earlier.document, document
        same = _common_prefix(old.text, new.text)
        most = min(len(old.text), len(new.text)) - same
        behind = _common_prefix(old.text[::-1], new.text[::-1], most)
        end = _next_line(old, len(old.text) - behind)
        self._before = _count_before(old, new, same)
        after = _count_behind(old, new, end, min(len(old.statements), len(new.statements)) - self._before)
        self._end = len(new.statements) - after  # of those that have changed
        self._old_end = len(old.statements) - after
        self._shift = Shift(old, new, end, self._end - self._old_end)
        self._is_in_step = True  # nothing that is not plain was other than before
        self._counted = 0  # statements of the earlier text
        self._made: Made = ()  # of them

    def may_name(self, word: str) -> bool:
        """Whether a word stands in what has not changed."""
        text = self._document.text
        start, end = _start_of(self._document, self._before), _start_of(self._document, self._end)
        return text.find(word, 0, start) >= 0 or text.find(word, end) >= 0

    def change(self) -> Change | None:
        """What differs, with the statements beside it; to be asked at the end. None if that matters elsewhere."""
        if not self._is_in_step or self._is_missed():
            return None
        old, new = self.earlier.document, self._document
        start = _start_of(new, max(self._before - NEAR, 0))
        return Change(old, start, _start_of(old, self._old_end + NEAR), _start_of(new, self._end + NEAR))

    def _is_missed(self) -> bool:
        """Whether something that is no more there mattered to what follows."""
        return any(self.earlier.matters[self._before : self._old_end])

    def run(self, index: int, frame: FrameState) -> Run | None:
        """The statements from one on of which the same is made as before; None if it has to be read.

        `frame` is what is known of the frame before it.
        """
        earlier = self.earlier
        if index == self._end:
            self._is_in_step = self._is_in_step and not self._is_missed()
        if not self._is_in_step:
            return None
        shift = None
        if index < self._before - NEAR:
            start, most = index, self._before - NEAR
        elif index >= self._end + NEAR:
            start, most = index - self._end + self._old_end, len(earlier.made)
            shift = self._shift
        else:
            return None
        if earlier.is_apart[start] or frame != _frame_moved(earlier.frames[start], shift):
            return None
        apart = earlier.is_apart.find(1, start, most)
        end = most if apart < 0 else apart
        before = self._count(start)
        return Run(start, end, before, self._count(end), shift, frame)

    def _count(self, index: int) -> Made:
        """How much was made before a statement of the earlier text; they are asked for in order."""
        made = self.earlier.made[self._counted : index]
        if made:
            self._made = tuple(map(sum, zip(*made, *([self._made] if self._made else []), strict=True)))
            self._counted = index
        return self._made or (0,) * len(self.earlier.made[0])

    def note(self, index: int, *, is_plain: bool) -> None:
        """Takes note that a statement was read: whether what it means for those after it is what it meant before."""
        if self._before <= index < self._end and not is_plain:
            self._is_in_step = False


def _frame_moved(state: FrameState, shift: Shift | None) -> FrameState:
    frame, is_certain, conditions, outside = state
    return (frame, is_certain, shift.conditions(conditions), outside) if shift is not None and conditions else state


def _start_of(document: Document, index: int) -> int:
    """Where a statement starts; where the text ends if there is none."""
    return document.statements[index].start if index < len(document.statements) else len(document.text)


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
