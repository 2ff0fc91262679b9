"""Loads, stores, semaphores and speculation, against a reference that is a list of bytes and exact fractions."""

from __future__ import annotations

import struct
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pvsim.machine.configuration import Configuration
from pvsim.machine.interruptions import Interruption, Vector
from pvsim.machine.machine import Machine
from pvsim.machine.translation_cache import Translation

from tests.simulator.code import END, START, assembled, run
from tests.slow import examples

DATA = 0x2_0000
BIG = 1 << 1
AC = 1 << 3
IC = 1 << 13
DT = 1 << 17
IT = 1 << 36
ED = 1 << 43
NATVAL = 0x1FFFE << 64
SPECULATIVE, READ, WRITE, NON_ACCESS, DEFERS = 1 << 36, 1 << 34, 1 << 33, 1 << 35, 1 << 43

BYTES = st.binary(min_size=32, max_size=32)
WORDS = st.integers(0, 2**64 - 1)


def machine(source: str, data: bytes = bytes(32), configuration: Configuration | None = None) -> Machine:
    """About to run a program, with r9 the address of some bytes."""
    made = Machine(configuration=configuration)
    made.memory.write(START, assembled(source))
    made.memory.write(DATA, data)
    made.ip = START
    made.psr = IC
    made.gr[9] = DATA
    return made


def ended(made: Machine) -> Interruption:
    """How it ended, if not by the break at its end."""
    stop = made.run(10_000)
    assert stop is not None
    assert stop.immediate != END, "it went through"
    return stop


def number(data: bytes, is_big: bool) -> int:
    """What some bytes are, one after the other."""
    total = 0
    for byte in data if is_big else reversed(data):
        total = total * 256 + byte
    return total


def paged(
    made: Machine, *, entry: int = 1 | 1 << 5 | 1 << 6 | 3 << 7 | 2 << 9, at: int = DATA, defers: bool = True
) -> None:
    """Makes addresses virtual: a page of data at `at`, and one of code that lets speculative loads be deferred."""
    made.translation_registers["d"][0] = Translation(at, 12, 0, 0, entry | at)
    code = 1 | 1 << 5 | 1 << 6 | 3 << 7 | 1 << 9 | defers << 52
    made.translation_registers["i"][0] = Translation(START, 12, 0, 0, code | START)
    made.psr |= DT | IT


# ------------------------------------------------------------------------------------ loads and stores


@pytest.mark.parametrize("size", [1, 2, 4, 8])
@settings(max_examples=examples(25), deadline=None)
@given(data=BYTES, at=st.integers(0, 3), is_big=st.booleans(), value=WORDS)
def test_loads_and_stores(size: int, data: bytes, at: int, is_big: bool, value: int) -> None:
    made = machine(f"ld{size} r8=[r9],r11 ;;\n st{size} [r10]=r12,-{size}", data)
    made.psr |= BIG * is_big
    made.gr[9] += at * size
    made.gr[10], made.gr[11], made.gr[12] = DATA + 16, 40, value
    run(made)
    assert made.gr[8] == number(data[at * size : (at + 1) * size], is_big)
    assert (made.gr[9], made.gr[10]) == (DATA + at * size + 40, DATA + 16 - size)
    held = made.memory.read(DATA, 32)
    assert number(held[16 : 16 + size], is_big) == value % 256**size
    assert held[:16] + held[16 + size :] == data[:16] + data[16 + size :]


@pytest.mark.parametrize("is_big", [False, True])
def test_a_loop_over_pages_copies(is_big: bool) -> None:
    """Compiled, across pages, some of which nobody has written."""
    source = """
    mov r8=1200 ;;
    L: ld8 r11=[r9],8
       adds r8=-1,r8 ;;
       st8 [r10]=r11,8
       cmp.ne p6,p7=r0,r8 ;;
       (p6) br.cond.sptk.few L"""
    made = machine(source, bytes(number % 251 for number in range(9000)))
    made.psr |= BIG * is_big
    made.gr[10] = DATA + 0x10000
    run(made, 100_000)
    assert made.memory.read(DATA + 0x10000, 9600) == made.memory.read(DATA, 9600)


def test_views_are_dropped_with_what_they_depend_on() -> None:
    """A page that has been reached is refused when its translation goes, and read anew when bytes are the other way."""
    made = machine("nop.i 0\n L: ld8 r8=[r9] ;;\n br.cond.sptk.few L", bytes(range(32)))
    paged(made)
    assert made.run(200) is None
    assert made.gr[8] == number(bytes(range(8)), False)
    made.psr |= BIG
    assert made.run(200) is None
    assert made.gr[8] == number(bytes(range(8)), True)
    made.psr &= ~BIG
    assert made.run(200) is None
    made.purge_translation_registers("d", DATA, 12 << 2)
    stop = made.run(200)
    assert stop is not None
    assert stop.vector == Vector.ALTERNATE_DATA_TLB


