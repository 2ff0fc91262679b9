"""A document: a file's text and the statements in it. The text is the truth; nothing is normalised away."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

from msgspec import Struct, field
from msgspec.structs import replace

from pvasm.errors import PvasmError
from pvasm.regex import regex
from pvasm.syntax import lines, tree
from pvasm.syntax.cpp import plain
from pvasm.syntax.parser import Parser, parse_expression
from pvasm.syntax.tokens import LINES_JOINED, whole_words
from pvasm.text import line_and_column, line_starts

# Blanks as the C preprocessor has them, comments and line continuations among them. What is read is never read anew as
# something else: `/**//**/` is one comment as well as two.
_GAP = r"(?:[ \t]++|/\*(?s:.*?)\*/|\\[ \t\r]*+\n)*+"
_CPP_NAME = regex(rf"#{_GAP}(?P<name>[A-Za-z_]\w*+(?:{LINES_JOINED}\w++)*+|\d+(?=[ \t]+\"|[ \t]*$))?")
_CPP_DIRECTIVES = frozenset(
    [
        "define",
        "undef",
        "include",
        "include_next",
        "import",
        "if",
        "ifdef",
        "ifndef",
        "elif",
        "elifdef",
        "elifndef",
        "else",
        "endif",
        "line",
        "error",
        "warning",
        "pragma",
        "ident",
        "sccs",
        "assert",
        "unassert",
    ]
)
# A name is of letters, digits, `_`, `$` and all beyond ASCII. Written as what it is not of, it compiles faster.
_NAME = r"[^\x00-#%-/:-@\[-^`{-\x7f]++"
_DEFINE = regex(rf"{_GAP}(?P<name>{_NAME}(?:{LINES_JOINED}{_NAME})*+)(?P<parameters>(?:{LINES_JOINED})?\([^()]*\))?")
# `# 5 apples` is a comment: a line marker without `line` names its file.
_MARKER = regex(
    r"#[ \t]*(?:line[ \t]+(?P<alone>\d{1,9})[ \t\r]*$"
    r'|(?:line[ \t]+)?(?P<line>\d{1,9})[ \t]+"(?P<path>(?:\\.|[^"\\])*)")'
)
_ESCAPE = regex(r"\\([0-7]{1,3}|.)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "a": "\a"}

# Beyond these, what stands in an arm is taken for code that may be compiled: it bounds what a hostile file costs.
MAX_ARMS = 64
MAX_NESTING = 64
MAX_LINE_SHOWN = 400
_LOOKS_PREPROCESSED = regex(r'\s*#(?:line)?[ \t]+\d+[ \t]+"')
_BOUNDARY = regex(r"[\s,]")


def _unescaped(found: re.Match[str]) -> str:
    """What a backslash and what follows it stand for in the path of a line marker."""
    word = found[1]
    return chr(int(word, 8) & 0xFF) if word[0] in "01234567" else _ESCAPES.get(word, word)


class Place(NamedTuple):
    """Where something stands in the file that a person edits; line and column count from 1."""

    path: str
    line: int
    column: int


class Problem(Struct, frozen=True):
    """Something that is wrong with the file as a whole: an unterminated comment, an unbalanced `#if`."""

    offset: int
    message: str
    conditions: tuple[tree.Condition, ...] = ()


class Define(Struct, frozen=True):
    """A `#define`: its name, its parameters (None for an object-like macro), where its body stands, and the body.

    `body` is without comments and line continuations, which the text from `body_start` to `body_end` may have.
    """

    name: str
    parameters: tuple[str, ...] | None
    body_start: int
    body: str
    body_end: int


class Document(Struct, dict=True):
    """A file's text, `path` as a person would name it, and its statements in order.

    `preprocessed` tells text after the C preprocessor, where `#` starts a line marker or a comment, from raw source.
    `arms` has, for each `#if`, `#elif`, `#else` by its index in `statements`, the condition of the arm that it opens
    (None where conditionals are too deep, or have too many arms, to be followed).
    """

    path: str
    text: str
    preprocessed: bool
    statements: list[tree.Statement] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    defines: list[Define] = field(default_factory=list)
    arms: dict[int, tree.Condition | None] = field(default_factory=dict)
    _line_starts: list[int] = field(default_factory=list)
    _markers: list[tuple[int, str, int]] = field(
        default_factory=list
    )  # (line after the marker, path, its number there)

    @cached_property
    def directives(self) -> list[tuple[int, tree.Statement]]:
        """The statements that may say what names mean, with their indexes: lines with `#`, directives, assignments."""
        return [(at, each) for at, each in enumerate(self.statements) if each.syntax.__class__ in _DIRECTIVES]

    @property
    def line_starts(self) -> list[int]:
        """The offset of each line's first character."""
        if not self._line_starts:
            self._line_starts = line_starts(self.text)
        return self._line_starts

    def place(self, offset: int) -> Place:
        """Where an offset stands in the file that a person edits, by the line markers before it."""
        line, column = line_and_column(self.line_starts, offset)
        at = bisect_right(self._markers, line, key=lambda marker: marker[0]) - 1
        if at < 0:
            return Place(self.path, line, column)
        first, path, number = self._markers[at]
        return Place(path, number + line - first, column)

    def error(self, problem: Problem) -> PvasmError:
        """The error that tells of a problem, with its place."""
        return PvasmError(problem.message, *self.place(problem.offset))

    def line_text(self, offset: int) -> tuple[str, int]:
        """The line that an offset stands in, without its end, and the offset's column in it, from 1.

        Of a very long line it is a piece around the offset.
        """
        return line_around(self.text, self.line_starts, offset)

    def source(self, statement: tree.Statement) -> str:
        """The text of a statement, as written."""
        return self.text[statement.start : statement.end]


