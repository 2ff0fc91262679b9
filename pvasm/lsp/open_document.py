"""A file that is open in an editor: its text there, and what is known of it, made when it is asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Final, NamedTuple

from msgspec.structs import replace

from pvasm.asm.elaborate import Step, Visitor, elaborate
from pvasm.asm.resolve import resolve
from pvasm.asm.scope import OperandError, Scope
from pvasm.check.checker import Checker, FileResult, is_instance_file
from pvasm.check.earlier import Earlier
from pvasm.check.pipeline import Pipeline
from pvasm.check.settings import Settings
from pvasm.check.subject import Subject
from pvasm.errors import PvasmError
from pvasm.expand.definitions import Definitions
from pvasm.expand.invocations import Invocation, find_written, statement_at, words_of
from pvasm.fix import Fixer, changed_lines, is_fixable
from pvasm.headers import included
from pvasm.isa.instruction import Instruction
from pvasm.lsp.editor_positions import Lines, Units, without_lone_surrogates
from pvasm.regex import regex
from pvasm.sources import is_assembly_by_name, is_header
from pvasm.syntax import tree
from pvasm.syntax.document import Document
from pvasm.text import Edit, encode, let_stand_in

# What every instance file says of itself at its top, and hardly any other YAML.
_INSTANCE: Final = regex(r"^(?:ops|extends|otherwise|defines)[ \t]*:", re.MULTILINE)


class Configured(NamedTuple):
    """How a file is checked: the settings, the baseline if there is one, and the folders to look for headers in."""

    settings: Settings
    baseline: str | None
    directories: Sequence[str]


class Occurrence(NamedTuple):
    """A word of the code: its span in the document's text, and the index of the statement that it stands in."""

    word: str
    start: int
    end: int
    statement: int


class OpenDocument:
    """An open file at `path`: its text as it is in the editor, with what is found in it.

    Code is read as it stands in the file, as `pvasm check --fix` reads it; what is found (`check`) is what the settings
    say, with the C preprocessor if they ask for it. What was found in an `earlier` version of the text is taken over
    where the code is the same.
    """

    def __init__(
        self, path: str, text: str, units: Units, configured: Configured, earlier: OpenDocument | None = None
    ) -> None:
        self.path = path
        self._configured: Final = configured
        self._earlier = Earlier()
        if earlier is not None and earlier._configured.settings == configured.settings:
            self._earlier = earlier._earlier
        self.lines = Lines(without_lone_surrogates(text), units)
        let_stand_in(path, encode(self.lines.text))

    @property
    def text(self) -> str:
        """The text."""
        return self.lines.text

    @property
    def holds_assembly(self) -> bool:
        """Whether the file is assembly by its name; a header may be."""
        return is_assembly_by_name(self.path)

    def check(self) -> FileResult:
        """What is reported of the file; of YAML that is no instance, nothing.

        Raises PvasmError for settings that make no sense.
        """
        if is_instance_file(self.path) and not _INSTANCE.search(self.text):
            return FileResult(self.path)
        settings = replace(self._configured.settings, use_cache=False, fixes=True)
        checker = Checker(settings)
        self._earlier.stretches.turn()
        checker.earlier = self._earlier
        if is_header(self.path):
            checker.headers_in_c = frozenset({self.path})
        result = checker.check(self.path)
        result.diagnostics = Pipeline(settings, self._configured.baseline).reported(self.path, result.diagnostics)
        return result

    def all_fixes(self) -> list[Edit]:
        """The edits that make of the text what `pvasm check --fix` makes of it."""
        if not is_fixable(self.path, self._configured.settings):
            return []
        settings = replace(self._configured.settings, use_cache=False)
        try:
            made = Fixer(settings, self._configured.directories, self._configured.baseline).outcome(self.path)
        except PvasmError:
            return []
        return changed_lines(made.before, made.after)

    # ------------------------------------------------------------------------------- what stands in it

    @cached_property
    def subject(self) -> Subject:
        """The file as it stands."""
        settings = replace(self._configured.settings, cpp=None)
        headers = included(self.path, self.text, self._configured.directories, within=settings.within)
        return Checker(settings).subject(self.text, self.path, headers)

    @property
    def document(self) -> Document:
        """The file's statements."""
        return self.subject.document

    @cached_property
    def code(self) -> ResolvedCode:
        """What each statement is."""
        subject = self.subject
        found = ResolvedCode()
        elaborate(subject.document, subject.headers, subject.scope(), subject.known, subject.names_kept, [found])
        return found

    @cached_property
    def invocations(self) -> list[Invocation]:
        """Where the file invokes ops."""
        subject = self.subject
        definitions = Definitions(subject.document, subject.known, subject.headers, subject.names_kept)
        return find_written(subject.document, subject.catalog.ops, definitions)[0]

    @cached_property
    def occurrences(self) -> dict[str, list[Occurrence]]:
        """Where each word stands in the file, but for comments and strings."""
        found: dict[str, list[Occurrence]] = {}
        for each in self._words():
            found.setdefault(each.word, []).append(each)
        return found

    def _words(self) -> Iterator[Occurrence]:
        until = 0
        for index, statement in enumerate(self.document.statements):
            start = max(statement.start, until)  # a `#define` has its body in it, and behind it
            for word, begin, end in words_of(self.document, start, statement.end):
                yield Occurrence(word, begin, end, index)
            until = max(until, statement.end)

    def occurrence_at(self, offset: int) -> Occurrence | None:
        """The word that stands at an offset, or ends there."""
        for at in (offset, offset - 1):
            index = statement_at(self.document, at) if at >= 0 else None
            if index is None:
                continue
            statement = self.document.statements[index]
            for word, start, end in words_of(self.document, statement.start, statement.end):
                if start <= at < end:
                    return Occurrence(word, start, end, index)
        return None


class ResolvedCode(Visitor):
    """What each statement of a document is: the instructions, and the labels that it makes."""

    def __init__(self) -> None:
        self.instructions: dict[int, list[Instruction]] = {}
        self.labels: dict[str, list[int]] = {}
        """The statements that define each label, or make it."""
        self.groups: list[tuple[int, int]] = []
        """The statements with a stop, and how many instructions stand in the group before each."""
        self._open = 0
        self._seen: dict[int, set[int]] = {}

    def step(self, step: Step, scope: Scope) -> None:
        """Takes note of a statement."""
        syntax = step.syntax
        if isinstance(syntax, tree.Instruction):
            self._open += 1
            try:
                found = resolve(syntax, scope)
            except OperandError:
                return
            seen = self._seen.setdefault(step.statement, set())
            if id(found) not in seen:
                seen.add(id(found))
                self.instructions.setdefault(step.statement, []).append(found)
        elif isinstance(syntax, tree.MacroCall):
            self._open += 1
        elif isinstance(syntax, tree.Label):
            self.labels.setdefault(syntax.name, []).append(step.statement)
        elif isinstance(syntax, tree.Stop) and not step.made:
            self.groups.append((step.statement, self._open))
            self._open = 0
