"""Assembles small programs with GNU as and puts them in a machine."""

from __future__ import annotations

import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path

from pvsim.machine.machine import Machine
from pvsim.machine.translation_cache import Translation

from tests.oracle import require_tool

START = 0x10000
END = 0x1FF0
"""The immediate of the break with which a program ends."""


@lru_cache(maxsize=256)
def assembled(source: str) -> bytes:
    """The code of a program; dependencies are not looked at."""
    with tempfile.TemporaryDirectory() as folder:
        text, made, code = (f"{folder}/t.{ending}" for ending in ("s", "o", "bin"))
        Path(text).write_text(f"{source}\n break.m {END} ;;\n")
        subprocess.run([require_tool("ia64-linux-gnu-as"), "-xnone", "-o", made, text], check=True)
        copy = [require_tool("ia64-linux-gnu-objcopy"), "-O", "binary", "-j", ".text", made, code]
        subprocess.run(copy, check=True)
        return Path(code).read_bytes()


def loaded(source: str) -> Machine:
    """A machine that is about to run a program."""
    machine = Machine()
    machine.memory.write(START, assembled(source))
    machine.ip = START
    return machine


def map_code(machine: Machine) -> None:
    """Maps the page of the program to itself, for psr.it."""
    machine.translation_registers["i"][0] = Translation(START, 12, 0, 0, 1 | 1 << 5 | 3 << 7 | 1 << 9 | START)


def run(machine: Machine, most: int = 10_000) -> None:
    """Runs a program to its end."""
    stop = machine.run(most)
    assert stop is not None, "it did not end"
    assert stop.immediate == END, stop
