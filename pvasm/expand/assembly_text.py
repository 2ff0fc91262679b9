"""Whether a text is assembly at all: prose and C have words in them that read like invocations of macros."""

from __future__ import annotations

from collections.abc import Container

from pvasm.errors import PvasmError
from pvasm.sources import is_assembly_by_name
from pvasm.syntax import tree
from pvasm.syntax.document import Document


def refuse_other_text(document: Document, ops: Container[str]) -> None:
    """Raises PvasmError for a document that is not called assembly, and in which there is nothing of it."""
    if not is_assembly_by_name(document.path) and not _may_be_assembly(document, ops):
        raise PvasmError("not assembly: no instruction, directive or op stands in it", document.path)


def is_whole_instruction(syntax: tree.Instruction) -> bool:
    """Whether an instruction is one that there is, whatever names in it may stand for."""
    from pvasm.asm.resolve import resolve  # which an expansion does without
    from pvasm.asm.scope import OperandError, Scope

    try:
        resolve(syntax, Scope(lenient=True))
    except OperandError:
        return False
    return True


def _may_be_assembly(document: Document, ops: Container[str]) -> bool:
    """Whether a text is blank, or holds what prose and C do not."""
    statements = document.statements
    if all(isinstance(each.syntax, tree.CppDirective) or each.in_define for each in statements):
        return True
    return any(
        isinstance(each.syntax, tree.Directive | tree.Assignment)
        or (isinstance(each.syntax, tree.MacroCall) and each.syntax.name in ops)
        or (isinstance(each.syntax, tree.Instruction) and is_whole_instruction(each.syntax))
        for each in statements
    )
