"""External interrupts: priorities, masks, service, and the interval timer (SDM vol. 2, 5.8)."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pvsim.machine.configuration import Configuration
from pvsim.machine.external_interrupts import EXTINT, NMI, SPURIOUS
from pvsim.machine.interruptions import Vector
from pvsim.machine.machine import Machine
from pvsim.machine.translation_cache import Translation

from pvasm.isa.registers import CONTROL
from tests.simulator.code import END, START, assembled, loaded
from tests.slow import examples

IC, PSR_I, IT, VM = 1 << 13, 1 << 14, 1 << 36, 1 << 46
IVA = 0x8_0000
MMI, MASKED = 1 << 16, 1 << 16
TPR, ITM, ITV = CONTROL["tpr"], CONTROL["itm"], CONTROL["itv"]

VECTORS = st.sampled_from([EXTINT, NMI, *range(16, 256)])


def set_control(machine: Machine, number: int, value: int) -> None:
    """Sets a control register as a program does."""
    machine.cr[number] = value
    machine.observe_control(number)


class Reference:
    """The rules as lists: all that wait, all that are in service, the first is the one that counts."""

    ORDER: Final[tuple[int, ...]] = (NMI, EXTINT, *range(255, 15, -1))

    def __init__(self) -> None:
        self.waiting: list[int] = []
        self.served: list[int] = []
        self.class_masked = -1
        self.all_masked = False

    def first(self) -> int | None:
        """What would be delivered."""
        for vector in self.ORDER:
            if vector in self.served:
                return None  # the rest has a lower priority
            free = vector == NMI or (not self.all_masked and (vector == EXTINT or vector // 16 > self.class_masked))
            if vector in self.waiting and free:
                return vector
            if vector in self.waiting and vector != NMI and self.all_masked:
                return None
        return None

    def read(self) -> int:
        """What cr.ivr gives."""
        vector = self.first()
        if vector is None:
            return SPURIOUS
        self.waiting.remove(vector)
        self.served.append(vector)
        return vector

    def end(self) -> None:
        """What a write to cr.eoi does."""
        if self.served:
            self.served.remove(next(vector for vector in self.ORDER if vector in self.served))


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("raise"), VECTORS),
        st.tuples(st.just("read"), st.just(0)),
        st.tuples(st.just("end"), st.just(0)),
        st.tuples(st.just("mask"), st.integers(0, 31)),
    ),
    max_size=30,
)


@settings(max_examples=examples(200), deadline=None)
@given(STEPS)
def test_priorities_masks_and_service(steps: list[tuple[str, int]]) -> None:
    machine, reference = Machine(), Reference()
    for what, number in steps:
        if what == "raise":
            machine.raise_interrupt(number)
            reference.waiting = sorted({*reference.waiting, number})
        elif what == "mask":
            set_control(machine, TPR, (number & 15) << 4 | (number >> 4) << 16)
            reference.class_masked, reference.all_masked = number & 15, bool(number >> 4)
        elif what == "end":
            machine.end_of_interrupt()
            reference.end()
        else:
            assert machine.read_ivr() == reference.read()
        assert machine.pending == reference.first()
        pending = sum(word << 64 * at for at, word in enumerate(machine.cr[CONTROL["irr0"] :][:4]))
        assert pending == sum(1 << vector for vector in reference.waiting)


@pytest.mark.parametrize("vector", [-1, 1, 3, 15, 256])
def test_vectors_that_interrupts_have_not(vector: int) -> None:
    with pytest.raises(ValueError, match="no interrupt has the vector"):
        Machine().raise_interrupt(vector)


def with_handler(source: str, handler: str) -> Machine:
    """About to run a program, with a handler for external interrupts."""
    machine = loaded(source)
    machine.memory.write(IVA + Vector.EXTERNAL_INTERRUPT, assembled(handler))
    machine.cr[CONTROL["iva"]] = IVA
    machine.psr = IC | PSR_I
    machine.delivers = True
    return machine


# Counts in r20 of bank 0, and leaves the vector in r21.
HANDLER = """
 mov r21=cr.ivr
 add r20=1,r20 ;;
 mov cr.eoi=r0
 rfi ;;
