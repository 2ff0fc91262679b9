"""The headers that a source file includes, as far as they can be found."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections import deque
from collections.abc import Hashable, Iterator, Sequence

from pvasm.errors import PvasmError
from pvasm.files import is_below
from pvasm.regex import regex
from pvasm.text import read_text, version

_MAX_HEADERS = 400
_MAX_KNOWN = 2 * _MAX_HEADERS
_MAX_CHARACTERS = 8 << 20  # of all headers together
_INCLUDE = regex(r'[ \t]*\#[ \t]*include[ \t]*(?:"(?P<quoted>[^"\n]{1,4096})"|<(?P<angled>[^>\n]{1,4096})>)')

Header = tuple[str, str]
"""A header's path and text."""


def included(
    path: str,
    text: str,
    directories: Sequence[str] = (),
    *,
    within: Sequence[str] | None = None,
    outside: list[str] | None = None,
) -> list[Header]:
    """The headers that a file includes, and those that they include, each once, in order.

    A name in quotes is looked for beside the file that includes it, then, like one in angle brackets, in `directories`;
    an absolute one is left alone. What is not found, cannot be read, or would be too much, is left out; so is what
    is in none of `directories`, nor in the folders `within`, if any are given: it goes to `outside`.
    """
    allowed = None if within is None else (*within, *directories)
    found: list[Header] = []
    seen: set[str] = set()  # real paths, this file's too, as soon as there is another
    waiting = deque([(path, text)])
    characters = 0
    while waiting:
        including, source = waiting.popleft()
        for include in _includes(source):
            header = _found(include, os.path.dirname(including), directories)
            if header is None:
                continue
            seen = seen or {os.path.realpath(path)}
            if (real := os.path.realpath(header)) in seen:
                continue
            if len(found) >= _MAX_HEADERS or characters > _MAX_CHARACTERS:
                return found
            seen.add(real)
            if allowed is not None and not any(is_below(header, folder) for folder in allowed):
                if outside is not None:
                    outside.append(header)
                continue
            content = _read(header)
            if content is not None:
                characters += len(content)
                found.append((header, content))
                waiting.append((header, content))
    return found


def _includes(source: str) -> Iterator[re.Match[str]]:
    """The lines that include something: of a long text, those are looked at that have the word in them."""
    at = source.find("include")
    while at >= 0:
        found = _INCLUDE.match(source, source.rfind("\n", 0, at) + 1)
        if found is not None:
            yield found
        end = source.find("\n", at)
        at = source.find("include", end) if end >= 0 else -1


def _found(include: re.Match[str], folder: str, directories: Sequence[str]) -> str | None:
    name = include["quoted"] or include["angled"]
    if os.path.isabs(name) or "\0" in name:
        return None
    for directory in (folder, *directories) if include["quoted"] else directories:
        path = os.path.join(directory, name)
        if os.path.isfile(path):
            return path
    return None


def find_pipe(path: str, text: str, directories: Sequence[str] = ()) -> str | None:
    """A pipe that a file, or a header that it includes, would include: whoever reads it waits for a writer."""
    for including, source in [(path, text), *included(path, text, directories)]:
        for include in _includes(source):
            for folder in (os.path.dirname(including), *directories) if include["quoted"] else directories:
                header = os.path.join(folder, include["quoted"] or include["angled"])
                with contextlib.suppress(OSError, ValueError):
                    if stat.S_ISFIFO(os.stat(header).st_mode):
                        return header
    return None


_known: dict[str, tuple[Hashable, str | None]] = {}


def _read(path: str) -> str | None:
    """The text of a header, or None; it is read once, as long as it is what it was."""
    now = version(path)
    before, text = _known.pop(path, (None, None))
    if now is None or before != now:
        try:
            text = read_text(path)
        except PvasmError:
            text = None
    _known[path] = now, text
    if len(_known) > _MAX_KNOWN:
        del _known[next(iter(_known))]  # the one that nobody has asked for the longest
    return text
