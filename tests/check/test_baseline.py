"""Baselines: what they hide, what they do not, and what survives a change of the source."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvasm.check.baseline import load_baseline, write_baseline
from pvasm.check.diagnostic import Diagnostic
from pvasm.errors import PvasmError
from tests.check.checking import check


def left(baseline: Path | str, found: list[Diagnostic]) -> list[Diagnostic]:
    """What is not in a baseline."""
    hidden = load_baseline(str(baseline)).hidden(found)
    return [diagnostic for number, diagnostic in enumerate(found) if number not in hidden]


class Project:
    """One source file, and a baseline beside it."""

    def __init__(self, folder: Path) -> None:
        self.source = folder / "a.S"
        self.baseline = folder / "known.json"

    def found(self, text: str) -> list[Diagnostic]:
        self.source.write_text(text)
        return check(text, "PV001", path=str(self.source))

    def accept(self, text: str) -> None:
        write_baseline(str(self.baseline), self.found(text))

    def new(self, text: str) -> list[int]:
        """The lines of what is not in the baseline."""
        return [d.line for d in left(self.baseline, self.found(text))]

    def stale(self, text: str) -> int:
        baseline = load_baseline(str(self.baseline))
        baseline.hidden(self.found(text))
        return baseline.stale({str(self.source): {"PV001"}})


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


TEXT = "\tnop 0\n\tfc r3\n\tnop 1\n\tfc r4\n\tnop 2\n\tfc r3\n"


def test_all_is_known(project: Project) -> None:
    project.accept(TEXT)
    assert project.new(TEXT) == []
    assert project.stale(TEXT) == 0


@pytest.mark.parametrize(
    "text",
    [
        "// a new first line\n\n" + TEXT,
        TEXT.replace("\t", "        "),
        TEXT.replace("\n", "\r\n"),
        TEXT.replace("fc r3", "fc  r3 // a remark"),
        "\tfc r4\n\tfc r3\n\tfc r3\n",
    ],
)
def test_moved_lines(project: Project, text: str) -> None:
    project.accept(TEXT)
    assert project.new(text) == []


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (TEXT + "\tfc r5\n", [7]),
        (TEXT + "\tfc.i r3\n", [7]),
        (TEXT + "\tfc r3\n", [7]),
        ("\tfc r3\n" + TEXT, [1]),
        ("\tfc r3\n\tnop 9\n" + TEXT, [1]),
        (TEXT.replace("\tnop 1\n", "\tnop 1\n\tnop 8\n\tfc r3\n\tnop 9\n"), [5]),
    ],
)
def test_one_more_like_those_known_is_new(project: Project, text: str, lines: list[int]) -> None:
    project.accept(TEXT)
    assert project.new(text) == lines


def test_one_too_many_where_nothing_tells_them_apart(project: Project) -> None:
    project.accept("\tfc r3\n" * 5)
    assert len(project.new("\tfc r3\n" * 6)) == 1


def test_stale(project: Project) -> None:
    project.accept(TEXT)
    assert project.stale("\tnop 0\n\tfc r3\n") == 2
    assert load_baseline(str(project.baseline)).stale({"elsewhere.S": {"PV001"}}) == 0
    assert load_baseline(str(project.baseline)).stale({str(project.source): {"PV002"}}) == 0  # not looked for


def test_findings_about_arguments_are_told_apart_by_their_ops(tmp_path: Path) -> None:
    source, baseline = tmp_path / "a.S", tmp_path / "b.json"
    source.write_text("\tITC_D(p0, r20, r18) ;;\n\tmov r8 = r18\n")
    write_baseline(str(baseline), check(source.read_text(), "PV3", path=str(source)))
    assert left(baseline, check(source.read_text(), "PV3", path=str(source))) == []
    source.write_text("\tMOV_TO_IFA(r20, r18) ;;\n\tmov r8 = r18\n")
    assert len(left(baseline, check(source.read_text(), "PV3", path=str(source)))) == 1


def test_nothing_else_is_overwritten(tmp_path: Path) -> None:
    source = tmp_path / "a.S"
    source.write_text(TEXT)
    with pytest.raises(PvasmError, match="no baseline: not overwritten"):
        write_baseline(str(source), [])
    assert source.read_text() == TEXT


def test_paths_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/a.S").write_text(TEXT)
    monkeypatch.chdir(tmp_path)
    write_baseline("known.json", check(TEXT, "PV001", path="sub/a.S"))
    assert {entry["path"] for entry in json.loads((tmp_path / "known.json").read_text())["findings"]} == {"sub/a.S"}
    monkeypatch.chdir(tmp_path / "sub")
    assert not left("../known.json", check(TEXT, "PV001", path="./a.S"))


def test_the_file_is_the_same_every_time_and_a_line_an_instruction(project: Project) -> None:
    project.accept(TEXT)
    first = project.baseline.read_text()
    write_baseline(str(project.baseline), reversed(project.found("\n" + TEXT)))
    assert project.baseline.read_text() == first
    assert [json.loads(line.rstrip(","))["instruction"] for line in first.splitlines()[1:-1]] == ["fc r3", "fc r4"]
    write_baseline(str(project.baseline), [])
    assert project.new(TEXT) == [2, 4, 6]


def test_bytes_that_are_not_utf_8(project: Project) -> None:
    text = "\tGO(fc r3, \udcff)\n"
    project.source.write_bytes(text.encode("utf-8", "surrogateescape"))
    found = check(text, "PV001", path=str(project.source))
    write_baseline(str(project.baseline), found)
    assert found
    assert not left(project.baseline, found)


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", "1", "null", '{"version": 1}', '{"version": 2, "findings": []}', "[" * 100_000),
        '{"version": 1, "findings": [1]}',
        '{"version": 1, "findings": [{}]}',
        '{"version": 1, "findings": [{"path": [], "code": "", "instance": null, "instruction": "", "contexts": []}]}',
        '{"version": 1, "findings": [{"path": "a", "code": "", "instance": null, "instruction": "", "contexts": 1}]}',
        '{"version": 1, "findings": {"path": "a"}}',
    ],
)
def test_no_baseline(tmp_path: Path, text: str) -> None:
    path = tmp_path / "b.json"
    path.write_text(text)
    with pytest.raises(PvasmError, match=r"baseline") as error:
        load_baseline(str(path))
    assert error.value.path == str(path)


INSTRUCTIONS = st.lists(st.sampled_from(["fc r3", "fc r4", "nop 0", "nop 1", "cover", ""]), max_size=12)


@given(INSTRUCTIONS, INSTRUCTIONS)
def test_as_many_are_new_as_there_are_more(
    tmp_path_factory: pytest.TempPathFactory, old: list[str], new: list[str]
) -> None:
    project = Project(tmp_path_factory.getbasetemp())
    project.accept("".join(f"\t{line}\n" for line in old))
    text = "".join(f"\t{line}\n" for line in new)
    flagged = {"fc r3", "fc r4", "cover"}
    assert len(project.new(text)) == sum(max(0, new.count(line) - old.count(line)) for line in flagged)
    assert project.stale(text) == sum(max(0, old.count(line) - new.count(line)) for line in flagged)
