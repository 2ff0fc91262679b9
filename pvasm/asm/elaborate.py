r"""The code that a document is once its macros are expanded: statements in their order, each with its conditions.

Raw source is read as the C preprocessor and the assembler would read it, one statement after the other: the names that
`#define` defines are expanded in it, then `.macro`, `.irp` and their like. A name is asked for at the place of its use,
and under the conditions there; where several definitions may hold, the statement is read in each way, as if the arms of
an `#if` stood there. This is the one account of macros: who wants to know what an invocation makes, reads the steps.

The bodies of macros are read where they stand as well, with their parameters unknown: nobody may invoke them here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Container, Iterator, Mapping, Sequence, Set
from functools import lru_cache
from itertools import chain
from operator import sub
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from pvasm.asm.reading import statements_of
from pvasm.asm.rereading import FrameState, Made, ReadingLog, Rereading, Shift
from pvasm.asm.resolve import resolve
from pvasm.asm.scope import OperandError, Scope, matters_later
from pvasm.errors import PvasmError
from pvasm.isa.mnemonics import is_mnemonic
from pvasm.isa.operands import Unknown, Value, signed64
from pvasm.isa.registers import INDEXED, REGISTERS
from pvasm.regex import regex
from pvasm.syntax import tree
from pvasm.syntax.cpp import PREDEFINED, Known, arm_taken, plain
from pvasm.syntax.document import MAX_ARMS, MAX_NESTING, Define, Document, Place
from pvasm.syntax.macros import CLOSING, REPEATING, Macro, bind_traced, iterations, read_macro, substitute_traced
from pvasm.syntax.parser import parse_expression
from pvasm.syntax.path_conditions import Conditions, Meaning, Meanings, PathConditions
from pvasm.syntax.preprocess import CppMacro, Preprocessor, is_closed, value_of
from pvasm.syntax.tokens import SETTING, SPLIT_WORD, symbol_name, whole_words
from pvasm.syntax.traced import NOWHERE, Traced, origin_of

_DEEPEST: Final = 64  # invocations in what invocations of the assembler's macros make
_MOST_ALTERNATIVES: Final = 16  # readings of one statement
_LEAST_BUDGET: Final = 200_000  # characters that the macros of a document may make, and more for each that it has
_BUDGET_PER_CHARACTER: Final = 8
_MOST_TURNS: Final = 3  # of a `.rept`, whose body is the same each time

_WORD: Final = regex(r"[A-Za-z_$][\w$]*+")
_NAMES_SOMETHING: Final = regex(r"(?:[ \t]|/\*(?s:.*?)\*/|\\[ \t\r]*\n)*+[^\x00-#%-/:-@\[-^`{-\x7f]")
_SETS: Final = regex(r"=|\.set|\.eq")
_MARKS: Final = frozenset({tree.Stop, tree.Label, tree.BundleOpen, tree.BundleClose, tree.Template, tree.Tag})
_HERE: Final = Place("", 1, 1)
_LINES_OF_A_HEADER: Final = 1 << 32  # what tells conditionals apart in different texts
_FIRST_ARM: Final = 1 << 48  # ... and those of the assembler
_MOST_REMEMBERED: Final = 20_000
_MOST_COUNTED_TURNS: Final = 1_000  # of a `.rept` whose body counts

_COMPARISONS: Final[Mapping[str, Callable[[int], bool]]] = {
    ".if": lambda value: value != 0,
    ".ifne": lambda value: value != 0,
    ".ifeq": lambda value: value == 0,
    ".ifge": lambda value: value >= 0,
    ".ifgt": lambda value: value > 0,
    ".ifle": lambda value: value <= 0,
    ".iflt": lambda value: value < 0,
}
_TEXTUAL: Final[Mapping[str, bool]] = {".ifc": True, ".ifnc": False, ".ifeqs": True, ".ifnes": False}
_CONDITIONALS: Final = (*_COMPARISONS, *_TEXTUAL, ".ifdef", ".ifndef", ".ifnotdef", ".ifb", ".ifnb")
_BODY_ENDS: Final = frozenset(CLOSING.values())


class Step(Struct):
    """A statement of the code: its `syntax`, and the text that its offsets count in.

    `statement` is the index of the document's statement that it is, or that makes it: then `made` is true. `macro` is
    the macro in whose body it stands, read without an invocation. The conditions are those around the statement, and
    those under which names mean what makes it.
    """

    syntax: tree.Syntax
    source: Traced
    statement: int
    conditions: Conditions
    macro: str | None = None
    made: bool = False

    @property
    def text(self) -> str:
        """The statement as it is read."""
        return self.source.text[self.syntax.start : self.syntax.end]


class Fork(Struct, frozen=True):
    """Code parts into alternatives here (`if`), goes on with the next (`elif`, `else`), or comes together (`endif`).

    `condition` is that of the alternative, if it can be followed; `conditions` are those around the whole. `statement`
    is the number of the one that parts it, in a macro the invocation's.
    `is_written`: an `#if` stands there, and what is open may differ from arm to arm.
    """

    name: str
    condition: tree.Condition | None
    conditions: Conditions
    statement: int
    is_written: bool = False


class Visitor:
    """Who looks on while a document is read, in the order of its code. `scope` is what names mean at a step."""

    def step(self, step: Step, scope: Scope) -> None:
        """A statement of the code."""

    def fork(self, fork: Fork) -> None:
        """The code parts, goes on with another alternative, or comes together."""

    def boundary(self, macro: str | None, statement: int) -> None:
        """Before a statement, the body of a macro, read without an invocation, begins; with None, it has ended."""

    def unfinished(self, statement: int) -> None:
        """The code ends inside the conditional of the assembler's that this statement opens."""

    def gap(self, reason: str, statement: int, conditions: Conditions) -> None:
        """What a statement stands for, or what it does to those that follow, is not known; `reason` says why."""

    def readings(self, statement: int, readings: Sequence[tuple[Traced, Conditions]]) -> None:
        """The C preprocessor makes something else of a statement: each text, and under which conditions it is that.

        There is none where that is not followed.
        """

    def invoked(self, macro: str, body: int, given: Mapping[str, str], statement: int) -> None:
        """A macro is invoked, in a statement or in what that makes: what its parameters stand for.

        `body` is the origin of the body of a `#define`, NOWHERE for a `.macro`, whose name is in lower case.
        """


class Repeater(Visitor):
    """A visitor that can take over what another one like it has made of the same statement, of an earlier text."""

    def begin(self, scope: Scope) -> None:
        """Reading begins; `scope` goes along with it."""

    def basis(self) -> object:
        """All that what is made of a statement depends on, beside it and the statements before it; to be compared."""
        raise NotImplementedError

    def made(self) -> Made:
        """How much has been made so far."""
        raise NotImplementedError

    def can_be_repeated(self, made: Made) -> bool:
        """Whether what was made of a statement, so much, can be taken over."""
        return not any(made)

    def repeat(self, earlier: Any, before: Made, after: Made, shift: Shift | None) -> None:
        """Takes over what an earlier visitor of this kind has made of statements, between these.

        It stands elsewhere by `shift`, if that is one.
        """


class _Piece(Struct):
    """A statement to be read, in the document or in a body."""

    source: Traced
    statement: int
    conditions: Conditions
    syntax: tree.Syntax | None = None


class _Either(Struct):
    """A statement in a body, in each way to read it that begins a body in that."""

    pieces: Sequence[tuple[Conditions, _Piece]]


_Event = _Piece | Fork | _Either


class _GasMacro(Struct, frozen=True):
    """A `.macro`: its parameters, and its body; `number` tells it from every other."""

    head: Macro
    body: tuple[_Event, ...]
    number: int

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return self.number


