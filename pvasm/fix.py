"""Fixing files: the edits that rules propose, made as long as there are any, and never to anything else.

What is not reported (it is suppressed, ignored, in the baseline) is left as it is, and so is what an instance could not
expand any more.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import accumulate

from msgspec import Struct
from msgspec.structs import replace

from pvasm.check.accepted_edits import MakeSubject, accepted, not_fixed, separate
from pvasm.check.check_files import chosen_sources
from pvasm.check.checker import Checker, is_c_file, is_instance_file, is_object_file
from pvasm.check.diagnostic import Diagnostic
from pvasm.check.engine import Placing, findings
from pvasm.check.finding import Finding
from pvasm.check.pipeline import Pipeline
from pvasm.check.rule import Rule
from pvasm.check.settings import Settings
from pvasm.check.subject import Subject
from pvasm.errors import PvasmError
from pvasm.files import write_atomically
from pvasm.headers import included
from pvasm.regex import regex
from pvasm.sources import Source
from pvasm.syntax.document import Document
from pvasm.text import Edit, apply_edits, encode, lines_of, read_text, shown_name

_MAX_PASSES = 10


class Fixed(Struct, frozen=True):
    """A text after fixing, how many findings were fixed, and the subject of the last text.

    `refused` says of edits that were not made, by their first place in the text, why an instance could not expand the
    text with them. `passes` are the edits that were made, each pass of the text that the one before made.
    """

    text: str
    number: int
    subject: Subject
    refused: Mapping[int, str]
    passes: tuple[_Pass, ...] = ()

    def before(self, offset: int) -> int:
        """Where in the first text that stood which is at an offset in the last."""
        for each in reversed(self.passes):
            offset = each.before(offset)
        return offset


Span = tuple[str, int, int]
"""The code of a finding, and its span in a text."""


def fix(text: str, make_subject: MakeSubject, rules: Sequence[Rule], left: Collection[Span] = ()) -> Fixed:
    """The text after all the edits that the rules propose for it, and for what becomes of it.

    The findings of `left` are left as they are, wherever other edits move them.
    """
    number = 0
    refused: dict[int, str] = {}
    passes: list[_Pass] = []
    subject = make_subject(text)
    for _ in range(_MAX_PASSES):
        refused = {}
        proposed = separate(
            finding.edits
            for rule, finding in findings(subject, rules, find_unused=False)
            if (rule.code, finding.start, finding.end) not in left
        )
        edits = accepted(text, proposed, make_subject, subject, refused)
        if not edits:
            break
        made = sorted(edit for several in edits for edit in several)
        text = apply_edits(text, made)
        passes.append(_Pass(made))
        left = {moved for span in left if (moved := passes[-1].moved(span)) is not None}
        number += len(edits)
        subject = make_subject(text)
    return Fixed(text, number, subject, refused, tuple(passes))


class _Pass:
    """Edits of a text that do not overlap, in order, and where they move what stands between them."""

    def __init__(self, edits: Sequence[Edit]) -> None:
        self._edits = edits
        self._starts = [edit.start for edit in edits]
        self._shifts = [0]  # of what stands behind as many edits
        for edit in edits:
            self._shifts.append(self._shifts[-1] + len(edit.replacement) - (edit.end - edit.start))
        self._new_starts = [edit.start + shift for edit, shift in zip(edits, self._shifts, strict=False)]

    def moved(self, span: Span) -> Span | None:
        """Where a finding stands after the edits; None if one of them changes what it is about."""
        code, start, end = span
        at = bisect_right(self._starts, start)
        if (at and self._edits[at - 1].end > start) or (at < len(self._edits) and self._starts[at] < end):
            return None
        return code, start + self._shifts[at], end + self._shifts[at]

    def before(self, offset: int) -> int:
        """Where that stood which is at an offset after the edits; for what one has put in, where it begins."""
        at = bisect_right(self._new_starts, offset)
        if at and offset < self._new_starts[at - 1] + len(self._edits[at - 1].replacement):
            return self._edits[at - 1].start
        return offset - self._shifts[at]


# ------------------------------------------------------------------------------------------------ files


def fixable_sources(paths: Sequence[str], settings: Settings, errors: list[PvasmError]) -> list[Source]:
    """The files that `paths` mean and that can be fixed; what cannot be found goes to `errors`."""
    sources = chosen_sources(paths, replace(settings, cpp=None), errors, [])  # a check tells of links
    return [source for source in sources if is_fixable(source.path, settings)]


def is_fixable(path: str, settings: Settings) -> bool:
    """Whether a file is one that can be fixed: assembly, or a header, that is not compiled for bare hardware alone."""
    if is_instance_file(path) or is_object_file(path) or is_c_file(path):
        return False
    return settings.bare_files is None or not settings.bare_files.match(path)


class Outcome(Struct, frozen=True):
    """What became of a file: its text before and after, how many findings were fixed, and why others were not.

    `reasons` are details to show with a finding, by its line, column and code in the text after; `left` the findings
    that are not fixed, with these details, where they stand in the text before.
    """

    path: str
    before: str
    after: str
    number: int
    reasons: Mapping[tuple[int, int, str], tuple[str, ...]]
    left: Sequence[Diagnostic] = ()

    def diff(self) -> str:
        """The changes as a unified diff; empty if there are none."""
        if self.before == self.after:
            return ""
        # As in a repository, unless the path leads out of the folder.
        is_inside = not os.path.isabs(self.path) and ".." not in self.path.split("/")
        name = os.path.normpath(self.path)
        names = (f"a/{name}", f"b/{name}") if is_inside else (self.path, self.path)
        lines = _unified(lines_of(self.before), lines_of(self.after))
        marked = (line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
        return f"--- {_in_head(names[0])}\n+++ {_in_head(names[1])}\n{''.join(marked)}"


_UNFIT = regex(r"[\x00-\x1f\x7f\"\\]")
_LETTERS = {"\a": "a", "\b": "b", "\t": "t", "\n": "n", "\v": "v", "\f": "f", "\r": "r", '"': '"', "\\": "\\"}


def _in_head(name: str) -> str:
    """A file's name as git and patch read it in the head of a patch: quoted as in C where it has to be, and with a tab
    behind one that has blanks in it.
    """
    quoted = _UNFIT.sub(lambda found: f"\\{_LETTERS.get(found[0]) or format(ord(found[0]), '03o')}", name)
    if quoted != name:
        return f'"{quoted}"'
    return f"{name}\t" if " " in name else name


def changed_lines(before: str, after: str) -> list[Edit]:
    """The edits that make one text of another, whole lines each."""
    lines, new_lines = lines_of(before), lines_of(after)
    starts = list(accumulate(map(len, lines), initial=0))
    return [
        Edit(starts[one], starts[one_end], "".join(new_lines[two:two_end]))
        for tag, one, one_end, two, two_end in _opcodes(lines, new_lines)
        if tag != "equal"
    ]


def _opcodes(before: Sequence[str], after: Sequence[str]) -> list[tuple[str, int, int, int, int]]:
    """Which lines are the same, as difflib tells it. Those that differ are looked at a few at a time: fixes change few
    in a row.
    """
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
    return opcodes


def _unified(before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    """The hunks of a unified diff."""
    from difflib import SequenceMatcher

    matcher = SequenceMatcher(None, "", "")
    matcher.opcodes = _opcodes(before, after)  # type: ignore[attr-defined]
    for group in matcher.get_grouped_opcodes(3):
        spans = (group[0][1], group[-1][2]), (group[0][3], group[-1][4])
        yield "@@ -{} +{} @@\n".format(*(_hunk(*span) for span in spans))
        for tag, one, one_end, two, two_end in group:
            if tag == "equal":
                yield from (f" {line}" for line in before[one:one_end])
            else:
                yield from (f"-{line}" for line in before[one:one_end])
                yield from (f"+{line}" for line in after[two:two_end])


_FAR = (16, 200)  # lines
_SURE = 3


def _hunk(start: int, end: int) -> str:
    """The lines of a hunk, as in a diff's head."""
    length = end - start
    if length == 1:
        return str(start + 1)
    return f"{start + 1 if length else start},{length}"


