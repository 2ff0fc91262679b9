"""What a hypervisor does for its guest: instructions that the guest's virtual processor executes.

These are programs of clauses (`pvasm/isa/semantics`), like all that a processor does.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import Final

from pvasm.asm.scope import OperandError
from pvasm.errors import PvasmError
from pvasm.isa.instruction import Instruction
from pvasm.isa.registers import Register
from pvasm.isa.semantics.all_clauses import program_of
from pvasm.isa.semantics.programs import Assign, every_effect
from pvasm.paravirt.expansion import expansion_of
from pvasm.syntax import tree
from pvsim.machine.direct import execute
from pvsim.machine.machine import Machine

_KEPT: Final = {"gr", "pr"}


class Effects:
    """What a call does, from its text; `gives` are the registers that hold its results."""

    def __init__(self, text: str, gives: Collection[Register], path: str, place: tuple[int, int]) -> None:
        """Raises PvasmError, with the place in its file, for what is no instruction. The text begins at `place`."""
        self._programs = [
            program_of(each.form, each.mnemonic, each.operands, each.predicate or 0, 0)
            for each in _instructions(text, path, place)
        ]
        given = {("gr", each.number) for each in gives}
        assigned = {
            (effect.cell.file, effect.cell.number)
            for program in self._programs
            for effect in every_effect(program)
            if isinstance(effect, Assign) and effect.cell.file in _KEPT
        }
        self._temporary = {*assigned, *(("nat", number) for file, number in assigned if file == "gr")} - given
        self._temporary -= {("nat", number) for _, number in given}

    def carry_out(self, processor: Machine) -> bool:
        """Does it all; whether it has said where control goes. Raises Interruption where it ends in one."""
        before = {(file, number): getattr(processor, file)[number] for file, number in self._temporary}
        try:
            return [execute(processor, program) for program in self._programs][-1]
        finally:
            for (file, number), value in before.items():
                getattr(processor, file)[number] = value


@lru_cache(maxsize=1024)
def effects_of(text: str, gives: tuple[Register, ...], path: str, place: tuple[int, int]) -> Effects:
    """What a call does, made once: an environment is made for each run. Raises as `Effects` does."""
    return Effects(text, gives, path, place)


def _instructions(text: str, path: str, place: tuple[int, int]) -> list[Instruction]:
    line, column = place
    lines = text.rstrip("\n").split("\n")
    try:
        statements = [each for each in expansion_of(lines).instructions() if not isinstance(each.syntax, tree.Stop)]
    except OperandError as error:
        raise PvasmError(error.message, path, line + error.start - 1, column) from None
    instructions = [each.resolved for each in statements if each.resolved is not None]
    for each in statements:
        if each.resolved is None:
            raise PvasmError(f"`{each.text[:60]}' is no instruction", path, line + each.number - 1, column)
    if not instructions:
        raise PvasmError("a call does something: instructions, one a line", path, line, column)
    return instructions
