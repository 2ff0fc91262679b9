"""One processor: its registers, and the loop that runs code from memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pvasm.ia64.encoding import decode
from pvasm.isa.bundle import SIZE, TEMPLATES, Bundle
from pvasm.isa.semantics.all_clauses import program_of
from pvasm.isa.semantics.programs import CALLS, Call, Effect, every_effect
from pvsim.machine.data_access import DataAccess
from pvsim.machine.floating_point import FloatingPoint
from pvsim.machine.functions import FUNCTIONS
from pvsim.machine.interruptions import GENERAL_CODES, Interruption, Vector
from pvsim.machine.memory import Memory
from pvsim.machine.python_code import Step, source
from pvsim.machine.register_stack import RegisterStack
from pvsim.machine.system import System

Block = Callable[["Machine"], None]

_MOST_STEPS: Final = 64  # instructions of a basic block


class Machine(DataAccess, RegisterStack, FloatingPoint, System):
    """One processor and its memory, as `State` has them."""

    def __init__(self, memory: Memory | None = None) -> None:
        super().__init__(memory)
        self._blocks: dict[tuple[int, int], tuple[Block, int]] = {}

    # ------------------------------------------------------------------------------------- running

    def run(self, most: int) -> Interruption | None:
        """Runs at most so many instructions; the interruption that ended it, None where the number did."""
        end = self.instructions + most
        blocks = self._blocks
        try:
            while self.instructions < end:
                key = (self.ip, self.sof)
                found = blocks.get(key)
                if found is None or self.instructions + found[1] > end:
                    found = self._block(end - self.instructions)
                found[0](self)
                self.instructions += found[1]
        except Interruption as interruption:
            return interruption
        return None

    def _block(self, most: int) -> tuple[Block, int]:
        """The block that begins here, of at most so many instructions."""
        steps, following = self._fetched(min(most, _MOST_STEPS))
        made: dict[str, Block] = {}
        text = source(steps, following)
        exec(compile(text, f"<block {self.ip:#x}>", "exec"), FUNCTIONS, made)
        block = made["block"], len(steps)
        if most >= _MOST_STEPS:
            self._blocks[self.ip, self.sof] = block
        return block

    def _fetched(self, most: int) -> tuple[list[Step], int]:
        """The instructions from here on, to where control may leave; and the address of what follows them."""
        steps: list[Step] = []
        address, slot = self.ip & ~15, self.ip & 3
        while True:
            bundle = Bundle.of(self.memory.fetch(address))
            if bundle.template not in TEMPLATES:
                return steps, address | slot
            for number, unit, bits in bundle.instructions():
                if number < slot:
                    continue
                ip = address | number
                resolved = decode(bits, unit, address)
                if resolved is None or resolved.predicate is None:
                    raise Interruption(Vector.GENERAL_EXCEPTION, GENERAL_CODES["illegal_operation"])
                effects = program_of(resolved.form, resolved.mnemonic, resolved.operands, resolved.predicate)
                steps.append(Step(ip, effects))
                if len(steps) >= most or _leaves(effects):
                    last = number == 2 or unit == "X"
                    return steps, address + SIZE if last else ip + 1
            address, slot = address + SIZE, 0


def _leaves(effects: tuple[Effect, ...]) -> bool:
    """Whether control may go elsewhere, or registers get other names: a block ends there."""
    return any(isinstance(each, Call) and CALLS[each.name].leaves for each in every_effect(effects))
