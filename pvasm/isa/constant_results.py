"""Sources whose value does not matter: `xor r1=r2,r2` is 0 whatever r2 holds.

Which instruction forms these are, and when, the instruction table's marks say. A NaT is an exception: the target of an
integer instruction becomes a NaT, or its predicates are cleared, if a source register is one (SDM vol. 1, 4.4.4).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from pvasm.isa.operands import Value
from pvasm.isa.registers import Register
from pvasm.isa.resources import CONSTANTS
from pvasm.isa.table import Form

_ONES: Final = (1 << 64) - 1


def _is_zero(value: Value) -> bool:
    return value in (0, Register("r", 0))


def _is_ones(value: Value) -> bool:
    return isinstance(value, int) and value & _ONES == _ONES


# By the mark, what is asked of the first two sources.
_HOLDS: Final[dict[str, Callable[[Value, Value], bool]]] = {
    "same": lambda first, second: first == second,
    "zero1": lambda first, second: _is_zero(first),
    "zero2": lambda first, second: _is_zero(second),
    "ones1": lambda first, second: _is_ones(first),
}


def idle_sources(form: Form, operands: Sequence[Value]) -> frozenset[Register]:
    """The source registers of an instruction whose values do not matter for its result, but for their NaT bits.

    `operands` are the real form's, outputs first.
    """
    sources = operands[len(form.outputs) :]
    if not form.constants or len(sources) < 2 or not any(_HOLDS[mark](*sources[:2]) for mark in form.constants):
        return frozenset()
    return frozenset(source for source in sources if isinstance(source, Register) and source not in CONSTANTS)
