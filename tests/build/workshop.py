"""A folder to build in, with what a build needs: pvasm, and a stand-in for a compiler for IA-64 (Debian has none).

The stand-in is the compiler of this machine, which hands what it has preprocessed to the assembler for IA-64.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.oracle import require_tool

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "build.md"

_COMPILER = """#!/bin/sh
exec {gcc} -B {folder}/as-for-gcc "$@"
"""
_ASSEMBLER = """#!/bin/sh
for word; do
    shift
    [ "$word" = --64 ] || set -- "$@" "$word"
done
exec {assembler} -x "$@"
"""
_PVASM = """#!/bin/sh
exec {python} -m pvasm "$@"
"""


class Section(NamedTuple):
    """What a section of the document shows: files, and commands with what they print."""

    files: dict[str, str]
    steps: list[tuple[str, str]]


def document() -> dict[str, Section]:
    """The sections of docs/build.md by their titles. `...` on a line of its own stands for what is left out."""
    sections = {}
    for part in re.split(r"^## ", DOCUMENT.read_text(), flags=re.MULTILINE)[1:]:
        title, _, text = part.partition("\n")
        files = re.findall(r"^`([^`\n]+)`:\n```\w+\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
        steps = []
        for block in re.findall(r"^```console\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
            for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                command, _, output = step.partition("\n")
                steps.append((command, output))
        sections[title] = Section(dict(files), steps)
    return sections


class Workshop:
    """A folder with sources, and commands that run in it."""

    def __init__(self, folder: Path, tools: Path) -> None:
        self.folder = folder
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))
        }
        # As it is where pvasm is installed: with the bytecode that Python keeps.
        self.environment.pop("PYTHONDONTWRITEBYTECODE", None)
        self.environment["PYTHONPYCACHEPREFIX"] = str(tools / "bytecode")
        self.environment["PATH"] = f"{tools}{os.pathsep}{os.environ['PATH']}"

    def write(self, files: dict[str, str]) -> None:
        """Writes files into the folder."""
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def run(self, *command: str, status: int = 0) -> str:
        """What a command prints, errors included; it must end with this status."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == status, done.stdout
        return done.stdout


def make_tools(folder: Path) -> Path:
    """A folder of programs, to put before those that PATH names."""
    (folder / "as-for-gcc").mkdir()
    programs = {
        "ia64-linux-gnu-gcc": _COMPILER.format(gcc=require_tool("gcc"), folder=folder),
        "as-for-gcc/as": _ASSEMBLER.format(assembler=require_tool("ia64-linux-gnu-as")),
        "pvasm": _PVASM.format(python=sys.executable),
    }
    for name, text in programs.items():
        path = folder / name
        path.write_text(text)
        path.chmod(0o755)
    return folder
