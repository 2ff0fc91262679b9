"""Mending files: the edits that rules propose, made as long as there are any, and never to anything else.

What would break an instance's expansion of the file is left as it was, and so is what a suppression hides.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from pvasm.check.check_files import Adjustment, chosen_sources
from pvasm.check.checker import Checker, is_instance_file
from pvasm.check.engine import findings
from pvasm.check.rule import Rule
from pvasm.check.settings import Settings
from pvasm.check.subject import Subject
from pvasm.errors import PvasmError
from pvasm.expand import ExpandErrors, expand
from pvasm.files import write_atomically
from pvasm.headers import included
from pvasm.sources import Source
from pvasm.syntax.document import Document
from pvasm.text import Edit, apply_edits, encode, read_text, shown_name

_MAX_PASSES = 10
_NEIGHBOURS = 16

MakeSubject = Callable[[str], Subject]
"""From a text to the subject that rules look at."""


class Fixed(Struct, frozen=True):
    """A text after mending, how many findings were mended, and the subject of the last text.

    `refused` says of edits that were not made, by their first place in the text, what an instance minds.
    """

    text: str
    number: int
    subject: Subject
    refused: Mapping[int, str]


def fix(text: str, make_subject: MakeSubject, rules: Sequence[Rule]) -> Fixed:
    """The text after all the edits that the rules propose for it, and for what becomes of it."""
    number = 0
    refused: dict[int, str] = {}
    subject = make_subject(text)
    for _ in range(_MAX_PASSES):
        refused = {}
        edits = _accepted(text, _proposed(subject, rules), make_subject, subject, refused)
        if not edits:
            break
        text = apply_edits(text, [edit for several in edits for edit in several])
        number += len(edits)
        subject = make_subject(text)
    return Fixed(text, number, subject, refused)


def _proposed(subject: Subject, rules: Sequence[Rule]) -> list[tuple[Edit, ...]]:
    """The edits of all findings that have some; of those that touch the same text, the first."""
    proposed = sorted(finding.edits for _, finding in findings(subject, rules, find_unused=False) if finding.edits)
    taken: list[tuple[int, int]] = []
    kept = []
    for edits in proposed:
        spans = [(edit.start, edit.end) for edit in edits]
        # In the order of the text: what overlaps does so with the last ones taken.
        if not any(start < end_ and start_ < end for start, end in spans for start_, end_ in taken[-_NEIGHBOURS:]):
            kept.append(edits)
            taken += spans
    return kept


def _accepted(
    text: str,
    edits: list[tuple[Edit, ...]],
    make_subject: MakeSubject,
    before: Subject,
    refused: dict[int, str],
) -> list[tuple[Edit, ...]]:
    """The edits after which every instance can expand the text as well as it could before.

    What is minded of the others goes to `refused`, by the places of their edits.
    """
    known = Counter(error.message for error in _errors(before)) if edits else Counter()
    while edits:
        subject = make_subject(apply_edits(text, [edit for several in edits for edit in several]))
        places = _places(edits)
        bad = set()
        left = known.copy()
        for error in _errors(subject):
            if left[error.message]:  # as it was before
                left[error.message] -= 1
                continue
            place = (error.line or 0, error.column or 0)
            for number, (start, end) in enumerate(places):
                if _contains(subject.document, start, end, *place):
                    bad.add(number)
                    refused.update((edit.start, error.message) for edit in edits[number])
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


def _errors(subject: Subject) -> list[PvasmError]:
    """What instances in question cannot expand."""
    found: list[PvasmError] = []
    for instance in subject.instances:
        try:
            expand(subject.document, subject.catalog, instance)
        except ExpandErrors as errors:
            found += errors.errors
        except PvasmError:
            continue
    return found


# ------------------------------------------------------------------------------------------------ files


def fixable_sources(paths: Sequence[str], settings: Settings, errors: list[PvasmError]) -> list[Source]:
    """The files that `paths` mean and that can be mended; what cannot be found goes to `errors`."""
    sources = chosen_sources(paths, replace(settings, cpp=None), errors, [])  # a check tells of links
    return [source for source in sources if not is_instance_file(source.path)]


class Outcome(Struct, frozen=True):
    """What became of a file: its text before and after, how many findings were mended, and why others were not.

    `reasons` are details to show with a finding, by its line, column and code in the text after.
    """

    path: str
    before: str
    after: str
    number: int
    reasons: Mapping[tuple[int, int, str], tuple[str, ...]]

    def diff(self) -> str:
        """The changes as a unified diff; empty if there are none."""
        if self.before == self.after:
            return ""
        # As in a repository, unless the path leads out of the folder.
        is_inside = not os.path.isabs(self.path) and ".." not in self.path.split("/")
        name = os.path.normpath(self.path)
        names = (f"a/{name}", f"b/{name}") if is_inside else (self.path, self.path)
        lines = _unified(self.before.splitlines(keepends=True), self.after.splitlines(keepends=True))
        marked = (line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
        return f"--- {names[0]}\n+++ {names[1]}\n{''.join(marked)}"


def _unified(before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    """The hunks of a unified diff. Lines that differ are looked at a few at a time: mending changes few in a row."""
    from difflib import SequenceMatcher

    opcodes: list[tuple[str, int, int, int, int]] = []
    first = second = 0
    while first < len(before) or second < len(after):
        start = first
        while first < len(before) and second < len(after) and before[first] == after[second]:
            first, second = first + 1, second + 1
        if first > start:
            opcodes.append(("equal", start, first, second - (first - start), second))
        for far in _FAR:
            near = before[first : first + far], after[second : second + far]
            blocks = SequenceMatcher(None, *near, autojunk=False).get_matching_blocks()
            block = next((each for each in blocks if each.size >= _SURE), blocks[-1])
            if block.size >= _SURE:
                break
        parts = near[0][: block.a], near[1][: block.b]
        for name, one, one_end, two, two_end in SequenceMatcher(None, *parts, autojunk=False).get_opcodes():
            opcodes.append((name, first + one, first + one_end, second + two, second + two_end))
        first, second = first + block.a, second + block.b
    matcher = SequenceMatcher(None, "", "")
    matcher.opcodes = opcodes  # type: ignore[attr-defined]
    for group in matcher.get_grouped_opcodes(3):
        spans = (group[0][1], group[-1][2]), (group[0][3], group[-1][4])
        yield "@@ -{} +{} @@\n".format(*(_span(*span) for span in spans))
        for tag, one, one_end, two, two_end in group:
            if tag == "equal":
                yield from (f" {line}" for line in before[one:one_end])
            else:
                yield from (f"-{line}" for line in before[one:one_end])
                yield from (f"+{line}" for line in after[two:two_end])


_FAR = (16, 200)  # lines
_SURE = 3


def _span(start: int, end: int) -> str:
    """The lines of a hunk, as in a diff's head."""
    length = end - start
    if length == 1:
        return str(start + 1)
    return f"{start + 1 if length else start},{length}"


