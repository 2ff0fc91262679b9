"""Dependency files are what gcc would write, and what make and ninja read."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pvasm.depfile import extended, rule
from pvasm.errors import PvasmError
from tests.oracle import require_tool

NAMES = ["a.S", "with blank", "hash#", "dol$lar", "co:lon", "back\\slash", "back\\ blank", "two  blanks", "$$#: x", "ä"]
READ_BY_NINJA = [name for name in NAMES if "back\\ " not in name]


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([require_tool("make"), *arguments], cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("way", ["rule", "extended"])
def test_make_reads_every_name(way: str, tmp_path: Path) -> None:
    text = rule(["out"], NAMES, False) if way == "rule" else extended("out: a.S\n", NAMES, False)
    (tmp_path / "out.d").write_text(text)
    (tmp_path / "Makefile").write_text("out:\n\ttouch out\n-include out.d\n")
    for name in NAMES:
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (100, 100))
    assert make(tmp_path).returncode == 0
    assert make(tmp_path, "-q").returncode == 0
    (tmp_path / "other").touch()
    assert make(tmp_path, "-q").returncode == 0
    later = (tmp_path / "out").stat().st_mtime + 5
    for name in NAMES:
        os.utime(tmp_path / name, (later, later))
        assert make(tmp_path, "-q").returncode == 1, name
        os.utime(tmp_path / name, (100, 100))
        (tmp_path / name).unlink()
        assert make(tmp_path).returncode == 2, name
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (100, 100))


def test_a_phony_prerequisite_may_be_gone(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("out:\n\ttouch out\n-include out.d\n")
    for text in (rule(["out"], NAMES, True), extended("out: a.S\n", NAMES, True)):
        (tmp_path / "out.d").write_text(text)
        (tmp_path / "a.S").touch()
        assert make(tmp_path).returncode == 0
        (tmp_path / "a.S").unlink()
        assert make(tmp_path).returncode == 2  # the source itself may not


@pytest.mark.parametrize("phony", [False, True])
def test_ninja_reads_every_name(phony: bool, tmp_path: Path) -> None:
    (tmp_path / "ready.d").write_text(rule(["out"], READ_BY_NINJA, phony))
    for name in READ_BY_NINJA:
        (tmp_path / name).touch()
    build = "rule c\n  command = cp ready.d out.d && touch out\n  depfile = out.d\n  deps = gcc\nbuild out: c\n"
    (tmp_path / "build.ninja").write_text(build)
    ninja = require_tool("ninja")
    subprocess.run([ninja], cwd=tmp_path, capture_output=True, check=True)
    listing = subprocess.run([ninja, "-t", "deps", "out"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert [line.removeprefix("    ") for line in listing.stdout.splitlines()[1:] if line] == READ_BY_NINJA


def test_gcc_quotes_names_as_we_do(tmp_path: Path) -> None:
    headers = [name for name in NAMES if ":" not in name]  # gcc leaves a colon as it is
    for name in headers:
        (tmp_path / name).touch()
    source = "".join(f'#include "{name}"\n' for name in headers)
    options = ["-E", "-MMD", "-MP", "-MF", "-", "-MQ", "with blank$", "-o", "/dev/null", "-x", "c", "-"]
    command = [require_tool("gcc"), *options]
    done = subprocess.run(command, input=source, cwd=tmp_path, capture_output=True, text=True, check=True)
    ours = rule(["with blank$"], headers, True)
    assert done.stdout.replace(" \\\n", "").split(" ") == ours.replace(" \\\n", "").split(" ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.o: a.S\n", "a.o: a.S \\\n one \\\n two\n"),
        ("a.o: a.S", "a.o: a.S \\\n one \\\n two\n"),
        ("a.o b.o: \\\n a.S \\\n one\n\nx.h:\n", "a.o b.o: \\\n a.S \\\n one \\\n two\n\nx.h:\n"),
        ("C:/a.o: a.S two\n", "C:/a.o: a.S two \\\n one\n"),
        ("a.o:\n", "a.o: \\\n one \\\n two\n"),
        ("a.o: one two\n", "a.o: one two\n"),
        ("", ""),
        ("no rule\n", "no rule\n"),
    ],
)
def test_prerequisites_are_added_once(text: str, expected: str) -> None:
    assert extended(text, ["one", "two", "one"], False) == expected


def test_a_line_break_in_a_name_is_an_error() -> None:
    with pytest.raises(PvasmError, match="line break"):
        rule(["out"], ["a\nb"], False)
