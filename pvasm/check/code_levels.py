"""Where code runs: at which level each statement of a document does.

Nothing that stands here knows of instructions that matter to a hypervisor: whoever looks for these asks for the level
of a statement by its index.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from functools import cache
from typing import Final, Literal

from msgspec import Struct

from pvasm.asm.elaborate import Fork, Step, Visitor
from pvasm.asm.scope import Scope
from pvasm.check.native_only import Boundary, find_boundaries
from pvasm.check.subject import Subject
from pvasm.regex import regex
from pvasm.syntax import tree
from pvasm.syntax.cpp import Known, arm_taken
from pvasm.syntax.document import Document
from pvasm.syntax.lines import LEXEMES
from pvasm.syntax.path_conditions import Conditions, PathConditions
from pvasm.syntax.sections import SECTION_DIRECTIVES, Sections
from pvasm.syntax.tokens import symbol_name

Level = Literal["kernel", "user", "bare hardware"]

# What runs at user level in any Linux: the gate page, whose section has been .text since 3.x, and its signal trampoline
# (arch/ia64/kernel/gate.S).
USER_LEVEL = (".gate.text", "__kernel_sigtramp", "ia64_sigtramp")

MARK = "user-level"
_COMMENT = regex(r"pvasm:[ \t]*+user-level\b[ \t]*+(?P<word>[A-Za-z-]*+)")


def user_level_names(globs: Sequence[str]) -> Callable[[str], bool]:
    """What tells of a section's or a symbol's name whether its code runs at user level, by these globs or in Linux."""
    names = (*USER_LEVEL, *globs)
    return cache(lambda name: any(fnmatchcase(name, each) for each in names))


class Region(Struct, frozen=True):
    """From one offset of a text to another: what a comment says of it, or what is wrong with what it says."""

    start: int
    end: int
    problem: str = ""
    mark: tuple[int, int] = (0, 0)


class _Place(Struct):
    """Where code stands: its section, and the function or other symbol around it.

    `has_bounds`: the symbol is a function's, with an end of its own. `has_entered`: the kernel, by `epc`.
    """

    sections: Sections
    symbol: str = ""
    has_bounds: bool = False
    has_entered: bool = False

    def copy(self) -> _Place:
        """The same, to be carried on independently."""
        return _Place(self.sections.copy(), self.symbol, self.has_bounds, self.has_entered)

    @property
    def key(self) -> tuple[object, ...]:
        """What is equal for places that are the same."""
        sections = self.sections
        return sections.place, sections.previous, *sections.pushed, self.symbol, self.has_bounds, self.has_entered


class _World(Struct, frozen=True):
    """A way in which the code so far may have been compiled: under which conditions, and where it stands then."""

    conditions: Conditions
    place: _Place

    def within(self, condition: tree.Condition | None) -> _World:
        """The same in an arm of a conditional, to be carried on independently."""
        more = () if condition is None else (condition,)
        return _World((*self.conditions, *more), self.place.copy())


class _Arms(Struct):
    """A conditional that is open: the worlds before it, and those at the end of each arm that may be compiled.

    `is_dead` says that the arm being read is not compiled, `is_certain` that none after it is. `last` is the condition
    of the arm read last.
    """

    before: list[_World]
    after: list[_World]
    is_dead: bool = False
    is_certain: bool = False
    last: tree.Condition | None = None


_MOST_WORLDS: Final = 16  # that are told apart; of more, the kernel's level counts where one has it


class CodeLevels(Visitor):
    """The level at which each statement runs, and why that is known; it looks on while the document is read.

    The kernel's, unless the settings, a comment or a known name say otherwise, and that for sure: however it is
    compiled. `epc` takes code at user level to the kernel's level, up to the end of the function (SDM 3:2, epc).
    `known` says which macros of the C preprocessor are defined. It need not look on but where it `follows` the code.
    """

    def __init__(self, subject: Subject, known: Known) -> None:
        self.subject = subject
        self.document = subject.document
        self.known = known
        self._sound = [(each.start, each.end) for each in regions(self.document) if not each.problem]
        self._by_source: dict[str, list[tuple[int, int]]] = {}
        self._reasons: dict[int, str] = {}  # by the statements, why they run at user level
        self._paths = PathConditions(known)
        self._worlds = [_World((), _Place(Sections()))]
        self._outside: list[_World] | None = None  # of the body of a macro that is read where it stands
        self._arms: list[_Arms] = []
        texts = [self.document.text, *(header.text for header in subject.headers)]
        self.follows = bool(subject.user_level) or any(name in text for text in texts for name in USER_LEVEL)
        self._bounds = (
            {each.statement: each for each in find_boundaries(self.document, subject.headers)} if self.follows else {}
        )
        self._is_user = user_level_names(subject.user_level)

    def at(self, statement: int) -> Level:
        """The level of the statement with this index, as far as it has been read."""
        if self.subject.bare_files is not None and self.subject.bare_hardware(
            self.document.place(self.document.statements[statement].start).path
        ):
            return "bare hardware"
        return "user" if self.reason(statement) else "kernel"

    def reason(self, statement: int) -> str:
        """Why a statement runs at user level, in words; empty if it does not."""
        return self._reasons.get(statement) or self._of_comment(self.document.statements[statement].start)

    @property
    def knows_user_level(self) -> bool:
        """Whether there is anything that code could run at user level by."""
        return self.follows or bool(self._sound) or bool(self.subject.sources)

    # ------------------------------------------------------------------------ sections and symbols

    def step(self, step: Step, scope: Scope) -> None:
        """Takes note of where a statement stands."""
        if not self.follows:
            return
        bound = self._bound(step)
        places = [each.place for each in self._possible(step.conditions)]
        reasons = []
        for place in places:
            if bound is not None or step.syntax.__class__ in _TURNING:
                self._turn(place, step.syntax, bound)
            reason = self._reason(place)
            reasons.append(reason)
            if isinstance(step.syntax, tree.Instruction) and step.syntax.mnemonic == "epc" and reason:
                place.has_entered = True
            if bound is not None and bound.kind == "end":
                place.symbol, place.has_bounds = "", False
        found = reasons[0] if all(reasons) else ""
        known = self._reasons.get(step.statement)
        self._reasons[step.statement] = found if known is None else found and known

    def _possible(self, conditions: Conditions) -> list[_World]:
        """The worlds in which these conditions may hold; all where none is, which is code that is never compiled."""
        if len(self._worlds) == 1:
            return self._worlds
        return [each for each in self._worlds if self._paths.agree(each.conditions, conditions)] or self._worlds

    def boundary(self, macro: str | None, statement: int) -> None:
        """The body of a macro begins or ends: what is in it changes nothing outside, until it is invoked."""
        if self._outside is not None:
            self._worlds, self._outside = self._outside, None
        if macro is not None:
            self._outside = [each.within(None) for each in self._worlds]

    def _bound(self, step: Step) -> Boundary | None:
        """Whether a function begins or ends at a step."""
        syntax = step.syntax
        if step.made and isinstance(syntax, tree.Directive) and syntax.name in (".proc", ".endp"):
            name = symbol_name(syntax.arguments[0]) if syntax.arguments else ""
            return Boundary("begin" if syntax.name == ".proc" else "end", name, step.statement, step.conditions)
        return self._bounds.get(step.statement)

    def _turn(self, place: _Place, syntax: tree.Syntax, bound: Boundary | None) -> None:
        if bound is not None:
            place.has_entered = False
            if bound.kind == "begin":
                place.symbol, place.has_bounds = bound.name, True
        match syntax:
            case tree.Label(name=name) if self._is_user(name):
                place.has_bounds = place.has_bounds and name == place.symbol
                place.symbol, place.has_entered = name, False
            case tree.Label(name=name) if not place.has_bounds and not name.startswith(".L") and not name.isdecimal():
                place.symbol = ""  # another's code, as far as anyone can tell
            case tree.Directive(name=name, arguments=arguments) if name in SECTION_DIRECTIVES:
                place.sections.turn(name, arguments)
                place.has_entered = False
                if not place.has_bounds:
                    place.symbol = ""

    def _reason(self, place: _Place) -> str:
        if place.has_entered:
            return ""
        if self._is_user(place.sections.current):
            return f"section {place.sections.current}"
        return f"symbol {place.symbol}" if place.symbol and self._is_user(place.symbol) else ""

    def fork(self, fork: Fork) -> None:
        """Each arm begins where the conditional did; what follows may be behind each of them, under its condition."""
        if not self.follows:
            return
        if fork.name.startswith("if"):
            self._arms.append(_Arms(self._worlds, []))
            self._enter(self._arms[-1], fork)
        elif self._arms:
            arms = self._arms[-1]
            if not arms.is_dead:
                arms.after += self._worlds
            if fork.name != "endif":
                self._enter(arms, fork)
                return
            self._arms.pop()
            if not arms.is_certain:
                arms.after += self._in_arm(arms.before, _neither(arms.last))
            self._worlds = self._told_apart(arms.after) or arms.before

    def _enter(self, arms: _Arms, fork: Fork) -> None:
        taken = None if fork.condition is None else arm_taken(fork.condition, self.known)
        arms.is_dead = arms.is_certain or taken is False
        arms.is_certain = arms.is_certain or taken is True or fork.name == "else"
        arms.last = fork.condition
        within = self._in_arm(arms.before, fork.condition)
        arms.is_dead = arms.is_dead or not within
        self._worlds = within or [each.within(None) for each in arms.before]

    def _in_arm(self, worlds: Sequence[_World], condition: tree.Condition | None) -> list[_World]:
        """The worlds in which an arm may be compiled."""
        if condition is None:
            return [each.within(None) for each in worlds]
        return [each.within(condition) for each in worlds if self._paths.agree(each.conditions, (condition,))]

    def _told_apart(self, worlds: Sequence[_World]) -> list[_World]:
        """The worlds that differ; where the code stands in the same place in all, one."""
        if len({each.place.key for each in worlds}) < 2:
            return [_World((), each.place) for each in worlds[:1]]
        found = list({(each.conditions, each.place.key): each for each in worlds}.values())
        if len(found) > _MOST_WORLDS:
            place = next((each.place for each in found if not self._reason(each.place)), found[-1].place)
            return [_World((), place)]
        return found

    # ----------------------------------------------------------------------------------- comments

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


_TURNING = frozenset({tree.Label, tree.Directive})


def _around(spans: Sequence[tuple[int, int]], place: int) -> int | None:
    """The start of the span, of several in order, that holds a place."""
    number = bisect_right(spans, place, key=lambda span: span[0]) - 1
    return spans[number][0] if number >= 0 and place <= spans[number][1] else None


def _neither(last: tree.Condition | None) -> tree.Condition | None:
    """The condition under which no arm of a conditional is compiled, by that of its last arm."""
    return None if last is None else tree.Condition("1", (*last.earlier, last.expression), last.line)


# ------------------------------------------------------------------------------------------ comments


def regions(document: Document) -> list[Region]:
    """The regions that comments of a document begin and end, and those that are wrong."""
    return regions_of_text(document.text, preprocessed=document.preprocessed) if MARK in document.text else []


_END_DUE = "`pvasm: user-level end' is due behind it"


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
                found.append(
                    Region(*opened.span(), f"user level begins here, and begins again before it ends: {_END_DUE}")
                )
            opened = mark
        elif mark["word"] != "end":
            found.append(Region(*span, "is no mark: `pvasm: user-level begin' or `pvasm: user-level end' is due"))
        elif opened is None:
            found.append(
                Region(*span, "user level ends here and has not begun: `pvasm: user-level begin' is due before")
            )
        else:
            found.append(Region(opened.start(), span[1]))
            opened = None
    if opened is not None:
        found.append(Region(*opened.span(), f"user level begins here and never ends: {_END_DUE}"))
    return found


def _marks(text: str, preprocessed: bool) -> Iterator[re.Match[str]]:
    """The marks in comments."""
    if _COMMENT.search(text) is None:
        return
    position, end = 0, len(text)
    match = LEXEMES[preprocessed].match
    while position < end:
        found = match(text, position)
        assert found is not None  # there is a group for anything
        if found.lastgroup in ("comment", "endless_comment"):
            yield from _COMMENT.finditer(text, position, found.end())
        position = found.end()


def open_regions(subject: Subject) -> Sequence[Region]:
    """The comments about user level that are wrong."""
    return [region for region in regions(subject.document) if region.problem]
