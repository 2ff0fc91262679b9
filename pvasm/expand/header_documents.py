"""Headers as documents: for the macros that they define."""

from __future__ import annotations

from functools import lru_cache

from pvasm.asm.reading import assembly_parser
from pvasm.headers import Header
from pvasm.syntax.document import Document, read_document


@lru_cache(maxsize=800)
def read_header(header: Header) -> Document:
    """The document that a header is; read once, however many files include it."""
    path, text = header
    return read_document(assembly_parser(), text, path, preprocessed=False)
