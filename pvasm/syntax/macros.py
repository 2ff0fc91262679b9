r"""Macros, the assembler's own and the C preprocessor's: their parameters, and what takes their place.

A body is read where it stands (pvasm/syntax/document.py), with `\name` for a parameter of a `.macro`. What an
instruction in it is may depend on the argument (`mov r8 = ar.\which`): then the text after substitution tells.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from pvasm.regex import regex
from pvasm.syntax import tree
from pvasm.syntax.traced import NOWHERE, Traced

CLOSING: Final[Mapping[str, str]] = {
    ".macro": ".endm",
    **dict.fromkeys((".irp", ".irep", ".irpc", ".irepc", ".rept", ".rep"), ".endr"),
}
"""What closes each directive that opens a body, by all the names that GNU as has for it (its read.c)."""
LOOPS: Final = frozenset(name for name, closing in CLOSING.items() if closing == ".endr")
REPEATING: Final = frozenset({".rept", ".rep"})
_OVER_CHARACTERS: Final = frozenset({".irpc", ".irepc"})

# What stands for a parameter's value in a body, as GNU as has it in macro.c: `\name`, and `&name` too. A dot is part of
# a name, and `\()` ends one. With `.altmacro` the name alone does, and a `&` behind it is dropped.
_REFERENCE = regex(r"\\(?:(?P<name>[A-Za-z_.$][\w.$]*)|@|\((?P<literal>[^)]*+)\)?)|&(?P<joined>[A-Za-z_.$][\w.$]*)")
_ALTMACRO_REFERENCE = regex(
    r"\\(?:(?P<name>[A-Za-z_.$][\w.$]*)&?|@|\((?P<literal>[^)]*+)\)?)"
    r"|&(?P<joined>[A-Za-z_.$][\w.$]*)&?|(?P<word>[A-Za-z_.$][\w.$]*)&?"
)
_NAME_AND_REST = regex(r"\s*([^\s,]+)\s*,?(.*)", re.DOTALL)
_ITERATED = regex(r"\s*(?P<name>[\w.$]+)\s*,?\s*(?P<rest>(?s:.*))")
_PARAMETER = regex(r"(?P<name>[A-Za-z_.$][\w.$]*)\s*(?::\s*(?P<kind>\w+)\s*)?(?P<equals>=)?")
_KEYWORD = regex(r"(?P<name>[\w.$]+)=")
_BLANK = " \t\r\n\f\v"
_STRING_OR_COMMENT = regex(r'"(?:\\.|[^"\\])*+"?|(?P<comment>/\*(?s:.*?)(?:\*/|\Z)|\\[ \t\r]*+\n)', re.DOTALL)


class Parameter(Struct, frozen=True):
    """A parameter of a `.macro`; a `vararg` one takes all that is left."""

    name: str
    default: str
    vararg: bool


class Macro(Struct, frozen=True):
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
        if directive.name in CLOSING:
            opened.append((position, CLOSING[directive.name]))
        elif opened and directive.name == opened[-1][1]:
            ends[opened.pop()[0]] = position
    ends.update((position, len(statements)) for position, _ in opened)
    return ends


Evaluate = Callable[[str], int | None]
"""What number an expression is; None if that is not known."""


def _unknown(text: str) -> int | None:
    return None


def read_macro(
    directive: tree.Directive, index: int, end: int, *, altmacro: bool = False, evaluate: Evaluate = _unknown
) -> Macro | None:
    """The macro that the `.macro` at `index` defines, whose body ends before `end`; None if it has no name."""
    words = _NAME_AND_REST.match(_without_comments(", ".join(directive.arguments)))
    if words is None:
        return None
    return Macro(words[1], tuple(_parameters(words[2], altmacro, evaluate)), index + 1, end)


def _parameters(text: str, altmacro: bool, evaluate: Evaluate) -> Iterator[Parameter]:
    """The parameters that the text after a macro's name declares."""
    at = _next(text, 0)
    while (found := _PARAMETER.match(text, at)) is not None:
        default, at = "", found.end()
        if found["equals"]:
            value, at = _traced_value(Traced.whole(text, NOWHERE), _skip_blanks(text, at), altmacro, evaluate)
            default = value.text
        yield Parameter(found["name"], default, found["kind"] == "vararg")
        at = _next(text, at)


