"""README shows what the commands print. `...` on a line of its own stands for what is left out."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from pvasm.check.rule import every_rule
from pvasm.data import samples_directory
from tests.cli.command import pvasm

README = Path(__file__).parent.parent / "README.md"


def steps() -> Iterator[tuple[str, str]]:
    """Each command of the tour, and what it prints."""
    for block in re.findall(r"^```console\n(.*?)^```$", README.read_text(), re.DOTALL | re.MULTILINE):
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = step.partition("\n")
            yield command, output


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tour")
    (path / "sample_S").symlink_to(samples_directory())
    for command, output in steps():
        if command.startswith("cat "):
            (path / command.split()[1]).write_text(output)
    return path


@pytest.mark.parametrize(("command", "expected"), [step for step in steps() if step[0].startswith("pvasm ")])
def test_the_tour(folder: Path, command: str, expected: str) -> None:
    command, _, filter_ = command.partition(" | sed -n ")
    words = [
        str(path.relative_to(folder)) if "*" in word else word
        for word in shlex.split(command)[1:]
        for path in (sorted(folder.glob(word)) if "*" in word else [folder])
    ]
    output = pvasm(*words, cwd=folder).output
    if filter_:
        first, last = map(int, re.findall(r"\d+", filter_))
        output = "".join(output.splitlines(keepends=True)[first - 1 : last])
    pattern = "".join(r"(?:.*\n)*?" if line == "...\n" else re.escape(line) for line in expected.splitlines(True))
    assert re.fullmatch(pattern, output), output


def test_every_code_is_of_a_family_that_is_told_of() -> None:
    families = re.findall(r"^\| (PV\d)xx \|", README.read_text(), re.MULTILINE)
    assert sorted(families) == sorted({code[:3] for code in every_rule()})
    assert set(re.findall(r"PV\d{3}", README.read_text())) <= set(every_rule())


def test_nothing_is_left_to_fill_in() -> None:
    assert not re.findall(r"^[A-Z_]{5,}$", README.read_text(), re.MULTILINE)
