"""Runs rules over documents. It knows no rule by name."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from msgspec import Struct

from pvasm.check.diagnostic import Diagnostic
from pvasm.check.rule import Rule, all_rules
from pvasm.check.subject import Subject
from pvasm.errors import PvasmError


class Selection(Struct, frozen=True):
    """The codes to report: those selected (those on by default, if None) less those ignored.

    A code may be cut short: `PV0` stands for all that start so.
    """

    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()

    def rules(self) -> list[Rule]:
        """The rules that are on. Raises PvasmError for a code that no rule has."""
        rules = all_rules()
        for code in (*(self.select or ()), *self.ignore):
            if not any(known.startswith(code) for known in rules):
                raise PvasmError(f"unknown code {code!r}: the codes are {', '.join(rules)}")
        chosen = [
            rule
            for code, rule in rules.items()
            if (rule.on_by_default if self.select is None else _covered(code, self.select))
            and not _covered(code, self.ignore)
        ]
        if not chosen:
            raise PvasmError("these settings select no code at all")
        return chosen


def _covered(code: str, prefixes: Collection[str]) -> bool:
    return any(code.startswith(prefix) for prefix in prefixes)


def run(subject: Subject, rules: Iterable[Rule]) -> list[Diagnostic]:
    """What the rules find in a subject, in the order of the file that a person edits."""
    document = subject.document
    found: list[Diagnostic] = []
    for rule in rules:
        for finding in rule.check(subject):
            start, end = finding.start, finding.end
            place, stop = document.place(start), document.place(end)
            found.append(
                Diagnostic(
                    place.path,
                    place.line,
                    place.column,
                    stop.line,
                    stop.column,
                    rule.code,
                    rule.severity,
                    finding.message,
                    document.text[start:end],
                    *document.line_text(start),
                    finding.instance,
                    finding.details,
                    bool(finding.edits),
                )
            )
    return sorted(found, key=lambda diagnostic: diagnostic.order)
