"""The options of `check`: formats, the configuration and what beats it, baselines, processes."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest

from tests.cli.command import pvasm
from tests.oracle import require_tool
from tests.report.schema import sarif_schema

TEXT = "\tfc r3 ;;\n\tmov r16 = cr.ifa ;;\n\ttpa r2 = r3 ;;\n\tepc ;;\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "a.S").write_text(TEXT)
    return tmp_path


def codes(project: Path, *arguments: str, config: str | None = None) -> list[tuple[str, str]]:
    """The codes and severities of what is found with a configuration."""
    if config is not None:
        (project / "pvasm.toml").write_text(config)
    done = pvasm("check", *arguments, "--output-format", "json", cwd=project)
    assert done.errors == ""
    rows = [json.loads(line) for line in done.output.splitlines()]
    return [(row["code"], row["severity"]) for row in rows]


# ----------------------------------------------------------------------------------------- formats


def test_sarif_of_a_run(project: Path) -> None:
    (project / "b.S").write_bytes(b"\0")
    done = pvasm("check", "--output-format", "sarif", cwd=project)
    assert done.status == 2
    log = json.loads(done.output)
    jsonschema.Draft4Validator(sarif_schema()).validate(log)
    (run,) = log["runs"]
    assert [result["ruleId"] for result in run["results"]] == ["PV001", "PV002", "PV003"]
    (notification,) = run["invocations"][0]["toolExecutionNotifications"]
    assert notification["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "b.S"


def test_a_line_a_finding(project: Path) -> None:
    for name, start in (("gcc", "a.S:1:2: error: "), ("github", "::error file=a.S,line=1,")):
        lines = pvasm("check", "--output-format", name, cwd=project).output.splitlines()
        assert len(lines) == 3
        assert lines[0].startswith(start)


def test_quiet_statistics_and_exit_zero(project: Path) -> None:
    quiet = pvasm("check", "-q", cwd=project)
    assert (quiet.status, quiet.output.count("PV0")) == (1, 2)
    assert not any(word in quiet.output for word in ("note", "in 1 file"))
    assert pvasm("check", "-q", "--select", "PV003", cwd=project).output == ""
    counted = pvasm("check", "--statistics", cwd=project)
    assert [line.split()[:2] for line in counted.output.splitlines()[:-1]] == [
        ["1", "PV001"],
        ["1", "PV002"],
        ["1", "PV003"],
    ]
    assert pvasm("check", "--exit-zero", cwd=project).status == 0
    assert pvasm("check", "--exit-zero", "nothing.S", cwd=project).status == 2
    wrong = pvasm("check", "--statistics", "--output-format", "sarif", cwd=project)
    assert (wrong.status, len(wrong.error_lines)) == (2, 1)


def on_terminal(project: Path, *arguments: str, bar: bool = False, **environment: str) -> str:
    """What `check` prints on a terminal; its bar, which shows if the machine is slow, only if asked for."""
    reading, terminal = pty.openpty()
    clean = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    process = subprocess.Popen(
        [sys.executable, "-m", "pvasm", "check", *arguments],
        cwd=project,
        stdout=terminal,
        stderr=terminal if bar else subprocess.DEVNULL,
        env={**clean, "TERM": "xterm", "PVASM_CACHE_DIR": "/dev/null/none", **environment},
    )
    os.close(terminal)
    shown = b""
    try:
        while piece := os.read(reading, 4096):
            shown += piece
    except OSError:  # how Linux tells that the other end is closed
        pass
    finally:
        os.close(reading)
    process.wait(timeout=600)
    return shown.decode()


@pytest.mark.slow
def test_colour(project: Path) -> None:
    assert "\x1b[" not in pvasm("check", cwd=project).output
    assert "\x1b[" in pvasm("check", "--color", "always", cwd=project).output
    assert "\x1b[" not in pvasm("check", "--color", "always", "--output-format", "json", cwd=project).output
    assert "\x1b[1;31mPV001 error:\x1b[0m" in on_terminal(project)
    assert "\x1b[" not in on_terminal(project, NO_COLOR="1")
    assert "\x1b[" not in on_terminal(project, TERM="dumb")
    assert "\x1b[" not in on_terminal(project, "--color", "never")
    assert "\x1b[1;31mPV001 error:\x1b[0m" in on_terminal(project, "--color", "always", NO_COLOR="1")


@pytest.mark.slow
def test_a_bar_for_a_long_run_on_a_terminal(tmp_path: Path) -> None:
    for number in range(40):
        registers = (f"\tadd r{2 + number % 90} = r{2 + line % 97}, r{2 + line // 97} ;;\n" for line in range(3000))
        (tmp_path / f"{number}.S").write_text("".join(registers))
    shown = on_terminal(tmp_path, "--jobs", "1", "--color", "never", "--select", "PV001", bar=True)
    assert "/40 files" in shown
    assert shown.endswith("\r\x1b[Knothing found in 40 files\r\n")


# ------------------------------------------------------------------------------------ configuration


def test_the_configuration_counts_wherever_below_one_is(project: Path) -> None:
    assert codes(project, config="ignore = ['PV001']\n[severity]\nPV002 = 'warning'") == [
        ("PV002", "warning"),
        ("PV003", "note"),
    ]
    (project / "deep").mkdir()
    done = pvasm("check", "../a.S", "--statistics", cwd=project / "deep")
    assert (done.status, "PV001" in done.output) == (0, False)


@pytest.mark.parametrize(
    ("config", "arguments", "expected"),
    [
        ("select = ['PV001']", [], ["PV001"]),
        ("select = ['PV001']", ["--no-config"], ["PV001", "PV002", "PV003"]),
        ("select = ['PV001']", ["--select", "PV002"], ["PV002"]),
        ("select = ['PV001']", ["--extend-select", "PV002"], ["PV001", "PV002"]),
        ("extend-select = ['PV004']", [], ["PV001", "PV002", "PV003", "PV004"]),
        ("ignore = ['PV003']", [], ["PV001", "PV002"]),
        ("ignore = ['PV003']", ["--ignore", "PV001"], ["PV002"]),
        ("ignore = ['PV003']", ["--select", "PV003"], ["PV003"]),
        ("severity = {PV003 = 'off'}", [], ["PV001", "PV002"]),
        ("severity = {PV003 = 'off'}", ["--select", "PV003"], ["PV003"]),
        ("per-file-ignores = {'*.S' = ['PV00']}", [], []),
        ("per-file-ignores = {'*.h' = ['PV00']}", [], ["PV001", "PV002", "PV003"]),
    ],
)
def test_the_command_line_beats_the_file(project: Path, config: str, arguments: list[str], expected: list[str]) -> None:
    assert [code for code, _ in codes(project, *arguments, config=config)] == expected


def test_paths_and_exclude(project: Path) -> None:
    for name in ("src/b.S", "src/old/c.S"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("\tcover ;;\n")
    (project / "pvasm.toml").write_text("paths = ['src']\nexclude = ['old']\n")
    assert pvasm("check", "-q", cwd=project).output.startswith("src/b.S:1:2: ")
    assert pvasm("check", cwd=project).output.splitlines()[-1] == "1 error in 1 file"
    assert pvasm("check", cwd=project / "src/old").output.splitlines()[-1] == "1 error in 1 file"
    assert pvasm("check", ".", cwd=project).output.splitlines()[-1] == "3 errors, 1 note in 2 files"


def test_the_preprocessor_from_the_configuration(tmp_path: Path) -> None:
    require_tool("gcc")
    for name, text in {
        "inc/m.h": "#define GO(r) fc r\n",
        "first.h": "#define FIRST\n",
        "src/a.S": '#include "m.h"\n#if defined(FIRST) && WANTED == 2\nGO(r3)\n#endif\n',
        "pyproject.toml": "[tool.pvasm]\ncpp = true\ninclude-dirs = ['inc']\n"
        "defines = ['WANTED=2']\nincludes = ['first.h']\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert pvasm("check", "a.S", cwd=tmp_path / "src").output.startswith("a.S:3:1: PV001")
    assert pvasm("check", "src/a.S", cwd=tmp_path).status == 1
    assert pvasm("check", "a.S", "-DWANTED=1", cwd=tmp_path / "src").status == 0
    assert pvasm("check", "a.S", "--no-cpp", cwd=tmp_path / "src").status == 0


def test_a_given_configuration(project: Path) -> None:
    (project / "pvasm.toml").write_text("nonsense = 1\n")
    (project / "mine.toml").write_text("select = ['PV001']\n")
    wrong = pvasm("check", cwd=project)
    assert wrong.status == 2
    (line,) = wrong.error_lines
    assert line.startswith("pvasm: error: pvasm.toml:1: unknown key 'nonsense'; the keys are paths, exclude, select, ")
    assert codes(project, "--config", "mine.toml") == [("PV001", "error")]
    assert pvasm("check", "--config", "none.toml", cwd=project).error_lines[0].startswith("pvasm: error: none.toml: ")
    assert pvasm("check", "--config", "mine.toml", "--no-config", cwd=project).status == 2


def test_instances_from_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "a.S").write_text("#ifdef __IA64_ASM_PARAVIRTUALIZED_XEN\n\tfc r3 ;;\n#endif\n")
    (tmp_path / "mine.yaml").write_text("name: mine\ndescription: d\nextends: native\n")
    (tmp_path / "pvasm.toml").write_text("instances = ['./mine.yaml']\n")
    (tmp_path / "deep").mkdir()
    assert pvasm("check", "../a.S", cwd=tmp_path / "deep").status == 0
    assert pvasm("check", "../a.S", "--instance", "xen", cwd=tmp_path / "deep").status == 1
    (tmp_path / "pvasm.toml").write_text("instances = ['nobody']\n")
    assert "unknown instance nobody" in pvasm("check", cwd=tmp_path).errors


# ---------------------------------------------------------------------------------------- baseline


def test_a_baseline_from_first_to_last(project: Path) -> None:
    written = pvasm("check", "--write-baseline", "known.json", cwd=project)
    assert (written.status, written.output) == (0, "3 findings written to known.json\n")
    known = pvasm("check", "--baseline", "known.json", cwd=project)
    assert (known.status, known.output) == (0, "nothing found in 1 file; 3 more in the baseline\n")
    (project / "a.S").write_text("\n\tcover ;;\n" + TEXT.replace("\ttpa r2 = r3 ;;\n", ""))
    (project / "pvasm.toml").write_text("baseline = 'known.json'\n")
    changed = pvasm("check", cwd=project)
    assert changed.status == 1
    assert changed.output.startswith("a.S:2:2: PV001 ")
    assert changed.output.splitlines()[-1] == (
        "1 error in 1 file; 2 more in the baseline; 1 finding of the baseline no longer there: write it again"
    )
    assert pvasm("check", "--write-baseline", "known.json", "-q", cwd=project).output == ""
    assert pvasm("check", cwd=project).status == 0
    assert pvasm("check", "--baseline", "none.json", cwd=project).status == 2


# ---------------------------------------------------------------------------------------- processes


@pytest.mark.slow
def test_jobs(tmp_path: Path) -> None:
    for number in range(24):
        (tmp_path / f"{number:02}.S").write_text(f"\tfc r{number + 1} ;;\n" + "\tnop 0 ;;\n" * 1000 * (number % 5))
    outputs = {pvasm("check", "--jobs", jobs, cwd=tmp_path).output for jobs in ("1", "2", "7")}
    (output,) = outputs
    assert output.splitlines()[-1] == "24 errors in 24 files"
    for wrong in ("0", "-1", "x", "1000"):
        assert pvasm("check", "--jobs", wrong, cwd=tmp_path).status == 2


# ------------------------------------------------------------------------------------------ explain


def test_explain() -> None:
    assert pvasm("explain", "PV001").output.startswith("PV001: sensitive instruction used directly (error)\n")
    both = pvasm("explain", "pv001,PV002")
    assert (both.status, both.output.count("Flagged:")) == (0, 2)
    assert pvasm("explain", "PV00", "PV901").output.count("Flagged:") == 6
    assert pvasm("explain").output.splitlines()[0].split()[:3] == ["PV001", "error", "sensitive"]
    assert json.loads(pvasm("explain", "PV002", "--format", "json").output)["code"] == "PV002"
    wrong = pvasm("explain", "PV901X")
    assert wrong.status == 2
    assert "did you mean PV901?" in wrong.errors


# ---------------------------------------------------------------------------------- instance files


def test_instance_files_are_checked_when_named(tmp_path: Path) -> None:
    (tmp_path / "a.S").write_text("\tnop 0\n")
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        "name: mine\ndescription: d\nextends: native\nops:\n"
        "  COVER:\n    template: |\n      mov r9 = 0 ;;\n      cover\n"
    )
    assert pvasm("check", cwd=tmp_path).output == "nothing found in 1 file\n"
    done = pvasm("check", "mine.yaml", "a.S", cwd=tmp_path)
    assert done.status == 1
    assert "mine.yaml:7:7: PV503 error: " in done.output
    assert done.output.splitlines()[-1].endswith(" in 2 files")
    assert pvasm("check", "mine.yaml", "--ignore", "PV5", cwd=tmp_path).status == 0
    assert pvasm("check", "mine.yaml", "--select", "PV503", cwd=tmp_path).status == 1
    mine.write_text("name: [\n")
    assert pvasm("check", "mine.yaml", cwd=tmp_path).status == 2


def test_ctrl_c_ends_all_processes(tmp_path: Path) -> None:
    for number in range(16):
        lines = (f"\tadd r{2 + number} = r{2 + line % 97}, r{2 + line // 97 % 97} ;;\n" for line in range(20_000))
        (tmp_path / f"{number}.S").write_text("".join(lines))
    process = subprocess.Popen(
        [sys.executable, "-m", "pvasm", "check", "--jobs", "2"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "PVASM_CACHE_DIR": "/dev/null/none"},
        start_new_session=True,
    )
    deadline = time.monotonic() + 600
    while len(members(process.pid)) < 3 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(members(process.pid)) == 3
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, errors = process.communicate(timeout=600)
    assert (process.returncode, errors) == (130, b"")
    assert members(process.pid) == []


def members(group: int) -> list[int]:
    """The processes of a process group."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(entry.read_text().rpartition(")")[2].split()[2]) == group:
                found.append(int(entry.parent.name))
    return found
