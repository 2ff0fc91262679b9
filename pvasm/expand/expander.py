"""Expanding a document: each op invocation becomes the instructions that an instance defines for it.

What stands outside the invocations stays byte for byte. An expansion of several lines stands on several lines, indented
as the invocation's line is; in the body of a `#define` and in another macro's argument it stays on one, with `;`
between.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from pvasm.errors import PvasmError
from pvasm.expand.argument_check import AFTER_CPP, ArgumentCheck
from pvasm.expand.contexts import MARKER, Contexts
from pvasm.expand.definitions import Definitions
from pvasm.expand.invocations import BLANKS, Hidden, Invocation
from pvasm.expand.made_invocations import find_invocations
from pvasm.expand.renames import rename_edits
from pvasm.paravirt.arguments import RegisterNotKnownError
from pvasm.paravirt.catalog import Catalog
from pvasm.paravirt.environments import known_macros
from pvasm.paravirt.expansion import Context, Expansion
from pvasm.paravirt.instance import Instance
from pvasm.regex import regex
from pvasm.syntax import tree
from pvasm.syntax.cpp import reachable
from pvasm.syntax.document import Document
from pvasm.text import Edit, apply_edits

if TYPE_CHECKING:
    from pvasm.expand.blocks import BlockUse

_INDENT = regex(r"[ \t]*")
_SEPARATOR = regex(r"[ \t]*;")
_NEXT_WORD = regex(r"(?:[ \t\r\n]++|\\[ \t\r]*+\n|/\*(?s:.*?)\*/)*+(\w+)")

# What makes the C preprocessor or the assembler skip lines, or read them twice: it begins, goes on, ends.
_OPENS = regex(r"if(?:n?def)?|\.(?:if\w*|rept|irpc?)")
_GOES_ON = regex(r"el(?:if|ifn?def|se)|\.else\w*")
_CLOSES = regex(r"endif|\.(?:endif|endr)")
_BOUNDARY = regex(r"[ \t,;]")


class ExpandErrors(Exception):  # noqa: N818  (it is several)
    """Everything that is wrong with a document's invocations, in order; nothing was expanded."""

    def __init__(self, errors: Sequence[PvasmError]) -> None:
        super().__init__("\n".join(map(str, errors)))
        self.errors = tuple(errors)


class Reading:
    """What a document says of macros, and the ops that it invokes: read once for instances that see the same code."""

    def __init__(self, document: Document, catalog: Catalog) -> None:
        self.document = document
        self.catalog = catalog
        # Statements that stand side by side share their conditions.
        self._conditions = list({id(each.conditions): each.conditions for each in document.statements}.values())
        self._definitions: dict[tuple[bool, ...], Definitions] = {}
        self._invocations: dict[int, tuple[list[Invocation], list[Hidden]]] = {}

    def definitions(self, instance: Instance) -> Definitions:
        """The definitions that count for an instance."""
        known = known_macros([instance])
        # What is known tells which code is compiled, and no more.
        key = tuple(reachable(conditions, known) for conditions in self._conditions)
        if key not in self._definitions:
            self._definitions[key] = Definitions(self.document, known, kept=self.catalog.ops)
        return self._definitions[key]

    def invocations(self, definitions: Definitions) -> tuple[list[Invocation], list[Hidden]]:
        """The invocations of ops where these definitions count, and the names where no invocation can stand."""
        found = self._invocations.get(id(definitions))
        if found is None:
            found = self._invocations[id(definitions)] = find_invocations(self.document, self.catalog.ops, definitions)
        return found


def expand(
    document: Document,
    catalog: Catalog,
    instance: Instance,
    *,
    line_markers: bool = False,
    constants: Mapping[str, str] | None = None,
    reading: Reading | None = None,
) -> str:
    """The variant of a document for an instance.

    `constants` are values of constants of the catalog that hold instead of the catalog's own. Who expands a document
    for several instances may keep its `reading`.

    What is wrong in code that is never compiled for the instance (`#if 0`, `#ifdef` of another) is left as it is.
    With `line_markers`, line markers (`# 12 "file"`; in raw source `#line 12 "file"`) go to the start and around the
    lines that an expansion adds, so that what the assembler or the C preprocessor says of the variant names the line of
    the source. Text that has them already keeps them right.
    Raises ExpandErrors with every invocation that has a wrong number or kind of arguments, a predicate before it, or
    arguments that the instance does not take, and with every op's name that would stay as it is; PvasmError for a
    template that fails.
    """
    has_markers = document.preprocessed and MARKER.match(document.text) is not None
    expander = _Expander(reading or Reading(document, catalog), instance, line_markers or has_markers, constants or {})
    return expander.variant()


