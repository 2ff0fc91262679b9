"""Which files a run is about: the paths named, and the assembly below the folders among them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from pvasm.errors import PvasmError

# A linker script goes through the C preprocessor too, but is no assembly.
_LINKER_SCRIPT = ".lds.S"
_ASSEMBLY = (".S", ".s", ".sx")
_HEADER = ".h"


def is_header(path: str) -> bool:
    """Whether a file found in a folder is a header, which may hold assembly or not."""
    return path.endswith(_HEADER)


def find_sources(paths: Iterable[str], errors: list[PvasmError]) -> list[tuple[str, bool]]:
    """The files to read, in order, each once; `-` stays as it is. The flag tells a file that was named from one found.

    A named file is taken whatever its name. A folder is searched for assembly files and headers; folders whose names
    start with a dot are left out. What is missing, and a folder without any such file, is added to `errors`.
    """
    found: dict[str, bool] = {}
    for path in paths:
        if path == "-" or not os.path.isdir(path):
            if path != "-" and not os.path.exists(path):
                errors.append(PvasmError("no such file or folder", path))
            else:
                found[path] = True
            continue
        before = len(found)
        for below in _walk(path, errors):
            found.setdefault(below, False)
        if len(found) == before and not any(_under(name, path) for name in found):
            errors.append(PvasmError("no assembly in this folder (.S, .s, .sx, or headers)", path))
    return list(found.items())


def _under(name: str, folder: str) -> bool:
    return name.startswith(os.path.join(folder, ""))


def _walk(folder: str, errors: list[PvasmError]) -> Iterator[str]:
    def unreadable(error: OSError) -> None:
        errors.append(PvasmError(error.strerror or str(error), str(error.filename)))

    for root, folders, files in os.walk(folder, onerror=unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name.endswith((*_ASSEMBLY, _HEADER)) and not name.endswith(_LINKER_SCRIPT):
                path = os.path.join(root, name)
                yield path.removeprefix("./") if folder == "." else path
