"""What a run found, kept for the next: keyed by the content, the tool and the settings.

The cache is a folder of small files: `$PVASM_CACHE_DIR`, or `pvasm` in `$XDG_CACHE_HOME` or `~/.cache`. It is a help, never
a need: where it cannot be read or written, the run goes on without.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from functools import cache
from pathlib import Path

from pvasm import __version__, data

_MAX_ENTRIES = 8192


def _folder() -> Path | None:
    named = os.environ.get("PVASM_CACHE_DIR")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    if base and os.path.isabs(base):
        return Path(base) / "pvasm"
    home = os.environ.get("HOME")
    return Path(home) / ".cache" / "pvasm" if home else None


@cache
def _tool() -> bytes:
    """What tells this tool from any other state of it: its version, and the files that it is made of."""
    parts = [__version__]
    for folder in (Path(__file__).parent, data.grammar_file("").parent, data.instances_directory()):
        parts += sorted(_stamps(str(folder)))
    return "\n".join(parts).encode("utf-8", "surrogateescape")


def _stamps(folder: str) -> list[str]:
    stamps: list[str] = []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name == "__pycache__":
                continue
            if entry.is_dir():
                stamps += _stamps(entry.path)
            else:
                status = entry.stat()
                stamps.append(f"{entry.path} {status.st_size} {status.st_mtime_ns}")
    return stamps


def key(settings: str, content: bytes) -> str:
    """The name under which the result for `content` with `settings` is kept."""
    digest = hashlib.sha256()
    for part in (_tool(), settings.encode("utf-8", "surrogateescape"), content):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def load(name: str) -> bytes | None:
    """What `store` kept under a name, or None."""
    folder = _folder()
    if folder is None:
        return None
    try:
        kept = (folder / name[:2] / name[2:]).read_bytes()
    except OSError:
        return None
    # The first 32 bytes are the digest of the rest: a file that something cut short is no result.
    return kept[32:] if hashlib.sha256(kept[32:]).digest() == kept[:32] else None


def store(name: str, result: bytes) -> None:
    """Keeps a result under a name, whole or not at all."""
    folder = _folder()
    if folder is None:
        return
    shelf = folder / name[:2]
    try:
        shelf.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, temporary = tempfile.mkstemp(dir=shelf, prefix=".new-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(result).digest() + result)
            os.replace(temporary, shelf / name[2:])
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        _prune(shelf)
    except OSError:
        pass


def _prune(shelf: Path) -> None:
    """Drops the older half of a shelf that has grown past its share."""
    entries = list(os.scandir(shelf))
    if len(entries) > _MAX_ENTRIES // 256:
        by_age = sorted(entries, key=lambda entry: entry.stat().st_mtime_ns)
        for entry in by_age[: len(by_age) // 2]:
            with contextlib.suppress(OSError):
                os.unlink(entry.path)
