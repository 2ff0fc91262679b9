"""The named functions of terms, as the Python back end has them: of values, without effects."""

from __future__ import annotations

from typing import Any, Final

from pvsim.machine import float_approximations, float_arithmetic, float_parallel


def ones(value: int) -> int:
    """How many bits are 1."""
    return value.bit_count()


def leading_zeros(value: int) -> int:
    """How many of 64 bits are 0 before the leftmost 1."""
    return 64 - value.bit_length()


FUNCTIONS: Final[dict[str, Any]] = {
    "ones": ones,
    "leading_zeros": leading_zeros,
    **float_arithmetic.FUNCTIONS,
    **float_parallel.FUNCTIONS,
    **float_approximations.FUNCTIONS,
}
"""By the names that terms have them by; blocks are compiled with nothing else."""
