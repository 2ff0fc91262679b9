"""Findings in text after the C preprocessor, shown where a person edits: in the line that the text was made of.

A line marker gives the line. In it, a finding stands where its instruction's text does; if a macro has made that,
at the macro's invocation; else at the whole line.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Final

from pvasm.check.diagnostic import Diagnostic
from pvasm.regex import made_regex, regex
from pvasm.syntax.document import MAX_LINE_SHOWN

_COMMENT: Final = regex(r"/\*(?s:.*?)(?:\*/|\Z)|//[^\n]*")
_TOKEN: Final = regex(r"\w+|[^\w\s]")
_WORD: Final = regex(r"[A-Za-z_]\w*")
_MOST_TOKENS: Final = 200
_MOST_CONTINUED: Final = 100  # lines that a backslash joins
_MAX_LINE: Final = 10_000  # characters that are searched


class SourcePlaces:
    """The texts of the sources by their paths, and where in them the findings of the text made of them stand."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        self._sources = sources
        self._lines: dict[str, list[str]] = {}

    def moved(self, diagnostic: Diagnostic) -> Diagnostic:
        """The finding at its place in the source; as it is, where that is not known."""
        lines = self._lines_of(diagnostic.path)
        at = diagnostic.line - 1
        if lines is None or not 0 <= at < len(lines):
            return diagnostic
        written = lines[at]
        while written.endswith("\\") and (more := written.count("\n") + 1) < _MOST_CONTINUED and at + more < len(lines):
            written += "\n" + lines[at + more]
        start, end = _span(written, diagnostic)
        first = written.rfind("\n", 0, start) + 1
        line_end = written.find("\n", start)
        line = written[first : line_end if line_end >= 0 else None]
        before = written.count("\n", 0, end)
        cut = max(0, start - first - MAX_LINE_SHOWN // 4) if len(line) > MAX_LINE_SHOWN else 0
        return diagnostic._replace(
            line=diagnostic.line + written.count("\n", 0, start),
            column=start - first + 1,
            end_line=diagnostic.line + before,
            end_column=end - (written.rfind("\n", 0, end) + 1) + 1,
            source_line=line[cut : cut + MAX_LINE_SHOWN],
            source_column=start - first - cut + 1,
        )

    def _lines_of(self, path: str) -> list[str] | None:
        if path not in self._lines:
            text = self._sources.get(path)
            if text is None:
                return None
            self._lines[path] = [line.removesuffix("\r") for line in text.split("\n")]
        return self._lines[path]


def _span(written: str, diagnostic: Diagnostic) -> tuple[int, int]:
    """Where a finding stands in the line that it comes from."""
    # Comments are gone after the preprocessor, and a line that goes on is one.
    code = _COMMENT.sub(lambda found: " " * len(found[0]), written[:_MAX_LINE]).replace("\\\n", "  ")
    found = _own_text(code, diagnostic) or _invocation(code, diagnostic)
    if found is not None:
        return found
    start = len(code) - len(code.lstrip())
    end = len(code.rstrip())
    return (start, end) if start < end else (0, len(written.rstrip()))


def _own_text(code: str, diagnostic: Diagnostic) -> tuple[int, int] | None:
    """The instruction itself: of several like it, the one that has as many before it."""
    pattern = _spaced(diagnostic.instruction)
    if pattern is None:
        return None
    earlier = diagnostic.source_line[: diagnostic.source_column - 1]
    number = sum(1 for _ in pattern.finditer(earlier))
    places = [found.span() for found in pattern.finditer(code)]
    return places[min(number, len(places) - 1)] if places else None


def _spaced(instruction: str) -> re.Pattern[str] | None:
    """What matches an instruction's text, whatever the blanks between its tokens."""
    tokens = _TOKEN.findall(instruction)
    if not tokens or len(tokens) > _MOST_TOKENS:
        return None
    pattern = r"\s*+".join(map(re.escape, tokens))
    before = r"(?<!\w)" if tokens[0][0].isalnum() else ""
    return made_regex(rf"{before}{pattern}(?!\w)")


def _invocation(code: str, diagnostic: Diagnostic) -> tuple[int, int] | None:
    """The first macro of the line that the preprocessor has replaced, with its arguments."""
    left = set(_WORD.findall(diagnostic.source_line))
    for word in _WORD.finditer(code):
        if word[0] not in left:
            return word.start(), _arguments_end(code, word.end())
    return None


def _arguments_end(code: str, end: int) -> int:
    """Where the arguments in parentheses behind a macro's name end; where it ends itself, if it has none."""
    at = end + len(code[end:]) - len(code[end:].lstrip())
    if code[at : at + 1] != "(":
        return end
    depth = 0
    for offset in range(at, len(code)):
        depth += {"(": 1, ")": -1}.get(code[offset], 0)
        if depth == 0:
            return offset + 1
    return end


def readable_sources(paths: Sequence[str], folders: Sequence[str]) -> list[str]:
    """Of paths that line markers name, those of files in one of some folders: a marker may name anything."""
    roots = [os.path.join(os.path.realpath(folder or "."), "") for folder in folders]
    return [path for path in paths if os.path.isfile(path) and os.path.realpath(path).startswith(tuple(roots))]
