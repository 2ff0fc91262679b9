"""What a run of the checker prints, in each of the formats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from msgspec import Struct

from pvasm.check.check_files import FileResult
from pvasm.check.diagnostic import Diagnostic
from pvasm.errors import PvasmError

WITH_STATISTICS = ("text", "json")
WITH_FIXES = ("json", "sarif")


class Style(Struct, frozen=True):
    """How to report. `statistics` puts a count per code in the place of the findings; `quiet` tells errors alone."""

    format: str = "text"
    color: bool = False
    statistics: bool = False
    quiet: bool = False
    links: bool = False


class Reporter:
    """Turns results into text: `add` what can be told at once, and `end` the rest."""

    def __init__(self, style: Style) -> None:
        self._style = style
        self._render = None if style.statistics else _renderer(style)
        self.found: list[Diagnostic] = []
        self.errors: list[PvasmError] = []
        self.files = 0
        self._files: list[tuple[str, list[Diagnostic], list[PvasmError]]] = []

    @property
    def found_errors(self) -> bool:
        """Whether something at error level was found."""
        return any(diagnostic.severity == "error" for diagnostic in self.found)

    def add(self, result: FileResult) -> str:
        """Takes note of a result; returns what there is to print of it."""
        self.files += result.counts
        self.errors += result.errors
        shown = self._shown(result.diagnostics)
        if self._style.format == "junit" and (result.counts or result.errors):
            self._files.append((result.path, shown, result.errors))
        self.found += shown if self._style.quiet else result.diagnostics
        return "".join(f"{self._render(each)}\n" for each in shown) if self._render is not None else ""

    def _shown(self, diagnostics: list[Diagnostic]) -> list[Diagnostic]:
        return [each for each in diagnostics if each.severity == "error"] if self._style.quiet else diagnostics

    def end(self, hidden: int = 0, stale: int = 0, fixed: int = 0) -> str:
        """What there is to print at the end.

        `hidden` and `stale` count findings of a baseline: met, and gone; `fixed` those that --fix has dealt with.
        """
        if self._style.format == "sarif":
            from pvasm.report.sarif import render

            return render(self.found, self.errors) + "\n"
        if self._style.format == "junit":
            from pvasm.report import junit

            return junit.render(junit.CheckedFile(*file) for file in self._files)
        counts = self._statistics() if self._style.statistics else ""
        if self._style.format != "text" or self._style.quiet:
            return counts
        from pvasm.report.plain_text import counted, summary

        said = summary(self.found, self.files, len(self.errors))
        if fixed:
            said = f"{fixed} fixed, {said}"
        if hidden:
            said += f"; {hidden} more in the baseline"
        if stale:
            said += f"; {counted(stale, 'finding')} of the baseline no longer there: write it again"
        return f"{counts}{said}\n"

    def _statistics(self) -> str:
        """A line for each code that something was found of, the most frequent first."""
        import json

        from pvasm.check.rule import every_rule
        from pvasm.report.json import VERSION

        counts = Counter((diagnostic.code, diagnostic.severity) for diagnostic in self.found)
        rules = every_rule()
        lines = []
        for (code, severity), count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
            title = rules[code].title
            if self._style.format == "json":
                row = {"version": VERSION, "code": code, "severity": severity, "count": count, "title": title}
                lines.append(json.dumps(row))
            else:
                lines.append(f"{count:>6}  {code}  {severity:<7}  {title}")
        return "".join(f"{line}\n" for line in lines)


def _renderer(style: Style) -> Callable[[Diagnostic], str] | None:
    """What makes text of one diagnostic; None for a format that tells all at once."""
    if style.format == "text":
        from pvasm.report import plain_text

        return lambda diagnostic: plain_text.render(diagnostic, color=style.color, links=style.links)
    if style.format == "json":
        from pvasm.report import json

        return json.render
    if style.format == "github":
        from pvasm.report import github

        return github.render
    if style.format == "gcc":
        from pvasm.report import gcc

        return gcc.render
    return None