"""


def test_an_interrupt_comes_between_any_two_instructions() -> None:
    """Wherever it comes, it is handled once, and the program goes on as if nothing had been."""
    source = "mov r8=0\n mov ar.lc=5 ;;\n.L:\n add r8=1,r8 ;;\n add r9=r8,r8\n br.cloop.sptk.few .L ;;\n mov r10=7 ;;"
    plain = loaded(source)
    assert plain.run(100) is not None
    for at in range(plain.instructions + 1):
        machine = with_handler(source, HANDLER)
        assert machine.run(at) is None
        machine.raise_interrupt(0x51)
        handled = machine.ip
        machine.run(1)
        assert machine.ip == IVA + Vector.EXTERNAL_INTERRUPT
        assert machine.cr[CONTROL["iip"]] | machine.cr[CONTROL["ipsr"]] >> 41 & 3 == handled
        machine.delivers = False
        stop = machine.run(200)
        assert stop is not None
        assert stop.immediate == END
        assert machine.gr[8:11] == plain.gr[8:11]
        assert machine.gr[20:22] == [1, 0x51]


def test_interrupts_wait_for_psr_i_and_come_once_it_is_1() -> None:
    source = "add r8=1,r8 ;;\n ssm psr.i ;;\n srlz.d ;;\n add r8=1,r8 ;;\n"
    machine = with_handler(source, HANDLER)
    machine.psr = IC
    machine.raise_interrupt(0x40)
    while machine.ip < IVA:
        machine.run(1)
    assert machine.gr[8] == 1
    assert START < machine.cr[CONTROL["iip"]] | machine.cr[CONTROL["ipsr"]] >> 41 & 3 < START + 64


def test_a_higher_interrupt_comes_while_another_is_handled() -> None:
    """With psr.i set again, what is of a higher priority is not masked; what is of a lower one is, to eoi."""
    nested = """
     mov r21=cr.ivr ;;
     ssm psr.ic|psr.i ;;
     srlz.d ;;
     add r20=1,r20 ;;
    """
    machine = with_handler("add r8=1,r8 ;;", nested)
    machine.raise_interrupt(0x50)
    while not (machine.in_service and machine.psr & PSR_I):
        machine.run(1)
    assert machine.in_service == {0x50}
    machine.raise_interrupt(0x4F)
    before = machine.ip
    assert machine.pending is None
    machine.raise_interrupt(0x51)
    assert machine.pending == 0x51
    machine.run(1)
    assert machine.ip == IVA + Vector.EXTERNAL_INTERRUPT
    assert machine.cr[CONTROL["iip"]] | machine.cr[CONTROL["ipsr"]] >> 41 & 3 == before
    assert machine.read_ivr() == 0x51
    machine.end_of_interrupt()
    assert machine.pending is None
    machine.end_of_interrupt()
    assert machine.pending == 0x4F


LOOP = ".L:\n add r8=1,r8 ;;\n br.cond.sptk.few .L ;;"


@pytest.mark.parametrize("ticks", [1, 3])
@pytest.mark.parametrize("at", [1, 2, 7, 1000, 12_345])
def test_the_timer_comes_when_itc_is_itm(at: int, ticks: int) -> None:
    """Also in the middle of a loop that is compiled; by the instruction, whatever was done before."""
    machine = Machine(configuration=Configuration(ticks_per_instruction=ticks))
    machine.memory.write(START, assembled(LOOP))
    machine.ip, machine.psr = START, IC | PSR_I
    machine.run(300)
    set_control(machine, ITV, 0xEF)
    set_control(machine, ITM, machine.read_itc() + at * ticks)
    stop = machine.run(100_000)
    assert stop is not None
    assert (stop.vector, machine.instructions) == (Vector.EXTERNAL_INTERRUPT, 300 + at)
    assert machine.read_ivr() == 0xEF
    assert machine.run(100_000) is None, "it comes once"


def test_a_program_sets_the_timer() -> None:
    source = f"""
     mov cr.itv=r9 ;;
     mov.m r10=ar.itc ;;
     add r10=100,r10 ;;
     mov cr.itm=r10 ;;
     {LOOP}
    """
    machine = with_handler(source, HANDLER)
    machine.gr[9] = 0xEF
    machine.run(400)
    assert machine.gr[20:22] == [1, 0xEF]


def test_a_masked_timer_is_lost() -> None:
    machine = loaded(LOOP)
    machine.psr = IC | PSR_I
    set_control(machine, ITV, 0xEF | MASKED)
    set_control(machine, ITM, 50)
    assert machine.run(100) is None
    assert not any(machine.cr[CONTROL["irr0"] :][:4])


PERIODIC = """
 mov r21=cr.ivr
 mov r22=cr.itm
 add r20=1,r20 ;;
 add r22=97,r22 ;;
 mov cr.itm=r22
 mov cr.eoi=r0
 rfi ;;
