"""The C preprocessor's macros, expanded in pieces of text.

There are no conditionals here: whoever reads a file knows which of its `#define`s count.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Protocol

from msgspec import Struct

from pvasm.errors import PvasmError
from pvasm.regex import regex
from pvasm.syntax import tree
from pvasm.syntax.document import Place
from pvasm.syntax.macros import parameter_name
from pvasm.syntax.parser import parse_expression
from pvasm.syntax.traced import NOWHERE, Traced

_TOKEN = regex(
    r"""(?P<blank>(?:\s|\\[ \t\r]*+\n|/\*(?s:.*?)(?:\*/|\Z)|//[^\n]*+)++)
      | (?P<string>(?<!\\)(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')) | (?P<number>\.?\d[\w.]*)
      | (?P<name>[A-Za-z_$][\w$]*) | (?P<hashes>\#\#?) | (?P<other>(?s:.))""",
    re.VERBOSE,
)
_SUFFIX = regex(r"(?<=[0-9a-fA-F])[uUlL]+\b")
_BARE_QUOTE = regex(r'(?<!\\)"')
_ONES: Final = (1 << 64) - 1
_MOST_STEPS: Final = 5_000
_DEEPEST: Final = 200  # macros in macros
_DEEPEST_ARGUMENTS: Final = 100  # invocations in arguments of invocations
_RUN_CPP: Final = "run the C preprocessor first (`pvasm check --cpp', `gcc -E -dD | pvasm expand')"
_MOST_CHARACTERS: Final = 256 << 10


class CppMacro(Struct, frozen=True):
    """A macro: its parameters (None for one without parentheses), its body, and the places that define it.

    `is_ambiguous` where there are several definitions that differ, any of which may count. `origin` is where the body
    stands, for who traces what is made of it.
    """

    name: str
    parameters: tuple[str, ...] | None
    body: str
    place: Place
    is_ambiguous: bool = False
    origin: int = NOWHERE


class Macros(Protocol):
    """What macros there are, by their names."""

    def get(self, name: str, /) -> CppMacro | None:
        """The macro of that name; None if there is none."""


class _Token(Struct, frozen=True):
    kind: str
    text: str
    hidden: frozenset[str] = frozenset()  # the macros whose expansions it comes from: their names stay in it
    origin: int = NOWHERE


def _tokens(text: str, origin: int = NOWHERE) -> list[_Token]:
    if origin == NOWHERE:
        return [_Token(found.lastgroup or "", found[0]) for found in _TOKEN.finditer(text)]
    return [
        _Token(found.lastgroup or "", found[0], _NOTHING, origin + found.start()) for found in _TOKEN.finditer(text)
    ]


_NOTHING: Final[frozenset[str]] = frozenset()


def _body_tokens(body: str, origin: int) -> tuple[tuple[_Token, ...], bool]:
    """The tokens of a macro's body, and whether a `#` or `##` is among them."""
    tokens = _tokens(body, origin)
    while tokens and tokens[-1].kind == "blank":  # a line that is continued by an empty one is
        tokens.pop()
    first = next((at for at, token in enumerate(tokens) if token.kind != "blank"), 0)
    del tokens[:first]
    return tuple(tokens), any(token.kind == "hashes" for token in tokens)


def _text(tokens: Iterable[_Token]) -> str:
    return "".join([token.text for token in _separated(tokens)])


# Where what a macro stands for begins or ends.
_SEAM: Final = _Token("blank", "")
_BLANK: Final = _Token("blank", " ")
_PLACEMARKER: Final = _Token("other", "")  # an argument of nothing beside `##` (C, 6.10.3.3)
_DOUBLED: Final = frozenset("+-<>&|=#:")
_BEFORE_EQUALS: Final = frozenset("+-*/%<>!&|^=")


def _separated(tokens: Iterable[_Token]) -> list[_Token]:
    """The tokens without seams, with a blank where at one two tokens would become another, as GNU cpp writes them."""
    found: list[_Token] = []
    last = ""
    at_seam = False
    for token in tokens:
        if not token.text:
            at_seam = True
            continue
        if at_seam and last and _run_together(last, token.text):
            found.append(_BLANK)
        found.append(token)
        last, at_seam = token.text, False
    return found


def _run_together(left: str, right: str) -> bool:
    """Whether two tokens side by side would be read as one, or as others."""
    end, begin = left[-1], right[0]
    if begin.isalnum() or begin in "_$":
        return end.isalnum() or end in "_$" or (end == "." and begin.isdigit())
    if begin in "+-." and left[0].isdigit():
        return True
    return left + begin == "->" or (end == begin and end in _DOUBLED) or (begin == "=" and end in _BEFORE_EQUALS)


class Preprocessor:
    """Expands macros. `stands_for` tells what stands for a name that is to be left in the text: None for any other.

    `invoked` is told of each macro with parameters that is invoked, and what its arguments are, macros in them
    expanded. No text that is expanded may come to more than `most_characters`.
    """

    def __init__(
        self,
        macros: Macros,
        stands_for: Callable[[str], str | None] | None = None,
        invoked: Callable[[CppMacro, Mapping[str, str]], None] | None = None,
    ) -> None:
        self.macros = macros
        self._invoked = invoked
        self.most_characters = _MOST_CHARACTERS
        self._stands_for = stands_for
        self._steps = 0
        self._depth = 0
        self._numbers: dict[str, int | None] = {}
        # For this text alone: in one that is edited, a body stands elsewhere each time.
        self._bodies: dict[tuple[str, int], tuple[tuple[_Token, ...], bool]] = {}

    def expand(self, text: str, place: Place) -> str:
        """The text with its macros expanded.

        Raises PvasmError, with the place of the text or of the macro, for an invocation that does not close, has the
        wrong number of arguments, or does not come to an end.
        """
        self._steps = self._depth = 0
        return _text(self._expanded(_tokens(text), place, keeps_constants=True))

    def expand_traced(self, text: Traced, place: Place) -> Traced:
        """The text with its macros expanded, on one line. Raises PvasmError as `expand` does."""
        self._steps = self._depth = 0
        if len(text.starts) == 1:
            tokens = _tokens(text.text, text.origins[0])
        else:
            tokens = [
                _Token(found.lastgroup or "", found[0], _NOTHING, text.origin(found.start()))
                for found in _TOKEN.finditer(text.text)
            ]
        made = self._expanded(tokens, place, keeps_constants=True)
        # A comment, or the end of a line among a macro's arguments, is a blank.
        return Traced.join(
            [
                (" " * len(token.text) if token.kind == "blank" else token.text, token.origin)
                for token in _separated(made)
            ]
        )

    def number(self, name: str) -> int | None:
        """The number that a macro without parameters stands for wherever it is used; None for any other name."""
        if name not in self._numbers:
            self._numbers[name] = None  # for one that is defined by itself
            macro = self.macros.get(name)
            if macro is not None and macro.parameters is None and not macro.is_ambiguous:
                text = _text(self._expanded(_tokens(macro.body), macro.place, keeps_constants=False))
                # `1 + 2` is a number alone, but not in `8 - X`: then it stays the text that it is.
                self._numbers[name] = value_of(text) if is_closed(text.strip()) else None
        return self._numbers[name]

    def _expanded(self, tokens: Sequence[_Token], place: Place, *, keeps_constants: bool) -> list[_Token]:
        pending = list(reversed(tokens))
        done: list[_Token] = []
        stands_for = self._stands_for if keeps_constants else None
        most = self.most_characters
        size = 0
        while pending:
            token = pending.pop()
            text = token.text
            size += len(text)
            if size > most or len(pending) > most:
                raise PvasmError("the macros expand to too much", *place)
            if token.kind != "name" or text in token.hidden:
                done.append(token)
                continue
            kept = stands_for(text) if stands_for is not None else None
            macro = self.macros.get(text)
            if kept is not None:
                done.append(_Token("name", kept, frozenset([kept])))
            elif macro is None:
                done.append(token)
            elif macro.parameters is None:
                pending += reversed(self._body(macro, {}, {}, place, token.hidden))
            elif (given := self._arguments(pending, macro, place)) is None:
                done.append(token)
            else:
                bound = _bound(macro, given, place)
                self._depth += 1
                if self._depth > _DEEPEST_ARGUMENTS:
                    raise PvasmError(
                        f"invocations in arguments are followed {_DEEPEST_ARGUMENTS} deep: {_RUN_CPP}", *place
                    )
                full = {
                    name: self._expanded(value, place, keeps_constants=keeps_constants) for name, value in bound.items()
                }
                self._depth -= 1
                if self._invoked is not None:
                    self._invoked(macro, {name: _text(value).strip() for name, value in full.items()})
                pending += reversed(self._body(macro, bound, full, place, token.hidden))
        return done

    def _arguments(self, pending: list[_Token], macro: CppMacro, place: Place) -> list[list[_Token]] | None:
        """The arguments that follow a macro's name, taken away from `pending`; None if none do."""
        at = len(pending) - 1
        while at >= 0 and pending[at].kind == "blank":
            at -= 1
        if at < 0 or pending[at].text != "(":
            return None
        depth = 0
        given: list[list[_Token]] = [[]]
        while at >= 0:
            token = pending[at]
            at -= 1
            depth += (token.text == "(") - (token.text == ")")
            if depth == 0:
                del pending[at + 1 :]
                return given
            if token.text == "," and depth == 1:
                given.append([])
            elif not (token.text == "(" and depth == 1 and given == [[]]):
                given[-1].append(token)
        raise PvasmError(f"the arguments of {macro.name} are not closed: `)' is due", *place)

    def _body(
        self,
        macro: CppMacro,
        raw: Mapping[str, Sequence[_Token]],
        full: Mapping[str, Sequence[_Token]],
        place: Place,
        hidden: frozenset[str],
    ) -> list[_Token]:
        """A macro's body with its arguments: as they are beside `##` and after `#`, expanded elsewhere.

        The macro is invoked in the expansions of those that are `hidden`.
        """
        self._steps += 1
        if len(hidden) > _DEEPEST:
            said = f"macros that stand for each other are followed {_DEEPEST} deep, and {macro.name} is beyond that"
            raise PvasmError(f"{said}: shorten the chain of definitions, or {_RUN_CPP}", *place)
        if self._steps > _MOST_STEPS:
            raise PvasmError(f"more than {_MOST_STEPS} macros are expanded here: {_RUN_CPP}", *place)
        if macro.is_ambiguous:
            message = f"{macro.name} is defined in several ways; say which holds, with -D for the condition around it"
            raise PvasmError(message, *macro.place)
        defined = macro.body, macro.origin
        if defined not in self._bodies:
            self._bodies[defined] = _body_tokens(*defined)
        tokens, has_hashes = self._bodies[defined]
        body: Sequence[_Token] = tokens
        if "__VA_OPT__" in macro.body and (last := _rest_of(macro)) is not None:
            body = _options_taken(body, any(each.kind != "blank" for each in full.get(last, ())))
        made = _pasted(macro, body, raw, full) if has_hashes else _substituted(body, full)
        inside = hidden | {macro.name}
        made = [
            _Token("name", each.text, each.hidden | inside if each.hidden else inside, each.origin)
            if each.kind == "name"
            else each
            for each in made
        ]
        return [_SEAM, *made, _SEAM]


def _substituted(body: Sequence[_Token], full: Mapping[str, Sequence[_Token]]) -> Sequence[_Token]:
    """A body with its arguments in it."""
    if not full:
        return body
    made: list[_Token] = []
    for token in body:
        given = full.get(token.text) if token.kind == "name" else None
        if given is None:
            made.append(token)
        else:
            made += given
    return made


def _pasted(
    macro: CppMacro, body: Sequence[_Token], raw: Mapping[str, Sequence[_Token]], full: Mapping[str, Sequence[_Token]]
) -> list[_Token]:
    """A body in which there are `#` or `##`, with its arguments in it."""
    made: list[_Token] = []
    at = 0
    while at < len(body):
        token = body[at]
        following = at + 1
        while following < len(body) and body[following].kind == "blank":
            following += 1
        after = body[following].text if following < len(body) else ""
        if token.text == "##" and at > 0 and following < len(body):
            while made and made[-1].kind == "blank":
                made.pop()
            right = list(raw.get(after, [body[following]])) if body[following].kind == "name" else [body[following]]
            if made and made[-1].text == "," and after == _rest_of(macro):
                # GNU: `, ##rest` is nothing at all without a rest, and else no pasting.
                made = [*made, *right] if right else made[:-1]
                at = following + 1
                continue
            joined = (made.pop().text if made else "") + (right[0].text if right else "")
            made += [*(_tokens(joined) or [_PLACEMARKER]), *right[1:]]
            at = following + 1
        elif token.text == "#" and macro.parameters is not None and after in raw:
            text = _text(raw[after]).strip()
            made.append(_Token("string", '"' + _BARE_QUOTE.sub(r"\"", " ".join(text.split())) + '"'))
            at = following + 1
        else:
            is_pasted = after == "##"
            given = (raw if is_pasted else full).get(token.text) if token.kind == "name" else None
            if given is not None:
                made += given or ([_PLACEMARKER] if is_pasted else [])
            else:
                made.append(token)
            at += 1
    return [each for each in made if each is not _PLACEMARKER]


def _options_taken(body: Sequence[_Token], has_rest: bool) -> list[_Token]:
    """A body with what stands in its `__VA_OPT__(...)` if arguments are left for the last parameter, else without."""
    made: list[_Token] = []
    at = 0
    while at < len(body):
        opening = next((index for index in range(at + 1, len(body)) if body[index].kind != "blank"), len(body))
        if body[at].text != "__VA_OPT__" or opening == len(body) or body[opening].text != "(":
            made.append(body[at])
            at += 1
            continue
        depth, end = 1, opening + 1
        while end < len(body) and depth:
            depth += (body[end].text == "(") - (body[end].text == ")")
            end += 1
        content = _stripped(list(body[opening + 1 : end - 1])) if has_rest else []
        made += content or [_Token("other", "")]
        at = end
    return made


def _rest_of(macro: CppMacro) -> str | None:
    """The name of the parameter that takes all arguments that are left; None if there is none."""
    if not macro.parameters or not macro.parameters[-1].endswith("..."):
        return None
    return parameter_name(macro.parameters[-1])


def _bound(macro: CppMacro, given: list[list[_Token]], place: Place) -> dict[str, list[_Token]]:
    """What an invocation gives the parameters of a macro."""
    parameters = macro.parameters or ()
    values = [_stripped(value) for value in given]
    if not parameters and values == [[]]:
        return {}
    if (last := _rest_of(macro)) is not None:
        fixed = len(parameters) - 1
        rest: list[_Token] = []
        for index, value in enumerate(values[fixed:]):
            blank = [_BLANK] if given[fixed + index][:1] and given[fixed + index][0].kind == "blank" else []
            rest += [*([_Token("other", ","), *blank] if index else []), *value]
        if len(values) >= fixed:
            return {**dict(zip(parameters[:fixed], values, strict=False)), last: rest}
    elif len(values) == len(parameters):
        return dict(zip(parameters, values, strict=True))
    number = f"{len(parameters)} argument{'s' * (len(parameters) != 1)}"
    raise PvasmError(f"{macro.name} takes {number}, and is given {len(values)}", *place)


def _stripped(tokens: list[_Token]) -> list[_Token]:
    """Tokens without blanks around them."""
    start, end = 0, len(tokens)
    while start < end and tokens[start].kind == "blank":
        start += 1
    while end > start and tokens[end - 1].kind == "blank":
        end -= 1
    return tokens[start:end]


def value_of(text: str) -> int | None:
    """The number that an expression of numbers is, as GNU as has it in 64 bits; None for anything else."""
    expression = parse_expression(_SUFFIX.sub("", text.strip()))
    value = None if expression is None else _value(expression)
    if value is None:
        return None
    return value - (1 << 64) if value - (1 << 64) >= -(1 << 31) else value


def _value(node: tree.Expression) -> int | None:
    match node:
        case tree.Number(value=value):
            return None if value is None else value & _ONES
        case tree.Unary(operator=operator, operand=operand):
            value = _value(operand)
            signs: dict[str, Callable[[int], int]] = {"-": lambda a: -a, "+": lambda a: a, "~": lambda a: ~a}
            return None if value is None or operator not in signs else signs[operator](value) & _ONES
        case tree.Binary(operator=operator, left=left, right=right):
            a, b = _value(left), _value(right)
            work = _ARITHMETIC.get(operator)
            if a is None or b is None or work is None or (operator in ("<<", ">>") and b > 63):
                return None
            return work(a, b) & _ONES
    return None


_ARITHMETIC: Final[Mapping[str, Callable[[int, int], int]]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "<<": lambda a, b: a << b,
    ">>": lambda a, b: a >> b,
    "|": lambda a, b: a | b,
    "&": lambda a, b: a & b,
    "^": lambda a, b: a ^ b,
}


def is_closed(text: str) -> bool:
    """Whether an expression means the same in any other: it is one word, or stands in parentheses."""
    if not text.startswith("("):
        return text.isalnum()
    depth = 0
    for at, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return at == len(text) - 1
    return False