def _without_comments(text: str) -> str:
    """The text with blanks in the place of comments and of line ends that are continued."""
    if "/*" not in text and "\n" not in text:
        return text
    return _STRING_OR_COMMENT.sub(lambda found: " " * len(found[0]) if found["comment"] else found[0], text)


def _skip_blanks(text: str, at: int) -> int:
    while at < len(text) and text[at] in _BLANK:
        at += 1
    return at


def _next(text: str, at: int) -> int:
    """Where the next argument begins: behind blanks, and one comma."""
    at = _skip_blanks(text, at)
    return _skip_blanks(text, at + 1) if text[at : at + 1] == "," else at


def _value_at(text: str, at: int, *, altmacro: bool) -> tuple[list[tuple[int, int]], int]:
    """The spans that an argument at a place consists of, and where it ends (GNU as, macro.c, get_any_string).

    A blank ends it outside of parentheses and brackets, a comma always.
    """
    at = start = _skip_blanks(text, at)
    if text[at : at + 1] in (('"', "<", "'") if altmacro else ('"',)):
        pieces, end = _quoted(text, at, altmacro=altmacro)
        return ([(at, end)] if altmacro and text[at] != "<" else pieces), end
    opened: list[str] = []
    while at < len(text) and text[at] != "," and (opened or text[at] not in _BLANK):
        character = text[at]
        if character == "<" and altmacro:
            break
        if character in "\"'":
            closed = text.find(character, at + 1)
            at = closed if closed >= 0 else len(text)
        elif character in "([":
            opened.append(")" if character == "(" else "]")
        elif opened and character == opened[-1]:
            opened.pop()
        at += 1
    at = min(at, len(text))
    return [(start, at)], at


def _quoted(text: str, at: int, *, altmacro: bool) -> tuple[list[tuple[int, int]], int]:
    """What the quotes at a place hold, without what escapes, and where they end."""
    closing = ">" if text[at] == "<" else text[at]
    pieces: list[tuple[int, int]] = []
    start = at = at + 1
    depth = 0
    while at < len(text) and (depth or text[at] != closing):
        character = text[at]
        is_escaped = (altmacro and character == "!") or (character == "\\" and text[at + 1 : at + 2] == closing != ">")
        if is_escaped:
            pieces.append((start, at))
            start = at = at + 1
        elif closing == ">":
            depth += (character == "<") - (character == ">")
        at += 1
    end = min(at, len(text))
    return [*pieces, (start, end)], min(end + 1, len(text))


def bind(macro: Macro, text: str) -> dict[str, str]:
    """What an invocation, with `text` after the macro's name, gives each parameter."""
    return {name: given.text for name, given in bind_traced(macro, Traced.whole(text, NOWHERE)).items()}


def bind_traced(
    macro: Macro, given: Traced, *, altmacro: bool = False, evaluate: Evaluate = _unknown
) -> dict[str, Traced]:
    """What an invocation, with `given` after the macro's name, gives each parameter (GNU as, macro.c, macro_expand).

    With `altmacro`, arguments may stand in angle brackets, `%` before an expression makes a number of it, and none is
    given by name. What is given as nothing is the default.
    """
    bound = {parameter.name: Traced.whole(parameter.default, NOWHERE) for parameter in macro.parameters}
    given = replace(given, text=_without_comments(given.text))
    text = given.text
    at = _skip_blanks(text, 0)
    position = 0
    while at < len(text):
        keyword = None if altmacro else _KEYWORD.match(text, at)
        if keyword is not None and keyword["name"] in bound:
            name, at = keyword["name"], keyword.end()
        elif position >= len(macro.parameters):
            break
        else:
            parameter = macro.parameters[position]
            name, position = parameter.name, position + 1
            if parameter.vararg:
                bound[name] = given.part(at, len(text.rstrip()))
                break
        value, at = _traced_value(given, at, altmacro, evaluate)
        if value.text:
            bound[name] = value
        at = _next(text, at)
    return bound


