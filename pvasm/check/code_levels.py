"""Where code runs: at which level each statement of a document does.

Nothing that stands here knows of instructions that matter to a hypervisor: whoever looks for these asks for the level
of a statement by its index.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from typing import Literal

from msgspec import Struct

from pvasm.check.native_only import Boundary, find_boundaries
from pvasm.check.subject import Subject
from pvasm.regex import regex
from pvasm.syntax import tree
from pvasm.syntax.document import Document
from pvasm.syntax.lines import LEXEMES
from pvasm.syntax.sections import SECTION_DIRECTIVES, Sections

Level = Literal["kernel", "user", "bare hardware"]

# What runs at user level in any Linux: the gate page, whose section has been .text since 3.x, and its signal trampoline
# (arch/ia64/kernel/gate.S).
USER_LEVEL = (".gate.text", "__kernel_sigtramp", "ia64_sigtramp")

MARK = "user-level"
_COMMENT = regex(r"pvasm:[ \t]*+user-level\b[ \t]*+(?P<word>[A-Za-z-]*+)")


class Region(Struct, frozen=True):
    """From one offset of a text to another: what a comment says of it, or what is wrong with what it says."""

    start: int
    end: int
    problem: str = ""
    mark: tuple[int, int] = (0, 0)


class CodeLevels:
    """The level at which each statement runs, and why that is known.

    The kernel's, unless the settings, a comment or a known name say otherwise. `epc` takes code at user level to the
    kernel's level, up to the end of the function (SDM 3:2, epc).
    """

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.document = subject.document
        self.regions = regions(self.document) if MARK in self.document.text else []
        self._sound = [(region.start, region.end) for region in self.regions if not region.problem]
        self._named = list(_named(self.document, subject))
        self._starts = [first for first, _, _ in self._named]
        self._by_source: dict[str, list[tuple[int, int]]] = {}

    def at(self, statement: int) -> Level:
        """The level of the statement with this index."""
        if self.subject.bare_files is not None and self.subject.bare_hardware(
            self.document.place(self.document.statements[statement].start).path
        ):
            return "bare hardware"
        return "user" if self.reason(statement) else "kernel"

    def reason(self, statement: int) -> str:
        """Why a statement runs at user level, in words; empty if it does not."""
        number = bisect_right(self._starts, statement) - 1
        if number >= 0:
            _, last, reason = self._named[number]
            if statement < last:
                return reason
        return self._of_comment(self.document.statements[statement].start)

    def _of_comment(self, offset: int) -> str:
        if self._sound and (start := _around(self._sound, offset)) is not None:
            return f"a comment in line {self.document.place(start).line}"
        if self.subject.sources:
            place = self.document.place(offset)
            first = _around(self._of_source(place.path), place.line)
            return "" if first is None else f"a comment in line {first}"
        return ""

    def _of_source(self, path: str) -> list[tuple[int, int]]:
        """The lines of a source, which the C preprocessor took the comments out of, that run at user level."""
        if path not in self._by_source:
            text = (self.subject.sources or {}).get(path, "")
            self._by_source[path] = [
                (text.count("\n", 0, each.start) + 1, text.count("\n", 0, each.end) + 1)
                for each in (regions_of_text(text, preprocessed=False) if MARK in text else ())
                if not each.problem
            ]
        return self._by_source[path]


def _around(spans: Sequence[tuple[int, int]], place: int) -> int | None:
    """The start of the span, of several in order, that holds a place."""
    number = bisect_right(spans, place, key=lambda span: span[0]) - 1
    return spans[number][0] if number >= 0 and place <= spans[number][1] else None


def code_levels(subject: Subject) -> CodeLevels:
    """The levels of a subject's statements."""
    return CodeLevels(subject)


# ------------------------------------------------------------------------------------------ comments


def regions(document: Document) -> list[Region]:
    """The regions that comments of a document begin and end, and those that are wrong."""
    return regions_of_text(document.text, preprocessed=document.preprocessed)


