"""The console script: what an interrupt means while the rest is still being imported."""

from __future__ import annotations

import gc
import os
import signal
import sys

from pvasm.exit_status import INTERRUPTED

TYPE_CHECKING = False  # `typing` is imported where it is needed
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn


def _end(number: int, frame: FrameType | None) -> NoReturn:
    os._exit(INTERRUPTED)


def run() -> NoReturn:
    """Runs the command line in this process, which ends with it; before it can clear up, an interrupt just ends it."""
    # Modules, and trees without cycles, thrown away with the process: neither looking for garbage nor clearing up pays.
    gc.disable()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # it may be ignored, and stays so
        signal.signal(signal.SIGINT, _end)
    if sys.argv[1:2] == ["expand"] and ("--server" in sys.argv or "PVASM_SERVER" in os.environ):
        from pvasm import client

        if client.is_wanted(sys.argv[1:]):
            client.run_in_server(sys.argv[1:])
    from pvasm.lean_imports import import_leanly

    import_leanly()
    from pvasm import cli, kept_patterns

    kept_patterns.use()
    cli.run()
