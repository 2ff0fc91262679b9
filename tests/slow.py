"""Which cases `make test` takes of many, so that it stays short; CI takes all."""

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
