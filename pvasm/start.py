"""The console script: what an interrupt means while the rest is still being imported."""

import gc
import os
import signal
from types import FrameType
from typing import NoReturn

from pvasm.exit_status import INTERRUPTED


def _end(number: int, frame: FrameType | None) -> NoReturn:
    os._exit(INTERRUPTED)


def run() -> NoReturn:
    """Runs the command line in this process, which ends with it; before it can clear up, an interrupt just ends it."""
    # Modules, and trees without cycles, thrown away with the process: neither looking for garbage nor clearing up pays.
    gc.disable()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # it may be ignored, and stays so
        signal.signal(signal.SIGINT, _end)
    from pvasm.lean_imports import import_leanly

    import_leanly()
    from pvasm import cli, kept_patterns

    kept_patterns.use()
    cli.run()
