"""The statements of a document, for people (`tree`) and for programs (`json`)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache

from msgspec import Struct

from pvasm.asm.resolve import resolve
from pvasm.asm.scope import OperandError, Scope
from pvasm.asm.sensitivity import sensitivity
from pvasm.isa.instruction import Instruction
from pvasm.report.json import whole
from pvasm.syntax import tree
from pvasm.syntax.document import Document


def _kind(syntax: tree.Syntax) -> str:
    """`MacroCall` is a `macro call`."""
    name = type(syntax).__name__
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()


class _Meaning:
    """What the instructions of a document are, asked statement by statement, in order."""

    def __init__(self, document: Document) -> None:
        self.lenient = not document.preprocessed
        self.scope = Scope()

    def of(self, statement: tree.Statement) -> Instruction | OperandError | None:
        """The instruction's row and operands, or what is wrong with it; None for a statement that is none."""
        syntax = statement.syntax
        # In raw source, and in a macro's body, a name may stand for anything.
        self.scope.lenient = self.lenient or statement.macro is not None
        if isinstance(syntax, tree.Assignment):
            self.scope.assign(syntax)
        elif isinstance(syntax, tree.Directive):
            self.scope.directive(syntax)
        elif isinstance(syntax, tree.Instruction):
            try:
                if syntax.mnemonic == "alloc":
                    self.scope.allocate(syntax)
                return resolve(syntax, self.scope)
            except OperandError as error:
                return error
        return None


def render_tree(document: Document) -> Iterator[str]:
    """A line a statement: its place, its kind and its text, then what is known of where it stands."""
    meaning = _Meaning(document)
    for statement in document.statements:
        place = document.place(statement.start)
        source = " ".join(document.source(statement).split())
        notes = []
        found = meaning.of(statement)
        if isinstance(found, OperandError):
            notes.append(found.message)
        elif isinstance(statement.syntax, tree.Unparsed):
            notes.append(statement.syntax.reason)
        if statement.macro is not None:
            notes.append(f"in {'#define' if statement.in_define else '.macro'} {statement.macro}")
        notes += [f"if {_arm(condition)}" for condition in statement.conditions]
        where = f"{place.line}:{place.column}"
        yield f"{where:10} {_kind(statement.syntax):14} {source}{'  -- ' + ', '.join(notes) if notes else ''}"


def _arm(condition: tree.Condition) -> str:
    if not condition.earlier:
        return condition.expression
    others = " and ".join(f"not ({expression})" for expression in condition.earlier)
    return others if condition.expression == "1" else f"{others} and {condition.expression}"


def render_json(document: Document) -> Iterator[str]:
    """A JSON object a line: kind, place, text, what it says (the fields of its node), and where it stands.

    An instruction has its `row` of the table (the format), its `canonical` spelling and its `sensitivity` as well, or
    the `problem` with it.
    """
    meaning = _Meaning(document)
    for statement in document.statements:
        place, end = document.place(statement.start), document.place(statement.end)
        row = {
            "kind": _kind(statement.syntax),
            "path": place.path,
            "line": place.line,
            "column": place.column,
            "end_line": end.line,
            "end_column": end.column,
            "text": whole(document.source(statement)),
            **{name: _value(getattr(statement.syntax, name)) for name in _fields(type(statement.syntax))},
            **_instruction(meaning, statement),
            "macro": statement.macro,
            "conditions": [_arm(condition) for condition in statement.conditions],
        }
        yield json.dumps(row)


def _instruction(meaning: _Meaning, statement: tree.Statement) -> dict[str, object]:
    found = meaning.of(statement)
    if found is None:
        return {}
    if isinstance(found, OperandError):
        return {"problem": found.message}
    assert isinstance(statement.syntax, tree.Instruction)
    minds = sensitivity(statement.syntax, meaning.scope)
    return {"row": found.form.format, "canonical": found.full_text, "sensitivity": minds}


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
    return whole(value)
