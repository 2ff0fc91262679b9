"""Mending a piece of text, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from pvasm.check.engine import Selection
from pvasm.check.subject import Subject
from pvasm.fix import Fixed, fix
from pvasm.headers import Header, included
from pvasm.isa.mnemonics import is_mnemonic
from pvasm.paravirt.environments import known_macros
from pvasm.paravirt.loading import load_catalog
from pvasm.paravirt.shipped import instance_names
from pvasm.syntax.document import read_document
from pvasm.syntax.parser import Parser
from pvasm.text import read_text

PARSER = Parser(is_mnemonic)
CODES = ("PV001", "PV002")


@cache
def headers_of(path: str, directories: tuple[str, ...]) -> tuple[Header, ...]:
    return tuple(included(path, read_text(path), directories))


def subject(
    text: str, path: str = "a.S", directories: Sequence[str] | None = None, *, preprocessed: bool = False
) -> Subject:
    """What rules that mend see of a text. With `directories`, the headers that the file includes count."""
    headers = () if directories is None else headers_of(path, tuple(directories))
    document = read_document(PARSER, text, path, preprocessed=preprocessed)
    return Subject(document, load_catalog(), known_macros(), tuple(instance_names()), included=headers, fixing=True)


def mended(
    text: str, path: str = "a.S", directories: Sequence[str] | None = None, codes: Sequence[str] = CODES
) -> Fixed:
    return fix(text, lambda changed: subject(changed, path, directories), Selection(tuple(codes)).rules())
