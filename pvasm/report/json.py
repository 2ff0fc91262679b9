"""Diagnostics for a program: one JSON object a line, as `finding_schema.py` has it."""

from __future__ import annotations

import json

from pvasm.check.diagnostic import Diagnostic
from pvasm.regex import regex
from pvasm.report.documentation import rule_url

VERSION = 1
"""Of what the objects say: keys may be added to it, and none is taken away or comes to mean something else."""

FIELDS = (
    *("path", "line", "column", "end_line", "end_column", "code", "severity", "message", "instruction"),
    *("instance", "details"),
)


def render(diagnostic: Diagnostic) -> str:
    """The object of one diagnostic, with the keys of FIELDS, on one line; of one in an object, `place` as well.

    Text that is not UTF-8 in the source is written with U+FFFD in its place, so that the output always is.
    """
    fields = (*FIELDS, "place") if diagnostic.place else FIELDS
    row = {"version": VERSION, **{name: whole(getattr(diagnostic, name)) for name in fields}}
    row["url"] = rule_url(diagnostic.code)
    row["related"] = [_with_names(place) for place in diagnostic.related]
    row["fix"] = {"edits": [_with_names(change) for change in diagnostic.changes]} if diagnostic.changes else None
    return json.dumps(row)


def _with_names(place: tuple[object, ...]) -> dict[str, object]:
    names: tuple[str, ...] = place._fields  # type: ignore[attr-defined]
    return {name: whole(value) for name, value in zip(names, place, strict=True)}


_LONE_SURROGATE = regex("[\ud800-\udfff]")


def whole(value: object) -> object:
    """The value; in a text, U+FFFD stands for each byte that is not UTF-8."""
    if isinstance(value, tuple):
        return tuple(whole(each) for each in value)
    return whole_text(value) if isinstance(value, str) else value


def whole_text(text: str) -> str:
    """The text, with U+FFFD for each byte that is not UTF-8."""
    return _LONE_SURROGATE.sub("\ufffd", text)
