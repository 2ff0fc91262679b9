"""A whole run as a SARIF 2.1.0 log (OASIS, Static Analysis Results Interchange Format), for services that show such."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable

from pvasm import __version__
from pvasm.check.diagnostic import Diagnostic
from pvasm.check.rule import InstanceRule, Rule, documentation, every_rule
from pvasm.errors import PvasmError
from pvasm.report.json import whole_text

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

Json = dict[str, object]


def render(diagnostics: Iterable[Diagnostic], errors: Iterable[PvasmError]) -> str:
    """The log, with the diagnostics as results, and what kept pvasm from checking everything as notifications."""
    rules = list(every_rule().values())
    indices = {rule.code: index for index, rule in enumerate(rules)}
    notifications = [_notification(error) for error in errors]
    run = {
        "tool": {"driver": {"name": "pvasm", "version": __version__, "rules": [_rule(rule) for rule in rules]}},
        "invocations": [{"executionSuccessful": not notifications, "toolExecutionNotifications": notifications}],
        "columnKind": "unicodeCodePoints",
        "results": [_result(diagnostic, indices[diagnostic.code]) for diagnostic in diagnostics],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _rule(rule: Rule | InstanceRule) -> Json:
    text = documentation(rule)
    first, _, _ = text.partition("\n")
    return {
        "id": rule.code,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": first},
        "help": {"text": text},
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
        "properties": properties,
    }


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
