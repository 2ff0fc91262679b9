"""Instructions as the machine keeps them: decoded once, and what they do worked out when that is first asked for."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from pvasm.isa.encoding import decode
from pvasm.isa.instruction import Instruction
from pvasm.isa.registers import Register
from pvasm.isa.semantics.all_clauses import program_of
from pvasm.isa.semantics.operation import FAULT, is_turned_off
from pvasm.isa.semantics.programs import CALLS, Call, Effect, If
from pvasm.isa.semantics.shared_programs import Pattern, pattern_of


class Decoded:
    """An instruction of a slot.

    With `turned_off_by` not 0 it does nothing while that predicate is 0. A basic block `ends` with it, whatever
    general, floating-point and predicate registers it names.
    """

    __slots__ = ("_effects", "_instruction", "_pattern", "_slot", "ends", "turned_off_by")

    def __init__(self, instruction: Instruction | None, slot: int) -> None:
        self._instruction = instruction
        self._slot = slot
        self._effects: tuple[Effect, ...] | None = None
        self._pattern: Pattern | None = None
        self.turned_off_by = 0
        if instruction is not None and instruction.predicate and is_turned_off(instruction.form):
            self.turned_off_by = instruction.predicate
        self.ends = self._find_whether_it_ends()

    @property
    def instruction(self) -> Instruction | None:
        """The instruction; None for bits that are none."""
        return self._instruction

    @property
    def effects(self) -> tuple[Effect, ...]:
        """What it does; of bits that are no instruction, an Illegal Operation fault."""
        if self._effects is None:
            found = self._instruction
            if found is None or found.predicate is None:
                self._effects = (Call(FAULT, ("illegal_operation",)),)
            else:
                self._effects = program_of(found.form, found.mnemonic, found.operands, found.predicate, self._slot)
        return self._effects

    @property
    def pattern(self) -> Pattern:
        """The same, as a program that other instructions have too, and what is bound in it."""
        if self._pattern is None:
            found = self._instruction
            is_known = found is not None and found.predicate is not None
            self._pattern = pattern_of(found, self._slot) if found is not None and is_known else (self.effects, ())
        return self._pattern

    def _find_whether_it_ends(self) -> bool:
        found = self._instruction
        if found is None:
            return True
        if found.form.unit == "A":  # integer arithmetic, which changes nothing but registers
            return False
        spelling = found.spelling
        ends = _ENDS.get(spelling)
        if ends is None:
            told = [each for each in found.operands if _is_told(each)]
            key = (spelling, *told) if told else spelling
            ends = _ENDS.get(key) if told else None
            if ends is None:
                if len(_ENDS) >= _MOST_KEPT:
                    _ENDS.clear()
                ends = _ENDS[key] = _ends(self.pattern[0])
        return ends


_MOST_KEPT: Final = 1 << 14
_ENDS: Final[dict[Any, bool]] = {}
"""By the spelling, and by the operands that count; by the spelling alone where a form has no such operands."""


def _is_told(operand: Any) -> bool:
    """Whether what an operand is counts for that, and not just of which sort it is."""
    return operand.file not in "rfp" if operand.__class__ is Register else isinstance(operand, int)


def decoded(bits: int, unit: str, address: int, slot: int) -> Decoded:
    """The instruction of a slot, by its bits, the slot's unit, the address of its bundle, and the slot."""
    found = _decoded(bits, unit, None, slot)
    if found is None:
        found = _decoded(bits, unit, address, slot)
        assert found is not None
    return found


@lru_cache(maxsize=_MOST_KEPT)
def _decoded(bits: int, unit: str, address: int | None, slot: int) -> Decoded | None:
    """The same for code anywhere, if no address is given; None then, if it counts."""
    instruction = decode(bits, unit, address or 0) if unit else None
    if address is None and instruction is not None and instruction.form.has_target:
        return None
    return Decoded(instruction, slot)


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
