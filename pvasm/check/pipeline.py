"""What a run reports of what it finds: one way for all findings, for `check`, `--fix` and baselines alike.

A finding goes through these, in order; each lets it pass, changes it, or drops it:

1. suppressions in the source: `engine.findings`, where the rules' spans in the document are still known;
2. once: a finding in a header shows with each file that includes it, and is reported with the first;
3. adjusted: `per-file-ignores` and `severity` of the settings;
4. the baseline: findings that are known.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pvasm.check.codes import covered, known_codes
from pvasm.check.diagnostic import Diagnostic
from pvasm.check.finding import Severity
from pvasm.check.settings import Settings
from pvasm.files import RealPaths

if TYPE_CHECKING:
    from pvasm.check.baseline import Baseline


class Pipeline:
    """The findings of one run, file by file: what is reported of them. `hidden` counts those of the baseline so far.

    Raises PvasmError for a baseline that cannot be read.
    """

    def __init__(self, settings: Settings, baseline: str | None = None) -> None:
        self._codes = selected_codes(settings)
        self._once = _Once()
        self._adjusted = _Adjustment(settings)
        self._baseline: Baseline | None = None
        if baseline is not None:
            from pvasm.check.baseline import load_baseline

            self._baseline = load_baseline(baseline)
        self._paths: dict[str, None] = {}  # of the files that have been checked
        self.hidden = 0

    def reported(self, path: str, diagnostics: Sequence[Diagnostic]) -> list[Diagnostic]:
        """What is reported of all that was found in a file, in order."""
        return sorted((left for _, left in self.passed(path, diagnostics)), key=lambda diagnostic: diagnostic.order)

    def passed(self, path: str, diagnostics: Sequence[Diagnostic]) -> list[tuple[int, Diagnostic]]:
        """What is reported of all that was found in a file, each with its number among what was found."""
        self._paths[path] = None
        left = list(self._wanted(path, diagnostics))
        if self._baseline is None:
            return left
        known = self._baseline.hidden([diagnostic for _, diagnostic in left])
        self.hidden += len(known)
        return [each for number, each in enumerate(left) if number not in known]

    def _wanted(self, path: str, diagnostics: Sequence[Diagnostic]) -> Iterator[tuple[int, Diagnostic]]:
        for number, diagnostic in enumerate(diagnostics):
            fresh = self._once(path, diagnostic)
            adjusted = self._adjusted(fresh) if fresh is not None else None
            if adjusted is not None:
                yield number, adjusted

    def stale(self) -> int:
        """How many findings of the baseline are gone, among those that this run has looked for."""
        return self._baseline.stale(self._checked()) if self._baseline is not None else 0

    def write_baseline(self, target: str, diagnostics: Sequence[Diagnostic]) -> None:
        """Makes a file the baseline with these findings, and with those in it that this run has not looked for."""
        from pvasm.check.baseline import write_baseline

        write_baseline(target, diagnostics, self._checked())

    def _checked(self) -> dict[str, set[str]]:
        """The codes looked for in each file."""
        return {path: {code for code in self._codes if not self._adjusted.is_off(code, path)} for path in self._paths}


def selected_codes(settings: Settings) -> set[str]:
    """The codes that a run with these settings looks for."""
    chosen = known_codes() if settings.select is None else settings.select
    return {
        code
        for code in known_codes()
        if covered(code, (*chosen, *settings.extend_select)) and not covered(code, settings.ignore)
    }


class _Once:
    """Lets through what has not been seen before, in any file and under any spelling of its path."""

    def __init__(self) -> None:
        self._seen: set[tuple[object, ...]] = set()
        self._names: dict[str, tuple[str, str]] = {}
        self._real_paths = RealPaths()

    def __call__(self, path: str, diagnostic: Diagnostic) -> Diagnostic | None:
        """What was found in the file at `path`, under its simplest name; None if it has been seen."""
        real, plain = self._named(diagnostic.path)
        key = (real, *diagnostic.order[1:])
        if key in self._seen:
            return None
        self._seen.add(key)
        # A file is called what the user calls it, a header it includes what is simplest.
        return diagnostic if diagnostic.path == path else diagnostic._replace(path=plain)

    def _named(self, path: str) -> tuple[str, str]:
        """The real path of a file, and its path without detours: `h.h` for `sub/.././h.h`."""
        names = self._names.get(path)
        if names is None:
            real, plain = self._real_paths.of(path), os.path.normpath(path)
            names = self._names[path] = real, plain if plain == path or self._real_paths.of(plain) == real else path
        return names


class _Adjustment:
    """What the settings have to say of findings: codes that do not count in some files, and levels of severity."""

    def __init__(self, settings: Settings) -> None:
        self._ignores = []
        if settings.per_file_ignores:
            from pvasm.config import Globs

            self._ignores = [(Globs([glob], settings.root), codes) for glob, codes in settings.per_file_ignores]
        self._levels = sorted(settings.severity, key=lambda entry: -len(entry[0]))  # the most exact first
        self._ignored_in: dict[str, tuple[str, ...]] = {}

    def is_off(self, code: str, path: str) -> bool:
        """Whether findings of a code in a file do not count."""
        return covered(code, self._ignored(path)) or self._level(code) == "off"

    def __call__(self, diagnostic: Diagnostic) -> Diagnostic | None:
        """The finding at the level that the settings say; None if it is not reported."""
        if self.is_off(diagnostic.code, diagnostic.path):
            return None
        level = self._level(diagnostic.code)
        return diagnostic if level is None else diagnostic._replace(severity=_SEVERITY[level])

    def _level(self, code: str) -> str | None:
        """The level that the settings have findings of a code reported at."""
        return next((level for prefix, level in self._levels if code.startswith(prefix)), None)

    def _ignored(self, path: str) -> tuple[str, ...]:
        """The codes that are ignored in a file."""
        found = self._ignored_in.get(path)
        if found is None:
            found = tuple(code for globs, codes in self._ignores if globs.match(path) for code in codes)
            self._ignored_in[path] = found
        return found


_SEVERITY: dict[str, Severity] = {"error": "error", "warning": "warning", "note": "note"}
