"""What is shown between the words of a file: which registers an op clobbers, and where instruction groups end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pvasm.lsp.open_document import OpenDocument
from pvasm.report.plain_text import counted

_SAID = {"in": "", "out": "out ", "clobber": "clobbers "}


class Hint(NamedTuple):
    """A text to show at an offset."""

    offset: int
    text: str


def hints(document: OpenDocument, start: int, end: int) -> Iterator[Hint]:
    """The hints between two offsets: before an argument that an op writes, and behind a stop."""
    ops = document.subject.catalog.ops
    for invocation in document.invocations:
        if start <= invocation.start < end and len(invocation.given) == len(ops[invocation.name].parameters):
            for argument, parameter in zip(invocation.given, ops[invocation.name].parameters, strict=True):
                if parameter.use != "in":
                    yield Hint(argument.offset, f"{_SAID[parameter.use]}{parameter.name}:")
    for index, number in document.code.groups:
        at = document.document.statements[index].end
        if number > 1 and start <= at <= end:
            yield Hint(at, f"group of {counted(number, 'instruction')}")
