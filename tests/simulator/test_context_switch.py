"""Interruptions and switches of stacks by code, as kernels have it, under programs that must not notice.

What is on a register stack is moved between backing stores by `cover`, `flushrs`, `loadrs` and moves to ar.bspstore and
ar.rnat alone; no test here touches the machine's account of it.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pvsim.load import load_image
from pvsim.machine.machine import Machine

from pvasm.asm.image import Image
from pvasm.asm.layout import lay_out
from pvasm.asm.reading import assembly_parser
from pvasm.isa.registers import APPLICATION, CONTROL
from pvasm.syntax.document import read_document
from pvasm.text import read_text
from tests.corpus.build import Corpus
from tests.simulator import call_trees
from tests.simulator.call_trees import FUNCTIONS, Function
from tests.simulator.code import END, START
from tests.slow import examples

BSP, BSPSTORE, RNAT, RSC = (APPLICATION[name] for name in ("bsp", "bspstore", "rnat", "rsc"))
USER_STORE, KERNEL_STORE = 0x10_0000, 0x20_0000
IC, BN = 1 << 13, 1 << 44
MOST: Final = 200_000

# ---------------------------------------------------------------------------- handlers of interruptions

_SAVED: Final = """
handler:
 mov r16=ar.rsc
 mov r17=ar.pfs
 mov r18=b0
 mov r28=pr
 mov r29=ar.lc
 mov r30=ar.ec ;;
 { .mib
 nop.m 0
 nop.i 0
 cover ;;
 }
"""
_RESTORED: Final = """
 mov ar.rsc=r16
 mov ar.pfs=r17
 mov b0=r18
 mov pr=r28,-1
 mov ar.lc=r29 ;;
 mov ar.ec=r30 ;;
 { .mib
 nop.m 0
 nop.i 0
 rfi ;;
 }
"""
_TO_KERNEL: Final = """
 mov ar.rsc=0 ;;
 mov r20=ar.bspstore
 mov r21=ar.rnat
 movl r22=kernel_store ;;
 mov ar.bspstore=r22 ;;
 mov r23=ar.bsp ;;
 sub r24=r23,r22
 mov ar.rsc=3 ;;
 br.call.sptk.many b0=deep ;;
 shl r24=r24,16 ;;
 mov ar.rsc=r24 ;;
 loadrs ;;
 mov ar.bspstore=r20 ;;
 mov ar.rnat=r21 ;;
"""
HANDLERS: Final = {
    "cover": _SAVED + _RESTORED,
    "flush": _SAVED + " flushrs ;;\n" + _TO_KERNEL + _RESTORED,
    "kernel": _SAVED + _TO_KERNEL + _RESTORED,
}
"""By what each does: nothing but what it has to; flush, and change the store; change it with registers still dirty."""

# Two frames, of which one is deep enough to have what is below spilled: their registers are rubbish and NaTs.
_DEEP: Final = """
deep:
 alloc r35=ar.pfs,0,60,2,16 ;;
 movl r31=1<<60
 mov r36=b0 ;;
 ld8.s r50=[r31]
 mov r32=-1
 mov r51=-2
 mov r90=-3
 mov r93=-4
 br.call.sptk.many b0=deeper ;;
 mov b0=r36
 mov ar.pfs=r35 ;;
 br.ret.sptk.many b0 ;;
deeper:
 alloc r40=ar.pfs,2,40,0,0 ;;
 ld8.s r60=[r31]
 mov r61=-5
 mov r73=-6
 mov ar.pfs=r40 ;;
 br.ret.sptk.many b0 ;;
"""


@cache
def image_of(text: str, address: int = START, **stubs: int) -> Image:
    """A program that ends in a break, laid out; `stubs` are what it calls elsewhere."""
    ending = f"{text}\nended: break.m {END} ;;\n"
    return lay_out(read_document(assembly_parser(), ending, preprocessed=True), address=address, stubs=stubs)


def program(functions: list[Function], handler: str, slots: int) -> str:
    """A program that calls the first function and flushes its registers; a handler, and where that has its stack."""
    return f"""
 kernel_store = {KERNEL_STORE + 8 * (slots * 5 % 63)}
