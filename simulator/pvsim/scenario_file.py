"""A scenario as the text of its file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from pvsim.scenario import Scenario


def written(scenario: Scenario) -> str:
    """The YAML of a scenario; numbers are hexadecimal, as far as that helps."""
    return "".join(_lines(msgspec.to_builtins(scenario), ""))


def _lines(value: dict[str, Any], indent: str) -> Iterator[str]:
    for key, each in value.items():
        name = key if key.replace("_", "").isalnum() or "." in key else f'"{key}"'
        if isinstance(each, dict):
            yield f"{indent}{name}:\n"
            yield from _lines(each, f"{indent}  ")
        elif isinstance(each, list):
            yield f"{indent}{name}: [{', '.join(map(_flow, each))}]\n"
        else:
            yield f"{indent}{name}: {_flow(each)}\n"


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_flow(each)}' for key, each in value.items())}}}"
    if isinstance(value, int):
        return f"{value:#x}" if abs(value) > 9 else str(value)
    return f'"{value}"' if value[:1].isdigit() else str(value)
