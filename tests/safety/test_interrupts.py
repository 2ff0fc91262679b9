"""S11: Ctrl-C ends with 130, without a traceback, however early it comes."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

# Interrupts itself when a module is first looked for, then goes on as the console script does.
SCRIPT = """
import os, signal, sys
class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
{before}
sys.argv = ["pvasm", "check", "--no-cache", "--no-config", "-"]
from pvasm.start import run
run()
"""
MODULES = [
    "pvasm.cli",
    "argparse",
    "pvasm.commands",
    "pvasm.commands.check",
    "pvasm.check.check_files",
    "pvasm.syntax.parser",
]


def run(module: str, before: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SCRIPT.format(module=module, before=before)]
    return subprocess.run(command, input="\tnop 0\n", capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("module", MODULES)
def test_an_interrupt_while_starting(module: str) -> None:
    done = run(module)
    assert (done.returncode, done.stderr) == (130, "")


def test_an_interrupt_that_is_ignored_stays_so() -> None:
    done = run("pvasm.cli", "signal.signal(signal.SIGINT, signal.SIG_IGN)")
    assert (done.returncode, done.stderr) == (0, "")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
