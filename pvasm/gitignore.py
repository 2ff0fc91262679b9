"""What git ignores: files that a search of folders leaves out.

The patterns are git's own, in bytes, with what gitignore(5) does not tell of them (git's dir.c and wildmatch.c). The
time of a match grows with pattern times name and no faster: the file may come with a tree that anybody has made.
"""

from __future__ import annotations

import os
import string
from collections.abc import Iterator
from functools import cached_property
from typing import Final

from pvasm.errors import PvasmError
from pvasm.files import read_at_most

_NAME: Final = ".gitignore"
_MAX_BYTES: Final = 1 << 20
_SPECIAL: Final = b"*?[\\"
_SLASH: Final = ord("/")


class Ignored:
    """The `.gitignore` files in a folder, below it, and above it up to the top of its repository (gitignore(5))."""

    def __init__(self, folder: str) -> None:
        self._top = _top(os.path.realpath(folder))
        self._patterns: dict[str, list[Pattern]] = {}

    def match(self, path: str, *, is_folder: bool = False) -> bool:
        """Whether a path that is not in an ignored folder is ignored: the nearest file that speaks of it decides."""
        folder = os.path.realpath(os.path.dirname(path) or ".")
        name = relative = os.fsencode(os.path.basename(path))
        while True:
            for pattern in self._of(folder):
                if pattern.matches(relative, name, is_folder=is_folder):
                    return pattern.ignores
            if folder == self._top or os.path.dirname(folder) == folder:
                return False
            relative = os.fsencode(os.path.basename(folder)) + b"/" + relative
            folder = os.path.dirname(folder)

    def _of(self, folder: str) -> list[Pattern]:
        """The patterns of the file in a folder, the last one first."""
        if folder not in self._patterns:
            self._patterns[folder] = list(_read(os.path.join(folder, _NAME)))[::-1]
        return self._patterns[folder]


def _top(folder: str) -> str:
    """The top of the repository that a folder is in; itself, if it is in none."""
    at = folder
    while not os.path.exists(os.path.join(at, ".git")):
        above = os.path.dirname(at)
        if above == at:
            return folder
        at = above
    return at


def _read(path: str) -> Iterator[Pattern]:
    """The patterns in a file; none if there is none, or it cannot be read. Git follows no link here."""
    if os.path.islink(path) or not os.path.isfile(path):
        return
    try:
        data = read_at_most(path, _MAX_BYTES)
    except PvasmError:
        return
    for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        text = _trimmed(line.removesuffix(b"\r"))
        if text and not line.startswith(b"#"):
            yield Pattern(text)


def _trimmed(line: bytes) -> bytes:
    """A line without the blanks at its end, but for those behind a backslash; other white space stays."""
    end = len(line.rstrip(b" "))
    slashes = end - len(line[:end].rstrip(b"\\"))
    return line[: end + 1] if slashes % 2 else line[:end]


class Pattern:
    """A line of the file. `ignores` is whether what matches is ignored (`!` says that it is not)."""

    def __init__(self, line: bytes) -> None:
        self.ignores = not line.startswith(b"!")
        said = line.removeprefix(b"!")
        self._folders_alone = said.endswith(b"/")
        said = said.removesuffix(b"/")
        # One without a slash is for names, in whatever folder.
        self._is_of_names = b"/" not in said
        if not self._is_of_names:
            said = said.removeprefix(b"/")
        plain = next((at for at, byte in enumerate(said) if byte in _SPECIAL), len(said))
        self._plain, self._rest = said[:plain], said[plain:]
        # The commonest by far: `name`, and `*.o`.
        self._end = self._rest[1:] if self._rest[:1] == b"*" and not set(self._rest[1:]) & set(_SPECIAL) else None

    def matches(self, path: bytes, name: bytes, *, is_folder: bool) -> bool:
        """Whether it is about a path, relative to the folder of the file; `name` is the last part of that."""
        if self._folders_alone and not is_folder:
            return False
        text = name if self._is_of_names else path
        if not text.startswith(self._plain):
            return False
        if not self._rest:
            return len(text) == len(self._plain)
        if self._is_of_names and self._end is not None:
            return text.endswith(self._end) and len(text) >= len(self._plain) + len(self._end)
        return self._glob.matches(text[len(self._plain) :])

    @cached_property
    def _glob(self) -> _Glob:
        return _Glob(self._rest)


