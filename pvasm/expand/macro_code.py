"""What a document's macros make of its statements, and what their parameters stand for, where that is asked."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from pvasm.asm.elaborate import Visitor, elaborate
from pvasm.asm.scope import Scope
from pvasm.syntax.cpp import Known
from pvasm.syntax.document import Document
from pvasm.syntax.path_conditions import Conditions
from pvasm.syntax.traced import NOWHERE, Traced


class MacroCode(Visitor):
    """What looks on while a document is read: what its macros make of statements, and how they are invoked.

    `made` has the texts that a statement of the document, by its index, may be after the C preprocessor, and
    under which conditions each. `invocations` have what a macro's parameters stand for, and the index of the statement;
    those of a `#define` by the origin of its body, those of a `.macro` by its name in lower case.
    """

    def __init__(self) -> None:
        self.made: dict[int, Sequence[tuple[Traced, Conditions]]] = {}
        self.invocations: dict[int | str | None, list[tuple[Mapping[str, str], int]]] = {}

    def readings(self, statement: int, readings: Sequence[tuple[Traced, Conditions]]) -> None:
        """Takes note of what a statement is."""
        self.made[statement] = readings

    def invoked(self, macro: str, body: int, given: Mapping[str, str], statement: int) -> None:
        """Takes note of an invocation."""
        self.invocations.setdefault(macro if body == NOWHERE else body, []).append((given, statement))


def read_macro_code(document: Document, headers: Sequence[Document], known: Known, kept: Container[str]) -> MacroCode:
    """What the macros of a document, and of the headers that it includes, make of it; names that are `kept` stay."""
    code = MacroCode()
    elaborate(document, headers, Scope(lenient=True), known, kept, [code])
    return code
