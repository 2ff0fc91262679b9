"""Which files a run is about: the paths named, and the assembly below the folders among them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from pvasm.errors import PvasmError
from pvasm.files import NO_SUCH_FILE, RealPaths, is_below, unreadable
from pvasm.text import stand_in

if TYPE_CHECKING:
    from pvasm.gitignore import Ignored

# A linker script goes through the C preprocessor too, but is no assembly.
_LINKER_SCRIPT = ".lds.S"
_ASSEMBLY = (".S", ".s", ".sx")
_HEADER = ".h"


def is_header(path: str) -> bool:
    """Whether a file found in a folder is a header, which may hold assembly or not."""
    return path.endswith(_HEADER)


def is_assembly_by_name(path: str) -> bool:
    """Whether a file is assembly, or a header of it, by its name; standard input may be anything."""
    return path == "<stdin>" or path.endswith((*_ASSEMBLY, _HEADER))


class Source(NamedTuple):
    """A file to read; `folder` is the folder it was found in, None for one that was named."""

    path: str
    folder: str | None


def find_sources(
    paths: Iterable[str], errors: list[PvasmError], skipped: list[Source], *, respect_gitignore: bool = False
) -> list[Source]:
    """The files to read, in order, each once (by whatever name); `-` stays as it is.

    A named file is taken whatever its name. A folder is searched for assembly files and headers; files and folders
    whose names start with a dot are left out, and so is what is no regular file and, with `respect_gitignore`, what git
    ignores. What is missing is added to `errors`, what is no part of the folder that it was found in, but a link that
    leads out of it, to `skipped`.
    """
    found: dict[str, Source] = {}
    real_paths = RealPaths()
    for path in paths:
        if path == "-":
            found[path] = Source(path, None)
        elif os.path.isdir(path):
            for below in _walk(path, errors, _ignored(path) if respect_gitignore else None):
                if os.path.islink(below) and not is_below(below, path):
                    skipped.append(Source(below, path))
                else:
                    found.setdefault(real_paths.of(below), Source(below, path))
        elif path and (os.path.exists(path) or stand_in(path) is not None):
            real = real_paths.of(path)
            if real not in found or found[real].folder is not None:  # the name given first, before one that was found
                found[real] = Source(path, None)
        else:
            errors.append(PvasmError(NO_SUCH_FILE, path) if path else PvasmError("an empty file name"))
    return list(found.values())


def _ignored(folder: str) -> Ignored:
    from pvasm.gitignore import Ignored

    return Ignored(folder)


def _walk(folder: str, errors: list[PvasmError], ignored: Ignored | None) -> Iterator[str]:
    def add(error: OSError) -> None:
        errors.append(unreadable(error, str(error.filename)))

    for root, folders, files in os.walk(folder, onerror=add):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".")
            and not (ignored is not None and ignored.match(os.path.join(root, name), is_folder=True))
        )
        for name in sorted(files):
            if name.startswith(".") or not name.endswith((*_ASSEMBLY, _HEADER)) or name.endswith(_LINKER_SCRIPT):
                continue
            path = os.path.join(root, name)
            if os.path.isfile(path) and not (ignored is not None and ignored.match(path)):
                yield path.removeprefix("./") if folder == "." else path
