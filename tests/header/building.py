"""Building with a header: what the C preprocessor and GNU as make of a source."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.oracle import require_tool

FRAME = "\t.text\n\talloc r36 = ar.pfs, 4, 4, 2, 0\n\t;;\n"
NAMES = {"eight": "r8", "nine": "r9", "two": "r2", "six": "p6"}  # that the source gives registers
ASSIGNED = "".join(f"{name} = {register}\n" for name, register in NAMES.items())


def preprocess(source: str, folder: Path, *options: str) -> str:
    """The source after the C preprocessor, without a word of its own."""
    path = folder / "t.S"
    path.write_text(source)
    command = [require_tool("gcc"), "-E", f"-I{folder}", *options, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def assembled(text: str, folder: Path, name: str = "t") -> bytes:
    """The bytes of the section .text that GNU as makes, without an error."""
    output = folder / f"{name}.o"
    (folder / f"{name}.s").write_text(text)
    command = [require_tool("ia64-linux-gnu-as"), "-x", "-o", str(output), str(folder / f"{name}.s")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:4000]
    raw = output.with_suffix(".bin")
    objcopy = [require_tool("ia64-linux-gnu-objcopy"), "-O", "binary", "-j", ".text", str(output), str(raw)]
    subprocess.run(objcopy, check=True)
    return raw.read_bytes()


def disassembled(text: str, folder: Path) -> str:
    """What objdump shows of all sections that GNU as makes, with their relocations."""
    assembled(text, folder)
    command = [require_tool("ia64-linux-gnu-objdump"), "-Dr", str(folder / "t.o")]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def refused_lines(text: str, folder: Path) -> dict[int, str]:
    """The lines of the source that GNU as finds wrong, by the line markers, and what it says first of each.

    Of an error in a `.macro`, the line is the one that invokes it.
    """
    (folder / "t.s").write_text(text)
    command = [require_tool("ia64-linux-gnu-as"), "-x", "-o", str(folder / "t.o"), str(folder / "t.s")]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    found: dict[int, str] = {}
    error = ""
    line = 0
    for message in said.splitlines():
        match = re.match(r".*?:(?P<line>\d+):(?P<indent> +)(?P<kind>Error|Info|Warning): (?P<text>.*)", message)
        if match is None:
            continue
        if match["kind"] == "Info":
            line = int(match["line"])  # the last is the outermost
        else:
            if error:
                found.setdefault(line, error)
            error, line = (match["text"] if match["kind"] == "Error" else ""), int(match["line"])
    if error:
        found.setdefault(line, error)
    return found


def in_cases(cases: Sequence[str]) -> str:
    """Pieces of assembly one after another, each in a bundle and a group of its own.

    After each, GNU as takes all registers for settled: it would look back farther and farther.
    """
    settled = "\t;;\n\t.serialize.data\n\t.serialize.instruction\n"
    parts = (f"case{number}:\n\t{case}\n{settled}" for number, case in enumerate(cases))
    return FRAME + ASSIGNED + "".join(parts)
