"""Running the compiler: in our place, or as a child whose end, and ours, leave nothing behind."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import NoReturn

from msgspec import Struct

from pvasm.errors import PvasmError
from pvasm.exit_status import NOT_EXECUTABLE, NOT_FOUND
from pvasm.files import reason_of

_STOPPING: tuple[int, ...] = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# What Python has ignored, and what is no less due to those whom we start.
_IGNORED_BY_PYTHON = ("SIGPIPE", "SIGXFSZ")


class CannotRunError(Exception):
    """A program that cannot be run: `error` is for the person, `status` is the exit status that tells of it."""

    def __init__(self, program: str, error: OSError) -> None:
        self.status = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
        self.error = PvasmError(f"the compiler cannot be run: {reason_of(error)}", program)
        super().__init__(str(self.error))


class StoppedError(BaseException):
    """A signal has ended a program that we ran, or wants to end us."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Done(Struct, frozen=True):
    """A program that has ended: its exit status, and what it wrote to standard output if that was asked for."""

    status: int
    output: bytes


def become(command: Sequence[str]) -> NoReturn:
    """Has a program take this process's place. Raises CannotRunError if it cannot."""
    sys.stdout.flush()
    sys.stderr.flush()
    for name in _IGNORED_BY_PYTHON:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    try:
        os.execvp(command[0], list(command))
    except (OSError, ValueError) as error:
        raise _cannot_run(command[0], error) from error


def run_program(
    command: Sequence[str], *, given: bytes | None = None, captured: bool = False, quiet: bool = False
) -> Done:
    """Runs a program to its end. `given` is its standard input; without, it has ours.

    With `captured`, what it writes to standard output is returned; with `quiet`, what it says on standard error is
    dropped. Raises CannotRunError if it cannot be run, StoppedError if a signal has ended it, or wants to end us: then
    it has been told, and has ended.
    """
    import subprocess

    sys.stdout.flush()
    sys.stderr.flush()
    process: subprocess.Popen[bytes] | None = None
    try:
        with _undisturbed():
            process = subprocess.Popen(
                command,
                stdin=None if given is None else subprocess.PIPE,
                stdout=subprocess.PIPE if captured else None,
                stderr=subprocess.DEVNULL if quiet else None,
            )
        output, _ = process.communicate(given)
    except StoppedError as stopped:
        if process is not None:
            with contextlib.suppress(OSError):
                process.send_signal(stopped.number)
            process.wait()
        raise
    except (OSError, ValueError) as error:
        raise _cannot_run(command[0], error) from error
    if process.returncode < 0:
        raise StoppedError(-process.returncode)
    return Done(process.returncode, output or b"")


def _cannot_run(program: str, error: OSError | ValueError) -> CannotRunError:
    return CannotRunError(program, error if isinstance(error, OSError) else FileNotFoundError(str(error)))


class _Signals:
    """The signals that ask this process to end: which are heard, and one that came when nothing was to be disturbed."""

    def __init__(self) -> None:
        self.heard: list[int] = []
        self.came: int | None = None
        self.waits = False

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Handles a signal."""
        self.came = number
        if not self.waits:
            self.stop()

    def stop(self) -> None:
        """Raises StoppedError if a signal came."""
        if self.came is not None:
            for each in self.heard:  # clearing up is not to be disturbed
                signal.signal(each, signal.SIG_IGN)
            raise StoppedError(self.came)


_signals = _Signals()


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Has the signals that ask this process to end raise StoppedError, once, while the block runs.

    One that is ignored stays so.
    """
    before = {number: signal.getsignal(number) for number in _STOPPING}
    _signals.heard = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    _signals.came = None
    for number in _signals.heard:
        signal.signal(number, _signals.handle)
    try:
        yield
    finally:
        for number in _signals.heard:
            signal.signal(number, before[number])


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Has a signal wait until the block is done: what the block makes is known then, and can be cleared up."""
    _signals.waits = True
    try:
        yield
    finally:
        _signals.waits = False
    _signals.stop()


def die_of(number: int) -> int:
    """Ends this process by a signal, as the program that it ran; returns an exit status if it lives on."""
    with contextlib.suppress(OSError):  # SIGKILL cannot be handled otherwise anyway
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    return 128 + number


@contextlib.contextmanager
def temporary_folder() -> Iterator[str]:
    """A folder that is there while the block runs."""
    import shutil
    import tempfile

    folder = ""
    try:
        with _undisturbed():
            try:
                folder = tempfile.mkdtemp(prefix="pvasm-")
            except OSError as error:
                message = f"no temporary folder can be made: {reason_of(error)}"
                raise PvasmError(message, tempfile.gettempdir()) from error
        yield folder
    finally:
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
