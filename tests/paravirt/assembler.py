"""GNU as in explicit mode, and what objdump shows of what it made."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.oracle import require_tool

_LINE = re.compile(r"\s+[0-9a-f]+:\s(?:[0-9a-f]{2} )+\s*(?P<template>\[[A-Z]{3}\])?(?P<instruction>.*)")


class Size(NamedTuple):
    instructions: int
    groups: int
    bundles: int


def assemble(text: str, folder: Path) -> tuple[Path, str]:
    """The object file of an assembly text, and what the assembler had to say."""
    source, output = folder / "t.s", folder / "t.o"
    source.write_text(text)
    command = [require_tool("ia64-linux-gnu-as"), "-x", "-o", str(output), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return output, done.stderr


def text_bytes(output: Path) -> bytes:
    """The bytes of the section .text."""
    raw = output.with_suffix(".bin")
    subprocess.run(
        [require_tool("ia64-linux-gnu-objcopy"), "-O", "binary", "-j", ".text", str(output), str(raw)], check=True
    )
    return raw.read_bytes()


def in_cases(cases: Sequence[Sequence[str]]) -> str:
    """The lines of several cases as one file; each starts in a bundle and a group of its own."""
    parts = ["\t.text\n\talloc r60 = ar.pfs, 4, 0, 0, 0\n\t;;\n"]
    for number, lines in enumerate(cases):
        parts.append(f"case{number}:\n" + "".join(f"\t{line}\n" for line in lines) + "\t;;\n")
    return "".join(parts)


def sizes(output: Path) -> list[Size]:
    """The size of each case that `in_cases` wrote: instructions without nops, groups, bundles."""
    command = [require_tool("ia64-linux-gnu-objdump"), "-d", str(output)]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = []
    for case in re.split(r"<case\d+>:\n", listing)[1:]:
        instructions = groups = bundles = 0
        is_open = False
        for line in case.splitlines():
            match = _LINE.fullmatch(line)
            if match is None:
                continue
            bundles += match["template"] is not None
            instruction = match["instruction"].strip()
            if instruction and "nop" not in instruction:
                instructions += 1
                is_open = True
            if instruction.endswith(";;"):
                groups += is_open
                is_open = False
        found.append(Size(instructions, groups + is_open, bundles))
    return found