start:
 alloc r34=ar.pfs,0,5,1,0 ;;
 mov r37=1234
 br.call.sptk.many b0=fn0 ;;
 flushrs ;;
 br.cond.sptk.many ended ;;
 {call_trees.source(functions, "fn")}
 {HANDLERS[handler]}
 {_DEEP}
"""


def machine_with(image: Image, slots: int) -> Machine:
    """About to run some code, with its backing store so many words into a group that shares a NaT collection."""
    machine = Machine()
    load_image(machine, image)
    machine.ip = image.symbols["start"]
    machine.psr = IC | BN
    machine.sof = 0
    machine.write_bspstore(USER_STORE + 8 * slots)
    machine.ar[RSC] = 3
    machine.fr[32:] = range(32, 128)
    machine.other_bank = [number << 32 for number in range(16)]
    return machine


def deliver(machine: Machine, handler: int) -> None:
    """Has an interruption before the next instruction (SDM vol. 2, 5.5)."""
    machine.cr[CONTROL["ipsr"]] = machine.psr | (machine.ip & 3) << 41
    machine.cr[CONTROL["iip"]] = machine.ip & ~15
    machine.cr[CONTROL["ifs"]] = 0
    machine.switch_bank(0)
    machine.set_psr(machine.psr & ~IC)
    machine.loads_frame = False
    machine.ip = handler


def state(machine: Machine) -> dict[str, object]:
    """What a program can see of itself, when it has flushed its registers."""
    kept = [number for number in range(128) if number not in (RSC, APPLICATION["itc"], RNAT, *range(8))]
    spilled = machine.ar[BSPSTORE] >> 3 & 63
    return {
        "gr": machine.gr[:32] + machine.gr[32 : 32 + machine.sof],
        "nat": machine.nat[:32] + machine.nat[32 : 32 + machine.sof],
        "fr": machine.fr,
        "pr": machine.pr,
        "br": machine.br,
        "ar": [machine.ar[number] for number in kept],
        "rnat": machine.ar[RNAT] & (1 << spilled) - 1,
        "cfm": machine.cfm,
        "stack": machine.memory.read(USER_STORE, machine.ar[BSPSTORE] - USER_STORE),
    }


def ended(machine: Machine) -> bool:
    """Runs on; whether it ended."""
    stop = machine.run(MOST)
    assert stop is not None, "it does not end"
    assert stop.immediate == END, f"{stop} at {machine.ip:#x}"
    return True


@cache
def _length(handler: str) -> int:
    """How many instructions a handler is, which never branches."""
    image = image_of(program([Function(0, 1, 1, (), 0, 0)], handler, 0))
    machine = machine_with(image, 0)
    machine.run(1)
    deliver(machine, image.symbols["handler"])
    before = machine.instructions
    while not machine.psr & IC:
        assert machine.run(1) is None
    return machine.instructions - before


def check_interrupted(functions: list[Function], handler: str, slots: int, every: int) -> int:
    """Runs a program alone, and with an interruption before each so-many-th instruction; how many there were."""
    image = image_of(program(functions, handler, slots))
    alone, machine = machine_with(image, slots), machine_with(image, slots)
    ended(alone)
    count = 0
    while machine.run(every if count else 1) is None:
        deliver(machine, image.symbols["handler"])
        assert machine.run(_length(handler)) is None
        assert machine.psr & IC, "the handler has not returned"
        count += 1
    assert machine.ip == image.symbols["ended"]
    assert state(machine) == state(alone)
    return count


@pytest.mark.slow
@given(FUNCTIONS, st.sampled_from(sorted(HANDLERS)), st.integers(0, 62), st.sampled_from([7, 50]))
@settings(max_examples=examples(6))
def test_interruptions_go_unnoticed(functions: list[Function], handler: str, slots: int, every: int) -> None:
    check_interrupted(functions, handler, slots, every)


@pytest.mark.slow
@given(FUNCTIONS, st.sampled_from(sorted(HANDLERS)), st.integers(0, 62), st.sampled_from([1, 2, 3]))
@settings(max_examples=examples(5))
def test_many_interruptions_go_unnoticed(functions: list[Function], handler: str, slots: int, every: int) -> None:
    check_interrupted(functions, handler, slots, every)


@pytest.mark.slow
def test_interruptions_of_deep_calls() -> None:
    """A chain of frames that the machine has no room for, and an interruption before each other instruction."""
    chain = [Function(rotating, 20, 8, (1,), 0x9_0C3A_5511, 2) for rotating in (5, 2, 0)]
    assert check_interrupted(chain, "kernel", 40, 2) > 250


# ------------------------------------------------------------------------------- switches of Linux

TASKS: Final = (0x30_0000, 0x34_0000)
"""Two tasks, each with its stacks behind it; one granule, which the kernel has a translation for."""
_TASK_STORE, _TASK_STACK = 0x1_0000, 0x3_0000
_RESULT, _FINISHED, _SWITCHES = 0x38_0000, 0x38_0100, 0x38_0200
_KERNEL_CODE: Final = 0x40_0000
_CURRENT: Final = 13
_USUAL_FPSR: Final = 0x0009804C0270033F

# A task runs its functions; when they have returned it says so, and gives way until the other has finished too.
_TASK: Final = """
{name}:
 alloc r34=ar.pfs,0,5,1,0 ;;
 mov r37={argument}
 br.call.sptk.many b0={name}0 ;;
 movl r14=result+8*{number} ;;
 st8 [r14]=r8
 movl r14=finished ;;
 ld8 r15=[r14] ;;
 adds r15=1,r15 ;;
 st8 [r14]=r15
{name}_waits:
 movl r14=finished ;;
 ld8 r15=[r14] ;;
 cmp.eq p6,p0=2,r15