def _traced_value(given: Traced, at: int, altmacro: bool, evaluate: Evaluate) -> tuple[Traced, int]:
    """The argument at a place, and where it ends."""
    text = given.text
    if altmacro and text[at : at + 1] == "%":
        end = text.find(",", at)
        end = len(text) if end < 0 else end
        number = evaluate(text[at + 1 : end].strip())
        return (given.part(at + 1, end) if number is None else Traced.whole(str(number), NOWHERE)), end
    pieces, end = _value_at(text, at, altmacro=altmacro)
    return Traced.join(piece for first, last in pieces for piece in given.pieces(first, last)), end


def may_replace_words(text: str) -> bool:
    """Whether macros of a text may have parameters whose names need no backslash: a quick look."""
    return ".altmacro" in text


def iterations(
    directive: str, given: Traced, *, altmacro: bool = False, evaluate: Evaluate = _unknown
) -> Iterator[tuple[str, Traced]]:
    """The parameter of an `.irp`, `.irpc` or the like with `given` after it, and its value in each turn."""
    given = replace(given, text=_without_comments(given.text))
    text = given.text
    words = _ITERATED.match(text)
    if words is None:
        return
    at = words.start("rest")
    values: list[Traced] = []
    if directive in _OVER_CHARACTERS:
        end = len(text.rstrip())
        is_quoted = text[at:end].startswith('"') and end > at + 1
        if is_quoted:
            at, end = at + 1, end - text[:end].endswith('"')
        values = [given.part(each, each + 1) for each in range(at, end) if is_quoted or text[each] not in _BLANK]
    else:
        while at < len(text):
            value, at = _traced_value(given, at, altmacro, evaluate)
            values.append(value)
            at = _next(text, at)
    for value in values or [given.part(len(text), len(text))]:  # without values, one turn with nothing
        yield words["name"], value


def substitute(text: str, bound: Mapping[str, str]) -> str:
    r"""`text` with its parameters' values: `\name`, with `\()` where a name would run on, and `\@` a number."""
    traced = {name: Traced.whole(given, NOWHERE) for name, given in bound.items()}
    return substitute_traced(Traced.whole(text, NOWHERE), traced).text


def substitute_traced(text: Traced, bound: Mapping[str, Traced], *, count: int = 0, altmacro: bool = False) -> Traced:
    """`text` with its parameters' values, in the `count`th expansion of a macro.

    With `altmacro`, a parameter's name alone stands for its value, and a `&` behind it is dropped.
    """
    pieces: list[tuple[str, int]] = []
    position = 0
    for found in (_ALTMACRO_REFERENCE if altmacro else _REFERENCE).finditer(text.text):
        name = found["name"] or found["joined"] or (found["word"] if altmacro else None)
        if name is None:
            start, end = found.span("literal")
            value = [(str(count), NOWHERE)] if found[0] == "\\@" else text.pieces(start, end)
        elif name in bound:
            value = bound[name].pieces(0, len(bound[name].text))
        elif altmacro and found["word"] and found[0][-1] == "&":
            value = text.pieces(*found.span("word"))
        else:
            continue
        pieces += text.pieces(position, found.start())
        pieces += value
        position = found.end()
    if not position:
        return text
    pieces += text.pieces(position, len(text.text))
    return Traced.join(pieces)


def parameter_name(written: str) -> str:
    """The name of a `#define`'s parameter in its body; `x...` and `...` take all arguments that are left."""
    return written.removesuffix("...").strip() or "__VA_ARGS__" if written.endswith("...") else written
