"""A run of the checker over files: which to read, how, and what was found in each."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from pvasm import cache
from pvasm.check.diagnostic import Diagnostic
from pvasm.errors import PvasmError
from pvasm.sources import find_sources, is_header
from pvasm.text import encode, read_text, shown_name

if TYPE_CHECKING:
    from pvasm.check.rule import Rule
    from pvasm.paravirt.catalog import Catalog
    from pvasm.paravirt.instance import Instance
    from pvasm.syntax.parser import Parser


class CppSettings(NamedTuple):
    """What the C preprocessor is run with."""

    include_directories: tuple[str, ...] = ()
    defines: tuple[str, ...] = ()
    includes: tuple[str, ...] = ()


class Settings(NamedTuple):
    """How to check. `instances` empty means all; `cpp` None means that files are read as they are."""

    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    instances: tuple[str, ...] = ()
    cpp: CppSettings | None = None
    use_cache: bool = True


class FileResult:
    """What was found in one file.

    `counts` is 1, or 0 if nothing was checked: an unreadable file, a header without assembly.
    """

    __slots__ = ("counts", "diagnostics", "errors", "path")

    def __init__(
        self, path: str, diagnostics: Iterable[Diagnostic] = (), errors: Iterable[PvasmError] = (), counts: int = 1
    ) -> None:
        self.path = path
        self.diagnostics = list(diagnostics)
        self.errors = list(errors)
        self.counts = counts


def check_files(paths: Sequence[str], settings: Settings) -> Iterator[FileResult]:
    """Checks the files that `paths` mean, one result a file, in order.

    What is wrong with one file stands in its result and does not stop the run.
    Raises PvasmError for settings that make no sense: an unknown code or instance, a bad instance file.
    """
    checker = _Checker(settings)
    errors: list[PvasmError] = []
    sources = find_sources(paths, errors)
    if not sources:
        checker.validate()
    if errors:
        yield FileResult("", errors=errors, counts=0)
    barren = {path for path in paths if os.path.isdir(path)} - {error.path for error in errors}
    seen: set[Diagnostic] = set()
    for path, folder in sources:
        if settings.cpp is not None and folder is not None and is_header(path):
            continue  # the files that include it show it
        result = checker.check(path, folder is None)
        if result.counts or result.errors:
            barren = {name for name in barren if not _is_below(path, name)}
        # A header's own text comes back wherever it is included.
        own = [d for d in result.diagnostics if d.path == result.path]
        others = [d for d in dict.fromkeys(result.diagnostics) if d.path != result.path and d not in seen]
        seen.update(others)
        result.diagnostics = sorted(own + others, key=lambda diagnostic: diagnostic.order)
        yield result
    if barren:
        errors = [PvasmError("no assembly in this folder (.S, .s, .sx, or headers)", path) for path in sorted(barren)]
        yield FileResult("", errors=errors, counts=0)


def _is_below(path: str, folder: str) -> bool:
    return os.path.realpath(path).startswith(os.path.join(os.path.realpath(folder), ""))


class _Checker:
    """Checks one file at a time; what is the same for all is made once, and only if the cache has no answer."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._parts: tuple[Catalog, dict[str, bool], Parser] | None = None
        # An instance file of somebody's own may change: what it says counts, not its name.
        known = None
        if settings.instances:
            from pvasm.paravirt.environments import is_path

            known = sorted(self._prepared()[1].items()) if any(map(is_path, settings.instances)) else None
        self.key = json.dumps([settings, known])

    @cached_property
    def rules(self) -> list[Rule]:
        """The rules that are on."""
        from pvasm.check.engine import Selection

        return Selection(self.settings.select, self.settings.ignore).rules()

    def validate(self) -> None:
        """Raises PvasmError for settings that make no sense. A result in the cache is proof that they do."""
        _ = self.rules
        self._prepared()

    def _prepared(self) -> tuple[Catalog, dict[str, bool], Parser]:
        if self._parts is None:
            from pvasm.ia64 import is_mnemonic
            from pvasm.paravirt.catalog import load_catalog
            from pvasm.paravirt.environments import known_macros
            from pvasm.syntax.parser import Parser

            catalog = load_catalog()
            self._parts = catalog, known_macros(self._instances(catalog)), Parser(is_mnemonic)
        return self._parts

    def _instances(self, catalog: Catalog) -> list[Instance]:
        if not self.settings.instances:
            return []
        from pvasm.paravirt.instance import load_instance

        return [load_instance(name, catalog) for name in self._names]

    @property
    def _names(self) -> tuple[str, ...]:
        """The instances in question, by name or file."""
        from pvasm.paravirt.environments import ALL, instance_names

        chosen = self.settings.instances or (ALL,)
        return tuple(dict.fromkeys(each for name in chosen for each in (instance_names() if name == ALL else [name])))

    def check(self, path: str, named: bool) -> FileResult:
        shown = shown_name(path)
        result = FileResult(shown)
        try:
            text = read_text(path)
            cpp = self.settings.cpp
            if cpp is not None and not shown.endswith(".s"):
                from pvasm.syntax.cpp import preprocess

                text = preprocess(
                    shown,
                    include_directories=cpp.include_directories,
                    defines=cpp.defines,
                    includes=cpp.includes,
                    text=text if path == "-" else None,
                )
        except PvasmError as error:
            result.errors.append(error)
            result.counts = 0
            return result
        name = cache.key(f"{self.key} {shown} {named}", encode(text)) if self.settings.use_cache else ""
        kept = cache.load(name) if name else None
        if kept is not None:
            return _load(shown, kept)
        self._check_text(text, named, result)
        if name:
            cache.store(name, _dump(result))
        return result

    def _check_text(self, text: str, named: bool, result: FileResult) -> None:
        from pvasm.check.engine import run
        from pvasm.check.subject import Subject
        from pvasm.syntax.document import read_document

        rules = self.rules
        catalog, known, parser = self._prepared()
        document = read_document(parser, text, result.path, preprocessed=True if self.settings.cpp else None)
        subject = Subject(document, catalog, known, self._names, named=not is_header(result.path))
        if not subject.named and not subject.holds_assembly():
            result.counts = 0
            return
        if subject.holds_c:
            result.diagnostics = run(subject, [rule for rule in rules if rule.in_mixed_headers])
            return
        result.diagnostics = run(subject, rules)
        result.errors += [
            document.error(problem) for problem in document.problems if subject.concerns(problem.conditions)
        ]


def _dump(result: FileResult) -> bytes:
    errors = [(error.message, error.path, error.line, error.column) for error in result.errors]
    return json.dumps([result.counts, result.diagnostics, errors]).encode()


def _load(path: str, kept: bytes) -> FileResult:
    counts, diagnostics, errors = json.loads(kept)
    return FileResult(path, list(map(_diagnostic, diagnostics)), [PvasmError(*values) for values in errors], counts)


def _diagnostic(values: list[Any]) -> Diagnostic:
    found = Diagnostic(*values)
    return found._replace(details=tuple(found.details))  # JSON has lists alone
