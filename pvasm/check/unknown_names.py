"""Names that can be nothing at all: registers that there are not, and instructions that no table and no macro knows.

Where a name may yet be explained (by a header that is not seen, the compiler's `-D`, a macro's argument), it is left
alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Final

from msgspec import Struct

from pvasm.asm import nearest
from pvasm.asm.elaborate import Repeater, Step
from pvasm.asm.rereading import Made, Shift
from pvasm.asm.scope import Scope
from pvasm.check.subject import Subject
from pvasm.isa.mnemonics import is_mnemonic
from pvasm.isa.table import candidates
from pvasm.regex import regex
from pvasm.syntax import tree
from pvasm.syntax.document import Document
from pvasm.syntax.macros import may_replace_words, read_macro
from pvasm.syntax.parser import parse_expression
from pvasm.syntax.tokens import SETTING, whole_words
from pvasm.syntax.traced import text_number

_WORD: Final = regex(r"[A-Za-z_]\w*(?:\.\w+)*")
_LIKE_OPERANDS: Final = regex(r"[^=\"']*\S\s*=\s*\S[^=\"']*")
_INCLUDE: Final = regex(r"^[ \t]*#[ \t]*include\b", re.MULTILINE)
# What the C preprocessor leaves no line of: the file is yet to go through it, whatever it is called.
_FOR_PREPROCESSOR: Final = regex(r"^[ \t]*#[ \t]*(?:ifdef|ifndef|endif|define|include)\b", re.MULTILINE)
_MACRO: Final = regex(r"\.macro[ \t]+[^\s,]*[\\&]|\.altmacro|\.include\b|\.mri\b", re.IGNORECASE)
# GNU as, tc-ia64.c: directives that take no dot.
_WITHOUT_DOT: Final = frozenset(
    {"data1", "data2", "data4", "data8", "data16", "real4", "real8", "real10", "real16", "string", "stringz"}
)
_MANY: Final = 1 << 16
# How many arguments of a directive are names that it defines, or says are symbols.
_DEFINING: Final = {
    **dict.fromkeys(SETTING, 1),
    **dict.fromkeys((".comm", ".lcomm"), 1),
    **dict.fromkeys((".global", ".globl", ".extern", ".weak", ".hidden", ".proc", ".rotr", ".rotf", ".rotp"), _MANY),
}
_TELLING: Final = frozenset({tree.Instruction, tree.MacroCall, tree.Assignment, tree.Directive})
_ASSEMBLY_IF: Final = regex(r"\.(?:if\w*|endif|endc)")


class UnknownName(Struct, frozen=True, order=True):
    """A name that is nothing, with its span in the document, and what to say of it."""

    start: int
    end: int
    message: str


class _Met(Struct, frozen=True):
    """A name that may be nothing, with the step that it stands in and its span there.

    `is_likely` says of a register that it is one only by its likeness to one.
    """

    name: str
    start: int
    end: int
    step: Step
    is_likely: bool = False


class UnknownNames(Repeater):
    """Looks on while a document is read, and takes note of names that may be nothing, also in what macros make."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.document = subject.document
        self._names_registers = nearest.may_name_unknown_register(self.document.text)
        self._words_may_be_replaced = may_replace_words(self.document.text)
        self._known: set[str] = set()  # mnemonics that there are
        self._registers: list[_Met] = []
        self._instructions: list[_Met] = []

    def basis(self) -> object:
        """What is looked at depends on these, beside the statements before."""
        return self._names_registers, self._words_may_be_replaced

    def made(self) -> Made:
        """How many names have been met."""
        return len(self._registers), len(self._instructions)

    def can_be_repeated(self, made: Made) -> bool:
        """Whether they can be taken over: always."""
        return True

    def repeat(self, earlier: UnknownNames, before: Made, after: Made, shift: Shift | None) -> None:
        """Takes over the names that were met."""
        for mine, its, start, end in (
            (self._registers, earlier._registers, before[0], after[0]),
            (self._instructions, earlier._instructions, before[1], after[1]),
        ):
            mine += its[start:end] if shift is None else [_moved(each, shift) for each in its[start:end]]

    def step(self, step: Step, scope: Scope) -> None:
        """Looks at a statement."""
        syntax = step.syntax
        if syntax.__class__ not in _TELLING:
            return
        if isinstance(syntax, tree.Instruction):
            mnemonic = syntax.mnemonic
            is_known = mnemonic in self._known or bool(candidates(mnemonic))
            if is_known and not (step.made or self._names_registers or nearest.may_be_misspelt(syntax)):
                self._known.add(mnemonic)
                return
        if step.macro is not None and self._words_may_be_replaced:
            return
        match syntax:
            case tree.Instruction(mnemonic=mnemonic, mnemonic_start=start):
                if candidates(mnemonic):
                    self._operands(step, syntax, scope)
                else:
                    self._instructions.append(_Met(mnemonic, start, start + len(mnemonic), step))
            case tree.MacroCall(name=name, name_start=start):
                self._instructions.append(_Met(name, start, start + len(name), step))
            case tree.Assignment(value=value) if value is not None:
                self._assigned(step, value, 0)
            case tree.Directive(name=name, arguments=(_, text)) if name in SETTING:
                value = parse_expression(text)
                if value is not None:
                    self._assigned(step, value, step.text.rfind(text) + syntax.start)

    def _operands(self, step: Step, syntax: tree.Instruction, scope: Scope) -> None:
        suspects = nearest.suspects(syntax)
        for name in suspects.unknown:
            self._registers.append(_Met(name.text, name.start, name.end, step))
        for named in suspects.names:
            meaning = scope.operand_macros.get(named.text)
            for name in nearest.unknown_values(meaning) if isinstance(meaning, tree.Name) else ():
                self._registers.append(_Met(name.text, named.start, named.end, step))
        for operand in suspects.misspelt:
            text = operand.file if isinstance(operand, tree.Index) else operand.text
            if text not in scope.rotating and text not in scope.files and text not in scope.names:
                start = operand.start
                self._registers.append(_Met(text, start, start + len(text), step, is_likely=True))

    def _assigned(self, step: Step, value: tree.Expression, offset: int) -> None:
        for name in nearest.unknown_values(value):
            self._registers.append(_Met(name.text, offset + name.start, offset + name.end, step))

    def _is_sure(self) -> bool:
        """Whether the C preprocessor has been over the text."""
        return self.document.preprocessed and _FOR_PREPROCESSOR.search(self.document.text) is None

    @cached_property
    def registers(self) -> list[UnknownName]:
        """The operands that are written as a register or a field of the PSR that there is not: `cr.ifx`, `r128`.

        GNU as takes such a name for a symbol: `mov r8 = cr.ifx` becomes a move of an address. What is only like a
        register is one where all headers are seen.
        """
        if not self._registers:
            return []
        explained = self._explained()
        sees_all = self._is_sure() or _sees_all_headers(self.subject)
        found: dict[tuple[int, int], UnknownName] = {}
        for met in self._registers:
            words = {met.name, *met.name.split(".")}
            if met.is_likely and not sees_all:
                continue
            if explained.isdisjoint(words) and self._parameters(met.step).isdisjoint(words):
                self._tell(found, met, nearest.no_such_register(met.name))
        return sorted(found.values())

    def _explained(self) -> set[str]:
        """The names that the document, or a header of its that is known, gives a meaning, or that are symbols there."""
        names: set[str] = set()
        for document in (self.document, *self.subject.headers):
            names.update(define.name for define in document.defines)
            for statement in document.statements:
                if isinstance(statement.syntax, tree.Assignment):
                    names.add(statement.syntax.name)
                elif isinstance(statement.syntax, tree.Directive):
                    names.update(_explained_by(statement.syntax))
                elif isinstance(statement.syntax, tree.Label):
                    names.add(statement.syntax.name)
        return names

    def _parameters(self, step: Step) -> set[str]:
        """The parameters of the `#define` that a statement stands in the body of."""
        if step.macro is None or not self.document.statements[step.statement].in_define:
            return set()
        defines = (define for define in self.document.defines if define.name == step.macro)
        return {name for define in defines for name in define.parameters or ()}

    def _tell(self, found: dict[tuple[int, int], UnknownName], met: _Met, message: str) -> None:
        """Says of a name that it is nothing: where it stands in the document, else at what makes it."""
        step = met.step
        if not self.subject.concerns(step.conditions):
            return
        span = step.source.span(met.start, met.end)
        if span is None or text_number(span[0]):
            where = self.document.statements[step.statement]
            span = where.start, where.end
            message = f"this makes `{' '.join(step.text.split())}': {message}"
        found.setdefault(span, UnknownName(*span, message))

    @cached_property
    def instructions(self) -> list[UnknownName]:
        """The statements that the assembler would refuse, since neither an instruction nor a macro has that name.

        After the C preprocessor that is sure, unless there are lines for it in the text. In raw source it is where all
        headers are seen and what is written has an instruction's operands and nearly an instruction's name.
        """
        if not self._instructions or not self.subject.named or _MACRO.search(self.document.text):
            return []
        is_sure = self._is_sure()
        if not is_sure and not _sees_all_headers(self.subject):
            return []
        macros = _macros((self.document, *self.subject.headers))
        under_if = _under_if(self.document)
        found: dict[tuple[int, int], UnknownName] = {}
        for met in self._instructions:
            step = met.step
            where = self.document.statements[step.statement]
            if where.in_define and step.macro is not None:
                continue
            if step.statement in under_if if step.macro is not None else step.conditions != where.conditions:
                continue  # of the assembler's conditionals it is not known which lines they yield
            if self._is_unknown(step.syntax, met.name, macros, is_sure):
                self._tell(found, met, nearest.no_such_instruction(met.name))
        return sorted(found.values())

    def _is_unknown(self, syntax: tree.Syntax, name: str, macros: set[str], is_sure: bool) -> bool:
        """Whether a statement can be nothing at all, by its name."""
        if not _WORD.fullmatch(name) or name in macros:
            return False
        if isinstance(syntax, tree.Instruction):
            return name.partition(".")[0] not in macros
        assert isinstance(syntax, tree.MacroCall)
        if syntax.parenthesised or _is_other(self.subject, name):
            return False
        return is_sure or (_has_operands(syntax) and nearest.mnemonic(name) is not None)


