"""What git ignores: files that a search of folders leaves out."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pvasm.errors import PvasmError
from pvasm.text import read_text

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

_NAME = ".gitignore"


class Ignored:
    """The `.gitignore` files in a folder, below it, and above it up to the top of its repository (gitignore(5))."""

    def __init__(self, folder: str) -> None:
        self._top = _top(os.path.realpath(folder))
        self._specs: dict[str, GitIgnoreSpec | None] = {}

    def match(self, path: str, *, is_folder: bool = False) -> bool:
        """Whether a path that is not in an ignored folder is ignored: the nearest file that speaks of it decides."""
        real = os.path.join(os.path.realpath(os.path.dirname(path) or "."), os.path.basename(path))
        folder = os.path.dirname(real)
        while True:
            spec = self._spec(folder)
            if spec is not None:
                said = spec.check_file(os.path.relpath(real, folder) + ("/" if is_folder else "")).include
                if said is not None:
                    return said
            if folder == self._top or os.path.dirname(folder) == folder:
                return False
            folder = os.path.dirname(folder)

    def _spec(self, folder: str) -> GitIgnoreSpec | None:
        if folder not in self._specs:
            self._specs[folder] = _read(os.path.join(folder, _NAME))
        return self._specs[folder]


def _top(folder: str) -> str:
    """The top of the repository that a folder is in; itself, if it is in none."""
    at = folder
    while not os.path.exists(os.path.join(at, ".git")):
        above = os.path.dirname(at)
        if above == at:
            return folder
        at = above
    return at


def _read(path: str) -> GitIgnoreSpec | None:
    """The patterns in a file; None if there is none, or it cannot be read or understood, as git has it."""
    if not os.path.isfile(path):
        return None
    from pathspec import GitIgnoreSpec

    try:
        return GitIgnoreSpec.from_lines(read_text(path).splitlines())
    except (PvasmError, ValueError):
        return None