class _Glob:
    """What follows the plain beginning of a pattern, as an automaton: a bit for each place in the pattern.

    At a place stands one of some bytes (`_takes` has these, by byte), a star (`_skipped`: it may take nothing), or,
    for two stars and a slash, two places: one that both may be skipped from (`_folders`), and one that a slash leads
    on from (`_left_by_slash`). The last bit is the end.
    """

    def __init__(self, text: bytes) -> None:
        self._sets: list[frozenset[int] | None] = []
        self._stays = self._stays_at_slash = self._skipped = self._folders = self._left_by_slash = 0
        self._takes: dict[int, int] = {}
        self._is_whole = self._read(text)

    def matches(self, text: bytes) -> bool:
        """Whether the whole of a text is what the pattern says."""
        if not self._is_whole:
            return False
        places = self._closed(1)
        for byte in text:
            taken = self._takes.get(byte)
            if taken is None:
                taken = sum(1 << at for at, each in enumerate(self._sets) if each is not None and byte in each)
                self._takes[byte] = taken
            if byte == _SLASH:
                places = (places & (taken | self._left_by_slash)) << 1 | places & self._stays_at_slash
            else:
                places = (places & taken) << 1 | places & self._stays
            places = self._closed(places)
            if not places:
                return False
        return bool(places >> len(self._sets) & 1)

    def _closed(self, places: int) -> int:
        """These places, and those that can be reached from them without a byte."""
        while True:
            more = places | (places & self._skipped) << 1 | (places & self._folders) << 2
            if more == places:
                return places
            places = more

    def _read(self, text: bytes) -> bool:
        """Reads the pattern. False if it is none that can match: git lets such a line be."""
        at = 0
        while at < len(text):
            byte = text[at : at + 1]
            here = 1 << len(self._sets)
            if byte == b"*":
                stars = len(text) - at - len(text[at:].lstrip(b"*"))
                after = text[at + stars : at + stars + 2]
                # More than one star means any folders, too, if nothing else is between two slashes.
                is_deep = (
                    stars > 1 and text[at - 1 : at] in (b"", b"/") and (after[:1] in (b"", b"/") or after == b"\\/")
                )
                at += stars
                if is_deep and after[:1] == b"/":
                    self._folders |= here
                    self._skipped |= here
                    self._left_by_slash |= here << 1
                    self._sets += [None, None]
                    self._stays |= here << 1
                    self._stays_at_slash |= here << 1
                    at += 1
                    continue
                self._skipped |= here
                self._stays |= here
                self._stays_at_slash |= here if is_deep else 0
                self._sets.append(None)
            elif byte == b"?":
                self._sets.append(_EVERY - {_SLASH})
                at += 1
            elif byte == b"[":
                found = _bracket(text, at + 1)
                if found is None:
                    return False
                at = found[1]
                self._sets.append(found[0] - {_SLASH})
            else:
                if byte == b"\\":
                    at += 1
                    if at == len(text):
                        return False
                self._sets.append(frozenset([text[at]]))
                at += 1
        return True


_EVERY: Final = frozenset(range(256))
# What git has between `[:` and `:]`, in ASCII whatever the locale is.
_CLASSES: Final = {
    b"alnum": string.ascii_letters + string.digits,
    b"alpha": string.ascii_letters,
    b"blank": " \t",
    b"cntrl": "".join(map(chr, [*range(0x20), 0x7F])),
    b"digit": string.digits,
    b"graph": "".join(map(chr, range(0x21, 0x7F))),
    b"lower": string.ascii_lowercase,
    b"print": "".join(map(chr, range(0x20, 0x7F))),
    b"punct": string.punctuation,
    b"space": " \t\n\r",
    b"upper": string.ascii_uppercase,
    b"xdigit": string.hexdigits,
}


def _bracket(text: bytes, at: int) -> tuple[frozenset[int], int] | None:
    """The bytes that stand between brackets, and where the text goes on; None if that is no set."""
    is_negated = text[at : at + 1] in (b"!", b"^")
    at += is_negated
    found: set[int] = set()
    before: int | None = None  # what a range may begin with
    is_first = True
    while is_first or text[at : at + 1] != b"]":
        is_first = False
        if at >= len(text):
            return None
        byte = text[at : at + 1]
        if byte == b"-" and before is not None and text[at + 1 : at + 2] not in (b"", b"]"):
            at += 1
            if text[at : at + 1] == b"\\":
                at += 1
            if at >= len(text):
                return None
            found.update(range(before, text[at] + 1))
            before = None
        elif text[at : at + 2] == b"[:":
            end = text.find(b"]", at + 2)
            if end < 0:
                return None
            if text[end - 1 : end] == b":" and end > at + 2:
                name = text[at + 2 : end - 1]
                if name not in _CLASSES:
                    return None
                found.update(map(ord, _CLASSES[name]))
                before = None
                at = end
            else:
                before = text[at]
                found.add(before)
        else:
            if byte == b"\\":
                at += 1
                if at >= len(text):
                    return None
            before = text[at]
            found.add(before)
        at += 1
    return (_EVERY - found if is_negated else frozenset(found)), at + 1