def expansion_edits(reading: Reading, instance: Instance, constants: Mapping[str, str] | None = None) -> list[Edit]:
    """The edits that expand the ops of a document, and replace blocks, for an instance; nothing is renamed.

    Raises ExpandErrors and PvasmError as `expand` does.
    """
    expander = _Expander(reading, instance, False, constants or {})
    edits = expander.with_blocks(expander.of_ops())
    if expander.errors:
        raise ExpandErrors(expander.errors)
    return sorted(edits)


def with_renames(edits: list[Edit], renaming: Iterable[Edit]) -> list[Edit]:
    """Edits with more of them, those that rename, but for those in spans that are edited already."""
    covered = sorted(edits)
    starts = [edit.start for edit in covered]

    def is_free(new: Edit) -> bool:
        at = bisect_right(starts, new.start) - 1
        return at < 0 or covered[at].end <= new.start

    return [*edits, *(edit for edit in renaming if is_free(edit))]


def misfits(
    document: Document, catalog: Catalog, instance: Instance, invocations: Iterable[Invocation]
) -> Iterator[tuple[Invocation, str]]:
    """Those of some invocations whose expansions do not fit in the bundles around them, and why.

    What the expander refuses for its arguments has no expansion.
    """
    in_bundles = [found for found in invocations if found.bundle is not None]
    expander = _Expander(Reading(document, catalog), instance, False, {}) if in_bundles else None
    for found in in_bundles:
        assert expander is not None
        if not expander.is_compiled(found.statement) or any(True for _ in expander.check.problems(found)):
            continue
        try:
            expander.edit(found)
        except _UnsuitableError as error:
            yield found, f"{found.name}{error.message}"
        except (RegisterNotKnownError, PvasmError):
            continue


