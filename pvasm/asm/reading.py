"""Reading assembly: the one parser that knows the mnemonics."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Final

from pvasm.isa.mnemonics import is_mnemonic
from pvasm.syntax import tree
from pvasm.syntax.document import read_document
from pvasm.syntax.parser import Parser

_MOST_REMEMBERED: Final = 4_000  # characters of a text, which is one that macros make


@cache
def assembly_parser() -> Parser:
    """The parser of IA-64 assembly. What it has parsed once, in whatever file, it knows."""
    return Parser(is_mnemonic)


def statements_of(text: str) -> Sequence[tree.Statement]:
    """The statements of a text that macros have made. Nobody may change them: the same text has the same."""
    return _remembered(text) if len(text) <= _MOST_REMEMBERED else _read(text)


def _read(text: str) -> Sequence[tree.Statement]:
    return read_document(assembly_parser(), text, preprocessed=True).statements


_remembered = lru_cache(maxsize=1024)(_read)