@settings(max_examples=examples(25), deadline=None)
@given(value=WORDS, nat=st.integers(0, 1), unat=WORDS, at=st.integers(0, 63))
def test_spill_and_fill_keep_a_nat(value: int, nat: int, unat: int, at: int) -> None:
    """ar.unat has the bit at the place that bits 8 to 3 of the address say."""
    made = machine("st8.spill [r9]=r8,8 ;;\n ld8.fill r10=[r11]")
    made.gr[9] = made.gr[11] = DATA + 8 * at
    made.gr[8], made.nat[8], made.ar[36] = value, nat, unat
    run(made)
    assert (made.gr[10], made.nat[10]) == (value, nat)
    assert made.ar[36] == (unat & ~(1 << at)) + (nat << at)


def test_ld16_and_st16() -> None:
    made = machine("ld16 r8,ar.csd=[r9] ;;\n st16 [r10]=r8,ar.csd", bytes(range(32)))
    made.gr[10] = DATA + 16
    run(made)
    assert made.memory.read(DATA + 16, 16) == bytes(range(16))
    assert made.ar[25] == number(bytes(range(8, 16)), False)


# ---------------------------------------------------------------------------------------- semaphores


@pytest.mark.parametrize("size", [1, 2, 4, 8])
@pytest.mark.parametrize("is_same", [True, False])
def test_compare_and_exchange(size: int, is_same: bool) -> None:
    data = bytes(range(1, 33))
    held = number(data[:size], False)
    made = machine(f"cmpxchg{size}.acq r8=[r9],r10,ar.ccv ;;\n xchg{size} r11=[r9],r8", data)
    made.gr[10] = 2**64 - 1
    made.ar[32] = held if is_same else held ^ 1
    run(made)
    assert made.gr[8] == held
    assert made.gr[11] == (256**size - 1 if is_same else held)
    assert made.memory.read(DATA, 32) == data


@pytest.mark.parametrize("amount", [-16, -8, -4, -1, 1, 4, 8, 16])
@pytest.mark.parametrize("size", [4, 8])
def test_fetchadd(size: int, amount: int) -> None:
    made = machine(f"fetchadd{size}.rel r8=[r9],{amount}", b"\x03" + bytes(31))
    run(made)
    assert made.gr[8] == 3
    assert number(made.memory.read(DATA, 8), False) == (3 + amount) % 256**size


@pytest.mark.parametrize("at", [0, 8])
def test_cmp8xchg16(at: int) -> None:
    """Eight bytes are compared, the sixteen around them written."""
    made = machine("cmp8xchg16.acq r8=[r9],r10,ar.csd,ar.ccv", bytes(range(32)))
    made.gr[9], made.gr[10], made.ar[25] = DATA + at, 1, 2
    made.ar[32] = number(bytes(range(at, at + 8)), False)
    run(made)
    assert made.memory.read(DATA, 16) == b"\1" + bytes(7) + b"\2" + bytes(7)


# ------------------------------------------------------------------------------ floating-point formats


def rational(register: int) -> Fraction:
    """What a register is worth; no NaN, no infinity."""
    sign, exponent, significand = register >> 81, register >> 64 & 0x1FFFF, register & 2**64 - 1
    return Fraction(-1) ** sign * Fraction(significand) * Fraction(2) ** ((exponent or 0xC001) - 0xFFFF - 63)


@settings(max_examples=examples(60), deadline=None)
@given(value=st.floats(allow_nan=False, allow_infinity=False, width=32))
@example(value=2.0**-149)
@example(value=2.0**-126)
def test_singles(value: float) -> None:
    made = machine("ldfs f8=[r9] ;;\n stfs [r10]=f8 ;;\n getf.s r8=f8 ;;\n setf.s f9=r8", struct.pack("<f", value))
    made.gr[10] = DATA + 16
    run(made)
    assert rational(made.fr[8]) == Fraction(value)
    assert made.memory.read(DATA + 16, 4) == struct.pack("<f", value)
    assert made.fr[9] == made.fr[8]


@settings(max_examples=examples(60), deadline=None)
@given(value=st.floats(allow_nan=False, allow_infinity=False))
@example(value=5e-324)
@example(value=2.0**-1022)
@example(value=-0.0)
def test_doubles(value: float) -> None:
    made = machine("ldfd f8=[r9] ;;\n stfd [r10]=f8 ;;\n getf.d r8=f8 ;;\n setf.d f9=r8", struct.pack("<d", value))
    made.gr[10] = DATA + 16
    run(made)
    assert rational(made.fr[8]) == Fraction(value)
    assert made.memory.read(DATA + 16, 8) == struct.pack("<d", value)
    assert made.fr[9] == made.fr[8]


