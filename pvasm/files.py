"""Writing a file whole or not at all."""

from __future__ import annotations

import contextlib
import os
import stat

from pvasm.errors import PvasmError

_FOR_PEOPLE = {
    FileNotFoundError: "cannot be written: the folder does not exist",
    NotADirectoryError: "cannot be written: a part of the path is no folder",
    IsADirectoryError: "cannot be written: a folder of that name exists",
    PermissionError: "cannot be written: permission denied",
}


def write_atomically(path: str | os.PathLike[str], data: bytes) -> bool:
    """Makes `data` the content of a file; whoever reads it sees the old content or the new, nothing between.

    The content goes to a temporary file beside the target, which then takes its place; the target keeps its mode, and a
    symbolic link stays one. What is no regular file (a pipe, `/dev/stdout`) is written to directly. Returns whether
    anything was written: a file that has this content already is left alone.
    Raises PvasmError, with the old file as it was and no temporary file left, if the file cannot be written.
    """
    name = os.fspath(path)
    try:
        return _write(name, data)
    except OSError as error:
        reason = _FOR_PEOPLE.get(type(error)) or f"cannot be written: {error.strerror or error}"
        raise PvasmError(reason, name) from error


def _write(name: str, data: bytes) -> bool:
    target = os.path.realpath(name)
    try:
        status = os.stat(target)
    except FileNotFoundError:
        mode = None
    else:
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError
        if not stat.S_ISREG(status.st_mode):
            with open(target, "wb") as file:
                file.write(data)
            return True
        if not os.access(target, os.W_OK):
            raise PermissionError
        if _holds(target, data, status.st_size):
            return False
        mode = stat.S_IMODE(status.st_mode)
    replace_file(target, data, mode)
    return True


def replace_file(path: str, data: bytes, mode: int | None = None) -> None:
    """Puts a file with this content, whole, in the place of what is at `path`; a mode of None is that of a new file.

    Raises OSError, with no temporary file left, if it cannot.
    """
    folder, base = os.path.split(path)
    temporary = os.path.join(folder, f".{base[:100]}.{os.urandom(6).hex()}.tmp")
    try:
        # Mode 0o666 as the umask allows it: what open() gives a new file.
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        with open(descriptor, "wb") as file:
            file.write(data)
            if mode is not None:
                os.fchmod(file.fileno(), mode)
        os.replace(temporary, path)
    except BaseException:  # Ctrl-C as well
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _holds(path: str, data: bytes, size: int) -> bool:
    """Whether a file's content is `data`."""
    if size != len(data):
        return False
    try:
        with open(path, "rb") as file:
            return file.read() == data
    except OSError:
        return False
