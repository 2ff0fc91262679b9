"""What the C preprocessor tells of its macros (`gcc -E -dD`, `-dM`): the values of constants that ops are made of.

After the preprocessor has run, a constant of the catalog that the source defines (PSR_DEFAULT_BITS) is gone from the
text, but in the expansions of ops it must still be what the source says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from pvasm.errors import PvasmError
from pvasm.syntax.macros import bind_define, parameters_replaced

_LINE = re.compile(
    r"^[ \t]*#[ \t]*(?:define[ \t]+(?P<name>\w+)(?P<parameters>\([^()\n]*\))?[ \t]*(?P<body>[^\n]*)"
    r"|undef[ \t]+(?P<gone>\w+))",
    re.MULTILINE,
)
# Strings, and numbers with their suffixes, stay as they are.
_WORD = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|(?:\d|\.\d)[\w.]*|(?P<name>[A-Za-z_]\w*)')
# These bound what a hostile file costs.
_LONGEST = 1 << 14  # characters of a value
_MOST = 10_000  # macros expanded for it
_DEEPEST = 64  # macros in macros


class _Define(NamedTuple):
    """A macro: its parameters (None where it takes none), and its body."""

    parameters: tuple[str, ...] | None
    body: str


def defined_constants(text: str, names: Iterable[str], path: str) -> dict[str, str]:
    """The values that a text's `#define` lines leave some names with, other macros expanded; only those that have one.

    The last definition counts. Raises PvasmError, with `path`, for a value that cannot be worked out.
    """
    defines = _defines(text) if "define" in text else {}
    return {name: _Value(name, defines, path).text() for name in names if name in defines}


def _defines(text: str) -> dict[str, _Define]:
    """The macros that are defined at the end of a text."""
    found: dict[str, _Define] = {}
    for line in _LINE.finditer(text):
        name = line["name"]
        if name is None:
            found.pop(line["gone"], None)
            continue
        words = line["parameters"]
        parameters = None if words is None else tuple(filter(None, map(str.strip, words[1:-1].split(","))))
        found[name] = _Define(parameters, line["body"].strip())
    return found


class _Value:
    """Works out what a constant stands for."""

    def __init__(self, name: str, defines: Mapping[str, _Define], path: str) -> None:
        self.name = name
        self.defines = defines
        self.path = path
        self.left = _MOST

    def text(self) -> str:
        """The value. Raises PvasmError if there is none."""
        define = self.defines[self.name]
        if define.parameters is not None:
            raise self.error("is defined as a macro with parameters: it must be a constant")
        return self.expanded(define.body, frozenset([self.name]))

    def error(self, message: str) -> PvasmError:
        return PvasmError(f"{self.name} {message}", self.path)

    def expanded(self, text: str, hidden: frozenset[str]) -> str:
        """A text with the macros in it expanded, but for those that are `hidden`: they are being expanded already."""
        parts: list[str] = []
        at = 0
        while found := _WORD.search(text, at):
            parts.append(text[at : found.start()])
            at = found.end()
            name = found["name"]
            if name is None or name in hidden or name not in self.defines:
                parts.append(found[0])
                continue
            self.left -= 1
            define = self.defines[name]
            if self.left < 0 or len(hidden) > _DEEPEST or len(define.body) > _LONGEST:
                raise self.error("is defined by too many macros in macros, or too long ones")
            body: str | None = define.body
            if define.parameters is not None:
                given, at = _arguments(text, at)
                body = None if given is None else self.called(define.parameters, define.body, given, hidden)
            parts.append(found[0] if body is None else self.expanded(body, hidden | {name}))
        result = "".join(parts) + text[at:]
        if len(result) > _LONGEST:
            raise self.error(f"is defined as a text of more than {_LONGEST} characters")
        return result

    def called(self, parameters: Sequence[str], body: str, given: list[str], hidden: frozenset[str]) -> str:
        """The body of a macro with its arguments in the place of its parameters."""
        # An argument of # or ## is taken as it stands; the others are expanded in the body, if not before.
        texts = given if "#" in body else [self.expanded(argument, hidden) for argument in given]
        return parameters_replaced(body, bind_define(parameters, texts))


def _arguments(text: str, at: int) -> tuple[list[str] | None, int]:
    """The arguments in parentheses after a macro's name, and where they end; None if none follow."""
    start = at + len(text[at:]) - len(text[at:].lstrip())
    if text[start : start + 1] != "(":
        return None, at
    given, depth, begin = [], 0, start + 1
    for position in range(start, len(text)):
        character = text[position]
        depth += (character == "(") - (character == ")")
        if depth == 0 or (character == "," and depth == 1):
            given.append(text[begin:position].strip())
            begin = position + 1
        if depth == 0:
            return given, position + 1
    return None, at
