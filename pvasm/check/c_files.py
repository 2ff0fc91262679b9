"""Checking C: the inline assembly in it, and its calls of native intrinsics.

They are made into assembly (`asm/inline_assembly.py`), which the rules look at as at any other; what they find is told
where it stands in the C text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from pvasm.asm.inline_assembly import InlineAssembly, inline_assembly
from pvasm.check.diagnostic import Diagnostic, abridged
from pvasm.check.engine import run
from pvasm.check.exposure import CODES
from pvasm.check.rule import Rule
from pvasm.check.subject import Subject
from pvasm.errors import PvasmError
from pvasm.files import too_large
from pvasm.syntax.document import line_around
from pvasm.text import line_and_column, line_starts

RULES: Final = frozenset((*CODES, "PV005", "PV406", "PV900"))
"""The rules that C is read for: what registers hold, and how groups begin and end, only the compiler knows."""

MOST_CHARACTERS: Final = 4 << 20
"""Of a C text that has something to look at: its tokens take a hundred times as much memory."""


class CAnswer(Struct):
    """What is found in a C text, and what is wrong with it as a whole; `holds_code` says whether it has any of ours."""

    diagnostics: list[Diagnostic] = []
    errors: list[PvasmError] = []
    holds_code: bool = False


def check_c(
    text: str, path: str, rules: Sequence[Rule], subject_of: Callable[[str], Subject], *, find_unused: bool
) -> CAnswer:
    """What these rules find in a C text, of those that C is read for; `subject_of` makes a subject of assembly.

    Raises PvasmError where there is nothing that reads C, and for a text of more than MOST_CHARACTERS.
    """
    if not _may_hold(text):
        return CAnswer()
    if len(text) > MOST_CHARACTERS:
        raise too_large(path, MOST_CHARACTERS)
    from pvasm.paravirt.loading import load_catalog

    catalog = load_catalog()
    natives = {each.native for each in catalog.intrinsics.values()}
    made = inline_assembly(text, natives, catalog.intrinsic_layers)
    subject = subject_of(made.text)
    placing = _Placing(text, made)
    found = run(subject, [rule for rule in rules if rule.code in RULES], find_unused=find_unused)
    problems = [problem for problem in subject.document.problems if subject.concerns(problem.conditions)]
    errors = [placing.error(problem.message, problem.offset, path) for problem in problems]
    if made.is_cut_short:
        errors.append(PvasmError("macros make too much in it: not all inline assembly was looked at", path))
    return CAnswer(sorted(map(placing.moved, found), key=lambda each: each.order), errors, made.holds_code)


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
