"""What is due where an argument is being written: of an op, or of a macro of the C preprocessor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from pvasm.lsp.comments import in_code
from pvasm.lsp.names import defines_of
from pvasm.lsp.open_document import OpenDocument
from pvasm.paravirt.arguments import DUE
from pvasm.regex import regex

_MOST: Final = 2000  # characters of arguments that are looked at
_NAME: Final = regex(r"([A-Za-z_][\w]*)[ \t]*\Z")


class Signature(NamedTuple):
    """An op or a macro as it is invoked, each parameter with a line about it, and the one that is being written."""

    text: str
    about: str
    parameters: Sequence[tuple[str, str]]
    active: int


def signature_at(document: OpenDocument, offset: int) -> Signature | None:
    """What the arguments at an offset are of."""
    text = document.text
    line = text.rfind("\n", 0, offset) + 1
    depth = number = 0
    at = offset
    while at > max(line, offset - _MOST):
        at -= 1
        if text[at] == ")":
            depth += 1
        elif text[at] == "(" and depth:
            depth -= 1
        elif text[at] == "(":
            break
        elif text[at] == "," and not depth:
            number += 1
    else:
        return None
    name = _NAME.search(text[line:at])
    if name is None or not in_code(document, offset):
        return None
    return _signature(document, name[1], number)


def _signature(document: OpenDocument, name: str, number: int) -> Signature | None:
    op = document.subject.catalog.ops.get(name)
    if op is not None:
        parameters = [(each.name, DUE[each.kind, each.use]) for each in op.parameters]
        return Signature(op.signature, op.doc, parameters, number) if parameters else None
    for _, define in defines_of(document, name):
        if define.parameters:
            named = ", ".join(define.parameters)
            return Signature(f"{name}({named})", "", [(each, "") for each in define.parameters], number)
    return None
