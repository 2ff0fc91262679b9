"""Mending files: the edits that rules propose, made as long as there are any, and never to anything else.

What would break an instance's expansion of the file is left as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from pvasm.check.rule import Rule
from pvasm.check.subject import Subject
from pvasm.errors import PvasmError
from pvasm.expand import ExpandErrors, expand
from pvasm.syntax.document import Document
from pvasm.text import Edit, apply_edits

_MAX_PASSES = 10

MakeSubject = Callable[[str], Subject]
"""From a text to the subject that rules look at."""


class Fixed(Struct, frozen=True):
    """A text after mending, how many findings were mended, and the subject of the last text."""

    text: str
    number: int
    subject: Subject


def fix(text: str, make_subject: MakeSubject, rules: Sequence[Rule]) -> Fixed:
    """The text after all the edits that the rules propose for it, and for what becomes of it."""
    number = 0
    subject = make_subject(text)
    for _ in range(_MAX_PASSES):
        edits = _proposed(subject, rules)
        edits = _accepted(text, edits, make_subject, subject)
        if not edits:
            break
        text = apply_edits(text, [edit for several in edits for edit in several])
        number += len(edits)
        subject = make_subject(text)
    return Fixed(text, number, subject)


def _proposed(subject: Subject, rules: Iterable[Rule]) -> list[tuple[Edit, ...]]:
    """The edits of all findings that have some; of those that touch the same text, the first."""
    found: list[tuple[Edit, ...]] = []
    taken: list[tuple[int, int]] = []
    for rule in rules:
        for finding in rule.check(subject):
            spans = [(edit.start, edit.end) for edit in finding.edits]
            if spans and not any(start < end_ and start_ < end for start, end in spans for start_, end_ in taken):
                found.append(finding.edits)
                taken += spans
    return found


def _accepted(
    text: str, edits: list[tuple[Edit, ...]], make_subject: MakeSubject, before: Subject
) -> list[tuple[Edit, ...]]:
    """The edits after which every instance can expand the text as well as it could before."""
    while edits:
        subject = make_subject(apply_edits(text, [edit for several in edits for edit in several]))
        places = _places(edits)
        bad = set()
        for line, column in _errors(subject) if not _errors(before) else ():
            bad |= {
                number
                for number, (start, end) in enumerate(places)
                if _contains(subject.document, start, end, line, column)
            }
        if not bad:
            return edits
        edits = [several for number, several in enumerate(edits) if number not in bad]
    return edits


def _places(edits: list[tuple[Edit, ...]]) -> list[tuple[int, int]]:
    """Where the first edit of each finding stands in the text that they make."""
    ordered = sorted((edit, number) for number, several in enumerate(edits) for edit in several)
    shift = 0
    places: dict[int, tuple[int, int]] = {}
    for edit, number in ordered:
        start = edit.start + shift
        places.setdefault(number, (start, start + len(edit.replacement)))
        shift += len(edit.replacement) - (edit.end - edit.start)
    return [places[number] for number in range(len(edits))]


def _contains(document: Document, start: int, end: int, line: int, column: int) -> bool:
    first, last = document.place(start), document.place(max(start, end - 1))
    return (first.line, first.column) <= (line, column) <= (last.line, last.column)


def _errors(subject: Subject) -> list[tuple[int, int]]:
    """The lines and columns of what no instance in question can expand."""
    found: list[tuple[int, int]] = []
    for instance in subject.instances:
        try:
            expand(subject.document, subject.catalog, instance)
        except ExpandErrors as errors:
            found += [(error.line or 0, error.column or 0) for error in errors.errors]
        except PvasmError:
            continue
    return found
