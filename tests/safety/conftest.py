"""A tree that somebody else has made, beside things that it must not reach."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

BAD = "\tmov r16 = cr.ifa\n"


class Clone:
    """A folder to run pvasm on; `outside` is beside it: what must not be read or written."""

    def __init__(self, folder: Path) -> None:
        self.outside = folder / "outside"
        self.folder = folder / "clone"
        self.outside.mkdir()
        self.folder.mkdir()
        (self.outside / "secret.h").write_text("SECRET r1, r2\n#define HIDDEN SECRET\n")
        (self.outside / "x.S").write_text(BAD)
        (self.outside / "mine.yaml").write_text("name: mine\ndescription: Mine.\nextends: xen\n")
        self._before = self._state()

    def write(self, name: str, text: str = "") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def link(self, name: str, target: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)
        return path

    def _state(self) -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in sorted(self.outside.rglob("*")) if path.is_file()}

    def assert_nothing_got_out(self) -> None:
        """Nothing is different outside, and no marker has been made anywhere."""
        assert self._state() == self._before
        for root, _, files in os.walk(self.folder.parent):
            assert not [name for name in files if name.startswith("PWNED")], root
        assert not Path("PWNED").exists()


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


Make = Callable[[Clone], None]
