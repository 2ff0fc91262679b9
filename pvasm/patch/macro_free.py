"""Macros of the assembler that make ops, written out where they are invoked: each place has labels of its own."""

from __future__ import annotations

from collections.abc import Container, Iterator

from pvasm.asm.elaborate import Fork, Step, Visitor, elaborate
from pvasm.asm.scope import Scope
from pvasm.errors import PvasmError
from pvasm.expand.expander import joined
from pvasm.syntax import tree
from pvasm.syntax.document import Document
from pvasm.syntax.macros import CLOSING
from pvasm.syntax.path_conditions import Conditions
from pvasm.text import Edit, apply_edits


def macro_free(document: Document, ops: Container[str]) -> str:
    """The text of a preprocessed document with macros and loops of the assembler written out where they make ops.

    Lines stay where they are. Raises PvasmError for an op in an arm of a conditional that cannot be decided.
    """
    made = _Made(document, ops)
    elaborate(document, (), Scope(), {}, ops, [made], every_turn=True)
    return apply_edits(document.text, made.edits()) if made.with_ops or made.in_bodies else document.text


class _Made(Visitor):
    """Notes what statements make."""

    def __init__(self, document: Document, ops: Container[str]) -> None:
        self.document = document
        self.ops = ops
        self.lines: dict[int, list[str]] = {}
        self.with_ops: set[int] = set()
        self.in_bodies: set[str] = set()
        self.body: str | None = None
        self.open = 0

    def boundary(self, macro: str | None, statement: int) -> None:
        """Notes which macro's body is read without an invocation."""
        self.body = macro

    def fork(self, fork: Fork) -> None:
        """Counts the conditionals that are not decided."""
        self.open += {"if": 1, "endif": -1}.get(fork.name, 0)

    def gap(self, reason: str, statement: int, conditions: Conditions) -> None:
        """What is not followed may make ops."""
        place = self.document.place(self.document.statements[statement].start)
        raise PvasmError(reason or "what this stands for is not known", *place)

    def step(self, step: Step, scope: Scope) -> None:
        """Notes a statement that something makes."""
        is_op = isinstance(step.syntax, tree.MacroCall) and step.syntax.name in self.ops
        if step.macro is not None or self.body is not None:
            if is_op:
                self.in_bodies.add(step.macro or self.body or "")
            return
        if not step.made:
            return
        self.lines.setdefault(step.statement, []).append(step.text)
        if is_op:
            self.with_ops.add(step.statement)
            if self.open:
                place = self.document.place(self.document.statements[step.statement].start)
                raise PvasmError(
                    "makes an op under a condition that is not known here: preprocess the source (-I, -D)", *place
                )

    def edits(self) -> Iterator[Edit]:
        """What writes out, and what takes away the bodies."""
        statements = self.document.statements
        done = -1
        for number, statement in enumerate(statements):
            syntax = statement.syntax
            if number <= done or not isinstance(syntax, tree.Directive | tree.MacroCall):
                continue
            if number in self.with_ops:
                done = self._end(number, syntax.name) if syntax.name in CLOSING else number
                yield self._edit(number, done, joined(self.lines[number]))
            elif syntax.name == ".macro":
                end = self._end(number, syntax.name)
                if any(each.macro in self.in_bodies for each in statements[number : end + 1]):
                    yield self._edit(number, end, "")
                done = end

    def _end(self, number: int, name: str) -> int:
        """The directive that ends a body which another, of this name, begins."""
        depth = 0
        for at in range(number, len(self.document.statements)):
            syntax = self.document.statements[at].syntax
            if isinstance(syntax, tree.Directive):
                depth += (CLOSING.get(syntax.name) == CLOSING[name]) - (syntax.name == CLOSING[name])
                if not depth:
                    return at
        return number

    def _edit(self, first: int, last: int, text: str) -> Edit:
        start, end = self.document.statements[first].start, self.document.statements[last].end
        return Edit(start, end, text + "\n" * self.document.text.count("\n", start, end))
