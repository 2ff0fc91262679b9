"""The automaton that runs the grammar's tables, against Lark itself."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedToken
from lark.lexer import Lexer

from pvasm import data
from pvasm.syntax import lalr
from pvasm.syntax.tokens import TERMINALS
from tests.slow import examples


class KeyLexer(Lexer):
    def __init__(self, lexer_conf: object) -> None:
        pass

    def lex(self, data: str) -> Iterator[Token]:  # type: ignore[override]
        for index, letter in enumerate(data):
            yield Token(TERMINALS[letter], index)


@cache
def lark() -> Lark:
    with open(data.grammar_file("ia64.lark"), encoding="utf-8") as file:
        return Lark(file.read(), parser="lalr", lexer=KeyLexer, start=["statement", "condition", "expression"])


def plain(node: Any) -> Any:
    """A tree of Lark's in our terms."""
    if isinstance(node, Tree):
        return (str(node.data), tuple(plain(child) for child in node.children))
    return node.value


def theirs(key: str, start: str) -> Any:
    """What Lark makes of a key: its tree, or where it stops and what it would take there.

    Lark leaves the end out of what it would take; it would if it takes what stands before.
    """
    try:
        return plain(lark().parse(key, start=start))
    except UnexpectedToken as error:
        at = len(key) if error.token.type == "$END" else error.token.value
        may_end = at < len(key) and not isinstance(theirs(key[:at], start), lalr.Malformed)
        return lalr.Malformed(at, frozenset(error.accepts or ()) - {"$END"} | ({"$END"} if may_end else set()))


def check(key: str, start: str) -> None:
    assert lalr.parse(key, start) == theirs(key, start)


LETTERS = st.sampled_from("".join(TERMINALS))
# Pieces that statements are made of, so that many keys are well formed and more are nearly so.
PIECES = st.sampled_from(
    ["N", "I", "N=", "(N)", "M", "N:", "[N:]", "[N]", ",", "+N", "A(N)", "N(N,I)", "N[I]", "#", "$", "D", "T"]
)
KEYS = st.lists(LETTERS | PIECES, max_size=12).map("".join)


@pytest.mark.slow
@given(KEYS, st.sampled_from(["statement", "condition", "expression"]))
@settings(max_examples=examples(600), deadline=None)
def test_same_tree_or_same_complaint(key: str, start: str) -> None:
    check(key, start)


@pytest.mark.parametrize(
    "key", ["", "N:I:[N:](N)MN=N", "TMN=[N],I", "(N)N:M", "M(I)", "MN,N=N,A(A(N#)),-N", "D$", "N$", "N=N"]
)
def test_statements(key: str) -> None:
    assert not isinstance(lalr.parse(key, "statement"), lalr.Malformed)
    check(key, "statement")
