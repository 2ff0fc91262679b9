"""Has a warm server do a command in our place, if one is asked for: what it writes is what we would write.

Where there is none, one is started for the next command, and this one is done here.
"""

from __future__ import annotations

import _socket
import os
import resource
import signal
import sys

from pvasm import served

TYPE_CHECKING = False  # importing `typing` takes as long as asking a server
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType
    from typing import NoReturn

# The commands that a server does: short ones, which builds run once a file, and which run no other program.
_COMMANDS = ("expand",)
_ASKS, _DECLINES = "--server", "--no-server"
_PATIENCE = 10  # seconds for a server to be ready
LIMITS = ("RLIMIT_FSIZE", "RLIMIT_AS", "RLIMIT_DATA", "RLIMIT_CPU", "RLIMIT_NOFILE")
"""What whoever asks may have had limited (`ulimit`), which then holds for what is done for him."""


def is_wanted(arguments: Sequence[str]) -> bool:
    """Whether a command line is one for a server, by its words or the environment."""
    if not arguments or arguments[0] not in _COMMANDS:
        return False
    words = arguments[: arguments.index("--")] if "--" in arguments else arguments
    last = [word for word in words if word in (_ASKS, _DECLINES)][-1:]
    return last == [_ASKS] if last else os.environ.get(served.WANTED_BY, "") not in ("", "0")


def run_in_server(arguments: Sequence[str]) -> None:
    """Has a server do a command, and ends this process as it ended; returns if the command is to be done here."""
    try:
        for descriptor in range(3):  # who has closed one gets what we say of that
            os.fstat(descriptor)
        path = served.address()
    except OSError:
        return
    except served.NoServerError as error:
        sys.stderr.write(f"pvasm: note: no server: {error}\n")
        return
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    connection.settimeout(_PATIENCE)
    try:
        connection.connect(path)
        _ask(connection, arguments)
    except TimeoutError:
        sys.stderr.write(f"pvasm: note: the server at {path} does not answer: done without it\n")
    except (OSError, ValueError):  # nobody there, or gone meanwhile: doing it here, again, makes the same
        pass
    finally:
        connection.close()
    _start(path)


def _ask(connection: _socket.socket, arguments: Sequence[str]) -> None:
    """Has the server at the other end do a command, and ends as that ends; returns if another server is due."""
    if not served.is_ours(connection):
        return
    # One that is stopped (Ctrl-Z) must not be sent our streams: whoever reads what we write would wait for it.
    connection.settimeout(_PATIENCE)
    served.receive_ready(connection)
    connection.settimeout(None)
    here = os.open(".", os.O_PATH | os.O_DIRECTORY)
    mask = os.umask(0)
    os.umask(mask)
    limits = [resource.getrlimit(getattr(resource, name)) for name in LIMITS]
    told = [str(mask), str(os.nice(0)), *(str(number) for both in limits for number in both), str(len(arguments))]
    environment = (name + b"=" + value for name, value in os.environb.items())
    words = [served.identity().hex().encode(), *map(os.fsencode, told), *map(os.fsencode, arguments), *environment]
    served.send_request(connection, words, [0, 1, 2, here])
    kind, process = served.receive_answer(connection)
    if kind != served.RUNNING:
        return

    def pass_on(number: int, frame: FrameType | None) -> None:
        os.kill(process, number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, pass_on)
    try:
        kind, status = served.receive_answer(connection)
    except (OSError, ValueError):  # it may have written a part of it, which must not be there twice
        from pvasm.exit_status import CANNOT_RUN

        sys.stderr.write("pvasm: error: the server was killed before it was done: run this again\n")
        sys.stderr.flush()
        _end(CANNOT_RUN)
    if kind == served.ENDED:
        _end(status)


def _end(status: int) -> NoReturn:
    os._exit(status)


def _start(path: str) -> None:
    """Starts a server at this path, unless somebody has, or is about to."""
    import fcntl

    try:
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.set_inheritable(lock, True)
        null = os.devnull
        # -P: what stands in the current folder is not imported.
        os.posix_spawn(
            sys.executable,
            [sys.executable, "-P", "-m", "pvasm", "serve", "--lock", str(lock)],
            os.environ,
            file_actions=[(os.POSIX_SPAWN_OPEN, each, null, os.O_RDWR, 0) for each in range(3)],
            setsid=True,
        )
    except OSError:  # it runs, or is being started
        pass
    finally:
        os.close(lock)