class Fixer:
    """Mends files, one at a time, by the rules that the settings select.

    Files are read as they stand, whether the settings ask for the C preprocessor or not. In `directories`, headers
    are looked for.
    """

    def __init__(self, settings: Settings, directories: Sequence[str] = ()) -> None:
        self.adjustment = Adjustment(settings)
        self.checker = Checker(replace(settings, cpp=None))
        self.directories = directories

    def outcome(self, path: str) -> Outcome:
        """What mending makes of a file, which stays as it is. Raises PvasmError if it cannot be read."""
        before = read_text(path)
        shown = shown_name(path)
        rules = [rule for rule in self.checker.rules if not self.adjustment.is_off(rule.code, shown)]
        headers = included(shown, before, self.directories)

        def make_subject(text: str) -> Subject:
            subject = self.checker.subject(text, shown, headers)
            subject.fixing = True
            return subject

        first = make_subject(before)
        if not first.named and not first.holds_assembly():
            return Outcome(shown, before, before, 0, {})
        if first.holds_c:
            rules = [rule for rule in rules if rule.in_mixed_headers]
        fixed = fix(before, make_subject, rules)
        document = fixed.subject.document
        reasons = {}
        for rule, finding in findings(fixed.subject, rules, find_unused=False):
            told = finding.details
            if finding.edits:
                minded = next((fixed.refused[edit.start] for edit in finding.edits if edit.start in fixed.refused), "")
                told = (*told, f"not fixed: {minded or 'an instance could not expand it here'}")
            if told:
                place = document.place(finding.start)
                reasons[place.line, place.column, rule.code] = told
        return Outcome(shown, before, fixed.text, fixed.number, reasons)


def write_outcome(outcome: Outcome, folder: str | None) -> None:
    """Puts a mended text in the place of the file, which was found in a folder, or named.

    Raises PvasmError, with the file as it was, if that cannot be.
    """
    if outcome.after != outcome.before:
        write_atomically(outcome.path, encode(outcome.after), folder)
