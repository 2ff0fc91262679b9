"""The compiler's end, and ours: statuses, signals, and nothing left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.cc.compiler import run, run_through, through
from tests.cli.command import pvasm
from tests.oracle import require_tool


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("source", ["a.S", "a.c"])
def test_a_compiler_that_cannot_be_run(source: str, tmp_path: Path) -> None:
    (tmp_path / source).write_text("\n")
    (tmp_path / "data").write_text("no program")
    for compiler, status, reason in (
        ("no-such-compiler", 127, "no such file or folder"),
        (str(tmp_path / "data"), 126, "permission denied"),
    ):
        made = run_through("xen", [compiler, "-c", source], tmp_path)
        assert made.status == status
        assert made.errors == f"pvasm: error: {compiler}: the compiler cannot be run: {reason}\n"


@pytest.mark.parametrize("option", ["-x", "-o", "-include", "-I", "-D", "-MF"])
def test_an_option_without_its_argument_is_for_the_compiler_to_refuse(option: str, tmp_path: Path) -> None:
    """F: `-x` at the end was passed over."""
    require_tool("gcc")
    (tmp_path / "a.S").write_text("\tCOVER\n")
    made = run_through("xen", ["gcc", "-c", "a.S", option], tmp_path)
    assert made.status == 1
    assert option in made.errors
    assert re.match(r"gcc: error: .*missing", made.errors)
    assert not (tmp_path / "a.o").exists()


@pytest.mark.parametrize("option", ["-o", "-I"])
def test_so_it_is_for_a_bare_assembler(option: str, tmp_path: Path) -> None:
    assembler = require_tool("ia64-linux-gnu-as")
    (tmp_path / "a.s").write_text("\tCOVER\n")
    made = run_through("xen", [assembler, "a.s", option], tmp_path)
    assert (made.status, made.errors.partition(": ")[2].splitlines()[0]) == (
        1,
        f"option requires an argument -- '{option[1]}'",
    )
    assert not (tmp_path / "a.out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--instance", "xen"], "pvasm: error: no compiler given: write its command at the end"),
        (["--instance", "xen", "--"], "pvasm: error: no compiler given: write its command at the end"),
        (["--instance", "no", "--", "cat", "a.c"], "pvasm: error: unknown instance no"),
        (["--instance", "no", "--", "cat", "a.S"], "pvasm: error: unknown instance no"),
        (["--instance", "./no.yaml", "--", "cat", "a.c"], "pvasm: error: no.yaml: "),
        (["-i", "xen", "-i", "native", "--", "cat", "a.c"], "pvasm: error: 2 instances"),
        (["--", "cat", "a.c"], "pvasm: error: the following arguments are required: -i/--instance"),
    ],
)
def test_bad_usage(arguments: list[str], message: str, tmp_path: Path) -> None:
    done = pvasm("cc", *arguments, cwd=tmp_path)
    assert done.status == 2
    assert done.errors.startswith(message)
    assert done.output == ""


def test_what_is_no_assembly_is_handed_on_word_for_word(tmp_path: Path) -> None:
    compiler = script(tmp_path / "compiler", 'for word; do echo "<$word>"; done; cat; exit 7')
    words = ["-c", "a.c", "", "two words", "--", "-x", "c", "b.S", "@no", "-o", "ä\n*"]
    made = run_through("xen", [compiler, *words], tmp_path, b"given\n")
    assert made.output == "".join(f"<{word}>\n" for word in words) + "given\n"
    assert (made.status, made.errors) == (7, "")


def test_a_compiler_that_is_run_in_our_place_has_the_usual_signals(tmp_path: Path) -> None:
    compiler = script(tmp_path / "compiler", "grep SigIgn /proc/self/status")
    assert run(through("xen", [compiler, "a.c"]), tmp_path).output == run([compiler, "a.c"], tmp_path).output


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_compiler_that_dies_of_a_signal(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    (tmp_path / "a.S").write_text("\tRFI\n")
    compiler = script(tmp_path / "compiler", f"ulimit -c 0; kill -{int(number)} $$")
    assert run_through("xen", [compiler, "-c", "a.S"], tmp_path).status == -number
    assert os.listdir(folder) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stopped_half_way_it_leaves_nothing(number: int, tmp_path: Path) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    (tmp_path / "a.S").write_text("\tRFI\n")
    # It preprocesses, and never ends assembling.
    compiler = script(
        tmp_path / "compiler", 'case "$*" in *-E*) exec gcc "$@" ;; esac\necho $$ > started\nexec sleep 1000'
    )
    process = subprocess.Popen(
        through("xen", [compiler, "-c", "a.S"]), cwd=tmp_path, env={**os.environ, "TMPDIR": str(folder)}
    )
    started = tmp_path / "started"
    while not (started.exists() and started.read_text().endswith("\n")):
        assert process.poll() is None
        time.sleep(0.01)
    assert len(os.listdir(folder)) == 1
    process.send_signal(number)
    assert process.wait(30) == -number
    assert os.listdir(folder) == []
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)


def test_no_temporary_file_stays(compiler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    (tmp_path / "good.S").write_text("\tRFI\n")
    (tmp_path / "bad.S").write_text("\tRFI\n\tbogus\n")
    (tmp_path / "wrong.S").write_text("\tMOV_FROM_IFA()\n")
    statuses = [run_through("xen", [compiler, "-c", f"{name}.S"], tmp_path).status for name in ("good", "bad", "wrong")]
    assert statuses == [0, 1, 1]
    assert os.listdir(folder) == []
