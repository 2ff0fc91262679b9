"""Headers that the C preprocessor does not find: all of a file at once, and which folders would give them.

The preprocessor stops at the first. To find the others, it runs again with an empty header in the place of each that is
missing; what it makes of the file then is of no use for anything else.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final

from pvasm.errors import PvasmError
from pvasm.files import is_below
from pvasm.syntax.run_cpp import MissingHeadersError

_MOST: Final = 100  # of one file
_TIME_LIMIT: Final = 10  # seconds
_DEPTH: Final = ("-",) * 8  # so that `../../x.h` stays in the folder
_MOST_ENTRIES: Final = 50_000  # of folders that are looked through
_SHOWN: Final = 4


def with_all_missing(run: Callable[[Sequence[str]], str]) -> str:
    """What `run` returns, which runs the preprocessor with more folders of headers, to be looked at last.

    Raises MissingHeadersError with all headers that are missing, as far as can be seen without what is in them, and
    whatever else `run` raises with no more folders.
    """
    try:
        return run(())
    except MissingHeadersError as error:
        first = error
    found = list(first.headers)
    until = time.monotonic() + _TIME_LIMIT
    with tempfile.TemporaryDirectory(prefix="pvasm-") as folder:
        last = os.path.join(folder, *_DEPTH)
        os.makedirs(last)
        while len(found) < _MOST and time.monotonic() < until and _make_empty(found[-1].name, last, folder):
            try:
                run((last,))
            except MissingHeadersError as error:
                found += error.headers
            except PvasmError:
                break  # of no account, with empty headers
            else:
                break
    raise MissingHeadersError(found)


def _make_empty(name: str, last: str, folder: str) -> bool:
    """Makes an empty header; False for one that is there, and for a name that leads elsewhere."""
    path = os.path.normpath(os.path.join(last, name))
    if os.path.isabs(name) or not is_below(path, folder):
        return False
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "xb"):
            return True
    except (OSError, ValueError):
        return False


def remedy(names: Collection[str], folders: Iterable[str]) -> str:
    """What to do about missing headers: which folders below `folders`, that were named, would give them."""
    left = list(names)
    options: list[str] = []
    giving = _giving(names, folders)
    while giving:
        best = max(giving, key=lambda each: (len(giving[each].intersection(left)), -len(each)))
        given = giving.pop(best).intersection(left)
        if not given:
            break
        left = [name for name in left if name not in given]
        options.append(f"-I {best} gives {_listed([name for name in names if name in given])}")
    if left:
        start = "no folder here has" if not options else "none has"
        theirs = "its folder" if len(left) == 1 else "their folders"
        options.append(f"{start} {_listed(left, 'or')}: name {theirs} with -I")
    return f"headers are missing: {'; '.join(options)} (or `include-dirs' of the configuration; docs/configuration.md)"


def _listed(names: Sequence[str], conjunction: str = "and") -> str:
    """Names as a sentence has them."""
    shown = list(names[:_SHOWN])
    if len(names) > _SHOWN:
        shown.append(f"{len(names) - _SHOWN} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} {conjunction} {shown[-1]}"


def _giving(names: Collection[str], folders: Iterable[str]) -> dict[str, set[str]]:
    """The folders in which some of the headers are, and which."""
    found: dict[str, set[str]] = {}
    by_base: dict[str, list[str]] = {}
    for name in names:
        by_base.setdefault(os.path.basename(name), []).append(os.path.normpath(name))
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
            for base in by_base.keys() & set(files):
                path = os.path.normpath(os.path.join(root, base))
                for name in by_base[base]:
                    if path == name or path.endswith(f"/{name}"):
                        found.setdefault(path[: -len(name)].rstrip("/") or ".", set()).add(name)
    return found
