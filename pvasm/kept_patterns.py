"""Regular expressions, kept as they are once compiled: Python takes longer to compile most of them than to use them.

They are for one version of Python, and kept as what is made from files that travel with pvasm (`compiled.py`). Where
that cannot be, or this Python compiles in another way, each run compiles its own.
"""

from __future__ import annotations

import contextlib
import re
import sys
from importlib import import_module
from typing import Any, Final

import msgspec

from pvasm import __version__, regex, shelves
from pvasm.compiled import places

_FILE: Final = f"patterns.{sys.implementation.cache_tag}.{sys.hexversion:x}.{__version__}.json"

# What the engine takes to make a pattern: flags, code, how many groups there are, and their names.
_Code = tuple[int, list[int], int, dict[str, int], list[str | None]]

_codes: dict[str, _Code] = {}  # by the flags and the pattern
_added: list[str] = []  # those that no earlier run has kept


def use() -> None:
    """Takes what earlier runs have compiled; patterns come from there from now on."""
    for shelf in places(__file__):
        kept = shelves.take(shelf, _FILE)
        if kept is not None:
            with contextlib.suppress(msgspec.MsgspecError):
                _codes.update(msgspec.json.decode(kept, type=dict[str, _Code]))
                break
    regex.compile_with(_compile)


def keep() -> None:
    """Keeps for later runs what this one has compiled besides."""
    for shelf in places(__file__) if _added else ():
        with contextlib.suppress(OSError):
            if shelves.put(shelf, _FILE, msgspec.json.encode(_codes), mode=0o755):
                break


def _compile(pattern: str, flags: int) -> re.Pattern[str] | None:
    """The pattern, compiled; None where this Python does it in another way."""
    key = f"{int(flags)} {pattern!a}"
    try:
        if key not in _codes:
            _codes[key] = _code(pattern, int(flags))
            _added.append(key)
        all_flags, code, groups, numbers, names = _codes[key]
        made: re.Pattern[str] = import_module("_sre").compile(pattern, all_flags, code, groups, numbers, tuple(names))
    except (AttributeError, ImportError, RuntimeError, TypeError, ValueError):
        return None
    return made


def _code(pattern: str, flags: int) -> _Code:
    """What `re.compile` hands over to the engine."""
    parsed: Any = import_module("re._parser").parse(pattern, flags)
    state = parsed.state
    names: list[str | None] = [None] * state.groups
    for name, number in state.groupdict.items():
        names[number] = name
    code = import_module("re._compiler")._code(parsed, flags)
    return flags | state.flags, [int(each) for each in code], state.groups - 1, dict(state.groupdict), names
