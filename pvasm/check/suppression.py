"""Suppressions: comments that tell the checker to be silent about something, and why.

    mov r16 = cr.ifa        // pvasm: ignore[PV002] runs before the hypervisor is known
    /* pvasm: ignore[PV001, PV003] the same, for the next line */
    /* pvasm: ignore-file[PV2] in the comments before the first statement: for the whole file */

Without codes all is hidden. A code may be cut short.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from msgspec import Struct, field

from pvasm.check.codes import MARK, covered
from pvasm.regex import regex
from pvasm.syntax.lines import LEXEMES

_DIRECTIVE = regex(rf"{MARK}[ \t]*(?P<verb>[A-Za-z-]+)(?P<open>[ \t]*\[)?(?(open)(?P<codes>[^\[\]\n]*)(?P<close>\])?)")
_BARE_CODE = regex(r"[ \t:=]{1,8}PV\d", re.IGNORECASE)
_FORMS = "`pvasm: ignore[CODES] reason' or `pvasm: ignore-file[CODES] reason'"


class Suppression(Struct):
    """One `pvasm: ignore` from `start` to `end` of a text.

    `codes` empty means all; `is_whole_file` tells `ignore-file`. `problem` says why it is none. `used` are those of its
    codes that have hidden something (an empty string, if it has no codes).
    """

    start: int
    end: int
    codes: tuple[str, ...] = ()
    is_whole_file: bool = False
    problem: str | None = None
    used: set[str] = field(default_factory=set)

    def hides(self, code: str, by_name: bool) -> bool:
        """Whether it is about a code (`by_name`: says so); from now on it counts as used then."""
        about = {prefix for prefix in self.codes or ("",) if covered(code, (prefix,)) and (prefix or not by_name)}
        self.used |= about
        return bool(about)


class Suppressions:
    """The suppressions of one text, in order. Lines count from 1."""

    def __init__(self, text: str, *, preprocessed: bool = False) -> None:
        self.all: list[Suppression] = []
        self._by_line: dict[int, list[Suppression]] = {}
        for suppression, lines in _found(text, preprocessed) if MARK in text else ():
            self.all.append(suppression)
            for line in lines if suppression.problem is None else ():
                self._by_line.setdefault(line, []).append(suppression)
        self._lines = sorted(self._by_line)
        self._answers: dict[tuple[int, str, bool], bool] = {}

    def hide(self, code: str, first: int, last: int, *, by_name: bool = False) -> bool:
        """Whether what has this code and stands in these lines is to be hidden. Those that say so count as used.

        With `by_name`, those without codes do not count.
        """
        lines = self._lines[bisect_left(self._lines, first) : bisect_right(self._lines, last)]
        answers = [self._hide(line, code, by_name) for line in (_WHOLE_FILE, *lines)]
        return any(answers)

    def _hide(self, line: int, code: str, by_name: bool) -> bool:
        """`hide` for one line. Answers are kept: a hostile line has many suppressions, and much to hide."""
        key = (line, code, by_name)
        if key not in self._answers:
            answers = [suppression.hides(code, by_name) for suppression in self._by_line.get(line, ())]
            self._answers[key] = any(answers)
        return self._answers[key]


_WHOLE_FILE = 0  # in place of a line


class _Comment:
    """A comment with suppressions in it, from line `first` to `last`; `behind` tells that code is before it."""

    __slots__ = ("behind", "first", "last", "lines", "suppressions")

    def __init__(self, suppressions: list[Suppression], first: int, last: int, behind: bool) -> None:
        self.suppressions = suppressions
        self.first = first
        self.last = last
        self.behind = behind
        self.lines = {first} if behind else set()


def _found(text: str, preprocessed: bool) -> Iterator[tuple[Suppression, set[int]]]:
    """Each suppression, with the lines that it is about.

    That is the line that it shares with code, or the next with code in it.
    """
    comments: list[_Comment] = []
    waiting: list[_Comment] = []  # for the next line with code
    line, code_line = 1, 0  # the current one, and the last that has code so far
    in_directive, before_code = False, True
    position, end = 0, len(text)
    match = LEXEMES[preprocessed].match
    while position < end:
        found = match(text, position)
        assert found is not None  # there is a group for anything
        kind, after = found.lastgroup, found.end()
        if kind == "cpp":  # for the assembler, a comment up to the end of the line
            newline = text.find("\n", after)
            after = newline if newline >= 0 else end
        elif kind in ("comment", "endless_comment"):
            last = line + text.count("\n", position, after)
            suppressions = list(_directives(text, position, after, before_code))
            if suppressions:
                comments.append(_Comment(suppressions, line, last, code_line == line))
                waiting.append(comments[-1])
            line = last
        elif kind in ("newline", "continuation"):
            line += 1
            in_directive = in_directive and kind == "continuation"
        elif kind != "blank":
            if code_line != line:
                in_directive = in_directive or text[position] == "#"
            before_code = before_code and in_directive
            for comment in waiting:
                if line == comment.last or not comment.behind:
                    comment.lines.add(line)
            waiting.clear()
            code_line = line
        position = after
    for comment in comments:
        for suppression in comment.suppressions:
            yield suppression, {_WHOLE_FILE} if suppression.is_whole_file else comment.lines


def _directives(text: str, start: int, end: int, before_code: bool) -> Iterator[Suppression]:
    """The suppressions in the comment from `start` to `end`."""
    for found in _DIRECTIVE.finditer(text, start, end):
        verb = found["verb"]
        if verb not in ("ignore", "ignore-file"):
            if found["open"]:
                yield Suppression(found.start(), found.end(), problem=f"no suppression: it is {_FORMS}")
            continue
        codes = tuple(code.strip().upper() for code in (found["codes"] or "").split(",") if code.strip())
        problem = None
        if found["open"] and (not found["close"] or not codes):
            problem = f"no suppression: codes and a closing bracket are missing in {_FORMS}"
        elif not found["open"] and _BARE_CODE.match(text, found.end(), end):
            problem = f"no suppression: codes stand in brackets, {_FORMS}"
        elif verb == "ignore-file" and not before_code:
            problem = "ignore-file must stand in a comment before the first statement"
        yield Suppression(found.start(), found.end(), codes, verb == "ignore-file", problem)
