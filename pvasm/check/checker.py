"""Checking one file: what it takes, what the cache knows, and what was found."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from pvasm import cache
from pvasm.check.diagnostic import Change, Diagnostic, RelatedPlace
from pvasm.check.settings import AnswerSettings, CppSettings, Settings
from pvasm.digests import digest
from pvasm.errors import PvasmError
from pvasm.files import is_below
from pvasm.regex import regex
from pvasm.sources import is_assembly_by_name, is_header
from pvasm.text import encode, read_text, shown_name, stand_in

if TYPE_CHECKING:
    from pvasm.check.c_files import CAnswer
    from pvasm.check.earlier import Earlier
    from pvasm.check.engine import Selection
    from pvasm.check.finding import Finding
    from pvasm.check.rule import Rule
    from pvasm.check.subject import Subject
    from pvasm.headers import Header
    from pvasm.paravirt.catalog import Catalog
    from pvasm.paravirt.instance import Instance

    _Found = tuple[Rule, Finding]


class FileResult:
    """What was found in one file.

    `counts` is 1, or 0 if nothing was checked: an unreadable file, a header without assembly. `missing` are the headers
    that `errors` say are missing, each by its name; `outside` those that were not read, since they are outside of the
    folders that the run is about. `notes` are to be said of the run, and are no errors.
    """

    __slots__ = ("counts", "diagnostics", "errors", "missing", "notes", "outside", "path")

    def __init__(
        self,
        path: str,
        diagnostics: Iterable[Diagnostic] = (),
        errors: Iterable[PvasmError] = (),
        counts: int = 1,
        notes: Iterable[PvasmError] = (),
        missing: Iterable[str] = (),
        outside: Iterable[str] = (),
    ) -> None:
        self.path = path
        self.diagnostics = list(diagnostics)
        self.errors = list(errors)
        self.counts = counts
        self.notes = list(notes)
        self.missing = list(missing)
        self.outside = list(outside)

    def dump(self) -> bytes:
        """The result, but for its path, as bytes for the cache or another process."""
        import json  # takes what is not UTF-8, unlike msgspec, which reads faster

        errors, notes = (
            [(error.message, error.path, error.line, error.column) for error in said]
            for said in (self.errors, self.notes)
        )
        return json.dumps([self.counts, self.diagnostics, errors, notes, self.missing, self.outside]).encode()

    @classmethod
    def load(cls, path: str, kept: bytes) -> FileResult:
        """The result that `dump` gave these bytes for."""
        counts, diagnostics, errors, notes, missing, outside = _read(kept)
        errors, notes = ([PvasmError(*values) for values in said] for said in (errors, notes))
        return cls(path, map(_diagnostic, diagnostics), errors, counts, notes, missing, outside)


def _read(kept: bytes) -> Any:
    try:
        return msgspec.json.decode(kept)
    except msgspec.DecodeError:
        import json

        return json.loads(kept)


def _diagnostic(values: list[Any]) -> Diagnostic:
    found = Diagnostic(*values)
    return found._replace(  # JSON has lists alone
        details=tuple(found.details),
        related=tuple(RelatedPlace(*each) for each in found.related),
        changes=tuple(Change(*each) for each in found.changes),
    )


def is_instance_file(path: str) -> bool:
    """Whether a file is taken for an instance, by its name."""
    return path.endswith((".yaml", ".yml"))


def is_object_file(path: str) -> bool:
    """Whether a file is an object or an archive, by its first bytes; what is called assembly is none."""
    if path == "-" or is_assembly_by_name(path) or stand_in(path) is not None:
        return False
    from pvasm.objects.elf_file import is_elf_file

    return is_elf_file(path)


def is_c_file(path: str) -> bool:
    """Whether a file is C by its name; a header may be C and assembly."""
    return path.endswith(_C)


class Checker:
    """Checks one file at a time; what is the same for all is made once, and only if the cache has no answer."""

    def __init__(self, settings: Settings) -> None:
        self.settings: AnswerSettings = settings.answer()
        self._uses_cache = settings.use_cache
        self.headers_in_c: Collection[str] = ()
        """The headers whose inline assembly is looked at: those that were named, since a folder's are many."""
        self.earlier: Earlier | None = None
        """What is known of earlier versions of a text, where it is checked again and again."""
        self._parts: tuple[Catalog, dict[str, bool]] | None = None
        self.key = ascii([self.settings.key(), self._own_instances()])

    def _own_instances(self) -> list[tuple[str, str]]:
        """The texts of instance files of somebody's own, which may change, and of those that they extend."""
        if not self.settings.instances:
            return []
        from pvasm.paravirt.shipped import is_path

        if not any(map(is_path, self.settings.instances)):
            return []
        files = {file for instance in self._instances(self._prepared()[0]) for file in instance.files}
        return [(file, read_text(file)) for file in sorted(files)]

    @property
    def _selection(self) -> Selection:
        from pvasm.check.engine import Selection

        return Selection(self.settings.select, self.settings.ignore, self.settings.extend_select)

    @cached_property
    def rules(self) -> list[Rule]:
        """The rules about documents that are on."""
        return self._selection.rules()

    def prepare(self) -> None:
        """Makes what all files need. Raises PvasmError for settings that make no sense.

        A result in the cache is proof that they do.
        """
        _ = self.rules
        self._prepared()

    def _prepared(self) -> tuple[Catalog, dict[str, bool]]:
        if self._parts is None:
            from pvasm.paravirt.environments import known_macros
            from pvasm.paravirt.loading import load_catalog, load_extended_catalog

            catalog = load_extended_catalog() if self.settings.extension else load_catalog()
            self._parts = catalog, known_macros(self._instances(catalog))
        return self._parts

    def subject(
        self,
        text: str,
        path: str,
        headers: Sequence[Header] = (),
        sources: dict[str, str] | None = None,
        *,
        is_c: bool = False,
        earlier: Earlier | None = None,
    ) -> Subject:
        """What rules look at for a text, which is the C preprocessor's if the settings ask for that.

        `headers` are the paths and texts of those that it includes, `sources` those that it was made of, where they
        have comments for pvasm. `is_c` says that the text was made of C, `earlier` knows earlier versions of it.
        """
        from pvasm.asm.reading import assembly_parser
        from pvasm.check.subject import Subject
        from pvasm.syntax.document import read_document

        catalog, known = self._prepared()
        document = read_document(
            assembly_parser(), text, path, preprocessed=False if is_c else True if self.settings.cpp else None
        )
        named = is_c or not is_header(path)
        return Subject(
            document,
            catalog,
            known,
            self._names,
            named=named,
            included=tuple(headers),
            user_level=self.settings.user_level,
            bare_files=self.settings.bare_files,
            sources=sources,
            follows_flow=not is_c and any(rule.follows_flow for rule in self.rules),
            is_c=is_c,
            earlier=earlier,
        )

    def _instances(self, catalog: Catalog) -> list[Instance]:
        if not self.settings.instances:
            return []
        from pvasm.paravirt.loading import current_instance

        return [current_instance(name, catalog) for name in self._names]

    @property
    def _names(self) -> tuple[str, ...]:
        """The instances in question, by name or file."""
        from pvasm.paravirt.environments import build_names
        from pvasm.paravirt.shipped import ALL, instance_names

        chosen = self.settings.instances or build_names()
        return tuple(dict.fromkeys(each for name in chosen for each in (instance_names() if name == ALL else [name])))

    def kept(self, path: str) -> tuple[FileResult | None, int]:
        """The cache's answer for a file that need not go through the C preprocessor, and the file's length.

        A file that cannot be read has an answer, too.
        """
        shown = shown_name(path)
        try:
            text = read_text(path)
        except PvasmError as error:
            return FileResult(shown, errors=[error], counts=0), 0
        headers = dict(self._headers(shown, text, []))
        kept = cache.load(self._name(shown, text, headers)) if self._uses_cache else None
        return FileResult.load(shown, kept) if kept is not None else None, len(text)

    def is_plain_assembly(self, path: str) -> bool:
        """Whether a file is read as assembly alone."""
        others = is_instance_file(path) or is_object_file(path) or is_c_file(path)
        return not others and path not in self.headers_in_c

    def check(self, path: str) -> FileResult:
        """What is found in a file, from the cache if that knows. Raises PvasmError for settings that make no sense."""
        shown = shown_name(path)
        try:
            if is_instance_file(path):
                return self._check_instance_file(path)
            if is_object_file(path):
                return self._check_object(path)
            if is_c_file(path):
                return self._check_c(path)
            result = self._check(shown, path)
            return self._with_c(result, path) if path in self.headers_in_c and not result.errors else result
        except MemoryError:
            return FileResult(shown, errors=[PvasmError("not enough memory to check this file", shown)], counts=0)
        except RecursionError:
            return FileResult(shown, errors=[PvasmError("nested too deeply to be checked", shown)], counts=0)

    def _check_instance_file(self, path: str) -> FileResult:
        """What is found in an instance file; never kept, since other files have a say in what it means."""
        from pvasm.check.instance_files import check_instance_file

        return FileResult(path, *check_instance_file(path, self._selection.instance_rules()))

    def _check_object(self, path: str) -> FileResult:
        """What is found in an object, a program or an archive, from the cache if that knows."""
        from pvasm.check.object_files import ObjectCheck
        from pvasm.objects.elf_file import read_object_bytes

        try:
            data = read_object_bytes(path)
        except PvasmError as error:
            return FileResult(path, errors=[error], counts=0)
        name = cache.key(f"{self.key} {path} object", data) if self._uses_cache else ""
        kept = cache.load(name) if name else None
        if kept is not None:
            return FileResult.load(path, kept)
        answer = ObjectCheck(self.rules, self.settings, self._prepared()[0]).check(data, path)
        result = FileResult(path, answer.diagnostics, answer.errors, min(answer.files, 1), answer.notes)
        if name:
            cache.store(name, result.dump())
        return result

    def _with_c(self, result: FileResult, path: str) -> FileResult:
        """What was found in a header read as assembly, and what is in its inline assembly."""
        found = self._check_c(path)
        if not (found.counts and result.counts):
            return found if found.counts or found.errors else result
        more = [each for each in found.diagnostics if each.code != _UNUSED]  # `_check` has asked C of those
        result.diagnostics = sorted({*result.diagnostics, *more}, key=lambda each: each.order)
        result.errors += found.errors
        return result

    def _unused_in_both(self, result: FileResult, text: str) -> None:
        """Leaves out of what was found in a header the suppressions that hide nothing of its assembly, but of its C."""
        if not any(each.code == _UNUSED for each in result.diagnostics):
            return
        found = self._c_answer(text, result.path)
        unused = {(each.line, each.column) for each in found.diagnostics if each.code == _UNUSED}
        if found.holds_code:
            result.diagnostics = [
                each for each in result.diagnostics if each.code != _UNUSED or (each.line, each.column) in unused
            ]

    def _c_answer(self, text: str, path: str) -> CAnswer:
        """What is found in a C text. Raises PvasmError as `check_c` does."""
        from pvasm.check.c_files import check_c

        def subject_of(made: str) -> Subject:
            return self.subject(made, path, is_c=True)

        return check_c(text, path, self.rules, subject_of, find_unused=self.settings.find_unused)

    def _check_c(self, path: str) -> FileResult:
        """What is found in the inline assembly of C, and its calls; counts 0 for a header without any."""
        try:
            text = read_text(path)
        except PvasmError as error:
            return FileResult(path, errors=[error], counts=0)
        name = self._name(f"{path} C", text, {}) if self._uses_cache else ""
        kept = cache.load(name) if name else None
        if kept is not None:
            return FileResult.load(path, kept)
        try:
            answer = self._c_answer(text, path)
        except PvasmError as error:
            return FileResult(path, errors=[error], counts=0)
        counts = 1 if answer.holds_code or not is_header(path) else 0
        result = FileResult(path, answer.diagnostics if counts else (), answer.errors if counts else (), counts)
        if name:
            cache.store(name, result.dump())
        return result

    def _check(self, shown: str, path: str) -> FileResult:
        try:
            text, sources = self._read(shown, path)
        except PvasmError as error:
            missing = getattr(error, "headers", ())
            if missing:
                errors, names = [each.error() for each in missing], [each.name for each in missing]
                return FileResult(shown, errors=errors, counts=0, missing=names)
            return FileResult(shown, errors=[error], counts=0)
        outside: list[str] = []
        headers = self._headers(shown, text, outside)
        name = self._name(shown, text, {**dict(headers), **(sources or {})}) if self._uses_cache else ""
        kept = cache.load(name) if name else None
        if kept is not None:
            return FileResult.load(shown, kept)
        result = FileResult(shown, outside=outside)
        self._check_text(text, headers, sources, result)
        if is_header(shown) and sources is None:
            self._unused_in_both(result, text)
        if name:
            cache.store(name, result.dump())
        return result

    def subject_of(self, path: str) -> Subject | None:
        """What the rules look at for an assembly file; None for another, or one without assembly, or not to be read."""
        shown = shown_name(path)
        if path == "-" or not self.is_plain_assembly(path):
            return None
        try:
            text, sources = self._read(shown, path)
            subject = self.subject(text, shown, self._headers(shown, text, []), sources)
        except (PvasmError, MemoryError, RecursionError):
            return None  # a check tells of it
        return subject if not subject.holds_c and subject.holds_assembly() else None

    def _read(self, shown: str, path: str) -> tuple[str, dict[str, str] | None]:
        """The text to check and, where that is the C preprocessor's, the sources that it was made of."""
        text = read_text(path)
        cpp = self._cpp(path)
        if cpp is None or shown.endswith(".s"):
            return text, None
        preprocessed = self._preprocessed(shown, text if path == "-" else None, cpp)
        self._refuse_op_headers(shown, text if path == "-" else None, cpp, preprocessed)
        return preprocessed, self._sources({shown: text}, preprocessed, cpp)

    def _cpp(self, path: str) -> CppSettings | None:
        """What the C preprocessor is run with for a file; None where files are read as they are."""
        if self.settings.cpp is None or not self.settings.built:
            return self.settings.cpp
        return self._built.get(os.path.realpath(path), self.settings.cpp)

    @cached_property
    def _built(self) -> dict[str, CppSettings]:
        return dict(self.settings.built)

    def _preprocessed(self, shown: str, text: str | None, cpp: CppSettings, *, with_defines: bool = False) -> str:
        """What the C preprocessor makes of a file, or of `text`."""
        from pvasm.expand.op_headers import overlays
        from pvasm.syntax.missing_headers import with_all_missing
        from pvasm.syntax.run_cpp import preprocess

        def run(last_directories: Sequence[str]) -> str:
            return preprocess(
                shown,
                include_directories=cpp.include_directories,
                defines=cpp.defines,
                includes=cpp.includes,
                text=text,
                within=self.settings.within,
                overlays=overlays(cpp.op_headers, self._prepared()[0]) if cpp.op_headers else None,
                flags=("-dD",) if with_defines else (),
                last_directories=last_directories,
            )

        return with_all_missing(run, (*(self.settings.within or ()), "."))

    def _refuse_op_headers(self, shown: str, text: str | None, cpp: CppSettings, preprocessed: str) -> None:
        """Raises PvasmError if a header's own ops have taken the place of an instance's: there is nothing to check."""
        from pvasm.expand.op_headers import find_op_headers, is_bare_hardware, overlays
        from pvasm.syntax.run_cpp import OVERLAYS

        catalog = self._prepared()[0]
        if self.settings.instances and all(map(is_bare_hardware, self._instances(catalog))):
            return  # what such a header makes of ops is what is due
        ops = catalog.ops

        own = overlays(cpp.op_headers, self._prepared()[0]) if cpp.op_headers else {}

        def read(path: str) -> str:
            if path.startswith(f"{OVERLAYS}/"):
                return own[path.removeprefix(f"{OVERLAYS}/")]
            if path == "<stdin>":
                return text or ""  # a file is included by a line
            if not self._may_be_read(path, cpp):
                raise PvasmError("not read", path)
            return read_text(path)

        if find_op_headers(preprocessed, ops, read, cpp.defines, shown):  # likely; the preprocessor itself knows
            exact = self._preprocessed(shown, text, cpp, with_defines=True)
            for header in find_op_headers(exact, ops, read, (), shown):
                raise header.error(shown, cpp.op_headers)

    def _may_be_read(self, path: str, cpp: CppSettings) -> bool:
        """Whether a file that a line marker names is one that may be included."""
        within = self.settings.within
        return within is None or any(is_below(path, folder) for folder in (*within, *cpp.include_directories))

    def _sources(self, sources: dict[str, str], text: str, cpp: CppSettings) -> dict[str, str]:
        """The sources that the C preprocessor has read, by the line markers in its text.

        A line marker may as well be somebody's invention, and name anything: what may not be included is not read.
        """
        left = _MAX_SOURCES_BYTES
        for path in dict.fromkeys(_MARKED.findall(text)):
            if path not in sources and os.path.isfile(path) and self._may_be_read(path, cpp):
                left -= os.path.getsize(path)
                if left < 0:
                    break
                with contextlib.suppress(PvasmError):  # its findings stay where they are
                    sources[path] = read_text(path)
        return sources

    def _name(self, shown: str, text: str, sources: dict[str, str]) -> str:
        """The name of a text's result in the cache."""
        digests = ((path, digest(encode(content)).hex()) for path, content in sorted(sources.items()))
        said = ascii(list(digests)) if sources else ""
        return cache.key(f"{self.key} {shown} {said}", encode(text))

    def _headers(self, path: str, text: str, outside: list[str]) -> list[Header]:
        """The headers beside a file that it includes: how its macros go on shows what the registers mean.

        Those that are not read, since they are no part of what the run is about, go to `outside`.
        """
        if self.settings.cpp is not None or "include" not in text or path in ("<stdin>",) or path.endswith(".s"):
            return []
        from pvasm.headers import included

        return included(path, text, within=self.settings.within, outside=outside)

    def _check_text(
        self, text: str, headers: Sequence[Header], sources: dict[str, str] | None, result: FileResult
    ) -> None:
        from pvasm.check.engine import run
        from pvasm.check.source_places import SourcePlaces, readable_sources
        from pvasm.expand.assembly_text import refuse_other_text

        rules = self.rules
        earlier = self.earlier if sources is None else None
        subject = self.subject(text, result.path, headers, sources, earlier=earlier)
        document = subject.document
        if not subject.named and not subject.holds_assembly():
            result.counts = 0
            return
        try:
            refuse_other_text(document, subject.catalog.ops)
        except PvasmError as error:
            result.errors.append(error)
            result.counts = 0
            return
        # One configuration does not show what another needs.
        find_unused = self.settings.find_unused and self.settings.cpp is None
        if subject.holds_c:
            rules = [rule for rule in rules if rule.in_mixed_headers]
        fixed = self._with_edits(subject, headers) if self.settings.fixes and sources is None else None
        result.diagnostics = run(subject, rules, sources, find_unused=find_unused, then=fixed)
        subject.forget()
        if sources is not None:
            cpp = self._cpp(result.path)
            assert cpp is not None
            folders = ("", os.path.dirname(result.path), *cpp.include_directories)
            shown = [result.path, *readable_sources(list(sources), folders)]
            places = SourcePlaces({path: sources[path] for path in shown if path in sources})
            result.diagnostics = sorted(map(places.moved, result.diagnostics), key=lambda each: each.order)
        if subject.holds_c:
            return
        result.errors += [
            document.error(problem) for problem in document.problems if subject.concerns(problem.conditions)
        ]

    def _with_edits(self, subject: Subject, headers: Sequence[Header]) -> Callable[[list[_Found]], list[_Found]]:
        """What leaves those edits in findings that can be made; from here on, rules propose them."""
        from pvasm.check.accepted_edits import with_accepted_edits

        document = subject.document

        def make_subject(text: str) -> Subject:
            return self.subject(text, document.path, headers)

        subject.fixing = subject.follows_flow = True
        return lambda found: with_accepted_edits(found, document.text, subject, make_subject)


_C = ".c"
_UNUSED = "PV900"
_MARKED = regex(r'^#[ \t]+\d+[ \t]+"((?:\\.|[^"\\\n])*)"', re.MULTILINE)
_MAX_SOURCES_BYTES = 1 << 25  # of all that a file includes
