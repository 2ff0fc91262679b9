"""Where a document invokes ops: as statements, as arguments of other macros, and one after another."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Iterator
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from pvasm.syntax import tree
from pvasm.syntax.document import Document

_TOKEN = re.compile(
    r"""
      (?P<blank>(?:\s|\\[ \t\r]*\n)+|/\*(?s:.*?)\*/|//[^\n]*)
    | (?P<name>[A-Za-z_.$\\][\w.$\\]*)
    | (?P<string>"(?:\\[^\n]|[^"\\\n])*"|'(?:\\[^\n]|[^'\\\n])'?)
    | (?P<separator>;)
    | (?P<open>\()
    | (?P<close>\))
    | (?P<comma>,)
    | (?P<other>(?s:.))
    """,
    re.VERBOSE,
)
_COMMENT = re.compile(r"/\*(?s:.*?)\*/|//[^\n]*|\\[ \t\r]*\n")


class Given(NamedTuple):
    """An argument of an invocation: its text on one line, without comments, and its offset in the document."""

    text: str
    offset: int


class Invocation(Struct, frozen=True):
    """An invocation of an op, from `start` to `end` in the document's text.

    `predicate` is the offset of a predicate before it, if there is one. `in_argument` names the macro in whose
    argument it stands, and `quoted` tells that this argument ends at a blank unless it is quoted. `tail` is true if it
    stands after another invocation in one statement, `followed` if something stands after it there.
    """

    name: str
    arguments: tuple[Given, ...]
    parenthesised: bool
    start: int
    end: int
    statement: int
    predicate: int | None = None
    in_argument: str | None = None
    quoted: bool = False
    tail: bool = False
    followed: bool = False


class Hidden(NamedTuple):
    """An op's name where no statement starts: in an operand, or in text that could not be parsed."""

    name: str
    start: int
    statement: int


def find_invocations(document: Document, ops: Collection[str]) -> Iterator[Invocation | Hidden]:
    """The invocations of `ops` in a document, and their names where no invocation can stand; in no particular order."""
    text = document.text
    starts: set[int] = set()
    for index, statement in enumerate(document.statements):
        if isinstance(statement.syntax, tree.MacroCall):
            for found in _of_call(text, index, statement.origin, statement.syntax, ops):
                starts.add(found.start)
                yield found
    yield from _hidden(document, ops, starts)


def _hidden(document: Document, ops: Collection[str], known: set[int]) -> Iterator[Hidden]:
    """The names of ops with a parenthesis after them, and any in unparsed text, that are no invocations."""
    names = re.compile(rf"(?<![\w.$])(?:{'|'.join(map(re.escape, ops))})(?![\w.$])(?P<call>\s*\()?")
    statements = document.statements
    for found in names.finditer(document.text) if ops else ():
        if found.start() in known:
            continue
        at = bisect_right(statements, found.start(), key=lambda statement: statement.start) - 1
        if at < 0 or statements[at].end <= found.start():
            continue  # a comment
        statement = statements[at]
        if isinstance(statement.syntax, tree.CppDirective | tree.Directive | tree.Label):
            continue
        if not found["call"] and not isinstance(statement.syntax, tree.Unparsed):
            continue
        tokens = _tokens(document.text, statement.start, statement.end)
        if any(token.kind == "name" and token.start == found.start() for token in tokens):
            yield Hidden(found[0].rstrip("( \t\r\n"), found.start(), at)


def _of_call(text: str, index: int, origin: int, call: tree.MacroCall, ops: Collection[str]) -> Iterator[Invocation]:
    """The invocations in one statement that is a macro invocation."""
    if call.name in ops:
        predicate = None if call.predicate is None else origin + call.start
        given = tuple(Given(_clean(argument.text), origin + argument.start) for argument in call.arguments)
        yield Invocation(
            call.name,
            given,
            call.parenthesised,
            origin + call.name_start,
            origin + call.call_end,
            index,
            predicate,
            followed=bool(call.tail),
        )
    else:
        for argument in call.arguments:
            start, end = origin + argument.start, origin + argument.end
            for found in _of_text(text, start, end, index, ops, call.name):
                if call.parenthesised:
                    yield found
                elif (found.start, found.end) == (start, end):
                    yield replace(found, quoted=True)
    if call.tail:
        yield from _of_text(text, origin + call.call_end, origin + call.end, index, ops, None)


class _Token(NamedTuple):
    kind: str
    start: int
    end: int


def _tokens(text: str, start: int, end: int) -> list[_Token]:
    """The tokens between two offsets, without blanks and comments."""
    return [
        _Token(found.lastgroup or "", *found.span())
        for found in _TOKEN.finditer(text, start, end)
        if found.lastgroup != "blank"
    ]


def _of_text(
    text: str, start: int, end: int, index: int, ops: Collection[str], macro: str | None
) -> Iterator[Invocation]:
    """The invocations in a piece of a statement: an argument of `macro`, or the tail after another invocation."""
    tokens = _tokens(text, start, end)
    at = 0
    at_head = True
    predicate: int | None = None
    while at < len(tokens):
        token = tokens[at]
        following = tokens[at + 1].kind if at + 1 < len(tokens) else "end"
        if token.kind == "separator":
            at_head, predicate = True, None
        elif token.kind == "open" and at_head:
            closing = _closing(tokens, at)
            predicate, at = token.start, closing
        elif token.kind == "name" and at_head:
            name = text[token.start : token.end]
            is_call = following == "open"
            if is_call:
                closing = _closing(tokens, at + 1)
                inner = tokens[at + 2 : closing]
                call_end = tokens[min(closing, len(tokens) - 1)].end
                if name in ops:
                    given = tuple(_arguments(text, inner, call_end))
                    followed = closing + 1 < len(tokens) and tokens[closing + 1].kind not in ("separator", "comma")
                    yield Invocation(
                        name,
                        given,
                        True,
                        token.start,
                        call_end,
                        index,
                        predicate,
                        macro,
                        False,
                        macro is None,
                        followed,
                    )
                elif inner:
                    yield from _of_text(text, inner[0].start, inner[-1].end, index, ops, name)
                at = closing
            elif name in ops and following in ("end", "separator", "comma"):
                yield Invocation(name, (), False, token.start, token.end, index, predicate, macro, False, macro is None)
            at_head, predicate = is_call, None
        elif token.kind == "comma" and macro is not None:
            at_head, predicate = True, None
        else:
            at_head = False
        at += 1


def _closing(tokens: list[_Token], at: int) -> int:
    """The index of the parenthesis that closes the one at `at`; the number of tokens if none does."""
    depth = 0
    for index in range(at, len(tokens)):
        if tokens[index].kind == "open":
            depth += 1
        elif tokens[index].kind == "close":
            depth -= 1
            if depth == 0:
                return index
    return len(tokens)


def _arguments(text: str, tokens: list[_Token], end: int) -> Iterator[Given]:
    """The arguments that some tokens are, split at the commas outside parentheses."""
    depth = 0
    first: int | None = None
    last = end
    for token in tokens:
        depth += (token.kind == "open") - (token.kind == "close")
        if token.kind == "comma" and depth == 0:
            yield Given(_clean(text[first:last]), first) if first is not None else Given("", token.start)
            first = None
        else:
            first = token.start if first is None else first
            last = token.end
    yield Given(_clean(text[first:last]), first) if first is not None else Given("", end - 1)


def _clean(text: str) -> str:
    """An argument's text on one line, without comments."""
    if text.isalnum():
        return text
    return " ".join(_COMMENT.sub(" ", text).split())