class _Collected(Struct):
    """A body being read: what opens it, where, and what closes those in it that are open.

    `others` are what opens it in other arms of an `#if`; `plain` are the conditions under which nothing may open it, so
    that it is code as it stands.
    """

    head: tree.Directive
    source: Traced
    statement: int
    conditions: Conditions
    skipped: bool
    body: list[_Event]
    nested: list[str] = []
    others: tuple[_Collected, ...] = ()
    plain: Conditions | None = None


class _Conditional(Struct, frozen=True):
    """An `.if` that is open, in one `around` it: shared by all states in which it is open, whatever their number.

    `taken`: whether its arm is, None if that is not known; `done`: none after it can be. `condition` is that of an arm
    of which it is not known, `earlier` those of the `arms` before. `is_skipped` says that this arm or one around it is
    not taken, `is_unsure` that of one of them it is not known. `conditions` are those of all of them.
    """

    taken: bool | None
    done: bool
    number: int
    around: _Conditional | None
    depth: int
    earlier: tuple[str, ...]
    arms: int
    condition: tree.Condition | None
    is_skipped: bool
    is_unsure: bool
    conditions: Conditions


def _opened(
    around: _Conditional | None,
    taken: bool | None,
    done: bool,
    number: int,
    earlier: tuple[str, ...] = (),
    arms: int = 0,
    condition: tree.Condition | None = None,
) -> _Conditional:
    """An `.if`. Beyond some depth and number of arms, its condition is not told, as in that of an `#if`."""
    depth = _depth(around) + 1
    if depth > MAX_NESTING:
        condition = None
    outside = () if around is None else around.conditions
    return _Conditional(
        taken,
        done,
        number,
        around,
        depth,
        earlier,
        arms,
        condition,
        taken is False or (around is not None and around.is_skipped),
        taken is None or (around is not None and around.is_unsure),
        outside if condition is None else (*outside, condition),
    )


def _depth(conditional: _Conditional | None) -> int:
    return 0 if conditional is None else conditional.depth


def _parted(
    innermost: Sequence[_Conditional | None],
) -> tuple[_Conditional | None, list[list[_Conditional | None]]]:
    """What is open in all of several states, and from there on, from without to within, what is open in each."""
    levels: list[list[_Conditional | None]] = []
    at = list(innermost)
    while any(each is not at[0] for each in at[1:]):
        deepest = max(map(_depth, at))
        levels.append([each if _depth(each) == deepest else None for each in at])
        at = [each.around if each is not None and each.depth == deepest else each for each in at]
    return at[0], levels[::-1]


class _State(Struct):
    """What is open at a place: the assembler's conditional, and bodies in the body being read."""

    conditional: _Conditional | None
    nested: list[str]

    def is_like(self, other: _State) -> bool:
        """Whether the same is open in another."""
        return self.conditional is other.conditional and self.nested == other.nested


class _ArmStates(Struct):
    """An `#if` that is open: what was open before it, and after each of its arms so far."""

    before: _State
    after: list[_State]
    has_else: bool = False


class _ExitMacroError(Exception):
    """`.exitm`."""


class _AmbiguousError(Exception):
    """A name means several things here."""

    def __init__(self, name: str, meanings: Sequence[Meaning[CppMacro]]) -> None:
        super().__init__(name)
        self.name = name
        self.meanings = meanings


class _Macros:
    """The C preprocessor's macros as they are at a place, for the names that are expanded."""

    def __init__(
        self, meanings: Meanings[CppMacro], kept: Container[str], means_otherwise: Callable[[str], bool]
    ) -> None:
        self.meanings = meanings
        self.means_otherwise = means_otherwise
        self.kept = kept
        self.conditions: Conditions = ()
        self.chosen: Mapping[str, CppMacro | None] = {}

    def get(self, name: str, /) -> CppMacro | None:
        """The macro. Raises _AmbiguousError where it may be one of several.

        A name that is a number by each of its definitions stays: which number, is not known. One without a definition
        that holds for sure is taken for defined, unless it means something to the assembler, too.
        """
        if name not in self.meanings.table or name in self.kept:
            return None
        if name in self.chosen:
            return self.chosen[name]
        if name in self.meanings.too_many:
            raise PvasmError(f"{name} has too many definitions to follow")
        found = self.meanings.of(name, self.conditions)
        if len(found) > 1 and not self.means_otherwise(name):
            found = [each for each in found if each.value is not None]
        if len(found) == 1:
            return found[0].value
        if all(each.value is not None and _is_number(each.value) for each in found):
            return None
        raise _AmbiguousError(name, found)


@lru_cache(maxsize=4096)
def _operand(body: str) -> tree.Expression | None:
    """What a body is if it is an operand, whatever stands beside it: a name, a number, or one in parentheses."""
    if body.isalnum() or body.replace("_", "a").replace(".", "a").isalnum():
        return parse_expression(body)
    return parse_expression(body) if body[:1] == "(" and is_closed(body) else None


def _is_number(macro: CppMacro) -> bool:
    """Whether a macro stands for a number, whichever."""
    return macro.parameters is None and value_of(plain(macro.body)) is not None


def elaborate(
    document: Document,
    headers: Sequence[Document],
    scope: Scope,
    known: Known,
    kept: Container[str],
    visitors: Sequence[Visitor],
    *,
    every_turn: bool = False,
) -> None:
    """Reads a document's code, with the visitors looking on.

    Of `headers`, which the document includes, the macros count. `scope` is what names mean at the start, and goes on
    with the code. `kept` are names that no macro changes. Of a long `.rept` a few turns are read, unless
    `every_turn` is asked for.
    """
    known = {**known, **dict.fromkeys(PREDEFINED, True)}
    _Reader(document, headers, scope, known, kept, visitors, every_turn=every_turn).read()


def elaborate_again(
    document: Document,
    headers: Sequence[Document],
    scope: Scope,
    known: Known,
    kept: Set[str],
    visitors: Sequence[Repeater],
    earlier: ReadingLog | None,
) -> ReadingLog:
    """Reads a document's code as `elaborate` does; what an `earlier` reading has made of the same statements is kept.

    Returns this reading, for the next.
    """
    known = {**known, **dict.fromkeys(PREDEFINED, True)}
    reader = _Reader(document, headers, scope, known, kept, visitors, every_turn=False)
    basis = (
        (known, kept, reader.splits_words, document.preprocessed, document.path),
        [(header.path, header.text) for header in headers],
        *(visitor.basis() for visitor in visitors),
    )
    names = reader.given_names()
    rereading = None
    if earlier is not None and earlier.basis == basis:

        def is_reserved(name: str) -> bool:
            return name in REGISTERS or name in known or name in kept or is_mnemonic(name)

        rereading = Rereading(earlier, document, [header.text for header in headers], is_reserved)
        if any(rereading.may_count(name) for name, _ in names ^ earlier.names):
            rereading = None
    reader.reading = ReadingLog(document, basis, tuple(visitors), names)
    reader.repeaters = visitors
    for visitor in visitors:
        visitor.begin(scope)
    reader.read(rereading)
    reader.reading.change = None if rereading is None else rereading.change()
    return reader.reading


