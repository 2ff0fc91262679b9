"""A baseline: the findings that a project knows of and lives with, so that new ones show.

The file is JSON, a line for each instruction that something is found about:

    {"code": "PV002", "contexts": ["0f3a...", ...], "instance": null, "instruction": "mov r16=cr.ifa", "path": "ivt.S"}

A finding is the same as before if its path (relative to the file), code, instance and instruction are, wherever it has
moved; there are as many as there are contexts. A context, the digest of the line and of its neighbours, tells which of
several is new where there are more than before.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import asdict

from pvasm.check.diagnostic import Diagnostic
from pvasm.errors import PvasmError
from pvasm.files import refuse_leaving, write_atomically
from pvasm.regex import regex
from pvasm.text import read_text

_VERSION = 1


class _Key(Struct, frozen=True):
    """What findings have in common that a baseline does not tell apart but by their number."""

    path: str
    code: str
    instance: str | None
    instruction: str


Checked = Mapping[str, Collection[str]]
"""The codes that a run looks for in each file, by its path."""


class Baseline:
    """The findings of a baseline file."""

    def __init__(self, path: str, known: dict[_Key, Counter[str]]) -> None:
        self._keys = _Keys(path)
        self._known = known

    def hidden(self, diagnostics: Sequence[Diagnostic]) -> set[int]:
        """The numbers of those that are in the baseline. What it holds is hidden once.

        Findings that could be taken for each other (those in one file) had better come in one call.
        """
        alike: dict[_Key, list[int]] = {}
        for number, diagnostic in enumerate(diagnostics):
            alike.setdefault(self._keys.of(diagnostic), []).append(number)
        hidden: set[int] = set()
        for key, numbers in alike.items():
            known = self._known.get(key)
            if known:
                hidden.update(self._matched([(number, diagnostics[number]) for number in numbers], known))
        return hidden

    def _matched(self, found: list[tuple[int, Diagnostic]], known: Counter[str]) -> set[int]:
        """The numbers of as many as are known: first those with the context that they had, then any."""
        exact = len(found) > known.total() or len(known) > 1  # else which is which makes no difference
        contexts = {number: self._keys.context(diagnostic) if exact else "" for number, diagnostic in found}
        matched: set[int] = set()
        for number, context in contexts.items():
            if context in known:
                _take(known, context)
                matched.add(number)
        for number in contexts:
            if known and number not in matched:
                _take(known, next(iter(known)))
                matched.add(number)
        return matched

    def stale(self, checked: Checked) -> int:
        """How many findings of the baseline have been looked for, and not found again."""
        codes = self._keys.codes_by_path(checked)
        return sum(known.total() for key, known in self._known.items() if key.code in codes.get(key.path, ()))

    def not_looked_for(self, checked: Checked) -> Iterator[tuple[_Key, Counter[str]]]:
        """The findings of the baseline that a run could not meet, but for those in files that are gone."""
        codes = self._keys.codes_by_path(checked)
        for key, known in self._known.items():
            if key.code not in codes.get(key.path, ()) and self._keys.exists(key.path):
                yield key, known


def _take(known: Counter[str], context: str) -> None:
    """Takes one of this context away."""
    known[context] -= 1
    if not known[context]:
        del known[context]


def load_baseline(path: str) -> Baseline:
    """The baseline in a file.

    Raises PvasmError for a file that cannot be read, and for one that `write_baseline` did not write.
    """
    text = read_text(path)
    known: dict[_Key, Counter[str]] = {}
    try:
        content = json.loads(text)
        if content["version"] != _VERSION:
            unknown = f"a baseline of version {content['version']!r}, which this pvasm does not know"
            raise PvasmError(f"{unknown}: --write-baseline makes a new one", path)
        for entry in content["findings"]:
            key = _Key(entry["path"], entry["code"], entry["instance"], entry["instruction"])
            known.setdefault(key, Counter()).update(map(str, entry["contexts"]))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise PvasmError("not a baseline that pvasm wrote: --write-baseline makes one", path) from error
    return Baseline(path, known)


def write_baseline(path: str, diagnostics: Iterable[Diagnostic], checked: Checked | None = None) -> None:
    """Makes a file the baseline with these findings, whole or not at all.

    With `checked`, the findings stay that the file holds and that the run has not looked for: in other files, of other
    codes, or where `per-file-ignores` hides them.
    Raises PvasmError if it cannot be written, and for a file that is there and is no baseline.
    """
    refuse_leaving(path)
    before: Baseline | None = None
    if os.path.exists(path):
        try:
            before = load_baseline(path)
        except PvasmError as error:
            raise PvasmError("is there and is no baseline: not overwritten; name another file", path) from error
    keys = _Keys(path)
    contexts: dict[_Key, list[str]] = {}
    for diagnostic in diagnostics:
        contexts.setdefault(keys.of(diagnostic), []).append(keys.context(diagnostic))
    if before is not None and checked is not None:
        for key, known in before.not_looked_for(checked):
            contexts.setdefault(key, []).extend(known.elements())
    lines = [
        json.dumps({**asdict(key), "contexts": sorted(contexts[key])}, sort_keys=True)
        for key in sorted(contexts, key=lambda key: (key.path, key.code, key.instruction, key.instance or ""))
    ]
    body = ",\n".join(lines)
    write_atomically(path, f'{{"version": {_VERSION}, "findings": [\n{body}\n]}}\n'.encode())


def without_comments(diagnostic: Diagnostic) -> str:
    """What a finding is about, on one line and without comments.

    An argument tells little: what it is one of counts.
    """
    return " ".join(_COMMENT.sub(" ", diagnostic.statement or diagnostic.instruction).split())


class _Keys:
    """What tells findings apart, for a baseline file at `path`."""

    def __init__(self, path: str) -> None:
        self._folder = os.path.realpath(os.path.dirname(path) or ".")
        self._lines: tuple[str, list[str]] = "", []  # of the file that was asked for last
        self._relative: dict[str, str] = {}

    def relative(self, path: str) -> str:
        """A path relative to the baseline's folder."""
        found = self._relative.get(path)
        if found is None:
            found = os.path.relpath(os.path.realpath(path), self._folder)
            self._relative[path] = found
        return found

    def codes_by_path(self, checked: Checked) -> dict[str, Collection[str]]:
        """The codes looked for, by paths relative to the baseline's folder."""
        return {self.relative(path): codes for path, codes in checked.items()}

    def exists(self, relative: str) -> bool:
        """Whether there is a file at a path relative to the baseline's folder."""
        return os.path.exists(os.path.join(self._folder, relative))

    def of(self, diagnostic: Diagnostic) -> _Key:
        return _Key(self.relative(diagnostic.path), diagnostic.code, diagnostic.instance, without_comments(diagnostic))

    def context(self, diagnostic: Diagnostic) -> str:
        """A digest of the line that a finding stands in, and of the lines before and after that are not blank."""
        path, lines = self._lines
        if path != diagnostic.path:
            try:
                lines = read_text(diagnostic.path).split("\n") if os.path.isfile(diagnostic.path) else []
            except PvasmError:
                lines = []  # then the line itself must do
            self._lines = diagnostic.path, lines
        at = diagnostic.line - 1
        before = next(
            (lines[n] for n in range(min(at, len(lines)) - 1, at - _FAR, -1) if n >= 0 and lines[n].strip()), ""
        )
        after = next((lines[n] for n in range(at + 1, min(at + _FAR, len(lines))) if lines[n].strip()), "")
        near = [" ".join(line.split()) for line in (before, diagnostic.source_line, after)]
        return hashlib.sha256("\n".join(near).encode("utf-8", "surrogateescape")).hexdigest()[:16]


_COMMENT = regex(r"/\*(?s:.*?)(?:\*/|\Z)|//[^\n]*")
_FAR = 20  # lines, beyond which no neighbour is looked for
