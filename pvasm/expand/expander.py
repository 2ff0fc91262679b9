"""Expanding a document: each op invocation becomes the instructions that an instance defines for it.

What stands outside the invocations stays byte for byte. An expansion of several lines stands on several lines, indented
as the invocation's line is; in the body of a `#define` and in another macro's argument it stays on one, with `;`
between.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cached_property

from pvasm.errors import PvasmError
from pvasm.expand.invocations import Given, Hidden, Invocation, find_invocations
from pvasm.paravirt.arguments import RegisterNotKnownError, mismatch
from pvasm.paravirt.catalog import Catalog, Op
from pvasm.paravirt.instance import Instance, instance_names, load_instance
from pvasm.syntax import tree
from pvasm.syntax.cpp import reachable
from pvasm.syntax.document import Document
from pvasm.text import Edit, apply_edits

_INDENT = re.compile(r"[ \t]*")
_MARKER = re.compile(r"#(?:line)?[ \t]+\d+[ \t]+\"")
_CODE = re.compile(
    r"""
      (?P<newline>\n)
    | //(?:\\[ \t\r]*\n|[^\n])*
    | /\*(?s:.*?)(?:\*/|\Z)
    | "(?:\\[^\n]|[^"\\\n])*"
    | \\[ \t\r]*\n
    | [^\n/"\\]+
    | (?s:.)
    """,
    re.VERBOSE,
)


class ExpandErrors(Exception):  # noqa: N818  (it is several)
    """Everything that is wrong with a document's invocations, in order; nothing was expanded."""

    def __init__(self, errors: Sequence[PvasmError]) -> None:
        super().__init__("\n".join(map(str, errors)))
        self.errors = tuple(errors)


def expand(document: Document, catalog: Catalog, instance: Instance, *, line_markers: bool = False) -> str:
    """The variant of a document for an instance.

    What is wrong in code that is never compiled for the instance (`#if 0`, `#ifdef` of another) is left as it is.
    With `line_markers`, line markers (`# 12 "file"`; in raw source `#line 12 "file"`) go to the start and around the
    lines that an expansion adds, so that what the assembler or the C preprocessor says of the variant names the line of
    the source.
    Raises ExpandErrors with every invocation that has a wrong number or kind of arguments, a predicate before it, or
    arguments that the instance does not take; PvasmError for a template that fails.
    """
    errors: list[PvasmError] = []
    edits: list[Edit] = []
    expander = _Expander(document, catalog, instance, line_markers)
    for found in sorted(find_invocations(document, catalog.ops), key=lambda found: found.start):
        problems = list(expander.problems(found))
        if not problems and isinstance(found, Invocation):
            try:
                edits.append(expander.edit(found))
            except _UnsuitableError as error:
                problems = [(found.start, error.message)]
        if problems and expander.is_compiled(found):
            errors += (PvasmError(message, *document.place(offset)) for offset, message in problems)
    if errors:
        raise ExpandErrors(errors)
    return apply_edits(document.text, [*edits, *expander.markers()])


class _UnsuitableError(Exception):
    """An invocation that cannot be expanded where it stands; `message` says why and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class _Expander:
    """Turns the invocations of one document into edits."""

    def __init__(self, document: Document, catalog: Catalog, instance: Instance, line_markers: bool) -> None:
        self.document = document
        self.catalog = catalog
        self.instance = instance
        self.line_markers = line_markers
        # What the file defines itself is what the C preprocessor will put there.
        self.constants = {define.name: define.name for define in document.defines if define.name in catalog.constants}
        # The spans of the statements that stand on several lines; those in a #define's body are within its own.
        self.multi_line = [
            (statement.start, statement.end)
            for statement in document.statements
            if line_markers
            and not statement.in_define
            and document.text.find("\n", statement.start, statement.end) >= 0
        ]
        self.moved: list[int] = []  # the ends of the invocations whose expansions are longer than they were

    # ---------------------------------------------------------------------------------- what is wrong

    def problems(self, found: Invocation | Hidden) -> Iterator[tuple[int, str]]:
        """What is wrong with an invocation, each with its place."""
        op = self.catalog.ops[found.name]
        if isinstance(found, Hidden):
            yield found.start, f"{op.name} stands where no instruction can stand; an op is a statement of its own"
            return
        if found.predicate is not None:
            takes = [
                parameter.name for parameter in op.parameters if parameter.kind == "predicate" and parameter.use == "in"
            ]
            hint = f"it takes its predicate as an argument: {op.signature}" if takes else "branch around it"
            yield found.predicate, f"{op.name} cannot stand under a predicate; {hint}"
        arguments = _given(found)
        if op.parameters and not found.parenthesised:
            yield found.start, f"{op.name} needs its arguments in parentheses: {op.signature}"
            return
        if len(arguments) != len(op.parameters):
            number = f"{len(op.parameters)} argument{'s' * (len(op.parameters) != 1)}"
            yield found.start, f"{op.name} takes {number}, not {len(arguments)}: {op.signature}"
            return
        wrong = False
        for parameter, argument in zip(op.parameters, arguments, strict=True):
            problem = mismatch(argument.text, parameter.kind, parameter.use, self.catalog.kernel_registers)
            # In a macro's body the name may be a parameter of the macro.
            in_macro = self.document.statements[found.statement].macro is not None
            if problem and not (in_macro and parameter.kind == "kernel-register" and argument.text):
                wrong = True
                yield argument.offset, f"{op.name}, parameter {parameter.name}: {problem}"
        if not wrong:
            for index, message in self.instance.conflicts(op, [argument.text for argument in arguments]):
                yield arguments[index].offset, f"{op.name}: {message}"

    def is_compiled(self, found: Invocation | Hidden) -> bool:
        """Whether an invocation stands in code that is compiled for the instance, or may be."""
        statement = self.document.statements[found.statement]
        return not statement.conditions or reachable(statement.conditions, self.known)

    @cached_property
    def known(self) -> dict[str, bool]:
        """What is known of the C preprocessor's macros when the variant is compiled."""
        others = {load_instance(name).defines: False for name in instance_names()}
        return {**others, self.instance.defines: True}

    # ------------------------------------------------------------------------------------ expanding

    def edit(self, found: Invocation) -> Edit:
        """The edit that expands an invocation. Raises _UnsuitableError if it cannot be expanded where it stands."""
        text = self.document.text
        statement = self.document.statements[found.statement]
        lines: Sequence[str] = self.lines(self.catalog.ops[found.name], found)
        # A line marker in the body of a .macro would be obeyed wherever the macro is invoked.
        one_line = statement.in_define or (self.line_markers and statement.macro is not None)
        if found.tail or found.in_argument is not None:
            followed_by_stop = preceded_by_stop = False
        else:
            preceded_by_stop = self.is_stop(found.statement - 1, statement)
            followed_by_stop = not found.followed and self.is_stop(found.statement + 1, statement)
        lines = _without_doubled_stops(lines, preceded_by_stop, followed_by_stop)
        replaced = text[found.start : found.end]
        if found.in_argument is not None:
            return Edit(found.start, found.end, self.as_argument(found, lines))
        newline = self.newline(found.start)
        lost_lines = replaced.count("\n")
        if one_line:
            result = _joined(lines) + (f" \\{newline}" if statement.in_define else newline) * lost_lines
        else:
            result = self.on_lines(found, lines, newline)
            result += newline * (lost_lines - len(lines) + 1)
        # Invocations one after another on a line need a separator between what they become.
        if found.tail:
            result = f"; {result}" if text[: found.start].rstrip()[-1:] not in (";", "") else result
        if found.followed and not text[found.end :].lstrip(" \t").startswith(";") and not self.next_is_op(found):
            result = f"{result} ;"
        return Edit(found.start, found.end, result)

    def next_is_op(self, found: Invocation) -> bool:
        """Whether what follows an invocation in its statement is an op, which brings its own separator."""
        following = re.compile(r"\s*(\w+)").match(self.document.text, found.end)
        return following is not None and following[1] in self.catalog.ops

    def lines(self, op: Op, found: Invocation) -> tuple[str, ...]:
        """What an invocation becomes."""
        try:
            return self.instance.lines(op, [argument.text for argument in _given(found)], self.constants)
        except RegisterNotKnownError as error:
            message = f"{op.name}: in instance {self.instance.name} it matters which register {error.text} is,"
            raise _UnsuitableError(
                f"{message} and its name does not tell; expand after the C preprocessor has run"
            ) from None

    def as_argument(self, found: Invocation, lines: Sequence[str]) -> str:
        """An expansion as an argument of another macro."""
        result = _joined(lines)
        if found.quoted:
            return f'"{result}"' if re.search(r"[\s,]", result) else result
        if "," in result:
            message = f"{found.name}: its expansion has a comma, which would split the argument of {found.in_argument};"
            raise _UnsuitableError(f"{message} expand after the C preprocessor has run")
        return result

    def on_lines(self, found: Invocation, lines: Sequence[str], newline: str) -> str:
        """An expansion on lines of its own, each after the first indented as the invocation's."""
        if len(lines) == 1:
            return lines[0]
        text = self.document.text
        start = text.rfind("\n", 0, found.start) + 1
        indent = _INDENT.match(text, start)
        assert indent is not None
        blanks = indent[0] or "\t"
        marker = ""
        if self.line_markers:
            marker = self.marker(found.start) + newline
            self.moved.append(found.end)
        return f"{newline}{marker}{blanks}".join(lines)

    def marker(self, offset: int) -> str:
        """The line marker for the line that an offset stands in."""
        path, line, _ = self.document.place(offset)
        quoted = path.replace("\\", "\\\\").replace('"', '\\"')
        # In raw assembly, the C preprocessor takes `# 12 "file"` for a comment of the assembler's; only `#line` counts.
        return f'{"# " if self.document.preprocessed else "#line "}{line} "{quoted}"'

    def newline(self, offset: int) -> str:
        """What ends the line that an offset stands in, or the line before if it is the last."""
        text = self.document.text
        end = text.find("\n", offset)
        if end < 0:
            end = text.rfind("\n", 0, offset)
        return "\r\n" if end > 0 and text[end - 1] == "\r" else "\n"

    def is_stop(self, index: int, beside: tree.Statement) -> bool:
        """Whether a statement is a stop, compiled whenever the one beside it is."""
        if not 0 <= index < len(self.document.statements):
            return False
        statement = self.document.statements[index]
        return (
            isinstance(statement.syntax, tree.Stop)
            and statement.conditions == beside.conditions
            and (statement.macro, statement.in_define) == (beside.macro, beside.in_define)
        )

    # --------------------------------------------------------------------------------- line markers

    def markers(self) -> list[Edit]:
        """The line markers at the start, and after the lines whose expansions added lines; one a place."""
        if not self.line_markers:
            return []
        places: dict[int, Edit] = {}
        if self.document.text and not _MARKER.match(self.document.text):
            # The first says which file the variant was made of.
            places[0] = Edit(0, 0, self.marker(0) + self.newline(0))
        for end in self.moved:
            at = self.next_line(end)
            if at < len(self.document.text) and at not in places:
                newline = "\r\n" if self.document.text[at - 2 : at] == "\r\n" else "\n"
                places[at] = Edit(at, at, self.marker(at) + newline)
        return list(places.values())

    def next_line(self, offset: int) -> int:
        """The offset of the first line after `offset` that starts outside a comment and between statements."""
        text = self.document.text
        position = offset
        while position < len(text):
            found = _CODE.match(text, position)
            assert found is not None
            position = found.end()
            if found["newline"]:
                at = bisect_left(self.multi_line, (position, 0)) - 1
                if at < 0 or self.multi_line[at][1] <= position:
                    return position
                position = self.multi_line[at][1]
        return len(text)


def _given(found: Invocation) -> tuple[Given, ...]:
    """The arguments of an invocation; `NAME()` has none."""
    if len(found.arguments) == 1 and not found.arguments[0].text:
        return ()
    return found.arguments


def _without_doubled_stops(lines: Sequence[str], preceded: bool, followed: bool) -> Sequence[str]:
    """An expansion without the stop at its start or end where the source has one there already."""
    lines = list(lines)
    if preceded and len(lines) > 1 and lines[0] == ";;":
        del lines[0]
    if followed and len(lines) > 1 and lines[-1] == ";;":
        del lines[-1]
    elif followed and lines and lines[-1].endswith(";;") and lines[-1] != ";;":
        lines[-1] = lines[-1].removesuffix(";;").rstrip()
    return lines


def _joined(lines: Sequence[str]) -> str:
    """Lines of assembly on one line: `;` between, unless a stop stands there."""
    result = ""
    for line in lines:
        needs = result and not result.endswith(";") and not line.startswith(";")
        result += f"{' ; ' if needs else ' ' if result else ''}{line}"
    return result
