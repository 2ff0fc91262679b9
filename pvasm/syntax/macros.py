r"""Macros, the assembler's own and the C preprocessor's: their parameters, and what takes their place.

A body is read where it stands (pvasm/syntax/document.py), with `\name` for a parameter of a `.macro`. What an
instruction in it is may depend on the argument (`mov r8 = ar.\which`): then the text after substitution tells.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from pvasm.syntax import tree

_CLOSING = {".macro": ".endm", ".irp": ".endr", ".irpc": ".endr", ".rept": ".endr"}
_REFERENCE = re.compile(r"\\(?:(?P<name>\w+)|@|\(\))")
# An argument: quoted, or words and parentheses up to a blank or a comma.
_ARGUMENT = re.compile(
    r'\s*(?:"(?P<quoted>(?:\\.|[^"\\])*)"|(?P<plain>(?:\([^()]*\)|"[^"]*"|[^\s,"()])+))\s*(?P<comma>,?)|\s*,'
)
_PARAMETER = re.compile(r"\s*(?P<name>[\w.$]+)(?::(?P<kind>\w+))?(?:=(?P<default>\"[^\"]*\"|[^\s,]*))?\s*,?")


class Parameter(NamedTuple):
    """A parameter of a `.macro`; a `vararg` one takes all that is left."""

    name: str
    default: str
    vararg: bool


class Macro(NamedTuple):
    """A macro: its parameters, and the indexes of the first statement of its body and of the one that closes it."""

    name: str
    parameters: tuple[Parameter, ...]
    first: int
    end: int


def _directive(statement: tree.Statement) -> tree.Directive | None:
    return statement.syntax if isinstance(statement.syntax, tree.Directive) else None


def body_ends(statements: Sequence[tree.Statement]) -> dict[int, int]:
    """Of each directive that opens a body, by index, the index of the one that closes it.

    That is the number of statements if none does.
    """
    ends: dict[int, int] = {}
    opened: list[tuple[int, str]] = []
    for position, statement in enumerate(statements):
        directive = _directive(statement)
        if directive is None:
            continue
        if directive.name in _CLOSING:
            opened.append((position, _CLOSING[directive.name]))
        elif opened and directive.name == opened[-1][1]:
            ends[opened.pop()[0]] = position
    ends.update((position, len(statements)) for position, _ in opened)
    return ends


def read_macro(directive: tree.Directive, index: int, end: int) -> Macro | None:
    """The macro that the `.macro` at `index` defines, whose body ends before `end`; None if it has no name."""
    words = re.match(r"\s*([^\s,]+)\s*,?(.*)", ", ".join(directive.arguments), re.DOTALL)
    if words is None:
        return None
    parameters = tuple(
        Parameter(found["name"], (found["default"] or "").strip('"'), found["kind"] == "vararg")
        for found in _PARAMETER.finditer(words[2])
    )
    return Macro(words[1], parameters, index + 1, end)


def arguments(text: str) -> list[str]:
    """The arguments in the text after a macro's name: separated by commas or blanks, quotes taken off."""
    found: list[str] = []
    for match in _ARGUMENT.finditer(text):
        plain = match["plain"]
        found.append(match["quoted"] or "" if plain is None else plain)
    return found


def bind(macro: Macro, text: str) -> dict[str, str]:
    """What an invocation, with `text` after the macro's name, gives each parameter."""
    bound = {parameter.name: parameter.default for parameter in macro.parameters}
    given = arguments(text)
    names = [parameter.name for parameter in macro.parameters]
    for position, parameter in enumerate(macro.parameters):
        if parameter.vararg:
            bound[parameter.name] = text if position == 0 else ", ".join(given[position:])
            break
        if position < len(given):
            name, equals, value = given[position].partition("=")
            if equals and name in names:
                bound[name] = value
            else:
                bound[parameter.name] = given[position]
    return bound


def iterations(directive: tree.Directive) -> Iterator[dict[str, str]]:
    """What `.irp` and `.irpc` give their parameter, one turn after the other."""
    words = re.match(r"\s*([\w.$]+)\s*,?(.*)", ", ".join(directive.arguments), re.DOTALL)
    if words is None:
        return
    values: Sequence[str] = words[2].strip().strip('"') if directive.name == ".irpc" else arguments(words[2])
    for value in values:
        yield {words[1]: value}


def substitute(text: str, bound: Mapping[str, str]) -> str:
    r"""`text` with its parameters' values: `\name`, with `\()` where a name would run on, and `\@` a number."""

    def value(found: re.Match[str]) -> str:
        name = found["name"]
        if name is None:
            return "0" if found[0] == "\\@" else ""
        return bound.get(name, found[0])

    return _REFERENCE.sub(value, text)


def bind_define(parameters: Sequence[str], given: Sequence[str]) -> dict[str, str]:
    """What the arguments of an invocation give the parameters of a `#define`.

    `...` and `x...` take all that is left.
    """
    bound: dict[str, str] = {}
    for position, parameter in enumerate(parameters):
        if parameter.endswith("..."):
            bound[parameter.removesuffix("...").strip() or "__VA_ARGS__"] = ", ".join(given[position:])
        else:
            bound[parameter] = given[position] if position < len(given) else ""
    return bound


def parameters_replaced(body: str, bound: Mapping[str, str]) -> str:
    """The body of a `#define` with its parameters' values: words replaced, `#x` a string, `a##b` pasted."""

    def value(found: re.Match[str]) -> str:
        word = found["word"]
        if word is None:
            return found[0]
        given = bound.get(word)
        if given is None:
            return found[0]
        if found["hash"]:
            text = given.replace("\\", "\\\\").replace('"', '\\"')
            return f'"{text}"'
        return given

    return _PASTE.sub("", _WORD_OF_BODY.sub(value, body))


_WORD_OF_BODY = re.compile(r'"(?:\\.|[^"\\])*"|(?P<hash>(?<!\#)\#[ \t]*(?!\#))?(?<![\w$])(?P<word>[A-Za-z_$]\w*)')
_PASTE = re.compile(r"[ \t]*\#\#[ \t]*")
