"""Completion in the shells themselves: what is typed at a terminal, with a Tab at its end, and what it becomes."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.command import pvasm
from tests.oracle import require_tool

SHELLS = {  # how one starts it without settings, the file that the script is in, and what one has in the settings
    "bash": (["bash", "--norc", "--noprofile", "-i"], "pvasm.bash", "source ./pvasm.bash"),
    "zsh": (["zsh", "-f", "-i"], "_pvasm", "fpath=($PWD $fpath); autoload -U compinit; compinit -u -D"),
    "fish": (["fish", "--no-config", "-i"], "pvasm.fish", "source ./pvasm.fish"),
}

TYPED = {
    "pvasm comple": "pvasm completion",
    "pvasm check --output-f": "pvasm check --output-format",
    "pvasm check --output-format sar": "pvasm check --output-format sarif",
    "pvasm instance val": "pvasm instance validate",
    "pvasm expand --instance native-": "pvasm expand --instance native-poison",
    "pvasm expand --instance min": "pvasm expand --instance mine.yaml",
    "pvasm expand --instance our": "pvasm expand --instance our\\ guest.yaml",  # as a shell wants it written
    "pvasm help che": "pvasm help check",
    "pvasm man instance val": "pvasm man instance validate",
    "pvasm check --select PV60": "pvasm check --select PV60",  # there are several
    "pvasm check --ignore PV00": "pvasm check --ignore PV00",
    "pvasm explain PV602": "pvasm explain PV602",
    "pvasm check -I inc": "pvasm check -I include",
    "pvasm check han": "pvasm check handler.S",
    "pvasm check mine.yaml han": "pvasm check mine.yaml handler.S",
    "pvasm instance show xen --op MOV_FROM_IFA": "pvasm instance show xen --op MOV_FROM_IFA",
    "pvasm completion zs": "pvasm completion zsh",
}


@pytest.mark.parametrize("shell", ["bash", *(pytest.param(each, marks=pytest.mark.slow) for each in ("zsh", "fish"))])
def test_what_a_shell_makes_of_what_is_typed(shell: str, tmp_path: Path) -> None:
    require_tool(shell)
    command, name, setting = SHELLS[shell]
    script = pvasm("completion", shell)
    assert (script.status, script.errors) == (0, "")
    (tmp_path / name).write_text(script.output)
    (tmp_path / "include").mkdir()
    for file in ("handler.S", "mine.yaml", "our guest.yaml"):
        (tmp_path / file).write_text("")
    # What Tab has made of a line becomes text between quotes, from its beginning (Ctrl-A) to its end (Ctrl-E).
    said = _typed(command, [setting, *(f"{typed}\t\x01echo '\x05' >> completed" for typed in TYPED)], tmp_path)
    completed = [line.rstrip(" /") for line in (tmp_path / "completed").read_text().splitlines()]
    assert completed == list(TYPED.values()), said


def _typed(command: list[str], lines: list[str], folder: Path) -> str:
    """What a shell has said on a terminal where these lines were typed, each once it was through with the last."""
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(folder)
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        os.execvpe(command[0], command, {**os.environ, "HOME": str(folder), "TERM": "dumb", "PATH": path})
    said = ""
    try:
        for number, line in enumerate(lines):
            os.write(terminal, f"{line}; echo do''ne {number}\r".encode())
            end = time.monotonic() + _SECONDS
            while f"done {number}\r\n" not in said and time.monotonic() < end:
                if select.select([terminal], [], [], 0.1)[0]:
                    said += os.read(terminal, 1 << 16).decode("utf-8", "replace")
    finally:
        os.close(terminal)
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
    return said


_SECONDS = 30


def test_without_shtab_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "shtab.py").write_text("raise ImportError\n")
    command = [sys.executable, "-m", "pvasm", "completion", "bash"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    said = "pvasm: error: completion needs the package shtab: pip install 'pvasm[completion]'\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)