class _Reader:
    """Reads the code of one document."""

    def __init__(
        self,
        document: Document,
        headers: Sequence[Document],
        scope: Scope,
        known: Known,
        kept: Container[str],
        visitors: Sequence[Visitor],
        *,
        every_turn: bool,
    ) -> None:
        self.document = document
        documents = [*headers, document]
        # By the last part of their paths, with their numbers as texts.
        self.headers: dict[str, list[tuple[int, Document]]] = {}
        for number, header in enumerate(headers, 1):
            self.headers.setdefault(header.path.rpartition("/")[2], []).append((number, header))
        self.scope = scope
        self.visitors = visitors
        self.changing = _changing(documents)
        self.paths = PathConditions(known, self.changing)
        self.cpp: Meanings[CppMacro] = Meanings(self.paths)
        self.gas: Meanings[_GasMacro] = Meanings(self.paths)
        self.names: Meanings[Value] = Meanings(self.paths)  # those that several assignments may have made
        self.operands: dict[str, str] = {}  # the bodies of macros that stand for a register or a number, for sure
        self.macros = _Macros(self.cpp, kept, self._means_otherwise)
        self.lookers = [each.step for each in visitors if type(each).step is not Visitor.step]
        self.listeners = [each for each in visitors if type(each).invoked is not Visitor.invoked]
        self.preprocessor = Preprocessor(self.macros, invoked=self._define_invoked if self.listeners else None)
        self.statement = 0  # of the document, that is read
        self.budget = _LEAST_BUDGET + _BUDGET_PER_CHARACTER * sum(len(each.text) for each in documents)
        self.collected: _Collected | None = None
        self.suspended: list[_Collected] = []
        self.conditional: _Conditional | None = None  # the innermost that is open
        self.opened_at: dict[int, int] = {}  # by its depth, the statement of the last `.if`
        self.otherwise: list[tree.Directive] = []  # other readings of the `.if` that is read
        self.arm_states: list[_ArmStates] = []
        self.gas_conditions: Conditions = ()
        self.altmacro = False
        self.every_turn = every_turn
        self.silent = False  # a header is read, for its definitions alone
        self.depth = 0
        self.invocations = 0  # of macros of the assembler
        self.arms = _FIRST_ARM
        self.splits_words = not document.preprocessed and SPLIT_WORD.search(document.text) is not None
        self.is_in_place = False  # the body of a macro is read where it stands
        self.frame: tuple[tuple[int, int, int] | None, bool] = None, False  # before that, as in the scope
        self.frame_conditions: Conditions = ()  # those that the last alloc stood under
        self.is_exhausted = False
        self.is_ended = False
        self.words: dict[str, frozenset[str]] = {}
        self.included: set[int] = set()
        labels = [(each.syntax.name, each.macro) for each in document.statements if isinstance(each.syntax, tree.Label)]
        self.labels = frozenset(name for name, _ in labels)
        self.labels_outside = frozenset(name for name, macro in labels if macro is None)  # of the bodies of macros
        self.reading: ReadingLog | None = None  # what this reading is like, for the next
        self.repeaters: Sequence[Repeater] = ()
        self.is_plain = True  # nothing in the statement that is read matters to those that follow
        self.is_apart = False  # it is to be read all the same, whether it stood there before or not

    # ------------------------------------------------------------------------------------- documents

    def _include(self, name: str, conditions: Conditions, depth: int = 0) -> None:
        """Takes note of what a header defines, the first time that it is included."""
        word = name.strip('"<> \t')
        for number, header in self.headers.get(word.rpartition("/")[2], ()):
            if header.path == word or header.path.endswith(f"/{word}"):
                if number not in self.included and depth < _DEEPEST:
                    self.included.add(number)
                    before, self.silent = self.silent, True
                    self._read_definitions(header, number, conditions, depth)
                    self.silent, self.collected = before, None
                return

    def _read_definitions(self, header: Document, number: int, around: Conditions, depth: int) -> None:
        defines = iter(header.defines)
        moved: dict[Conditions, Conditions | None] = {(): around}
        arms: dict[tree.Condition, bool | None] = {}  # whether each is taken, as it was when it began
        for index, statement in enumerate(header.statements):
            arm = header.arms.get(index)
            if arm is not None:
                arms[arm] = arm_taken(arm, self)
            conditions = moved.get(statement.conditions, ())
            if statement.conditions not in moved:
                conditions = moved[statement.conditions] = _moved(statement.conditions, arms, number, around)
            syntax = statement.syntax
            if isinstance(syntax, tree.CppDirective):
                if syntax.name == "define" and _NAMES_SOMETHING.match(syntax.text):
                    define = next(defines, None)
                    if define is not None and conditions is not None:
                        self._define(header, number, define, conditions)
                elif conditions is not None:
                    if syntax.name == "undef":
                        self._undefine(syntax, conditions)
                    elif syntax.name.startswith("include"):
                        self._include(syntax.text, conditions, depth + 1)
            elif not statement.in_define and conditions is not None:
                source = Traced.whole(
                    header.text[statement.origin : statement.end], origin_of(number, statement.origin)
                )
                if self.collected is not None or isinstance(syntax, tree.Directive | tree.Assignment):
                    self._feed(_Piece(source, 0, conditions, syntax))

    def get(self, name: str, default: None = None, /) -> bool | None:
        """Whether a macro is defined at this place; None if that is not known."""
        known = self.paths.known.get(name)
        if known is None and name in self.cpp.table:
            found = self.cpp.of(name, ())
            known = None if len(found) != 1 else found[0].value is not None
        return known

    def read(self, rereading: Rereading | None = None) -> None:
        """Reads the document; what stands in it as it stood before need not be read again."""
        document = self.document
        defines = iter(document.defines)
        self.scope.frame_is_certain = True  # GNU as begins without one
        self.scope.labels = self.labels_outside
        macro: str | None = None
        index = 0
        while index < len(document.statements):
            if self.reading is not None:
                taken_over = self._take_over(self.reading, rereading, index)
                if taken_over:
                    index += taken_over
                    continue
            before = (self._made(), self._frame_state()) if self.reading is not None else ((), None)
            self.is_plain, self.is_apart = True, False
            statement = document.statements[index]
            syntax = statement.syntax
            if statement.macro != macro:
                macro = statement.macro
                self._boundary(macro, index)
            if isinstance(syntax, tree.CppDirective):
                self._cpp(index, statement, syntax, defines)
            elif not self.is_ended:
                if macro is not None:
                    self._in_body(index, statement, macro)
                if not statement.in_define:
                    self._statement(index, statement)
            if self.reading is not None:
                self._note(self.reading, *before)
                if rereading is not None:
                    rereading.note(index, is_plain=self.is_plain)
            index += 1
        if self.collected is not None:
            self._gap("this has no end", self.collected.statement, self.collected.conditions)
        elif self.conditional is not None and document.statements:
            for visitor in self.visitors:
                visitor.unfinished(self.opened_at.get(self.conditional.depth, len(document.statements) - 1))

    def _in_body(self, index: int, statement: tree.Statement, macro: str) -> None:
        """Reads a statement in the body of a macro where it stands."""
        syntax = statement.syntax
        source = Traced.whole(self.document.text[statement.origin : statement.end], statement.origin)
        self._emit(Step(syntax, source, index, statement.conditions, macro))
        if isinstance(syntax, tree.Directive) and syntax.name not in SETTING:
            self.is_plain = self.is_plain and not matters_later(syntax)
            self.scope.directive(syntax)
            if syntax.name == ".regstk":
                self._lose_frame()

    def _take_over(self, reading: ReadingLog, rereading: Rereading | None, index: int) -> int:
        """Has the visitors take over what was made of statements before, if they are the same; how many there are.

        Zero, if this one is to be read.
        """
        run = None if rereading is None else rereading.run(index, self._frame_state())
        if run is None or rereading is None:
            return 0
        if self.budget + run.after[-1] < run.before[-1]:  # a shorter text may make less: in here it is too much
            rereading.is_in_step = False
            return 0
        at = 0
        for visitor, old in zip(self.repeaters, rereading.earlier.visitors, strict=True):
            end = at + len(visitor.made())
            visitor.repeat(old, run.before[at:end], run.after[at:end], run.shift)
            at = end
        self.budget += run.after[at] - run.before[at]
        reading.take_over(rereading.earlier, run)
        return run.end - run.start

    def _made(self) -> Made:
        """How much the visitors have made, one after the other, and the budget."""
        return *chain.from_iterable([visitor.made() for visitor in self.repeaters]), self.budget

    def given_names(self) -> set[tuple[str, str]]:
        """The names that the document gives a meaning wherever they stand, and how; `1f` is a label anyway."""
        labels = {(name, "label") for name in self.labels if not name.isdecimal()}
        outside = {(name, "label outside of macros") for name in self.labels_outside if not name.isdecimal()}
        defined = {(define.name, "defined") for define in self.document.defines}
        return labels | outside | defined | {(name, "changing") for name in self.changing}

    def _frame_state(self) -> FrameState:
        """What is known of the frame, and was known before the body of a macro that is read in its place."""
        return self.scope.frame, self.scope.frame_is_certain, self.frame_conditions, self.frame

    def _note(self, reading: ReadingLog, before: Made, frame: FrameState | None) -> None:
        """Takes note of a statement that was read, of how much there was before, and what the frame was."""
        assert frame is not None
        reading.frames.append(frame)
        made = tuple(map(sub, self._made(), before))
        reading.made.append(made)
        reading.matters.append(not self.is_plain)
        at = 0
        is_apart = self.is_apart or not self.is_plain or frame != self._frame_state()
        for visitor in self.repeaters:
            end = at + len(visitor.made())
            is_apart = is_apart or not visitor.can_be_repeated(made[at:end])
            at = end
        reading.is_apart.append(is_apart)

    def _boundary(self, macro: str | None, index: int) -> None:
        """The body of a macro begins or ends; what it says of the frame says nothing of what stands around it."""
        scope = self.scope
        if self.is_in_place:
            scope.frame, scope.frame_is_certain = self.frame
        self.frame = scope.frame, scope.frame_is_certain
        self.is_apart = True
        self.is_in_place = macro is not None
        scope.frame_is_certain = scope.frame_is_certain and not self.is_in_place
        for visitor in self.visitors:
            visitor.boundary(macro, index)

    def _cpp(self, index: int, statement: tree.Statement, syntax: tree.CppDirective, defines: Iterator[Define]) -> None:
        document = self.document
        conditions = statement.conditions
        if index in document.arms or syntax.name == "endif":
            # What stands in its arms is known by its conditions.
            self.is_plain, self.is_apart = self.conditional is None and self.collected is None, True
            fork = Fork(syntax.name, document.arms.get(index), conditions, index, True)
            if self.collected is not None and self.is_in_place:  # in a body that is read where it stands
                for visitor in self.visitors:
                    visitor.fork(fork)
            self._written_fork(fork, index)
            return
        self.is_plain = False
        if syntax.name == "define":
            define = next(defines, None) if _NAMES_SOMETHING.match(syntax.text) else None
            if define is not None and self.paths.can_hold(conditions):
                self._define(document, 0, define, conditions)
        elif syntax.name == "undef":
            self._undefine(syntax, conditions)
        elif syntax.name.startswith("include") and self.paths.can_hold(conditions):
            self._include(syntax.text, conditions)
        self._emit(Step(syntax, Traced.whole(document.source(statement), statement.start), index, conditions))

    def _define(self, document: Document, number: int, define: Define, conditions: Conditions) -> None:
        name, body = define.name, document.text[define.body_start : define.body_end]
        body = whole_words(body)
        place = Place(document.path, 1, 1)
        origin = origin_of(number, define.body_start)
        self.cpp.define(name, CppMacro(name, define.parameters, body, place, origin=origin), conditions)
        self.operands.pop(name, None)
        is_plain = define.parameters is None and name not in self.macros.kept and name not in REGISTERS
        if is_plain and self.paths.implies((), conditions):
            value = _operand(define.body)
            # The name of an op is no operand, nor is the `cpuid` of `cpuid[r9]` by itself.
            if value is not None and define.body not in self.macros.kept and define.body not in INDEXED:
                self.operands[name] = define.body
                self.scope.define_operand(name, value)

    def _undefine(self, syntax: tree.CppDirective, conditions: Conditions) -> None:
        words = syntax.text.split(maxsplit=1)
        if words:
            self.cpp.undefine(words[0], conditions)
            self.operands.pop(words[0], None)

    def _statement(self, index: int, statement: tree.Statement) -> None:
        """Reads a statement of the document, outside of a `#define`."""
        syntax = statement.syntax
        conditions = statement.conditions
        kind = syntax.__class__
        text = self.document.text
        if self.splits_words and kind not in _MARKS:
            whole = _rejoined(Traced.whole(text[statement.start : statement.end], statement.start))
            if whole is not None:
                found = self._readings(whole, index, conditions) or [(whole, ())]
                self._alternatives(
                    [(extra, _Piece(source, index, (*conditions, *extra))) for source, extra in found], conditions
                )
                return
        if self.cpp.table and (kind not in _MARKS or kind is tree.Label):
            written = text[statement.start : statement.end]
            words = self._words(written)
            if not self.cpp.table.keys().isdisjoint(words) and not self._is_plain(syntax, words, written):
                self.statement = index
                readings = self._readings(Traced.whole(written, statement.start), index, conditions)
                if readings is not None:
                    for visitor in self.visitors:
                        visitor.readings(index, readings)
                if readings:
                    self._alternatives(
                        [(extra, _Piece(source, index, (*conditions, *extra))) for source, extra in readings],
                        conditions,
                    )
                    return
        source = Traced.whole(text[statement.origin : statement.end], statement.origin)
        if (
            (kind is tree.Instruction or kind in _MARKS)
            and self.collected is None
            and not (self.conditional or self.gas.table or self.names.table)
        ):
            self._emit(Step(syntax, source, index, conditions))
        else:
            self._one(_Piece(source, index, conditions, syntax), syntax)

    def _is_plain(self, syntax: tree.Syntax, words: frozenset[str], written: str) -> bool:
        """Whether the macros in a statement stand for operands alone: what they are, the scope tells.

        To the C preprocessor a dot parts words: `X` may be the `cr` of `X.ifa`, or the `d` of `itc.X`.
        """
        if not isinstance(syntax, tree.Instruction) or syntax.mnemonic.partition(".")[0] in self.cpp.table:
            return False
        return all(
            f"{word}." not in written and f".{word}" not in written and self._is_operand(word)
            for word in words
            if word in self.cpp.table
        )

    def _is_operand(self, word: str) -> bool:
        """Whether a macro stands for an operand, and all that it stands for does; a label is none."""
        for _ in range(_DEEPEST):
            body = self.operands.get(word)
            if body is None or word in self.labels or body in self.labels:
                return False
            others = [other for other in self._words(body) if other in self.cpp.table]
            if not others:
                return True
            if len(others) > 1 or "." in body:
                return False
            (word,) = others
        return False

    def _words(self, text: str) -> frozenset[str]:
        found = self.words.get(text)
        if found is None:
            if len(self.words) > _MOST_REMEMBERED:
                self.words.clear()
            found = self.words[text] = frozenset(_WORD.findall(text))
        return found

    def _alternatives(self, pieces: Sequence[tuple[Conditions, _Piece]], conditions: Conditions) -> None:
        """Reads one of several pieces, each under conditions of its own."""
        last = len(pieces) - 1
        outer = self.collected
        self.is_plain = self.is_plain and outer is None
        conditionals = self._as_conditionals(pieces) if last else []
        if last and outer is not None:
            opened = [name for _, piece in pieces for name in self._left_open(piece.source.text)]
            if opened or conditionals:
                outer.nested += opened[:1]
                outer.body.append(_Either(pieces))
                return
        if conditionals:
            self.is_plain = False
            first, *self.otherwise = conditionals
            piece = pieces[0][1]
            _HANDLERS[first.name](self, _Piece(piece.source, piece.statement, conditions), first)
            self.otherwise = []
            return
        bodies: list[_Collected] = []
        if last:
            self.arm_states.append(_ArmStates(self._state(), [], True))
        for number, (extra, piece) in enumerate(pieces):
            if last:
                name = "if" if number == 0 else "else" if number == last else "elif"
                condition = extra[0] if len(extra) == 1 and not extra[0].earlier else None
                self._fork(Fork(name, condition, conditions, piece.statement))
            self._feed(piece)
            if outer is None and self.collected is not None and last:
                bodies.append(self.collected)
                self.collected = None
            if last:
                self._end_arm()
        if last:
            self._end_arms(pieces[0][1].statement, conditions)
            self._fork(Fork("endif", None, conditions, pieces[0][1].statement))
        if bodies:  # each of them goes on with what follows
            self.collected = bodies[0]
            self.collected.others += tuple(bodies[1:])
            if len(bodies) <= last:
                self.collected.plain = conditions

    def _as_conditionals(self, pieces: Sequence[tuple[Conditions, _Piece]]) -> list[tree.Directive]:
        """The conditional of the assembler that each piece is; none if one of them is something else."""
        found: list[tree.Directive] = []
        for _, piece in pieces:
            statements = statements_of(piece.source.text)
            syntax = statements[0].syntax if len(statements) == 1 else None
            if not isinstance(syntax, tree.Directive) or syntax.name not in (*_CONDITIONALS, ".elseif"):
                return []
            found.append(syntax)
        return found

    def _left_open(self, text: str) -> list[str]:
        """What closes the bodies that a text begins and does not end."""
        opened: list[str] = []
        for statement in statements_of(text):
            name = statement.syntax.name if isinstance(statement.syntax, tree.Directive) else ""
            if name in CLOSING:
                opened.append(CLOSING[name])
            elif opened and name == opened[-1]:
                opened.pop()
        return opened

    # -------------------------------------------------------------------------- the C preprocessor's

    def _readings(
        self, written: Traced, statement: int, conditions: Conditions
    ) -> list[tuple[Traced, Conditions]] | None:
        """What the C preprocessor makes of a statement, by each meaning of the names in it; None if it is the same.

        Nothing, if that is not followed.
        """
        found: list[tuple[Traced, Conditions]] = []
        waiting: list[tuple[dict[str, CppMacro | None], Conditions]] = [({}, ())]
        while waiting:
            chosen, extra = waiting.pop()
            self.macros.chosen, self.macros.conditions = chosen, (*conditions, *extra)
            self.preprocessor.most_characters = max(self.budget, 0)
            try:
                made = self.preprocessor.expand_traced(written, _HERE)
            except _AmbiguousError as several:
                for meaning in several.meanings:
                    waiting.append(({**chosen, several.name: meaning.value}, (*extra, *meaning.conditions)))
                if len(waiting) + len(found) > _MOST_ALTERNATIVES:
                    self._gap(f"{several.name} and others have too many meanings to follow", statement, conditions)
                    return []
                continue
            except PvasmError as error:
                if "too much" in error.message:
                    self._exhausted(statement, conditions)
                else:
                    self._gap(error.message, statement, conditions)
                return []
            if made.text == written.text and not found and not waiting:
                return None
            if made.text != written.text:
                self.budget -= len(made.text)
            found.append((made, extra))
        found.reverse()
        # What cannot be assembled is no way to compile the file, as long as there is another.
        return [each for each in found if self._is_code(each[0].text)] or found if len(found) > 1 else found

    def _define_invoked(self, macro: CppMacro, given: Mapping[str, str]) -> None:
        for visitor in self.listeners:
            visitor.invoked(macro.name, macro.origin, given, self.statement)

    def _means_otherwise(self, name: str) -> bool:
        """Whether a name that no `#define` defines is something to the assembler."""
        return (
            name in REGISTERS
            or name in self.labels
            or is_mnemonic(name)
            or name in self.scope.names
            or name.lower() in self.gas.table
        )

    def _is_code(self, text: str) -> bool:
        for statement in statements_of(text):
            if isinstance(statement.syntax, tree.Unparsed):
                return False
            if isinstance(statement.syntax, tree.Instruction):
                try:
                    resolve(statement.syntax, self.scope)
                except OperandError:
                    return False
        return True

    def _exhausted(self, statement: int, conditions: Conditions) -> None:
        """Says once that the document's macros come to more than is followed."""
        reason = "" if self.is_exhausted else "macros make more code than is followed: from here on none is expanded"
        self.is_plain = False
        self.is_exhausted = True
        self.budget = 0
        self._gap(reason, statement, conditions)

    # ------------------------------------------------------------------------------------- statements

    def _feed(self, piece: _Piece) -> None:
        """Reads a piece of code as the assembler would."""
        if piece.syntax is not None:
            self._one(piece, piece.syntax)
            return
        source = piece.source
        for each in statements_of(source.text):
            part = source.part(each.origin, each.end)
            self._one(_Piece(part, piece.statement, piece.conditions, None), each.syntax)

    def _one(self, piece: _Piece, syntax: tree.Syntax) -> None:
        if self.collected is not None:
            self.is_plain = False
            self._collect(piece, syntax)
            return
        if isinstance(syntax, tree.Directive):
            handler = _HANDLERS.get(syntax.name)
            if handler is not None:
                self.is_plain = False
                handler(self, piece, syntax)
                return
        if self.conditional is not None and self.conditional.is_skipped:
            return
        if self.gas.table and self._invokes(piece, syntax):
            return
        if self.names.table and not self.names.table.keys().isdisjoint(self._words(piece.source.text)):
            self.is_plain = False
            self._by_names(piece, syntax)
        else:
            self._emit_piece(piece, syntax, ())

    def _emit_piece(self, piece: _Piece, syntax: tree.Syntax, extra: Conditions) -> None:
        conditions = piece.conditions
        if self.gas_conditions or extra:
            conditions = (*conditions, *self.gas_conditions, *extra)
        if not self.silent:
            self._emit(Step(syntax, piece.source, piece.statement, conditions, None, piece.syntax is None))
        if isinstance(syntax, tree.Assignment):
            self.is_plain = False
            self._assign(syntax.name, conditions, lambda: self.scope.assign(syntax))
        elif isinstance(syntax, tree.Directive):
            self.is_plain = self.is_plain and not matters_later(syntax)
            if syntax.name in SETTING and syntax.arguments:
                name = symbol_name(syntax.arguments[0])
                self._assign(name, conditions, lambda: self.scope.directive(syntax))
            else:
                self.scope.directive(syntax)
                if syntax.name == ".regstk":
                    self._set_frame(conditions)

    def _emit(self, step: Step) -> None:
        around = self.frame_conditions
        if around and step.conditions[: len(around)] != around:
            self._lose_frame()  # it was another where the alloc is not compiled
        for look in self.lookers:
            look(step, self.scope)
        syntax = step.syntax
        if syntax.__class__ in _MARKS:
            return
        if isinstance(syntax, tree.Instruction):
            if syntax.mnemonic == "alloc":
                with contextlib.suppress(OperandError):
                    self.scope.allocate(syntax)
                self._set_frame(step.conditions)
        elif self._may_allocate(syntax):
            self._lose_frame()

    def _may_allocate(self, syntax: tree.Syntax) -> bool:
        """Whether a statement that is not followed may be, or bring, an `alloc`."""
        if isinstance(syntax, tree.MacroCall):
            return syntax.name not in self.macros.kept
        return isinstance(syntax, tree.Unparsed) or (
            isinstance(syntax, tree.CppDirective) and syntax.name.startswith("include")
        )

    def _set_frame(self, conditions: Conditions) -> None:
        """The frame is the one that the scope has now, under these conditions."""
        self.scope.frame_is_certain = self.scope.frame is not None
        self.frame_conditions = conditions

    def _lose_frame(self) -> None:
        """Another alloc than the last may be what counts here."""
        self.scope.frame_is_certain = False
        self.frame_conditions = ()

    def _fork(self, fork: Fork) -> None:
        if self.collected is not None:
            self.collected.body.append(fork)
        elif not self.silent:
            for visitor in self.visitors:
                visitor.fork(fork)

    def _gap(self, reason: str, statement: int, conditions: Conditions) -> None:
        self._lose_frame()
        if not self.silent:
            for visitor in self.visitors:
                visitor.gap(reason, statement, conditions)

    # ------------------------------------------------------------------------------------------ names

    def _assign(self, name: str, conditions: Conditions, assign: Callable[[], None]) -> None:
        """Has a name stand for another value; under conditions, the one before may hold still."""
        scope = self.scope
        if not conditions:
            assign()
            self.names.undefine(name, ())
            return
        if name not in self.names.table and name in scope.names:
            self.names.define(name, scope.names[name], ())
        assign()
        value = scope.names.get(name)
        if value is not None:
            self.names.define(name, value, conditions)

    def _by_names(self, piece: _Piece, syntax: tree.Syntax) -> None:
        """Reads a statement by each meaning of the names in it."""
        conditions = (*piece.conditions, *self.gas_conditions)
        ways: list[tuple[Conditions, dict[str, Value | None]]] = [((), {})]
        for name in sorted(self._words(piece.source.text).intersection(self.names.table)):
            ways = [
                ((*extra, *meaning.conditions), {**values, name: meaning.value})
                for extra, values in ways
                for meaning in self.names.of(name, (*conditions, *extra))
                if self.paths.agree((*conditions, *extra), meaning.conditions)
            ]
            if len(ways) > _MOST_ALTERNATIVES or name in self.names.too_many:
                self._gap(f"{name} and others have too many meanings to follow", piece.statement, conditions)
                ways = [
                    ((), {name: Unknown() for name in self._words(piece.source.text).intersection(self.names.table)})
                ]
                break
        last = len(ways) - 1
        for number, (extra, values) in enumerate(ways):
            if last:
                kind = "if" if number == 0 else "else" if number == last else "elif"
                self._fork(Fork(kind, None, conditions, piece.statement))
            self.scope.macro_values.clear()
            for name, value in values.items():
                if value is None:
                    self.scope.names.pop(name, None)
                else:
                    self.scope.names[name] = value
            self._emit_piece(piece, syntax, extra)
        if last:
            self._fork(Fork("endif", None, conditions, piece.statement))

    # ---------------------------------------------------------------------- the assembler's macros

    def _invokes(self, piece: _Piece, syntax: tree.Syntax) -> bool:
        """Reads what an invocation of a `.macro` makes; False if the statement is none."""
        match syntax:
            case tree.MacroCall(name=written, name_start=start):
                pass
            case tree.Instruction(mnemonic=written, mnemonic_start=start):
                pass
            case tree.Directive(name=written, start=start):
                pass
            case tree.Label(name=label) if "(" in label and label.partition("(")[0].lower() in self.gas.table:
                self._gap(f"`{label}:' may be a label or an invocation", piece.statement, piece.conditions)
                return True
            case _:
                return False
        name = written.lower()
        if name not in self.gas.table or written in self.macros.kept:
            return False
        self.is_plain = False
        conditions = (*piece.conditions, *self.gas_conditions)
        if name in self.gas.too_many:
            self._gap(f"{written} has too many definitions to follow", piece.statement, conditions)
            return True
        meanings = self.gas.of(name, conditions)
        last = len(meanings) - 1
        if not last and meanings[0].value is None:
            return False
        source = piece.source
        prefix = source.part(syntax.start, start)
        given = source.part(start + len(written), len(source.text))
        for number, meaning in enumerate(meanings):
            if last:
                kind = "if" if number == 0 else "else" if number == last else "elif"
                condition = meaning.conditions[0] if len(meaning.conditions) == 1 else None
                self._fork(Fork(kind, condition, conditions, piece.statement))
            within = (*piece.conditions, *meaning.conditions)
            if meaning.value is None:
                self._emit_piece(piece, syntax, meaning.conditions)
            else:
                self._invoke(meaning.value, prefix, given, piece.statement, within)
        if last:
            self._fork(Fork("endif", None, conditions, piece.statement))
        return True

    def _invoke(self, macro: _GasMacro, prefix: Traced, given: Traced, statement: int, conditions: Conditions) -> None:
        altmacro = self.altmacro
        bound = bind_traced(macro.head, given, altmacro=altmacro, evaluate=self._value)
        if self.collected is None:
            for visitor in self.listeners:
                given_texts = {name: value.text for name, value in bound.items()}
                visitor.invoked(macro.head.name.lower(), NOWHERE, given_texts, statement)
            number = self.invocations
            self.invocations += 1
            self._expand(macro.body, bound, statement, conditions, number, prefix=prefix, altmacro=altmacro)

    def _expand(
        self,
        body: Sequence[_Event],
        bound: Mapping[str, Traced],
        statement: int,
        conditions: Conditions,
        number: int | None = None,
        *,
        prefix: Traced | None = None,
        altmacro: bool = False,
        is_loop: bool = False,
    ) -> None:
        r"""Reads a body with its parameters' values; a loop in a loop is where it stands.

        `number` is what `\@` stands for: how many macros were invoked before this one. Loops are not counted.
        """
        if self.depth >= _DEEPEST:
            self._gap("macros are nested too deeply to follow", statement, conditions)
            return
        self.depth += 1
        outer, arms = self.conditional, len(self.arm_states)
        count = self.invocations if number is None else number
        try:
            for event in body:
                if self.budget <= 0:
                    self._exhausted(statement, conditions)
                    break
                if isinstance(event, Fork):
                    others = tuple(each for each in event.conditions if each not in conditions)
                    fork = replace(event, conditions=(*conditions, *others))
                    if event.is_written:
                        self._written_fork(fork, statement)
                    else:
                        self._fork(fork)
                    continue
                if isinstance(event, _Either):
                    ways = [
                        (
                            extra,
                            _Piece(
                                substitute_traced(each.source, bound, count=count, altmacro=altmacro),
                                statement,
                                (*conditions, *extra),
                            ),
                        )
                        for extra, each in event.pieces
                    ]
                    self._alternatives(ways, conditions)
                    continue
                source = substitute_traced(event.source, bound, count=count, altmacro=altmacro)
                self.budget -= len(source.text) + 1
                syntax = event.syntax if source is event.source else None
                if prefix is not None and prefix.text.strip() and not isinstance(event.syntax, tree.Stop):
                    source = Traced.join([*prefix.pieces(0, len(prefix.text)), *source.pieces(0, len(source.text))])
                    syntax, prefix = None, None
                inner = tuple(each for each in event.conditions if each not in conditions)
                where = event.statement if is_loop and _opens_body(event.syntax) else statement
                made = _Piece(source, where, (*conditions, *inner) if inner else conditions, None)
                if syntax is not None:
                    self._one(made, syntax)
                else:
                    self._feed(made)
        except _ExitMacroError:
            pass
        finally:
            del self.arm_states[arms:]
            while self.conditional is not None and self.conditional.depth > _depth(outer):
                self._turn(self.conditional.around)
            self.depth -= 1

    def _open_body(self, piece: _Piece, directive: tree.Directive) -> None:
        conditions = (*piece.conditions, *self.gas_conditions)
        self.collected = _Collected(directive, piece.source, piece.statement, conditions, self._is_skipping, [])

    def _written_fork(self, fork: Fork, statement: int) -> None:
        """An arm of an `#if` begins, or the last ends."""
        self._leave_body(fork)
        self._leave_arm(fork, statement)
        self._fork(fork)

    def _leave_arm(self, fork: Fork, statement: int) -> None:
        """Has each arm of an `#if` begin with what was open before it."""
        if fork.name.startswith("if"):
            self.arm_states.append(_ArmStates(self._state(), []))
            return
        if not self.arm_states:
            return
        arms = self.arm_states[-1]
        arms.has_else = arms.has_else or fork.name == "else"
        self._end_arm()
        if fork.name == "endif":
            self._end_arms(statement, fork.conditions)

    def _end_arm(self) -> None:
        """Takes note of what an arm leaves open."""
        arms = self.arm_states[-1]
        arms.after.append(self._state())
        self._restore(arms.before)

    def _end_arms(self, statement: int, conditions: Conditions) -> None:
        """Has what some arm leaves open be so; where arms differ, it is not known whether the code is assembled."""
        arms = self.arm_states.pop()
        changed = [each for each in arms.after if not each.is_like(arms.before)]
        if not changed:
            return
        everyone = arms.after if arms.has_else else [*arms.after, arms.before]
        merged = max(changed, key=lambda each: _depth(each.conditional))
        place = next(number for number, each in enumerate(everyone) if each is merged)
        common, levels = _parted([each.conditional for each in everyone])
        for level in levels:
            conditional = level[place]
            if conditional is None:
                break
            same = [each for each in level if each is not None]
            taken, done = conditional.taken, conditional.done
            is_skipped_in_some = len(same) < len(level) and taken is False
            if is_skipped_in_some or any((each.taken, each.done) != (taken, done) for each in same):
                taken, done = None, False
                self._gap("", statement, conditions)
            common = _opened(
                common, taken, done, conditional.number, conditional.earlier, conditional.arms, conditional.condition
            )
        self._restore(_State(common, merged.nested))

    def _state(self) -> _State:
        return _State(self.conditional, [] if self.collected is None else list(self.collected.nested))

    def _restore(self, state: _State) -> None:
        self._turn(state.conditional)
        if self.collected is not None:
            self.collected.nested = list(state.nested)

    def _leave_body(self, fork: Fork) -> None:
        """Has each arm of an `#if` begin a body of its own, which goes on behind the `#endif`."""
        collected = self.collected
        around = len(fork.conditions) - (fork.name.startswith("el") and fork.condition is not None)
        is_opened = collected is not None and len(collected.conditions) > around
        if fork.name == "endif":
            if self.suspended and len(self.suspended[-1].conditions) > around:
                before = self.suspended.pop()
                if collected is None:
                    self.collected = before
                    before.plain = fork.conditions
                else:
                    collected.others += (before, *before.others)
            elif is_opened and collected is not None:
                collected.plain = fork.conditions
        elif fork.name.startswith("el") and collected is not None and len(collected.conditions) > around:
            if self.suspended and len(self.suspended[-1].conditions) > around:
                collected.others += (self.suspended.pop(),)
            self.suspended.append(collected)
            self.collected = None

    def _collect(self, piece: _Piece, syntax: tree.Syntax) -> None:
        """Adds a statement to the body being read, or ends it."""
        collected = self.collected
        assert collected is not None
        if isinstance(syntax, tree.Directive):
            if syntax.name in CLOSING:
                collected.nested.append(CLOSING[syntax.name])
            elif syntax.name in _BODY_ENDS:
                if collected.nested:
                    if collected.nested[-1] == syntax.name:
                        collected.nested.pop()
                elif syntax.name == CLOSING[collected.head.name]:
                    self.collected = None
                    if not collected.skipped:
                        self._close_body(collected)
                    return
        # Offsets in the syntax count from the statement's origin: where a label stands before it, that is earlier.
        whole = piece.source if syntax.start == 0 else piece.source.part(syntax.start, len(piece.source.text))
        collected.body.append(_Piece(whole, piece.statement, piece.conditions, syntax if syntax.start == 0 else None))

    def _close_body(self, collected: _Collected) -> None:
        everyone = (collected, *collected.others)
        if collected.head.name == ".macro":
            for each in everyone:
                macro = read_macro(each.head, 0, 0, altmacro=self.altmacro, evaluate=self._value)
                if macro is not None:
                    made = _GasMacro(macro, tuple(collected.body), len(self.gas.table))
                    self.gas.define(macro.name.lower(), made, each.conditions)
            if collected.plain is not None and not self.silent:
                self._expand(collected.body, {}, collected.statement, collected.plain, is_loop=not self.depth)
            return
        if self.silent:
            return
        last = len(everyone) - (collected.plain is None)
        for number, each in enumerate(everyone):
            if last:
                name = "if" if number == 0 else "else" if number == last else "elif"
                self._fork(Fork(name, None, (), collected.statement))
            each.body = collected.body
            self._run_loop(each)
        if collected.plain is not None:
            self._fork(Fork("else", None, (), collected.statement))
            self._expand(collected.body, {}, collected.statement, collected.plain, is_loop=not self.depth)
        if last:
            self._fork(Fork("endif", None, (), collected.statement))

    def _run_loop(self, collected: _Collected) -> None:
        head = collected.head
        if head.name in REPEATING:
            self._repeat(collected)
            return
        text = collected.source.part(head.start + len(head.name), len(collected.source.text))
        for name, value in iterations(head.name, text, altmacro=self.altmacro, evaluate=self._value):
            self._expand(
                collected.body,
                {name: value},
                collected.statement,
                collected.conditions,
                altmacro=self.altmacro,
                is_loop=not self.depth,
            )

    def _repeat(self, collected: _Collected) -> None:
        times = self._value(", ".join(collected.head.arguments))
        if times is None:
            self._gap("", collected.statement, collected.conditions)
            self._expand(collected.body, {}, collected.statement, collected.conditions, is_loop=not self.depth)
            self._gap("", collected.statement, collected.conditions)
            return
        counts = any(isinstance(each, _Piece) and _SETS.search(each.source.text) for each in collected.body)
        turns = times if self.every_turn else min(times, _MOST_COUNTED_TURNS if counts else _MOST_TURNS)
        invoked = 0  # in one turn: those of the turns left out count as well
        for _ in range(turns):
            if self.budget <= 0:
                if self.every_turn:
                    self._exhausted(collected.statement, collected.conditions)
                break
            self.budget -= 1  # an empty body takes time as well
            before = self.invocations
            self._expand(collected.body, {}, collected.statement, collected.conditions, is_loop=not self.depth)
            invoked = self.invocations - before
        self.invocations += invoked * (times - turns)

    def _value(self, text: str) -> int | None:
        """The number that an expression is; None if it is not known."""
        expression = parse_expression(text)
        if expression is None:
            return None
        if any(name in self.names.table for name in self._words(text)):
            return None
        try:
            value = self.scope.evaluate(expression)
        except OperandError:
            return None
        return signed64(value) if isinstance(value, int) else None

    # ------------------------------------------------------------------ the assembler's conditionals

    @property
    def _is_skipping(self) -> bool:
        return self.conditional is not None and self.conditional.is_skipped

    def _turn(self, conditional: _Conditional | None) -> None:
        """Lets this be the conditional that is open."""
        self.conditional = conditional
        self.gas_conditions = () if conditional is None else conditional.conditions

    def _if(self, piece: _Piece, directive: tree.Directive) -> None:
        self.opened_at[_depth(self.conditional) + 1] = piece.statement
        if self._is_skipping:
            self._turn(_opened(self.conditional, False, True, 0))
            return
        taken = self._holds(directive)
        self.arms += 1
        conditional = _opened(self.conditional, taken, taken is True, self.arms)
        if taken is None:
            self._arm(conditional, "if", piece)
        else:
            self._turn(conditional)

    def _arm(self, conditional: _Conditional, name: str, piece: _Piece) -> None:
        """Begins an arm of a conditional of which it is not known whether it is taken, under the `#if`s around."""
        earlier, number = conditional.earlier, conditional.arms
        outside = () if conditional.around is None else conditional.around.conditions
        condition = None
        if number < MAX_ARMS:
            told = f".if {conditional.number} arm {number}"
            condition = tree.Condition("1" if name == "else" else told, earlier, conditional.number)
            earlier = (*earlier, told)
        self._turn(
            _opened(
                conditional.around,
                conditional.taken,
                conditional.done,
                conditional.number,
                earlier,
                number + 1,
                condition,
            )
        )
        self._fork(Fork(name, condition, (*piece.conditions, *outside), piece.statement))

    def _else(self, piece: _Piece, directive: tree.Directive) -> None:
        last = self.conditional
        if last is None:
            return
        is_last = directive.name != ".elseif"
        if last.done:
            self._change(taken=False, done=True)
            return
        is_skipped = last.around is not None and last.around.is_skipped
        holds = True if is_last else (None if is_skipped else self._holds(directive))
        if last.earlier and holds is False:
            self._change(taken=False, done=False)
            return
        changed = self._change(taken=None if last.earlier else holds, done=holds is True)
        if not last.earlier and holds is None:
            self._arm(changed, "if", piece)
        elif last.earlier:
            self._arm(changed, "else" if holds else "elif", piece)

    def _change(self, *, taken: bool | None, done: bool) -> _Conditional:
        """Lets another arm of the conditional that is open begin."""
        last = self.conditional
        assert last is not None
        changed = _opened(last.around, taken, done, last.number, last.earlier, last.arms, last.condition)
        self._turn(changed)
        return changed

    def _endif(self, piece: _Piece, directive: tree.Directive) -> None:
        last = self.conditional
        if last is not None:
            self._turn(last.around)
            if last.earlier:
                self._fork(Fork("endif", None, (*piece.conditions, *self.gas_conditions), piece.statement))

    def _holds(self, directive: tree.Directive) -> bool | None:
        """Whether the condition of an `.if` holds, in all readings of it; None if that is not known."""
        found = {self._holds_as_read(each) for each in (directive, *self.otherwise)}
        return found.pop() if len(found) == 1 else None

    def _holds_as_read(self, directive: tree.Directive) -> bool | None:
        arguments = directive.arguments
        text = ", ".join(arguments)
        name = ".if" + directive.name.removeprefix(".elseif").removeprefix(".if")
        if name in _COMPARISONS:
            value = self._value(text)
            return None if value is None else _COMPARISONS[name](value)
        if name in (".ifdef", ".ifndef", ".ifnotdef"):
            symbol = symbol_name(text)
            is_defined = symbol in self.scope.names and symbol not in self.names.table
            return name == ".ifdef" if is_defined else None
        if "\\" in text:
            return None
        if name in (".ifb", ".ifnb"):
            return (not text.strip()) is (name == ".ifb")
        if name in _TEXTUAL and len(arguments) == 2:
            left, right = (each.strip().strip("'\"") for each in arguments)
            return (left == right) is _TEXTUAL[name]
        return None

    # ------------------------------------------------------------------------------ other directives

    def _purge(self, piece: _Piece, directive: tree.Directive) -> None:
        if not self._is_skipping:
            for name in directive.arguments:
                self.gas.undefine(name.strip().lower(), (*piece.conditions, *self.gas_conditions))

    def _set_altmacro(self, piece: _Piece, directive: tree.Directive) -> None:
        if not self._is_skipping:
            self.altmacro = directive.name == ".altmacro"

    def _exit_macro(self, piece: _Piece, directive: tree.Directive) -> None:
        if self._is_skipping or not self.depth:
            return
        if self.conditional is not None and self.conditional.is_unsure:
            self._gap("", piece.statement, piece.conditions)
            return
        raise _ExitMacroError

    def _include_text(self, piece: _Piece, directive: tree.Directive) -> None:
        if not self._is_skipping:
            name = ", ".join(directive.arguments)
            self._gap(f"what .include {name} brings is not read", piece.statement, piece.conditions)

    def _change_syntax(self, piece: _Piece, directive: tree.Directive) -> None:
        if not self._is_skipping and directive.arguments != ("0",):
            self._gap("what .mri changes is not known", piece.statement, piece.conditions)

    def _end(self, piece: _Piece, directive: tree.Directive) -> None:
        """GNU as reads nothing behind an `.end`."""
        if not (piece.conditions or self.gas_conditions or self._is_skipping or self.silent):
            self.is_ended = True


