"""Instructions as the machine keeps them: decoded once, and what they do worked out when that is first asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from msgspec import Struct

from pvasm.isa.encoding import decode, decoded_numbers
from pvasm.isa.instruction import Instruction
from pvasm.isa.semantics.all_clauses import program_of
from pvasm.isa.semantics.operation import FAULT, is_turned_off
from pvasm.isa.semantics.programs import CALLS, Call, Effect, If
from pvasm.isa.semantics.shared_programs import pattern_of_numbers
from pvsim.machine.state import State


class Shared(Struct):
    """What instructions share that do the same with other operands: whether a basic block may end with them, what they
    do, how often that has been executed as it is, and the function that it is, once one is made (`pattern_code.py`).
    """

    effects: tuple[Effect, ...]
    ends: bool
    uses: int = 0
    function: Callable[[State, tuple[int, ...]], bool] | None = None


class Decoded:
    """An instruction of a slot, and what is bound in what it shares.

    With `turned_off_by` not 0 it does nothing while that predicate is 0. A basic block `ends` with it, whatever
    general, floating-point and predicate registers it names.
    """

    __slots__ = ("_at", "_effects", "_instruction", "bound", "ends", "shared", "turned_off_by")

    def __init__(
        self, at: tuple[int, str, int, int], shared: Shared, bound: tuple[int, ...], turned_off_by: int = 0
    ) -> None:
        """`at` are the bits, the slot's unit, the address of its bundle and the slot."""
        self._at = at
        self._instruction: Instruction | None = None
        self._effects: tuple[Effect, ...] | None = None
        self.shared = shared
        self.bound = bound
        self.ends = shared.ends
        self.turned_off_by = turned_off_by

    @property
    def instruction(self) -> Instruction | None:
        """The instruction; None for bits that are none."""
        if self._instruction is None:
            bits, unit, address, _ = self._at
            self._instruction = decode(bits, unit, address) if unit else None
        return self._instruction

    @property
    def effects(self) -> tuple[Effect, ...]:
        """What it does; of bits that are no instruction, an Illegal Operation fault."""
        if self._effects is None:
            found = self.instruction
            if found is None:
                self._effects = _NO_INSTRUCTION.effects
            else:
                slot = self._at[3]
                self._effects = program_of(found.form, found.mnemonic, found.operands, found.predicate or 0, slot)
        return self._effects


_NO_INSTRUCTION: Final = Shared((Call(FAULT, ("illegal_operation",)),), True)

_MOST_KEPT: Final = 1 << 15
_SHARED: Final[dict[int, Shared]] = {}
"""By identity of the effects, which are held there."""


def _shared(effects: tuple[Effect, ...]) -> Shared:
    found = _SHARED.get(id(effects))
    if found is None:
        if len(_SHARED) >= _MOST_KEPT:
            _SHARED.clear()
        found = _SHARED[id(effects)] = Shared(effects, _ends(effects))
    return found


def decoded(bits: int, unit: str, address: int, slot: int) -> Decoded:
    """The instruction of a slot, by its bits, the slot's unit, the address of its bundle, and the slot."""
    found = _decoded(bits, unit, None, slot)
    if found is None:
        found = _decoded(bits, unit, address, slot)
        assert found is not None
    return found


@lru_cache(maxsize=1 << 14)
def _decoded(bits: int, unit: str, address: int | None, slot: int) -> Decoded | None:
    """The same for code anywhere, if no address is given; None then, if it counts."""
    found = decoded_numbers(bits, unit, address or 0) if unit else None
    at = bits, unit, address or 0, slot
    if found is None:
        return Decoded(at, _NO_INSTRUCTION, ())
    spelling, numbers, predicate = found
    if address is None and spelling.form.has_target:
        return None
    effects, bound = pattern_of_numbers(spelling, numbers, predicate, slot)
    return Decoded(at, _shared(effects), bound, predicate if predicate and is_turned_off(spelling.form) else 0)


def _ends(effects: tuple[Effect, ...]) -> bool:
    """Whether an instruction may be the last of its block: for another reason than a fault."""
    for effect in effects:
        if isinstance(effect, Call):
            if effect.name in _LAST_CALLS:
                return True
        elif isinstance(effect, If) and (_ends(effect.then) or _ends(effect.otherwise)):
            return True
    return False


_LAST_CALLS: Final = frozenset(name for name, call in CALLS.items() if (call.leaves or call.ends) and name != FAULT)
