"""A run of the checker as one HTML file that needs nothing else, with what instances and runs have to say beside it.

All that comes from outside (names of files, sources, messages) goes through the templates, which escape it; none of it
is an address, a style or a script. The page's policy (Content-Security-Policy) allows the one style and the one script
that are part of it, by their digests, and nothing else.
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from hashlib import sha256
from textwrap import dedent
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from msgspec import Struct

from pvasm import __version__
from pvasm.check.checker import FileResult
from pvasm.check.code import Code
from pvasm.check.diagnostic import Diagnostic
from pvasm.check.finding import Severity
from pvasm.check.flow import Flow
from pvasm.check.live_ranges import routines
from pvasm.check.rule import documentation, every_rule
from pvasm.check.subject import Subject
from pvasm.errors import PvasmError
from pvasm.expand.program import Node
from pvasm.paravirt.instance import Instance
from pvasm.report import explanation
from pvasm.report.coverage import coverage
from pvasm.report.excerpts import Sources
from pvasm.report.flow_picture import picture
from pvasm.report.groups_beside import groups_beside
from pvasm.report.run_results import RunResult
from pvasm.report.trace_summary import TraceSummary

BEGINNING: Final = b"<!DOCTYPE html>"
"""What a page begins with."""

SEVERITIES: Final[tuple[Severity, ...]] = ("error", "warning", "note")


class _File(Struct, frozen=True):
    """What the lists tell of a file: its number in its section, and how much of what there is in it."""

    number: int
    path: str
    counts: dict[str, int]


class _Explained(Struct, frozen=True):
    """A rule that something was found of: its documentation by paragraphs, and its examples."""

    rule: explanation.AnyRule
    paragraphs: list[str]
    flagged: list[str]
    not_flagged: list[str]


class HtmlReport:
    """The report: `add` what the checker says of each file, then `render`.

    `instances` are the columns of the matrix of ops; the first two are compared. `functions` are routines to draw
    besides those that invoke ops.
    """

    def __init__(self, instances: Sequence[Instance], functions: Collection[str] = ()) -> None:
        self._instances = instances
        self._functions = frozenset(functions)
        self._sources = Sources()
        self._used: Counter[str] = Counter()
        self._codes: Counter[tuple[str, str]] = Counter()
        self._severities: Counter[Severity] = Counter()
        self._errors: list[PvasmError] = []
        self.checked = 0
        """How many files were checked."""
        self._parts: dict[str, list[Markup]] = {"findings": [], "beside": [], "flow": []}
        self._files: dict[str, list[_File]] = {"findings": [], "beside": [], "flow": []}
        self.drawn: set[str] = set()
        """The names of the routines that are drawn."""

    def add(self, result: FileResult, subject: Subject | None) -> None:
        """Takes a file's findings; `subject` is its code, where it is assembly."""
        self.checked += result.counts
        self._errors += result.errors
        self._add_findings(result.diagnostics)
        if subject is None or not (self._functions or self._may_differ(subject)):
            return
        path = subject.document.path
        steps = subject.of(Code).program.steps
        self._used.update(node.op.name for node in steps if isinstance(node, Node) and node.kind == "op" and node.op)
        if len(self._instances) > 1:
            left, right = self._instances[:2]
            found = groups_beside(subject, left, right)
            if found:
                self._add_part("beside", path, {"routines": len(found)}, found=found, left=left, right=right)
        drawn = list(self._drawn(subject))
        if drawn:
            self._add_part("flow", path, {"routines": len(drawn)}, found=drawn)

    def _may_differ(self, subject: Subject) -> bool:
        """Whether a document may be another in another instance: what is none need not be followed."""
        text = subject.document.text
        return subject.may_name_an_op or any(instance.defines in text for instance in self._instances)

    def _add_findings(self, diagnostics: Sequence[Diagnostic]) -> None:
        """A section for each file that findings are in: headers, too, where a file was preprocessed."""
        by_path: dict[str, list[Diagnostic]] = {}
        for each in diagnostics:
            by_path.setdefault(each.path, []).append(each)
            self._codes[each.code, each.severity] += 1
            self._severities[each.severity] += 1
        for path, found in by_path.items():
            counts = Counter(each.severity for each in found)
            shown = [(each, self._sources.excerpt(each)) for each in found]
            self._add_part("findings", path, {name: counts[name] for name in SEVERITIES}, found=shown)

    def _add_part(self, kind: str, path: str, counts: dict[str, int], **values: Any) -> None:
        file = _File(len(self._files[kind]) + 1, path, counts)
        self._files[kind].append(file)
        text = self._environment.get_template(f"{kind}.html.jinja").render(file=file, **values)
        self._parts[kind].append(Markup(text))

    def _drawn(self, subject: Subject) -> Iterator[Any]:
        """The pictures of the routines of a document that invoke ops, and of those that were asked for."""
        if not self._functions and not subject.of(Code).program.ops_used:
            return
        for routine in routines(subject.of(Flow)):
            is_asked = routine.name in self._functions
            nodes = subject.of(Flow).nodes[routine.first : routine.end]
            if is_asked or any(node.kind == "op" and node.macro is None for node in nodes):
                found = picture(subject, routine)
                if found is not None:
                    self.drawn.add(routine.name)
                    yield found

    def render(self, hidden: int = 0, results: Sequence[RunResult] = (), traces: Sequence[TraceSummary] = ()) -> bytes:
        """The file. `hidden` is how many findings a baseline hides."""
        rules = every_rule()
        codes = sorted(self._codes.items(), key=lambda each: (-each[1], each[0]))
        style, script = (Markup(_read(name)) for name in ("report.css", "report.js"))
        text = self._environment.get_template("report.html.jinja").render(
            version=__version__,
            style=style,
            script=script,
            style_digest=_digest(style),
            script_digest=_digest(script),
            severities={name: self._severities[name] for name in SEVERITIES},
            checked=self.checked,
            hidden=hidden,
            errors=self._errors,
            codes=[(code, severity, number, rules[code].title) for (code, severity), number in codes],
            files=self._files,
            parts=self._parts,
            instances=self._instances,
            groups=coverage(self._instances, self._used, results),
            results=results,
            traces=traces,
            rules=[
                _Explained(
                    rule,
                    documentation(rule).split("\n\n"),
                    [dedent(each) for each in explanation.flagged(rule)],
                    [dedent(each) for each in explanation.not_flagged(rule)],
                )
                for rule in (rules[code] for code in dict.fromkeys(sorted(code for code, _ in self._codes)))
            ],
        )
        return text.encode("utf-8")

    @cached_property
    def _environment(self) -> Environment:
        environment = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=_shown,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters["code"] = _with_code
        environment.filters["px"] = lambda value: f"{value:g}" if value < 100_000 else f"{value:.0f}"
        environment.filters["counted"] = _counted
        return environment


_TEMPLATES = os.path.join(os.path.dirname(__file__), "templates")


def _read(name: str) -> str:
    with open(os.path.join(_TEMPLATES, name), encoding="utf-8") as file:
        return file.read()


def _digest(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def _shown(value: Any) -> Any:
    """What is put in the page: of a text, U+FFFD stands for all that cannot be shown, or would steer how it is."""
    if not isinstance(value, str) or isinstance(value, Markup) or value.isprintable():
        return value
    return "".join(each if each.isprintable() or each in "\t\n" else "\ufffd" for each in value)


def _counted(count: int, noun: str) -> str:
    """A number of things, with blanks between thousands."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}".replace(",", "\u202f")


def _with_code(text: str) -> Markup:
    """A text whose pieces between backquotes are code."""
    parts = text.replace("\n", " ").split("`")
    pieces = [
        Markup("<code>%s</code>" if at % 2 and at + 1 < len(parts) else "%s") % _shown(part)
        for at, part in enumerate(parts)
    ]
    return Markup("").join(pieces)
