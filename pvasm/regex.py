"""Every regular expression of pvasm is made here, so that one test can try them all (tests/test_regex.py).

A pattern must match in time linear in the text: sources, configurations and instances come from anyone. It is not if a
repeated group can match the same text in two ways, if repetitions that follow each other can share text, or if what
is searched from each place on looks ahead to the end of the file. Possessive quantifiers (`*+`, `++`) and atomic groups
say where a match never goes back to.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, cast

# The patterns that modules hold, as these are imported.
REGISTERED: Final[list[re.Pattern[str]]] = []

_ATTRIBUTES: Final = tuple(name for name in dir(re.Pattern) if not name.startswith("_"))


class _Pattern:
    """A pattern that is compiled when it is first used: a run uses few of all that are imported."""

    def __init__(self, pattern: str, flags: int | re.RegexFlag) -> None:
        self._source = pattern, flags

    def __getattr__(self, name: str) -> Any:
        """Called for what is not there: once, as from then on all of the compiled pattern's attributes are."""
        if name not in _ATTRIBUTES:
            raise AttributeError(name)
        compiled = next(filter(None, (compiler(*self._source) for compiler in _COMPILERS)))
        for each in _ATTRIBUTES:
            setattr(self, each, getattr(compiled, each))
        return getattr(compiled, name)


_Compiler = Callable[[str, int], "re.Pattern[str] | None"]
_COMPILERS: Final[list[_Compiler]] = [re.compile]


def compile_with(compiler: _Compiler) -> None:
    """Has patterns compiled by something else than `re.compile`, which makes the same of them, or None if it cannot."""
    if compiler not in _COMPILERS:
        _COMPILERS.insert(0, compiler)


def regex(pattern: str, flags: int | re.RegexFlag = 0) -> re.Pattern[str]:
    """The pattern, which is kept for the test. For modules: it is called once for each pattern."""
    made = cast("re.Pattern[str]", _Pattern(pattern, flags))
    REGISTERED.append(made)
    return made


def made_regex(pattern: str, flags: int | re.RegexFlag = 0) -> re.Pattern[str]:
    """A pattern that is made of names that are read, compiled. The test has an example of each that is made."""
    return re.compile(pattern, flags)
