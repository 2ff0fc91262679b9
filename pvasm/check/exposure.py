r"""What is exposed in a document: the instructions that a hypervisor cares about, wherever they stand.

They stand as statements, in the bodies of `#define` and `.macro`, as arguments of macros, and in text that is no
statement; and some are made only by what an invocation gives a macro: `.macro get r` / `mov r8 = ar.\r` / `get itc`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from pvasm.ia64 import is_mnemonic
from pvasm.ia64.reading import assembly_parser, scope_of
from pvasm.ia64.registers import INDEXED, REGISTERS
from pvasm.ia64.resolve import resolve
from pvasm.ia64.scope import OperandError
from pvasm.ia64.sensitivity import Sensitivity, mnemonic_sensitivity, sensitivity
from pvasm.ia64.table import MARKED_STEMS
from pvasm.paravirt.patterns import Use
from pvasm.syntax import lines, tree
from pvasm.syntax.document import Define, read_document
from pvasm.syntax.macros import (
    Macro,
    bind,
    bind_define,
    body_ends,
    iterations,
    parameters_replaced,
    read_macro,
    substitute,
)

if TYPE_CHECKING:
    from pvasm.check.subject import Subject

_MAX_OPERANDS = 8  # no instruction has more, so no more arguments make one
_MAX_DEPTH = 12  # of macros in macros
_MAX_SUBSTITUTIONS = 20_000  # pieces of macros' bodies, for all invocations of a document


class Exposure(Struct, frozen=True):
    """One such instruction: its class, its span in the document's text, and the ops that stand for it, the best first.

    `text` is the instruction: that of the span, or what an invocation there makes. `part_of` names an op that stands
    for it together with the instruction before, `extension` one that would stand for it if the extension were asked
    for. `certain` is false for a word in text that is no statement, `is_made` true for what a macro makes.
    """

    sensitivity: Sensitivity
    start: int
    end: int
    text: str
    uses: tuple[Use, ...]
    certain: bool = True
    part_of: str | None = None
    is_made: bool = False
    extension: str = ""

    @property
    def has_op(self) -> bool:
        """Whether an op stands for it."""
        return bool(self.uses) or self.part_of is not None


def find_exposures(subject: Subject) -> list[Exposure]:
    """The exposed instructions of a document that are compiled for an instance in question, in order."""
    return list(_Search(subject).exposures())


def described(exposure: Exposure, noun: str) -> str:
    """A message: what there is, and what to write instead."""
    made = f": this makes `{' '.join(exposure.text.split())}'" if exposure.is_made else ""
    return f"{noun} used directly{made}{_advice(exposure)}"


def _advice(exposure: Exposure) -> str:
    if exposure.part_of is not None:
        return f"; {exposure.part_of} in place of the instruction before stands for this one too"
    if not exposure.certain:
        return " (in text that is no statement)"
    if not exposure.uses:
        traps = ", and it traps" if exposure.sensitivity == "privileged" else ""
        if exposure.extension:
            return f"; Linux has no op for it{traps} (the extension has {exposure.extension}: --extension)"
        return f"; the catalog has no op for it{traps}"
    use = exposure.uses[0]
    said = f": use {use.call}" if use.is_complete else f": the nearest op is {use.call}"
    if use.choices:
        said += f", where {', '.join(use.choices)}"
    if use.length > 1:
        said += f" (it stands for `{use.op.replaces}')"
    if use.predicate_lost:
        said += "; it takes no predicate, so branch around it"
    return said


class _Code(Struct, frozen=True):
    """A piece of code to look at: where its statements' offsets count in, and where what is found in it is reported.

    Code that stands in the document is reported where it stands, `base` being the offset of its text there; code that a
    macro makes, at the `span` of the invocation.
    """

    text: str
    base: int = 0
    span: tuple[int, int] | None = None
    depth: int = 0

    def place(self, start: int, end: int) -> tuple[int, int]:
        """The span in the document that stands for one in this text."""
        return self.span or (self.base + start, self.base + end)

    def part(self, start: int, end: int) -> _Code:
        """A part of it, one level down. A line's end among a macro's arguments is a blank."""
        text = self.text[start:end].replace("\n", " ")
        return _Code(text, self.base + start, self.span, self.depth + 1)


class _Search:
    """Walks over the statements of a document, with what names mean at each."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.document = subject.document
        self.ops = subject.catalog.ops
        self.patterns = subject.patterns
        self.parser = assembly_parser()
        self.macros: dict[str, Macro] = {}
        self.defines: dict[str, list[Define]] = {}
        distinct = {(define.name, define.parameters, define.body): define for define in self.document.defines}
        for define in distinct.values():
            self.defines.setdefault(define.name, []).append(define)
        self.scope = scope_of([self.document], self.patterns.operand_macros)
        self.substitutions_left = _MAX_SUBSTITUTIONS
        # Whether a piece of a macro's body exposes without arguments; _UNTOLD where they tell whether there is an op.
        self.exposed_as_is: dict[str, bool | str] = {}
        self.covered_until = 0  # the statements before this one are part of `covering`
        self.covering: str | None = None

    @cached_property
    def body_ends(self) -> dict[int, int]:
        """Where the bodies of the assembler's macros and loops end."""
        return body_ends(self.document.statements)

    def exposures(self) -> Iterator[Exposure]:
        whole = _Code(self.document.text)
        for position, statement in enumerate(self.document.statements):
            syntax = statement.syntax
            if statement.macro in self.ops:
                continue  # an instance's definition of the op: what it consists of is the instance's business
            if isinstance(syntax, tree.Instruction):
                yield from self._instruction(position, statement, syntax)
            elif isinstance(syntax, tree.Directive):
                yield from self._directive(position, statement, syntax)
            elif isinstance(syntax, tree.MacroCall | tree.Unparsed | tree.Assignment):
                if not self.subject.concerns_guests(statement.conditions):
                    continue
                if isinstance(syntax, tree.MacroCall):
                    if not self._may_be_c(statement):
                        yield from self._call(syntax, whole, statement.origin, statement.end)
                elif isinstance(syntax, tree.Unparsed):
                    yield from self._words(self.document.source(statement), statement.start, statement.in_define)
                elif not statement.in_define:
                    self.scope.assign(syntax)

    def _may_be_c(self, statement: tree.Statement) -> bool:
        """Whether a statement of a header that may hold C is a declaration, say: `int cover;`."""
        return self.subject.holds_c and statement.macro is None

    # --------------------------------------------------------------------------------- instructions

    def _instruction(self, position: int, statement: tree.Statement, syntax: tree.Instruction) -> Iterator[Exposure]:
        try:
            found = sensitivity(syntax, self.scope)
        except OperandError:
            # Not an instruction that there is: still, its mnemonic may be one that matters.
            if self.subject.concerns_guests(statement.conditions) and not self._may_be_c(statement):
                start = statement.origin + syntax.mnemonic_start
                yield from self._words(self.document.text[start : statement.end], start, True)
            return
        if found is None or not self.subject.concerns_guests(statement.conditions):
            return
        if self._may_be_c(statement) and not (syntax.has_equals or syntax.inputs):
            return
        text = self.document.source(statement)
        if position < self.covered_until:
            yield Exposure(found, statement.start, statement.end, text, (), part_of=self.covering)
            return
        run, sources, positions = self._run(position)
        uses = tuple(self.patterns.uses(run, sources, self.scope))
        if uses and uses[0].is_complete and uses[0].length > 1:
            self.covered_until, self.covering = positions[uses[0].covers - 1] + 1, uses[0].op.name
        extension = "" if uses else self.patterns.in_extension(syntax, sources[0], self.scope)
        yield Exposure(found, statement.start, statement.end, text, uses, extension=extension)

    def _run(self, position: int) -> tuple[list[tree.Instruction], list[str], list[int]]:
        """The instruction at a position and those that follow it in line.

        With the texts that their offsets count in, and their positions.
        """
        run: list[tree.Instruction] = []
        sources: list[str] = []
        positions: list[int] = []
        for at, statement in enumerate(self.document.statements[position : position + 8], start=position):
            if isinstance(statement.syntax, tree.Instruction):
                run.append(statement.syntax)
                sources.append(self.document.text[statement.origin : statement.end])
                positions.append(at)
            elif not isinstance(statement.syntax, tree.Stop):
                break
        return run, sources, positions

    def _single(self, syntax: tree.Instruction, code: _Code, origin: int) -> Exposure | None:
        """The exposure of an instruction in a piece of code. Raises OperandError if it is none that there is."""
        found = sensitivity(syntax, self.scope)
        if found is None:
            return None
        text = code.text[origin : origin + syntax.end]
        uses = tuple(self.patterns.uses([syntax], [text], self.scope))
        place = code.place(origin + syntax.start, origin + syntax.end)
        extension = "" if uses else self.patterns.in_extension(syntax, text, self.scope)
        made = code.span is not None
        return Exposure(found, *place, text[syntax.start :], uses, is_made=made, extension=extension)

    # --------------------------------------------------------------------------------------- macros

    def _directive(self, position: int, statement: tree.Statement, directive: tree.Directive) -> Iterator[Exposure]:
        statements = self.document.statements
        if directive.name == ".macro":
            macro = read_macro(directive, position, self.body_ends[position])
            if macro is not None:
                self.macros[macro.name] = macro
        elif directive.name in (".irp", ".irpc"):
            if self.subject.concerns_guests(statement.conditions):
                pieces = self._pieces(statements[position + 1 : self.body_ends[position]])
                for bound in iterations(directive):
                    yield from self._made(pieces, bound, (statement.start, statement.end), 0)
        elif not statement.in_define and self.subject.concerns_guests(statement.conditions):
            self.scope.directive(directive)

    def _call(self, call: tree.MacroCall, code: _Code, origin: int, end: int) -> Iterator[Exposure]:
        """What an invocation exposes: in its arguments as they stand, and in what it makes of them.

        Where the macro is known, arguments that do not come out of it as code are none.
        """
        name = call.name
        written = code.text[origin + call.name_start : end]
        if not self._may_expose(name, written):
            return
        if is_mnemonic(name) and name not in self.ops and ("." in name or self.document.preprocessed):
            # In capitals, and no op: GNU as takes it for the instruction.
            lowered = _Code(name.lower() + written[len(name) :], 0, code.place(origin + call.start, end), code.depth)
            yield from self._statements(lowered) or ()
            return
        in_arguments = list(self._arguments(call, code, origin)) if call.arguments else []
        if call.tail and code.depth < _MAX_DEPTH:
            start = code.text.index(call.tail, origin + call.call_end)
            in_tail = list(self._statements(code.part(start, start + len(call.tail))) or ())
        else:
            in_tail = []
        made, is_known = self._expanded(call, written, code.place(origin + call.start, end), code.depth)
        by_text = {" ".join(exposure.text.split()): exposure for exposure in made}
        for exposure in in_arguments:
            text = " ".join(exposure.text.split())
            if text in by_text or not is_known:
                by_text.pop(text, None)
                yield exposure
        yield from by_text.values()
        yield from in_tail

    def _may_expose(self, name: str, written: str) -> bool:
        """Whether an invocation, or what it invokes, can have to do with what is looked for: a quick look."""
        if _TELLING.search(written) or name in self.macros:
            return True
        telling = self.telling_names
        if not telling:
            return False
        return name in telling or any(word in telling for word in _WORD.findall(written))

    @cached_property
    def telling_names(self) -> frozenset[str]:
        """The names whose definitions in the file have to do with what is looked for, themselves or by other names."""
        bodies = {name: " ".join(define.body for define in defines) for name, defines in self.defines.items()}
        for statement in self.document.statements:
            if isinstance(statement.syntax, tree.Assignment):
                bodies[statement.syntax.name] = self.document.source(statement)
        telling = {name for name, body in bodies.items() if _TELLING.search(body)}
        words = {name: frozenset(_WORD.findall(body)) for name, body in bodies.items()}
        waiting = list(telling)
        users: dict[str, list[str]] = {}
        for name, used in words.items():
            for word in used:
                users.setdefault(word, []).append(name)
        while waiting:
            for user in users.get(waiting.pop(), ()):
                if user not in telling:
                    telling.add(user)
                    waiting.append(user)
        return frozenset(telling)

    def _expanded(
        self, call: tree.MacroCall, written: str, span: tuple[int, int], depth: int
    ) -> tuple[list[Exposure], bool]:
        """What the macro's body exposes with the arguments of a call, and not without.

        And whether it is known what becomes of the arguments: then what does not come out as code, is none.
        """
        found: list[Exposure] = []
        if depth >= _MAX_DEPTH:
            return found, False
        macro = self.macros.get(call.name)
        if macro is not None:
            pieces = self._pieces(self.document.statements[macro.first : macro.end])
            bound = bind(macro, written[len(call.name) :])
            is_known = all(self._parses(substitute(piece, bound)) for piece in pieces)
            return list(self._made(pieces, bound, span, depth)), is_known
        is_known = False
        for define in self.defines.get(call.name, ()):
            if (define.parameters is None) is call.parenthesised:
                continue
            bodies = [
                define.body[piece.start : piece.end]
                for piece in lines.split(define.body, 0, len(define.body), in_define=True)
                if piece.kind == lines.CHUNK
            ]
            if define.parameters is None:
                # `#define MOVE mov` / `MOVE r8 = ar.itc`
                rest = written[len(call.name) :].strip()
                if rest and bodies:
                    found += self._statements(_Code(f"{bodies[-1]} {rest}", 0, span, depth + 1)) or ()
                continue
            bound = bind_define(define.parameters, [argument.text for argument in call.arguments])
            replaced = [parameters_replaced(body, bound) for body in bodies]
            is_known = all(map(self._parses, replaced))
            for before, after in zip(bodies, replaced, strict=True):
                found += self._replaced(before, after, span, depth)
        return found, is_known

    def _parses(self, text: str) -> bool:
        return not any(isinstance(syntax, tree.Unparsed) for syntax in self.parser.chunk(text.strip()))

    def _pieces(self, body: Iterable[tree.Statement]) -> list[str]:
        """The statements of a .macro's body in which its arguments may matter."""
        return [source for source in map(self.document.source, body) if "\\" in source]

    def _made(
        self, pieces: Sequence[str], bound: Mapping[str, str], span: tuple[int, int], depth: int
    ) -> Iterator[Exposure]:
        for piece in pieces:
            yield from self._replaced(piece, substitute(piece, bound), span, depth)

    def _replaced(self, piece: str, replaced: str, span: tuple[int, int], depth: int) -> list[Exposure]:
        """What a piece of a macro's body exposes with its arguments in place; none if it does so without."""
        self.substitutions_left -= 1
        if replaced == piece or self.substitutions_left < 0:
            return []
        exposed = self.exposed_as_is.get(piece)
        if exposed is None:
            found = self._statements(_Code(piece, 0, span, depth + 1)) or []
            exposed = self.exposed_as_is[piece] = _UNTOLD if any(not each.has_op for each in found) else bool(found)
        if exposed is True:
            return []
        made = self._statements(_Code(replaced, 0, span, depth + 1)) or []
        return [exposure for exposure in made if exposure.has_op] if exposed is _UNTOLD else made

    # ------------------------------------------------------------------------------ code in arguments

    def _arguments(self, call: tree.MacroCall, code: _Code, origin: int) -> Iterator[Exposure]:
        """Instructions that are arguments: `DO_SAVE_MIN(cover, mov r30=cr.ifs,,)`, `EX(.Lfault, ld8 r1=[r2],8)`.

        Commas split arguments and operands alike: the longest run of arguments that is code, is.
        """
        if code.depth >= _MAX_DEPTH:
            return
        arguments = call.arguments
        position = 0
        while position < len(arguments):
            after = position + 1
            first = arguments[position]
            if "(" in first.text or any(is_mnemonic(word) for word in _WORD.findall(first.text)):
                for last in range(min(len(arguments), position + _MAX_OPERANDS), position, -1):
                    part = code.part(origin + first.start, origin + arguments[last - 1].end)
                    found = self._statements(part)
                    if found is not None:
                        yield from found
                        after = last
                        break
            position = after

    def _statements(self, code: _Code) -> list[Exposure] | None:
        """The exposed instructions in a piece of code; None if it is no code.

        It is if all that could be an instruction in it is one, and there is one at all.
        """
        found: list[Exposure] = []
        is_code = False
        for statement in read_document(self.parser, code.text, preprocessed=True).statements:
            syntax = statement.syntax
            if isinstance(syntax, tree.Unparsed):
                return None
            if isinstance(syntax, tree.Assignment):
                self.scope.assign(syntax)
            elif isinstance(syntax, tree.MacroCall) and code.depth < _MAX_DEPTH:
                inner = list(self._call(syntax, code, statement.origin, statement.end))
                found += inner
                is_code = is_code or bool(inner)
            elif isinstance(syntax, tree.Instruction):
                try:
                    resolve(syntax, self.scope)
                    exposure = self._single(syntax, code, statement.origin)
                except OperandError:
                    return None
                is_code = True
                if exposure is not None:
                    found.append(exposure)
        return found if is_code else None

    # ---------------------------------------------------------------------------------------- words

    def _words(self, text: str, start: int, at_head: bool) -> Iterator[Exposure]:
        """Words that are mnemonics of a class, in text that is no statement or no instruction that there is.

        With `at_head`, the first word alone: so in the body of a `#define`, which may be C or anything. `mov` is so
        common that what it moves decides.
        """
        clean = _blanked(text)
        for count, word in enumerate(_WORD.finditer(clean)):
            if at_head and count:
                break
            name = word[0].lower()
            if not is_mnemonic(name):
                continue
            found = mnemonic_sensitivity(name)
            uses = self.patterns.of_mnemonic(name)
            if name.partition(".")[0] == "mov":
                moved = self._move(clean[word.end() : word.end() + _MAX_STATEMENT])
                found, uses = (moved.sensitivity, moved.uses) if moved is not None else (None, ())
            if found is not None:
                yield Exposure(found, start + word.start(), start + word.end(), text, uses, certain=False)

    def _move(self, rest: str) -> Exposure | None:
        """What a `mov` is that is no instruction: what one is that moves a register which stands beside it."""
        left, equals, right = re.split(r"[\n;]", rest, maxsplit=1)[0].partition("=")
        forms = [(right, "mov r2={}"), (left, "mov {}=r2")] if equals else [(left, "mov r2={}")]
        for side, form in forms:
            for word in _WORD.findall(side):
                operand = f"{word}[r3]" if word in INDEXED else word
                if operand == word and word not in REGISTERS:
                    continue
                code = _Code(form.format(operand))
                (syntax,) = self.parser.chunk(code.text)
                if isinstance(syntax, tree.Instruction):
                    try:
                        found = self._single(syntax, code, 0)
                    except OperandError:
                        continue
                    if found is not None:
                        return replace(found, certain=False)
        return None


# Words without which there is nothing to find: mnemonics of marked rows but `mov`, and the registers that mark a `mov`.
_MNEMONICS = "|".join(sorted(MARKED_STEMS - {"mov"}))
_TELLING = re.compile(
    rf"(?<![\w.])(?:(?:{_MNEMONICS}|{'|'.join(sorted(INDEXED))})(?!\w)|cr[.\d]|ar[.\d]|psr)|\\|\#\#", re.IGNORECASE
)
_UNTOLD = "untold"  # as `mov r8 = cr.\\which`, which is privileged whatever it reads
_MAX_STATEMENT = 200  # how far, in characters, the operands of a `mov` that is no instruction are looked for
_WORD = re.compile(r"(?<![\w.$#@\\])[A-Za-z_][\w.$]*")
_COMMENT_OR_STRING = re.compile(r"/\*(?s:.*?)(?:\*/|\Z)|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"?")


def _blanked(text: str) -> str:
    """The text with blanks in the place of comments and strings."""
    return _COMMENT_OR_STRING.sub(lambda found: " " * len(found[0]), text)
