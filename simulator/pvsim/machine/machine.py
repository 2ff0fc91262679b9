"""One processor: its registers, and the loop that runs code from memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from msgspec import Struct

from pvasm.isa.bundle import SIZE, Bundle
from pvasm.isa.encoding import decode
from pvasm.isa.semantics.all_clauses import program_of
from pvasm.isa.semantics.operation import FAULT
from pvasm.isa.semantics.programs import CALLS, Call, Effect, every_effect
from pvsim.machine.branching import STEPPED
from pvsim.machine.configuration import Configuration
from pvsim.machine.data_access import DataAccess
from pvsim.machine.direct import execute
from pvsim.machine.floating_point import FloatingPoint
from pvsim.machine.functions import FUNCTIONS
from pvsim.machine.indexed_files import IndexedFiles
from pvsim.machine.interruptions import Interruption
from pvsim.machine.memory import PAGE, Memory
from pvsim.machine.python_code import Step, source
from pvsim.machine.register_stack import RegisterStack
from pvsim.machine.system import System
from pvsim.machine.translation import TranslationBuffers

_ONCE: Final = 1 << 37 | 1 << 38 | 1 << 39 | 1 << 43  # psr.id, da, dd and ed: for one instruction (SDM vol. 2, 3.3.2)
_MOST_STEPS: Final = 64  # instructions of a basic block
_COMPILED_AT: Final = 12  # how often a block is carried out as it is before it is worth compiling


class _Block(Struct):
    """Instructions in a row, to where control may leave; the address of what follows; the block compiled, if it is."""

    steps: list[Step]
    following: int
    groups: int
    bundles: int
    uses: int = 0
    function: Callable[[Machine, int], None] | None = None


class Machine(DataAccess, RegisterStack, FloatingPoint, IndexedFiles, TranslationBuffers, System):
    """One processor and its memory, as `State` has them."""

    def __init__(self, memory: Memory | None = None, configuration: Configuration | None = None) -> None:
        super().__init__(memory, configuration)
        self._blocks: dict[tuple[int, int], _Block] = {}
        self._flushed = False

    def run(self, most: int) -> Interruption | None:
        """Runs at most so many instructions; the interruption that ended it, None where the number did.

        An instruction that faults is not counted, one that traps is.
        """
        end = self.instructions + most
        blocks = self._blocks
        self.check_views()
        try:
            self.load_frame()
        except Interruption as interruption:
            return interruption
        while self.instructions < end:
            block = blocks.get((self.ip, self.sof)) or self._block()
            before = self.instructions
            is_stepped = self.psr & STEPPED
            once = self.psr & _ONCE
            left = 1 if once or is_stepped else end - before
            is_compiled = block.function is not None and len(block.steps) <= left and not is_stepped
            try:
                if is_compiled and block.function is not None:
                    block.function(self, left)
                else:
                    self._carry_out(block, left)
            except Interruption as interruption:
                origin = interruption.origin
                if is_compiled:
                    self.instructions += [step.ip for step in block.steps].index(self.ip if origin is None else origin)
                self.instructions += origin is not None
                self._count(block, self.instructions - before)
                if once and origin is not None:
                    self.set_psr(self.psr & ~once)
                return interruption
            self._count(block, self.instructions - before)
            if once:
                self.set_psr(self.psr & ~once)
        return None

    def _count(self, block: _Block, done: int) -> None:
        """Counts the groups and bundles of so many instructions of a block."""
        turns, rest = divmod(done, len(block.steps))
        self.groups += turns * block.groups
        if turns and not block.steps[-1].stop:  # a branch that is taken ends its group as well
            self.groups += turns - (self.ip == block.following)
        self.bundles += turns * block.bundles
        if rest:
            self.groups += sum(step.stop for step in block.steps[:rest])
            self.bundles += _bundles(block.steps[:rest])

    def serialize_instructions(self) -> None:
        """Code that has been flushed is fetched and decoded again."""
        if self._flushed:
            self._blocks.clear()
            self._flushed = False

    def flush_cache(self, address: int, access: int) -> None:
        """Flushes a line: what has been decoded of it is no longer good after the next `srlz.i`.

        Raises Interruption for a virtual address without a translation; `access` is what cr.isr says then.
        """
        self.check_translation(address, access)
        self._flushed = True

    def _carry_out(self, block: _Block, most: int) -> None:
        """Runs a block that is not compiled, or as much of it as is asked for."""
        block.uses += 1
        if block.uses >= _COMPILED_AT and block.function is None:
            made: dict[str, Callable[[Machine, int], None]] = {}
            text = source(block.steps, block.following, self.sof)
            exec(compile(text, f"<block {self.ip:#x}>", "exec"), FUNCTIONS, made)
            block.function = made["block"]
        steps = block.steps[:most]
        for step in steps[:-1]:
            self.ip = step.ip
            execute(self, step.effects)
            self.instructions += 1
        last = steps[-1]
        is_stepped = self.psr & STEPPED
        self.ip = last.ip
        if not execute(self, last.effects):
            self.ip = block.following if len(steps) == len(block.steps) else block.steps[most].ip
            if is_stepped:
                self.trap_step(last.ip)
        self.instructions += 1

    def _block(self) -> _Block:
        """The block that begins here."""
        steps, following = self._fetched()
        block = self._blocks[self.ip, self.sof] = _Block(
            steps, following, sum(step.stop for step in steps), _bundles(steps)
        )
        return block

    def _fetched(self) -> tuple[list[Step], int]:
        """The instructions from here on, to where control may leave; and the address of what follows them."""
        steps: list[Step] = []
        address, slot = self.ip & ~15, self.ip & 3
        while len(steps) < _MOST_STEPS and (not steps or address % PAGE):
            bundle = Bundle.of(self.memory.fetch(address))
            instructions = bundle.instructions()
            for number, unit, bits in [each for each in instructions if each[0] >= slot] or [(slot, "", 0)]:
                effects = program_at(bits, unit, address, number)
                steps.append(Step(address | number, effects, number in bundle.stops))
                if _ends(effects):
                    is_last = number == instructions[-1][0] if instructions else True
                    return steps, address + SIZE if is_last else address | number + 1
            address, slot = address + SIZE, 0
        return steps, address


def _bundles(steps: list[Step]) -> int:
    """How many bundles some instructions begin."""
    return sum(step.ip & 3 == 0 for step in steps)


@lru_cache(maxsize=1 << 14)
def program_at(bits: int, unit: str, address: int, slot: int) -> tuple[Effect, ...]:
    """What the instruction of a slot does, by its bits, the slot's unit, the address of its bundle, and the slot.

    Of bits that are no instruction, an Illegal Operation fault.
    """
    resolved = decode(bits, unit, address) if unit else None
    if resolved is None or resolved.predicate is None:
        return (Call(FAULT, ("illegal_operation",)),)
    return program_of(resolved.form, resolved.mnemonic, resolved.operands, resolved.predicate, slot)


def _ends(effects: tuple[Effect, ...]) -> bool:
    """Whether a block ends with an instruction: but for a fault, which has an end of its own."""
    calls = (each for each in every_effect(effects) if isinstance(each, Call) and each.name != FAULT)
    always = any(isinstance(each, Call) and each.name == FAULT for each in effects)
    return always or any(CALLS[each.name].leaves or CALLS[each.name].ends for each in calls)