def regions_of_text(text: str, *, preprocessed: bool) -> list[Region]:
    """The regions that comments of a text begin and end, in order.

    One without an end has none of the code, since nobody knows how far it was to go.
    """
    found: list[Region] = []
    opened: re.Match[str] | None = None
    for mark in _marks(text, preprocessed):
        span = mark.span()
        if mark["word"] == "begin":
            if opened is not None:
                found.append(Region(*opened.span(), "user level begins here and does not end before it begins again"))
            opened = mark
        elif mark["word"] != "end":
            found.append(Region(*span, "is no mark: `pvasm: user-level begin' or `pvasm: user-level end' is due"))
        elif opened is None:
            found.append(Region(*span, "user level ends here and has not begun"))
        else:
            found.append(Region(opened.start(), span[1]))
            opened = None
    if opened is not None:
        found.append(Region(*opened.span(), "user level begins here and never ends"))
    return found


def _marks(text: str, preprocessed: bool) -> Iterator[re.Match[str]]:
    """The marks in comments."""
    position, end = 0, len(text)
    match = LEXEMES[preprocessed].match
    while position < end:
        found = match(text, position)
        assert found is not None  # there is a group for anything
        if found.lastgroup in ("comment", "endless_comment"):
            yield from _COMMENT.finditer(text, position, found.end())
        position = found.end()


# --------------------------------------------------------------------------------- sections, symbols


def _named(document: Document, subject: Subject) -> Iterator[tuple[int, int, str]]:
    """The statements at user level by the names of sections and symbols: first, end, and why."""
    text = document.text
    names = (*USER_LEVEL, *subject.user_level)
    if not subject.user_level and not any(name in text for name in USER_LEVEL):
        return

    @cache
    def is_user(name: str) -> bool:
        return any(fnmatchcase(name, each) for each in names)

    walk = _Walk(document, is_user, {each.statement: each for each in find_boundaries(document, subject.headers)})
    first, before = 0, ""
    for index in range(len(document.statements)):
        reason = walk.step(index)
        if reason != before:
            if before:
                yield first, index, before
            first, before = index, reason
    if before:
        yield first, len(document.statements), before


class _Walk:
    """Goes through the statements, with the section and the function that each stands in."""

    def __init__(self, document: Document, is_user: Callable[[str], bool], bounds: Mapping[int, Boundary]) -> None:
        self.document = document
        self.is_user = is_user
        self.bounds = bounds
        self.sections = Sections()
        self.open: list[Sections] = []  # the sections where the conditionals around began
        self.symbol = ""
        self.has_bounds = False  # the symbol is a function's, with an end of its own
        self.has_entered = False  # the kernel, by `epc`

    def step(self, index: int) -> str:
        """Why a statement runs at user level; empty if it does not."""
        syntax = self.document.statements[index].syntax
        bound = self.bounds.get(index)
        if bound is not None:
            self.has_entered = False
            if bound.kind == "begin":
                self.symbol, self.has_bounds = bound.name, True
        match syntax:
            case tree.Label(name=name) if self.is_user(name):
                self.has_bounds = self.has_bounds and name == self.symbol
                self.symbol, self.has_entered = name, False
            case tree.Label(name=name) if not self.has_bounds and not name.startswith(".L") and not name.isdecimal():
                self.symbol = ""  # another's code, as far as anyone can tell
            case tree.Directive(name=name, arguments=arguments) if name in SECTION_DIRECTIVES:
                self.sections.turn(name, arguments)
                self.has_entered = False
                if not self.has_bounds:
                    self.symbol = ""
            case tree.CppDirective(name=name):
                self._conditional(name)
        reason = self._reason()
        if isinstance(syntax, tree.Instruction) and syntax.mnemonic == "epc" and reason:
            self.has_entered = True
        if bound is not None and bound.kind == "end":
            self.symbol, self.has_bounds = "", False
        return reason

    def _reason(self) -> str:
        if self.has_entered:
            return ""
        if self.is_user(self.sections.current):
            return f"section {self.sections.current}"
        return f"symbol {self.symbol}" if self.symbol and self.is_user(self.symbol) else ""

    def _conditional(self, name: str) -> None:
        """Each arm begins in the section where the conditional did; what follows is where the last arm ends."""
        if name in ("if", "ifdef", "ifndef"):
            self.open.append(self.sections.copy())
        elif name in ("elif", "elifdef", "elifndef", "else") and self.open:
            self.sections = self.open[-1].copy()
        elif name == "endif" and self.open:
            self.open.pop()


def open_regions(subject: Subject) -> Sequence[Region]:
    """The comments about user level that are wrong."""
    return [region for region in subject.of(code_levels).regions if region.problem]
