"""The headers that a source file includes, as far as they can be found: for the macros that they define."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from pvasm.errors import PvasmError
from pvasm.syntax import tree
from pvasm.syntax.document import Document, read_document
from pvasm.syntax.parser import Parser
from pvasm.text import read_text

_MAX_HEADERS = 400
_MAX_CHARACTERS = 4 << 20  # of all headers together
_INCLUDED = re.compile(r'"(?P<quoted>[^"]+)"|<(?P<angled>[^>]+)>')


def included(
    document: Document,
    directories: Sequence[str],
    parser: Parser,
    known: dict[str, Document | None] | None = None,
) -> list[Document]:
    """The headers that a document includes, and those that they include, each once, in order.

    A name in quotes is looked for beside the file that includes it, then, like one in angle brackets, in `directories`.
    What is not found, cannot be read, or would be too much, is left out. `known` keeps what was read, by its real path.
    """
    known = {} if known is None else known
    found: list[Document] = []
    seen = {os.path.realpath(document.path)}
    waiting = [document]
    characters = 0
    while waiting and len(found) < _MAX_HEADERS and characters < _MAX_CHARACTERS:
        including = waiting.pop(0)
        for path in _names(including, directories):
            real = os.path.realpath(path)
            if real in seen or len(found) >= _MAX_HEADERS:
                continue
            seen.add(real)
            if real not in known:
                known[real] = _read(path, parser)
            header = known[real]
            if header is not None:
                characters += len(header.text)
                found.append(header)
                waiting.append(header)
    return found


def _read(path: str, parser: Parser) -> Document | None:
    try:
        return read_document(parser, read_text(path), path, preprocessed=False)
    except PvasmError:
        return None


def _names(document: Document, directories: Sequence[str]) -> list[str]:
    """The files that a document's `#include` lines mean, of those that there are."""
    names = []
    for statement in document.statements:
        match statement.syntax:
            case tree.CppDirective(name="include", text=text):
                word = _INCLUDED.match(text)
                if word is None:
                    continue
                beside = [os.path.dirname(document.path)] if word["quoted"] else []
                for directory in (*beside, *directories):
                    path = os.path.join(directory, word["quoted"] or word["angled"])
                    if os.path.isfile(path):
                        names.append(path)
                        break
    return names
