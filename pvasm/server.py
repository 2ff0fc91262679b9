"""A warm server: a process that has imported and read what `pvasm expand` needs, and forks for each command.

The fork has the streams, the folder, the environment, the limits of whoever asks; it does what `pvasm` would do there,
and ends. The server itself has run no command of anybody's, so none finds what another has left. Where a file that it
has read has changed, it says so and ends.

What a fork hands back is which statements it has parsed. The server parses them too, when nobody waits, and so the next
fork knows their trees, which depend on nothing but the text: a build expands a file for one instance after the other.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import io
import os
import resource
import select
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import NoReturn

from pvasm import cli, data, served, terminal
from pvasm.asm.reading import assembly_parser
from pvasm.client import LIMITS
from pvasm.errors import PvasmError
from pvasm.text import decode, encode

IDLE = 600
"""Seconds without a command after which a server ends."""

_PATIENCE = 10  # seconds for a request, and for an end
_A_MOMENT = 0.01  # seconds
_STREAMS, _DESCRIPTORS = 3, 4
_STOP = b"stop"
_NOT_ENDED = "the server was told to end, and has not"
_MOST_LEARNT = 1 << 16  # bytes of statements that a fork hands back
_BETWEEN = "\0"  # no statement has one in it

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
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        mask = os.umask(0o177)
        listening.bind(path)
        os.umask(mask)
        listening.listen(128)
        try:
            _Server(listening, lock).run(idle)
        finally:
            with contextlib.suppress(OSError):
                os.unlink(path)


def stop() -> bool:
    """Has the server end that would serve us, and waits for that; whether there was one.

    Raises PvasmError if there can be none, or it does not end.
    """
    try:
        path = served.address()
        of_old = _status(path)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_PATIENCE)
            connection.connect(path)
            served.receive_ready(connection)
            served.send_request(connection, [_STOP], [0] * _DESCRIPTORS)
            served.receive_answer(connection)
    except served.NoServerError as error:
        raise PvasmError(f"no server: {error}") from error
    except TimeoutError as error:
        raise PvasmError(_NOT_ENDED, path) from error
    except (OSError, ValueError):
        return False
    _wait_for_end(path, of_old)
    return True


def _wait_for_end(path: str, of_old: tuple[int, int, int]) -> None:
    """Returns once the server whose socket was this has gone: nobody has its lock, or another one listens."""
    lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        for _ in range(int(_PATIENCE / _A_MOMENT)):
            with contextlib.suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            if os.path.exists(path) and _status(path) != of_old:
                return
            time.sleep(_A_MOMENT)
    finally:
        os.close(lock)
    raise PvasmError(_NOT_ENDED, path)


def _close_others(lock: int) -> None:
    """Closes what whoever started us had open, such as the pipes of make, but for the standard streams."""
    most = min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 1 << 16)
    os.closerange(_STREAMS, lock)
    os.closerange(max(lock + 1, _STREAMS), most)


def _prepare() -> None:
    """Imports and reads what the commands need, and has done the like of them once."""
    from pvasm.expand.expand_files import ExpandSettings, expand_files
    from pvasm.paravirt.loading import read_ahead

    read_ahead()
    cli.parser_of("expand")
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


class _Server:
    """A server that is ready."""

    def __init__(self, listening: socket.socket, lock: int) -> None:
        self._listening = listening
        self._lock = lock
        self._seen = _seen()
        self._learning, self._telling = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._telling.setblocking(False)

    def run(self, idle: float) -> None:
        """Forks for each who asks, until nobody has for a while, or a fork has us end."""
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no fork's end is waited for
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
        while True:
            ready, _, _ = select.select([self._listening, self._learning], [], [], idle)
            if self._listening in ready:
                connection, _ = self._listening.accept()
                if os.fork() == 0:
                    self._in_fork(connection)
                connection.close()
            elif self._learning in ready:
                _learn(self._learning.recv(_MOST_LEARNT))
            else:
                return

    def _in_fork(self, connection: socket.socket) -> NoReturn:
        """Does what is asked for, and ends this process."""
        status = 1
        try:
            for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._listening.close()
            self._learning.close()
            os.close(self._lock)  # another server may begin before this fork ends
            connection.settimeout(_PATIENCE)
            if served.is_ours(connection):
                status = self._answered(connection)
        except (OSError, ValueError):  # whoever asked has gone, or has asked for nothing that there is
            pass
        finally:
            os._exit(status)

    def _answered(self, connection: socket.socket) -> int:
        """Answers a request; the exit status of what it has asked for."""
        served.send_answer(connection, served.READY)
        words, descriptors = served.receive_request(connection, _DESCRIPTORS)
        is_for_us = words[0] == served.identity().hex().encode()
        if not is_for_us or any(_status(path) != then for path, then in self._seen.items()):
            served.send_answer(connection, served.STALE)
            os.kill(os.getppid(), signal.SIGTERM)
            return 0
        connection.settimeout(None)
        known = len(assembly_parser().chunks)
        status = _done(connection, words[1:], descriptors)
        served.send_answer(connection, served.ENDED, status)
        connection.close()
        _tell(self._telling, known)
        return status


def _learn(told: bytes) -> None:
    """Parses statements, so that they are known."""
    parser = assembly_parser()
    for text in decode(told).split(_BETWEEN):
        parser.chunk(text)


def _tell(telling: socket.socket, known: int) -> None:
    """Hands back which statements were parsed beyond the first `known`; they may get lost."""
    texts: list[str] = []
    left = _MOST_LEARNT
    for text in islice(assembly_parser().chunks, known, None):
        left -= len(encode(text)) + 1
        if left < 0:
            break
        texts.append(text)
    if texts:
        with contextlib.suppress(OSError):
            telling.send(encode(_BETWEEN.join(texts)))


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
    terminal.columns.cache_clear()  # of another terminal
    status = cli.outcome()
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
