"""Instruction groups, checked while code runs: no register is read or written after it was written in the same group.

What instructions read and write, and which of it needs a stop, is what the checker knows (`pvasm/isa/dependencies.py`).
Here their predicates are known, so that an instruction that is turned off reads its predicate and nothing else.
"""

from __future__ import annotations

from typing import Final

from pvasm.isa.bundle import Bundle
from pvasm.isa.control_transfer import passing
from pvasm.isa.dependencies import Dependencies, Violation
from pvasm.isa.effects import plan_of
from pvasm.isa.encoding import decode, nop
from pvasm.isa.instruction import Instruction, instruction_of
from pvasm.isa.registers import Register
from pvsim.machine.configuration import Configuration
from pvsim.machine.interruptions import Interruption, fault
from pvsim.machine.machine import Machine
from pvsim.machine.memory import Memory

_UNAT: Final = Register("ar", 36)


class StrictGroups:
    """Looks at each instruction that a machine is about to execute, in turn."""

    def __init__(self, machine: Machine, *, serializes: bool = False) -> None:
        """With `serializes`, what comes before the serialization that it needs is a violation as well."""
        self.machine = machine
        self.serializes = serializes
        self._dependencies = Dependencies()
        self._expected: int | None = None
        self._interrupts = self._branches = False  # what the instruction before does
        self._places: list[int] = []  # the addresses of the instructions so far, by number
        self._seen: list[Instruction] = []  # and what they are

    def violation(self) -> tuple[Violation, int, int] | None:
        """The violation that the next instruction is part of, with the addresses of both; None if there is none.

        Addresses have the slot in their low bits.
        """
        machine = self.machine
        ip = machine.ip
        if self._interrupts or (ip != self._expected and not self._branches):
            self._dependencies = Dependencies()  # an interruption, and the way back from it, serialize
        elif ip != self._expected:  # a branch that is taken ends the group
            self._dependencies.stop()
        self._interrupts = self._branches = False
        bundle = Bundle.of(machine.memory.read(machine.code_address(ip) & ~15, 16))
        instructions = {slot: (unit, bits) for slot, unit, bits in bundle.instructions()}
        slot = ip & 3
        self._expected = ip + 1 if slot + 1 in instructions else (ip & ~15) + 16
        found = None
        if slot in instructions:
            unit, bits = instructions[slot]
            instruction = decode(bits, unit, ip & ~15)
            if instruction is not None:
                found = self._first_violation(instruction)
                transfer = passing(instruction.mnemonic).transfer
                self._interrupts = transfer in ("break", "rfi")
                self._branches = transfer != ""
        if slot in bundle.stops:
            self._dependencies.stop()
        return found

    def _first_violation(self, instruction: Instruction) -> tuple[Violation, int, int] | None:
        number = len(self._places)
        self._places.append(self.machine.ip)
        self._seen.append(instruction)
        predicate = instruction.predicate or 0
        found: list[Violation] = []
        if predicate:
            # A branch may read it in the group that writes it, by way of an integer compare.
            is_branch = plan_of(instruction.spelling).reads_as == "branch"
            reads = instruction if is_branch else decode(nop("M") | predicate, "M")
            assert reads is not None
            of_predicate = self._dependencies.instruction(reads, number)
            found += [each for each in of_predicate if each.resource == Register("p", predicate)]
        if instruction.form.unpredicated or self.machine.pr[predicate] or instruction.clears_when_false:
            whole = instruction_of(instruction.spelling, instruction.operands, 0)
            found += [each for each in self._dependencies.instruction(whole, number) if self._is_sure(each)]
        for violation in found:
            if violation.kind in ("RAW", "WAW") and (violation.same_group or self.serializes):
                return violation, self._places[violation.first], self._places[violation.second]
        return None

    def _is_sure(self, violation: Violation) -> bool:
        """Whether both use the same register, for certain: a move has all of ar.unat, a spill a bit of it."""
        moves = any(self._seen[each].mnemonic.startswith("mov") for each in (violation.first, violation.second))
        return violation.certain or (violation.resource == _UNAT and moves)


class DependencyCheckingMachine(Machine):
    """A processor that looks for dependency violations, as one may: each is an Illegal Dependency fault.

    Others execute instructions in turn, and take no notice. The fault is a General Exception with the code 8 (SDM
    vol. 2, table 8-3; 8.3, vector 0x5400); to look is slow, as each instruction is executed for itself.
    """

    def __init__(self, memory: Memory | None = None, configuration: Configuration | None = None) -> None:
        super().__init__(memory, configuration)
        self._groups = StrictGroups(self)

    def run(self, most: int) -> Interruption | None:
        """As `Machine.run`; of instructions, each of which is executed for itself."""
        for _ in range(most):
            stop = fault("illegal_dependency") if self._is_violated() else super().run(1)
            if stop is None:
                continue
            if not self.delivers:
                return stop
            self.deliver_interruption(stop)
        return None

    def _is_violated(self) -> bool:
        try:
            return self._groups.violation() is not None
        except Interruption:  # where code cannot be fetched there is none
            return False
