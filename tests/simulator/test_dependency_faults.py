"""Illegal Dependency faults: of a processor that looks for dependency violations, which none has to."""

from __future__ import annotations

import pytest
from pvsim.machine.interruptions import Vector
from pvsim.machine.machine import Machine
from pvsim.strict_groups import DependencyCheckingMachine

from pvasm.isa.registers import CONTROL
from tests.simulator.code import END, START, assembled

IC, IVA, CODE = 1 << 13, 0x8_0000, 0x80

VIOLATIONS = {
    "RAW": ("{ .mii\n adds r8=1,r0\n adds r9=1,r8\n nop.i 0 ;; }", 1),
    "WAW": ("{ .mii\n adds r8=1,r0\n nop.i 0\n adds r8=2,r0 ;; }", 2),
    "of a predicate": ("{ .mii\n cmp.eq p6,p7=r0,r0\n (p6) adds r8=2,r0\n nop.i 0 ;; }", 1),
}
"""Each with the slot of its second instruction."""

ALLOWED = [
    "adds r8=1,r0 ;;\n adds r9=1,r8 ;;",
    "{ .mii\n adds r8=1,r0\n (p6) adds r9=1,r8\n nop.i 0 ;; }",  # p6 is 0
    "{ .mib\n cmp.eq p6,p7=r0,r0\n nop.i 0\n (p6) br.cond.sptk.few 16f ;; }\n16:",
]


def checking(text: str) -> DependencyCheckingMachine:
    """A machine that checks, about to run a program."""
    machine = DependencyCheckingMachine()
    machine.memory.write(START, assembled(text))
    machine.ip = START
    return machine


@pytest.mark.parametrize(("text", "slot"), VIOLATIONS.values(), ids=list(VIOLATIONS))
def test_a_violation_is_a_fault_of_the_second_instruction(text: str, slot: int) -> None:
    machine = checking(text)
    stop = machine.run(100)
    assert stop is not None
    assert (stop.vector, stop.code) == (Vector.GENERAL_EXCEPTION, CODE)
    assert machine.ip == START | slot
    assert machine.instructions == slot


@pytest.mark.parametrize("text", ALLOWED)
def test_what_is_allowed_runs_to_its_end(text: str) -> None:
    stop = checking(text).run(100)
    assert stop is not None
    assert stop.immediate == END


def test_the_fault_is_delivered() -> None:
    machine = checking(VIOLATIONS["RAW"][0])
    machine.psr = IC
    machine.cr[CONTROL["iva"]] = IVA
    machine.delivers = True
    assert machine.run(2) is None
    assert machine.ip == IVA + Vector.GENERAL_EXCEPTION
    assert machine.cr[CONTROL["iip"]] == START
    assert machine.cr[CONTROL["isr"]] == CODE | 1 << 41
    assert machine.gr[9] == 0


def test_other_machines_take_no_notice() -> None:
    machine = Machine()
    machine.memory.write(START, assembled(VIOLATIONS["RAW"][0]))
    machine.ip = START
    stop = machine.run(100)
    assert stop is not None
    assert (stop.immediate, machine.gr[9]) == (END, 2)
