"""Which of several interruptions comes first, and the bits of psr that let one go for one instruction.

SDM vol. 2, table 5-6 for the order; table 3-2 for psr.ia, id, da, dd and ed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pytest
from pvsim.machine.configuration import Configuration
from pvsim.machine.instruction_fetch import UNIMPLEMENTED
from pvsim.machine.interruptions import Vector
from pvsim.machine.machine import Machine
from pvsim.machine.translation_cache import Translation

from pvasm.isa.registers import APPLICATION, CONTROL
from tests.simulator.code import END, START, assembled

IC, PSR_I, PK, DT, DB, LP, TB, RT, IT, SS = (1 << bit for bit in (13, 14, 15, 17, 24, 25, 26, 27, 36, 40))
IA, ID, DA, DD, ED = 1 << 45, 1 << 37, 1 << 38, 1 << 39, 1 << 43
FAR = 2 << 61 | 0x4000
FRAME = 0x4_0000
PRESENT, ACCESSED, DIRTY, UNCACHED = 1, 1 << 5, 1 << 6, 4 << 2
RIGHTS = 3 << 7 | 3 << 9
GOOD = PRESENT | ACCESSED | DIRTY | RIGHTS
WATCHED = 0xF << 56 | (1 << 56) - 1
KEY = 7


class Access:
    """A machine about to run a program, and what is wrong with the page that it reaches."""

    def __init__(self, source: str, entry: int = GOOD, *, kind: str = "d", psr: int = 0) -> None:
        self.machine = machine = Machine(configuration=Configuration(virtual_bits=51))
        machine.memory.write(START, assembled(source))
        for each in "di":
            machine.translation_registers[each][0] = Translation(0, 20, 0, 0, GOOD)
        machine.rr = [14 << 2, *(0x123 << 8 | 14 << 2 for _ in range(7))]
        self.kind = kind
        self.psr = IC | DT | RT | IT | psr
        self.map(entry)
        machine.gr[9], machine.br[6], machine.ip = FAR, FAR, START

    def map(self, entry: int) -> None:
        """Gives the page an entry."""
        page = Translation(FAR & (1 << 61) - 1, 14, 0x123, KEY, entry | FRAME)
        self.machine.translation_registers[self.kind][1] = page

    def run(self) -> str:
        """How it ends."""
        machine = self.machine
        machine.ip, machine.psr = START, self.psr
        machine.drop_views()
        stop = machine.run(20)
        assert stop is not None
        return "" if stop.immediate == END else stop.vector.name


def test_faults_of_data_by_priority() -> None:
    """All that can be wrong is, and is put right in the order in which it is told of."""
    access = Access("st16 [r9]=r8,ar.csd", psr=PK | DB)
    machine, seen = access.machine, list[str]()
    machine.write_indexed("pkr", 0, 1)  # of the code
    machine.write_indexed("dbr", 0, FAR + 8)
    machine.write_indexed("dbr", 1, 1 << 62 | WATCHED)
    machine.nat[9], machine.gr[9] = 1, FAR + 8 | 1 << 55
    bad = UNCACHED | 3 << 7  # r-- at each level, not present, and so on

    def valid(register: int) -> Callable[[], None]:
        return lambda: machine.write_indexed("pkr", 1, register)

    cures: list[Callable[[], None]] = [
        lambda: machine.nat.__setitem__(9, 0),
        lambda: machine.gr.__setitem__(9, FAR + 8),
        lambda: access.map(bad),
        lambda: access.map(bad | PRESENT | 7 << 2),
        lambda: access.map(bad | PRESENT),
        valid(KEY << 8 | 1 | 2),
        valid(KEY << 8 | 1),
        lambda: access.map(bad | PRESENT | RIGHTS),
        lambda: access.map(bad | PRESENT | RIGHTS | DIRTY),
        lambda: access.map(bad | PRESENT | RIGHTS | DIRTY | ACCESSED),
        lambda: machine.write_indexed("dbr", 1, 0),
        lambda: machine.gr.__setitem__(9, FAR),
        lambda: access.map(GOOD),
    ]
    del machine.translation_registers["d"][1]
    for cure in cures:
        seen.append(access.run())
        cure()
    assert seen == [
        "NAT_CONSUMPTION",  # of a register
        "GENERAL_EXCEPTION",  # an address that is not implemented
        "ALTERNATE_DATA_TLB",
        "PAGE_NOT_PRESENT",
        "NAT_CONSUMPTION",  # of a page
        "DATA_KEY_MISS",
        "KEY_PERMISSION",
        "DATA_ACCESS_RIGHTS",
        "DIRTY_BIT",
        "DATA_ACCESS_BIT",
        "DEBUG",
        "UNALIGNED_REFERENCE",
        "UNSUPPORTED_DATA_REFERENCE",
    ]
    assert access.run() == ""


def test_faults_of_code_by_priority() -> None:
    """An interrupt comes before a fault; that of a breakpoint before what the instruction has."""
    access = Access("br.cond.sptk.few b6", kind="i", psr=PK | DB | PSR_I)
    machine, seen = access.machine, list[str]()
    machine.memory.write(FRAME, assembled("mov cr.ifa=r9 ;;"))  # illegal while psr.ic is 1
    machine.write_indexed("pkr", 0, 1)
    machine.write_indexed("ibr", 0, FAR)
    machine.write_indexed("ibr", 1, 1 << 63 | WATCHED)
    machine.raise_interrupt(0x80)
    bad = 3 << 7

    cures: list[Callable[[], None]] = [
        lambda: setattr(access, "psr", access.psr & ~PSR_I),
        lambda: access.map(bad),
        lambda: access.map(bad | PRESENT | 7 << 2),
        lambda: access.map(bad | PRESENT),
        lambda: machine.write_indexed("pkr", 1, KEY << 8 | 1 | 8),
        lambda: machine.write_indexed("pkr", 1, KEY << 8 | 1),
        lambda: access.map(bad | PRESENT | RIGHTS),
        lambda: access.map(GOOD),
        lambda: machine.write_indexed("ibr", 1, 0),
    ]
    del machine.translation_registers["i"][1]
    for cure in cures:
        seen.append(access.run())
        cure()
    assert seen == [
        "EXTERNAL_INTERRUPT",
        "ALTERNATE_INSTRUCTION_TLB",
        "PAGE_NOT_PRESENT",
        "NAT_CONSUMPTION",
        "INSTRUCTION_KEY_MISS",
        "KEY_PERMISSION",
        "INSTRUCTION_ACCESS_RIGHTS",
        "INSTRUCTION_ACCESS_BIT",
        "DEBUG",
    ]
    assert access.run() == "GENERAL_EXCEPTION"


def test_traps_come_at_once_and_the_first_names_the_vector() -> None:
    """cr.isr.code has a bit for each: floating point, lower privilege, taken branch, single step, unimplemented."""
    access = Access("br.ret.sptk.few b6", psr=LP | TB | SS)
    machine = access.machine
    machine.ar[APPLICATION["pfs"]] = 3 << 62
    for goal, psr, vector, code in [
        (START, LP | TB | SS, Vector.LOWER_PRIVILEGE_TRANSFER_TRAP, 0b1110),
        (1 << 55, LP | TB | SS, Vector.LOWER_PRIVILEGE_TRANSFER_TRAP, 0b11110),
        (START, TB | SS, Vector.TAKEN_BRANCH_TRAP, 0b1100),
        (1 << 55, TB, Vector.LOWER_PRIVILEGE_TRANSFER_TRAP, 0b10100),
    ]:
        machine.br[6], machine.ip = goal, START | 2
        machine.sof, machine.psr = 0, IC | DT | RT | IT | psr
        stop = machine.run(1)
        assert stop is not None
        assert (stop.vector, stop.code) == (vector, code)
        assert machine.ip == goal


def test_code_that_has_no_address_cannot_be_fetched() -> None:
    """As a fault, which says what the trap of a branch there would (SDM vol. 2, 5, the note on vector 0x5e00)."""
    access = Access("nop.m 0")
    access.machine.psr, access.machine.ip = IC | IT, 1 << 55
    stop = access.machine.run(1)
    assert stop is not None
    assert (stop.vector, stop.code) == (Vector.LOWER_PRIVILEGE_TRANSFER_TRAP, UNIMPLEMENTED)
    assert not stop.is_trap


@pytest.mark.parametrize(
    ("bit", "source", "entry", "watch", "vector"),
    [
        (DA, "st8 [r9]=r8", GOOD & ~DIRTY, None, "DIRTY_BIT"),
        (DA, "ld8 r8=[r9]", GOOD & ~ACCESSED, None, "DATA_ACCESS_BIT"),
        (DD, "ld8 r8=[r9]", GOOD, "dbr", "DEBUG"),
        (DD, "st8 [r9]=r8", GOOD, "dbr", "DEBUG"),
        (ID, "nop.m 1", GOOD, "ibr", "DEBUG"),
    ],
)
def test_a_fault_is_let_go_for_one_instruction(
    bit: int, source: str, entry: int, watch: str | None, vector: str
) -> None:
    """The bit is 0 behind the first instruction: the next of the kind faults."""
    bundle = f"{{ .mmi\n {source}\n {source}\n nop.i 0 ;; }}"
    access = Access(bundle, entry, psr=DB)
    machine = access.machine
    if watch:
        machine.write_indexed(watch, 0, FAR if watch == "dbr" else START)
        machine.write_indexed(watch, 1, 3 << 62 | WATCHED)
    assert access.run() == vector
    assert machine.ip == START
    access.psr |= bit
    assert access.run() == vector
    assert machine.ip == START | 1
    assert not machine.psr & bit
    assert machine.instructions == 1


def test_the_accessed_bit_of_code_is_let_go_for_one_instruction() -> None:
    access = Access("{ .mmi\n nop.m 0\n nop.m 0\n nop.i 0 ;; }")
    machine = access.machine
    machine.translation_registers["i"][0] = Translation(0, 20, 0, 0, GOOD & ~ACCESSED)
    assert access.run() == "INSTRUCTION_ACCESS_BIT"
    access.psr |= IA
    assert access.run() == "INSTRUCTION_ACCESS_BIT"
    assert (machine.ip, machine.instructions) == (START | 1, 1)


def test_psr_ed_defers_the_next_speculative_load() -> None:
    """Whatever its faults, and none: it is a NaT (SDM vol. 2, 5.5.5)."""
    bundle = "{ .mmi\n ld8.s r8=[r9]\n ld8.s r10=[r9]\n nop.i 0 ;; }"
    access = Access(bundle, GOOD, psr=ED)
    access.machine.memory.write(FRAME, bytes(range(8)))
    assert access.run() == ""
    assert (access.machine.nat[8], access.machine.nat[10]) == (1, 0)


# ------------------------------------------------------------------------------- what asks, with the walker

ENTRY_AT = 0x5_0008
TABLE = 2 << 61 | 8  # of the second page of 16 KiB in the region, by the short hash


def walked(source: str, entry: int, *, psr: int = 0) -> Access:
    """A program about to ask for FAR, which only the table has."""
    access = Access(source, psr=psr)
    machine = access.machine
    start = TABLE & ~0x3FFF & (1 << 61) - 1
    machine.translation_registers["d"][1] = Translation(start, 14, 0x123, 0, GOOD | 0x5_0000)
    machine.memory.write(ENTRY_AT, (entry | FRAME).to_bytes(8, "little"))
    machine.rr[2] |= 1
    machine.cr[CONTROL["pta"]] = 15 << 2 | 1
    return access


def test_what_asks_for_a_page_searches_the_table() -> None:
    for source, result in [
        ("tpa r8=r9", FRAME),
        ("tak r8=r9", 0x123 << 8),
        ("probe.w r8=r9,0", 1),
        ("probe.w r8=r9,3", 0),
    ]:
        access = walked(source, GOOD & ~(3 << 7))
        assert access.run() == ""
        assert access.machine.gr[8] == result
        assert [page.start for page in access.machine.translation_caches["d"]] == [0x4000]


def test_what_asks_for_a_page_finds_the_buffers_alone_without_psr_dt() -> None:
    """The walker is off then: tak has no key, and the others miss."""
    for source, ended in [
        ("tpa r8=r9", "ALTERNATE_DATA_TLB"),
        ("tak r8=r9", ""),
        ("probe.r r8=r9,0", "ALTERNATE_DATA_TLB"),
    ]:
        access = walked(source, GOOD)
        access.psr &= ~DT
        assert access.run() == ended
        assert access.machine.gr[8] == ("tak" in source)
    access = walked("tak r8=r9", GOOD & ~PRESENT)
    assert access.run() == ""
    assert access.machine.gr[8] == 1


@pytest.mark.parametrize("bit", range(8, 15))
def test_dcr_defers_the_faults_of_speculative_loads(bit: int) -> None:
    """dm, dp, dk, dx, dr, da and dd: each its own fault, if the page of the code lets it (SDM vol. 2, table 3-5)."""
    causes = {8: 0, 9: GOOD & ~PRESENT, 10: GOOD, 11: GOOD, 12: GOOD & ~RIGHTS | 1 << 7, 13: GOOD & ~ACCESSED, 14: GOOD}
    for lets in (0, 1):
        for chosen in range(8, 15):
            access = Access("ld8.s r8=[r9]", causes[bit], psr={10: PK, 11: PK, 14: DB}.get(bit, 0))
            machine = access.machine
            machine.translation_registers["i"][0] = Translation(0, 20, 0, 0, GOOD | lets << 52)
            machine.write_indexed("pkr", 0, 1)
            if bit == 8:
                del machine.translation_registers["d"][1]
            if bit == 11:
                machine.write_indexed("pkr", 1, KEY << 8 | 4 | 1)
            if bit == 12:
                access.psr |= 3 << 32
            if bit == 14:
                machine.write_indexed("dbr", 0, FAR)
                machine.write_indexed("dbr", 1, 1 << 63 | WATCHED)
            machine.cr[CONTROL["dcr"]] = 1 << chosen
            assert (access.run() == "") == (bool(lets) and chosen == bit)
            assert machine.nat[8] == (bool(lets) and chosen == bit)


def test_psr_vm_is_changed_on_a_page_of_rights_7_alone() -> None:
    for rights, ended in [(7, ""), (3, "VIRTUALIZATION")]:
        access = Access("{ .mib\n nop.m 0\n nop.i 0\n vmsw.1 ;; }")
        access.machine.translation_registers["i"][0] = Translation(0, 20, 0, 0, GOOD & ~(7 << 9) | rights << 9)
        assert access.run() == ended
        assert bool(access.machine.psr & 1 << 46) == (rights == 7)


def test_the_table_is_in_the_order_of_dcr() -> None:
    """cr.dcr.be is the order of the bytes that the walker reads (SDM vol. 2, table 3-5)."""
    access = walked("tpa r8=r9", GOOD)
    machine = access.machine
    machine.cr[CONTROL["dcr"]] = 1 << 1
    assert access.run() == "PAGE_NOT_PRESENT"  # the other way around, the bit is another
    machine.purge_translation_cache()
    machine.memory.write(ENTRY_AT, (GOOD | FRAME).to_bytes(8, "big"))
    assert access.run() == ""
    assert machine.gr[8] == FRAME


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("level", range(4))
def test_the_register_stack_has_a_level_and_an_order_of_its_own(level: int, order: Literal["little", "big"]) -> None:
    """Those of ar.rsc, whatever those of the code are; its page is that of psr.rt, not of psr.dt."""
    access = Access("flushrs ;;", PRESENT | ACCESSED | DIRTY | 2 << 7 | 2 << 9)  # rw at the levels 0 to 2
    machine = access.machine
    access.psr = access.psr & ~DT | 1 << 1  # big-endian data, by physical addresses
    machine.write_bspstore(FAR)
    machine.sof = 3
    machine.gr[32:35] = 0x1111, 0x2222, 0x3333
    machine.cover()
    machine.ar[APPLICATION["rsc"]] = level << 2 | (order == "big") << 4
    assert access.run() == ("DATA_ACCESS_RIGHTS" if level == 3 else "")
    if level < 3:
        expected = b"".join(value.to_bytes(8, order) for value in (0x1111, 0x2222, 0x3333))
        assert machine.memory.read(FRAME, 24) == expected
