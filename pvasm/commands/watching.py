"""`pvasm check --watch`: a check whenever a file changes."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Sequence

from pvasm.commands.shared import fail, tell
from pvasm.errors import PvasmError
from pvasm.exit_status import INTERRUPTED
from pvasm.files import NO_SUCH_FILE

_LOOKED_AT = (".S", ".s", ".sx", ".h", ".c", ".o", ".a", ".yaml", ".yml", ".toml", ".json", ".gitignore")


def watch(check: Callable[[], int], paths: Sequence[str]) -> int:
    """Checks, and again after each change below these paths, until there is an interrupt. Returns never otherwise.

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
    process = _started(check)
    try:
        # Each of these is a list of changes that came together. Those during a check come with the next.
        for _ in watchfiles.watch(*sorted(folders), watch_filter=matters, raise_interrupt=True):
            os.waitpid(process, 0)
            if sys.stdout.isatty():
                sys.stdout.write("\033[H\033[2J")  # ECMA-48: the cursor home, the screen cleared
            process = _started(check)
    except (OSError, RuntimeError) as error:
        raise PvasmError(f"--watch: {error}") from error
    return 0


def _started(check: Callable[[], int]) -> int:
    """A process that checks, and knows nothing of what files were before; its id."""
    sys.stdout.flush()
    process = os.fork()
    if process != 0:
        return process
    status = INTERRUPTED
    with contextlib.suppress(KeyboardInterrupt):
        try:
            status = check()
        except PvasmError as error:
            status = fail([error])
        tell("pvasm: note: waiting for changes (Ctrl-C ends it)")
    os._exit(status)