"""


@pytest.mark.parametrize("piece", [1, 7, 100_000])
def test_a_timer_that_its_handler_sets_again_keeps_time(piece: int) -> None:
    """Also when the handler and the loop are compiled: an interrupt for each 97 ticks, none is lost."""
    machine = with_handler(LOOP, PERIODIC)
    set_control(machine, ITV, 0xEF)
    set_control(machine, ITM, 97)
    while machine.instructions < 10_000:
        machine.run(min(piece, 10_000 - machine.instructions))
    assert machine.gr[20] in (10_000 // 97, 10_000 // 97 - 1)
    assert machine.in_service == set() or machine.gr[20] == 10_000 // 97 - 1


@pytest.mark.parametrize(
    ("to", "message", "vector", "note"),
    [
        (0x12_34, 0x55, 0x55, ""),
        (0x12_34, 0x4FF, NMI, ""),
        (0x12_34, 0x700, EXTINT, ""),
        (0x12_34, 0x505, None, "0x505 in 8 bytes is no interrupt that is modelled"),
        (0x12_34, 0x03, None, "0x3 in 8 bytes is no interrupt that is modelled"),
        (0x12_35, 0x55, None, "there is no processor 0x12, 0x35"),
    ],
)
def test_a_processor_sends_itself_a_message(to: int, message: int, vector: int | None, note: str) -> None:
    """A store to the interrupt block, at the processor's id and eid; the interrupt comes at once."""
    machine = loaded("mov cr.lid=r10 ;;\n st8 [r9]=r8 ;;\n ssm psr.i ;;")
    machine.gr[8], machine.gr[9], machine.gr[10] = message, 1 << 63 | 0xFEE0_0000 | to << 4, 0x12_34 << 16
    stop = machine.run(100)
    assert stop is not None
    assert (stop.vector == Vector.EXTERNAL_INTERRUPT) == (vector is not None)
    assert machine.read_ivr() == (SPURIOUS if vector is None else vector)
    assert [each.told().partition("lost: ")[2] for each in machine.notes] == [note] * bool(note)
    assert 0xFEE0_0000 >> 12 not in machine.memory.pages


def guest(source: str, *, level: int = 0) -> Machine:
    """A program on a page from which psr.vm may be changed."""
    machine = loaded(source)
    machine.translation_registers["i"][0] = Translation(START, 12, 0, 0, 1 | 1 << 5 | 3 << 7 | 7 << 9 | START)
    machine.psr = IC | IT | level << 32
    machine.cr[CONTROL["iva"]] = IVA
    machine.delivers = True
    return machine


def test_the_guests_interrupt_waits_until_psr_vm_is_1() -> None:
    """SDM vol. 2, 8.3, vector 0x3400; 3.4: psr.vm 1 is the guest."""
    machine = guest("nop.m 1 ;;\n vmsw.1 ;;\n adds r8=1,r0 ;;\n adds r8=2,r0 ;;")
    machine.raise_guest_interrupt()
    for _ in range(12):  # instructions, of four bundles
        if machine.ip < IVA:
            machine.run(1)
    assert machine.ip & ~15 == IVA + Vector.VIRTUAL_EXTERNAL_INTERRUPT
    assert machine.cr[CONTROL["ipsr"]] & VM
    assert not machine.psr & VM
    assert machine.gr[8] == 0
    assert machine.cr[CONTROL["isr"]] == machine.cr[CONTROL["ipsr"]] & 3 << 41


def test_an_external_interrupt_comes_before_the_guests() -> None:
    machine = guest("nop.m 1 ;;")
    machine.psr |= VM | PSR_I
    machine.raise_guest_interrupt()
    machine.raise_interrupt(0x40)
    machine.run(1)
    assert machine.ip & ~15 == IVA + Vector.EXTERNAL_INTERRUPT
    assert machine.guest_waits


def test_the_guests_interrupt_comes_once() -> None:
    machine = guest("adds r8=1,r0 ;;\n adds r8=2,r0 ;;")
    machine.psr |= VM
    machine.raise_guest_interrupt()
    machine.run(1)
    assert not machine.guest_waits
    machine.psr, machine.ip, machine.delivers = IC | IT | VM, START, False
    stop = machine.run(100)
    assert stop is not None
    assert (stop.immediate, machine.gr[8]) == (END, 2)


def test_without_virtualization_there_is_no_guest() -> None:
    machine = Machine(configuration=Configuration(has_virtualization=False))
    with pytest.raises(ValueError, match="has no guest"):
        machine.raise_guest_interrupt()
