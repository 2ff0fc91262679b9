"""What `check`, `--fix`, `--diff` and baselines report of what is found is decided in one place, in one way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command import Done, pvasm

KNOWN = "\tmov r16 = cr.ifa\n\t;;\n\titc.d r18\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pvasm.toml").write_text('baseline = "known.json"\n')
    (tmp_path / "a.S").write_text(KNOWN)
    return tmp_path


def check(folder: Path, *arguments: str) -> Done:
    return pvasm("check", *arguments, cwd=folder)


def accept(folder: Path) -> None:
    assert check(folder, "--write-baseline", "known.json").status == 0


def test_findings_of_the_baseline_are_not_fixed(project: Path) -> None:
    accept(project)
    assert check(project, "--fix").output == "nothing found in 1 file; 2 more in the baseline\n"
    assert (project / "a.S").read_text() == KNOWN
    assert check(project, "--diff").output == ""


def test_those_beside_a_new_one_stay_when_it_is_fixed(project: Path) -> None:
    accept(project)
    (project / "a.S").write_text(KNOWN + "\t;;\n\tsrlz.d\n\t;;\n\tmov r16 = cr.ifa\n\t;;\n\trfi\n")
    done = check(project, "--fix")
    assert done.output == "2 fixed, nothing found in 1 file; 2 more in the baseline\n"
    text = (project / "a.S").read_text()
    assert text == KNOWN + "\t;;\n\tsrlz.d\n\t;;\n\tMOV_FROM_IFA(r16)\n\t;;\n\tRFI\n"


def test_a_diff_shows_what_fix_would_do_with_the_baseline(project: Path) -> None:
    accept(project)
    (project / "a.S").write_text(KNOWN + "\tfoo:\n\trfi\n")
    done = check(project, "--diff")
    assert done.status == 1
    assert [line for line in done.output.splitlines() if line.startswith(("+\t", "-\t"))] == ["-\trfi", "+\tRFI"]
    assert "a.S" in check(project, "--diff", "--baseline", "known.json").output


IGNORES = 'baseline = "known.json"\n[per-file-ignores]\n"a.S" = ["PV002"]\n'


def test_what_per_file_ignores_hide_is_not_gone_from_the_baseline(project: Path) -> None:
    (project / "b.S").write_text("\trfi\n\tcover\n")
    accept(project)
    (project / "pvasm.toml").write_text(IGNORES)
    assert check(project).output == "nothing found in 2 files; 2 more in the baseline\n"
    (project / "b.S").write_text("\trfi\n")
    done = check(project)
    assert done.output == (
        "nothing found in 2 files; 1 more in the baseline; 1 finding of the baseline no longer there: write it again\n"
    )
    # Doing so loses nothing that was not looked for.
    accept(project)
    (project / "pvasm.toml").write_text('baseline = "known.json"\n')
    assert check(project).output == "nothing found in 2 files; 3 more in the baseline\n"


@pytest.mark.parametrize("narrowed", [("--select", "PV001"), ("--ignore", "PV002"), ("b.S",)], ids=" ".join)
def test_writing_a_part_of_a_baseline_keeps_the_rest(project: Path, narrowed: tuple[str, ...]) -> None:
    (project / "b.S").write_text("\tcover\n")
    accept(project)
    before = (project / "known.json").read_text()
    assert check(project, *narrowed, "--write-baseline", "known.json").status == 0
    assert (project / "known.json").read_text() == before
    (project / "a.S").unlink()  # what is gone is not kept
    check(project, *narrowed, "--write-baseline", "known.json")
    entries = json.loads((project / "known.json").read_text())["findings"]
    assert [(entry["path"], entry["code"]) for entry in entries] == [("b.S", "PV001")]


def test_levels_of_the_configuration_hold_for_fixes(project: Path) -> None:
    (project / "pvasm.toml").write_text('[severity]\nPV002 = "off"\n')
    (project / "a.S").write_text(KNOWN + "\tcover\n")
    assert check(project, "--fix").output == "1 fixed, nothing found in 1 file\n"
    assert (project / "a.S").read_text() == KNOWN + "\tCOVER\n"


def test_a_suppressed_finding_is_not_fixed_and_moves_with_the_text(project: Path) -> None:
    text = "\tmov r16 = cr.ifa // pvasm: ignore[PV002] known\n"
    (project / "a.S").write_text("\trfi\n" + text)
    check(project, "--fix", "--no-config")
    assert (project / "a.S").read_text() == "\tRFI\n" + text


# -------------------------------------------------------------------------------- what a diff leaves


def test_a_diff_says_what_it_leaves_and_why(project: Path) -> None:
    (project / "a.S").write_text("\tnop 0\n(p6)\trfi\n")
    done = check(project, "--diff", "--no-config")
    assert (done.status, done.output) == (1, "")
    first, *_, reason, last = done.error_lines
    assert first.startswith("a.S:2:1: PV002 error: privileged instruction used directly: use RFI")
    assert reason.strip() == "not fixed: RFI takes no predicate: branch around it"
    assert last == "1 finding at error level would be left"
    assert check(project, "--diff", "--no-config", "--exit-zero").status == 0


def test_what_a_diff_leaves_stands_where_the_file_has_it(project: Path) -> None:
    """A fix before it makes the text longer; the person who reads the message has the text before."""
    (project / "a.S").write_text("\tcover; rfi; (p6) rfi\n")
    done = check(project, "--diff", "--no-config")
    assert done.status == 1
    assert "+\tCOVER; RFI; (p6) rfi" in done.output
    assert done.error_lines[0].startswith("a.S:1:14: PV002 error")


def test_diff_tells_what_only_a_person_can_fix(tmp_path: Path) -> None:
    (tmp_path / "a.S").write_text("\tITC_D(p0, r18, r19) ;;\n\tadd r9 = r19, r10 ;;\n\tthash r17 = r16\n")
    done = pvasm("check", "--diff", "a.S", cwd=tmp_path)
    assert done.error_lines[-1] == "2 findings at error level would be left; --fix has nothing for PV301"
