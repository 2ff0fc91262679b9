"""Running the command line as a person does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from tests.cli.fork_server import run


class Done(NamedTuple):
    """What a command left behind."""

    status: int
    output: str
    errors: str

    @property
    def error_lines(self) -> list[str]:
        """Standard error, line by line."""
        return self.errors.splitlines()


def pvasm(*arguments: str | Path, cwd: Path | None = None, stdin: bytes = b"", **environment: str) -> Done:
    """Runs pvasm in a process of its own; the cache is the caller's business (`PVASM_CACHE_DIR`)."""
    ended = run(
        [str(each) for each in arguments],
        cwd or Path.cwd(),
        stdin,
        {**os.environ, "PVASM_CACHE_DIR": "/dev/null/none", **environment},
    )
    return Done(ended.status, ended.output.decode("utf-8", "replace"), ended.errors.decode("utf-8", "replace"))
