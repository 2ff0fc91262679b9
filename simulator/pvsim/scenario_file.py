"""A scenario as the text of its file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from pvasm.regex import regex
from pvsim.scenario import Scenario

_PLAIN: Final = regex(r"[A-Za-z_./][\w./+]*(?: [\w./+]+)*|[A-Za-z_]\w*\[\d+\]")
_WORDS: Final = frozenset(["true", "false", "null", "yes", "no", "on", "off", "y", "n"])
_COUNTS: Final = frozenset(
    ["steps", "ticks", "after", "size", "register", "level", "vector", "in_service", "ar.lc", "ar.ec"]
)
"""Numbers that people count with."""


def from_folder(names: Iterable[str], output: str | None) -> list[str]:
    """Files and folders, from the folder of a scenario's file on; without one, from the current folder on."""
    folder = os.getcwd() if output is None else os.path.dirname(os.path.abspath(output))
    return [os.path.relpath(os.path.abspath(name), folder) for name in names]


def about(
    scenario: Scenario, files: Sequence[str], include: Sequence[str], define: Sequence[str], output: str | None
) -> Scenario:
    """A scenario with the sources that it is for and how they are made, as the file `output` has them for `pvasm test`.

    What comes by standard input has no name: then nothing is said of sources.
    """
    if "-" in files:
        return scenario
    sources = from_folder(files, output)
    file = sources[0] if len(sources) == 1 else sources
    return replace(scenario, file=file, include=from_folder(include, output), define=list(define))


def written(scenario: Scenario) -> str:
    """The YAML of a scenario; addresses, and what registers and words hold, are hexadecimal."""
    return "".join(_lines(msgspec.to_builtins(scenario), ""))


def _lines(value: dict[str, Any], indent: str) -> Iterator[str]:
    for key, each in value.items():
        if isinstance(each, dict):
            yield f"{indent}{_text(key)}:\n"
            yield from _lines(each, f"{indent}  ")
        else:
            yield f"{indent}{_text(key)}: {_flow(each, key)}\n"


def _flow(value: Any, key: str = "") -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_text(key)}: {_flow(each, key)}' for key, each in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(_flow(each, key) for each in value)}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value) if abs(value) <= 9 or key in _COUNTS else f"{value:#x}"
    return _text(value)


def _text(value: str) -> str:
    """A text as YAML reads it back: in quotes, unless it can be nothing else, and has none of YAML's own characters."""
    if _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    shown = (each if " " <= each <= "~" and each not in '"\\' else f"\\U{ord(each):08x}" for each in value)
    return f'"{"".join(shown)}"'
