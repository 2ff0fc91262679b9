"""What `make test` takes of many cases and examples, so that it stays short; CI takes all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest
from _pytest.mark import ParameterSet


def few(cases: Iterable[object], *fast: object) -> Iterator[ParameterSet]:
    """Each case as pytest takes it, marked as slow unless it is one of `fast`; these must be among the cases."""
    left = list(fast)
    for case in cases:
        if case in left:
            left.remove(case)
        values = case if isinstance(case, tuple) else (case,)
        yield pytest.param(*values, marks=() if case in fast else pytest.mark.slow)
    assert not left, f"{left} are no cases"


def one_of(number: int, cases: Iterable[object]) -> list[ParameterSet]:
    """Each case as pytest takes it, marked as slow but for the first of every so many."""
    return [
        pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.slow if count % number else ())
        for count, case in enumerate(cases)
    ]


_is_short = False
_PART = 5
_LEAST = 4


def be_short() -> None:
    """From now on `examples` are fewer: for a run that leaves out what is slow."""
    global _is_short
    _is_short = True


def examples(number: int) -> int:
    """How many random examples a test is to try, of as many as it wants: all, or in a short run a part."""
    return min(number, max(_LEAST, number // _PART)) if _is_short else number
