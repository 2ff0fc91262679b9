"""What a run found, kept for the next: keyed by the content, the tool and the settings.

The cache is a folder of small files: `$PVASM_CACHE_DIR`, or `pvasm` in `$XDG_CACHE_HOME` or `~/.cache`. It is a
help, never a need: where it cannot be read or written, the run goes on without.
"""

from __future__ import annotations

import contextlib
import os
from functools import cache

from pvasm import __version__, data, shelves
from pvasm.digests import digest

_MAX_ENTRIES = 8192

ABOVE = frozenset({"adopt", "cc", "commands", "header", "lsp", "report"})
"""The packages that no answer depends on: they stand above the checker."""


@cache
def _tool() -> bytes:
    """What tells this tool from any other state of it: its version, and the files that answers are made by."""
    stamps = [stamp for folder in data.folders() for stamp in sorted(_stamps(folder, ABOVE))]
    return digest("\n".join([__version__, *stamps]).encode("utf-8", "surrogateescape"))


def _stamps(folder: str, without: frozenset[str] = frozenset()) -> list[str]:
    stamps: list[str] = []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name == "__pycache__" or entry.name in without:
                continue
            if entry.is_dir():
                stamps += _stamps(entry.path)
            else:
                status = entry.stat()
                stamps.append(f"{entry.path} {status.st_size} {status.st_mtime_ns}")
    return stamps


def key(settings: str, content: bytes) -> str:
    """The name under which the result for `content` with `settings` is kept."""
    parts = (_tool(), digest(settings.encode("utf-8", "surrogateescape")), digest(content))
    return digest(b"".join(parts)).hex()


def load(name: str) -> bytes | None:
    """What `store` kept under a name, or None."""
    folder = data.cache_folder()
    if folder is None:
        return None
    return shelves.take(os.path.join(folder, name[:2]), name[2:])


def store(name: str, result: bytes) -> None:
    """Keeps a result under a name, whole or not at all."""
    folder = data.cache_folder()
    if folder is None:
        return
    shelf = os.path.join(folder, name[:2])
    with contextlib.suppress(OSError):
        if shelves.put(shelf, name[2:], result):
            _prune(shelf)


def _prune(shelf: str) -> None:
    """Drops the older half of a shelf that has grown past its share."""
    entries = list(os.scandir(shelf))
    if len(entries) > _MAX_ENTRIES // 256:
        by_age = sorted(entries, key=lambda entry: entry.stat().st_mtime_ns)
        for entry in by_age[: len(by_age) // 2]:
            with contextlib.suppress(OSError):
                os.unlink(entry.path)
