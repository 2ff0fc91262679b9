"""What a warm server and those whom it serves agree on: where its socket is, who may talk to it, and what is said.

The socket is in a folder of `$XDG_RUNTIME_DIR` that is ours alone. Its name has the version, and a digest of all that
makes one Python's answers differ from another's: so whoever finds a server finds one that would say what he would.
This is imported before anything else of pvasm, so it imports next to nothing.
"""

from __future__ import annotations

import _socket
import os
import stat
import sys

from pvasm import __version__
from pvasm.digests import digest

TYPE_CHECKING = False  # importing `typing` takes as long as asking a server
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WANTED_BY = "PVASM_SERVER"
"""The variable that asks for a server, unless it is empty or 0."""

# What Python and its C library ask the environment when they start.
_AT_START = ("PYTHON", "LC_", "LANG")
_MOST_PATH = 100  # bytes: what a socket's address holds
_LENGTH, _STATUS = 8, 4  # bytes of a request's length, and of a number in an answer
_MOST = 1 << 24  # bytes of a request
_ENDS = b"\0"

READY, STALE, RUNNING, ENDED = b"A", b"S", b"R", b"E"
"""What an answer begins with: ask; another server is due; this process runs it; it has ended with this status."""

_PROTOCOL = "2"  # another whenever what is said changes


class NoServerError(Exception):
    """There is no server to ask, nor can there be one; the message says why, if that is worth telling."""


def identity() -> bytes:
    """All that an answer depends on, but for the request and the files."""
    root = os.stat("/")
    told = [
        *(__version__, _PROTOCOL, sys.executable, sys.version, os.path.dirname(__file__), sys.getfilesystemencoding()),
        *(f"{root.st_dev}:{root.st_ino}", _namespace(), f"{os.geteuid()}:{os.getegid()}"),
        *sorted(f"{name}={value}" for name, value in os.environ.items() if name.startswith(_AT_START)),
    ]
    return _ENDS.join(map(os.fsencode, told))


def _namespace() -> str:
    """Which files there are: a container's are others, though it may see our socket."""
    try:
        return os.readlink("/proc/self/ns/mnt")
    except OSError:
        return ""


def address() -> str:
    """The path of the socket, in a folder that there is. Raises NoServerError where there can be none."""
    if not hasattr(_socket, "SO_PEERCRED"):
        raise NoServerError("this system does not say who is at the other end of a socket")
    base = os.environ.get("XDG_RUNTIME_DIR", "")
    if not os.path.isabs(base):
        raise NoServerError("XDG_RUNTIME_DIR names no folder")
    folder = os.path.join(base, "pvasm")
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        pass
    except OSError as error:
        raise NoServerError(f"{folder} cannot be made: {error.strerror}") from error
    status = os.lstat(folder)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
        raise NoServerError(f"{folder} is not a folder of ours that nobody else may enter (mode 0700)")
    path = os.path.join(folder, f"{__version__}-{digest(identity()).hex()[:16]}")
    if len(os.fsencode(path)) > _MOST_PATH:
        raise NoServerError(f"{base} is too long a name for a socket")
    return path


def is_ours(connection: _socket.socket) -> bool:
    """Whether the process at the other end has our user and group."""
    found = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
    _, user, group = (int.from_bytes(found[at : at + 4], sys.byteorder) for at in (0, 4, 8))
    return (user, group) == (os.geteuid(), os.getegid())


# ---------------------------------------------------------------------------------- what is said


def send_request(connection: _socket.socket, words: Iterable[bytes], descriptors: Sequence[int]) -> None:
    """Sends words, none of which has a NUL in it, and open files."""
    data = _ENDS.join(words)
    rights = b"".join(each.to_bytes(4, sys.byteorder) for each in descriptors)
    head = len(data).to_bytes(_LENGTH, "little")
    connection.sendmsg([head], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)])
    connection.sendall(data)


def receive_request(connection: _socket.socket, number: int) -> tuple[list[bytes], list[int]]:
    """The words and the open files, as many as `number`, of a request. Raises ValueError for what is none."""
    head, ancillary, _, _ = connection.recvmsg(_LENGTH, _socket.CMSG_SPACE(4 * number))
    descriptors = [
        int.from_bytes(data[at : at + 4], sys.byteorder)
        for level, kind, data in ancillary
        if (level, kind) == (_socket.SOL_SOCKET, _socket.SCM_RIGHTS)
        for at in range(0, len(data) - len(data) % 4, 4)
    ]
    length = int.from_bytes(head, "little")
    if len(head) != _LENGTH or len(descriptors) != number or length > _MOST:
        raise ValueError("no request")
    return _received(connection, length).split(_ENDS), descriptors


def send_answer(connection: _socket.socket, kind: bytes, number: int = 0) -> None:
    """Sends an answer: its kind, with a process's number or a status."""
    connection.sendall(kind + number.to_bytes(_STATUS, "little"))


def receive_answer(connection: _socket.socket) -> tuple[bytes, int]:
    """An answer. Raises ValueError if the other side has gone."""
    data = _received(connection, 1 + _STATUS)
    return data[:1], int.from_bytes(data[1:], "little")


def receive_ready(connection: _socket.socket) -> None:
    """Waits until a server listens. Raises ValueError if it has gone, or says something else."""
    if receive_answer(connection)[0] != READY:
        raise ValueError("not ready")


def _received(connection: _socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        piece = connection.recv(length - len(data))
        if not piece:
            raise ValueError("the other side has gone")
        data += piece
    return data
