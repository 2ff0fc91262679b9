"""`pvasm check --watch`: a check whenever a file changes."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from typing import IO

from pvasm.commands.shared import fail, tell
from pvasm.errors import PvasmError
from pvasm.exit_status import INTERRUPTED
from pvasm.files import NO_SUCH_FILE

_LOOKED_AT = (".S", ".s", ".sx", ".h", ".c", ".o", ".a", ".yaml", ".yml", ".toml", ".json", ".gitignore")


def watch(check: Callable[[Callable[[str], None]], int], paths: Sequence[str]) -> int:
    """Checks, and again after each change below these paths, until there is an interrupt. Returns never otherwise.

    `check` is given what it is to call with each file that it has written. That is no change: what is told is true of
    the file already, and another check would take what was fixed off the screen.
    Raises PvasmError where watchfiles is not installed, or the paths cannot be watched.
    """
    try:
        import watchfiles
    except ImportError:
        raise PvasmError("--watch needs the package watchfiles: pip install 'pvasm[watch]'") from None

    def matters(change: object, path: str) -> bool:
        # Of a folder that goes by another name now nothing else is told.
        return path in named or path.endswith(_LOOKED_AT) or os.path.isdir(path)

    named = {os.path.abspath(path) for path in paths if not os.path.isdir(path)}
    # Of a file its folder: an editor may put another in its place.
    folders = {path if os.path.isdir(path) else os.path.dirname(path) or "." for path in paths}
    for folder in sorted(folders):
        if not os.path.isdir(folder):
            raise PvasmError(NO_SUCH_FILE, folder)
    with tempfile.TemporaryFile("w+") as written:
        process = _started(check, written)
        own: Sequence[_State] = ()
        try:
            # Each of these is a list of changes that came together. Those during a check come with the next.
            for changes in watchfiles.watch(*sorted(folders), watch_filter=matters, raise_interrupt=True):
                if process is not None:
                    os.waitpid(process, 0)
                    process, own = None, _read(written)
                if all(_state(path) in own for _, path in changes):
                    continue
                if sys.stdout.isatty():
                    sys.stdout.write("\033[H\033[2J")  # ECMA-48: the cursor home, the screen cleared
                process = _started(check, written)
        except (OSError, RuntimeError) as error:
            raise PvasmError(f"--watch: {error}") from error
    return 0


def _started(check: Callable[[Callable[[str], None]], int], written: IO[str]) -> int | None:
    """A process that checks, and knows nothing of what files were before; its id.

    What has become of the files that it writes, it leaves in `written`.
    """
    sys.stdout.flush()
    written.seek(0)
    written.truncate()
    process = os.fork()
    if process != 0:
        return process
    status = INTERRUPTED
    own: list[_State | None] = []
    with contextlib.suppress(KeyboardInterrupt):
        try:
            status = check(lambda path: own.append(_state(path)))
        except PvasmError as error:
            status = fail([error])
        json.dump(own, written)
        written.flush()
        tell("pvasm: note: waiting for changes (Ctrl-C ends it)")
    os._exit(status)


def _read(written: IO[str]) -> Sequence[_State]:
    """What has become of the files that a check wrote, which has ended; nothing if it was ended."""
    written.seek(0)
    try:
        return [state for state in json.load(written) if state is not None]
    except ValueError:
        return ()


_State = list[int]
"""What tells a file from what there was, and may be, of its name."""


def _state(path: str) -> _State | None:
    """That of a file; None if there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]
