"""A warm server: a process that has imported and read what `pvasm expand` needs, and forks for each command.

The fork has the streams, the folder, the environment, the limits of whoever asks; it does what `pvasm` would do there,
and ends. The server itself has run no command of anybody's, so none finds what another has left. Where a file that it
has read has changed, it says so and ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import io
import os
import resource
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

from pvasm import data, served
from pvasm.client import LIMITS
from pvasm.errors import PvasmError

IDLE = 600
"""Seconds without a command after which a server ends."""

_PATIENCE = 10  # seconds for a request
_STREAMS, _DESCRIPTORS = 3, 4
_STOP = b"stop"

_Seen = Mapping[str, tuple[int, int, int]]


def serve(idle: float, lock: int | None = None) -> None:
    """Serves until there has been nothing to do for `idle` seconds. `lock` is the lock's file, if we have it already.

    Raises PvasmError if there can be no server here, or there is one.
    """
    try:
        path = served.address()
    except served.NoServerError as error:
        raise PvasmError(f"no server: {error}") from error
    if lock is None:
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise PvasmError("there is one already, or one is being started", path) from error
    _close_others(lock)
    os.set_inheritable(lock, False)
    os.chdir("/")
    _prepare()
    seen = _seen()
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        mask = os.umask(0o177)
        listening.bind(path)
        os.umask(mask)
        listening.listen(128)
        listening.settimeout(idle)
        try:
            _accept(listening, seen)
        finally:
            with contextlib.suppress(OSError):
                os.unlink(path)


def stop() -> bool:
    """Has the server end that would serve us; whether there was one. Raises PvasmError if there can be none."""
    try:
        path = served.address()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_PATIENCE)
            connection.connect(path)
            served.send_request(connection, [_STOP], [0] * _DESCRIPTORS)
            served.receive_answer(connection)
    except served.NoServerError as error:
        raise PvasmError(f"no server: {error}") from error
    except (OSError, ValueError):
        return False
    return True


def _close_others(lock: int) -> None:
    """Closes what whoever started us had open, such as the pipes of make, but for the standard streams."""
    most = min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 1 << 16)
    os.closerange(_STREAMS, lock)
    os.closerange(max(lock + 1, _STREAMS), most)


def _prepare() -> None:
    """Imports and reads what the commands need, and has done the like of them once."""
    from pvasm.commands import expand as _command  # noqa: F401
    from pvasm.errors import PvasmError
    from pvasm.expand.expand_files import ExpandSettings, expand_files
    from pvasm.paravirt.loading import load_catalog, load_instance
    from pvasm.paravirt.shipped import instance_names

    for name in instance_names():
        load_instance(name, load_catalog())
    samples = sorted(map(str, data.samples_directory().glob("*.S")))
    for sample in samples:
        with contextlib.suppress(PvasmError):
            expand_files(ExpandSettings((sample,), ("xen",), None, None, line_markers=False))
    gc.collect()
    gc.freeze()
    gc.disable()


def _seen() -> _Seen:
    """The files that answers depend on, as they are now: pvasm's modules, its instances, its grammars."""
    root = os.path.dirname(os.path.abspath(__file__))
    modules = (str(getattr(module, "__file__", None) or "") for module in list(sys.modules.values()))
    files = [path for path in modules if path.startswith(f"{root}{os.sep}")]
    for folder in data.folders()[1:]:
        files += [entry.path for entry in os.scandir(folder) if entry.is_file()]
    return {path: _status(path) for path in dict.fromkeys(files)}


def _status(path: str) -> tuple[int, int, int]:
    try:
        found = os.stat(path)
    except OSError:
        return 0, 0, 0
    return found.st_mtime_ns, found.st_size, found.st_ino


def _accept(listening: socket.socket, seen: _Seen) -> None:
    """Forks for each who asks, until nobody does, or the fork has us end."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no fork's end is waited for
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    while True:
        try:
            connection, _ = listening.accept()
        except TimeoutError:
            return
        if os.fork() == 0:
            _in_fork(connection, listening, seen)
        connection.close()


def _in_fork(connection: socket.socket, listening: socket.socket, seen: _Seen) -> NoReturn:
    """Does what is asked for, and ends this process."""
    status = 1
    try:
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        listening.close()
        connection.settimeout(_PATIENCE)
        if served.is_ours(connection):
            words, descriptors = served.receive_request(connection, _DESCRIPTORS)
            is_current = words[0] == served.identity().hex().encode() and all(
                _status(path) == then for path, then in seen.items()
            )
            if not is_current:
                served.send_answer(connection, served.STALE)
                os.kill(os.getppid(), signal.SIGTERM)
            else:
                connection.settimeout(None)
                status = _done(connection, words[1:], descriptors)
                served.send_answer(connection, served.ENDED, status)
    except (OSError, ValueError):  # whoever asked has gone, or has asked for nothing that there is
        pass
    finally:
        os._exit(status)


def _done(connection: socket.socket, words: Sequence[bytes], descriptors: Sequence[int]) -> int:
    """Does a command as whoever asks would; its exit status."""
    numbers = [int(word) for word in words[: 3 + 2 * len(LIMITS)]]
    mask, niceness, *limits, count = numbers
    rest = words[len(numbers) :]
    *streams, folder = descriptors
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.fchdir(folder)
    os.close(folder)
    os.umask(mask)
    os.nice(max(niceness - os.nice(0), 0))
    os.environb.clear()
    os.environb.update(dict(word.split(b"=", 1) for word in rest[count:]))
    _reopen_streams()
    for name, soft, hard in zip(LIMITS, limits[::2], limits[1::2], strict=True):
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(getattr(resource, name), (soft, hard))
    arguments = [os.fsdecode(word) for word in rest[:count]]
    sys.argv = ["pvasm", *arguments]
    served.send_answer(connection, served.RUNNING, os.getpid())
    from pvasm.cli import outcome

    status = outcome()
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    return status


def _reopen_streams() -> None:
    """Makes Python's streams of what the descriptors are now, as Python does when it starts."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        old = getattr(sys, name)
        new = open(number, mode, encoding=old.encoding, errors=old.errors, closefd=False)  # noqa: SIM115
        if isinstance(new, io.TextIOWrapper) and mode == "w":
            new.reconfigure(line_buffering=number == 2 or os.isatty(number))
        setattr(sys, name, new)
