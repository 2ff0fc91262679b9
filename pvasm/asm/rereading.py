"""What reading a text was like, for who reads the next version of it: most statements need not be read again.

A statement is *plain* if reading it changes nothing for those after it but the register stack frame: it defines no name
or macro, and is invoked as no macro of the assembler's. (What stands in the arms of an `#if` has that as a condition.)
What was made of a plain statement is made of it again, as long as all statements before it that are not plain are the
same, and those near it, what is known of the frame, and what the whole text says (`basis`, `names`). So whole runs of
statements are taken over.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence, Set
from functools import cached_property
from typing import Any, Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from pvasm.regex import regex
from pvasm.syntax import tree
from pvasm.syntax.document import Document
from pvasm.syntax.path_conditions import Conditions
from pvasm.syntax.traced import Traced, origin_of

_WORD: Final = regex(r"\w+")
_COMMENT: Final = regex(r"/\*(?s:.*?)\*/|//[^\n]*")
_LONGEST_PASTED: Final = 64  # characters
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

    @property
    def moves_lines(self) -> bool:
        """Whether what stood behind the change stands on other lines."""
        return bool(self._lines)

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

    What stood before `start` stands there still, what stood from `old_end` on stands from `new_end` on. `has_lines`
    says that lines for the C preprocessor are among what differs.
    """

    earlier: Document
    start: int
    old_end: int
    new_end: int
    has_lines: bool

    def moved(self, start: int, end: int) -> tuple[int, int] | None:
        """Where a span of the earlier text stands now; None for one that has changed, or stands beside it."""
        if end <= self.start:
            return start, end
        by = self.new_end - self.old_end
        return (start + by, end + by) if start >= self.old_end else None


class ReadingLog(Struct):
    """A reading of a document by `visitors`.

    `basis` is what reading depends on beside the statements in their order, and `names` are those that are given a
    meaning somewhere, with how. By statement, `made` has what the visitors have made of it, one visitor after the
    other, and what is left of the budget of the macros (negative: it is less); `frames` has what was known of the frame
    before it. `matters` has a byte each, 1 for a statement that is not plain; `is_apart` has 1 for one of which nothing
    is taken over. `change` is what differs from an earlier text, if nothing that matters to other statements does.
    """

    document: Document
    basis: object
    visitors: tuple[Any, ...]
    names: Set[tuple[str, str]] = set()
    made: list[Made] = []
    matters: bytearray = bytearray()
    is_apart: bytearray = bytearray()
    frames: list[FrameState] = []
    change: Change | None = None

    def take_over(self, earlier: ReadingLog, run: Run) -> None:
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

    def __init__(
        self, earlier: ReadingLog, document: Document, headers: Sequence[str], is_reserved: Callable[[str], bool]
    ) -> None:
        self.earlier = earlier
        self._document = document
        self._headers = headers  # the texts of those that it includes
        self._is_reserved = is_reserved  # names that mean something without standing anywhere
        self._counting: dict[str, bool] = {}
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
        self.is_in_step = True  # nothing that is not plain was other than before
        self._counted = 0  # statements of the earlier text
        self._made: Made = ()  # of them

    def may_count(self, name: str) -> bool:
        """Whether it may matter to what has not changed what a name stands for: it stands there, or is pasted there."""
        known = self._counting.get(name)
        if known is None:
            parts = _WORD.findall(name)
            is_told = all(part in self._words for part in parts)
            is_pasted = self._pastes and (parts != [name] or _can_be_pasted(name, self._words_of_code))
            known = self._counting[name] = self._is_reserved(name) or is_told or is_pasted
        return known

    @cached_property
    def _unchanged(self) -> tuple[str, ...]:
        """The texts of what has not changed, and of headers."""
        text = self._document.text
        start, end = _start_of(self._document, self._before), _start_of(self._document, self._end)
        return text[:start], text[end:], *self._headers

    @cached_property
    def _words(self) -> set[str]:
        return {word for text in self._unchanged for word in _WORD.findall(text)}

    @cached_property
    def _words_of_code(self) -> set[str]:
        return {word for text in self._unchanged for word in _WORD.findall(_COMMENT.sub(" ", text))}

    @cached_property
    def _pastes(self) -> bool:
        """Whether macros paste words together."""
        return any("##" in text for text in (self._document.text, *self._headers))

    def _matters(self, statement: tree.Statement) -> bool:
        """Whether one that is not plain, of those that differ, matters to those that do not."""
        syntax = statement.syntax
        if isinstance(syntax, tree.CppDirective) and syntax.name in ("define", "undef"):
            name = _WORD.search(syntax.text)
            return name is None or self.may_count(name[0])
        return True

    def change(self) -> Change | None:
        """What differs, with the statements beside it; to be asked at the end. None if that matters elsewhere."""
        if not self.is_in_step or self._is_missed():
            return None
        old, new = self.earlier.document, self._document
        start = _start_of(new, max(self._before - NEAR, 0))
        differing = (*old.statements[self._before : self._old_end], *new.statements[self._before : self._end])
        has_lines = any(isinstance(each.syntax, tree.CppDirective) for each in differing)
        return Change(old, start, _start_of(old, self._old_end + NEAR), _start_of(new, self._end + NEAR), has_lines)

    def _is_missed(self) -> bool:
        """Whether something that is no more there mattered to what follows."""
        gone = range(self._before, self._old_end)
        return any(self.earlier.matters[at] and self._matters(self.earlier.document.statements[at]) for at in gone)

    def run(self, index: int, frame: FrameState) -> Run | None:
        """The statements from one on of which the same is made as before; None if it has to be read.

        `frame` is what is known of the frame before it.
        """
        earlier = self.earlier
        if index == self._end:
            self.is_in_step = self.is_in_step and not self._is_missed()
        if not self.is_in_step:
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
        if self._before <= index < self._end and not is_plain and self._matters(self._document.statements[index]):
            self.is_in_step = False


