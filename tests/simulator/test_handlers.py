"""A program of recursive calls and stores in virtual memory, whose pages come from handlers that are programs too.

What it computes is what it computes with physical addresses, whatever pages are thrown out on the way: of code, data
and backing store, and of the table that the walker searches.
"""

from __future__ import annotations

import random
from functools import cache
from typing import Final

import pytest
from pvsim.machine.interruptions import Vector
from pvsim.machine.machine import Machine

from pvasm.isa.registers import APPLICATION, CONTROL
from tests.simulator.code import assembled

IVA: Final = 0x8_0000
REGION: Final = 1 << 61
MEMORY: Final = 0x10_0000  # a MiB from here on is what the region is mapped to
CODE, STACK, DATA = 0x0000, 0x2_0000, 0x8_0000  # in the region
PS: Final = 12
SHORT_TABLE: Final = 0x1FF0_0000_0000_0000
LONG_TABLE: Final = 3 << 61
TABLE_AT: Final = 0x40_0000
RID: Final = 0x77
ACCESSED, DIRTY = 1 << 5, 1 << 6
LEAF: Final = 1 | 3 << 7 | 3 << 9  # rwx at each level, neither accessed nor dirty
ON: Final = 1 << 13 | 1 << 17 | 1 << 27 | 1 << 36 | 1 << 44 | 3 << 32  # psr.ic dt rt it bn, level 3

# Sums, over a tree of calls, what each leaf reads and writes, in pages that are far apart.
PROGRAM: Final = """
 mov r12=7 ;;
 alloc r2=ar.pfs,0,2,1,0
 mov out0=r12 ;;
 br.call.sptk.few b0=walk ;;
 mov r9=r8
 br.cond.sptk.few done ;;
walk:
 alloc loc0=ar.pfs,1,24,1,0
 mov loc1=b0
 cmp.lt p6,p7=1,in0
 mov r8=in0 ;;
 mov loc4=pr
 (p7) br.cond.sptk.few leaf ;;
 add out0=-1,in0
 br.call.sptk.few b0=walk ;;
 mov loc2=r8
 add out0=-2,in0
 br.call.sptk.few b0=walk ;;
 add r8=r8,loc2 ;;
leaf:
 shl loc3=r8,11 ;;
 dep.z loc3=r8,11,8 ;;
 add loc3=loc3,r14 ;;
 ld8 loc5=[loc3] ;;
 add loc5=loc5,r8 ;;
 st8 [loc3]=loc5
 add r15=1,r15
 mov pr=loc4,-1
 mov b0=loc1
 mov ar.pfs=loc0
 br.ret.sptk.few b0 ;;
done:
"""


def handler(kind: str, bits: int) -> str:
    """Puts the page of cr.ifa into a cache; r16 to r31 of bank 0 are its own."""
    return f"""
     mov r16=cr.ifa
     movl r18={MEMORY | LEAF | bits} ;;
     extr.u r17=r16,{PS},{20 - PS} ;;
     shl r17=r17,{PS} ;;
     add r18=r17,r18 ;;
     itc.{kind} r18 ;;
     rfi ;;
    """


def table_handler() -> str:
    """Puts the page of the table that cr.iha is in into the cache of data."""
    return f"""
     mov r16=cr.iha
     movl r18={TABLE_AT | LEAF | ACCESSED | DIRTY} ;;
     extr.u r17=r16,{PS},{18 - PS} ;;
     shl r17=r17,{PS}
     mov r19=cr.ifa
     mov cr.ifa=r16 ;;
     add r18=r17,r18 ;;
     itc.d r18 ;;
     rfi ;;
    """


HANDLERS: Final = {
    Vector.VHPT_TRANSLATION: table_handler(),
    Vector.ALTERNATE_INSTRUCTION_TLB: handler("i", 0),
    Vector.ALTERNATE_DATA_TLB: handler("d", 0),
    Vector.INSTRUCTION_TLB: handler("i", 0),
    Vector.DATA_TLB: handler("d", 0),
    Vector.DIRTY_BIT: handler("d", ACCESSED | DIRTY),
    Vector.INSTRUCTION_ACCESS_BIT: handler("i", ACCESSED),
    Vector.DATA_ACCESS_BIT: handler("d", ACCESSED),
}


