"""What is exposed in a document: the instructions that a hypervisor cares about, wherever they stand.

They stand as statements, in the bodies of `#define` and `.macro`, as arguments of macros, and in text that is no
statement.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from pvasm.ia64 import is_mnemonic, resolve
from pvasm.ia64.registers import INDEXED, REGISTERS
from pvasm.ia64.scope import OperandError, Scope
from pvasm.ia64.sensitivity import Sensitivity, mnemonic_sensitivity, sensitivity
from pvasm.paravirt.patterns import Patterns, Use
from pvasm.syntax import tree
from pvasm.syntax.document import read_document
from pvasm.syntax.parser import Parser

if TYPE_CHECKING:
    from pvasm.check.subject import Subject


class Exposure(Struct, frozen=True):
    """One such instruction: its class, its span in the document's text, and the ops that stand for it, the best first.

    `certain` is false for a word in text that is no statement.
    """

    sensitivity: Sensitivity
    start: int
    end: int
    uses: tuple[Use, ...]
    certain: bool = True

    @property
    def has_op(self) -> bool:
        """Whether an op stands for it."""
        return bool(self.uses)


def _scope(subject: Subject, patterns: Patterns) -> Scope:
    """What names mean: as the catalog says, and as the file's own `#define`s say where they agree."""
    parser = Parser(is_mnemonic)
    bodies: dict[str, set[str]] = {}
    for define in subject.document.defines:
        if define.parameters is None:
            bodies.setdefault(define.name, set()).add(define.body)
    macros = {}
    for name, texts in bodies.items():
        if len(texts) == 1:
            expression = parser.expression(texts.pop())
            if expression is not None:
                macros[name] = expression
    return Scope(lenient=True, operand_macros={**macros, **patterns.operand_macros})


def find_exposures(subject: Subject) -> list[Exposure]:
    """The exposed instructions of a document that are compiled for an instance in question, in order."""
    return list(_Search(subject).exposures())


