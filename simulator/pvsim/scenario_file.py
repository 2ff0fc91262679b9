"""A scenario as the text of its file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from pvasm.regex import regex
from pvsim.scenario import Scenario

_PLAIN: Final = regex(r"[A-Za-z_./][\w./+]*(?: [\w./+]+)*|[A-Za-z_]\w*\[\d+\]")
_WORDS: Final = frozenset(["true", "false", "null", "yes", "no", "on", "off", "y", "n"])
_COUNTS: Final = frozenset(
    ["steps", "ticks", "after", "size", "register", "level", "vector", "in_service", "ar.lc", "ar.ec"]
)
"""Numbers that people count with."""


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
