"""What an op becomes where it is invoked, as data: the statements that the expander prints and the checker looks at."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import Struct, field

from pvasm.asm.reading import assembly_parser
from pvasm.errors import PvasmError
from pvasm.regex import regex
from pvasm.syntax import tree
from pvasm.syntax.document import Document, read_document

if TYPE_CHECKING:
    from pvasm.asm.scope import Scope
    from pvasm.isa.instruction import Instruction

# Directives that make the assembler read other lines than those that follow, or the same lines again.
_STEERING = regex(
    r"\.(?:if\w*|else\w*|end[ifcmr]\w*|macro|rept?|ire?pc?|exitm|mexit|purgem|include|end|(?:no)?altmacro)"
)
_STRING = regex(r'(?<!\\)"(?:\\[^\n]|[^"\\\n])*"')
_WORD = regex(r"(?<![\w.$\\])[A-Za-z_][\w.$]*")
_SPREADS = regex(r"[{}()]")  # what may make one statement of several lines, or give the next another meaning
_MOST_KEPT: Final = 20_000


class Context(Struct, frozen=True):
    """What words mean where an op is invoked.

    `registers` tells which registers, or kernel registers, some names stand for, `constants` what constants of the
    catalog stand for in place of the catalog's own values.
    """

    registers: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)


PLAIN: Final = Context()
"""Where no name stands for a register, and constants are the catalog's."""


class Statement(NamedTuple):
    """One statement of an expansion: its line in the template (from 1), its source, and what it is."""

    line: int
    text: str
    syntax: tree.Syntax

    @property
    def takes_slot(self) -> bool:
        """Whether the statement takes a slot of a bundle: an instruction, or what may become one."""
        return isinstance(self.syntax, tree.Instruction | tree.MacroCall | tree.Unparsed)

    def resolved(self, scope: Scope) -> Instruction | None:
        """The instruction that the statement is, as names mean in `scope`; None for any other statement.

        Raises OperandError for what is no instruction that there is.
        """
        if not isinstance(self.syntax, tree.Instruction):
            return None
        from pvasm.asm.resolve import resolve

        return resolve(self.syntax, scope)


class Line(Struct, frozen=True):
    """A statement with the instruction that it is, resolved; None for one that is none."""

    number: int
    text: str
    syntax: tree.Syntax
    resolved: Instruction | None


class Expansion(Struct, frozen=True, dict=True):
    """What an op becomes.

    `lines` are printed one below the other; a stop stands at the end of one, or alone. `numbers` are the lines of the
    template that they come from (from 1). `work` is what it took to render them, in lines and steps of loops.
    """

    lines: tuple[str, ...]
    numbers: tuple[int, ...]
    work: int = 0

    @cached_property
    def statements(self) -> tuple[Statement, ...]:
        """The statements, in order."""
        return tuple(
            Statement(self.numbers[first + line], text, syntax)
            for piece, first in self._pieces
            for line, text, syntax in piece.statements
        )

    @cached_property
    def _pieces(self) -> list[tuple[_Piece, int]]:
        """The lines as they are read, each with its index; all at once where one may run on into the next."""
        if any(map(_SPREADS.search, self.lines)):
            return [(_piece("\n".join(self.lines)), 0)]
        return [(_piece(line), index) for index, line in enumerate(self.lines)]

    def instructions(self) -> list[Line]:
        """The statements with their instructions, where no name stands for anything.

        Raises OperandError for what is no instruction that there is; its `start` is the line of the template.
        """
        from pvasm.asm.scope import OperandError

        found = []
        for piece, first in self._pieces:
            for (line, text, syntax), resolved in zip(piece.statements, piece.resolved, strict=True):
                number = self.numbers[first + line]
                if isinstance(resolved, PvasmError):
                    raise OperandError(f"`{text[:60]}': {resolved.message}", number, number)
                found.append(Line(number, text, syntax, resolved))
        return found

    def between_stops(self, before: bool, after: bool) -> Expansion:
        """The expansion without the stop at its start or end, where the code around has one there already."""
        lines, numbers = list(self.lines), list(self.numbers)
        if before and len(lines) > 1 and lines[0] == ";;":
            del lines[0], numbers[0]
        if after and len(lines) > 1 and lines[-1] == ";;":
            del lines[-1], numbers[-1]
        elif after and lines and lines[-1].endswith(";;") and lines[-1] != ";;":
            lines[-1] = lines[-1].removesuffix(";;").rstrip()
        return Expansion(tuple(lines), tuple(numbers)) if tuple(lines) != self.lines else self

    def flaw(self, ops: Collection[str]) -> str | None:
        """Why this cannot be an expansion, or None: it is no statement, steers the assembler, or is an op of `ops`."""
        for line in self.lines:
            if line.endswith("\\"):
                return f"`{line[-40:]}' ends with a backslash"
            named = next((word for word in _words(line) if word in ops), None)
            if named is not None:
                return f"`{line[:40]}' names the op {named}, which would be left as it is"
        for piece, _ in self._pieces:
            if piece.flaw is not None:
                return piece.flaw
        return None


def expansion_of(lines: Collection[str]) -> Expansion:
    """Some lines, numbered from 1, as an expansion."""
    return Expansion(tuple(lines), tuple(range(1, len(lines) + 1)))


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


class _Piece(Struct, frozen=True, dict=True):
    """Some text, read: its statements with the numbers of their lines in it (from 0), and what is wrong with it."""

    statements: tuple[Statement, ...]
    flaw: str | None

    @cached_property
    def resolved(self) -> tuple[Instruction | PvasmError | None, ...]:
        """The instructions that the statements are, where no name stands for anything; or why one is none."""
        from pvasm.asm.scope import Scope

        return tuple(_resolved(statement, Scope()) for statement in self.statements)


def _resolved(statement: Statement, scope: Scope) -> Instruction | PvasmError | None:
    try:
        return statement.resolved(scope)
    except PvasmError as error:
        return error


_PIECES: dict[str, _Piece] = {}


def _piece(text: str) -> _Piece:
    """What a text says; read once, however many expansions it stands in."""
    known = _PIECES.get(text)
    if known is None:
        document = read_document(assembly_parser(), text, preprocessed=True)
        statements = tuple(
            Statement(text.count("\n", 0, each.start), document.source(each), each.syntax)
            for each in document.statements
        )
        if len(_PIECES) > _MOST_KEPT:
            _PIECES.clear()
        known = _PIECES[text] = _Piece(statements, _flaw(document, statements))
    return known


def _flaw(document: Document, statements: Sequence[Statement]) -> str | None:
    """Why a text cannot stand in an expansion, or None."""
    if document.problems:
        problem = document.problems[0]
        return f"`{document.line_text(problem.offset)[0][:40]}': {problem.message}"
    depth = 0
    for _, text, syntax in statements:
        reason = _refused(syntax)
        if reason:
            return f"`{text[:40]}': {reason}"
        depth += isinstance(syntax, tree.BundleOpen) - isinstance(syntax, tree.BundleClose)
        if not 0 <= depth <= 1:
            break
    return "the braces do not match" if depth else None


@lru_cache(maxsize=_MOST_KEPT)
def _words(line: str) -> tuple[str, ...]:
    """The names in a line, but for those in strings."""
    return tuple(_WORD.findall(_STRING.sub("", line)))
