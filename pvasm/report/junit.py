"""A run of the checker as JUnit's XML, which services for continuous integration show: a suite for each file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from xml.etree import ElementTree

from pvasm.check.diagnostic import Diagnostic
from pvasm.errors import PvasmError
from pvasm.regex import regex
from pvasm.report.plain_text import render as in_lines

# What XML 1.0 (2.2, Char) has no way to write.
_NOT_XML = regex("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class CheckedFile(NamedTuple):
    """What was found in a file, and what kept pvasm from checking all of it."""

    path: str
    diagnostics: Sequence[Diagnostic]
    errors: Sequence[PvasmError]


def render(files: Iterable[CheckedFile]) -> str:
    """The document. A finding at error level fails, any other is told of in a case that does not."""
    suites = ElementTree.Element("testsuites", name="pvasm check")
    totals = dict.fromkeys(("tests", "failures", "errors"), 0)
    for file in files:
        cases = [*map(_of_finding, file.diagnostics), *map(_of_error, file.errors)]
        if not cases:
            cases = [ElementTree.Element("testcase", name="nothing found", classname=_text(file.path))]
        counts = {"tests": len(cases)}
        for name, tag in (("failures", "failure"), ("errors", "error")):
            counts[name] = sum(case.find(tag) is not None for case in cases)
        suite = ElementTree.SubElement(suites, "testsuite", name=_text(file.path or "pvasm"))
        suite.attrib.update({name: str(count) for name, count in counts.items()})
        suite.extend(cases)
        for name, count in counts.items():
            totals[name] += count
    suites.attrib.update({name: str(count) for name, count in totals.items()})
    ElementTree.indent(suites)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(suites, encoding="unicode")}\n'


def _of_finding(diagnostic: Diagnostic) -> ElementTree.Element:
    where = diagnostic.where
    case = ElementTree.Element(
        "testcase",
        name=_text(f"{diagnostic.code} {where}"),
        classname=_text(diagnostic.path),
        file=_text(diagnostic.path),
        line=str(diagnostic.line),
    )
    if diagnostic.severity == "error":
        told = ElementTree.SubElement(case, "failure", type=diagnostic.code, message=_text(diagnostic.message))
    else:
        told = ElementTree.SubElement(case, "system-out")
    told.text = _text(in_lines(diagnostic))
    return case


def _of_error(error: PvasmError) -> ElementTree.Element:
    case = ElementTree.Element("testcase", name="not checked", classname=_text(error.path or "pvasm"))
    ElementTree.SubElement(case, "error", type="error", message=_text(error.message)).text = _text(str(error))
    return case


def _text(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
