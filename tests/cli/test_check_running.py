"""Options of `pvasm check` about how it runs: what editors give it, what it would go by, a check after each change."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from tests.cli.command import Done, pvasm

BAD = "\tmov r16 = cr.ifa\n"
FOUND = "PV002 error: privileged instruction used directly: use MOV_FROM_IFA(r16)"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "kernel").mkdir()
    (tmp_path / "kernel/a.S").write_text(BAD)
    return tmp_path


# ---------------------------------------------------------------------------------------- --stdin-filename


def typed(text: str, name: str, *more: str, cwd: Path) -> Done:
    return pvasm("check", "--stdin-filename", name, *more, "-", cwd=cwd, stdin=text.encode())


def test_standard_input_stands_in_for_a_file(project: Path) -> None:
    """There may be one of the name, which is not read, or none; --diff and every format name it."""
    for name in ("kernel/a.S", "no/such/new.S"):
        done = typed(f"\n{BAD}", name, cwd=project)
        assert done.output.splitlines()[0] == f"{name}:2:2: {FOUND}"
        assert typed(BAD, name, "--diff", cwd=project).output.startswith(f"--- a/{name}\n+++ b/{name}\n")
    assert (project / "kernel/a.S").read_text() == BAD
    without = pvasm("check", "--stdin-filename", "b.S", cwd=project, stdin=BAD.encode())
    assert without.output.splitlines()[0] == f"b.S:1:2: {FOUND}"


def test_its_folder_has_the_headers_and_the_configuration(project: Path) -> None:
    (project / "kernel/h.h").write_text("#define GET(reg) mov reg = cr.ifa\n")
    text = '#include "h.h"\n\n\tGET(r16)\n'
    assert f"kernel/b.S:3:2: {FOUND}" in typed(text, "kernel/b.S", "--cpp", cwd=project).output
    missing = typed('\n#include "gone.h"\n', "kernel/b.S", "--cpp", cwd=project)
    assert missing.error_lines[0] == "pvasm: error: kernel/b.S:2:10: gone.h: no such file or folder"
    (project / "kernel/pvasm.toml").write_text('ignore = ["PV002"]\n')
    assert typed(BAD, "kernel/b.S", cwd=project).output == "nothing found in 1 file\n"
    (project / "kernel/pvasm.toml").write_text('[per-file-ignores]\n"b.S" = ["PV002"]\n')
    assert typed(BAD, "kernel/b.S", cwd=project).status == 0
    assert typed(BAD, "kernel/c.S", cwd=project).status == 1


def test_c_from_standard_input(project: Path) -> None:
    done = typed('void f(void) { asm volatile ("fc %0" :: "r"(x)); }\n', "a.c", cwd=project)
    assert done.output.startswith("a.c:1:")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--stdin-filename b.S kernel", "--stdin-filename is about standard input: the only path to go with it is -"),
        ("--stdin-filename b.S --fix", "standard input cannot be fixed in its place; --diff shows what to change"),
        ("--stdin-filename mine.yaml", "--stdin-filename takes the name of a file of assembly or C"),
        ("--watch -", "--watch looks at files: standard input is none"),
    ],
)
def test_what_does_not_go_together(words: str, said: str, project: Path) -> None:
    done = pvasm("check", *words.split(), cwd=project, stdin=BAD.encode())
    assert (done.status, done.output, done.error_lines) == (2, "", [f"pvasm: error: {said}"])


# ------------------------------------------------------------------------------- --show-settings, --show-files

CONFIGURATION = """\
[tool.other]
ignore = ["E1"]

[tool.pvasm]
# ignore = []
paths = ["kernel"]
"ignore" = ["PV003"]
defines = ["A"]
baseline = "known.json"

