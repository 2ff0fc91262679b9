"""What a C compiler for IA-64 would make of inline assembly: the statements of a header, with their operands filled in.

The header is preprocessed by the host's gcc. Operands are variables in registers that their declarations name.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.oracle import require_tool

_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|[^"]', re.DOTALL)
_VARIABLE = re.compile(r'register unsigned long (\w+) asm\("(\w+)"\)( =)?')
_OPERAND = re.compile(r'"([^"]+)"\s*\((\w+)\)')
_FUNCTION = re.compile(r"static inline [\w ]+?[ *]paravirt_(\w+)\(")
_CASE = re.compile(r"case (\d+):|default:|if \(!")


class Statement(NamedTuple):
    """An `asm` of a function: its text, the registers that it may read, write, and lose anything in.

    `case` is the number of a register that it is for; None for any.
    """

    member: str
    case: int | None
    text: str
    inputs: frozenset[str]
    outputs: frozenset[str]
    clobbers: frozenset[str]


def statements(header: str, folder: Path) -> list[Statement]:
    """The `asm` statements of a header, in order."""
    (folder / "header.h").write_text(header)
    command = [require_tool("gcc"), "-E", "-P", "-DASM_SUPPORTED", "header.h"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return [*_statements(done.stdout)]


def _statements(text: str) -> Iterator[Statement]:
    end = 0
    functions = [(found.start(), found[1]) for found in _FUNCTION.finditer(text)]
    for found in re.finditer(r"asm volatile\(", text):
        before = text[end : found.start()]
        parts, end = _parts(text, found.end())
        member = [name for at, name in functions if at < found.start()][-1]
        cases = [each[1] for each in _CASE.finditer(text, 0, found.start())]
        registers = {name: (register, bool(given)) for name, register, given in _VARIABLE.findall(before)}
        inputs, outputs = set(), set()
        assert parts[2].strip() == ""
        for constraint, name in _OPERAND.findall(parts[1]):
            register, is_given = registers.pop(name)
            assert constraint == ("+r" if is_given else "=r")
            outputs.add(register)
            if is_given:
                inputs.add(register)
        assert registers == {}  # each is an operand
        template = _joined(parts[0])
        assert "%" not in template  # no operand by its number
        clobbers = frozenset(each.strip('"') for each in re.findall(r'"[^"]+"', parts[3]))
        case = int(cases[-1]) if cases and cases[-1] else None
        yield Statement(member, case, template, frozenset(inputs), frozenset(outputs), clobbers)


def _joined(source: str) -> str:
    """The text of string literals that stand one behind the other, and of nothing else."""
    literals = [each for each in _TOKEN.findall(source) if not each.isspace()]
    return "".join(ast.literal_eval(each) for each in literals)


def _parts(text: str, at: int) -> tuple[list[str], int]:
    """The parts of a statement between its colons, and where it ends."""
    parts, depth = [""], 1
    for token in _TOKEN.finditer(text, at):
        word = token[0]
        depth += (word == "(") - (word == ")")
        if not depth:
            return parts, token.end()
        if word == ":" and depth == 1:
            parts.append("")
        else:
            parts[-1] += word
    raise AssertionError("no end")
