"""A scenario as the text of its file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from pvasm.regex import regex
from pvsim.scenario import Scenario

_PLAIN: Final = regex(r"[A-Za-z_./][\w./+]*(?: [\w./+]+)*|[A-Za-z_]\w*\[\d+\]")
_WORDS: Final = frozenset(["true", "false", "null", "yes", "no", "on", "off", "y", "n"])


def written(scenario: Scenario) -> str:
    """The YAML of a scenario; numbers are hexadecimal, as far as that helps."""
    return "".join(_lines(msgspec.to_builtins(scenario), ""))


def _lines(value: dict[str, Any], indent: str) -> Iterator[str]:
    for key, each in value.items():
        if isinstance(each, dict):
            yield f"{indent}{_text(key)}:\n"
            yield from _lines(each, f"{indent}  ")
        else:
            yield f"{indent}{_text(key)}: {_flow(each)}\n"


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_text(key)}: {_flow(each)}' for key, each in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:#x}" if abs(value) > 9 else str(value)
    return _text(value)


def _text(value: str) -> str:
    """A text as YAML reads it back: in quotes, unless it can be nothing else, and has none of YAML's own characters."""
    if _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    shown = (each if " " <= each <= "~" and each not in '"\\' else f"\\U{ord(each):08x}" for each in value)
    return f'"{"".join(shown)}"'
