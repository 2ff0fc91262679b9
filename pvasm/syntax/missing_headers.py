"""Headers that the C preprocessor does not find: all of a file at once, and which folders would give them.

The preprocessor stops at the first. To find the others, it runs again with something in the place of each that is
missing: the header itself, where a folder of the run has it, or else an empty one. What it makes of the file then is of
no use for anything else.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from pvasm.errors import ErrorsWithRemedy, PvasmError
from pvasm.files import is_below
from pvasm.syntax.run_cpp import MissingHeader, MissingHeadersError
from pvasm.text import encode

_MOST: Final = 100  # of one file
_TIME_LIMIT: Final = 10  # seconds
_DEPTH: Final = ("-",) * 8  # so that `../../x.h` stays in the folder
_MOST_ENTRIES: Final = 50_000  # of folders that are looked through
_SHOWN: Final = 4


def with_all_missing(run: Callable[[Sequence[str]], str], folders: Iterable[str] = ()) -> str:
    """What `run` returns, which runs the preprocessor with more folders of headers, to be looked at last.

    Raises MissingHeadersError with all headers that are missing, those included by headers that are somewhere below
    `folders` among them, as far as can be seen without what is in the others; and whatever else `run` raises with no
    more folders.
    """
    try:
        return run(())
    except MissingHeadersError as error:
        first = error
    found = list(first.headers)
    until = time.monotonic() + _TIME_LIMIT
    below = tuple(dict.fromkeys(folders))
    with tempfile.TemporaryDirectory(prefix="pvasm-") as folder:
        last = os.path.join(folder, *_DEPTH)
        os.makedirs(last)
        while len(found) < _MOST and time.monotonic() < until and _stands_in(found[-1], last, folder, below):
            try:
                run((last,))
            except MissingHeadersError as error:
                found += map(_as_named, error.headers)
            except PvasmError:
                break  # of no account, with headers that are not theirs
            else:
                break
    raise MissingHeadersError(found)


class Naming(Struct, frozen=True):
    """How folders of headers are named: an option for one, of what it is said, and from which folder on."""

    named: str = "-I {}"
    option: str = "-I"
    folder: str = "."
    by_configuration: bool = False


BY_OPTION: Final = Naming()
BY_CONFIGURATION: Final = Naming(by_configuration=True)


def with_remedy(
    run: Callable[[Sequence[str]], str], path: str, within: Iterable[str] = (), naming: Naming = BY_OPTION
) -> str:
    """What `run` returns, as `with_all_missing` has it, of a file; headers are looked for around it and below `within`.

    Raises ErrorsWithRemedy for headers that are missing, with what to do about them, and else as `with_all_missing`.
    """
    folders = tuple(dict.fromkeys((os.path.dirname(path) or ".", *within, ".")))
    try:
        return with_all_missing(run, folders)
    except MissingHeadersError as error:
        names = dict.fromkeys(each.name for each in error.headers)
        raise ErrorsWithRemedy([each.error() for each in error.headers], remedy(names, folders, naming)) from None


def _as_named(missing: MissingHeader) -> MissingHeader:
    """With the path of a header that stands in as one would name it from the current folder."""
    relative = os.path.relpath(missing.path) if os.path.isabs(missing.path) else missing.path
    return missing if relative.startswith("..") else replace(missing, path=relative)


def _stands_in(missing: MissingHeader, last: str, folder: str, below: tuple[str, ...]) -> bool:
    """Makes a header that stands in for one; False for one that is there, and for a name that leads elsewhere."""
    name = missing.name
    path = os.path.normpath(os.path.join(last, name))
    if os.path.isabs(name) or not is_below(path, folder):
        return False
    real = _nearest(name, missing.path, below)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "xb") as file:
            file.write(b"" if real is None else encode(f'#include "{os.path.abspath(real)}"\n'))
    except (OSError, ValueError):
        return False
    return True


def _nearest(name: str, source: str, below: tuple[str, ...]) -> str | None:
    """The header of this name that is nearest to the file that includes it; None where no folder has one."""
    ending = os.path.normpath(name)
    found = [
        path
        for path in _files_below(below).get(os.path.basename(name), ())
        if (path == ending or path.endswith(f"/{ending}")) and not _UNQUOTABLE.intersection(path)
    ]
    here = os.path.abspath(source)
    return min(found, key=lambda each: (-_in_common(here, each), len(each)), default=None)


def _in_common(absolute: str, path: str) -> int:
    """How much of their paths two files have in common."""
    return len(os.path.commonpath([absolute, os.path.abspath(path)]))


_UNQUOTABLE: Final = frozenset('"\n\r')


def remedy(names: Collection[str], folders: Iterable[str], naming: Naming = BY_CONFIGURATION) -> str:
    """What to do about missing headers: which folders below `folders`, that were named, would give them."""
    left = list(names)
    options: list[str] = []
    chosen: list[str] = []
    giving = _giving(names, folders)
    while giving:
        best = max(giving, key=lambda each: (len(giving[each].intersection(left)), -len(each)))
        given = giving.pop(best).intersection(left)
        if not given:
            break
        left = [name for name in left if name not in given]
        chosen.append(best)
        option = naming.named.format(os.path.relpath(best, naming.folder) if naming.folder != "." else best)
        options.append(f"{option} gives {_listed([name for name in names if name in given])}")
    if left:
        start = "no folder here has" if not options else "none has"
        theirs = "its folder" if len(left) == 1 else "their folders"
        them = "it" if len(left) == 1 else "them"
        options.append(
            f"{start} {_listed(left, 'or')}: name {theirs} with {naming.option} (a build may have to make {them} first)"
        )
    told = f"headers are missing: {'; '.join(options)}"
    if not naming.by_configuration:
        return told
    settings = f": {', '.join(json.dumps(each, ensure_ascii=False) for each in chosen)}" if chosen else ""
    key = f"`include-dirs' of the configuration{settings}"
    return f"{told} (or {key}; docs/configuration.md)"


def _listed(names: Sequence[str], conjunction: str = "and") -> str:
    """Names as a sentence has them."""
    shown = list(names[:_SHOWN])
    if len(names) > _SHOWN:
        shown.append(f"{len(names) - _SHOWN} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} {conjunction} {shown[-1]}"


def _giving(names: Collection[str], folders: Iterable[str]) -> dict[str, set[str]]:
    """The folders in which some of the headers are, and which."""
    found: dict[str, set[str]] = {}
    files = _files_below(tuple(dict.fromkeys(folders)))
    for name in map(os.path.normpath, names):
        for path in files.get(os.path.basename(name), ()):
            if path == name or path.endswith(f"/{name}"):
                found.setdefault(path[: -len(name)].rstrip("/") or ".", set()).add(name)
    return found


def look_again() -> None:
    """From here on, folders are looked through again: there may be other files."""
    _files_below.cache_clear()


@cache
def _files_below(folders: tuple[str, ...]) -> Mapping[str, Sequence[str]]:
    """The files below some folders, by their names; of many files some are left out."""
    found: dict[str, list[str]] = {}
    seen: set[str] = set()
    entries = 0
    for start in folders:
        for root, below, files in os.walk(start):
            entries += 1 + len(files)
            if entries > _MOST_ENTRIES:
                return found
            real = os.path.realpath(root)
            below[:] = [] if real in seen else sorted(each for each in below if not each.startswith("."))
            seen.add(real)
            for base in files:
                found.setdefault(base, []).append(os.path.normpath(os.path.join(root, base)))
    return found
