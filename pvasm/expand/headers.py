"""Headers as documents: for the macros that they define."""

from __future__ import annotations

from functools import lru_cache

from pvasm.headers import Header
from pvasm.ia64 import is_mnemonic
from pvasm.syntax.document import Document, read_document
from pvasm.syntax.parser import Parser


@lru_cache(maxsize=800)
def read_header(header: Header) -> Document:
    """The document that a header is; read once, however many files include it."""
    path, text = header
    return read_document(_parser(), text, path, preprocessed=False)


@lru_cache(maxsize=1)
def _parser() -> Parser:
    return Parser(is_mnemonic)