_HANDLERS: Final[Mapping[str, Callable[[_Reader, _Piece, tree.Directive], None]]] = {
    **dict.fromkeys(CLOSING, _Reader._open_body),
    **dict.fromkeys((*_CONDITIONALS,), _Reader._if),
    **dict.fromkeys((".else", ".elsec", ".elseif"), _Reader._else),
    **dict.fromkeys((".endif", ".endc"), _Reader._endif),
    ".purgem": _Reader._purge,
    ".altmacro": _Reader._set_altmacro,
    ".noaltmacro": _Reader._set_altmacro,
    **dict.fromkeys((".exitm", ".mexit"), _Reader._exit_macro),
    ".include": _Reader._include_text,
    ".mri": _Reader._change_syntax,
    ".end": _Reader._end,
}


def _rejoined(source: Traced) -> Traced | None:
    """A statement with its words whole that the ends of continued lines split; None if there are none."""
    pieces: list[tuple[str, int]] = []
    at = 0
    for found in SPLIT_WORD.finditer(source.text):
        pieces += source.pieces(at, found.start())
        at = found.end()
    return Traced.join([*pieces, *source.pieces(at, len(source.text))]) if at else None


def _opens_body(syntax: tree.Syntax | None) -> bool:
    return isinstance(syntax, tree.Directive) and syntax.name in CLOSING


def _changing(documents: Sequence[Document]) -> frozenset[str]:
    """The names that some documents define or undefine: conditions that ask of them need not agree."""
    undefined = (
        statement.syntax.text.split(maxsplit=1)[0]
        for document in documents
        if "undef" in document.text
        for statement in document.statements
        if isinstance(statement.syntax, tree.CppDirective)
        and statement.syntax.name == "undef"
        and statement.syntax.text
    )
    return frozenset([*(define.name for document in documents for define in document.defines), *undefined])


def _moved(
    conditions: Conditions, arms: Mapping[tree.Condition, bool | None], number: int, around: Conditions
) -> Conditions | None:
    """The conditions that are left of those in a header, whose text has a number; None if one does not hold."""
    found = list(around)
    for each in conditions:
        taken = arms.get(each)
        if taken is False:
            return None
        if taken is None:
            found.append(tree.Condition(each.expression, each.earlier, each.line + number * _LINES_OF_A_HEADER))
    return tuple(found)