[tool.pvasm.severity]
PV2 = "off"
"""


def test_each_setting_is_shown_with_where_it_is_from(project: Path) -> None:
    (project / "pyproject.toml").write_text(CONFIGURATION)
    (project / "known.json").write_text('{"version": 1, "findings": []}\n')
    words = ("--show-settings", "-D", "B=1", "--ignore", "PV9", "-i", "xen", "--no-gitignore", "-j", "3")
    done = pvasm("check", *words, cwd=project)
    assert (done.status, done.errors) == (0, "")
    first, *lines, _, cache = done.output.splitlines()
    assert (first, cache) == ("# configuration: pyproject.toml", "# cache: /dev/null/none (PVASM_CACHE_DIR)")
    shown = {line.split(" = ")[0]: line for line in lines}
    for line in (
        'paths = ["kernel"]  # pyproject.toml:6',
        'ignore = ["PV003", "PV9"]  # command line and pyproject.toml:7',
        'defines = ["A", "B=1"]  # command line and pyproject.toml:8',
        'baseline = "known.json"  # pyproject.toml:9',
        'severity = { "PV2" = "off" }  # pyproject.toml:11',
        'instances = ["xen"]  # command line',
        "cpp = true  # implied by the command line",
        "jobs = 3  # command line",
        "respect-gitignore = false  # command line",
        "extension = false  # default",
        "exclude = []  # default",
    ):
        assert shown[line.split(" = ")[0]] == line
    # What is shown is a configuration: of the same settings come the same findings.
    assert tomllib.loads(done.output)["severity"] == {"PV2": "off"}
    (project / "pvasm.toml").write_text(done.output)
    again = pvasm("check", "--show-settings", cwd=project).output.splitlines()
    assert [line.split("  # ")[0] for line in again[1:]] == [
        line.split("  # ")[0] for line in done.output.splitlines()[1:]
    ]


def test_without_a_configuration(project: Path) -> None:
    lines = pvasm(
        "check", "--show-settings", "kernel", "--select", "PV0", cwd=project, PVASM_CPP="cpp"
    ).output.splitlines()
    assert lines[0] == "# configuration: none"
    assert 'paths = ["kernel"]  # command line' in lines
    assert 'select = ["PV0"]  # command line' in lines
    assert "# baseline: none  # default" in lines
    assert "# C preprocessor: cpp (PVASM_CPP)" in lines


def test_the_files_that_would_be_checked(project: Path) -> None:
    (project / "boot").mkdir()
    for name in ("boot/b.S", "kernel/ignored.S", "kernel/h.h", "x.c"):
        (project / name).write_text(BAD)
    (project / "kernel/.gitignore").write_text("ign*\n")
    (project / "pvasm.toml").write_text('exclude = ["boot"]\n')
    assert pvasm("check", "--show-files", cwd=project).output == "kernel/a.S\nkernel/h.h\n"
    named = pvasm("check", "--show-files", "x.c", "gone", "boot/b.S", cwd=project)
    assert (named.status, named.output) == (2, "x.c\nboot/b.S\n")
    assert named.error_lines == ["pvasm: error: gone: no such file or folder"]


# -------------------------------------------------------------------------------------- --verbose, --watch


def test_verbose_tells_of_each_file_on_standard_error(project: Path) -> None:
    (project / "good.S").write_text("\tnop 0\n")
    plain, told = (pvasm("check", *words, cwd=project) for words in ([], ["-v"]))
    assert told.output == plain.output
    *lines, last = told.error_lines
    assert lines == ["pvasm: configuration: none", "pvasm: good.S: 0 findings", "pvasm: kernel/a.S: 1 finding"]
    assert last.startswith("pvasm: 2 files in ")
    assert pvasm("check", "-q", "-v", cwd=project).status == 2


def test_watch_checks_again_after_each_change(project: Path) -> None:
    """The file is replaced, as editors do; something else is written in between. Then folders and settings change."""
    said = project / "said"
    (project / "pvasm.toml").write_text("")
    with said.open("wb") as output:
        command = [sys.executable, "-m", "pvasm", "check", "--watch", "--output-format", "gcc", "kernel"]
        process = subprocess.Popen(command, cwd=project, stdout=output, stderr=output)
        try:
            assert until(said, "waiting for changes", 1).startswith("kernel/a.S:1:2: error: privileged")
            (project / "kernel/notes.txt").write_text("nothing to do with it")
            (project / "kernel/new").write_text(f"\n\n{BAD}")
            os.replace(project / "kernel/new", project / "kernel/a.S")
            assert "kernel/a.S:3:2: error: privileged" in until(said, "waiting for changes", 2)
            (project / "kernel/sub").mkdir()
            assert "kernel/a.S:3:2" in until(said, "waiting for changes", 3)
            (project / "pvasm.toml").write_text("jobs = 0\n")
            assert "pvasm.toml:1: jobs must be a number" in until(said, "waiting for changes", 4)
            (project / "pvasm.toml").write_text('ignore = ["PV002"]\n')
            assert until(said, "waiting for changes", 5).count("kernel/a.S:3:2") == 2
            assert process.poll() is None
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 130
    assert said.read_text().count("waiting for changes") == 5


def test_watch_fixes_after_each_change(project: Path) -> None:
    """As a run without --watch would; what it writes itself is no change for it, be it a fix or a baseline."""
    said = project / "said"
    with said.open("wb") as output:
        words = ("--watch", "--fix", "--write-baseline", "kernel/known.json", "kernel")
        command = [sys.executable, "-m", "pvasm", "check", *words]
        process = subprocess.Popen(command, cwd=project, stdout=output, stderr=output)
        try:
            until(said, "waiting for changes", 1)
            assert (project / "kernel/a.S").read_text() == "\tMOV_FROM_IFA(r16)\n"
            put(project / "kernel/a.S", "\tmov r17 = cr.ifa\n\tmov r9 = pkr[r8]\n")
            until(said, "waiting for changes", 2)
            assert (project / "kernel/a.S").read_text() == "\tMOV_FROM_IFA(r17)\n\tmov r9 = pkr[r8]\n"
            put(project / "kernel/b.S", "\tmov r18 = cr.ifa\n")
            until(said, "waiting for changes", 3)
            assert (project / "kernel/b.S").read_text() == "\tMOV_FROM_IFA(r18)\n"
            time.sleep(1)  # longer than it takes to hear of a change
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 130
    assert said.read_text().count("waiting for changes") == 3
    assert "Traceback" not in said.read_text()


def test_what_is_fixed_is_told_once_while_watching(project: Path) -> None:
    said = project / "said"
    with said.open("wb") as output:
        command = [sys.executable, "-m", "pvasm", "check", "--watch", "--fix"]
        process = subprocess.Popen(command, cwd=project, stdout=output, stderr=subprocess.STDOUT)
        try:
            until(said, "waiting for changes", 1)
            put(project / "kernel/a.S", "\tmov r16 = cr.ifa\n\tmov r17 = cr.ifa\n")
            until(said, "waiting for changes", 2)
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 130
    lines = [line for line in said.read_text().splitlines() if "waiting" not in line]
    assert lines == ["1 fixed, nothing found in 1 file", "2 fixed, nothing found in 1 file"]


def put(file: Path, text: str) -> None:
    """Writes a file in one go: a watcher sees nothing between."""
    (file.parent / "new").write_text(text)
    os.replace(file.parent / "new", file)


def until(file: Path, text: str, times: int) -> str:
    """What is in a file once a text is in it so many times."""
    end = time.monotonic() + 30
    while file.read_text().count(text) < times:
        assert time.monotonic() < end, file.read_text()
        time.sleep(0.05)
    return file.read_text()


def test_without_watchfiles_it_says_what_to_install(project: Path) -> None:
    (project / "watchfiles.py").write_text("raise ImportError\n")
    command = [sys.executable, "-m", "pvasm", "check", "--watch"]
    environment = {**os.environ, "PYTHONPATH": str(project)}
    done = subprocess.run(command, env=environment, cwd=project, capture_output=True, text=True, check=False)
    said = "pvasm: error: --watch needs the package watchfiles: pip install 'pvasm[watch]'\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)
