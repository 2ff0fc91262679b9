"""Diagnostics as annotations of a pull request: workflow commands, which GitHub Actions reads in a job's output."""

from __future__ import annotations

from pvasm.check.diagnostic import Diagnostic
from pvasm.report.json import whole_text

_COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}


def render(diagnostic: Diagnostic) -> str:
    """The command for one diagnostic, on one line. Details are lines of the annotation's text."""
    properties = {
        "file": diagnostic.path,
        "line": str(diagnostic.line),
        "endLine": str(diagnostic.end_line),
        "title": diagnostic.code if diagnostic.instance is None else f"{diagnostic.code} [{diagnostic.instance}]",
    }
    lines = (diagnostic.message, *diagnostic.details)
    if not diagnostic.line and diagnostic.place:  # in an object that does not tell lines
        del properties["line"], properties["endLine"]
        lines = (f"{diagnostic.place}: {diagnostic.message}", *diagnostic.details)
    elif diagnostic.line == diagnostic.end_line:  # columns are for a single line
        properties |= {"col": str(diagnostic.column), "endColumn": str(diagnostic.end_column)}
    text = "\n".join(lines)
    said = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{_COMMANDS[diagnostic.severity]} {said}::{_data(text)}"


def _data(text: str) -> str:
    """A command's text: what would end it is written in hexadecimal."""
    return whole_text(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """A property's value, which a colon or a comma would end as well."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")
