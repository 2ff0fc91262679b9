"""Whether a place is in code, or in a comment or a string."""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

from pvasm.lsp.open_document import OpenDocument
from pvasm.syntax.lines import LEXEMES

_NO_CODE: Final = frozenset({"comment", "string", "endless_comment", "endless_string"})


def in_code(document: OpenDocument, offset: int) -> bool:
    """Whether an offset is in no comment and in no string; at the end of one that is not ended, it is."""
    statements, text = document.document.statements, document.text
    at = bisect_right(statements, offset, key=lambda statement: statement.start) - 1
    position = statements[at].start if at >= 0 else 0
    match = LEXEMES[document.document.preprocessed].match
    while position < offset:
        found = match(text, position)
        assert found is not None  # there is a group for anything
        kind, position = found.lastgroup, found.end()
        if kind in _NO_CODE and offset <= position:
            is_ended = kind == "string" or found[0].endswith("*/")
            return offset == position and is_ended and not found[0].startswith("//")
    return True
