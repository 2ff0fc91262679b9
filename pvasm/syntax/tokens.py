"""The tokens of one chunk: the second of the lexer's two steps.

A token's type is one letter of a key; the key of a whole chunk (`(N)MN=N` for `(p6) mov r1 = r2`) is what the grammar
in grammars/ia64.lark is about. TERMINALS gives each letter its name there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from msgspec import Struct

from pvasm.regex import regex

TERMINALS = {
    "N": "NAME",
    "I": "INT",
    "L": "LOCAL",
    "F": "OTHER_NUMBER",
    "S": "STRING",
    "A": "AT_NAME",
    "M": "MNEMONIC",
    "D": "DIRECTIVE",
    "T": "TEMPLATE",
    "$": "ARGUMENTS",
    "(": "LPAR",
    ")": "RPAR",
    "[": "LSQB",
    "]": "RSQB",
    ",": "COMMA",
    ":": "COLON",
    "=": "EQUALS",
    "#": "HASH",
    "?": "QUESTION",
    "+": "PLUS",
    "-": "MINUS",
    "*": "STAR",
    "/": "SLASH",
    "%": "PERCENT",
    "|": "OR",
    "&": "AND",
    "^": "XOR",
    "~": "TILDE",
    "!": "NOT",
    "<": "LT",
    ">": "GT",
    "E": "EQ",
    "n": "NE",
    "l": "LE",
    "g": "GE",
    "s": "SHL",
    "r": "SHR",
    "a": "ANDAND",
    "o": "OROR",
    "x": "OTHER",
}

_LONG_OPERATORS = {
    "==": "E",
    "!=": "n",
    "<>": "n",
    "<=": "l",
    ">=": "g",
    "<<": "s",
    ">>": "r",
    "&&": "a",
    "||": "o",
}
# The tokens that a letter stands for exactly; any other single character is OTHER.
_SINGLE = frozenset("()[],:=#?+-*/%|&^~!<>")

LINES_JOINED = r"(?:\\[ \t\r]*+\n)++"
"""The pattern of the ends of continued lines; these are joined before there are words (C11, 5.1.1.2, phase 2)."""

# What begins with a letter to look for, and looks back from there, is found much faster than what looks back first.
SPLIT_WORD = regex(rf"\\(?<=[\w.$]\\)[ \t\r]*+\n(?:{LINES_JOINED})?+(?=[\w.$])")
"""Where the ends of continued lines split a word."""

# Bytes that are not UTF-8 count as letters, as they do for GNU as (they are lone surrogates here, pvasm/text.py).
# A name may hold a .macro argument (\reg, \(), \@) or pasted parts (a##b) where it stands in a macro's body.
_NAME_CHARACTER = r"[\w.$\udc80-\udcff]"
_ARGUMENT = r"\\(?:\w+|\(\)|@)"
_NAME_PART = rf"{_NAME_CHARACTER}++|@|{_ARGUMENT}|[ \t]*\#\#[ \t]*(?=[\w\\])|{LINES_JOINED}(?=[\w.$])"
# The marks that begin nothing longer come early, for there are many.
# A number is read from its first digit alone: from each digit of a long run that is none, that would take long.
_TOKEN = regex(
    rf"""
      (?P<blank>(?:[\s\ufeff]|\\[ \t\r]*\n)++|/\*(?s:.*?)(?:\*/|\Z)|//[^\n]*)
    | (?P<mark>[()\[\],:+\-*%?~^\#]|=(?!=))
    | (?P<N>(?:(?!\d){_NAME_CHARACTER}|{_ARGUMENT})(?:{_NAME_PART})*+)
    | (?P<L>(?<!\d)\d++[bf](?![\w.$]))
    | (?P<F>(?<!\d)\d++\.\d*+(?:[eE][-+]?\d+)?(?![\w.$])|0[rRfFdD][-+]?[\d.]+(?:[eE][-+]?\d+)?(?![\w.$]))
    | (?P<I>(?<!\d)(?:0[xX][0-9a-fA-F]+|0[bB][01]+|\d+)[uUlL]*(?![\w.$])|'(?:\\[^\n]|[^\\\n])'?)
    | (?P<S>"(?:\\[^\n]|[^"\\\n])*")
    | (?P<x>"(?:\\[^\n]|[^"\\\n])*)
    | (?P<A>@\w+)
    | (?P<long>[=!<>]=|<>|<<|>>|&&|\|\|)
    | (?P<single>(?s:.))
    """,
    re.VERBOSE,
)

# The name of a label that a macro of the C preprocessor makes, in a key: `L(loop):`.
_MADE_NAME = regex(r"N\((?:[NI](?:,[NI])*+)?\)#?(?=:)")

# The templates of bundles, in the order of their numbers: a letter a slot (SDM vol. 1, table 3-10).
SETTING = frozenset({".set", ".equ", ".equiv", ".eqv"})
"""The directives that have a name stand for something, as `=` does."""

BUNDLE_TEMPLATES = ("mii", "mlx", "mmi", "mfi", "mmf", "mib", "mbb", "bbb", "mmb", "mfb")

_DATA = frozenset(
    [
        "data1",
        "data2",
        "data4",
        "data8",
        "data16",
        "real4",
        "real8",
        "real10",
        "real16",
        "string",
        "stringz",
        "xdata1",
        "xdata2",
        "xdata4",
        "xdata8",
        "xreal4",
        "xreal8",
        "xreal10",
        "xreal16",
        "xstring",
        "xstringz",
    ]
)


class Tokens(Struct, frozen=True):
    """The tokens of a chunk: a letter each in `key`, and where each starts and ends in the chunk.

    `arguments` is the index of the first token that the key's `$` stands for, or the number of tokens.
    """

    key: str
    starts: list[int]
    ends: list[int]
    arguments: int


def whole_words(text: str) -> str:
    """A text with its words whole that the ends of continued lines split."""
    return SPLIT_WORD.sub("", text) if "\\" in text else text


def symbol_name(word: str) -> str:
    """The name of the symbol that a word stands for: without its quotes, and without the `#` that marks a symbol.

    `"a b"` is a symbol as well, and `"foo"` is `foo` (GNU as manual, "Symbol Names").
    """
    word = word.strip()
    is_quoted = len(word) > 1 and word[0] == word[-1] == '"'
    return word[1:-1].replace('\\"', '"') if is_quoted else word.removesuffix("#")


def tokenize(chunk: str, is_mnemonic: Callable[[str], bool]) -> Tokens:
    """The tokens of a chunk. `is_mnemonic` tells whether a lower-case word (with completers) names an instruction."""
    letters: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for found in _TOKEN.finditer(chunk):
        kind = found.lastgroup
        if kind == "blank":
            continue
        start, end = found.span()
        if kind == "mark":
            kind = found[0]
        elif kind == "single":
            character = chunk[start]
            kind = character if character in _SINGLE else "x"
        elif kind == "long":
            kind = _LONG_OPERATORS[chunk[start:end]]
        assert kind is not None
        letters.append(kind)
        starts.append(start)
        ends.append(end)
    key = "".join(letters)
    if "N#" in key:
        key = _without_marks(key, starts, ends)
    at = _head(key, 0)
    if at < 0:
        return Tokens(key, starts, ends, len(key))
    letter = _head_letter(chunk[starts[at] : ends[at]], key[at + 1 : at + 2], is_mnemonic)
    if letter == "T":  # an instruction may follow a template on its line
        key = f"{key[:at]}T{key[at + 1 :]}"
        at = _head(key, at + 1)
        if at < 0:
            return Tokens(key, starts, ends, len(key))
        letter = _head_letter(chunk[starts[at] : ends[at]], key[at + 1 : at + 2], is_mnemonic)
    if letter == "M":
        return Tokens(f"{key[:at]}M{key[at + 1 :]}", starts, ends, len(key))
    if letter == "N" and key[at + 1 : at + 2] in ("=", "E"):
        return Tokens(key, starts, ends, len(key))
    rest = "$" if at + 1 < len(key) else ""
    return Tokens(f"{key[:at]}{letter}{rest}", starts, ends, at + 1)


def _without_marks(key: str, starts: list[int], ends: list[int]) -> str:
    """The key without each `#` behind a name that is a symbol anyway: `foo#:`, `foo# = r1`, `[foo#:]`, `val#[1]`."""
    at = key.find("N#")
    while at >= 0:
        following = key[at + 2 : at + 3]
        is_assigned = following in ("=", "E") and (at == 0 or key[at - 1] in ":]")
        if is_assigned or following in (":", "["):
            key = key[: at + 1] + key[at + 2 :]
            del starts[at + 1], ends[at + 1]
        at = key.find("N#", at + 1)
    return key


def _head(key: str, at: int) -> int:
    """The index of a statement's head, after labels, tags and a predicate; -1 if no word stands there."""
    total = len(key)
    while at < total:
        letter = key[at]
        if letter in "NIS" and (end := _name_end(key, at)) >= 0:
            at = end + (2 if key[end + 1 : end + 2] == ":" else 1)
        elif letter == "[" and (end := _name_end(key, at + 1)) >= 0 and key[end : end + 2] == ":]":
            at = end + 2
        elif letter == "(":
            at = _closing(key, at) + 1
            if at == 0:
                return -1
        else:
            return at if letter == "N" else -1
    return -1