class _UnsuitableError(Exception):
    """An invocation that cannot be expanded where it stands; `message`, put after the op's name, says why."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class _Expander:
    """Turns the invocations of one document into edits.

    `errors` are what is wrong in code that is compiled. The document may be what the C preprocessor makes of a
    statement of another, that of the expander `around`: its index.
    """

    def __init__(
        self,
        reading: Reading,
        instance: Instance,
        line_markers: bool,
        constants: Mapping[str, str],
        around: tuple[_Expander, int] | None = None,
    ) -> None:
        self.reading = reading
        self.document = reading.document
        self.catalog = reading.catalog
        self.instance = instance
        self.line_markers = line_markers
        self.around = around
        self.contexts: Contexts = (
            Contexts(reading.definitions(instance), reading.catalog, instance, constants)
            if around is None
            else around[0].contexts
        )
        self.definitions: Definitions = self.contexts.definitions
        self.check = ArgumentCheck(self.contexts)
        self.errors: list[PvasmError] = []
        self.grown: list[int] = []  # where expansions have more lines than the invocations had

    def variant(self) -> str:
        """The variant. Raises ExpandErrors with all that is wrong, or PvasmError for a template that fails."""
        edits = with_renames(self.of_ops(), rename_edits(self.document, self.definitions, self.instance.renames))
        edits = self.with_blocks(edits)
        if self.errors:
            raise ExpandErrors(self.errors)
        return apply_edits(self.document.text, [*edits, *self.markers()])

    def of_ops(self) -> list[Edit]:
        """The edits that expand ops."""
        edits: list[Edit] = []
        in_made: dict[int, tuple[Document, list[Edit]]] = {}  # of the statements that the C preprocessor makes
        invocations, hidden = self.reading.invocations(self.definitions)
        wrong = [(name.start, name.statement, [(name.start, f"{name.name} {name.message}")]) for name in hidden]
        for found in invocations:
            edit, problems = self.judged(found)
            if problems:
                wrong.append((found.start, found.statement, problems))
            elif edit is not None and found.made is not None:
                in_made.setdefault(found.statement, (found.made, []))[1].append(edit)
            elif edit is not None:
                edits.append(edit)
        edits += (self.made(index, document, inside) for index, (document, inside) in in_made.items())
        for _, statement, problems in sorted(wrong):
            if self.is_compiled(statement):
                self.errors += (PvasmError(message, *self.document.place(offset)) for offset, message in problems)
        return edits

    def judged(self, found: Invocation) -> tuple[Edit | None, list[tuple[int, str]]]:
        """The edit that expands an invocation, or what is wrong with it: where, and in what words."""
        name = self.instance.name
        problems = [(problem.offset, problem.said(name)) for problem in self.check.problems(found)]
        if problems:
            return None, problems
        try:
            return self.edit(found), []
        except _UnsuitableError as error:
            return None, [(found.start, f"{found.name}{error.message}")]
        except RegisterNotKnownError as error:
            return None, [(found.start, self.check.not_known(found, error).said(name))]

    def with_blocks(self, edits: list[Edit]) -> list[Edit]:
        """The edits with those that replace blocks, in the place of those in their spans."""
        if not any(name in self.document.text for name in self.instance.blocks):
            return edits
        from pvasm.expand.blocks import find_blocks, hidden_blocks

        hidden = hidden_blocks(self.document, self.instance)
        self.errors += (error for index, error in hidden if self.is_compiled(index))
        for use in find_blocks(self.document, self.instance):
            if not self.is_compiled(use.statement):
                continue
            try:
                edits = self.with_block(use, edits)
            except ExpandErrors as several:
                place = self.document.place(use.start)
                self.errors += (PvasmError(f"{use.block.name}: {error.message}", *place) for error in several.errors)
            except PvasmError as error:
                self.errors.append(error)
        return edits

    # ------------------------------------------------------------------------------------ expanding

    def edit(self, found: Invocation) -> Edit:
        """The edit that expands an invocation; in what the C preprocessor makes of a statement, if it stands there.

        Raises _UnsuitableError if it cannot be expanded where it stands, RegisterNotKnownError if it depends on which
        register an argument is.
        """
        if found.made is not None and found.as_made is not None:
            reading = Reading(found.made, self.catalog)
            return _Expander(reading, self.instance, False, {}, (self, found.statement)).edit(found.as_made)
        statement = self.document.statements[found.statement]
        expansion = self.between_stops(found, self.expansion(found))
        self.check_bundle(found, expansion)
        newline = self.newline(found.start)
        lost_lines = self.document.text.count("\n", found.start, found.end)
        lost = (f" \\{newline}" if statement.in_define else newline) * lost_lines
        if found.word is not None:
            made = self.as_word(found, expansion.lines, statement) + self.lost_in_word(found, lost)
            return Edit(found.start, found.end, made)
        if found.in_argument is not None:
            made = self.as_argument(found, expansion.lines) + lost
        else:
            made = self.as_statements(found.start, expansion.lines, statement, newline, lost_lines)
        return Edit(found.start, found.end, self.separated(found, made))

    def made(self, index: int, made: Document, edits: list[Edit]) -> Edit:
        """The edit that puts what the C preprocessor makes of a statement in its place, with the ops in it expanded."""
        statement = self.document.statements[index]
        edits = with_renames(edits, rename_edits(made, self.definitions, self.instance.renames))
        lines = [line for each in apply_edits(made.text, edits).split("\n") if (line := each.strip(" \t"))]
        lost_lines = self.document.text.count("\n", statement.start, statement.end)
        newline = self.newline(statement.start)
        text = self.as_statements(statement.start, lines, statement, newline, lost_lines)
        return Edit(statement.start, statement.end, text)

    def expansion(self, found: Invocation) -> Expansion:
        """What an invocation becomes. Raises RegisterNotKnownError if it depends on which register an argument is."""
        context = self.contexts.at(self.document.statements[found.statement])
        return self.instance.expand(self.catalog.ops[found.name], [each.text for each in found.given], context)

    def between_stops(self, found: Invocation, expansion: Expansion) -> Expansion:
        """The expansion without a stop that the source has there already."""
        if found.after_call or found.in_argument is not None:
            return expansion
        statement = self.document.statements[found.statement]
        before = self.is_stop(found.statement - 1, statement)
        after = not found.followed and self.is_stop(found.statement + 1, statement)
        return expansion.between_stops(before, after)

    def separated(self, found: Invocation, made: str) -> str:
        """What an invocation becomes, apart from what stands before and after it in its statement."""
        text = self.document.text
        # Invocations one after another on a line need a separator between what they become.
        if found.after_call and _last_character(text, found.start) not in (";", ""):
            made = f"; {made}"
        if found.followed and not _SEPARATOR.match(text, found.end) and not self.next_is_op(found):
            made = f"{made} ;"
        return made

    def as_statements(
        self, start: int, lines: Sequence[str], statement: tree.Statement, newline: str, lost_lines: int
    ) -> str:
        """An expansion in the place of a statement from `start` on, which stood on as many lines and `lost_lines`."""
        # A line marker in the body of a .macro would be obeyed wherever the macro is invoked.
        one_line = statement.in_define or (self.line_markers and statement.macro is not None)
        if one_line or len(lines) <= 1:
            return joined(lines) + (f" \\{newline}" if statement.in_define else newline) * lost_lines
        return self.on_lines(start, lines, newline, lost_lines)

    def next_is_op(self, found: Invocation) -> bool:
        """Whether what follows an invocation in its statement is an op, which brings its own separator."""
        following = _NEXT_WORD.match(self.document.text, found.end)
        return following is not None and following[1] in self.catalog.ops

    def is_compiled(self, index: int) -> bool:
        """Whether a statement stands in code that is compiled, or may be."""
        return self.definitions.is_compiled(self.document.statements[index])

    def with_block(self, use: BlockUse, edits: list[Edit]) -> list[Edit]:
        """The edits with one that replaces a block, in the place of those in its span.

        Raises ExpandErrors or PvasmError if it cannot be replaced.
        """
        from pvasm.expand.blocks import block_lines

        inside = [edit for edit in edits if use.start <= edit.start and edit.end <= use.end]
        context = Context(constants=self.contexts.constants)
        lines = block_lines(self.document, use, self.instance, context, inside, self.variant_of)
        statement = self.document.statements[use.statement]
        lost_lines = self.document.text.count("\n", use.start, use.end)
        result = self.as_statements(use.start, lines, statement, self.newline(use.start), lost_lines)
        return [*(edit for edit in edits if edit not in inside), Edit(use.start, use.end, result)]

    def variant_of(self, document: Document) -> str:
        """The variant of what a block brings."""
        return expand(document, self.catalog, self.instance, constants=self.contexts.constants)

    def check_bundle(self, found: Invocation, expansion: Expansion) -> None:
        """Raises _UnsuitableError if an expansion cannot stand where the invocation does in an explicit bundle."""
        bundle = found.bundle
        if bundle is None:
            return
        from pvasm.asm.slots import STOPS_INSIDE

        out = "take the braces away"
        of = f"in instance {self.instance.name}"
        syntaxes = [statement.syntax for statement in expansion.statements]
        if any(isinstance(syntax, tree.BundleOpen) for syntax in syntaxes):
            raise _UnsuitableError(f" brings a bundle of its own {of}, which cannot stand in another: {out}")
        number = sum(statement.takes_slot for statement in expansion.statements)
        if number > 1:
            raise _UnsuitableError(f" becomes {number} instructions {of}, which do not fit in a bundle: {out}")
        fits = bundle.is_last or bundle.template is None or (bundle.template, bundle.slot) in STOPS_INSIDE
        first, last = (isinstance(syntaxes[at], tree.Stop) if syntaxes else False for at in (0, -1))
        if first or (last and not fits):
            raise _UnsuitableError(f" brings a stop {of}, which cannot stand here in a bundle: {out}")

    def as_argument(self, found: Invocation, lines: Sequence[str]) -> str:
        """An expansion as an argument, or a part of one, that the C preprocessor reads."""
        result = joined(lines)
        if "," in result:
            message = f": its expansion has a comma, which would split the argument of {found.in_argument};"
            raise _UnsuitableError(f"{message} {AFTER_CPP}")
        return result

    def as_word(self, found: Invocation, lines: Sequence[str], statement: tree.Statement) -> str:
        """An expansion as an argument that GNU as reads: quoted, unless it is one word.

        The quotes are taken away before the macro's body is read, but not those in an argument that is `:vararg`.
        """
        result = joined(lines)
        if not _BOUNDARY.search(result):
            return result
        macro, word = found.in_argument or "", found.word
        assert word is not None
        known = self.definitions.gas_macros.get(macro, [])
        # The number and the name of the parameter that takes the rest.
        rest = [
            (number, parameter.name)
            for definition in known
            for number, parameter in enumerate(definition.parameters)
            if parameter.vararg
        ]
        if any(word.keyword == name or (word.keyword is None and word.number == number) for number, name in rest):
            if ";" not in result:
                return result
            message = (
                f": {macro} takes its last argument as it stands (:vararg), up to the first `;'; the expansion has"
            )
            raise _UnsuitableError(f"{message} one: write the op in the macro's body, or outside the macro")
        if any(word.number > number for number, _ in rest):
            message = f": {macro} takes the rest of the line as one argument (:vararg); write the op outside the macro"
            raise _UnsuitableError(message)
        unclear = statement.in_define or macro in self.definitions.cpp_macros or macro.startswith("\\")
        if '"' in result or (unclear and not known and not macro.startswith(".")):
            message = f": its expansion would have to be quoted as an argument of {macro}, if that is a .macro;"
            raise _UnsuitableError(f"{message} write `;' before it if it is an instruction of its own")
        return f'"{result}"'

    def lost_in_word(self, found: Invocation, lost: str) -> str:
        """What keeps the number of lines where an argument that GNU as reads stood on several."""
        if not lost or lost.startswith(" \\"):
            return lost
        if self.document.preprocessed:
            raise _UnsuitableError(f": as an argument of {found.in_argument}, it must stand on one line")
        return "".join(f" \\{line}" for line in lost.splitlines(keepends=True))

    def on_lines(self, offset: int, lines: Sequence[str], newline: str, lost_lines: int) -> str:
        """An expansion on lines of its own, each after the first indented as the invocation's."""
        text = self.document.text
        start = text.rfind("\n", 0, offset) + 1
        indent = _INDENT.match(text, start)
        assert indent is not None
        blanks = indent[0] or "\t"
        if not self.line_markers:
            return f"{newline}{blanks}".join(lines) + newline * (lost_lines - len(lines) + 1)
        self.grown.append(offset)
        marker = self.marker(offset) + newline
        return f"{newline}{marker}{blanks}".join(lines) + newline * lost_lines

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
            if self.around is None:
                return False
            expander, here = self.around
            return expander.is_stop(here + (-1 if index < 0 else 1), expander.document.statements[here])
        statement = self.document.statements[index]
        return (
            isinstance(statement.syntax, tree.Stop)
            and statement.conditions == beside.conditions
            and (statement.macro, statement.in_define) == (beside.macro, beside.in_define)
        )

    # --------------------------------------------------------------------------------- line markers

    def markers(self) -> list[Edit]:
        """The line markers at the start, and where lines that have grown may have been skipped with their markers."""
        if not self.line_markers:
            return []
        text = self.document.text
        places: dict[int, Edit] = {}
        if text and not MARKER.match(text):
            # The first says which file the variant was made of.
            places[0] = Edit(0, 0, self.marker(0) + self.newline(0))
        for end in self.ends_of_grown_arms() if self.grown else ():
            newline = text.find("\n", end)
            if 0 <= newline < len(text) - 1:
                at = newline + 1
                places[at] = Edit(at, at, self.marker(at) + self.newline(newline))
        return list(places.values())

    def ends_of_grown_arms(self) -> Iterator[int]:
        """The ends of the directives after an arm of a conditional, or a repetition, in which lines have grown."""
        grown = sorted(self.grown)
        # How many had grown when each began that is open: those of the preprocessor, and the assembler's.
        opened: dict[type, list[int]] = {tree.CppDirective: [], tree.Directive: []}
        for statement in self.document.statements:
            syntax = statement.syntax
            if not isinstance(syntax, tree.CppDirective | tree.Directive) or statement.in_define:
                continue
            number = bisect_left(grown, statement.start)
            before = opened[type(syntax)]
            if _OPENS.fullmatch(syntax.name):
                before.append(number)
            elif before and _GOES_ON.fullmatch(syntax.name):
                if number > before[-1]:
                    yield statement.end
            elif before and _CLOSES.fullmatch(syntax.name) and number > before.pop():
                yield statement.end


def _last_character(text: str, offset: int) -> str:
    """The last character before an offset that is no blank."""
    while offset > 0 and text[offset - 1] in BLANKS:
        offset -= 1
    return text[offset - 1 : offset]


def joined(lines: Sequence[str]) -> str:
    """Lines of assembly on one line: `;` between, unless a stop stands there."""
    result = ""
    for line in lines:
        needs = result and not result.endswith(";") and not line.startswith(";")
        result += f"{' ; ' if needs else ' ' if result else ''}{line}"
    return result
