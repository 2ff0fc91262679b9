"""What a terminal gets, and a pipe does not: colours, links, a pager, a bar; and how wide characters are."""

from __future__ import annotations

import os
import pty
import re
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvasm.terminal import width
from tests.cli.command import pvasm

LINK = re.compile("\x1b]8;;([^\x1b]*)\x1b\\\\(.*?)\x1b]8;;\x1b\\\\")
COLOR = "\x1b[1;31m"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "a b.S").write_text("\n\tmov r16 = cr.ifa\n")
    return tmp_path


def on_terminal(*words: str, cwd: Path, **environment: str) -> str:
    """What a command prints on a terminal; no bar, which shows if the machine is slow."""
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(cwd)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        plain = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
        given = {"TERM": "xterm", "PVASM_CACHE_DIR": "/dev/null/none", **plain, **environment}
        os.execve(sys.executable, [sys.executable, "-m", "pvasm", *words], given)
    said = b""
    try:
        while piece := os.read(terminal, 1 << 16):
            said += piece
    except OSError:  # how Linux tells that the other end is closed
        pass
    finally:
        os.close(terminal)
        os.waitpid(process, 0)
    return said.decode().replace("\r\n", "\n")


@pytest.mark.parametrize(
    ("environment", "piped", "shown"),
    [
        ({}, False, True),
        ({"NO_COLOR": "1"}, False, False),
        pytest.param({"NO_COLOR": ""}, False, True, marks=pytest.mark.slow),
        ({"TERM": "dumb"}, False, False),
        ({"FORCE_COLOR": "1"}, True, True),
        pytest.param({"FORCE_COLOR": "1", "TERM": "dumb"}, True, True, marks=pytest.mark.slow),
        pytest.param({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False, marks=pytest.mark.slow),
        pytest.param({"FORCE_COLOR": ""}, False, True, marks=pytest.mark.slow),
    ],
)
def test_colours(environment: dict[str, str], piped: bool, shown: bool, project: Path) -> None:
    assert (COLOR in on_terminal("check", cwd=project, **environment)) is shown
    clean = {"NO_COLOR": "", "FORCE_COLOR": "", "TERM": "xterm"}
    assert (COLOR in pvasm("check", cwd=project, stdin=b"", **{**clean, **environment}).output) is piped


def test_links_on_a_terminal_that_has_them(project: Path) -> None:
    docs = {"PVASM_DOCS_URL": "https://example.org/d/"}
    said = on_terminal("check", cwd=project, TERM="xterm-kitty", **docs)
    place, code = LINK.findall(said)
    assert place == (
        f"file://{os.uname().nodename}{project}/a%20b.S#2",
        "\x1b[1ma b.S:2:2:\x1b[0m",
    )
    assert code == ("https://example.org/d/reference/rules/PV0xx.html#pv002", f"{COLOR}PV002 error:\x1b[0m")
    assert LINK.sub(r"\2", said) == on_terminal("check", cwd=project)  # nothing else is different
    assert len(LINK.findall(on_terminal("check", cwd=project, VTE_VERSION="7006"))) == 1  # no URL of a rule is known
    assert len(LINK.findall(on_terminal("check", cwd=project, FORCE_HYPERLINK="1"))) == 1


@pytest.mark.parametrize(
    "environment",
    [
        pytest.param({"VTE_VERSION": "5000"}, marks=pytest.mark.slow),
        {"TERM": "dumb", "FORCE_HYPERLINK": "1"},
        pytest.param({"TERM": "xterm-kitty", "FORCE_HYPERLINK": "0"}, marks=pytest.mark.slow),
        pytest.param({"TERM": "xterm-kitty", "NO_COLOR": "1"}, marks=pytest.mark.slow),
        pytest.param({"KONSOLE_VERSION": "220000", "STY": "1.pts"}, marks=pytest.mark.slow),
    ],
)
def test_no_links_elsewhere(environment: dict[str, str], project: Path) -> None:
    assert "\x1b]8" not in on_terminal("check", cwd=project, **environment)


def test_never_a_link_in_a_pipe(project: Path) -> None:
    environment = {"TERM": "xterm-kitty", "FORCE_HYPERLINK": "1", "FORCE_COLOR": "1", "PVASM_DOCS_URL": "https://x.org"}
    done = pvasm("check", cwd=project, stdin=b"", **environment)
    assert COLOR in done.output
    assert "\x1b]8" not in done.output


# ------------------------------------------------------------------------------------------------- pager


@pytest.fixture
def pager(tmp_path: Path) -> str:
    """A program that shows its arguments, and how many lines it is given."""
    script = tmp_path / "pager"
    script.write_text('#!/bin/sh\necho "PAGED $# $1 $LESS"\nwc -l\n')
    script.chmod(0o755)
    return str(script)


def test_a_long_list_goes_through_the_pager(pager: str, project: Path) -> None:
    plain = pvasm("explain", cwd=project, PAGER=pager)
    assert plain.output.startswith("PV001  error")
    rows = {"LINES": "10"}
    said = on_terminal("explain", cwd=project, PAGER=f"{pager} '$(id) ; x'", **rows).splitlines()
    assert said == ["PAGED 1 $(id) ; x FRX", str(len(plain.output.splitlines()))]
    assert "PAGED" in on_terminal("instance", "show", "xen", cwd=project, PAGER=pager, **rows)
    for environment in (
        {"LINES": "100"},
        {"TERM": "dumb"},
        {"PAGER": ""},
        {"PAGER": "no-such-program"},
        {"PAGER": "'"},
    ):
        assert on_terminal("explain", cwd=project, **{"PAGER": pager, **rows, **environment}) == plain.output


@pytest.mark.slow
def test_a_pager_that_ends_early_is_no_error(project: Path) -> None:
    said = on_terminal("explain", "--all", cwd=project, PAGER="head -n 1", LINES="5")
    assert re.fullmatch(r"PV001: .*\n", said)


# ------------------------------------------------------------------------------------------------- width


@pytest.mark.parametrize(
    ("line", "marks"),
    [
        ("/* \u6f22\u5b57 */\tmov r16 = cr.ifa", "          \t^~~~~~~~~~~~~~~~"),
        ("/* e\u0301 */ mov r16 = cr.ifa", "        ^~~~~~~~~~~~~~~~"),
        ("/* \uff21 */ mov r16 = /*\u5b57*/ cr.ifa", "         ^~~~~~~~~~~~~~~~~~~~~~~"),
    ],
    ids=["wide", "combining", "wide within"],
)
def test_marks_stand_under_what_they_mark(line: str, marks: str, tmp_path: Path) -> None:
    (tmp_path / "a.S").write_text(f"{line}\n")
    shown = pvasm("check", "a.S", "--select", "PV002", cwd=tmp_path).output.splitlines()
    assert shown[1:3] == [f"    {line}", f"    {marks}"]


@given(st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=10), st.text(max_size=3))
def test_width(text: str, more: str) -> None:
    assert 0 <= width(text) <= 2 * len(text)
    assert width(text + more) == width(text) + width(more)
    assert width(unicodedata.normalize("NFD", "\u00e9\u1e69")) == width("\u00e9\u1e69") == 2


def test_help_is_as_wide_as_the_terminal(project: Path) -> None:
    for columns in (80, 120):
        widest = max(map(len, pvasm("check", "--help", cwd=project, COLUMNS=str(columns)).output.splitlines()))
        assert columns - 20 < widest <= columns - 2


def test_lists_are_as_wide_as_the_terminal(project: Path) -> None:
    piped = pvasm("instance", "list", cwd=project, COLUMNS="80").output
    shown = on_terminal("instance", "list", cwd=project, COLUMNS="80", PAGER="")
    assert max(map(len, shown.splitlines())) <= 80 < max(map(len, piped.splitlines())) <= 100
    assert shown.split()[-5:] == piped.split()[-5:]