class Fixer:
    """Fixes files, one at a time: of the findings that a run with these settings and this baseline reports, those that
    can be fixed.

    Files are read as they stand, whether the settings ask for the C preprocessor or not. In `directories`, headers
    are looked for; `outside` are those that were not read, since they are outside of what the run is about.
    """

    def __init__(self, settings: Settings, directories: Sequence[str] = (), baseline: str | None = None) -> None:
        self.pipeline = Pipeline(settings, baseline)
        self.checker = Checker(replace(settings, cpp=None))
        self.directories = directories
        self.outside: list[str] = []

    def outcome(self, path: str) -> Outcome:
        """What fixing makes of a file, which stays as it is. Raises PvasmError if it cannot be read."""
        before = read_text(path)
        shown = shown_name(path)
        rules = self.checker.rules
        headers = included(shown, before, self.directories, within=self.checker.settings.within, outside=self.outside)

        def make_subject(text: str) -> Subject:
            subject = self.checker.subject(text, shown, headers)
            subject.fixing = subject.follows_flow = True
            return subject

        first = make_subject(before)
        if not first.named and not first.holds_assembly():
            return Outcome(shown, before, before, 0, {})
        if first.holds_c:
            rules = [rule for rule in rules if rule.in_mixed_headers]
        found = findings(first, rules, find_unused=False)
        reported = self._reported(shown, first.document, found)
        hidden = {_span(*each) for number, each in enumerate(found) if number not in reported}
        fixed = fix(before, make_subject, rules, hidden)
        hidden = {(code, fixed.before(start), fixed.before(end)) for code, start, end in hidden}
        document = fixed.subject.document
        reasons: dict[tuple[int, int, str], tuple[str, ...]] = {}
        left: list[Diagnostic] = []
        placing = Placing(first.document)
        for rule, finding in findings(fixed.subject, rules, find_unused=False):
            told = (*finding.details, not_fixed(finding, fixed.refused)) if finding.edits else finding.details
            if told:
                place = document.place(finding.start)
                reasons[place.line, place.column, rule.code] = told
            start = fixed.before(finding.start)
            placed = replace(finding, start=start, end=max(start, fixed.before(finding.end)), details=told)
            if _span(rule, placed) not in hidden:
                left.append(placing.diagnostic(rule, placed))
        return Outcome(shown, before, fixed.text, fixed.number, reasons, sorted(left, key=lambda each: each.order))

    def _reported(self, path: str, document: Document, found: Sequence[tuple[Rule, Finding]]) -> set[int]:
        """The numbers of the findings that are reported."""
        placing = Placing(document)
        diagnostics = [placing.diagnostic(rule, finding) for rule, finding in found]
        return {number for number, _ in self.pipeline.passed(path, diagnostics)}


def _span(rule: Rule, finding: Finding) -> Span:
    return rule.code, finding.start, finding.end


def write_outcome(outcome: Outcome, folder: str | None) -> bool:
    """Puts a fixed text in the place of the file, which was found in a folder, or named; whether it was written.

    Raises PvasmError, with the file as it was, if that cannot be.
    """
    return outcome.after != outcome.before and write_atomically(outcome.path, encode(outcome.after), folder)
