"""Renaming symbols in a variant, so that the variants of one file can be linked together."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from pvasm.expand.definitions import Definitions
from pvasm.expand.invocations import statement_at
from pvasm.regex import made_regex
from pvasm.syntax import tree
from pvasm.syntax.document import Document
from pvasm.text import Edit

STRING_OR_COMMENT = r'(?<!\\)"(?:\\[^\n]|[^"\\\n])*"|/\*(?s:.*?)(?:\*/|\Z)|//[^\n]*'


def rename_edits(document: Document, definitions: Definitions, renames: Mapping[str, str]) -> Iterator[Edit]:
    """The edits that rename symbols, in order.

    Strings, comments and preprocessor lines stay, but for what a `#define` stands for; so does a name that the document
    itself defines as a macro.
    """
    wanted = {
        name: new for name, new in renames.items() if name in document.text and name not in definitions.cpp_macros
    }
    if not wanted:
        return
    names, any_name = _patterns(tuple(wanted))
    done = 0
    for found in any_name.finditer(document.text):
        at = statement_at(document, found.start()) if found.start() >= done else None
        if at is None:
            continue
        statement = document.statements[at]
        start = _code_start(statement, document, definitions)
        if start is None:
            continue
        done = statement.end
        for name in names.finditer(document.text, start, statement.end):
            if name["name"] is not None and not (statement.in_define and _is_pasted(document.text, *name.span())):
                yield Edit(*name.span(), wanted[name["name"]])


def _code_start(statement: tree.Statement, document: Document, definitions: Definitions) -> int | None:
    """Where code starts in a statement; None for one that holds none."""
    if not isinstance(statement.syntax, tree.CppDirective):
        return statement.start
    if statement.syntax.name != "define":
        return None
    define = definitions.define_before(statement.end)
    return None if define is None or define.body_start < statement.start else define.body_start


def _is_pasted(text: str, start: int, end: int) -> bool:
    """Whether `##` makes another word of the one between two offsets."""
    before, after = text[max(0, start - 80) : start], text[end : end + 80]
    return before.rstrip(" \t").endswith("##") or after.lstrip(" \t").startswith("##")


@lru_cache(maxsize=64)
def _patterns(names: tuple[str, ...]) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What finds names outside of strings and comments, and what finds them anywhere."""
    words = "|".join(rf"{re.escape(each[:1])}(?<![\w.$\\#].){re.escape(each[1:])}" for each in names)
    name = rf"(?P<name>{words})(?![\w.$])"
    return made_regex(f"{STRING_OR_COMMENT}|{name}"), made_regex(name)
