"""The JSON Schema of what `pvasm check --output-format json` writes."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from pvasm.check.finding import Severity
from pvasm.paravirt.json_schema import DRAFT, schema_of
from pvasm.report.json import VERSION

_Number = Annotated[int, Meta(ge=0)]
_Code = Annotated[str, Meta(pattern=r"^PV\d{3}$")]


class _Place(Struct):
    path: str
    line: _Number
    column: _Number
    end_line: _Number
    end_column: _Number


class _Related(_Place):
    message: str


class _Edit(_Place):
    replacement: str


class _Fix(Struct):
    edits: list[_Edit]


class _Finding(_Place):
    version: int
    code: _Code
    severity: Severity
    message: str
    instruction: str
    instance: str | None
    details: list[str]
    url: str | None
    related: list[_Related]
    fix: _Fix | None
    place: str = ""


class _Statistics(Struct):
    version: int
    code: _Code
    severity: Severity
    count: _Number
    title: str


_TOLD = {
    "version": "Of this format. Keys may be added to it: whoever reads it lets those be that it does not know.",
    "path": "The file, as it was named or found.",
    "line": "From 1; 0 where no line is known (in an object).",
    "column": "From 1, in characters; 0 where it is not known.",
    "end_line": "The line of the end.",
    "end_column": "Just behind the last character.",
    "code": "The rule's; `pvasm explain CODE` says what it is about.",
    "severity": "The level. What is at error level makes the exit status 1.",
    "message": "What is wrong.",
    "instruction": "The text that it is about.",
    "instance": "The instances in which it is so; null if it is so in all.",
    "details": "Lines that tell more: a path through the code, an expansion, why it is not fixed.",
    "url": "Where the documentation of the rule is; null where nobody has said that (PVASM_DOCS_URL).",
    "related": "Other places that it is about, in the order in which they matter.",
    "fix": "What `pvasm check --fix` would do, made all or none; those of all findings of a file can be made together. "
    "null if it would do nothing.",
    "place": "In an object: section and offset, slot, symbol.",
}


def finding_schema() -> dict[str, Any]:
    """The schema of a line about a finding; `$defs` has that of a line of --statistics."""
    schema = schema_of(_Finding)
    for key, told in _TOLD.items():
        schema["properties"][key]["description"] = told
    statistics = schema_of(_Statistics)
    for each in (schema, statistics):
        each["properties"]["version"]["const"] = VERSION
    return {
        "$schema": DRAFT,
        "title": "A finding of pvasm check: a line of --output-format json",
        **schema,
        "$defs": {"statistics": statistics},
    }
