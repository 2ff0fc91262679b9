"""Names that can be nothing at all: registers that there are not, and instructions that no table and no macro knows.

Where a name may yet be explained (by a header that is not seen, the compiler's `-D`, a macro's argument), it is left
alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from pvasm.check.subject import Subject
from pvasm.ia64 import nearest
from pvasm.ia64.mnemonics import is_mnemonic
from pvasm.ia64.reading import scope_of
from pvasm.ia64.resolve import resolve
from pvasm.ia64.scope import OperandError
from pvasm.regex import regex
from pvasm.syntax import tree
from pvasm.syntax.document import Document
from pvasm.syntax.macros import read_macro

_WORD: Final = regex(r"[A-Za-z_]\w*(?:\.\w+)*")
_LIKE_OPERANDS: Final = regex(r"[^=\"']*\S\s*=\s*\S[^=\"']*")
_INCLUDE: Final = regex(r"^[ \t]*#[ \t]*include\b", re.MULTILINE)
_MACRO: Final = regex(r"\.macro[ \t]+[^\s,]*[\\&]|\.altmacro|\.include\b|\.mri\b", re.IGNORECASE)
# GNU as, tc-ia64.c: directives that take no dot.
_WITHOUT_DOT: Final = frozenset(
    {"data1", "data2", "data4", "data8", "data16", "real4", "real8", "real10", "real16", "string", "stringz"}
)
_ASSEMBLY_IF: Final = regex(r"\.(?:if\w*|endif|endc)")


class UnknownName(NamedTuple):
    """A name that is nothing, with its span in the document, and what to say of it."""

    start: int
    end: int
    message: str


# ------------------------------------------------------------------------------------------ registers


def unknown_registers(subject: Subject) -> Iterator[UnknownName]:
    """The operands that are written as an application register, control register or field of the PSR that there is not.

    GNU as takes such a name for a symbol: `mov r8 = cr.ifx` becomes a move of an address.
    """
    document = subject.document
    if not nearest.may_name_unknown_register(document.text):
        return
    explained = _explained(subject)
    for statement in document.statements:
        syntax = statement.syntax
        if not isinstance(syntax, tree.Instruction) or not subject.concerns(statement.conditions):
            continue
        parameters = _parameters(subject, statement)
        for name in nearest.unknown_registers(syntax):
            if not explained.isdisjoint((name.text, *name.text.split("."))) or name.text.split(".")[1] in parameters:
                continue
            start = statement.origin + name.start
            yield UnknownName(start, start + len(name.text), nearest.no_such_register(name.text))


def _explained(subject: Subject) -> set[str]:
    """The names that the document, or a header of its that is known, gives a meaning."""
    names: set[str] = set()
    for document in (subject.document, *subject.headers):
        names.update(define.name for define in document.defines)
        for statement in document.statements:
            if isinstance(statement.syntax, tree.Assignment):
                names.add(statement.syntax.name)
            elif isinstance(statement.syntax, tree.Directive) and len(statement.syntax.arguments) == 2:
                names.add(statement.syntax.arguments[0].strip())
    return names


def _parameters(subject: Subject, statement: tree.Statement) -> set[str]:
    """The parameters of the `#define` that a statement stands in the body of."""
    if not statement.in_define:
        return set()
    defines = (define for define in subject.document.defines if define.name == statement.macro)
    return {name for define in defines for name in define.parameters or ()}


# --------------------------------------------------------------------------------------- instructions


def unknown_instructions(subject: Subject) -> Iterator[UnknownName]:
    """The statements that the assembler would refuse, since neither an instruction nor a macro has that name.

    After the C preprocessor that is sure. In raw source it is where all headers are seen and what is written has an
    instruction's operands and nearly an instruction's name.
    """
    document = subject.document
    is_sure = document.preprocessed
    if not subject.named or _MACRO.search(document.text):
        return
    if not is_sure and not _sees_all_headers(subject):
        return
    macros = _macros((document, *subject.headers))
    depth = 0  # of the assembler's conditionals, where nothing is sure
    for statement in document.statements:
        syntax = statement.syntax
        if isinstance(syntax, tree.Directive):
            found = _ASSEMBLY_IF.fullmatch(syntax.name)
            depth += 0 if found is None else -1 if syntax.name in (".endif", ".endc") else 1
        if depth > 0 or statement.in_define or not subject.concerns(statement.conditions):
            continue
        name, start = "", 0
        if isinstance(syntax, tree.MacroCall):
            name, start = syntax.name, syntax.name_start
            if name in macros or syntax.parenthesised or _is_other(subject, name):
                continue
            if not is_sure and not _has_operands(syntax):
                continue
        elif isinstance(syntax, tree.Instruction):
            if syntax.mnemonic in macros or syntax.mnemonic.partition(".")[0] in macros or not _has_no_form(syntax):
                continue
            name, start = syntax.mnemonic, syntax.mnemonic_start
        if not name or not _WORD.fullmatch(name):
            continue
        if is_sure or nearest.mnemonic(name) is not None or isinstance(syntax, tree.Instruction):
            at = statement.origin + start
            yield UnknownName(at, at + len(name), nearest.no_such_instruction(name))


def _is_other(subject: Subject, name: str) -> bool:
    """Whether a name is an op's, a block's, a directive's, or an instruction's in capitals."""
    catalog = subject.catalog
    return name in catalog.ops or name in catalog.blocks or name.lower() in _WITHOUT_DOT or is_mnemonic(name)


def _has_operands(call: tree.MacroCall) -> bool:
    """Whether what is behind a name looks like an instruction's operands: `r8 = r9`, `r8 = [r9], 8`."""
    text = ",".join(argument.text for argument in call.arguments)
    return _LIKE_OPERANDS.fullmatch(text) is not None


def _has_no_form(instruction: tree.Instruction) -> bool:
    """Whether no row of the table has a mnemonic, whatever its operands: `ld8.foo`."""
    try:
        resolve(instruction, _ANYTHING)
    except OperandError as error:
        return error.start == instruction.mnemonic_start and error.end == error.start + len(instruction.mnemonic)
    return False


_ANYTHING: Final = scope_of([], {})


def _sees_all_headers(subject: Subject) -> bool:
    """Whether raw source includes nothing: what a header's macros are called is not known from its name."""
    return _INCLUDE.search(subject.document.text) is None


def _macros(documents: Iterable[Document]) -> set[str]:
    """The names of all macros, whatever the conditions that they are defined under."""
    names: set[str] = set()
    for document in documents:
        names.update(define.name for define in document.defines)
        for index, statement in enumerate(document.statements):
            if isinstance(statement.syntax, tree.Directive) and statement.syntax.name == ".macro":
                macro = read_macro(statement.syntax, index, len(document.statements))
                names.update(() if macro is None else (macro.name, macro.name.lower()))
    return names
