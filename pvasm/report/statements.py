"""The statements of a document, for people (`tree`) and for programs (`json`)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache

from msgspec import Struct

from pvasm.syntax import tree
from pvasm.syntax.document import Document


def _kind(syntax: tree.Syntax) -> str:
    """`MacroCall` is a `macro call`."""
    name = type(syntax).__name__
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()


def render_tree(document: Document) -> Iterator[str]:
    """A line a statement: its place, its kind and its text, then what is known of where it stands."""
    for statement in document.statements:
        place = document.place(statement.start)
        source = " ".join(document.source(statement).split())
        notes = []
        if statement.macro is not None:
            notes.append(f"in {'#define' if statement.in_define else '.macro'} {statement.macro}")
        notes += [f"if {_arm(condition)}" for condition in statement.conditions]
        if isinstance(statement.syntax, tree.Unparsed) and not statement.in_define:
            notes.insert(0, statement.syntax.reason)
        where = f"{place.line}:{place.column}"
        yield f"{where:10} {_kind(statement.syntax):14} {source}{'  -- ' + ', '.join(notes) if notes else ''}"


def _arm(condition: tree.Condition) -> str:
    if not condition.earlier:
        return condition.expression
    others = " and ".join(f"not ({expression})" for expression in condition.earlier)
    return others if condition.expression == "1" else f"{others} and {condition.expression}"


def render_json(document: Document) -> Iterator[str]:
    """A JSON object a line: kind, place, text, what it says (the fields of its node), and where it stands."""
    for statement in document.statements:
        place, end = document.place(statement.start), document.place(statement.end)
        row = {
            "kind": _kind(statement.syntax),
            "path": place.path,
            "line": place.line,
            "column": place.column,
            "end_line": end.line,
            "end_column": end.column,
            "text": document.source(statement),
            **{name: _value(getattr(statement.syntax, name)) for name in _fields(type(statement.syntax))},
            "macro": statement.macro,
            "conditions": [_arm(condition) for condition in statement.conditions],
        }
        yield json.dumps(row)


_OFFSETS = frozenset({"start", "end", "name_start", "mnemonic_start", "call_end", "at"})


@cache
def _fields(node: type[Struct]) -> tuple[str, ...]:
    return tuple(name for name in node.__struct_fields__ if name not in _OFFSETS)


def _value(value: object) -> object:
    """A node's field as JSON knows it: expressions as nested objects."""
    if isinstance(value, tuple):
        return [_value(item) for item in value]
    if isinstance(value, Struct):
        kind = type(value)
        return {"kind": kind.__name__.lower(), **{name: _value(getattr(value, name)) for name in _fields(kind)}}
    return value