@settings(max_examples=examples(25), deadline=None)
@given(data=BYTES, is_big=st.booleans())
def test_extended_numbers_and_spilled_registers_come_back(data: bytes, is_big: bool) -> None:
    data = bytes(10) + data[10:] if data[:1] < b"\x20" else data
    made = machine("ldfe f8=[r9] ;;\n stfe [r9]=f8 ;;\n stf.spill [r10]=f8 ;;\n ldf.fill f9=[r10]", data)
    made.psr |= BIG * is_big
    made.gr[10] = DATA + 16
    run(made)
    assert made.memory.read(DATA, 10) == data[:10]
    assert made.fr[9] == made.fr[8]


@pytest.mark.parametrize(("name", "size"), [("ldfps", 4), ("ldfpd", 8), ("ldfp8", 8)])
@pytest.mark.parametrize("is_big", [False, True])
def test_pairs_are_two_numbers_side_by_side(name: str, size: int, is_big: bool) -> None:
    """A low and a high register: psr.mfl and psr.mfh both are noted."""
    one = name.replace("p", "")
    data = bytes(range(0x40, 0x60))
    made = machine(f"{name} f8,f41=[r9] ;;\n {one} f10=[r9],{size} ;;\n {one} f11=[r9]", data)
    made.psr |= BIG * is_big
    run(made)
    assert (made.fr[8], made.fr[41]) == (made.fr[10], made.fr[11])
    assert made.psr >> 4 & 3 == 3


def test_pairs_are_of_an_odd_and_an_even_register() -> None:
    """Where one of them is renamed, after that (SDM 3:2, ldfp)."""
    assert ended(machine("ldfps f8,f34=[r9]")).code == 0
    rotated = machine("ldfps f8,f34=[r9]")
    rotated.rrb_fr = 1
    run(rotated)


# ------------------------------------------------------------------------------------------- faults


@pytest.mark.parametrize(
    ("source", "access"),
    [
        ("ld8 r8=[r9]", READ),
        ("st4 [r9]=r8", WRITE),
        ("xchg1 r8=[r9],r10", READ | WRITE),
        ("ldfd f8=[r9]", READ),
        ("stf.spill [r9]=f8", WRITE),
        ("lfetch.fault [r9]", READ | NON_ACCESS | 4),
    ],
)
def test_an_address_that_is_a_nat(source: str, access: int) -> None:
    made = machine(source)
    made.nat[9] = 1
    stop = ended(made)
    assert (stop.vector, stop.code) == (Vector.NAT_CONSUMPTION, access | 0x10)


@pytest.mark.parametrize("source", ["st8 [r9]=r8", "cmpxchg8.acq r10=[r9],r8,ar.ccv", "stfs [r9]=f8"])
def test_a_nat_cannot_be_stored(source: str) -> None:
    made = machine(source)
    made.nat[8], made.fr[8] = 1, NATVAL
    assert ended(made).vector == Vector.NAT_CONSUMPTION


PRESENT, ACCESSED, DIRTY, LEVEL_3 = 1, 1 << 5, 1 << 6, 3 << 7
GOOD = PRESENT | ACCESSED | DIRTY | LEVEL_3 | 2 << 9


@pytest.mark.parametrize(
    ("source", "entry", "vector"),
    [
        ("ld8 r8=[r9]", GOOD & ~PRESENT, Vector.PAGE_NOT_PRESENT),
        ("ld8 r8=[r9]", GOOD | 7 << 2, Vector.NAT_CONSUMPTION),
        ("st8 [r9]=r8", GOOD & ~(7 << 9), Vector.DATA_ACCESS_RIGHTS),
        ("st8 [r9]=r8", GOOD & ~DIRTY, Vector.DIRTY_BIT),
        ("ld8 r8=[r9]", GOOD & ~ACCESSED, Vector.DATA_ACCESS_BIT),
        ("st8 [r9]=r8", GOOD & ~(ACCESSED | DIRTY), Vector.DIRTY_BIT),  # the one of higher priority
        ("ld16 r8,ar.csd=[r9]", GOOD | 4 << 2, Vector.UNSUPPORTED_DATA_REFERENCE),
        ("fetchadd8.acq r8=[r9],1", GOOD | 4 << 2, Vector.UNSUPPORTED_DATA_REFERENCE),
    ],
)
def test_faults_of_a_page(source: str, entry: int, vector: Vector) -> None:
    made = machine(source)
    paged(made, entry=entry)
    stop = ended(made)
    access = {"l": READ, "s": WRITE, "f": READ | WRITE}[source[0]]
    assert (stop.vector, stop.address) == (vector, DATA)
    assert stop.code == access | (0x20 if vector == Vector.NAT_CONSUMPTION else DEFERS)


