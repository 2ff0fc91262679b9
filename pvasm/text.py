"""Source text that loses nothing: bytes in, the same bytes out, and places in between.

Bytes that are not UTF-8 become lone surrogates (PEP 383), so any file can be read, searched and written back unchanged.
"""

from __future__ import annotations

import os
import sys
from bisect import bisect_right
from collections.abc import Hashable, Iterable
from typing import NamedTuple

from pvasm.errors import PvasmError
from pvasm.files import read_at_most, too_large, unreadable

MAX_FILE_BYTES = 16 << 20  # what a check takes is some hundred times as much memory
MAX_LINE_CHARACTERS = 1 << 20


def decode(data: bytes) -> str:
    """The text of `data`; `encode` gives the same bytes back."""
    return data.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    """The bytes of a text that `decode` made."""
    return text.encode("utf-8", "surrogateescape")


_stand_ins: dict[str, bytes] = {}  # by the real paths: a header may be named by way of other folders


def let_stand_in(path: str, data: bytes) -> None:
    """From here on, `data` is read in the place of a source file, whether there is one of that name or not."""
    _stand_ins[_real(path)] = data


def let_be_read(path: str) -> None:
    """From here on, a source file is read itself again."""
    _stand_ins.pop(_real(path), None)


def stand_in(path: str) -> bytes | None:
    """What is read in the place of a source file; None where that is the file."""
    return _stand_ins.get(_real(path)) if _stand_ins else None


def _real(path: str) -> str:
    try:
        return os.path.realpath(path)
    except ValueError:  # no file can have that name
        return path


def version(path: str) -> Hashable:
    """What tells a source file as it is from what it was: whoever keeps what it says asks whether it says so still."""
    standing_in = stand_in(path)
    if standing_in is not None:
        return standing_in
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def shown_name(path: str | os.PathLike[str]) -> str:
    """What messages call a file: `-` is `<stdin>`."""
    name = os.fspath(path)
    return "<stdin>" if name == "-" else name


def read_text(path: str | os.PathLike[str], given: bytes | None = None) -> str:
    """The text of a source file; `-` is standard input. `given` is what has been read of it, if it has.

    Raises PvasmError for a file that cannot be read, that is larger than MAX_FILE_BYTES, is binary (holds a NUL),
    or has a line longer than MAX_LINE_CHARACTERS.
    """
    if given is not None and len(given) > MAX_FILE_BYTES:
        raise too_large(shown_name(path), MAX_FILE_BYTES)
    return check_text(decode(read_bytes(path, MAX_FILE_BYTES) if given is None else given), shown_name(path))


def read_bytes(path: str | os.PathLike[str], most: int) -> bytes:
    """The bytes of a file; `-` is standard input. Raises PvasmError if they cannot be read, or are more than `most`."""
    name = shown_name(path)
    standing_in = stand_in(name)
    if standing_in is not None:
        if len(standing_in) > most:
            raise too_large(name, most)
        return standing_in
    if name != "<stdin>":
        return read_at_most(path, most)
    if sys.stdin is None:
        raise PvasmError("standard input is closed")
    try:
        data = sys.stdin.buffer.read(most + 1)
    except OSError as error:
        raise unreadable(error, name) from error
    if len(data) > most:
        raise too_large(name, most)
    return data


def check_text(text: str, name: str) -> str:
    """`text`, if it can be assembly source.

    Raises PvasmError, with its place, for a NUL character and for a line longer than MAX_LINE_CHARACTERS.
    """
    nul = text.find("\0")
    if nul >= 0:
        line, column = line_and_column(line_starts(text), nul)
        raise PvasmError("NUL byte: a binary file, not assembly source", name, line, column)
    if len(text) > MAX_LINE_CHARACTERS:
        starts = line_starts(text)
        for line, (start, end) in enumerate(zip(starts, [*starts[1:], len(text)], strict=True), start=1):
            if end - start > MAX_LINE_CHARACTERS + 1:
                raise PvasmError(f"line longer than {MAX_LINE_CHARACTERS} characters: not read", name, line, 1)
    return text


def line_starts(text: str) -> list[int]:
    """The offset of each line's first character."""
    starts = [0]
    find, at = text.find, text.find("\n")
    while at >= 0:
        starts.append(at + 1)
        at = find("\n", at + 1)
    return starts


def lines_of(text: str) -> list[str]:
    """The lines with their ends, as assembler, compiler, diff and git count them: a line feed alone ends one.

    `str.splitlines` ends them at form feeds, lone carriage returns and what else Unicode has, too.
    """
    lines = text.split("\n")
    last = lines.pop()
    return [f"{line}\n" for line in lines] + ([last] if last else [])


def line_and_column(starts: list[int], offset: int) -> tuple[int, int]:
    """The line and column of an offset, both counted from 1."""
    line = bisect_right(starts, offset)
    return line, offset - starts[line - 1] + 1


class Edit(NamedTuple):
    """Replace the characters from `start` to `end` by `replacement`."""

    start: int
    end: int
    replacement: str


def apply_edits(text: str, edits: Iterable[Edit]) -> str:
    """`text` with all edits made; nothing outside their spans changes.

    Raises ValueError if two edits overlap.
    """
    parts: list[str] = []
    at = 0
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
        if edit.start < at:
            raise ValueError(f"edits overlap at offset {edit.start}")
        parts += (text[at : edit.start], edit.replacement)
        at = edit.end
    parts.append(text[at:])
    return "".join(parts)
