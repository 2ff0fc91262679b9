"""Linux's own handlers of TLB misses (ivt.S), which nobody here wrote: they map what a program reaches.

The kernel is where it runs on hardware, in region 5, in pinned pages; page tables are made as it has them (three
levels, pages of 16 KiB), with a virtual linear page table that the walker searches.
"""

from __future__ import annotations

import random
from functools import cache
from typing import Final

import pytest
from pvsim.machine.interruptions import Vector
from pvsim.machine.machine import Machine

from pvasm.asm.image import Image
from pvasm.asm.layout import lay_out
from pvasm.asm.reading import assembly_parser
from pvasm.isa.registers import APPLICATION, CONTROL
from pvasm.syntax.document import read_document
from pvasm.text import read_text
from tests.corpus.build import Corpus
from tests.simulator import test_handlers
from tests.simulator.code import assembled

KERNEL: Final = 0xA000_0001_0000_0000
KERNEL_AT: Final = 0x400_0000  # in memory
TASK, ON_USER_STACK = 0x8_0000, 368
"""Where the kernel has the current task and its stack, and what in it says that the user's stack is in use."""
NOT_HERE: Final = KERNEL + 0x4_0000  # what other files of the kernel define
PAGE_SHIFT: Final = 14
TABLE_BITS: Final = 36  # of the virtual linear page table of a region
PGD, PMD, PTES = 0x50_0000, 0x51_0000, 0x52_0000
PGDIR_OF_REGION: Final = 1 << PAGE_SHIFT - 3
LEAF: Final = test_handlers.LEAF
ACCESSED, DIRTY = 1 << 5, 1 << 6
USER: Final = 3 << 32  # psr.cpl
SYMBOLS: Final = (
    "__gp",
    "ia64_bad_break",
    "ia64_do_page_fault",
    "ia64_fault",
    "ia64_handle_irq",
    "ia64_illegal_op_fault",
    "ia64_leave_kernel",
    "ia64_prepare_handle_unaligned",
    "ia64_ret_from_syscall",
    "ia64_trace_syscall",
    "swapper_pg_dir",
    "sys_call_table",
    "sys_ni_syscall",
)


@cache
def kernel(path: str) -> Image:
    """The image of ivt.S."""
    document = read_document(assembly_parser(), read_text(path), path)
    return lay_out(document, address=KERNEL, stubs=dict.fromkeys(SYMBOLS, NOT_HERE))


def with_kernel(machine: Machine, corpus: Corpus) -> Machine:
    """Puts the kernel into a machine, with its registers as it has them."""
    (found,) = [each for each in corpus.files if each.name == "ivt"]
    image = kernel(str(found.preprocessed))
    for segment in image.segments:
        machine.memory.write(segment.address - KERNEL + KERNEL_AT, bytes(segment.data))
    for region in range(6):
        machine.rr[region] = (0x40 + region) << 8 | PAGE_SHIFT << 2 | 1
    for region in (6, 7):
        machine.rr[region] = (0x40 + region) << 8 | 24 << 2  # large pages, without the walker
    machine.cr[CONTROL["ifa"]], machine.cr[CONTROL["itir"]] = KERNEL, 20 << 2
    for kind in "di":
        machine.insert_translation_register(kind, 0, KERNEL_AT | 0x661)  # rwx for the kernel
    machine.cr[CONTROL["iva"]] = image.symbols["ia64_ivt"]
    machine.cr[CONTROL["pta"]] = (1 << 61) - (1 << TABLE_BITS) | TABLE_BITS << 2 | 1
    machine.ar[APPLICATION["k7"]] = PGD
    machine.delivers = True
    return machine


def put(machine: Machine, address: int, word: int) -> None:
    """Puts a word into memory."""
    machine.memory.write(address, word.to_bytes(8, "little"))


def leaf(machine: Machine, page: int) -> int:
    """The page table entry of a page of the program."""
    return int.from_bytes(machine.memory.read(PTES + 8 * page, 8), "little")


def with_program(corpus: Corpus) -> Machine:
    """About to run a user's program in region 1, whose pages no one has reached."""
    machine = test_handlers.prepared(test_handlers.REGION, test_handlers.DATA_BYTES)
    with_kernel(machine, corpus)
    put(machine, PGD + PGDIR_OF_REGION, PMD)
    put(machine, PMD, PTES)
    for page in range(1 << 20 - PAGE_SHIFT):
        put(machine, PTES + 8 * page, test_handlers.MEMORY + (page << PAGE_SHIFT) | LEAF)
    machine.psr = test_handlers.ON
    machine.ar[APPLICATION["rsc"]] = 3 << 2
    return machine


