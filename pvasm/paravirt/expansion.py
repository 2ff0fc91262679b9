"""What a template yielded, looked at as assembly: whether it can take an op's place wherever that stands, and what its
instructions read and write.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Final, NamedTuple

from pvasm.ia64 import MemoryOperand, OperandError, Register, Resolved, Resource, Scope
from pvasm.ia64.operands import IndexedRegister
from pvasm.ia64.reading import assembly_parser
from pvasm.ia64.resolve import resolve
from pvasm.ia64.resources import whole
from pvasm.syntax import tree
from pvasm.syntax.document import read_document

# Directives that make the assembler read other lines than those that follow, or the same lines again.
_STEERING = re.compile(r"\.(?:if\w*|else\w*|endif|macro|endm|rept|irpc?|endr|exitm|purgem|include|end|(?:no)?altmacro)")
_STRING = re.compile(r'"(?:\\[^\n]|[^"\\\n])*"')
_WORD = re.compile(r"(?<![\w.$\\])[A-Za-z_][\w.$]*")

# Registers that the register stack engine keeps: instructions read and write them beside what they are about.
_ENGINE: Final = frozenset(Register("ar", number) for number in (16, 17, 18, 19))
_FILES: Final = ("r", "p", "b", "f", "ar")
_INDEXED: Final = frozenset({"RR", "PKR", "DBR", "IBR", "PMC", "PMD", "MSR"})


def flaw(lines: Sequence[str], ops: Collection[str]) -> str | None:
    """Why some lines cannot be an expansion, or None: what is no statement, steers the assembler, or is an op."""
    for line in lines:
        if line.endswith("\\"):
            return f"`{line[-40:]}' ends with a backslash"
        names = [word for word in _WORD.findall(_STRING.sub("", line)) if word in ops]
        if names:
            return f"`{line[:40]}' names the op {names[0]}, which would be left as it is"
    document = read_document(assembly_parser(), "\n".join(lines), preprocessed=True)
    if document.problems:
        problem = document.problems[0]
        return f"`{document.line_text(problem.offset)[0][:40]}': {problem.message}"
    depth = 0
    for statement in document.statements:
        reason = _refused(statement.syntax)
        if reason:
            return f"`{document.source(statement)[:40]}': {reason}"
        depth += isinstance(statement.syntax, tree.BundleOpen) - isinstance(statement.syntax, tree.BundleClose)
        if not 0 <= depth <= 1:
            break
    return "the braces do not match" if depth else None


def _refused(syntax: tree.Syntax) -> str | None:
    """Why a statement cannot stand in an expansion."""
    match syntax:
        case tree.Unparsed(reason=reason):
            return reason
        case tree.CppDirective():
            return "a line marker"
        case tree.Label(name=name) if not name.isdigit():
            return "a label with a name would be defined again wherever the op is used; a number will do (1:, 1b)"
        case tree.Directive(name=name) if _STEERING.fullmatch(name):
            return f"{name} would steer the assembler beyond the op"
    return None


# ------------------------------------------------------------------------------------ statements


class Line(NamedTuple):
    """One statement of an expansion: its line in the template, its text, what it is, and the instruction, resolved."""

    number: int
    text: str
    syntax: tree.Syntax
    resolved: Resolved | None


_STATEMENTS: dict[str, tuple[tuple[tree.Syntax, str, Resolved | OperandError | None], ...]] = {}
_MOST_KEPT: Final = 20_000


def read_lines(lines: Sequence[tuple[int, str]]) -> list[Line]:
    """The statements of an expansion's lines, which are given with their lines in the template.

    Raises OperandError for what is no instruction that there is.
    """
    found = []
    for number, text in lines:
        for syntax, source, resolved in _statements(text):
            if isinstance(resolved, OperandError):
                raise OperandError(f"`{source[:60]}': {resolved.message}", number, number)
            found.append(Line(number, source, syntax, resolved))
    return found


def _statements(text: str) -> tuple[tuple[tree.Syntax, str, Resolved | OperandError | None], ...]:
    known = _STATEMENTS.get(text)
    if known is None:
        document = read_document(assembly_parser(), text, preprocessed=True)
        known = tuple(
            (statement.syntax, document.source(statement), _resolved(statement.syntax))
            for statement in document.statements
        )
        if len(_STATEMENTS) > _MOST_KEPT:
            _STATEMENTS.clear()
        _STATEMENTS[text] = known
    return known


def _resolved(syntax: tree.Syntax) -> Resolved | OperandError | None:
    if not isinstance(syntax, tree.Instruction):
        return None
    try:
        return resolve(syntax, Scope())
    except OperandError as error:
        return error


def register_effects(resolved: Resolved) -> tuple[frozenset[Resource], frozenset[Resource]]:
    """The registers that an instruction reads and writes, the ones that it names and the others that matter.

    Fields of the psr count as registers where they are written, and whole indexed files do.
    """
    named = frozenset(cell for register in _registers(resolved) for cell in whole(register))
    reads = frozenset(cell for cell in resolved.reads if cell in named or _matters(cell))
    return reads, frozenset(cell for cell in resolved.writes if is_cell(cell))


def _registers(resolved: Resolved) -> Iterator[Register]:
    """The registers among the operands, and those in brackets."""
    for value in resolved.operands:
        register = register_of(value)
        if register is not None:
            yield register


def register_of(value: object) -> Register | None:
    """The register that an operand is, or has in brackets; None for any other operand."""
    if isinstance(value, MemoryOperand):
        value = value.base
    elif isinstance(value, IndexedRegister):
        value = value.index
    return value if isinstance(value, Register) else None


def is_cell(resource: Resource) -> bool:
    """Whether a resource is something that holds a value: no cache, no memory, nothing of the stack engine's."""
    if isinstance(resource, Register):
        return True
    return resource == "CFM" or resource in _INDEXED or resource.startswith(("psr.", "fpsr."))


def _matters(resource: Resource) -> bool:
    """Whether an instruction that reads a resource without naming it depends on what code has put there."""
    return isinstance(resource, Register) and resource.file in _FILES and resource not in _ENGINE
