"""Code that is compiled for bare hardware alone, and where it begins and ends."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from msgspec import Struct

from pvasm.check.subject import Subject
from pvasm.paravirt.environments import known_macros
from pvasm.syntax import tree
from pvasm.syntax.cpp import PREDEFINED, reachable
from pvasm.syntax.document import Document
from pvasm.syntax.tokens import symbol_name

# The macros of Linux that begin and end a function, where no definition of them is in sight (asm/asmmacro.h).
_BEGINNINGS = ("ENTRY", "ENTRY_MIN_ALIGN", "GLOBAL_ENTRY")
_ENDINGS = ("END",)
_MOST_MACROS = 4  # a macro in a macro in ...


_Kind = Literal["begin", "end"]


class NativeOnly:
    """Whether code is compiled, by the conditions around it, for bare hardware and for nothing else."""

    def __init__(self) -> None:
        self._elsewhere = known_macros()
        self._anywhere = dict.fromkeys(PREDEFINED, True)
        self._answers: dict[tuple[tree.Condition, ...], bool] = {(): False}

    def holds(self, conditions: tuple[tree.Condition, ...]) -> bool:
        """Whether it is so under these conditions; not for code that is never compiled."""
        answer = self._answers.get(conditions)
        if answer is None:
            answer = not reachable(conditions, self._elsewhere) and reachable(conditions, self._anywhere)
            self._answers[conditions] = answer
        return answer


class OpenRegion(NamedTuple):
    """A native-only arm of a conditional that holds parts of functions: the directive's span, and what is wrong."""

    start: int
    end: int
    message: str


class Boundary(Struct, frozen=True):
    """Where a function begins or ends: the index of the statement."""

    kind: _Kind
    name: str
    statement: int
    conditions: tuple[tree.Condition, ...]


class _Arm(Struct, frozen=True):
    """An arm of a conditional: the indexes of its directive and of the one after it, and the conditions in it."""

    first: int
    last: int
    conditions: tuple[tree.Condition, ...]


def find_open_regions(subject: Subject) -> Iterator[OpenRegion]:
    """The native-only arms that begin in one function and end in another, or outside, in order."""
    document = subject.document
    boundaries = list(find_boundaries(document, subject.headers))
    if not boundaries:
        return
    native = NativeOnly()
    regions = []
    for arms in _conditionals(document):
        outer = document.statements[arms[0].first].conditions
        if native.holds(outer) or not any(native.holds(arm.conditions) for arm in arms):
            continue
        shapes = {arm: _shape(_within(boundaries, arm)) for arm in arms}
        for arm, shape in shapes.items():
            others = [shapes[other] for other in arms if other is not arm]
            if native.holds(arm.conditions) and any(shape) and shape not in others:
                message = _message(document, boundaries, arms, arm, native)
                if message:
                    directive = document.statements[arm.first]
                    regions.append(OpenRegion(directive.start, directive.end, message))
    yield from sorted(regions)


def _message(
    document: Document, boundaries: Sequence[Boundary], arms: Sequence[_Arm], arm: _Arm, native: NativeOnly
) -> str:
    """What is wrong with an arm that does not hold whole functions; empty if another such arm makes up for it."""
    inside = _within(boundaries, arm)
    ends, begins = _shape(inside)
    first, last = _after(boundaries, arms[0].first), _after(boundaries, arms[-1].last)
    before, after = boundaries[max(first - 1, 0) : first], boundaries[last : last + 1]
    if not begins and any(each.kind == "begin" and native.holds(each.conditions) for each in before):
        return ""
    if not ends and any(each.kind == "end" and native.holds(each.conditions) for each in after):
        return ""
    ended = next(each.name for each in inside if each.kind == "end") if ends else ""
    begun = next(each.name for each in reversed(inside) if each.kind == "begin") if begins else ""
    line = document.place(document.statements[arm.last].start).line
    where = f"this code for bare hardware alone, to line {line},"
    if ended and begun:
        parts = f"begins in {ended} and ends in {begun}: other instances get parts of both"
    elif begun:
        parts = f"begins the function {begun}, and other instances get the rest of it"
    else:
        parts = f"ends the function {ended}, and other instances get the beginning of it"
    return f"{where} {parts}; is an #endif missing, or misplaced?"


