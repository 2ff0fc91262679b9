r"""What is exposed in a document: the instructions that a hypervisor cares about, wherever they stand.

They stand as statements, in the bodies of `#define` and `.macro`, as arguments of macros, and in text that is no
statement; and some are made only by what an invocation gives a macro: `.macro get r` / `mov r8 = ar.\r` / `get itc`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from pvasm.asm.elaborate import Repeater, Step
from pvasm.asm.reading import assembly_parser, statements_of
from pvasm.asm.rereading import NEAR, Made, Shift
from pvasm.asm.resolve import resolve
from pvasm.asm.scope import OperandError, Scope
from pvasm.asm.sensitivity import Sensitivity, mnemonic_sensitivity, sensitivity
from pvasm.isa.mnemonics import is_mnemonic
from pvasm.isa.registers import INDEXED, REGISTERS
from pvasm.isa.table import MARKED_STEMS
from pvasm.paravirt.patterns import Use
from pvasm.regex import regex
from pvasm.syntax import tree
from pvasm.syntax.traced import NOWHERE, Traced, origin_of, text_number

if TYPE_CHECKING:
    from pvasm.check.code_levels import CodeLevels
    from pvasm.check.subject import Subject

_MAX_OPERANDS = 8  # no instruction has more, so no more arguments make one
_MAX_DEPTH = 12  # of macros in macros


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


# By sensitivity, and by whether there is an op: which rule reports it.
_CODES: Final[dict[tuple[Sensitivity, bool], str]] = {
    ("sensitive", False): "PV001",
    ("sensitive", True): "PV001",
    ("privileged", True): "PV002",
    ("privileged", False): "PV003",
    ("level-dependent", False): "PV004",
    ("level-dependent", True): "PV004",
}
CODES: Final = tuple(sorted(set(_CODES.values())))
"""The codes of the rules that report what is exposed."""


def code_of(exposure: Exposure) -> str:
    """The code of the rule that reports an exposed instruction, in sources and objects alike."""
    return _CODES[exposure.sensitivity, exposure.has_op]


def described(exposure: Exposure, intrinsics: Mapping[str, str] | None = None) -> str:
    """A message: what there is, and what to write instead; in C, with the intrinsics by the ops that they stand for."""
    if exposure.sensitivity == "level-dependent":
        return "what this does depends on the privilege level: see that it is right above level 0, too"
    noun = f"{exposure.sensitivity} instruction"
    if intrinsics is not None and exposure.certain:
        return f"{noun} used directly{_advice_in_c(exposure, intrinsics)}"
    made = f": this makes `{' '.join(exposure.text.split())}'" if exposure.is_made else ""
    return f"{noun} used directly{made}{_advice(exposure)}"


def _advice_in_c(exposure: Exposure, intrinsics: Mapping[str, str]) -> str:
    names = [use.op.name for use in exposure.uses] + ([exposure.extension] if exposure.extension else [])
    found = next((intrinsics[name] for name in names if name in intrinsics), None)
    if found is not None:
        return f": use {found}"
    traps = ", so it traps in a guest" if exposure.sensitivity == "privileged" else ""
    return f"; no intrinsic replaces it{traps}" + (f" (in assembly: {names[0]})" if names else "")


def _advice(exposure: Exposure) -> str:
    if exposure.part_of is not None:
        return f"; {exposure.part_of} in place of the instruction before replaces this one too"
    if not exposure.certain:
        return " (in text that is no statement)"
    if not exposure.uses:
        traps = ", so it traps in a guest" if exposure.sensitivity == "privileged" else ""
        if exposure.extension:
            return f"; Linux has no op for it{traps}: {exposure.extension} of the extension would do (--extension)"
        return f"; no op replaces it{traps}"
    use = exposure.uses[0]
    said = f": use {use.call}" if use.is_complete else f": the nearest op is {use.call}"
    if use.choices:
        said += f", where {', '.join(use.choices)}"
    if use.length > 1:
        said += f" (it replaces `{use.op.replaces}')"
    if use.predicate_lost:
        said += "; it takes no predicate, so branch around it"
    return said


class ExposureSearch(Repeater):
    """Looks on while a document is read, and takes note of what is exposed, with what names mean there.

    What stands in the document is reported where it stands: as a statement, in a macro's body, as an argument. What is
    put together of a body and arguments is reported at the invocation, unless the body exposes as much by itself.
    """

    def __init__(self, subject: Subject, levels: CodeLevels) -> None:
        self.subject = subject
        self.document = subject.document
        self.ops = subject.catalog.ops
        self.patterns = subject.patterns
        self.parser = assembly_parser()
        self.levels = levels
        self.scope = Scope(lenient=True)
        self.found: dict[tuple[int, int, str], Exposure] = {}
        self.by_statement: dict[int, list[Exposure]] = {}  # what stands in each statement of the document
        self.gaps: dict[tuple[str, int], None] = {}  # what is not followed, and the statements
        self.reread: dict[int, bool] = {}  # statements that are none as written: whether macros make statements of each
        self.asked: set[int] = set()  # the statements whose arguments have been looked at
        self.kept: list[tuple[int, Exposure]] = []  # what was found, one after the other, with the statement
        self.covered: list[tuple[int, str]] = []  # the statements before each are part of an op, of this name

    def exposures(self) -> list[Exposure]:
        """What has been found, in order."""
        return sorted(self.found.values(), key=lambda exposure: (exposure.start, exposure.end))

    def begin(self, scope: Scope) -> None:
        """Reading begins."""
        self.scope = scope

    def basis(self) -> object:
        """What is exposed in a statement depends on this, beside those before it."""
        return self.subject.holds_c

    def made(self) -> Made:
        """How much there is to tell so far."""
        return len(self.kept), len(self.covered), len(self.gaps), len(self.reread)

    def can_be_repeated(self, made: Made) -> bool:
        """Whether a statement is what it looks like, and is followed."""
        return not (made[2] or made[3])

    def repeat(self, earlier: ExposureSearch, before: Made, after: Made, shift: Shift | None) -> None:
        """Takes over what was found."""
        for statement, exposure in earlier.kept[before[0] : after[0]]:
            if shift is None:
                self._keep(statement, [exposure])
            else:
                start, end = shift.offset(exposure.start), shift.offset(exposure.end)
                self._keep(shift.statement(statement), [replace(exposure, start=start, end=end)])
        for until, name in earlier.covered[before[1] : after[1]]:
            self.covered.append((until if shift is None else shift.statement(until), name))

    def step(self, step: Step, scope: Scope) -> None:
        """Looks at a statement."""
        syntax = step.syntax
        if step.made and self.document.statements[step.statement].syntax.__class__ is tree.Unparsed:
            is_statement = syntax.__class__ is not tree.Unparsed
            self.reread[step.statement] = is_statement and self.reread.get(step.statement, True)
        if syntax.__class__ not in _TELLING or (
            syntax.__class__ is tree.Instruction
            and not step.made
            and syntax.mnemonic.partition(".")[0] not in MARKED_STEMS
        ):
            return
        if step.macro in self.ops or not self.subject.concerns_guests(step.conditions):
            return  # in an instance's definition of an op, what it consists of is the instance's business
        if self.levels.at(step.statement) != "kernel":
            return  # no hypervisor minds it there
        self.scope = scope
        statement = self.document.statements[step.statement]
        if self._may_be_c(statement) and not isinstance(syntax, tree.Instruction):
            return
        match syntax:
            case tree.Instruction() if step.made:
                self._made(step, syntax, statement)
            case tree.Instruction():
                self._keep(step.statement, self._instruction(step.statement, statement, syntax))
            case tree.MacroCall():
                self._call(step, syntax)
            case tree.Unparsed() if step.made:
                self._arguments_of(step.statement)
            case tree.Unparsed():
                self._keep(step.statement, self._words(step.text, statement.start, statement.in_define))

    def gap(self, reason: str, statement: int, conditions: tuple[tree.Condition, ...]) -> None:
        """Takes note of what is not followed, and looks at the arguments of an invocation that is not."""
        if self.subject.concerns(conditions):
            if reason:
                self.gaps[reason, statement] = None
            self._arguments_of(statement)

    def _keep(self, statement: int, exposures: Iterable[Exposure]) -> None:
        """Takes note of what is exposed in a statement of the document."""
        for exposure in exposures:
            self.kept.append((statement, exposure))
            self.found.setdefault((exposure.start, exposure.end, exposure.text), exposure)
            self.by_statement.setdefault(statement, []).append(exposure)

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
        until, covering = self.covered[-1] if self.covered else (0, "")
        if position < until:
            yield Exposure(found, statement.start, statement.end, text, (), part_of=covering)
            return
        run, sources, positions = self._run(position)
        uses = tuple(self.patterns.uses(run, sources, self.scope))
        if uses and uses[0].is_complete and uses[0].length > 1:
            self.covered.append((positions[uses[0].covers - 1] + 1, uses[0].op.name))
        extension = "" if uses else self.patterns.in_extension(syntax, sources[0], self.scope)
        yield Exposure(found, statement.start, statement.end, text, uses, extension=extension)

    def _run(self, position: int) -> tuple[list[tree.Instruction], list[str], list[int]]:
        """The instruction at a position and those that follow it in line.

        With the texts that their offsets count in, and their positions.
        """
        run: list[tree.Instruction] = []
        sources: list[str] = []
        positions: list[int] = []
        for at, statement in enumerate(self.document.statements[position : position + NEAR], start=position):
            if isinstance(statement.syntax, tree.Instruction):
                run.append(statement.syntax)
                sources.append(self.document.text[statement.origin : statement.end])
                positions.append(at)
            elif not isinstance(statement.syntax, tree.Stop):
                break
        return run, sources, positions

    def _single(self, syntax: tree.Instruction, text: str, place: tuple[int, int], *, made: bool) -> Exposure | None:
        """The exposure of an instruction, in a text, that is reported at a place.

        Raises OperandError if it is none that there is.
        """
        found = sensitivity(syntax, self.scope)
        if found is None:
            return None
        uses = tuple(self.patterns.uses([syntax], [text[: syntax.end]], self.scope))
        extension = "" if uses else self.patterns.in_extension(syntax, text[: syntax.end], self.scope)
        written = text[syntax.start : syntax.end]
        return Exposure(found, *place, written, uses, is_made=made, extension=extension)

    # --------------------------------------------------------------------------------------- macros

    def _made(self, step: Step, syntax: tree.Instruction, statement: tree.Statement) -> None:
        """Looks at an instruction that macros make, or that names in its operands stand for."""
        written = statement.syntax
        if (
            isinstance(written, tree.Instruction)
            and written.mnemonic == syntax.mnemonic  # else a macro is called as an instruction is
            and step.statement not in self.by_statement
        ):
            as_written = list(self._instruction(step.statement, statement, written))
            if as_written and (any(each.has_op for each in as_written) or not self._has_op(step, syntax)):
                self._keep(step.statement, as_written)
                return  # whatever the names in it stand for
        try:
            found = sensitivity(syntax, self.scope)
        except OperandError:
            self._arguments_of(step.statement)
            return
        if found is None:
            return
        source = step.source
        origin = source.origin(syntax.mnemonic_start)
        home = step.statement if origin == NOWHERE or text_number(origin) else self._statement_at(origin)
        span = source.span(syntax.start, syntax.end)
        stands = span is not None and text_number(span[0]) == 0
        place = span if span is not None and stands else (statement.start, statement.end)
        exposure = self._single(syntax, source.text, place, made=not stands)
        if exposure is None:
            return
        if origin != NOWHERE and text_number(origin):
            if span is not None or self._exposed_in_header(origin):
                return  # it is reported in the header
        elif home != step.statement:
            before = self.by_statement.get(home, ())
            if before and (not exposure.has_op or any(each.has_op for each in before)):
                return
        self._keep(home if stands else -1, [exposure])

    def _has_op(self, step: Step, syntax: tree.Instruction) -> bool:
        """Whether an op stands for an instruction that is made."""
        try:
            exposure = self._single(syntax, step.source.text, (0, 0), made=True)
        except OperandError:
            return False
        return exposure is not None and exposure.has_op

    def _statement_at(self, offset: int) -> int:
        """The index of the statement of the document that an offset stands in."""
        return bisect_right(self.document.statements, offset, key=lambda statement: statement.start) - 1

    def _exposed_in_header(self, origin: int) -> bool:
        """Whether a statement of a header is exposed as it stands, whatever its macro is given."""
        header = self.subject.headers[text_number(origin) - 1]
        offset = origin - origin_of(text_number(origin), 0)
        at = bisect_right(header.statements, offset, key=lambda statement: statement.start) - 1
        syntax = header.statements[at].syntax if at >= 0 else None
        if not isinstance(syntax, tree.Instruction):
            return False
        try:
            return sensitivity(syntax, self.scope) is not None
        except OperandError:
            return False

    def _call(self, step: Step, call: tree.MacroCall) -> None:
        """Looks at an invocation of something that is not known: its arguments may be code."""
        name = call.name
        if is_mnemonic(name) and name not in self.ops and ("." in name or self.document.preprocessed):
            # In capitals, and no op: GNU as takes it for the instruction.
            at = call.name_start
            text = step.source.text
            lowered = Traced(text[:at] + name.lower() + text[at + len(name) :], step.source.starts, step.source.origins)
            self._code(lowered.part(call.start, len(text)), step.statement)
            return
        if call.arguments:
            self._arguments(call, step.source, step.statement)
        if call.tail:
            self._code(step.source.part(call.call_end, len(step.source.text)), step.statement)

    def _arguments_of(self, statement: int) -> None:
        """Looks at the arguments of an invocation of which it is not known what becomes of them."""
        where = self.document.statements[statement]
        if isinstance(where.syntax, tree.MacroCall) and statement not in self.asked:
            source = Traced.whole(self.document.text[where.origin : where.end], where.origin)
            self._arguments(where.syntax, source, statement)

    # ------------------------------------------------------------------------------ code in arguments

    def _arguments(self, call: tree.MacroCall, source: Traced, statement: int, depth: int = 0) -> bool:
        """Looks at instructions that are arguments: `DO_SAVE_MIN(cover, mov r30=cr.ifs,,)`.

        Commas split arguments and operands alike: the longest run of arguments that is code, is. Returns whether
        something was found.
        """
        self.asked.add(statement)
        if depth >= _MAX_DEPTH:
            return False
        arguments = call.arguments
        position = 0
        is_found = False
        while position < len(arguments):
            after = position + 1
            first = arguments[position]
            if "(" in first.text or any(is_mnemonic(word) for word in _WORD.findall(first.text)):
                for last in range(min(len(arguments), position + _MAX_OPERANDS), position, -1):
                    part = source.part(first.start, arguments[last - 1].end)
                    part = replace(part, text=part.text.replace("\n", " "))
                    if (found := self._code(part, statement, depth + 1)) is not None:
                        is_found = is_found or found
                        after = last
                        break
            position = after
        return is_found

    def _code(self, source: Traced, statement: int, depth: int = 0) -> bool | None:
        """Looks at a piece of code: whether something is exposed in it; None if it is no code.

        It is if all that could be an instruction in it is one, and there is one at all.
        """
        is_code = False
        found: list[Exposure] = []
        where = self.document.statements[statement]
        for each in statements_of(source.text):
            syntax = each.syntax
            if isinstance(syntax, tree.Unparsed):
                return None
            if isinstance(syntax, tree.MacroCall):
                is_code = self._arguments(syntax, source.part(each.origin, each.end), statement, depth) or is_code
            elif isinstance(syntax, tree.Instruction):
                span = source.span(each.start, each.end)
                stands = span is not None and text_number(span[0]) == 0
                place = span if span is not None and stands else (where.start, where.end)
                try:
                    resolve(syntax, self.scope)
                    exposure = self._single(syntax, source.text[each.origin :], place, made=not stands)
                except OperandError:
                    return None
                is_code = True
                if exposure is not None:
                    found.append(exposure)
        self._keep(statement, found)
        return bool(found) if is_code else None

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
        left, equals, right = _LINE_OR_STATEMENT_END.split(rest, maxsplit=1)[0].partition("=")
        forms = [(right, "mov r2={}"), (left, "mov {}=r2")] if equals else [(left, "mov r2={}")]
        for side, form in forms:
            for word in _WORD.findall(side):
                operand = f"{word}[r3]" if word in INDEXED else word
                if operand == word and word not in REGISTERS:
                    continue
                text = form.format(operand)
                (syntax,) = self.parser.chunk(text)
                if isinstance(syntax, tree.Instruction):
                    try:
                        found = self._single(syntax, text, (0, 0), made=False)
                    except OperandError:
                        continue
                    if found is not None:
                        return replace(found, certain=False)
        return None


_TELLING = frozenset({tree.Instruction, tree.MacroCall, tree.Unparsed})
_MAX_STATEMENT = 200  # how far, in characters, the operands of a `mov` that is no instruction are looked for
_LINE_OR_STATEMENT_END = regex(r"[\n;]")
_WORD = regex(r"(?<![\w.$#@\\])[A-Za-z_][\w.$]*")
_COMMENT_OR_STRING = regex(r"/\*(?s:.*?)(?:\*/|\Z)|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"?")


def _blanked(text: str) -> str:
    """The text with blanks in the place of comments and strings."""
    return _COMMENT_OR_STRING.sub(lambda found: " " * len(found[0]), text)
