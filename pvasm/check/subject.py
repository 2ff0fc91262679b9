"""What rules look at: one document, and what there is to know about it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from msgspec import Struct

from pvasm.syntax import tree
from pvasm.syntax.cpp import Known, reachable
from pvasm.syntax.document import Document

if TYPE_CHECKING:
    from pvasm.check.exposure import Exposure
    from pvasm.paravirt.catalog import Catalog


class Subject(Struct, dict=True):
    """A document under the eyes of the rules.

    `known` says which macros are known to be defined or not: code that cannot be compiled so is nobody's concern.
    `may_hold_c` is set for a header that nobody said is assembly.
    """

    document: Document
    catalog: Catalog
    known: Known
    may_hold_c: bool = False

    def concerns(self, conditions: tuple[tree.Condition, ...]) -> bool:
        """Whether code under these conditions is compiled for any instance in question."""
        answer = self._concerns.get(conditions)
        if answer is None:
            answer = self._concerns[conditions] = reachable(conditions, self.known)
        return answer

    @cached_property
    def _concerns(self) -> dict[tuple[tree.Condition, ...], bool]:
        return {(): True}

    def holds_assembly(self) -> bool:
        """Whether a header is about assembly at all: an op, or a whole instruction, stands in it."""
        from pvasm.check.exposure import is_whole_instruction

        ops = self.catalog.ops
        for statement in self.document.statements:
            syntax = statement.syntax
            if isinstance(syntax, tree.MacroCall):
                if syntax.name in ops and self.concerns(statement.conditions):
                    return True
            elif (
                isinstance(syntax, tree.Instruction)
                and is_whole_instruction(syntax)
                and not _may_be_c(self.document.source(statement))
                and self.concerns(statement.conditions)
            ):
                return True
        return False

    @cached_property
    def exposures(self) -> list[Exposure]:
        """The sensitive, privileged and level-dependent instructions of the document, in order."""
        from pvasm.check.exposure import find_exposures

        return find_exposures(self)


def _may_be_c(text: str) -> bool:
    """Whether an instruction could as well be a call in C: `fc (x)`."""
    return text.endswith(")") and "=" not in text