def _can_be_pasted(name: str, words: Set[str]) -> bool:
    """Whether a name is some of these words, one after the other."""
    if len(name) > _LONGEST_PASTED:
        return True
    ends = {0}  # of words
    for start in range(len(name)):
        if start in ends:
            ends.update(end for end in range(start + 1, len(name) + 1) if name[start:end] in words)
    return len(name) in ends


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
    conditions = _ConditionPairs(0, 0)
    for one, other in zip(old.statements, new.statements, strict=False):
        if one.end >= same or one.origin != other.origin or not _is_same(one, other, conditions):
            break
        count += 1
    return count


def _count_behind(old: Document, new: Document, start: int, most: int) -> int:
    """How many statements from an offset of the old text on are the same, of `most` at the ends."""
    by = len(new.text) - len(old.text)
    conditions = _ConditionPairs(bisect_left(old.line_starts, start) + 1, len(new.line_starts) - len(old.line_starts))
    count = 0
    for one, other in zip(reversed(old.statements), reversed(new.statements), strict=False):
        is_kept = count < most and one.start >= start and one.origin + by == other.origin
        if not is_kept or not _is_same(one, other, conditions):
            break
        count += 1
    return count


class _ConditionPairs:
    """Compares the conditions of statements that stand side by side, where lines from one on have moved."""

    def __init__(self, line: int, by: int) -> None:
        self._line = line
        self._by = by
        self._last: tuple[Conditions, Conditions] = (), ()

    def are_same(self, one: Conditions, other: Conditions) -> bool:
        """Whether they are of the same conditionals."""
        before = self._last
        if one is before[0] and other is before[1]:
            return True
        if len(one) != len(other) or not all(map(self._is_same, one, other)):
            return False
        self._last = one, other
        return True

    def _is_same(self, one: tree.Condition, other: tree.Condition) -> bool:
        line = one.line + self._by if one.line >= self._line else one.line
        return line == other.line and one.expression == other.expression and one.earlier == other.earlier


def _next_line(document: Document, offset: int) -> int:
    """Where the first line begins from an offset on; the end of the text if there is none."""
    starts = document.line_starts
    at = bisect_left(starts, offset)
    return starts[at] if at < len(starts) else len(document.text)


def _is_same(one: tree.Statement, other: tree.Statement, conditions: _ConditionPairs) -> bool:
    """Whether two statements are the same but for where they stand."""
    return (
        (one.syntax is other.syntax or (one.syntax.__class__ is tree.CppDirective and one.syntax == other.syntax))
        and one.macro == other.macro
        and one.in_define == other.in_define
        and conditions.are_same(one.conditions, other.conditions)
    )
