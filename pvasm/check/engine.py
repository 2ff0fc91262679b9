"""Runs rules over documents. It knows no rule by name."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import Struct

from pvasm.check.codes import covered, known_codes, require_known
from pvasm.check.diagnostic import Change, Diagnostic, RelatedPlace, abridged
from pvasm.check.finding import Finding, Related
from pvasm.check.rule import InstanceRule, Rule, every_rule, rule_of
from pvasm.check.subject import Subject
from pvasm.check.suppression import Suppressions
from pvasm.errors import PvasmError
from pvasm.syntax.document import Document
from pvasm.text import Edit, line_and_column


class Selection(Struct, frozen=True):
    """The codes to report: those selected (those on by default, if None) and `extend`, less those ignored.

    A code may be cut short: `PV0` stands for all that start so.
    """

    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    extend: tuple[str, ...] = ()

    def rules(self) -> list[Rule]:
        """The rules about documents that are on.

        Raises PvasmError for a code that no rule has, and if no rule at all is on.
        """
        return [rule for rule in self._chosen() if isinstance(rule, Rule)]

    def instance_rules(self) -> list[InstanceRule]:
        """The rules about instance files that are on. Raises PvasmError as `rules` does."""
        return [rule for rule in self._chosen() if isinstance(rule, InstanceRule)]

    def _chosen(self) -> list[Rule | InstanceRule]:
        """The rules that are on. Each says whether it is by default; where codes are selected, no others are needed."""
        require_known((*(self.select or ()), *self.extend, *self.ignore))
        if self.select is None:
            found = [rule for rule in every_rule().values() if self._is_on(rule.code, by_default=rule.on_by_default)]
        else:
            found = [rule_of(code) for code in known_codes() if self._is_on(code, by_default=False)]
        if not found:
            raise PvasmError("these settings select no code at all: look at select, ignore and severity")
        return found

    def _is_on(self, code: str, *, by_default: bool) -> bool:
        chosen = by_default or covered(code, (*(self.select or ()), *self.extend))
        return chosen and not covered(code, self.ignore)


def run(
    subject: Subject,
    rules: Iterable[Rule],
    sources: Mapping[str, str] | None = None,
    *,
    find_unused: bool = True,
    then: Callable[[list[_Found]], list[_Found]] | None = None,
) -> list[Diagnostic]:
    """What `findings` finds, and `then` makes of that, in the order of the file that a person edits."""
    found = findings(subject, rules, sources, find_unused=find_unused)
    if then is not None:
        found = then(found)
    placing = Placing(subject.document)
    return sorted(
        (placing.diagnostic(rule, finding) for rule, finding in found), key=lambda diagnostic: diagnostic.order
    )


_Found = tuple[Rule, Finding]


def findings(
    subject: Subject,
    rules: Iterable[Rule],
    sources: Mapping[str, str] | None = None,
    *,
    find_unused: bool = True,
) -> list[_Found]:
    """What the rules find in a subject, rule by rule, but for what its suppressions hide.

    Suppressions are read in the document itself or, for text that the C preprocessor took the comments out of, in its
    `sources`: texts by path. With `find_unused` the rules review the document's own.
    """
    document = subject.document
    rules = list(rules)
    found = [(rule, finding) for rule in rules for finding in rule.check(subject)]
    if sources is not None:
        hides = _hidden_in(document, sources)
        return [each for each in found if not hides(*each)]
    suppressions = Suppressions(document.text, preprocessed=document.preprocessed)
    return _met(document, suppressions, rules, found, find_unused) if suppressions.all else found


def _met(
    document: Document, suppressions: Suppressions, rules: Sequence[Rule], found: list[_Found], find_unused: bool
) -> list[_Found]:
    """What is left of what was found, and what there is to say of the suppressions that it has met."""

    def is_hidden(rule: Rule, finding: Finding) -> bool:
        first, _ = line_and_column(document.line_starts, finding.start)
        last, _ = line_and_column(document.line_starts, max(finding.start, finding.end - 1))
        return suppressions.hide(rule.code, first, last)

    left = [each for each in found if not is_hidden(*each)]
    if find_unused:
        checked = {rule.code for rule in rules}
        reviewed = [(rule, finding) for rule in rules for finding in rule.review(suppressions.all, checked)]
        # One without codes does not hide that it hides nothing.
        left += [each for each in reviewed if not _is_hidden_by_name(suppressions, *each, document)]
    return left


def _is_hidden_by_name(suppressions: Suppressions, rule: Rule, finding: Finding, document: Document) -> bool:
    line, _ = line_and_column(document.line_starts, finding.start)
    return suppressions.hide(rule.code, line, line, by_name=True)


def _hidden_in(document: Document, sources: Mapping[str, str]) -> Callable[[Rule, Finding], bool]:
    """What tells whether a source's suppressions hide what was found in the document that was made of it."""
    suppressions = {path: Suppressions(text) for path, text in sources.items()}

    def is_hidden(rule: Rule, finding: Finding) -> bool:
        place = document.place(finding.start)
        own = suppressions.get(place.path)
        return own is not None and own.hide(rule.code, place.line, place.line)

    return is_hidden


class Placing:
    """Makes diagnostics of findings. Findings about one statement share what is shown of it."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._shown: dict[tuple[int, int], str] = {}

    def diagnostic(self, rule: Rule, finding: Finding) -> Diagnostic:
        """The finding of a rule, with its place in the file that a person edits."""
        document, start, end = self.document, finding.start, finding.end
        place, stop = document.place(start), document.place(end)
        return Diagnostic(
            place.path,
            place.line,
            place.column,
            stop.line,
            stop.column,
            rule.code,
            rule.severity,
            finding.message,
            self._text(start, end),
            *document.line_text(start),
            finding.instance,
            finding.details,
            self._statement(start, end),
            related=tuple(map(self._related, finding.related)),
            changes=tuple(map(self._change, finding.edits)),
        )

    def _related(self, related: Related) -> RelatedPlace:
        place, end = self.document.place(related.start), self.document.place(related.end)
        if self.document.preprocessed:  # the line is the source's, the rest is not
            return RelatedPlace(place.path, place.line, 0, place.line, 0, abridged(related.message))
        return RelatedPlace(place.path, place.line, place.column, end.line, end.column, abridged(related.message))

    def _change(self, edit: Edit) -> Change:
        starts = self.document.line_starts
        return Change(
            self.document.path,
            *line_and_column(starts, edit.start),
            *line_and_column(starts, edit.end),
            edit.replacement,
        )

    def _statement(self, start: int, end: int) -> str:
        """The text of the statement that a part of one belongs to; empty for what is one."""
        statements = self.document.statements
        at = bisect_right(statements, start, key=lambda statement: statement.start) - 1
        if at < 0 or (start, end) == (statements[at].start, statements[at].end) or end > statements[at].end:
            return ""
        return self._text(statements[at].start, statements[at].end)

    def _text(self, start: int, end: int) -> str:
        shown = self._shown.get((start, end))
        if shown is None:
            shown = self._shown[start, end] = abridged(self.document.text[start:end])
        return shown
