"""What a search of folders leaves out is what git ignores: git itself says so."""

from __future__ import annotations

import os
import random
import subprocess
import time
from pathlib import Path

import pytest

from pvasm.gitignore import Ignored, Pattern
from tests.cli.command import pvasm
from tests.oracle import require_tool

PARTS = (
    *(b"a", b"b", b"A", b"-", b"]", b"!", b"^", b" ", b"\t", b"#", b"\xc3\xa9", b"[", b"\\"),
    *(b"*", b"**", b"***", b"?", b"/", b"/**/", b"**/", b"/**", b"\\*", b"\\\\", b"\\/", b"\\ "),
    *(b"[ab]", b"[!a]", b"[^a-b]", b"[a-", b"[]-a]", b"[\\]]", b"[a\\-b]", b"[/]", b"[z-a]", b"[--a]", b"[\xc3\xa9]"),
    *(b"[[:alpha:]]", b"[[:punct:][:digit:]-]", b"[[:foo:]]", b"[[:a]"),
)
NAMES = (
    *(b"a", b"b", b"/", b"a/", b"/b", b"\xc3\xa9", b"-", b"]", b"A", b"1", b" ", b"!", b"^"),
    b"\\",
    b"[",
    b"*",
    b"\xff",
)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    require_tool("git")
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    return tmp_path


def _ignored_by_git(repository: Path, paths: list[bytes]) -> set[bytes]:
    command = ["git", "-C", str(repository), "check-ignore", "--no-index", "--stdin", "-z"]
    done = subprocess.run(command, input=b"\0".join(paths) + b"\0", capture_output=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return {path for path in done.stdout.split(b"\0") if path}


def _ignored_by_us(patterns: list[Pattern], path: bytes) -> bool:
    """As a search does it: a folder first, and what is in it only if the folder is not ignored."""
    parts = path.split(b"/")
    for number, name in enumerate(parts, start=1):
        said = (
            each for each in patterns if each.matches(b"/".join(parts[:number]), name, is_folder=number < len(parts))
        )
        first = next(said, None)
        if first is not None and first.ignores:
            return True
    return False


def test_random_patterns_match_what_they_match_for_git(repository: Path) -> None:
    chosen = random.Random(13)
    matched = 0
    for _ in range(250):
        text = b"".join(
            b"".join(chosen.choices(PARTS, k=chosen.randint(1, 6))) + chosen.choice([b"\n", b"\r\n"]) for _ in range(2)
        )
        (repository / ".gitignore").write_bytes(text)
        random_paths = (b"".join(chosen.choices(NAMES, k=chosen.randint(1, 7))).strip(b"/") for _ in range(60))
        paths = sorted({path for path in random_paths if path and b"//" not in path})
        by_git = _ignored_by_git(repository, paths)
        patterns = Ignored(str(repository))._of(str(repository))
        assert {path for path in paths if _ignored_by_us(patterns, path)} == by_git, text
        matched += len(by_git)
    assert matched > 1000


def test_a_tree_of_several_files_is_searched_as_git_does(repository: Path) -> None:
    texts = {
        ".gitignore": "\ufeff# a comment\nbuild/\n*.s\n!keep.s\n/top.S\ndocs/**/x.S\nfoo**/y.S\n"
        "\\#z.S\n[[:digit:]]*.S\ntab.S\t\n",
        "sub/.gitignore": "!*.s\nbuild\n/deep/*\n!/deep/a.S\nbad[\n",
        "sub/deep/.gitignore": "!b.S\n",
    }
    for name in (
        *("top.S", "a.s", "keep.s", "1.S", "#z.S", "tab.S", "build/a.S", "docs/x.S", "docs/q/r/x.S", "docs/xx.S"),
        *("foo/y.S", "foobar/y.S", "fo/y.S", "sub/top.S", "sub/a.s", "sub/build", "sub/deep/a.S", "sub/deep/b.S"),
        *("sub/deep/c.S", "sub/deep/d/e.S", "sub/x/build/f.S", "sub/[.S"),
    ):
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_text("\tnop 0\n")
    for name, text in texts.items():
        (repository / name).write_text(text)
    listed = subprocess.run(
        ["git", "-C", repository, "ls-files", "-o", "-z", "--exclude-standard"], capture_output=True, check=True
    )
    wanted = sorted(name for name in os.fsdecode(listed.stdout).split("\0") if name.endswith((".S", ".s")))
    assert len(wanted) == 9
    assert sorted(pvasm("check", "--show-files", cwd=repository).output.splitlines()) == wanted
    assert pvasm("check", cwd=repository).errors == ""


def test_a_link_in_the_place_of_the_file_is_not_read(repository: Path) -> None:
    (repository / "rules").write_text("a.S\n")
    (repository / "a.S").write_text("\tnop 0\n")
    (repository / ".gitignore").symlink_to("rules")
    assert pvasm("check", "--show-files", cwd=repository).output == "a.S\n"


def test_a_pattern_of_many_stars_takes_no_longer_for_a_long_name(tmp_path: Path) -> None:
    (tmp_path / ("a" * 200 + ".S")).write_text("\tnop 0\n")
    (tmp_path / ".gitignore").write_text("*a" * 20 + "b\n" + "**/a*" * 20 + "b\n" + "x" * 10_000 + "[a-\n")
    before = time.process_time()
    assert not Ignored(str(tmp_path)).match(str(tmp_path / ("a" * 200 + ".S")))
    assert time.process_time() - before < 0.5
