"""The codes of the rules. They are known without importing a rule: a module in rules/ is named after its code."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cache

from pvasm.errors import PvasmError
from pvasm.suggestions import unknown_code

_LENGTH = 5

# What a suppression starts with: a text without it has none, and need not be looked into.
MARK = "pvasm:"


@cache
def modules() -> Mapping[str, str]:
    """The names of the modules in rules/ by their codes, in order."""
    names = sorted(os.listdir(os.path.join(os.path.dirname(__file__), "rules")))
    return {
        name[:_LENGTH].upper(): name.removesuffix(".py")
        for name in names
        if name.startswith("pv") and name.endswith(".py")
    }


@cache
def known_codes() -> tuple[str, ...]:
    """All codes, in order."""
    return tuple(modules())


def covered(code: str, prefixes: Iterable[str]) -> bool:
    """Whether a code is among those meant. A code may be cut short: `PV0` means all that start so."""
    return any(code.startswith(prefix) for prefix in prefixes)


def is_known(prefix: str) -> bool:
    """Whether this is the code of a rule, or the start of one."""
    return bool(prefix) and any(code.startswith(prefix) for code in known_codes())


def require_known(prefixes: Iterable[str]) -> None:
    """Raises PvasmError for the first that is not the code of a rule, or the start of one."""
    for prefix in prefixes:
        if not is_known(prefix):
            raise PvasmError(unknown_code(prefix, known_codes()))