(p6) br.cond.sptk.many ended ;;
 br.call.sptk.many b0=yield ;;
 br.cond.sptk.many {name}_waits ;;
"""
_YIELD: Final = """
yield:
 alloc r33=ar.pfs,0,3,1,0
 mov r32=b0
 movl r14=tasks ;;
 xor r35=r13,r14
 movl r14=switches ;;
 ld8 r15=[r14] ;;
 adds r15=1,r15 ;;
 st8 [r14]=r15
 br.call.sptk.many b0=ia64_switch_to ;;
 mov ar.pfs=r33
 mov b0=r32 ;;
 br.ret.sptk.many b0 ;;
"""


class _Anywhere(dict[str, int]):
    """An address for whatever the kernel's file does not define, and nobody goes to."""

    def get(self, name: str, default: object = None, /) -> int:
        return self.setdefault(name, 0x80_0000 + 16 * len(self))


@cache
def kernel_entry(corpus: Corpus) -> Image:
    """entry.S of the corpus."""
    (file,) = [each for each in corpus.files if each.name == "entry"]
    path = file.preprocessed
    document = read_document(assembly_parser(), read_text(path), str(path))
    return lay_out(document, address=_KERNEL_CODE, stubs=_Anywhere())


@cache
def offsets(corpus: Corpus) -> dict[str, int]:
    """Where fields of structures are, by the names that assembly has for them."""
    header = (corpus.root / "built/gen/generated/asm-offsets.h").read_text()
    return {name: int(value) for name, value in re.findall(r"#define IA64_(\w+) (\d+)$", header, re.MULTILINE)}


