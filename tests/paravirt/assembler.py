"""GNU as in explicit mode, and what objdump shows of what it made."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.oracle import require_tool

_LINE = re.compile(r"\s+[0-9a-f]+:\s(?:[0-9a-f]{2} )+\s*(?P<template>\[[A-Z]{3}\])?(?P<instruction>.*)")
_LABEL = re.compile(r"^([0-9a-f]+) t case(\d+)$", re.MULTILINE)
# Between cases: nothing of one is left to be serialized in the next, and GNU as need not look back to all before it.
SERIALIZED = ("srlz.d", ";;", "srlz.i", ";;")
_MESSAGE = re.compile(r"^\S+?:(\d+): (?:Warning|Error)", re.MULTILINE)


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


def in_cases(cases: Iterable[Sequence[str]], between: Sequence[str] = ()) -> str:
    """The lines of several cases as one file; each starts in a bundle and a group of its own, after `between`."""
    parts = ["\t.text\n\talloc r60 = ar.pfs, 4, 0, 0, 0\n\t;;\n"]
    separator = "".join(f"\t{line}\n" for line in (";;", *between))
    for number, lines in enumerate(cases):
        parts.append(f"case{number}:\n" + "".join(f"\t{line}\n" for line in lines) + separator)
    return "".join(parts)


def case_bytes(output: Path) -> list[bytes]:
    """The bytes of each case that `in_cases` wrote."""
    command = [require_tool("ia64-linux-gnu-nm"), str(output)]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    starts = {int(number): int(address, 16) for address, number in _LABEL.findall(listing)}
    text = text_bytes(output)
    ends = [*(starts[number] for number in range(1, len(starts))), len(text)]
    return [text[starts[number] : end] for number, end in enumerate(ends)]


def complained_of(text: str, messages: str) -> list[int]:
    """The numbers of the cases in a text of `in_cases` that the assembler's messages are about."""
    lines = text.splitlines()
    numbers = set()
    for line in map(int, _MESSAGE.findall(messages)):
        before = next(word for word in reversed(lines[:line]) if word.startswith("case"))
        numbers.add(int(before.removeprefix("case").removesuffix(":")))
    return sorted(numbers)


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
