"""Reading code through its macros, for tests."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from pvasm.asm.elaborate import Fork, Step, Visitor, elaborate
from pvasm.asm.reading import assembly_parser
from pvasm.asm.resolve import resolve
from pvasm.asm.scope import OperandError, Scope
from pvasm.syntax import tree
from pvasm.syntax.cpp import arm_taken
from pvasm.syntax.document import read_document


class Seen(Visitor):
    """The instructions that a document's code has, outside of bodies of macros, as objdump would print them."""

    def __init__(self, known: Mapping[str, bool]) -> None:
        self.known = known
        self.instructions: list[str] = []
        self.steps: list[Step] = []
        self.gaps: list[str] = []

    def step(self, step: Step, scope: Scope) -> None:
        if step.macro is None and all(arm_taken(each, self.known) is not False for each in step.conditions):
            self.steps.append(step)
            if isinstance(step.syntax, tree.Instruction):
                try:
                    self.instructions.append(resolve(step.syntax, scope).full_text)
                except OperandError as error:
                    self.instructions.append(f"not an instruction: {step.text} ({error.message})")

    def fork(self, fork: Fork) -> None:
        pass

    def gap(self, reason: str, statement: int, conditions: tuple[tree.Condition, ...]) -> None:
        self.gaps.append(reason)


def seen(
    text: str,
    known: Mapping[str, bool] | None = None,
    headers: Sequence[tuple[str, str]] = (),
    ops: Container[str] = (),
) -> Seen:
    """What a text's code is, given what is known of the C preprocessor's macros."""
    parser = assembly_parser()
    visitor = Seen(known or {})
    elaborate(
        read_document(parser, text, "a.S"),
        [read_document(parser, header, path) for path, header in headers],
        Scope(lenient=True),
        known or {},
        ops,
        [visitor],
    )
    return visitor