def tasks_with(corpus: Corpus, trees: list[list[Function]], slots: list[int], gives_way: str) -> Machine:
    """A machine that is about to begin the first of two tasks, of which the second is as if it had been switched from.

    `gives_way` is what each function does before it calls another.
    """
    kernel, place = kernel_entry(corpus), offsets(corpus)
    names = "ab"
    text = "\n".join(
        [
            f" tasks = {TASKS[0] ^ TASKS[1]}\n result = {_RESULT}\n finished = {_FINISHED}",
            f" switches = {_SWITCHES}",
            *(_TASK.format(name=names[number], number=number, argument=1000 + number) for number in (0, 1)),
            *(call_trees.source(tree, name, gives_way) for tree, name in zip(trees, names, strict=True)),
            _YIELD,
        ]
    )
    # A number that is assigned to a name would be a distance to a branch, as to the assembler.
    image = image_of(text, ia64_switch_to=kernel.symbols["ia64_switch_to"])
    machine = Machine()
    load_image(machine, kernel)
    load_image(machine, image)
    machine.psr = IC | BN
    second = TASKS[1]
    stack = second + _TASK_STACK - place["SWITCH_STACK_SIZE"]
    words = {
        "B0": image.symbols["b"],
        "AR_PFS": 0,
        "AR_FPSR": _USUAL_FPSR,
        "AR_BSPSTORE": second + _TASK_STORE + 8 * slots[1],
        "AR_RNAT": 0,
    }
    for name, value in words.items():
        machine.memory.write(stack + 16 + place[f"SWITCH_STACK_{name}_OFFSET"], value.to_bytes(8, "little"))
    machine.memory.write(second + place["TASK_THREAD_KSP_OFFSET"], stack.to_bytes(8, "little"))
    machine.ip = image.symbols["a"]
    machine.sof = 0
    machine.write_bspstore(TASKS[0] + _TASK_STORE + 8 * slots[0])
    machine.ar[RSC] = 3
    machine.ar[APPLICATION["fpsr"]] = _USUAL_FPSR
    machine.gr[12], machine.gr[_CURRENT] = TASKS[0] + _TASK_STACK, TASKS[0]
    for number in range(4, 8):
        machine.gr[number], machine.nat[number] = number << 40, number % 2
    for number in (*range(2, 6), *range(16, 32)):
        machine.fr[number] = number << 64 | 1 << 63
    return machine


def results(machine: Machine) -> list[bytes]:
    """What the functions of both tasks gave."""
    ended(machine)
    assert machine.memory.read(_FINISHED, 1) == b"\2"
    return [machine.memory.read(_RESULT + 8 * number, 8) for number in (0, 1)]


def check_switches(corpus: Corpus, trees: list[list[Function]], slots: list[int]) -> int:
    """Runs two tasks one after the other, and taking turns at each call; how many switches there were."""
    alone = results(tasks_with(corpus, trees, slots, ""))
    machine = tasks_with(corpus, trees, slots, " br.call.sptk.many b0=yield ;;")
    assert results(machine) == alone
    if machine.gr[_CURRENT] == TASKS[0]:
        for number in range(4, 8):
            assert (machine.gr[number], machine.nat[number]) == (number << 40, number % 2)
        for number in (*range(2, 6), *range(16, 32)):
            assert machine.fr[number] == number << 64 | 1 << 63
    return int.from_bytes(machine.memory.read(_SWITCHES, 8), "little")


@pytest.mark.slow
@given(st.tuples(FUNCTIONS, FUNCTIONS), st.tuples(st.integers(0, 62), st.integers(0, 62)))
@settings(max_examples=examples(4), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_tasks_that_take_turns_do_not_notice(
    corpus: Corpus, trees: tuple[list[Function], list[Function]], slots: tuple[int, int]
) -> None:
    """ia64_switch_to of Linux, save_switch_stack and load_switch_stack with it."""
    check_switches(corpus, list(trees), list(slots))


def test_deep_calls_that_take_turns(corpus: Corpus) -> None:
    """Each switch finds most of the machine's registers full of the other task's."""
    chain = [Function(rotating, 40, 8, (1, 1), 0x9_0C3A_5511, 2) for rotating in (5, 0, 2, 5)]
    assert check_switches(corpus, [chain, chain[::-1]], [3, 50]) > 25
