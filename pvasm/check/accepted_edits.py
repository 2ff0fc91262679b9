"""Edits that findings bring: which of them can be made together, so that every instance expands the text as before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec.structs import replace

from pvasm.check.earlier import Tried
from pvasm.check.finding import NOT_FIXED, Finding
from pvasm.check.rule import Rule
from pvasm.check.subject import Subject
from pvasm.errors import PvasmError
from pvasm.expand import ExpandErrors, expand
from pvasm.expand.expander import Reading
from pvasm.expand.invocations import statement_at
from pvasm.regex import regex
from pvasm.syntax.document import Document
from pvasm.text import Edit, apply_edits

_NEIGHBOURS = 16
_TELLS_LINE = regex(r"\bline \d")

MakeSubject = Callable[[str], Subject]
"""From a text to the subject that rules look at."""


def with_accepted_edits(
    found: Sequence[tuple[Rule, Finding]], text: str, subject: Subject, make_subject: MakeSubject
) -> list[tuple[Rule, Finding]]:
    """What was found in a text, with those edits that can be made together; why others cannot stands in the details.

    An edit that overlaps another's is left out without a word: once that one is made, it is proposed again.
    """
    proposed = separate(finding.edits for _, finding in found)
    refused: dict[int, str] = {}
    known = _tried_before(proposed, subject)
    if known is not None:
        kept, refused = known
    else:
        kept = set(accepted(text, proposed, make_subject, subject, refused))
    if subject.earlier is not None:
        subject.earlier.tried = Tried(subject.document, proposed, kept, refused)

    def told(finding: Finding) -> Finding:
        if not finding.edits or finding.edits in kept:
            return finding
        said = (not_fixed(finding, refused),) if finding.edits in proposed else ()
        return replace(finding, edits=(), details=(*finding.details, *said))

    return [(rule, told(finding)) for rule, finding in found]


def _tried_before(
    proposed: Sequence[tuple[Edit, ...]], subject: Subject
) -> tuple[set[tuple[Edit, ...]], dict[int, str]] | None:
    """Which edits can be made, and why others cannot, if the same were tried in the earlier text; else None.

    What has changed since does not stand near them, and they change no macro that it might invoke.
    """
    earlier = subject.earlier
    if earlier is None:
        return None
    earlier.is_about(subject.instances)
    change, tried = earlier.reading.change if earlier.reading is not None else None, earlier.tried
    if change is None or change.has_lines or tried is None:
        return None
    if tried.document is not change.earlier or len(proposed) != len(tried.proposed):
        return None
    if any(_TELLS_LINE.search(why) for why in tried.refused.values()):
        return None
    refused = {}
    kept = set()
    for edits, others in zip(proposed, tried.proposed, strict=True):
        if len(edits) != len(others):
            return None
        for edit, other in zip(edits, others, strict=True):
            place = change.moved(other.start, other.end)
            if place is None or edit != (*place, other.replacement) or _is_in_macro(edit, subject.document):
                return None
            if other.start in tried.refused:
                refused[edit.start] = tried.refused[other.start]
        if others in tried.kept:
            kept.add(edits)
    return kept, refused


def _is_in_macro(edit: Edit, document: Document) -> bool:
    at = statement_at(document, edit.start)
    return at is None or document.statements[at].macro is not None


def not_fixed(finding: Finding, refused: Mapping[int, str]) -> str:
    """What is said of a finding whose edits are not made; `refused` as `accepted` fills it."""
    minded = next((refused[edit.start] for edit in finding.edits if edit.start in refused), "")
    return f"{NOT_FIXED}{minded or 'an instance could not expand it here'}"


def separate(proposed: Iterable[tuple[Edit, ...]]) -> list[tuple[Edit, ...]]:
    """The edits, all of one finding together; of those that overlap, the first."""
    taken: list[tuple[int, int]] = []
    kept = []
    for edits in sorted(filter(None, proposed)):
        spans = [(edit.start, edit.end) for edit in edits]
        # In the order of the text: what overlaps does so with the last ones taken.
        if not any(start < end_ and start_ < end for start, end in spans for start_, end_ in taken[-_NEIGHBOURS:]):
            kept.append(edits)
            taken += spans
    return kept


def accepted(
    text: str,
    edits: list[tuple[Edit, ...]],
    make_subject: MakeSubject,
    before: Subject,
    refused: dict[int, str],
) -> list[tuple[Edit, ...]]:
    """The edits after which every instance can expand the text as well as it could before.

    That is, at each place no instance has more errors than it had there. Why others are refused goes to `refused`, by
    the places of their edits.
    """
    earlier = _errors(before) if edits else []
    while edits:
        subject = make_subject(apply_edits(text, [edit for several in edits for edit in several]))
        old = _Regions(before.document, [(several[0].start, several[-1].end) for several in map(sorted, edits)])
        new = _Regions(subject.document, _places(edits))
        allowed = Counter((number, name) for name, error in earlier for number in old.around(error))
        bad = set()
        for name, error in _errors(subject):
            for number in new.around(error):
                if allowed[number, name]:  # as it was before
                    allowed[number, name] -= 1
                    continue
                bad.add(number)
                refused.update((edit.start, error.message) for edit in edits[number])
        if not bad:
            return edits
        edits = [several for number, several in enumerate(edits) if number not in bad]
    return edits


def _places(edits: list[tuple[Edit, ...]]) -> list[tuple[int, int]]:
    """Where the edits of each finding stand, from the first to the last, in the text that they make."""
    ordered = sorted((edit, number) for number, several in enumerate(edits) for edit in several)
    shift = 0
    places: dict[int, tuple[int, int]] = {}
    for edit, number in ordered:
        start = edit.start + shift
        first, _ = places.get(number, (start, start))
        places[number] = first, start + len(edit.replacement)
        shift += len(edit.replacement) - (edit.end - edit.start)
    return [places[number] for number in range(len(edits))]


class _Regions:
    """Spans of a document, by number, and which of them are around the place of an error."""

    def __init__(self, document: Document, spans: Sequence[tuple[int, int]]) -> None:
        self._spans = [
            (document.place(start)[1:], document.place(max(start, end - 1))[1:], number)
            for number, (start, end) in enumerate(spans)
        ]

    def around(self, error: PvasmError) -> list[int]:
        at = (error.line or 0, error.column or 0)
        return [number for first, last, number in self._spans if first <= at <= last]


def _errors(subject: Subject) -> list[tuple[str, PvasmError]]:
    """What instances in question cannot expand, with the instance's name."""
    found: list[tuple[str, PvasmError]] = []
    reading = Reading(subject.document, subject.catalog)
    for instance in subject.instances:
        try:
            expand(subject.document, subject.catalog, instance, reading=reading)
        except ExpandErrors as errors:
            found += ((instance.name, error) for error in errors.errors)
        except PvasmError:
            continue
    return found