class _Search:
    """Walks over the statements of a document, with what names mean at each."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.document = subject.document
        self.patterns = Patterns(subject.catalog)
        self.parser = Parser(is_mnemonic)
        self.scope = _scope(subject, self.patterns)

    def exposures(self) -> Iterator[Exposure]:
        ops = self.subject.catalog.ops
        for position, statement in enumerate(self.document.statements):
            syntax = statement.syntax
            if statement.macro in ops:
                pass  # an instance's definition of the op: what it consists of is the instance's business
            elif isinstance(syntax, tree.Instruction):
                yield from self._instruction(position, statement, syntax)
            elif isinstance(syntax, tree.Assignment):
                self.scope.assign(syntax)
            elif isinstance(syntax, tree.Directive):
                self.scope.directive(syntax)
            elif isinstance(syntax, tree.MacroCall):
                if (syntax.arguments or syntax.tail) and self.subject.concerns(statement.conditions):
                    yield from self._macro_call(statement, syntax)
            elif isinstance(syntax, tree.Unparsed) and self.subject.concerns(statement.conditions):
                yield from self._words(self.document.source(statement), statement.start, statement.in_define)

    def _instruction(self, position: int, statement: tree.Statement, syntax: tree.Instruction) -> Iterator[Exposure]:
        try:
            found = sensitivity(syntax, self.scope)
        except OperandError:
            # Not an instruction that there is: still, its mnemonic may be one that matters.
            if self.subject.concerns(statement.conditions):
                start = statement.origin + syntax.mnemonic_start
                yield from self._words(self.document.text[start : statement.end], start, True)
            return
        if found is not None and self.subject.concerns(statement.conditions):
            run, sources = self._run(position)
            uses = tuple(self.patterns.uses(run, sources, self.scope))
            yield Exposure(found, statement.start, statement.end, uses)

    def _run(self, position: int) -> tuple[list[tree.Instruction], list[str]]:
        """The instruction at a position and those that follow it in line, and the texts that their offsets count in."""
        run: list[tree.Instruction] = []
        sources: list[str] = []
        for statement in self.document.statements[position : position + 8]:
            if isinstance(statement.syntax, tree.Instruction):
                run.append(statement.syntax)
                sources.append(self.document.text[statement.origin : statement.end])
            elif not isinstance(statement.syntax, tree.Stop):
                break
        return run, sources

    def _macro_call(self, statement: tree.Statement, call: tree.MacroCall) -> Iterator[Exposure]:
        """Instructions that are arguments: `DO_SAVE_MIN(cover, mov r30=cr.ifs,,)`, `EX(.Lfault, ld8 r1=[r2],8)`.

        Commas split arguments and operands alike: the longest run of arguments that is code, is.
        """
        text = self.document.text
        origin = statement.origin
        arguments = call.arguments
        position = 0
        while position < len(arguments):
            after = position + 1
            if any(is_mnemonic(word) for word in _WORD.findall(arguments[position].text)):
                start = origin + arguments[position].start
                for last in range(min(len(arguments), position + _MAX_OPERANDS), position, -1):
                    code = self._code(text[start : origin + arguments[last - 1].end], start)
                    if code is not None:
                        yield from code
                        after = last
                        break
            position = after
        if call.tail:
            start = text.index(call.tail, origin + call.call_end)
            yield from self._code(call.tail, start) or ()

    def _code(self, text: str, start: int) -> list[Exposure] | None:
        """The exposed instructions in a piece of code that stands at `start`; None if it is no code.

        It is if all that could be an instruction in it is one.
        """
        found: list[Exposure] = []
        is_code = False
        for statement in read_document(self.parser, text, preprocessed=True).statements:
            syntax = statement.syntax
            if isinstance(syntax, tree.Unparsed):
                return None
            if not isinstance(syntax, tree.Instruction):
                continue
            try:
                resolve(syntax, self.scope)
                minds = sensitivity(syntax, self.scope)
            except OperandError:
                return None
            is_code = True
            if minds is not None:
                uses = tuple(self.patterns.uses([syntax], [text[statement.origin :]], self.scope))
                found.append(Exposure(minds, start + statement.start, start + statement.end, uses))
        return found if is_code else None

    def _words(self, text: str, start: int, at_head: bool) -> Iterator[Exposure]:
        """Words that are mnemonics of a class, in text that is no statement or no instruction that there is.

        With `at_head`, the first word alone: so in the body of a `#define`, which may be C or anything. `mov` is so
        common that what it moves decides.
        """
        clean = _blanked(text)
        words = list(_WORD.finditer(clean))
        for word in words[:1] if at_head else words:
            name = word[0].lower()
            if not is_mnemonic(name):
                continue
            found = mnemonic_sensitivity(name) or self._move(name, clean[word.end() :])
            if found is not None:
                yield Exposure(found, start + word.start(), start + word.end(), (), certain=False)

    def _move(self, name: str, rest: str) -> Sensitivity | None:
        """How a `mov` that is no instruction minds the level.

        As one would that moves a register that stands beside it.
        """
        if name.partition(".")[0] != "mov":
            return None
        left, _, right = re.split(r"[\n;]", rest, maxsplit=1)[0].partition("=")
        for side, form in ((left, "mov {}=r2"), (right, "mov r2={}")):
            for word in _WORD.findall(side):
                operand = f"{word}[r3]" if word in INDEXED else word
                if operand == word and word not in REGISTERS:
                    continue
                (syntax,) = self.parser.chunk(form.format(operand))
                if isinstance(syntax, tree.Instruction):
                    try:
                        found = sensitivity(syntax, self.scope)
                    except OperandError:
                        continue
                    if found is not None:
                        return found
        return None


_MAX_OPERANDS = 8  # no instruction has more, so no more arguments make one
_WORD = re.compile(r"(?<![\w.$#@\\])[A-Za-z_][\w.$]*")
_COMMENT_OR_STRING = re.compile(r"/\*(?s:.*?)(?:\*/|\Z)|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"?")


def _blanked(text: str) -> str:
    """The text with blanks in the place of comments and strings."""
    return _COMMENT_OR_STRING.sub(lambda found: " " * len(found[0]), text)


def is_whole_instruction(syntax: tree.Instruction) -> bool:
    """Whether an instruction is one that there is, whatever names in it may stand for."""
    try:
        resolve(syntax, Scope(lenient=True))
    except OperandError:
        return False
    return True


def advice(exposure: Exposure) -> str:
    """What to write instead, after a message."""
    if not exposure.uses:
        return "; the catalog has no op for it" if exposure.certain else " (in text that is no statement)"
    use = exposure.uses[0]
    said = f": use {use.call}"
    if use.choices:
        said += f", where {', '.join(use.choices)}"
    if use.is_part:
        said += f" (it stands for `{use.op.replaces}')"
    if use.predicate_lost:
        said += "; it takes no predicate, so branch around it"
    return said
