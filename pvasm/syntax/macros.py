r"""Macros, the assembler's own and the C preprocessor's: their parameters, and what takes their place.

A body is read where it stands (pvasm/syntax/document.py), with `\name` for a parameter of a `.macro`. What an
instruction in it is may depend on the argument (`mov r8 = ar.\which`): then the text after substitution tells.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from pvasm.regex import regex
from pvasm.syntax import tree
from pvasm.syntax.traced import NOWHERE, Traced

_CLOSING = {".macro": ".endm", ".irp": ".endr", ".irpc": ".endr", ".rept": ".endr"}
_REFERENCE = regex(r"\\(?:(?P<name>\w+)|@|\(\))")
_NAME_AND_REST = regex(r"\s*([^\s,]+)\s*,?(.*)", re.DOTALL)
# An argument: quoted, or words and parentheses up to a blank or a comma.
_ARGUMENT = regex(
    r'(?:(?<!\s)\s+)?+(?:"(?P<quoted>(?:\\.|[^"\\])*)"|(?P<plain>(?:\([^()]*\)|"[^"]*"|[^\s,"()])+))\s*(?P<comma>,?)|(?:(?<!\s)\s+)?+,'
)
_ALTMACRO_ARGUMENT = regex(
    r'(?:(?<!\s)\s+)?+(?:"(?P<quoted>(?:\\.|[^"\\])*)"|<(?P<plain>[^<>\n]*)>|%?(?P<bare>(?:\([^()]*\)|[^\s,"()<>])+))\s*(?P<comma>,?)'
    r"|(?:(?<!\s)\s+)?+,"
)
_ALTMACRO_REFERENCE = regex(r"\\(?:(?P<name>\w+)|@|\(\))|&?(?<![\w.$\\])(?P<word>[A-Za-z_]\w*)(?![\w$])&?")
_ITERATED = regex(r"\s*(?P<name>[\w.$]+)\s*,?\s*(?P<rest>(?s:.*))")
_PARAMETER = regex(r"(?:(?<!\s)\s+)?+(?P<name>[\w.$]+)(?::(?P<kind>\w+))?(?:=(?P<default>\"[^\"]*\"|[^\s,]*))?\s*,?")


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
    words = _NAME_AND_REST.match(", ".join(directive.arguments))
    if words is None:
        return None
    parameters = tuple(
        Parameter(found["name"], (found["default"] or "").strip('"'), found["kind"] == "vararg")
        for found in _PARAMETER.finditer(words[2])
    )
    return Macro(words[1], parameters, index + 1, end)


def _argument_spans(text: str, *, altmacro: bool = False) -> list[tuple[int, int]]:
    """Where the arguments in the text after a macro's name stand: separated by commas or blanks, without quotes."""
    found: list[tuple[int, int]] = []
    pattern = _ALTMACRO_ARGUMENT if altmacro else _ARGUMENT
    for match in pattern.finditer(text):
        groups = match.groupdict()
        group = next((name for name in ("quoted", "plain", "bare") if groups.get(name) is not None), None)
        found.append(match.span(group) if group is not None else (match.start(), match.start()))
    return found


def arguments(text: str) -> list[str]:
    """The arguments in the text after a macro's name: separated by commas or blanks, quotes taken off."""
    return [text[start:end] for start, end in _argument_spans(text)]


def bind(macro: Macro, text: str) -> dict[str, str]:
    """What an invocation, with `text` after the macro's name, gives each parameter."""
    return {name: given.text for name, given in bind_traced(macro, Traced.whole(text, NOWHERE)).items()}


