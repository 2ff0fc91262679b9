"""The tokens of C: what stands in a text, without what it means.

The lines of the C preprocessor are taken out first, and macros' bodies are read by themselves. Code that the
preprocessor has not seen is often no C: a macro's name stands where a declaration should, an arm of an `#if` ends a
block that another began. Its tokens are tokens all the same. Where functions begin and end, and which `asm` stands
behind a declarator, tree-sitter tells with its grammar of C, which goes on behind what it cannot parse.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct

from pvasm.errors import PvasmError
from pvasm.regex import regex

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

Kind = Literal["name", "string", "comment", "conditional", "define", "undef", "function", "end", "other"]

_PIECE: Final = regex(
    r"""
      (?P<comment>/\*(?s:.*?)(?:\*/|\Z)|//(?:\\[ \t\r]*+\n|[^\n])*+)
    | (?P<directive>^[ \t]*+\#(?:[^\n\\/"']++|\\[ \t\r]*+\n|\\|/\*(?s:.*?)(?:\*/|\Z)|//(?:\\[ \t\r]*+\n|[^\n])*+
        |"(?:\\[^\n]|[^"\\\n])*+"?|[/'])*+)
    | "(?:\\(?s:.)|[^"\\\n])*+"?
    | '(?:\\(?s:.)|[^'\\\n])*+'?
    | [^\n"'/]++
    | (?s:.)
    """,
    re.VERBOSE | re.MULTILINE,
)
_COMMENT: Final = regex(r"/\*(?s:.*?)(?:\*/|\Z)|//(?:\\[ \t\r]*+\n|[^\n])*+|\"(?:\\(?s:.)|[^\"\\\n])*+\"?")
_CONDITIONAL: Final = regex(r"[ \t]*+#[ \t]*+(?:if|ifdef|ifndef|elif|elifdef|elifndef|else|endif)\b")
_DEFINE: Final = regex(r"[ \t]*+#[ \t]*+define[ \t]++(?P<name>\w++)(?P<parameters>\([^()]*+\))?")
_TOKEN: Final = regex(
    r"""
      (?P<string>(?:u8|[uUL])?"(?:\\(?s:.)|[^"\\\n])*+"?)
    | [uUL]?'(?:\\(?s:.)|[^'\\\n])*+'?
    | (?P<name>[A-Za-z_$][\w$]*+)
    | \.?[0-9](?:[eEpP][+-]|[\w.])*+
    | :: | [^\s\\]
    """,
    re.VERBOSE,
)
_KINDS: Final[dict[str, Kind]] = {"string": "string", "name": "name"}
_UNDEF: Final = regex(r"[ \t]*+#[ \t]*+undef[ \t]++(?P<name>\w++)")
_NOT_NEWLINE: Final = regex(r"[^\n]")
_NOT_ASCII: Final = regex(r"[^\x00-\x7f]")
_NAMES: Final = frozenset(("identifier", "type_identifier", "field_identifier", "statement_identifier"))


class Token(Struct, frozen=True, gc=False):
    """A token from `start` to `end`.

    `conditional` is a line of the preprocessor's. `define` and `function` are the names of what is defined, and `end`
    stands behind its body; `undef` is the name of what is so no longer. In `name` are keywords, too; `declares` says of
    an `asm` that it names a symbol (`register long r8 asm ("r8")`).
    """

    kind: Kind
    start: int
    end: int
    declares: bool = False


def tokens_of(text: str) -> list[Token]:
    """The tokens of a C file or header, in order; those of macros' bodies where the macros are defined.

    Raises PvasmError where tree-sitter is not installed.
    """
    reading = _Reading()
    pieces: list[str] = []
    tokens: list[Token] = []
    position = 0
    for found in _PIECE.finditer(text):
        if found.lastgroup is None:
            continue
        start, end = found.span()
        pieces += (text[position:start], _blanked(found[0]))
        position = end
        if found.lastgroup == "comment":
            tokens.append(Token("comment", start, end))
        elif _CONDITIONAL.match(found[0]):
            tokens.append(Token("conditional", start, end))
        else:
            tokens += reading.define(found[0], start)
    pieces.append(text[position:])
    tokens += reading.tokens("".join(pieces), 0)
    return sorted(tokens, key=lambda token: token.start)


def _blanked(text: str) -> str:
    """The text with blanks in its place, but for the ends of lines."""
    return _NOT_NEWLINE.sub(" ", text)


class _Reading:
    """A text whose tokens are being read."""

    def __init__(self) -> None:
        self.parser = _parser()

    def define(self, line: str, base: int) -> Iterator[Token]:
        """The tokens of a directive that stands at an offset: of a macro's definition, or its end."""
        found = _DEFINE.match(line)
        if found is None:
            undone = _UNDEF.match(line)
            if undone is not None:
                yield Token("undef", base + undone.start("name"), base + undone.end("name"))
            return
        yield Token("define", base + found.start("name"), base + found.end("name"))
        start = found.end()
        for each in _COMMENT.finditer(line, start):
            if each[0][0] == "/":
                yield Token("comment", base + each.start(), base + each.end())
        body = _COMMENT.sub(lambda each: each[0] if each[0][0] == '"' else _blanked(each[0]), line[start:])
        # Operators of the preprocessor look like directives.
        yield from self.tokens(body.replace("#", " "), base + start)
        yield Token("end", base + len(line), base + len(line))

    def tokens(self, text: str, base: int) -> Iterator[Token]:
        """The tokens of a text without directives and comments that stands at an offset; what functions do first."""
        # An offset is one of characters then.
        shown = _NOT_ASCII.sub("_", text)
        declaring: set[int] = set()
        yield from self._functions(shown.encode("ascii"), base, declaring)
        for found in _TOKEN.finditer(shown):
            start, end = found.span()
            kind: Kind = _KINDS.get(found.lastgroup or "", "other")
            yield Token(kind, base + start, base + end, start in declaring)

    def _functions(self, data: bytes, base: int, declaring: set[int]) -> Iterator[Token]:
        """Where functions begin and end in a text at an offset; adds where an `asm` names a symbol to `declaring`."""
        if b"{" not in data and b"asm" not in data:
            return
        cursor = self.parser.parse(data).walk()
        around: list[str] = []  # the types of the nodes around this one: asking a node for its parent takes long
        while True:
            node = cursor.node
            assert node is not None
            if node.type == "function_definition" and (name := _function_name(node)) is not None:
                yield Token("function", base + name.start_byte, base + name.end_byte)
                yield Token("end", base + node.end_byte, base + node.end_byte)
            elif node.type == "gnu_asm_expression" and _declares(around):
                declaring.add(node.start_byte)
            if node.type != "string_literal" and cursor.goto_first_child():
                around.append(node.type)
                continue
            while not cursor.goto_next_sibling():
                if not cursor.goto_parent():
                    return
                around.pop()


def _function_name(node: Node) -> Node | None:
    """The name of a function that is defined: pointers and attributes may stand around its declarator."""
    found = node.child_by_field_name("declarator")
    while found is not None and found.type not in _NAMES:
        found = found.child_by_field_name("declarator")
    return found


def _declares(around: Sequence[str]) -> bool:
    """Whether an `asm`, within nodes of these types, stands behind a declarator."""
    return bool(around) and (around[-1] == "declaration" or around[-1].endswith("declarator"))


def _parser() -> Parser:
    try:
        import tree_sitter_c
        from tree_sitter import Language, Parser
    except ImportError as error:
        raise PvasmError(f"C is read by tree-sitter, which is not there: {error} (pip install tree-sitter-c)") from None
    return Parser(Language(tree_sitter_c.language()))
