"""The site: its links hold, it fetches nothing, and all that there is has its place in the reference."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from pvasm import exit_status
from pvasm.config import KEYS
from website import documents, links, reference


def test_a_link_that_leads_nowhere_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.html").write_text(
        '<script src="b.js"></script><img src="data:image/png;base64,AA"><link rel="canonical" href="https://x.example/">'
        '<a href="sub/b.html#there"></a><a href="#"></a><a href="https://x.example/"></a><h2 id="here">'
        '<a href="sub/b.html#gone"></a><a href="c.html"></a><script src="https://x.example/x.js"></script>'
    )
    (tmp_path / "sub/b.html").write_text('<a href="../a.html#here"></a><a name="there"><img src="//x.example/x.png">')
    (tmp_path / "b.js").write_text("")
    (tmp_path / "c.css").write_text("@font-face {src: url(https://x.example/x.woff)}")
    assert sorted(links.flaws(tmp_path)) == [
        "a.html: c.html: no such file",
        "a.html: fetches https://x.example/x.js",
        "a.html: sub/b.html#gone: no such place in it",
        "c.css: url(http",
        "sub/b.html: fetches //x.example/x.png",
    ]


def test_the_reference_has_every_command_and_setting_and_the_site_every_document() -> None:
    assert sorted(reference.parsers()) == sorted(exit_status.COMMANDS)
    assert sorted(reference.settings_in_words()) == sorted(KEYS)
    pages = {*documents.guide(), *documents.about_the_project()}
    assert {f"docs/{path.name}" for path in (documents.ROOT / "docs").glob("*.md")} <= pages


def test_the_comparison_names_options_and_commands_that_there_are() -> None:
    own = [
        row.split("|")[4]
        for row in (documents.ROOT / "docs/comparison.md").read_text().splitlines()
        if row.startswith("| ") and row.count("|") == 5
    ]
    parsers = reference.parsers()
    known = {option for parser in parsers.values() for option in parser._option_string_actions}
    words = {word for cell in own for word in re.findall(r"`([^`]+)`", cell)}
    assert {word for word in words if word.startswith("--")} <= known
    commands = {word.split(" ")[1] for word in words if word.startswith("pvasm ")}
    assert {"check", "explain", "compare"} <= commands <= {name.split(" ")[0] for name in parsers}


@pytest.mark.slow
def test_the_site_is_built_without_a_warning_and_its_links_hold(tmp_path: Path) -> None:
    if find_spec("sphinx") is None and os.environ.get("CI") != "true":
        pytest.skip("sphinx is not installed")
    command = [sys.executable, "-m", "website", str(tmp_path)]
    done = subprocess.run(command, cwd=documents.ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    rules = (tmp_path / "html/reference/rules/PV3xx.html").read_text()
    assert 'id="pv301"' in rules
    assert "ITC_D clobbers r8, which is live: read at line 3" in rules
    assert "searchindex.js" in {path.name for path in (tmp_path / "html").iterdir()}
