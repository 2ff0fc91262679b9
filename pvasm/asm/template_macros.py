r"""Macros of C that make the templates of inline assembly: those whose bodies are strings, and those that take them.

    #define GET(reg)          "mov r8 = " #reg "\n"
    #define FUNCTION(code)    asm (".align 32\\n" code)
    FUNCTION(GET(psr) "fc r8\\n")

Of a file's own macros alone is anything known: what headers define shows where they are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct, field

from pvasm.regex import regex
from pvasm.syntax.c_tokens import Token

ASM: Final = frozenset(("asm", "__asm", "__asm__"))
QUALIFIERS: Final = frozenset(
    ("volatile", "__volatile", "__volatile__", "goto", "inline", "__inline", "__inline__", "const", "__const__")
)
TEMPLATE_ENDS: Final = frozenset((":", "::", ")", ",", ";", "{", "}"))

_PARAMETERS: Final = regex(r"\((?P<names>[^()]*+)\)")
_WORD: Final = regex(r"[A-Za-z_]\w*")
_MOST_TOKENS: Final = 4_000  # of a call's arguments
_MOST_SCANS: Final = 1 << 19  # of tokens, in all: calls in the arguments of calls are looked at again
_MOST_MADE: Final = 1 << 18  # characters that a file's macros make, in all
_MOST_DEEP: Final = 8


class TextMacro(Struct):
    """A macro of the file: its parameters, None for one without parentheses, and the tokens of its body."""

    parameters: list[str] | None
    body: Sequence[Token]
    templates: set[int] = field(default_factory=set)
    """The parameters that it makes templates of, by their places."""

    def parameter(self, name: str) -> int | None:
        """The place of a parameter; None for a name that is none."""
        return self.parameters.index(name) if self.parameters and name in self.parameters else None


class TemplateMacros:
    """The macros that a file defines, as far as templates are made with them."""

    def __init__(self, text: str, tokens: Sequence[Token]) -> None:
        self.text = text
        self.macros: dict[str, TextMacro] = {}
        self._left = _MOST_MADE
        self._scans = _MOST_SCANS
        start = None
        for number, token in enumerate(tokens):
            if token.kind == "define":
                start = number
            elif token.kind == "end" and start is not None:
                self._define(tokens[start], tokens[start + 1 : number])
                start = None
        self._find_templates()

    def _of(self, token: Token) -> str:
        return self.text[token.start : token.end]

    def _define(self, name: Token, body: Sequence[Token]) -> None:
        found = _PARAMETERS.match(self.text, name.end)
        parameters = _WORD.findall(found["names"]) if found is not None else None
        self.macros[self._of(name)] = TextMacro(parameters, body)

    # ------------------------------------------------------------------------------ which take templates

    def _find_templates(self) -> None:
        """Finds the parameters that stand in a template, or are handed on as what is to stand in one."""
        handed_on: dict[tuple[str, int], list[tuple[str, int]]] = {}
        found: list[tuple[str, int]] = []
        for name, macro in self.macros.items():
            if not macro.parameters:
                continue
            number = 0
            while number < len(macro.body):
                word = self._of(macro.body[number])
                if word in ASM:
                    start, end = self._template(macro.body, number)
                    found += ((name, place) for place in self._parameters_in(macro, macro.body[start:end]))
                    number = max(end, number + 1)
                    continue
                if word in self.macros and word != name:
                    for place, argument in enumerate(self.call(macro.body, number)[0]):
                        for own in self._parameters_in(macro, argument):
                            handed_on.setdefault((word, place), []).append((name, own))
                number += 1
        while found:
            name, place = found.pop()
            if place not in self.macros[name].templates:
                self.macros[name].templates.add(place)
                found += handed_on.get((name, place), ())

    def _parameters_in(self, macro: TextMacro, tokens: Sequence[Token]) -> Iterator[int]:
        for token in tokens:
            place = macro.parameter(self._of(token)) if token.kind == "name" else None
            if place is not None:
                yield place

    def _template(self, tokens: Sequence[Token], number: int) -> tuple[int, int]:
        """Where the template of an `asm` begins and ends: before its operands."""
        at = number + 1
        while at < len(tokens) and self._of(tokens[at]) in QUALIFIERS:
            at += 1
        start, depth = at + 1, 0
        for place in range(start, len(tokens)):
            word = self._of(tokens[place])
            if depth == 0 and word in TEMPLATE_ENDS:
                return start, place
            depth += (word == "(") - (word == ")")
        return start, len(tokens)

    def call(self, tokens: Sequence[Token], number: int) -> tuple[list[Sequence[Token]], int]:
        """The arguments of a call, and the number of the token behind it (behind the name, where it is none)."""
        at = number + 1
        if at >= len(tokens) or self._of(tokens[at]) != "(":
            return [], at
        depth, start, found = 1, at + 1, []
        for place in range(at + 1, min(len(tokens), at + _MOST_TOKENS)):
            self._scans -= 1
            if self._scans < 0:
                break
            word = self._of(tokens[place])
            depth += (word == "(") - (word == ")")
            if depth == 0 or (depth == 1 and word == ","):
                found.append(tokens[start:place])
                start = place + 1
            if depth == 0:
                return found, place + 1
        return [], at

    # --------------------------------------------------------------------------------- what they make

    def made(self, tokens: Sequence[Token], number: int) -> tuple[list[str | None] | None, int]:
        """What the invocation of a macro makes in a template, and the number of the token behind it.

        Literals with their quotes, and None for what is not known; None for all, where the macro makes no text.
        """
        macro = self.macros.get(self._of(tokens[number]))
        if macro is None:
            return None, number + 1
        arguments, end = self.call(tokens, number) if macro.parameters is not None else ([], number + 1)
        texts = [" ".join(map(self._of, each)).replace(" . ", ".") for each in arguments]
        found = list(self._expanded(macro, texts, 0))
        return (found, end) if any(found) else (None, number + 1)

    def _expanded(self, macro: TextMacro, arguments: Sequence[str], depth: int) -> Iterator[str | None]:
        at = 0
        while at < len(macro.body):
            token = macro.body[at]
            word = self._of(token)
            self._left -= len(word)
            if self._left < 0:
                yield None
                return
            place = macro.parameter(word)
            inner = self.macros.get(word)
            if token.kind == "string":
                yield word
            elif place is not None and place < len(arguments) and self._is_stringified(token):
                self._left -= len(arguments[place])
                yield '"' + arguments[place].replace("\\", "\\\\").replace('"', '\\"') + '"'
            elif inner is not None and inner is not macro and depth < _MOST_DEEP:
                given, at = self.call(macro.body, at) if inner.parameters is not None else ([], at + 1)
                texts = [self._substituted(macro, each, arguments) for each in given]
                yield from self._expanded(inner, texts, depth + 1)
                continue
            else:
                yield None
            at += 1

    def _substituted(self, macro: TextMacro, tokens: Sequence[Token], arguments: Sequence[str]) -> str:
        """An argument in a macro's body with the arguments of the macro in it."""
        words = []
        for token in tokens:
            word = self._of(token)
            place = macro.parameter(word)
            words.append(arguments[place] if place is not None and place < len(arguments) else word)
            self._left -= len(words[-1])
            if self._left < 0:
                return ""
        return " ".join(words).replace(" . ", ".")

    def _is_stringified(self, token: Token) -> bool:
        before = self.text[max(0, token.start - 8) : token.start].rstrip()
        return before.endswith("#") and not before.endswith("##")
