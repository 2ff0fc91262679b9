"""S5: what is kept is what was put there, by this user, where nobody else writes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pvasm import cache, compiled, shelves
from tests.cli.command import pvasm
from tests.safety.conftest import BAD

DAMAGED = [b"", b"{}", b"null", b"[1, [], []]", b"\0" * 40, b"x" * 1000]


def damage(path: Path, content: bytes | None, name: str | None = None) -> None:
    kept = path.read_bytes()
    path.write_bytes(kept[: len(kept) // 2] if content is None else content)


@pytest.fixture
def shelf(tmp_path: Path) -> str:
    shelves._is_trusted.cache_clear()
    return str(tmp_path / "base" / "shelf")


def test_what_was_put_there_is_taken(shelf: str) -> None:
    assert shelves.take(shelf, "a") is None
    assert shelves.put(shelf, "a", b"content")
    assert shelves.take(shelf, "a") == b"content"
    assert (os.stat(shelf).st_mode | os.stat(os.path.dirname(shelf)).st_mode) & 0o077 == 0


@pytest.mark.parametrize("content", [*DAMAGED, None])
def test_what_was_damaged_is_not_there(shelf: str, content: bytes | None) -> None:
    shelves.put(shelf, "a", b"content")
    damage(Path(shelf, "a"), content)
    assert shelves.take(shelf, "a") is None
    assert shelves.put(shelf, "a", b"content")
    assert shelves.take(shelf, "a") == b"content"


def test_a_name_is_part_of_what_is_kept(shelf: str) -> None:
    shelves.put(shelf, "a", b"content")
    os.rename(f"{shelf}/a", f"{shelf}/b")
    assert shelves.take(shelf, "b") is None


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o757, 0o1777])
@pytest.mark.parametrize("which", ["", "..", "a"])
def test_what_others_may_write_is_not_trusted(shelf: str, which: str, mode: int) -> None:
    shelves.put(shelf, "a", b"content")
    os.chmod(os.path.join(shelf, which), mode)
    shelves._is_trusted.cache_clear()
    assert shelves.take(shelf, "a") is None
    if which != "a":
        assert not shelves.put(shelf, "b", b"content")
        assert not os.path.exists(f"{shelf}/b")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("which", ["", "..", "a"])
def test_what_is_somebody_elses_is_not_trusted(shelf: str, which: str) -> None:
    shelves.put(shelf, "a", b"content")
    os.chown(os.path.join(shelf, which), 12345, 12345)
    shelves._is_trusted.cache_clear()
    assert shelves.take(shelf, "a") is None


def test_a_shelf_that_is_a_link_is_not_trusted(shelf: str) -> None:
    shelves.put(shelf, "a", b"content")
    os.rename(shelf, f"{shelf}2")
    os.symlink("shelf2", shelf)
    shelves._is_trusted.cache_clear()
    assert shelves.take(shelf, "a") is None


@pytest.mark.parametrize("content", [*DAMAGED, None])
def test_results_are_found_anew(tmp_path: Path, content: bytes | None) -> None:
    (tmp_path / "a.S").write_text(BAD)
    folder = tmp_path / "cache"
    first = pvasm("check", "a.S", cwd=tmp_path, PVASM_CACHE_DIR=str(folder))
    kept = [path for path in folder.rglob("*") if path.is_file()]
    assert kept
    for path in kept:
        damage(path, content)
    assert pvasm("check", "a.S", cwd=tmp_path, PVASM_CACHE_DIR=str(folder)) == first


@pytest.mark.parametrize("content", [*DAMAGED, None])
def test_what_is_made_of_files_is_made_anew(tmp_path: Path, content: bytes | None) -> None:
    source = tmp_path / "x.lark"
    source.write_text("text")
    made: list[str] = []

    def make(text: str) -> list[str]:
        made.append(text)
        return [text]

    def value() -> object:
        return compiled.compiled(str(source), make, made_by=())

    assert [value(), value(), made] == [["text"], ["text"], ["text"]]
    for path in (tmp_path / "__pycache__").iterdir():
        damage(path, content)
    assert [value(), value(), made] == [["text"], ["text"], ["text", "text"]]


def test_a_cache_that_others_may_write_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    folder.chmod(0o777)
    monkeypatch.setenv("PVASM_CACHE_DIR", str(folder))
    shelves._is_trusted.cache_clear()
    cache.store("ab" * 32, b"x")
    assert cache.load("ab" * 32) is None
    assert not [path for path in folder.rglob("*") if path.is_file()]