def bind_traced(
    macro: Macro, given: Traced, *, altmacro: bool = False, number: Callable[[str], int | None] | None = None
) -> dict[str, Traced]:
    """What an invocation, with `given` after the macro's name, gives each parameter.

    With `altmacro`, arguments may stand in angle brackets, and `%` before an expression makes a number of it: what
    `number` says, where it knows.
    """
    bound = {parameter.name: Traced.whole(parameter.default, NOWHERE) for parameter in macro.parameters}
    spans = _argument_spans(given.text, altmacro=altmacro)
    for position, parameter in enumerate(macro.parameters):
        if parameter.vararg:
            if position < len(spans):
                start = spans[position][0]
                start -= given.text[start - 1 : start] == '"'
                bound[parameter.name] = given.part(start, len(given.text.rstrip()))
            break
        if position < len(spans):
            start, end = spans[position]
            name, equals, _ = given.text[start:end].partition("=")
            if equals and name in bound:
                bound[name] = given.part(start + len(name) + 1, end)
            else:
                is_number = altmacro and given.text[start - 1 : start] == "%"
                value = number(given.text[start:end]) if is_number and number is not None else None
                bound[parameter.name] = given.part(start, end) if value is None else Traced.whole(str(value), NOWHERE)
    return bound


def may_replace_words(text: str) -> bool:
    """Whether macros of a text may have parameters whose names need no backslash: a quick look."""
    return ".altmacro" in text


def iterations(directive: tree.Directive) -> Iterator[dict[str, str]]:
    """What `.irp` and `.irpc` give their parameter, one turn after the other."""
    text = ", ".join(directive.arguments)
    for name, start, end in iteration_spans(directive.name, text):
        yield {name: text[start:end]}


def iteration_spans(directive: str, text: str) -> Iterator[tuple[str, int, int]]:
    """The parameter of an `.irp` or `.irpc` with `text` after it, and where the value of each turn stands in that."""
    words = _ITERATED.match(text)
    if words is None:
        return
    first = words.start("rest")
    if directive == ".irpc":
        start, end = first, len(text.rstrip())
        if text[start:end].startswith('"') and end > start + 1:
            start, end = start + 1, end - text[:end].endswith('"')
        spans = [(at, at + 1) for at in range(start, end)]
    else:
        spans = [(first + start, first + end) for start, end in _argument_spans(text[first:])]
    for start, end in spans or [(len(text), len(text))]:  # without values, one turn with nothing
        yield words["name"], start, end


def substitute(text: str, bound: Mapping[str, str]) -> str:
    r"""`text` with its parameters' values: `\name`, with `\()` where a name would run on, and `\@` a number."""
    traced = {name: Traced.whole(given, NOWHERE) for name, given in bound.items()}
    return substitute_traced(Traced.whole(text, NOWHERE), traced).text


def substitute_traced(text: Traced, bound: Mapping[str, Traced], *, count: int = 0, altmacro: bool = False) -> Traced:
    r"""`text` with its parameters' values, in the `count`th expansion of a macro.

    With `altmacro`, a parameter's name alone stands for its value, and `&` joins it to what is beside it.
    """
    pieces: list[tuple[str, int]] = []
    position = 0
    pattern = _ALTMACRO_REFERENCE if altmacro else _REFERENCE
    found = pattern.search(text.text)
    while found is not None:
        name = found["name"] or (found["word"] if altmacro else None)
        end = found.end()
        if name is None or name in bound:
            pieces += text.pieces(position, found.start())
            if name is not None:
                pieces += bound[name].pieces(0, len(bound[name].text))
            elif found[0] == "\\@":
                pieces.append((str(count), NOWHERE))
            position = end
        elif altmacro and found["word"]:
            end = found.end("word")  # the `&` behind another word may join a parameter to it
        found = pattern.search(text.text, end)
    if not position:
        return text
    pieces += text.pieces(position, len(text.text))
    return Traced.join(pieces)


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


_WORD_OF_BODY = regex(r'(?<!\\)"(?:\\.|[^"\\])*"|(?P<hash>(?<!\#)\#[ \t]*(?!\#))?(?<![\w$])(?P<word>[A-Za-z_$]\w*)')
_PASTE = regex(r"(?:(?<![ \t])[ \t]+)?+\#\#[ \t]*+")
