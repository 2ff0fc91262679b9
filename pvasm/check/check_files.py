"""A run of the checker over files: which to read, in how many processes, and what is told of each."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from contextlib import closing

from pvasm.check.checker import Checker, FileResult
from pvasm.check.codes import require_known
from pvasm.check.pipeline import Pipeline
from pvasm.check.settings import CppSettings, Settings
from pvasm.errors import IF_KILLED, PvasmError
from pvasm.sources import Source, find_sources, is_header

__all__ = ["CppSettings", "FileResult", "Settings", "check_files"]

Progress = Callable[[int, int], None]
"""Told how many files are done, of how many; now and then with no more done than before."""

# Less work than this for a process is done before the process is ready for it.
_MIN_FILES = 4
_MIN_CHARACTERS = 100_000


def check_files(
    paths: Sequence[str],
    settings: Settings,
    progress: Progress = lambda done, total: None,
    pipeline: Pipeline | None = None,
) -> Generator[FileResult, None, None]:
    """Checks the files that `paths` mean, one result a file, in order.

    What is wrong with one file stands in its result and does not stop the run. `pipeline` says what is reported of what
    is found (None: one of the settings' own, without a baseline).
    Raises PvasmError for settings that make no sense: an unknown code or instance, a bad instance file.
    """
    require_known(code for _, codes in settings.per_file_ignores for code in codes)
    require_known(code for code, _ in settings.severity)
    pipeline = pipeline or Pipeline(settings)
    checker = Checker(settings)
    errors: list[PvasmError] = []
    skipped: list[Source] = []
    sources = _with_instances(chosen_sources(paths, settings, errors, skipped), settings)
    checker.headers_in_c = frozenset(s.path for s in sources if s.folder is None and is_header(s.path))
    if not sources:
        checker.prepare()
    if errors:
        yield FileResult("", errors=errors, counts=0)
    if skipped:
        yield FileResult("", counts=0, notes=[_of_skipped(skipped)])
    strange = _not_built([source.path for source in sources], settings)
    if strange:
        yield FileResult("", counts=0, notes=[strange])
    barren = {path for path in paths if os.path.isdir(path)} - {error.path for error in errors}
    missing = _MissingHeaders()
    outside: list[Source] = []
    with closing(_results(checker, [source.path for source in sources], settings.jobs, progress)) as results:
        for source, result in zip(sources, results, strict=True):
            if result.counts or result.errors:
                barren = {name for name in barren if not _is_below(source.path, name)}
            if result.missing:
                missing.add(result)
            outside += (Source(header, result.path) for header in result.outside)
            if result.counts:
                result.diagnostics = pipeline.reported(result.path, result.diagnostics)
            yield result
    if barren:
        yield FileResult("", errors=[_of_barren(path, settings) for path in sorted(barren)], counts=0)
    if outside:
        yield FileResult("", counts=0, notes=[of_outside(outside)])
    if missing.names:
        yield FileResult("", counts=0, notes=[missing.note(settings.within or ())])


def _of_barren(path: str, settings: Settings) -> PvasmError:
    """What to say of a folder with nothing in it to check."""
    there = {source.path for source in find_sources([path], [], []) if not is_header(source.path)}
    if not there:
        return PvasmError("no assembly in this folder (.S, .s, .sx, or headers)", path)
    kept = {source.path for source in find_sources([path], [], [], respect_gitignore=settings.respect_gitignore)}
    if there.isdisjoint(kept):
        return PvasmError("git ignores all assembly in this folder: --no-gitignore has it checked", path)
    return PvasmError("`exclude' leaves out all assembly in this folder, or git ignores it", path)


def _not_built(paths: Sequence[str], settings: Settings) -> PvasmError | None:
    """What to say of sources that the build does not tell of; None without any, and where no build is asked."""
    if not settings.built:
        return None
    known = {path for path, _ in settings.built}
    found = [path for path in paths if path.endswith((".S", ".sx")) and os.path.realpath(path) not in known]
    if not found:
        return None
    more = f", and of {len(found) - 1} more" if len(found) > 1 else ""
    return PvasmError(f"the build does not tell of this file{more}: the flags are the other settings'", found[0])


class _MissingHeaders:
    """The headers that are missing in a run: of each place where one is included, it is said once."""

    def __init__(self) -> None:
        self.names: dict[str, None] = {}
        self._said: set[str] = set()

    def add(self, result: FileResult) -> None:
        """Takes note of a file's, and leaves in its errors what has not been said."""
        self.names.update(dict.fromkeys(result.missing))
        told = [f"{error}" for error in result.errors]
        errors = [error for error, said in zip(result.errors, told, strict=True) if said not in self._said]
        self._said.update(told)
        result.errors = errors

    def note(self, folders: Sequence[str]) -> PvasmError:
        """What to do about them, in a run about these folders."""
        from pvasm.syntax.missing_headers import remedy

        return PvasmError(remedy(self.names, dict.fromkeys((*folders, "."))))


def _with_instances(sources: list[Source], settings: Settings) -> list[Source]:
    """The sources, and the instance files of somebody's own that they are checked for: they had better be right."""
    if not settings.instances:
        return sources
    from pvasm.paravirt.shipped import is_path

    named = [name for name in settings.instances if is_path(name)]
    there = {os.path.realpath(source.path) for source in sources} if named else ()
    own = [name for name in named if os.path.realpath(name) not in there]
    return [*sources, *(Source(name, None) for name in dict.fromkeys(own))]


def chosen_sources(
    paths: Sequence[str], settings: Settings, errors: list[PvasmError], skipped: list[Source]
) -> list[Source]:
    """The files that `paths` mean, less what the settings exclude.

    What cannot be found goes to `errors`, links that lead out of the folder they were found in to `skipped`.
    """
    members = [path for path in paths if is_member(path)]
    others = [path for path in paths if path not in members] if members else paths
    sources = find_sources(others, errors, skipped, respect_gitignore=settings.respect_gitignore)
    found = _chosen([*sources, *(Source(path, None) for path in dict.fromkeys(members))], settings)
    skipped[:] = _chosen(skipped, settings)
    return found


def is_member(path: str) -> bool:
    """Whether a path names a member of an archive: `lib.a(entry.o)`."""
    if not path.endswith(")") or os.path.exists(path):
        return False
    from pvasm.objects.archive import split_name

    inside = split_name(path)
    return inside is not None and os.path.isfile(inside[0])


def _of_skipped(skipped: Sequence[Source]) -> PvasmError:
    """What to say of links that were not followed."""
    first, *others = skipped
    more = f"; {len(others)} more like it" if others else ""
    return PvasmError(f"leads out of {first.folder} by a link: not read (name it, to have it read){more}", first.path)


def of_outside(headers: Sequence[Source]) -> PvasmError:
    """What to say of headers that were not read; the `folder` of each is the file that includes it."""
    first = headers[0]
    others = len({os.path.realpath(header.path) for header in headers}) - 1
    more = f"; {others} more like it" if others else ""
    said = f"includes {first.path}, which is outside of the folders that were named: not read"
    return PvasmError(f"{said} (name its folder as well, to have it read){more}", first.folder)


def _is_below(path: str, folder: str) -> bool:
    return os.path.realpath(path).startswith(os.path.join(os.path.realpath(folder), ""))


def _chosen(sources: list[Source], settings: Settings) -> list[Source]:
    """The sources less those found in a folder that are excluded, or shown by the files that include them."""
    if settings.exclude:
        from pvasm.config import Globs

        excluded = Globs(settings.exclude, settings.root).match
        forced = settings.force_exclude
        sources = [s for s in sources if (s.folder is None and not forced) or s.path == "-" or not excluded(s.path)]
    if settings.cpp is not None:
        sources = [source for source in sources if source.folder is None or not is_header(source.path)]
    return sources


# ------------------------------------------------------------------------------------------- processes


def _results(
    checker: Checker, paths: Sequence[str], jobs: int | None, progress: Progress
) -> Generator[FileResult, None, None]:
    """The result of each path, in order, by at most so many processes, and as many as that is worth."""
    from pvasm import workers

    limit = min(jobs or workers.usable_cores(), len(paths) // _MIN_FILES)
    if limit < 2 or not workers.can_fork:
        for done, path in enumerate(paths, start=1):
            yield checker.check(path)
            progress(done, len(paths))
        return
    known, lengths = _kept(checker, paths)
    missing = sorted((number for number in range(len(paths)) if number not in known), key=lambda n: -lengths[n])
    limit = min(limit, len(missing) // _MIN_FILES, sum(lengths[number] for number in missing) // _MIN_CHARACTERS)
    if limit >= 2:
        # Whatever a check imports and reads when it first needs it, the processes have from here.
        ordinary = missing.pop(len(missing) // 2)
        known[ordinary] = checker.check(paths[ordinary])
        done = len(known)

        def tick() -> None:
            progress(done, len(paths))

        def work(number: int) -> bytes:
            return checker.check(paths[number]).dump()

        with closing(workers.run_in_workers(work, missing, limit, tick)) as answers:
            at = 0
            for number, answer in answers:
                known[number] = _answer(checker, paths[number], answer)
                done += 1
                tick()
                while at in known:
                    yield known.pop(at)
                    at += 1
            yield from (known[number] for number in range(at, len(paths)))
        return
    for number, path in enumerate(paths):
        yield known[number] if number in known else checker.check(path)
        progress(number + 1, len(paths))


def _kept(checker: Checker, paths: Sequence[str]) -> tuple[dict[int, FileResult], dict[int, int]]:
    """The results that need no work, by the number of the path, and how much there is to read in the others."""
    known: dict[int, FileResult] = {}
    lengths: dict[int, int] = {}
    for number, path in enumerate(paths):
        if path == "-":  # can be read but once
            known[number] = checker.check(path)
        elif checker.settings.cpp is not None or not checker.is_plain_assembly(path):
            lengths[number] = _MIN_CHARACTERS  # what it takes has little to do with what there is to read
        else:
            result, lengths[number] = checker.kept(path)
            if result is not None:
                known[number] = result
    return known, lengths


def _answer(checker: Checker, path: str, answer: bytes | int) -> FileResult:
    """The result that a worker sent, or what to say of one that could not."""
    if isinstance(answer, bytes):
        return FileResult.load(path, answer)
    if answer < 0:
        error = PvasmError(f"the process that checked this file was killed by signal {-answer}{IF_KILLED}", path)
        return FileResult(path, errors=[error], counts=0)
    return checker.check(path)  # a fault of our own: let it show here
