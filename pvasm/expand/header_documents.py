"""Headers as documents: for the macros that they define."""

from __future__ import annotations

from typing import Final

from pvasm.asm.reading import assembly_parser
from pvasm.headers import Header
from pvasm.syntax.document import Document, read_document

_MOST: Final = 800

_read: dict[str, Document] = {}


def read_header(header: Header) -> Document:
    """The document that a header is; read once, however many files include it, as long as it has that text."""
    path, text = header
    document = _read.pop(path, None)
    if document is None or document.text != text:
        document = read_document(assembly_parser(), text, path, preprocessed=False)
    _read[path] = document
    if len(_read) > _MOST:
        del _read[next(iter(_read))]  # the one that nobody has asked for the longest
    return document