def _shape(boundaries: Iterable[Boundary]) -> tuple[bool, bool]:
    """Whether functions end that have not begun there, and whether one begins that does not end."""
    is_open = ends = False
    for boundary in boundaries:
        if boundary.kind == "end":
            ends = ends or not is_open
        is_open = boundary.kind == "begin"
    return ends, is_open


def _within(boundaries: Sequence[Boundary], arm: _Arm) -> list[Boundary]:
    """The boundaries in an arm; of the conditionals in it, those in first arms alone."""
    depth = len(arm.conditions)
    return [
        each
        for each in boundaries[_after(boundaries, arm.first) : _after(boundaries, arm.last)]
        if not any(condition.earlier for condition in each.conditions[depth:])
    ]


def _after(boundaries: Sequence[Boundary], statement: int) -> int:
    """The index of the first boundary after a statement."""
    return bisect_right(boundaries, statement, key=lambda boundary: boundary.statement)


def _conditionals(document: Document) -> Iterator[list[_Arm]]:
    """The conditionals of a document that can be followed, each as its arms."""
    opened: list[list[int]] = []
    for index, statement in enumerate(document.statements):
        if not isinstance(statement.syntax, tree.CppDirective):
            continue
        name = statement.syntax.name
        if name in ("if", "ifdef", "ifndef"):
            opened.append([])
        if opened and (index in document.arms or name == "endif"):
            opened[-1].append(index)
        if name == "endif" and opened:
            indexes = opened.pop()
            arms = []
            for first, last in pairwise(indexes):
                condition = document.arms[first]
                if condition is None:
                    break
                arms.append(_Arm(first, last, (*document.statements[first].conditions, condition)))
            else:
                if arms:
                    yield arms


# ------------------------------------------------------------------------------------- functions


def find_boundaries(document: Document, headers: Sequence[Document]) -> Iterator[Boundary]:
    """Where the functions of a document begin and end."""
    kinds = _boundary_macros([*headers, document])
    for index, statement in enumerate(document.statements):
        if statement.macro is not None:
            continue
        kind = _kind(statement.syntax, kinds)
        if kind is None:
            continue
        match statement.syntax:
            case tree.Directive(arguments=(name, *_)) | tree.MacroCall(arguments=(tree.Argument(text=name), *_)):
                yield Boundary(kind, symbol_name(name), index, statement.conditions)
            case _:
                yield Boundary(kind, "a function", index, statement.conditions)


def _boundary_macros(documents: Sequence[Document]) -> dict[str, _Kind]:
    """The macros that begin or end a function, by what is in their bodies."""
    kinds: dict[str, _Kind] = {}
    kinds.update(dict.fromkeys(_BEGINNINGS, "begin"))
    kinds.update(dict.fromkeys(_ENDINGS, "end"))
    defined = {define.name for document in documents for define in document.defines}
    known = kinds = {name: kind for name, kind in kinds.items() if name not in defined}
    for _ in range(_MOST_MACROS):
        bodies: dict[str, list[_Kind]] = {}
        for document in documents:
            for statement in document.statements:
                kind = _kind(statement.syntax, kinds) if statement.macro is not None else None
                if kind is not None:
                    bodies.setdefault(statement.macro or "", []).append(kind)
        found = {**known, **{name: body[-1] for name, body in bodies.items() if body[0] == body[-1]}}
        if found == kinds:
            break
        kinds = found
    return kinds


def _kind(syntax: tree.Syntax, macros: Mapping[str, _Kind]) -> _Kind | None:
    """Whether a function begins or ends with a statement."""
    match syntax:
        case tree.Directive(name=".proc"):
            return "begin"
        case tree.Directive(name=".endp"):
            return "end"
        case tree.MacroCall(name=name):
            return macros.get(name)
    return None
