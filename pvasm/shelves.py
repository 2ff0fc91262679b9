"""Shelves: folders of what is kept for later runs. What was cut short, edited or put there by others is not there."""

from __future__ import annotations

import contextlib
import os
import stat
from functools import cache

from pvasm.digests import SIZE, digest
from pvasm.files import open_regular, replace_file

_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def take(shelf: str, name: str) -> bytes | None:
    """What `put` put on a shelf under a name; None if it is not there as it was, or not to be trusted.

    The digest tells what was damaged. Whoever could write there could make a digest, too: so shelf and file must belong
    to this user, or to root, and nobody else may write to them.
    """
    if not _is_trusted(shelf):
        return None
    try:
        with open_regular(os.path.join(shelf, name)) as file:
            content = file.read() if _is_own(os.fstat(file.fileno())) else b""
    except OSError:
        return None
    told, kept = content[:SIZE], content[SIZE:]
    return kept if told == _digest(name, kept) else None


def put(shelf: str, name: str, content: bytes, *, mode: int = 0o700) -> bool:
    """Puts something on a shelf under a name, whole or not at all; whether it did. Raises OSError if it cannot.

    Where there is no such shelf, it is made with `mode`; the folder that it is to be in, for this user alone.
    """
    os.makedirs(os.path.dirname(shelf) or ".", exist_ok=True, mode=0o700)
    with contextlib.suppress(FileExistsError):
        os.mkdir(shelf, mode)
    _is_trusted.cache_clear()
    if not _is_trusted(shelf):
        return False
    path = os.path.join(shelf, name)
    replace_file(path, _digest(name, content) + content, mode=0o644)
    return True


def _digest(name: str, content: bytes) -> bytes:
    """What tells that this is what was put there, and under this name."""
    return digest(name.encode("utf-8", "surrogateescape") + b"\0" + content)


@cache
def _is_trusted(shelf: str) -> bool:
    """Whether a shelf, and the folder that it is in, are folders that nobody else writes to; a shelf is no link."""
    above = os.path.dirname(shelf)
    with contextlib.suppress(OSError):
        return all(
            stat.S_ISDIR(status.st_mode) and _is_own(status) for status in (os.lstat(shelf), os.stat(above or "."))
        )
    return False


def _is_own(status: os.stat_result) -> bool:
    return status.st_uid in (os.geteuid(), 0) and not status.st_mode & _WRITABLE_BY_OTHERS
