"""Reading assembly: the one parser that knows the mnemonics."""

from __future__ import annotations

from functools import cache

from pvasm.isa.mnemonics import is_mnemonic
from pvasm.syntax.parser import Parser


@cache
def assembly_parser() -> Parser:
    """The parser of IA-64 assembly. What it has parsed once, in whatever file, it knows."""
    return Parser(is_mnemonic)
