"""Reading files that are files, and writing a file whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from pvasm.errors import PvasmError
from pvasm.regex import regex

NO_SUCH_FILE = "no such file or folder"

_REASONS = {
    errno.ENOENT: NO_SUCH_FILE,
    errno.EISDIR: "is a folder, not a file",
    errno.ENOTDIR: "a part of the path is no folder",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.ELOOP: "the links in its path lead to each other",
    errno.ENAMETOOLONG: "the name is too long",
}
_REASONS_OF_WRITING = {
    errno.ENOENT: "the folder does not exist",
    errno.EISDIR: "a folder of that name exists",
    errno.EROFS: "the file system is read-only",
    errno.ENOSPC: "no space left on the device: make room there",
    errno.EDQUOT: "the disk quota is used up: make room there",
    errno.EFBIG: "larger than files may be here (ulimit -f)",
}

# A temporary file: the name of the file that it is for, its beginning at least, and twelve random digits.
_NAME_LENGTH = 100
_TEMPORARY = regex(r"\.(?P<name>.+)\.[0-9a-f]{12}\.tmp", re.DOTALL)
_LEFT_AFTER = 3600  # seconds; no file takes so long to write


def reason_of(error: OSError) -> str:
    """Why something cannot be opened, read or run, in our words where there are any."""
    return _REASONS.get(error.errno or 0) or error.strerror or str(error)


def unreadable(error: OSError, path: str | None) -> PvasmError:
    """What to say of a file that cannot be read."""
    return PvasmError(reason_of(error), path)


def refuse_overwriting(target: str, what: str, read: Iterable[str]) -> None:
    """Raises PvasmError if `target`, which is to become `what`, is one of the files that are read for that."""
    for name in read:
        with contextlib.suppress(OSError):
            if os.path.samefile(target, name):
                raise PvasmError(f"the {what} would overwrite what it is made of: name another file", target)


def refuse_missing_folder(target: str) -> None:
    """Raises PvasmError if the folder that a file is to be in is none: to be told before long work, not after it."""
    folder = os.path.dirname(target) or os.curdir
    if not os.path.isdir(folder):
        raise PvasmError(f"cannot write it: there is no folder {folder}", target)


_NO_FILE = (
    (stat.S_ISFIFO, "is a pipe, not a file (- reads standard input)"),
    (stat.S_ISSOCK, "is a socket, not a file"),
)


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """A file, opened for reading. Raises OSError if it cannot be, and for a folder, a pipe, a device, a socket."""
    # Without O_NONBLOCK, opening a pipe would wait for somebody who writes to it.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
        if not stat.S_ISREG(mode):
            said = next((said for is_one, said in _NO_FILE if is_one(mode)), "is a device, not a file")
            raise OSError(errno.EINVAL, said, os.fspath(path))
        return open(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_at_most(path: str | os.PathLike[str], most: int) -> bytes:
    """The bytes of a regular file. Raises PvasmError if it cannot be read, or has more than so many."""
    name = os.fspath(path)
    try:
        with open_regular(path) as file:
            # A large file is told of at once: it is not read for that.
            if os.fstat(file.fileno()).st_size > most:
                raise too_large(name, most)
            data = file.read(most + 1)
    except OSError as error:
        raise unreadable(error, name) from error
    if len(data) > most:
        raise too_large(name, most)
    return data


def too_large(name: str, most: int) -> PvasmError:
    """What is said of a file with more than so many bytes."""
    size = f"{most >> 20} MiB" if most >= 1 << 20 else f"{most >> 10} KiB"
    return PvasmError(f"larger than {size}: not read", name)


def is_below(path: str, folder: str) -> bool:
    """Whether a file, or what there may be one day of that name, is a folder or in it: links are followed."""
    real, real_folder = os.path.realpath(path), os.path.realpath(folder)
    return real == real_folder or real.startswith(os.path.join(real_folder, ""))


class RealPaths:
    """What `os.path.realpath` says of files, many of which are in the same folders: it follows each folder once."""

    def __init__(self) -> None:
        self._folders: dict[str, str] = {}

    def of(self, path: str) -> str:
        """The path of a file, or what there may be one day of that name, without links and detours."""
        folder, name = os.path.split(path)
        if name in ("", os.curdir, os.pardir):
            return os.path.realpath(path)
        real_folder = self._folders.get(folder)
        if real_folder is None:
            real_folder = self._folders[folder] = os.path.realpath(folder)
        real = os.path.join(real_folder, name)
        return os.path.realpath(path) if os.path.islink(real) else real


_DEVICES = ("/dev/", "/proc/")


def refuse_leaving(path: str, folder: str | None = None) -> None:
    """Raises PvasmError if a file that is to be written is, by way of a link, outside of the folder that was named.

    That is `folder`, or the one that the path names. A tree that somebody else has made may have a link anywhere in it.
    Links in the path of the folder itself are whoever's who named it, and /dev/stdout leads where it leads.
    """
    named = (os.path.dirname(path) or ".") if folder is None else folder
    if is_below(path, named) or os.path.abspath(path).startswith(_DEVICES):
        return
    where = "its folder" if folder is None else folder
    target = os.path.realpath(path)
    raise PvasmError(f"leads out of {where} by a link: not written (name {target} itself, or remove the link)", path)


def write_atomically(path: str | os.PathLike[str], data: bytes, within: str | None = None) -> bool:
    """Makes `data` the content of a file; whoever reads it sees the old content or the new, nothing between.

    The content goes to a temporary file beside the target, which then takes its place; the target keeps its mode, and a
    symbolic link stays one. What is no regular file (a pipe, `/dev/stdout`) is written to directly. Returns whether
    anything was written: a file that has this content already is left alone.
    Raises PvasmError, with the old file as it was and no temporary file left, if the file cannot be written, and as
    `refuse_leaving` does for one outside of the folder `within`; a link that is put in the way later is not followed.
    """
    name = os.fspath(path)
    refuse_leaving(name, within)
    try:
        with _target(name, within) as (folder, base):
            return _write(folder, base, data)
    except OSError as error:
        raise unwritable(error, name) from error


def touch(path: str | os.PathLike[str]) -> None:
    """Gives a file the present time; where there is none, makes an empty one.

    Raises PvasmError if it cannot, and as `refuse_leaving` does.
    """
    name = os.fspath(path)
    refuse_leaving(name)
    try:
        with _target(name) as (folder, base):
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | (0 if folder is None else os.O_NOFOLLOW)
            descriptor = os.open(base, flags, 0o666, dir_fd=folder)
            try:
                os.utime(descriptor)
            finally:
                os.close(descriptor)
    except OSError as error:
        raise unwritable(error, name) from error


@contextlib.contextmanager
def _target(name: str, within: str | None = None) -> Iterator[tuple[int | None, str]]:
    """The folder of what a name leads to, opened, and its name in that; no folder for what `/dev/stdout` leads to.

    Links are followed once. From the folder that was named on, what is opened is no link: one that somebody puts there
    between the check of a path and its use leads nowhere.
    """
    if os.path.abspath(name).startswith(_DEVICES):
        yield None, name
        return
    start = os.path.realpath((os.path.dirname(name) or ".") if within is None else within)
    real = os.path.realpath(name)
    if os.path.isdir(real):
        raise IsADirectoryError(errno.EISDIR, None)
    if name.endswith("/"):
        raise OSError(errno.EINVAL, "that is the name of a folder")
    inner = os.path.relpath(os.path.dirname(real), start)
    if inner.split("/")[0] == "..":
        raise OSError(errno.ELOOP, "a link has been put in its way")
    descriptor = os.open(start, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in inner.split("/") if inner != "." else ():
            outer = descriptor
            descriptor = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=outer)
            os.close(outer)
        yield descriptor, os.path.basename(real)
    finally:
        os.close(descriptor)


def remove_leftovers(paths: Iterable[str]) -> None:
    """Removes the temporary files, an hour old, that runs which were killed have left of writing these files."""
    names: dict[str, set[str]] = {}
    for folder, base in (os.path.split(os.path.realpath(path)) for path in paths):
        names.setdefault(folder, set()).add(base[:_NAME_LENGTH])
    before = time.time() - _LEFT_AFTER
    for folder, wanted in names.items():
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                found = _TEMPORARY.fullmatch(entry.name)
                if found and found["name"] in wanted and entry.stat(follow_symlinks=False).st_mtime < before:
                    with contextlib.suppress(OSError):
                        os.unlink(entry.path)


def unwritable(error: OSError, name: str) -> PvasmError:
    """What to say of a file that cannot be written."""
    reason = _REASONS_OF_WRITING.get(error.errno or 0) or reason_of(error)
    return PvasmError(f"cannot be written: {reason}", name)


@contextlib.contextmanager
def writing_to_output() -> Iterator[None]:
    """Errors of writing say that it was to standard output; that nobody reads it any more is none of these."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise unwritable(error, "standard output") from error