_DIRECTIVES = frozenset({tree.CppDirective, tree.Directive, tree.Assignment})


def line_around(text: str, starts: list[int], offset: int) -> tuple[str, int]:
    """The line of a text that an offset stands in, by where lines start, as `Document.line_text` has it."""
    line, column = line_and_column(starts, offset)
    start = starts[line - 1]
    end = text.find("\n", offset)
    end = end if end >= 0 else len(text)
    if end - start > MAX_LINE_SHOWN:
        start = max(start, offset - MAX_LINE_SHOWN // 4)
        end = min(end, start + MAX_LINE_SHOWN)
        column = offset - start + 1
    return text[start:end].rstrip("\r"), column


def looks_preprocessed(text: str, path: str) -> bool:
    """Whether a file is text after the C preprocessor: by its name (`.s`), or since it starts with a line marker."""
    return path.endswith(".s") or _LOOKS_PREPROCESSED.match(text) is not None


def read_document(parser: Parser, text: str, path: str = "<text>", *, preprocessed: bool | None = None) -> Document:
    """The document that `text` is. Never fails; what is no statement is `Unparsed`.

    `preprocessed` None: as the text looks. `writing it back` is `document.text`, which is `text`.
    """
    if preprocessed is None:
        preprocessed = looks_preprocessed(text, path)
    document = Document(path, text, preprocessed)
    _Reader(parser, document).read()
    return document


class _Conditional(Struct, frozen=True):
    """An open `#if`: where it stands, the expressions of the arms so far, and what was open before it.

    `arms` is None where there are too many. `conditions` and `macros` are those around it, `markers` is how many line
    markers stand before it.
    """

    offset: int
    arms: tuple[str, ...] | None
    has_else: bool
    conditions: tuple[tree.Condition, ...]
    macros: tuple[str, ...]
    markers: int


class _Reader:
    """Walks over the pieces of a text and makes statements of them."""

    def __init__(self, parser: Parser, document: Document) -> None:
        self.chunk = parser.chunk
        self.document = document
        self.open: list[_Conditional] = []
        self.conditions: tuple[tree.Condition, ...] = ()
        self.macros: list[str] = []  # the .macro bodies around the current statement

    def read(self) -> None:
        text = self.document.text
        pieces = lines.split(text, 0, len(text), preprocessed=self.document.preprocessed)
        self._pieces(pieces, None)
        for conditional in self.open:
            self._problem(conditional.offset, "this conditional has no #endif")

    def _problem(self, offset: int, message: str) -> None:
        self.document.problems.append(Problem(offset, message, self.conditions))

    def _pieces(self, pieces: list[lines.Piece], define: str | None) -> None:
        text = self.document.text
        append = self.document.statements.append
        chunk = self.chunk
        in_define = define is not None
        for piece in pieces:
            kind, start, end = piece.kind, piece.start, piece.end
            if kind == lines.CHUNK:
                for syntax in chunk(text[start:end]):
                    if in_define and syntax.__class__ is tree.Unparsed and parse_expression(text[start:end]):
                        continue  # `#define SIZE (1 << 4)` is no code
                    macro = define or (self.macros[-1] if self.macros else None)
                    append(tree.Statement(syntax, start, self.conditions, macro, in_define))
                    if syntax.__class__ is tree.Directive:
                        self._directive(syntax)
            elif kind == lines.CPP:
                self._cpp(start, end)
            elif kind == lines.PROBLEM:
                if not in_define:
                    self._problem(start, piece.message)
            else:
                macro = define or (self.macros[-1] if self.macros else None)
                append(tree.Statement(_MARKS[kind], start, self.conditions, macro, in_define))

    def _directive(self, directive: tree.Directive) -> None:
        if directive.name == ".macro":
            words = _BOUNDARY.split(directive.arguments[0], maxsplit=1) if directive.arguments else [""]
            self.macros.append(words[0])
        elif directive.name == ".endm" and self.macros:
            self.macros.pop()

    def _cpp(self, start: int, end: int) -> None:
        """A line that starts with `#`."""
        text = self.document.text
        found = _CPP_NAME.match(text, start, end)
        name = whole_words(found["name"] or "") if found else ""
        marker = _MARKER.match(text, start, end)
        if marker and (self.document.preprocessed or name == "line"):  # raw, `# 12 "f"` is a comment
            name = "line"
            self._marker(marker, end)
        elif self.document.preprocessed or (name and name not in _CPP_DIRECTIVES):
            return  # a comment, for the assembler
        body_start = found.end() if found else start + 1
        rest = text[body_start:end]
        syntax = tree.CppDirective(name, whole_words(rest.strip()), 0, end - start)
        handler = _CONDITIONALS.get(name)
        if handler is not None and name != "if" and name != "ifdef" and name != "ifndef":
            handler(self, start, plain(rest))
        self.document.statements.append(tree.Statement(syntax, start, self.conditions))
        if name in ("if", "ifdef", "ifndef"):
            _CONDITIONALS[name](self, start, plain(rest))
        elif name == "define":
            self._define(body_start, end)
        if handler is not None and name != "endif" and self.open:
            is_followed = len(self.conditions) > len(self.open[-1].conditions)
            self.document.arms[len(self.document.statements) - 1] = self.conditions[-1] if is_followed else None

    def _marker(self, marker: re.Match[str], end: int) -> None:
        document = self.document
        line, _ = line_and_column(document.line_starts, marker.start())
        if marker["path"] is not None:
            path = _ESCAPE.sub(_unescaped, marker["path"])
        else:
            path = document._markers[-1][1] if document._markers else document.path
        if path == "<stdin>":
            path = document.path
        document._markers.append((line + 1, path, int(marker["line"] or marker["alone"])))

    def _define(self, start: int, end: int) -> None:
        document = self.document
        found = _DEFINE.match(document.text, start, end)
        if found is None:
            return
        name, words = whole_words(found["name"]), found["parameters"]
        parameters = (
            None
            if words is None
            else tuple(word.strip() for word in plain(words[words.index("(") + 1 : -1]).split(",") if word.strip())
        )
        body = plain(document.text[found.end() : end])
        document.defines.append(Define(name, parameters, found.end(), body, end))
        self._pieces(lines.split(document.text, found.end(), end, in_define=True), name)

    # -------------------------------------------------------------------------------- conditionals

    def _if(self, offset: int, expression: str) -> None:
        markers = len(self.document._markers)
        self.open.append(_Conditional(offset, (expression,), False, self.conditions, tuple(self.macros), markers))
        self._enter()

    def _elif(self, offset: int, expression: str) -> None:
        self._next_arm(offset, "elif", expression)

    def _else(self, offset: int, rest: str) -> None:
        self._next_arm(offset, "else", "1")

    def _endif(self, offset: int, rest: str) -> None:
        if not self.open:
            self._problem(offset, "#endif without #if")
            return
        self._leave_arm(offset)
        self.conditions = self.open.pop().conditions

    def _next_arm(self, offset: int, name: str, expression: str) -> None:
        """Leaves the arm being read for the next, unless that is out of place."""
        if not self.open or self.open[-1].has_else:
            self._problem(offset, f"#{name} without #if" if not self.open else f"#{name} after #else")
            return
        self._leave_arm(offset)
        last = self.open[-1]
        arms = (*last.arms, expression) if last.arms is not None and len(last.arms) < MAX_ARMS else None
        self.open[-1] = replace(last, arms=arms, has_else=name == "else")
        self.macros = list(last.macros)  # each arm may begin the same .macro
        self._enter()

    def _leave_arm(self, offset: int) -> None:
        """Has lines count as they did before the arm: its line markers hold only if it is compiled."""
        before = self.open[-1].markers
        markers = self.document._markers
        if len(markers) > before:
            line, _ = line_and_column(self.document.line_starts, offset)
            first, path, number = markers[before - 1] if before else (1, self.document.path, 1)
            markers.append((line + 1, path, number + line + 1 - first))

    def _enter(self) -> None:
        last = self.open[-1]
        self.conditions = last.conditions
        if last.arms is not None and len(self.open) <= MAX_NESTING:
            line, _ = line_and_column(self.document.line_starts, last.offset)
            self.conditions = (*self.conditions, tree.Condition(last.arms[-1], last.arms[:-1], line))


_MARKS: dict[str, tree.Syntax] = {
    lines.STOP: tree.Stop(0, 2),
    lines.BUNDLE_OPEN: tree.BundleOpen(0, 1),
    lines.BUNDLE_CLOSE: tree.BundleClose(0, 1),
}

_CONDITIONALS: dict[str, Callable[[_Reader, int, str], None]] = {
    "if": _Reader._if,
    "ifdef": lambda reader, offset, name: reader._if(offset, f"defined({name})"),
    "ifndef": lambda reader, offset, name: reader._if(offset, f"!defined({name})"),
    "elif": _Reader._elif,
    "elifdef": lambda reader, offset, name: reader._elif(offset, f"defined({name})"),
    "elifndef": lambda reader, offset, name: reader._elif(offset, f"!defined({name})"),
    "else": _Reader._else,
    "endif": _Reader._endif,
}