def prepared(base: int, data: bytes) -> Machine:
    """About to run the program, at what is an address 0 to it."""
    machine = Machine()
    machine.memory.write(MEMORY + CODE, assembled(PROGRAM))
    machine.memory.write(MEMORY + DATA, data)
    machine.gr[14] = base + DATA
    machine.sof = 0
    machine.write_bspstore(base + STACK)
    machine.ip = base + CODE
    machine.psr = 1 << 13 | 1 << 44
    return machine


def outcome(machine: Machine) -> tuple[list[int], bytes]:
    """What the program leaves."""
    return [machine.gr[9], machine.gr[15]], machine.memory.read(MEMORY + DATA, 0x8_0000)


DATA_BYTES: Final = random.Random(5).randbytes(0x8_0000)


@cache
def expected() -> tuple[list[int], bytes]:
    """What the program leaves when addresses are physical."""
    machine = prepared(MEMORY, DATA_BYTES)
    stop = machine.run(1_000_000)
    assert stop is not None
    assert stop.vector == Vector.BREAK_INSTRUCTION
    assert machine.gr[9] == 13  # the seventh number of Fibonacci
    return outcome(machine)


def virtual(walker: str) -> Machine:
    """About to run the program in virtual memory, with handlers; the walker is off, or searches a table."""
    machine = prepared(REGION, DATA_BYTES)
    for vector, text in HANDLERS.items():
        machine.memory.write(IVA + vector, assembled(text))
    machine.memory.write(IVA + Vector.BREAK_INSTRUCTION, assembled(" nop.i 0 ;;"))
    for kind in "di":
        machine.cr[CONTROL["ifa"]], machine.cr[CONTROL["itir"]] = IVA, 16 << 2
        machine.insert_translation_register(kind, 0, IVA | LEAF | ACCESSED | DIRTY)
    machine.rr[1] = RID << 8 | PS << 2 | (walker != "off")
    machine.rr[3] = RID + 1 << 8 | PS << 2
    machine.cr[CONTROL["iva"]] = IVA
    machine.psr = ON
    machine.ar[APPLICATION["rsc"]] = 3 << 2
    machine.delivers = True
    if walker != "off":
        is_long = walker == "long"
        machine.cr[CONTROL["pta"]] = (LONG_TABLE if is_long else SHORT_TABLE) | is_long << 8 | 18 << 2 | 1
        for offset in range(0, 1 << 20, 1 << PS):
            entry = MEMORY + offset | LEAF
            tag = machine.vhpt_tag(REGION + offset)[0]
            words = [entry, PS << 2 | RID << 8, tag, 0] if is_long else [entry]
            place = machine.vhpt_address(REGION + offset)[0] & 0x3_FFFF
            machine.memory.write(TABLE_AT + place, b"".join(word.to_bytes(8, "little") for word in words))
    return machine


@pytest.mark.parametrize("walker", ["off", "short", "long"])
@pytest.mark.parametrize("purges", [0, 15, 40])
def test_handlers_map_what_a_program_reaches(walker: str, purges: int) -> None:
    machine = virtual(walker)
    chance = random.Random(purges)
    reached = set()
    for _ in range(200_000):
        machine.run(1 if purges == 15 else chance.randrange(1, 200))
        if IVA <= machine.ip < IVA + 0x8000:
            reached.add(machine.ip & ~0xFF & 0x7FFF)
        elif purges and not chance.randrange(purges):
            machine.purge_translation_cache()
        if machine.ip >= IVA + Vector.BREAK_INSTRUCTION and machine.ip < IVA + Vector.BREAK_INSTRUCTION + 0x100:
            break
    assert outcome(machine) == expected()
    if purges == 15:
        missed = {"off": {Vector.ALTERNATE_DATA_TLB, Vector.ALTERNATE_INSTRUCTION_TLB}}.get(
            walker, {Vector.VHPT_TRANSLATION}
        )
        assert reached >= missed | {Vector.DIRTY_BIT, Vector.INSTRUCTION_ACCESS_BIT, Vector.DATA_ACCESS_BIT}
