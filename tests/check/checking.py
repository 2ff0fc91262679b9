"""Checking a piece of text, for tests."""

from __future__ import annotations

from pvasm.check.diagnostic import Diagnostic
from pvasm.check.engine import Selection, run
from pvasm.check.subject import Subject
from pvasm.isa.mnemonics import is_mnemonic
from pvasm.paravirt.environments import build_names, known_macros
from pvasm.paravirt.loading import load_catalog, load_instance
from pvasm.syntax.document import read_document
from pvasm.syntax.parser import Parser

PARSER = Parser(is_mnemonic)


def check(
    text: str,
    *codes: str,
    preprocessed: bool = False,
    instances: tuple[str, ...] = (),
    path: str = "a.S",
) -> list[Diagnostic]:
    """What the rules of these codes (all that are on by default, if none) find in a text."""
    catalog = load_catalog()
    document = read_document(PARSER, text, path, preprocessed=preprocessed)
    known = known_macros([load_instance(name, catalog) for name in instances])
    return run(Subject(document, catalog, known, instances or tuple(build_names())), Selection(codes or None).rules())


def found(text: str, *codes: str, preprocessed: bool = False, instances: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    """The codes and the instructions of what is found."""
    return [(d.code, d.instruction) for d in check(text, *codes, preprocessed=preprocessed, instances=instances)]
