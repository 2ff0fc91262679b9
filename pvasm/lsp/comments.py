"""Whether a place is in code, or in a comment or a string."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Final

from pvasm.lsp.open_document import OpenDocument
from pvasm.regex import regex

_NO_CODE: Final = regex(
    r"""
      (?P<open>/\*(?:[^*]|\*(?!/))*+\Z | //[^\n]*+ | "(?:\\[^\n]|[^"\\\n])*+(?!["\\]))
    | /\*(?s:.*?)\*/ | "(?:\\[^\n]|[^"\\\n])*+"
    """,
    re.VERBOSE,
)


def in_code(document: OpenDocument, offset: int) -> bool:
    """Whether an offset is in no comment and in no string; at the end of one that is not ended, it is."""
    statements = document.document.statements
    at = bisect_right(statements, offset, key=lambda statement: statement.start) - 1
    for found in _NO_CODE.finditer(document.text, statements[at].start if at >= 0 else 0):
        if found.start() >= offset:
            break
        if offset < found.end() or (found["open"] is not None and offset == found.end()):
            return False
    return True
