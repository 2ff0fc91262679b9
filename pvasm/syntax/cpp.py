"""The C preprocessor's conditionals: what they say of the code inside them (pvasm/syntax/run_cpp.py runs it).

In raw source every arm of every `#if` is read. Whether an arm can be compiled at all, given what is known of some
macros (an instance's symbol is defined, another's is not), is a question with three answers: yes, no, and it
depends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Protocol

from pvasm.regex import regex
from pvasm.syntax import tree
from pvasm.syntax.parser import parse_condition
from pvasm.syntax.tokens import whole_words

# What is known of macros: True it is defined, False it is not; a macro that is not listed may be either.
Known = Mapping[str, bool]


class MacroFacts(Protocol):
    """What is known of macros at some place, by their names; a `Known` is one for every place."""

    def get(self, name: str, /) -> bool | None:
        """Whether a macro is defined; None if it may be either."""


# What is defined for IA-64 assembly, whoever preprocesses it.
PREDEFINED = ("__ia64__", "__ASSEMBLY__", "__ASSEMBLER__")

_COMMENT = regex(r"/\*(?s:.*?)(?:\*/|\Z)|//[^\n]*|\\[ \t\r]*\n")


def plain(text: str) -> str:
    """A directive's text without comments and line continuations."""
    return _COMMENT.sub(" ", whole_words(text)).strip() if "/" in text or "\\" in text else text.strip()


def reachable(conditions: Sequence[tree.Condition], known: MacroFacts) -> bool:
    """Whether code under `conditions` can be compiled at all, given what is known."""
    return all(arm_taken(condition, known) is not False for condition in conditions)


def arm_taken(condition: tree.Condition, known: MacroFacts) -> bool | None:
    """Whether an arm of a conditional is taken; None if that depends on what is not known."""
    taken = _holds(condition.expression, known)
    for earlier in condition.earlier:
        if taken is False:
            break
        before = _holds(earlier, known)
        taken = False if before is True else (taken if before is False else None)
    return taken


def _holds(expression: str, known: MacroFacts) -> bool | None:
    parsed = _condition(expression)
    value = None if parsed is None else _evaluate(parsed, known)
    return None if value is None else value != 0


@lru_cache(maxsize=4096)
def _condition(expression: str) -> tree.Expression | None:
    return parse_condition(expression)


def _truth(condition: bool) -> int:
    return 1 if condition else 0


def _quotient(a: int, b: int) -> int | None:
    """Division as C has it, towards zero."""
    if b == 0:
        return None
    return abs(a) // abs(b) if (a < 0) == (b < 0) else -(abs(a) // abs(b))


def _remainder(a: int, b: int) -> int | None:
    quotient = _quotient(a, b)
    return None if quotient is None else a - b * quotient


_ARITHMETIC: dict[str, Callable[[int, int], int | None]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _quotient,
    "%": _remainder,
    "<<": lambda a, b: a << b if 0 <= b < 64 else None,
    ">>": lambda a, b: a >> b if 0 <= b < 64 else None,
    "|": lambda a, b: a | b,
    "&": lambda a, b: a & b,
    "^": lambda a, b: a ^ b,
    "==": lambda a, b: _truth(a == b),
    "!=": lambda a, b: _truth(a != b),
    "<": lambda a, b: _truth(a < b),
    "<=": lambda a, b: _truth(a <= b),
    ">": lambda a, b: _truth(a > b),
    ">=": lambda a, b: _truth(a >= b),
}
_UNARY: dict[str, Callable[[int], int]] = {
    "-": lambda a: -a,
    "+": lambda a: a,
    "~": lambda a: ~a,
    "!": lambda a: _truth(a == 0),
}
_LIMIT = 1 << 63


def _bounded(value: int | None) -> int | None:
    """The value if intmax_t holds it. What overflows, or is unsigned, follows other rules: it is left open."""
    return value if value is not None and -_LIMIT <= value < _LIMIT else None


def _evaluate(node: tree.Expression, known: MacroFacts) -> int | None:
    """The value of a condition; None if it depends on what is not known."""
    match node:
        case tree.Number(value=value, text=text):
            return None if "u" in text.lower() else _bounded(value)
        case tree.Name(text=name):
            # A macro that is known to be defined has a value that is not known.
            return 0 if known.get(name) is False else None
        case tree.Call(function="defined", arguments=(tree.Name(text=name),)):
            is_defined = known.get(name)
            return None if is_defined is None else _truth(is_defined)
        case tree.Unary(operator=operator, operand=operand):
            value = _evaluate(operand, known)
            return None if value is None else _bounded(_UNARY[operator](value))
        case tree.Binary(operator=("&&" | "||") as operator, left=left, right=right):
            decisive = operator == "||"
            sides = [_evaluate(left, known), _evaluate(right, known)]
            if any(side is not None and (side != 0) is decisive for side in sides):
                return _truth(decisive)
            return None if None in sides else _truth(not decisive)
        case tree.Binary(operator=operator, left=left, right=right):
            a, b = _evaluate(left, known), _evaluate(right, known)
            if a is None or b is None or operator not in _ARITHMETIC:
                return None
            return _bounded(_ARITHMETIC[operator](a, b))
        case tree.Call(function="?:", arguments=(condition, yes, no)):
            chosen = _evaluate(condition, known)
            return None if chosen is None else _evaluate(yes if chosen else no, known)
    return None
