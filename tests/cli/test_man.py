"""The manual pages: right by man(7) as mandoc and groff read it, and all that help says is in them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

import pvasm as package
from pvasm import exit_status
from pvasm.report.man_page import ENVIRONMENT
from tests.cli.command import pvasm
from tests.oracle import require_tool

ROOT = Path(package.__file__).parents[1]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("man") / "man1"
    done = pvasm("man", "--output-dir", folder, SOURCE_DATE_EPOCH="0")
    assert (done.status, done.output, done.errors) == (0, "", "")
    return sorted(folder.iterdir())


def test_there_is_one_for_each_command(pages: list[Path]) -> None:
    names = {"pvasm", "pvasm-instance", "pvasm-scenario"}
    assert {page.stem for page in pages} == names | {f"pvasm-{each.replace(' ', '-')}" for each in exit_status.COMMANDS}
    assert all(' 1 1970-01-01 "pvasm ' in page.read_text() for page in pages)


def test_nothing_in_them_is_wrong(pages: list[Path]) -> None:
    lint = subprocess.run([require_tool("mandoc"), "-Tlint", *pages], capture_output=True, text=True, check=False)
    assert (lint.returncode, lint.stdout, lint.stderr) == (0, "", "")
    groff = [require_tool("groff"), "-man", "-ww", "-Tutf8", "-Z", *map(str, pages)]
    assert subprocess.run(groff, capture_output=True, text=True, check=False).stderr == ""
    bad = subprocess.run(["mandoc", "-Tlint"], input=".TH A 1\n.XX\n", capture_output=True, text=True, check=False)
    assert bad.returncode != 0


@pytest.mark.parametrize("command", ["check", "simulate", "instance show", "cc"])
def test_all_that_help_says_is_shown(command: str, pages: list[Path]) -> None:
    (page,) = (page for page in pages if page.stem == f"pvasm-{command.replace(' ', '-')}")
    manual = _shown(page)
    _, _, help_text = pvasm(*command.split(), "--help", COLUMNS="1000").output.partition("\n\n")
    said, _, status = help_text.partition("Exit status: ")
    for line in said.splitlines():
        for part in re.split(r" {2,}", line.strip()):  # an option, and what is said of it
            if part and not part.endswith(":"):
                assert " ".join(part.split()) in manual
    for number, meaning in exit_status.meanings(command):
        assert f"{number} {meaning}".rstrip(".") in manual
        assert meaning in status


def _shown(page: Path) -> str:
    """A page as a terminal shows it, its lines joined."""
    shown = subprocess.run(
        [require_tool("mandoc"), "-Tutf8", "-Owidth=1000", page], capture_output=True, text=True, check=True
    ).stdout
    plain = re.sub(".\b", "", shown)
    return " ".join(plain.split())


def test_the_page_of_a_command_on_standard_output(pages: list[Path]) -> None:
    by_name = {page.stem: page.read_text() for page in pages}
    assert pvasm("man", SOURCE_DATE_EPOCH="0").output == by_name["pvasm"]
    assert pvasm("man", "instance", "show", SOURCE_DATE_EPOCH="0").output == by_name["pvasm-instance-show"]
    for odd in ("x", "1e300", "-1", "9" * 40, " 1"):
        said = f"pvasm: error: SOURCE_DATE_EPOCH: {odd!r} is no number of seconds since 1970"
        assert pvasm("man", SOURCE_DATE_EPOCH=odd).error_lines == [said]
    assert '1 5138-11-16 "pvasm' in pvasm("man", SOURCE_DATE_EPOCH="9" * 11).output
    wrong = pvasm("man", "instance", "shw")
    said = "pvasm: error: there is no command `instance shw' (did you mean instance show?)"
    assert (wrong.status, wrong.error_lines) == (2, [said])


def test_what_counts_in_the_environment_is_told(pages: list[Path]) -> None:
    """All that is asked for, but for what says where a home is, and what terminals say of themselves."""
    asked = set()
    for file in (ROOT / "pvasm").rglob("*.py"):
        asked.update(re.findall(r"""os\.environ(?:\.get\(|\[)"(\w+)\"""", file.read_text()))
    others = {"HOME", "XDG_CACHE_HOME", "TERM", "VTE_VERSION", "SOURCE_DATE_EPOCH", "PATH"}
    assert set(ENVIRONMENT) - {"PVASM_DOCS_URL", "PVASM_SERVER"} == asked - others
    told = (ROOT / "docs/command-line.md").read_text()
    for name in ENVIRONMENT:
        assert f"`{name}`" in told
        assert all(name in page.read_text() for page in pages)
