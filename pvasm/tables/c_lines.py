"""Lines of C in the style of the Linux kernel: tabs of eight columns, and what is too long broken behind a comma."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_TAB: Final = 8
_WIDTH: Final = 80
_INT_MAX: Final = 0x7FFF_FFFF
# Question marks, since two of them and a third character may be a trigraph (C11, 5.2.1.1).
_CHARACTERS: Final = {each: chr(each) for each in range(0x20, 0x7F)} | {ord(each): f"\\{each}" for each in '"\\?'}


def declaration(type_: str, name: str) -> str:
    """A name of a type: `const char *name`, `int name`."""
    return f"{type_}{'' if type_.endswith('*') else ' '}{name}"


def call_lines(head: str, arguments: Sequence[str], tail: str = "", *, none: str = "void") -> list[str]:
    """`head(arguments)tail`; what does not fit in 80 columns goes on below the first argument.

    `none` stands for no arguments.
    """
    lines = [f"{head}("]
    indent = _columns(lines[0])
    last = len(arguments) - 1
    for number, argument in enumerate(arguments or [none]):
        text = argument + (f"){tail}" if number >= last else ",")
        gap = "" if lines[-1].endswith("(") and len(lines) == 1 else " "
        if gap and _columns(lines[-1] + gap + text) > _WIDTH:
            lines.append("\t" * (indent // _TAB) + " " * (indent % _TAB) + text)
        else:
            lines[-1] += gap + text
    return lines


def assigned(head: str, value: str, tail: str) -> list[str]:
    """`head = value` and `tail`, on two lines where it is too long for one."""
    line = f"{head} = {value}{tail}"
    if _columns(line) <= _WIDTH:
        return [line]
    indent = line[: len(line) - len(line.lstrip("\t"))]
    return [f"{head} =", f"{indent}\t{value}{tail}"]


def string(text: str) -> str:
    """A text as a string of C: what is not plain ASCII as the octal numbers of its bytes."""
    data = text.encode("utf-8", "surrogateescape")
    return '"' + "".join(_CHARACTERS.get(each, f"\\{each:03o}") for each in data) + '"'


def integer(value: int, type_: str) -> str:
    """A number as a constant of C; one that no `int` holds says that it is of an unsigned type."""
    is_unsigned = type_.startswith("unsigned") and value > _INT_MAX
    return f"{value}{'U' if is_unsigned else ''}{'L' if is_unsigned and 'long' in type_ else ''}"


def _columns(line: str) -> int:
    return len(line.expandtabs(_TAB))
