"""A stand-in for a compiler that makes IA-64 objects, and running it plainly and through `pvasm cc`."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, NoReturn

from pvasm.cli import main
from pvasm.paravirt.loading import load_catalog, load_instance
from tests.oracle import require_tool

_AS = """#!/bin/sh
for word; do shift; case $word in --64) ;; *) set -- "$@" "$word" ;; esac; done
exec {program} -x "$@"
"""
_LD = """#!/bin/sh
for word; do
	shift
	if [ -n "$skip" ]; then skip=; continue; fi
	case $word in -m | -plugin) skip=1 ;; -plugin-opt=*) ;; *) set -- "$@" "$word" ;; esac
done
exec {program} "$@"
"""


def make_compiler(folder: Path) -> str:
    """The host's gcc, with the assembler and the linker for IA-64."""
    gcc = require_tool("gcc")
    for name, text in (("as", _AS), ("ld", _LD)):
        _script(folder / name, text.format(program=require_tool(f"ia64-linux-gnu-{name}")))
    return _script(folder / "cross-gcc", f'#!/bin/sh\nexec {gcc} -B{shlex.quote(str(folder))} "$@"\n')


def _script(path: Path, text: str) -> str:
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


class Result(NamedTuple):
    """What a command says, and the files that are new or have changed."""

    status: int
    output: str
    errors: str
    files: Mapping[str, bytes]


def run(command: Sequence[str], folder: Path, stdin: bytes = b"") -> Result:
    """Runs a command in a folder."""
    with _Watched(folder) as watched:
        done = subprocess.run(command, cwd=folder, input=stdin, capture_output=True, timeout=60, check=False, env=_ENV)
    return Result(done.returncode, done.stdout.decode(), done.stderr.decode(), watched.changed)


def through(instance: str, command: Sequence[str]) -> list[str]:
    """A compiler's command through `pvasm cc`."""
    return [sys.executable, "-m", "pvasm", "cc", "--instance", instance, "--", *command]


def run_through(instance: str, command: Sequence[str], folder: Path, stdin: bytes = b"") -> Result:
    """Runs a compiler's command through `pvasm cc`: in a fork of this process, where all of pvasm is imported."""
    with _Watched(folder) as watched, tempfile.TemporaryFile() as given:
        given.write(stdin)
        given.seek(0)
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            child = os.fork()
            if child == 0:
                _be_pvasm(["cc", "-i", instance, "--", *command], folder, [f.fileno() for f in (given, output, errors)])
            _, status = os.waitpid(child, 0)
            output.seek(0)
            errors.seek(0)
            said = output.read().decode(), errors.read().decode()
    return Result(os.waitstatus_to_exitcode(status), *said, watched.changed)


def _be_pvasm(arguments: Sequence[str], folder: Path, descriptors: Sequence[int]) -> NoReturn:
    """Runs pvasm with these streams, and ends this process."""
    status = 99
    try:
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
        sys.stdin = open(0, closefd=False)  # noqa: SIM115
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
        os.chdir(folder)
        os.environ["LC_ALL"] = "C"
        status = main(arguments)
        sys.stdout.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


_ENV = {**os.environ, "LC_ALL": "C"}


class _Watched:
    """Sees which files of a folder are new, or have changed, when the block ends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.changed: dict[str, bytes] = {}

    def __enter__(self) -> _Watched:
        self.before = self.files()
        return self

    def __exit__(self, *_: object) -> None:
        self.changed = {name: each for name, each in self.files().items() if self.before.get(name) != each}

    def files(self) -> dict[str, bytes]:
        found = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in found}


def both(
    compiler: str, arguments: Sequence[str], source: Path, work: Path, stdin: bytes = b""
) -> tuple[Result, Result]:
    """What the compiler makes of a copy of the sources, and what it makes through `pvasm cc` for bare hardware."""
    results = []
    for runner in (run, partial(run_through, "native")):
        folder = work / "work"  # the same: debugging information names it
        shutil.copytree(source, folder)
        results.append(runner([compiler, *arguments], folder, stdin))
        shutil.rmtree(folder)
    return results[0], results[1]


def added(instance: str) -> list[str]:
    """The prerequisites that an instance brings."""
    return [*load_instance(instance).files, load_catalog().path]


def without_added(text: str, instance: str = "native") -> str:
    """What the compiler itself would have written: without the instance's prerequisites, and its symbol."""
    symbol = f"#define {load_instance(instance).defines} 1\n"
    text = text.replace(f'{symbol}# 0 "<command-line>"\n', "").replace(symbol, "")
    for path in added(instance):
        text = text.replace(f" \\\n {path}", "").replace(f"{path}:\n", "")
    return text
