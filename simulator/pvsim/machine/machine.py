"""One processor: its registers, and the loop that runs code from memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from pvasm.isa.bundle import SIZE, Bundle
from pvsim.machine.backing_store import BackingStore
from pvsim.machine.branching import STEPPED
from pvsim.machine.configuration import Configuration
from pvsim.machine.decoding import decoded
from pvsim.machine.delivery import Delivery
from pvsim.machine.external_interrupts import BLOCK, BLOCK_BITS, ExternalInterrupts
from pvsim.machine.floating_point import FloatingPoint
from pvsim.machine.functions import FUNCTIONS
from pvsim.machine.instruction_cache import LINE
from pvsim.machine.interruptions import Interruption
from pvsim.machine.memory import PAGE, Memory
from pvsim.machine.notes import StaleCode
from pvsim.machine.pattern_code import execute
from pvsim.machine.python_code import Step, source

_IC, _DB, _ID = 1 << 13, 1 << 24, 1 << 37
_ONCE: Final = _ID | 1 << 38 | 1 << 39 | 1 << 43 | 1 << 45  # id da dd ed ia: for one instruction (SDM vol. 2, 3.3.2)
_SLOW: Final = _ONCE | STEPPED
"""Bits of psr under which instructions are carried out one by one; psr.db is one where breakpoints watch code."""
_MOST_STEPS: Final = 64  # instructions of a basic block
_COMPILED_AT: Final = 12  # how often a block is carried out as it is before it is worth compiling


class _Block(Struct):
    """Instructions in a row, to where control may leave; the address of what follows; the block compiled, if it is."""

    steps: list[Step]
    following: int
    groups: int
    bundles: int
    first: int  # the physical addresses of its first byte, and of its last
    last: int
    uses: int = 0
    function: Callable[[Machine, int], None] | None = None

    def has_part_of(self, line: int) -> bool:
        """Whether some of its code is in a line of the instruction cache."""
        return self.first // LINE <= line <= self.last // LINE

    def in_line(self, line: int, behind: int | None = None) -> int | None:
        """The first of its instructions in a line of the instruction cache; `behind` one of them, if that is given."""
        away = self.first - (self.steps[0].ip & ~15)
        places = [step.ip for step in self.steps]
        if behind is not None:
            places = places[places.index(behind) + 1 :] if behind in places else []
        return next((each for each in places if (each + away) // LINE == line), None)


class Machine(BackingStore, FloatingPoint, ExternalInterrupts, Delivery):
    """One processor and its memory, as `State` has them."""

    def __init__(self, memory: Memory | None = None, configuration: Configuration | None = None) -> None:
        super().__init__(memory, configuration)
        self._blocks: dict[tuple[int, int], _Block] = {}  # by the address of code, as it is now
        self._decoded: dict[tuple[int, int, int], _Block] = {}  # the same, and where in memory the code is
        self.stepped = _SLOW
        self.delivers = False
        """Whether interruptions go to the table at cr.iva, and the machine goes on there."""

    def run(self, most: int) -> Interruption | None:
        """Runs at most so many instructions; the interruption that ended it, None where the number did.

        An instruction that faults is not counted, one that traps is. Where the machine delivers interruptions, none
        ends it; so that it ends at all, a fault counts as one of `most`, and so does an interrupt.
        """
        end = self.instructions + most
        blocks = self._blocks
        self.check_views()
        self.forget_places()
        stop = self._completed()
        if stop is not None:
            return stop
        while (before := self.instructions) < end:
            block = blocks.get((self.ip, self.sof))
            psr = self.psr
            until = self.attend_at
            slow = psr & self.stepped
            is_compiled = False
            try:
                if block is None or slow or before >= until:
                    block = self._looked_at(slow)
                    until = before + 1 if slow else self.attend_at
                left = (until if until < end else end) - before
                is_compiled = block.function is not None and len(block.steps) <= left and not slow & STEPPED
                if is_compiled and block.function is not None:
                    block.function(self, left)
                else:
                    self._carry_out(block, left)
            except Interruption as interruption:
                if block is not None:
                    self._count_interrupted(interruption, block, before, psr, is_compiled)
                if not self.delivers:
                    return interruption
                self.deliver_interruption(interruption)
                end -= interruption.origin is None  # else its instruction has been counted
                continue
            self._count(block, self.instructions - before, psr)
            if slow & _ONCE:
                self.set_psr(self.psr & ~(slow & _ONCE))
        return None

    def _looked_at(self, slow: int) -> _Block:
        """The block that begins here. Raises Interruption for what comes before its first instruction."""
        if self.instructions >= self.attend_at:
            interruption = self.attend()
            if interruption is not None:
                raise interruption
        block = self._blocks.get((self.ip, self.sof)) or self._block()
        if slow & _DB and not slow & _ID:
            self.check_code_watched()
        return block

    def _count_interrupted(
        self, interruption: Interruption, block: _Block, before: int, psr: int, is_compiled: bool
    ) -> None:
        """Counts what a block has done before an interruption; an instruction that has been done is one of it."""
        origin = interruption.origin
        if is_compiled:
            self.instructions += [step.ip for step in block.steps].index(self.ip if origin is None else origin)
        self.instructions += origin is not None
        self._count(block, self.instructions - before, psr)
        if psr & _ONCE and origin is not None:
            self.set_psr(self.psr & ~(psr & _ONCE))

    def _completed(self) -> Interruption | None:
        """Loads what the frame lacks; the interruption in which that ends, if it is not delivered."""
        try:
            self.load_frame()
        except Interruption as interruption:
            if not self.delivers:
                return interruption
            self.deliver_interruption(interruption)
        return None

    def _count(self, block: _Block, done: int, psr: int) -> None:
        """Counts the groups and bundles of so many instructions of a block, which began with a psr."""
        turns, rest = divmod(done, len(block.steps))
        if done and psr & _IC:
            self.last_executed = block.steps[rest - 1].ip
        self.groups += turns * block.groups
        if turns and not block.steps[-1].stop:  # a branch that is taken ends its group as well
            self.groups += turns - (self.ip == block.following)
        self.bundles += turns * block.bundles
        if rest:
            self.groups += sum(step.stop for step in block.steps[:rest])
            self.bundles += _bundles(block.steps[:rest])

    def write_bytes(self, physical: int, data: bytes) -> None:
        """Stores bytes, or sends a message with them: there is no memory in the processor interrupt block."""
        if physical >> BLOCK_BITS == BLOCK >> BLOCK_BITS:
            self.receive_message(physical, data)
        else:
            super().write_bytes(physical, data)

    # --------------------------------------------------------------------- which code is where

    def flush_cache(self, address: int, access: int) -> None:
        """Flushes a line: what has been fetched of it is no longer good after `sync.i` and `srlz.i`.

        Raises Interruption for a virtual address without a translation; `access` is what cr.isr says then.
        """
        self.check_translation(address, access)
        self.flush_line(self.physical_data(address))

    def forget_code(self) -> None:
        """Memory has been written from outside: code is fetched again, and no program has changed it."""
        self.forget_lines()
        self._decoded.clear()
        self._blocks.clear()

    def forget_places(self) -> None:
        """Where code is, and whether it is watched, has to be asked again."""
        self._blocks.clear()
        self.stepped = _SLOW | (_DB if self.watches_code else 0)

    def leave_code(self, line: int) -> None:
        """A line of code has been changed: code there has to be looked at before it is executed again.

        The block that the store is in goes on as it is; what it has of the line behind the store is noted now.
        """
        for key in [key for key, block in self._blocks.items() if block.has_part_of(line)]:
            block = self._blocks.pop(key)
            behind = block.in_line(line, behind=self.ip)
            if behind is not None:
                self.note(StaleCode(self.ip, behind))

    def drop_code(self, lines: set[int]) -> None:
        """Code of these lines is decoded again."""
        for key in [key for key, block in self._decoded.items() if any(map(block.has_part_of, lines))]:
            del self._decoded[key]
        self._blocks.clear()

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
            code = step.code
            if self.pr[code.turned_off_by]:  # that of p0 is 1
                self.ip = step.ip
                function = code.shared.function
                if function is None:
                    execute(self, code)
                else:
                    function(self, code.bound)
            self.instructions += 1
        last = steps[-1]
        is_stepped = self.psr & STEPPED
        self.ip = last.ip
        if not (self.pr[last.code.turned_off_by] and execute(self, last.code)):
            self.ip = block.following if len(steps) == len(block.steps) else block.steps[most].ip
            if is_stepped:
                self.trap_step(last.ip)
        self.instructions += 1

    def _block(self) -> _Block:
        """The block that begins here. Raises Interruption where the code may not be fetched."""
        ip, sof = self.ip, self.sof
        physical = self.code_address(ip)
        block = self._decoded.get((ip, physical, sof))
        if block is None:
            steps, following = self._fetched(physical)
            first, size = physical & ~15, (steps[-1].ip | 15) - (ip & ~15)
            groups = sum(step.stop for step in steps)
            block = _Block(steps, following, groups, _bundles(steps), first, first + size)
            self._decoded[ip, physical, sof] = block
        for line, store in self.changed_lines(block.first, block.last):
            place = block.in_line(line)
            if place is not None:
                self.note(StaleCode(store, place))
        self._blocks[ip, sof] = block
        return block

    def next_step(self) -> tuple[Step, int]:
        """The instruction that comes next, and the address of the one behind it.

        Raises Interruption where it may not be fetched.
        """
        steps, following = self._fetched(self.code_address(self.ip))
        return steps[0], following if len(steps) == 1 else steps[1].ip

    def _fetched(self, physical: int) -> tuple[list[Step], int]:
        """The instructions from here on, to where control may leave; and the address of what follows them."""
        steps: list[Step] = []
        address, slot = self.ip & ~15, self.ip & 3
        away = (physical & ~15) - address
        while len(steps) < _MOST_STEPS and (not steps or address % PAGE):
            bundle = Bundle.of(self.fetch_bundle(address + away))
            instructions, stops = bundle.instructions(), bundle.stops
            behind = [each for each in instructions if each[0] >= slot] if slot else instructions
            for number, unit, bits in behind or [(slot, "", 0)]:
                found = decoded(bits, unit, address, number)
                steps.append(Step(address | number, found, number in stops))
                if found.ends:
                    is_last = number == instructions[-1][0] if instructions else True
                    return steps, address + SIZE if is_last else address | number + 1
            address, slot = address + SIZE, 0
        return steps, address


def _bundles(steps: list[Step]) -> int:
    """How many bundles some instructions begin."""
    return sum(step.ip & 3 == 0 for step in steps)