@pytest.mark.parametrize(
    ("within", "ac", "at", "faults"), [(0, 0, 1, True), (16, 0, 1, False), (16, AC, 1, True), (16, 0, 9, True)]
)
def test_data_that_is_not_aligned(within: int, ac: int, at: int, faults: bool) -> None:
    """The model says what is done of it while psr.ac is 0."""
    made = machine("ld8 r8=[r9]", bytes(range(32)), Configuration(unaligned_within=within))
    made.psr |= ac
    made.gr[9] += at
    if faults:
        stop = ended(made)
        assert (stop.vector, stop.address, stop.code) == (Vector.UNALIGNED_REFERENCE, DATA + at, READ)
    else:
        run(made)
        assert made.gr[8] == number(bytes(range(at, at + 8)), False)


# -------------------------------------------------------------------------------------- speculation


@pytest.mark.parametrize(
    ("dcr", "defers", "is_deferred"), [(1 << 8, True, True), (0, True, False), (1 << 8, False, False)]
)
def test_a_speculative_load_is_deferred_as_the_system_wants(dcr: int, defers: bool, is_deferred: bool) -> None:
    """cr.dcr, and the page of the code (SDM vol. 2, table 5-4)."""
    made = machine("ld8.s r8=[r9],8 ;;\n ldfd.s f8=[r9]")
    paged(made, at=DATA + 0x1000, defers=defers)
    made.cr[0] = dcr
    if is_deferred:
        run(made)
        assert (made.nat[8], made.fr[8], made.gr[9]) == (1, NATVAL, DATA + 8)
    else:
        stop = ended(made)
        assert stop.vector == Vector.ALTERNATE_DATA_TLB
        assert stop.code == READ | SPECULATIVE | DEFERS * defers


def test_psr_ed_defers_one_load() -> None:
    made = machine("ld8.s r8=[r9] ;;\n ld8.s r10=[r9]", bytes(range(32)))
    paged(made)
    made.psr |= ED
    run(made)
    assert (made.nat[8], made.nat[10]) == (1, 0)
    assert not made.psr & ED


def test_chk_s_branches_for_a_nat() -> None:
    made = machine("chk.s.m r8,L ;;\n mov r10=1 ;;\n L: mov r11=1")
    made.nat[8] = 1
    run(made)
    assert (made.gr[10], made.gr[11]) == (0, 1)


@pytest.mark.parametrize("instruction", ["chk.a.nc f8,L", "chk.a.clr f40,L", "invala.e f8"])
def test_what_asks_the_alat_does_not_look_at_the_register(instruction: str) -> None:
    """psr.dfl and psr.dfh disable what reads or writes a floating-point register; chk.a names an entry."""
    made = machine(f"{instruction} ;;\n mov r8=1\n L: mov r11=1")
    made.psr |= 3 << 18
    run(made)
    assert made.gr[11] == 1


@pytest.mark.parametrize(("entries", "holds"), [(0, False), (32, True), (None, True)])
@pytest.mark.parametrize("is_written", [False, True])
def test_advanced_loads(entries: int | None, holds: bool, is_written: bool) -> None:
    """A store to what was loaded makes the check fail; without an ALAT each does, and the load is done again."""
    source = """
    ld8.a r8=[r9] ;;
    st1 [r10]=r11 ;;
    mov r8=5 ;;
    ld8.c.nc r8=[r9] ;;
    chk.a.clr r8,L ;;
    mov r12=1 ;;
    L:"""
    made = machine(source, bytes(32), Configuration(alat_entries=entries))
    paged(made)
    made.gr[10] = DATA + (7 if is_written else 8)
    made.gr[11] = 1
    run(made)
    assert made.gr[8] == (5 if holds and not is_written else (1 << 56) * is_written)
    assert made.gr[12] == int(holds)


def test_the_alat_forgets_the_oldest() -> None:
    loads = "\n".join(f"ld8.a r{16 + number}=[r9] ;;" for number in range(3))
    made = machine(f"{loads}\n chk.a.nc r16,L ;;\n mov r8=1 ;;\n L:", bytes(32), Configuration(alat_entries=2))
    paged(made)
    run(made)
    assert (made.gr[8], len(made.advanced)) == (0, 2)