def _write(folder: int | None, base: str, data: bytes) -> bool:
    """Writes a file of a folder that is open, or of any name."""
    is_link = folder is None  # /dev/stdout is one, and leads to what may have no name
    try:
        status = os.stat(base, dir_fd=folder, follow_symlinks=is_link)
    except FileNotFoundError:
        mode = None
    else:
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, None)
        if stat.S_ISLNK(status.st_mode):
            raise OSError(errno.ELOOP, "a link has been put in its place")
        if folder is None or not stat.S_ISREG(status.st_mode):
            _pour(folder, base, data)
            return True
        if not os.access(base, os.W_OK, dir_fd=folder):
            raise PermissionError(errno.EACCES, None)
        if _holds(folder, base, data, status.st_size):
            return False
        mode = stat.S_IMODE(status.st_mode)
    replace_file(base, data, mode, folder)
    return True


def _pour(folder: int | None, base: str, data: bytes) -> None:
    """Writes to a pipe, a device, or what `/dev/stdout` leads to."""
    follow = os.O_TRUNC if folder is None else os.O_NOFOLLOW
    with open(os.open(base, os.O_WRONLY | os.O_CLOEXEC | follow, dir_fd=folder), "wb") as file:
        file.write(data)


def replace_file(path: str, data: bytes, mode: int | None = None, folder: int | None = None) -> None:
    """Puts a file with this content, whole, in the place of what is at `path`; a mode of None is that of a new file.

    The path is one in `folder`, a folder that is open, if there is one. Raises OSError, with no temporary file left, if
    it cannot.
    """
    parent, base = os.path.split(path)
    temporary = os.path.join(parent, f".{base[:_NAME_LENGTH]}.{os.urandom(6).hex()}.tmp")
    try:
        # Mode 0o666 as the umask allows it: what open() gives a new file.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        descriptor = os.open(temporary, flags, 0o666, dir_fd=folder)
        with open(descriptor, "wb") as file:
            file.write(data)
            if mode is not None:
                os.fchmod(file.fileno(), mode)
        os.replace(temporary, path, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:  # Ctrl-C as well
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise


def _holds(folder: int, base: str, data: bytes, size: int) -> bool:
    """Whether a file's content is `data`."""
    if size != len(data):
        return False
    try:
        descriptor = os.open(base, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        with open(descriptor, "rb") as file:
            return file.read() == data
    except OSError:
        return False
