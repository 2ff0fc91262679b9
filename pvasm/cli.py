"""The command line: finds the command, runs it, and tells of what went wrong."""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from pvasm import __version__
from pvasm.commands import check, expand, explain, parse
from pvasm.commands.shared import CANNOT_RUN, INTERRUPTED, PIPE_CLOSED, closed, fail
from pvasm.errors import PvasmError


def run() -> NoReturn:
    """The console script: `main`, in a process that lives no longer than it."""
    # Trees without cycles, thrown away with the process: neither looking for garbage nor clearing up pays.
    gc.disable()
    _open_streams()
    try:
        status = main()
    except SystemExit as stop:  # argparse: bad usage, or --help
        status = stop.code if isinstance(stop.code, int) else CANNOT_RUN
    with contextlib.suppress(OSError):  # main has told of it
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


def _open_streams() -> None:
    """Puts the null device in the place of output streams that whoever started us has closed."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  (for as long as we live)
            closed.add(name)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; the exit status is what it returns. No error that a person can cause is a traceback."""
    parser = _parser()
    options = parser.parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        status = run(options)
        sys.stdout.flush()
    except PvasmError as error:
        return fail([error])
    except BrokenPipeError:
        # Whoever read our output has had enough. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except OSError as error:
        name = error.filename if isinstance(error.filename, str) else None
        return fail([PvasmError(error.strerror or str(error), name)])
    except KeyboardInterrupt:
        return INTERRUPTED
    except MemoryError:
        return fail([PvasmError("not enough memory")])
    except RecursionError:
        return fail([PvasmError("nested too deeply")])
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "pvasm", allow_abbrev=False, description="Paravirtualization of hand-written IA-64 assembly."
    )
    parser.add_argument("--version", action="version", version=f"pvasm {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (parse, check, explain, expand):
        command.add(commands)
    return parser
