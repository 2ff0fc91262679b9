"""A whole run as a SARIF 2.1.0 log (OASIS, Static Analysis Results Interchange Format), for services that show such."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable

from pvasm import __version__
from pvasm.check.baseline import without_comments
from pvasm.check.diagnostic import Change, Diagnostic, RelatedPlace
from pvasm.check.rule import InstanceRule, Rule, documentation, every_rule
from pvasm.errors import PvasmError
from pvasm.report.documentation import rule_url
from pvasm.report.json import whole_text

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

Json = dict[str, object]


def render(diagnostics: Iterable[Diagnostic], errors: Iterable[PvasmError]) -> str:
    """The log, with the diagnostics as results, and what kept pvasm from checking everything as notifications."""
    rules = list(every_rule().values())
    indices = {rule.code: index for index, rule in enumerate(rules)}
    notifications = [_notification(error) for error in errors]
    fingerprints = _Fingerprints()
    run = {
        "tool": {"driver": {"name": "pvasm", "version": __version__, "rules": [_rule(rule) for rule in rules]}},
        "invocations": [{"executionSuccessful": not notifications, "toolExecutionNotifications": notifications}],
        "columnKind": "unicodeCodePoints",
        "results": [
            {**_result(diagnostic, indices[diagnostic.code]), "partialFingerprints": fingerprints.of(diagnostic)}
            for diagnostic in diagnostics
        ],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _rule(rule: Rule | InstanceRule) -> Json:
    text = documentation(rule)
    first, _, _ = text.partition("\n")
    url = rule_url(rule.code)
    return {
        "id": rule.code,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": first},
        "help": {"text": text},
        **({} if url is None else {"helpUri": url}),
        "defaultConfiguration": {"level": rule.severity, "enabled": rule.on_by_default},
    }


def _result(diagnostic: Diagnostic, rule_index: int) -> Json:
    instance = f" [{diagnostic.instance}]" if diagnostic.instance else ""
    region: Json = {
        "startLine": max(diagnostic.line, 1),  # a line marker may say 0
        "startColumn": diagnostic.column,
        "endLine": max(diagnostic.end_line, 1),
        "endColumn": diagnostic.end_column,
        "snippet": {"text": whole_text(diagnostic.instruction)},
    }
    if diagnostic.place and not diagnostic.line:  # in an object that does not tell lines
        region = {}
    location = _location(diagnostic.path, region)
    if diagnostic.place:
        location["logicalLocations"] = [{"fullyQualifiedName": whole_text(diagnostic.place)}]
    text = "\n".join((diagnostic.message + instance, *diagnostic.details))
    properties: Json = {}
    if diagnostic.instance is not None:
        properties["instance"] = whole_text(diagnostic.instance)
    return {
        "ruleId": diagnostic.code,
        "ruleIndex": rule_index,
        "level": diagnostic.severity,
        "message": {"text": whole_text(text)},
        "locations": [location],
        **_more(diagnostic),
        "properties": properties,
    }


def _more(diagnostic: Diagnostic) -> Json:
    """The other places that a finding is about, and what fixes it."""
    said: Json = {}
    if diagnostic.related:
        said["relatedLocations"] = [_related(number, place) for number, place in enumerate(diagnostic.related)]
    if diagnostic.changes:
        by_path: dict[str, list[Change]] = {}
        for change in diagnostic.changes:
            by_path.setdefault(change.path, []).append(change)
        changes = [
            {"artifactLocation": {"uri": _uri(path)}, "replacements": list(map(_replacement, several))}
            for path, several in by_path.items()
        ]
        said["fixes"] = [{"description": {"text": "put the op in its place"}, "artifactChanges": changes}]
    return said


def _related(number: int, place: RelatedPlace) -> Json:
    region: Json = {"startLine": max(place.line, 1)}
    if place.column:
        region |= {"startColumn": place.column, "endLine": max(place.end_line, 1), "endColumn": place.end_column}
    return {"id": number, "message": {"text": whole_text(place.message)}, **_location(place.path, region)}


def _replacement(change: Change) -> Json:
    deleted = {
        "startLine": change.line,
        "startColumn": change.column,
        "endLine": change.end_line,
        "endColumn": change.end_column,
    }
    return {"deletedRegion": deleted, "insertedContent": {"text": whole_text(change.replacement)}}


class _Fingerprints:
    """What tells that a finding is the one that another log has, though lines have moved.

    It is made of what a baseline goes by. Findings of a log that are alike are numbered.
    """

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def of(self, diagnostic: Diagnostic) -> Json:
        from hashlib import sha256

        line = " ".join(diagnostic.source_line.split())
        parts = (diagnostic.path, diagnostic.code, diagnostic.instance or "", without_comments(diagnostic), line)
        made = sha256("\n".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:32]
        self._seen[made] += 1
        return {_FINGERPRINT: f"{made}:{self._seen[made]}"}


_FINGERPRINT = "pvasmFinding/v1"


def _notification(error: PvasmError) -> Json:
    said: Json = {"level": "error", "message": {"text": whole_text(error.message)}}
    if error.path is not None:
        region: Json = {}
        if error.line is not None:
            region["startLine"] = max(error.line, 1)
            if error.column is not None:
                region["startColumn"] = error.column
        said["locations"] = [_location(error.path, region)]
    return said


def _location(path: str, region: Json) -> Json:
    place: Json = {"artifactLocation": {"uri": _uri(path)}}
    if region:
        place["region"] = region
    return {"physicalLocation": place}


def _uri(path: str) -> str:
    """The path as a reference relative to the current folder, or as a URI if it is absolute."""
    from urllib.parse import quote

    # A relative reference must not look as if it began with a scheme: `a:b.S` is `./a:b.S` (RFC 3986, 4.2).
    shown = f"./{path}" if ":" in path.split("/")[0] else path
    return ("file://" if path.startswith("/") else "") + quote(os.fsencode(shown), safe="/:")