def _moved(met: _Met, shift: Shift) -> _Met:
    """A name that was met, where it stands in the next version of the text."""
    old = met.step
    source, statement = shift.traced(old.source), shift.statement(old.statement)
    step = Step(old.syntax, source, statement, shift.conditions(old.conditions), old.macro, old.made)
    return _Met(met.name, met.start, met.end, step, met.is_likely)


def _explained_by(directive: tree.Directive) -> Iterator[str]:
    """The names that a directive may give a meaning: `.rotr`'s are written with how many there are."""
    arguments = directive.arguments[: _DEFINING.get(directive.name, 0)]
    return (argument.partition("[")[0].strip() for argument in arguments)


def _under_if(document: Document) -> set[int]:
    """The statements between an `.if` and its `.endif`, wherever these stand."""
    found: set[int] = set()
    depth = 0
    for index, statement in enumerate(document.statements):
        if isinstance(statement.syntax, tree.Directive):
            met = _ASSEMBLY_IF.fullmatch(statement.syntax.name)
            depth += 0 if met is None else -1 if statement.syntax.name in (".endif", ".endc") else 1
        if depth > 0:
            found.add(index)
    return found


def _is_other(subject: Subject, name: str) -> bool:
    """Whether a name is an op's, a block's, a directive's, or an instruction's in capitals."""
    catalog = subject.catalog
    return name in catalog.ops or name in catalog.blocks or name.lower() in _WITHOUT_DOT or is_mnemonic(name)


def _has_operands(call: tree.MacroCall) -> bool:
    """Whether what is behind a name looks like an instruction's operands: `r8 = r9`, `r8 = [r9], 8`."""
    text = ",".join(argument.text for argument in call.arguments)
    return _LIKE_OPERANDS.fullmatch(text) is not None


def _sees_all_headers(subject: Subject) -> bool:
    """Whether raw source includes nothing: what a header's macros are called is not known from its name."""
    return _INCLUDE.search(whole_words(subject.document.text)) is None


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
