"""Checking C: the inline assembly in it, and its calls of native intrinsics.

They are made into assembly (`asm/inline_assembly.py`), which the rules look at as at any other; what they find is told
where it stands in the C text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pvasm.asm.inline_assembly import InlineAssembly, inline_assembly
from pvasm.check.diagnostic import Diagnostic, abridged
from pvasm.check.engine import run
from pvasm.check.exposure import CODES
from pvasm.errors import PvasmError
from pvasm.files import too_large
from pvasm.sources import is_header
from pvasm.syntax.document import line_around
from pvasm.text import line_and_column, line_starts

if TYPE_CHECKING:
    from pvasm.check.checker import Checker, FileResult

RULES: Final = frozenset((*CODES, "PV005", "PV406", "PV900"))
"""The rules that C is read for: what registers hold, and how groups begin and end, only the compiler knows."""

MOST_CHARACTERS: Final = 4 << 20
"""Of a C text that has something to look at: its tokens take a hundred times as much memory."""


def check_c(checker: Checker, text: str, result: FileResult) -> None:
    """Puts what is found in a C text into a result, whose path is the text's.

    Raises PvasmError where there is nothing that reads C.
    """
    if not _may_hold(text):
        result.counts = 0 if is_header(result.path) else 1
        return
    if len(text) > MOST_CHARACTERS:
        raise too_large(result.path, MOST_CHARACTERS)
    catalog = checker.catalog
    natives = {each.native for each in catalog.intrinsics.values()}
    made = inline_assembly(text, natives, catalog.intrinsic_layers)
    if is_header(result.path) and not made.holds_code:
        result.counts = 0
        return
    subject = checker.subject(made.text, result.path, is_c=True)
    rules = [rule for rule in checker.rules if rule.code in RULES]
    placing = _Placing(text, made)
    found = run(subject, rules, find_unused=checker.settings.find_unused)
    result.diagnostics = sorted(map(placing.moved, found), key=lambda each: each.order)
    for problem in subject.document.problems:
        if subject.concerns(problem.conditions):
            result.errors.append(placing.error(problem.message, problem.offset, result.path))


def _may_hold(text: str) -> bool:
    """Whether there can be anything to look at in a C text; most are told at a glance."""
    return "asm" in text or "native" in text or "pvasm:" in text


class _Placing:
    """The places in a C text of what is found in the assembly that was made of it."""

    def __init__(self, text: str, made: InlineAssembly) -> None:
        self.text = text
        self.made = made
        self.starts = line_starts(text)
        self.made_starts = line_starts(made.text)

    def moved(self, diagnostic: Diagnostic) -> Diagnostic:
        """A finding at its place in the C text."""
        start = self._offset(diagnostic.line, diagnostic.column)
        end = self._offset(diagnostic.end_line, diagnostic.end_column)
        first, last = self.made.span(start, end)
        line, column = line_and_column(self.starts, first)
        end_line, end_column = line_and_column(self.starts, last)
        shown, shown_column = line_around(self.text, self.starts, first)
        return diagnostic._replace(
            line=line,
            column=column,
            end_line=end_line,
            end_column=end_column,
            instruction=abridged(self.text[first:last]),
            source_line=shown,
            source_column=shown_column,
        )

    def _offset(self, line: int, column: int) -> int:
        return self.made_starts[min(line, len(self.made_starts)) - 1] + column - 1

    def error(self, message: str, offset: int, path: str) -> PvasmError:
        """What is wrong with the file as a whole, at its place in the C text."""
        first, _ = self.made.span(offset, offset + 1)
        return PvasmError(message, path, *line_and_column(self.starts, first))
