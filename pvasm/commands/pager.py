"""Long text through a pager, on a terminal."""

from __future__ import annotations

import contextlib
import os
import sys

from pvasm.commands.shared import write


def write_long(text: str) -> None:
    """Text on standard output; on a terminal that it does not fit on, through `$PAGER` (`less` without it).

    The pager is started without a shell, with the arguments that `PAGER` gives it. An empty `PAGER`, and one that
    cannot be run, mean none.
    """
    if sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb" and text.count("\n") >= _rows():
        command = _pager()
        if command and _through(command, text):
            return
    write(text)


def _rows() -> int:
    told = os.environ.get("LINES", "")
    if told.isdecimal() and int(told):
        return int(told)
    with contextlib.suppress(OSError):
        return os.get_terminal_size(sys.stdout.fileno()).lines or 24
    return 24


def _pager() -> list[str]:
    import shlex

    with contextlib.suppress(ValueError):  # a quote that is open
        return shlex.split(os.environ.get("PAGER", "less"))
    return []


def _through(command: list[str], text: str) -> bool:
    """Whether a pager has shown the text. An interrupt is for the pager while it runs."""
    import signal
    import subprocess

    sys.stdout.flush()
    before = signal.getsignal(signal.SIGINT)
    environment = {"LESS": "FRX", **os.environ}
    try:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment)
    except OSError:
        return False
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        process.communicate(text.encode("utf-8", "surrogateescape"))
    finally:
        signal.signal(signal.SIGINT, before)
    return process.returncode not in (126, 127)