def vector_of(machine: Machine) -> Vector | None:
    """The vector at whose first bundle the machine is."""
    offset = machine.ip - machine.cr[CONTROL["iva"]]
    return Vector(offset) if offset in set(Vector) else None


@pytest.mark.parametrize("purges", [0, 2, 9, 60])
def test_a_user_program_in_pages_of_linux(corpus: Corpus, purges: int) -> None:
    """The result is that of physical addresses; accessed and dirty bits are set where the program has been."""
    machine = with_program(corpus)
    chance = random.Random(purges)
    reached = set()
    for _ in range(100_000):
        machine.run(1)
        vector = vector_of(machine)
        if vector is not None:
            reached.add(vector)
        if vector == Vector.BREAK_INSTRUCTION or machine.ip & ~15 == NOT_HERE:
            break
        if purges and not chance.randrange(purges * 10):
            machine.purge_translation_cache()
    assert vector_of(machine) == Vector.BREAK_INSTRUCTION
    assert machine.cr[CONTROL["iim"]] == 0x1FF0
    assert test_handlers.outcome(machine) == test_handlers.expected()
    assert reached >= {
        Vector.VHPT_TRANSLATION,
        Vector.DIRTY_BIT,
        Vector.INSTRUCTION_ACCESS_BIT,
        Vector.DATA_ACCESS_BIT,
    }
    if purges == 2:  # a handler misses the page of the table that has been thrown out
        assert Vector.DATA_NESTED_TLB in reached
    code, stack, untouched = 0, test_handlers.STACK >> PAGE_SHIFT, (test_handlers.DATA >> PAGE_SHIFT) - 1
    assert leaf(machine, code) & (ACCESSED | DIRTY) == ACCESSED
    assert leaf(machine, stack) & DIRTY
    assert not leaf(machine, untouched) & (ACCESSED | DIRTY)


def test_a_page_that_there_is_not_is_for_the_kernel_to_find(corpus: Corpus) -> None:
    """The handlers save the state and call ia64_do_page_fault, with the address and cr.isr."""
    machine = with_program(corpus)
    page = test_handlers.DATA >> PAGE_SHIFT
    for number in range(page, page + 32):
        put(machine, PTES + 8 * number, 0)
    machine.ar[APPLICATION["k6"]] = KERNEL + TASK
    machine.memory.write(KERNEL_AT + TASK + ON_USER_STACK, b"\1")
    for _ in range(50_000):
        machine.run(1)
        if machine.ip & ~15 == NOT_HERE or vector_of(machine) == Vector.BREAK_INSTRUCTION:
            break
    assert machine.ip == NOT_HERE
    address, status, registers = machine.gr[32:35]
    assert address - test_handlers.REGION >= test_handlers.DATA
    assert status & 1 << 34, "it was a load"
    assert KERNEL + TASK < registers < KERNEL + TASK + 0x8000
    assert machine.psr & USER == 0
    assert machine.psr & 1 << 13, "another interruption would be collected"


def test_the_kernel_reaches_all_memory_in_region_7(corpus: Corpus) -> None:
    """By the handlers of alternate misses: data, and code that is called there."""
    machine = with_kernel(Machine(), corpus)
    source = "ld8 r8=[r9] ;;\n st8 [r10]=r8 ;;\n mov b6=r11 ;;\n br.call.sptk.few b7=b6 ;;\n mov r13=r12 ;;\n"
    machine.memory.write(KERNEL_AT + 0x8_0000, assembled(source))
    machine.memory.write(0x1234_0000, assembled("mov r12=99 ;;\n br.ret.sptk.few b7 ;;"))
    put(machine, 0x777_0008, 0x1122_3344)
    machine.gr[9], machine.gr[10], machine.gr[11] = 0xE000_0000_0777_0008, 0xC000_0000_0888_0000, 0xE000_0000_1234_0000
    machine.ip, machine.psr = KERNEL + 0x8_0000, 1 << 13 | 1 << 17 | 1 << 27 | 1 << 36 | 1 << 44
    reached = []
    for _ in range(500):
        machine.run(1)
        vector = vector_of(machine)
        reached += [vector] if vector is not None else []
        if vector == Vector.BREAK_INSTRUCTION:
            break
    assert reached == [
        Vector.ALTERNATE_DATA_TLB,
        Vector.ALTERNATE_DATA_TLB,
        Vector.ALTERNATE_INSTRUCTION_TLB,
        Vector.BREAK_INSTRUCTION,
    ]
    assert machine.memory.read(0x888_0000, 8) == (0x1122_3344).to_bytes(8, "little")
    assert machine.gr[13] == 99
    uncached = next(page for page in machine.translation_caches["d"] if page.region == 0x46)
    assert uncached.attribute == 4