def _name_end(key: str, at: int) -> int:
    """The index of the colon behind the name of a label or tag that starts at `at`, or -1."""
    if key[at + 1 : at + 2] == ":":
        return at + 1 if key[at] in "NIS" else -1
    made = _MADE_NAME.match(key, at) if key[at + 1 : at + 2] == "(" else None
    return -1 if made is None else made.end()


def _closing(key: str, at: int) -> int:
    """The index of the parenthesis that closes the one at `at`, or -1."""
    depth = 0
    for index in range(at, len(key)):
        if key[index] == "(":
            depth += 1
        elif key[index] == ")":
            depth -= 1
            if depth == 0:
                return index
    return -1


@lru_cache(maxsize=4096)
def _head_letter(word: str, following: str, is_mnemonic: Callable[[str], bool]) -> str:
    """Which of the letters M, D, T, N a word is where a statement's head is due.

    `following` is the next token's letter.
    """
    word = whole_words(word)
    lower = word.lower()
    if following in ("=", "E"):
        return "N"  # `name = value`, whatever the name
    if word[0] == ".":
        if lower[1:] in BUNDLE_TEMPLATES:
            return "T"
        return "D" if len(word) > 1 else "N"
    if lower.partition(".")[0] in _DATA:
        return "D"
    # GNU as takes mnemonics in any case. In capitals it is an instruction if it looks like nothing else: `COVER` and
    # `RFI` are ops, and `NAME(` is a macro invocation.
    looks_like_a_macro = following == "(" or (following == "" and word.isupper())
    return "M" if is_mnemonic(lower) and (word == lower or not looks_like_a_macro) else "N"
