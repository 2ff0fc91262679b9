"""Running the command line as a person does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple


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
    done = subprocess.run(
        [sys.executable, "-m", "pvasm", *map(str, arguments)],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        timeout=600,
        check=False,
        env={**os.environ, "PVASM_CACHE_DIR": "/dev/null/none", **environment},
    )
    return Done(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))
