"""Each vector of the interruption vector table: how it is reached, and what is collected then.

What is expected is put together from the manual: the vectors' pages of SDM vol. 2, chapter 8, for which registers are
set and which bits of cr.isr; table 3-7 for the places of the bits; table 5-2 for the codes of instructions that access
nothing. The programs run with virtual addresses at level 0, mapped to themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest
from msgspec import Struct
from pvsim.machine.configuration import Configuration
from pvsim.machine.interruptions import Vector
from pvsim.machine.machine import Machine
from pvsim.machine.translation_cache import Translation

from pvasm.isa.registers import APPLICATION, CONTROL
from tests.simulator.code import START, assembled

X, W, R, NA, SP, RS, IR, NI = (1 << bit for bit in range(32, 40))
ED = 1 << 43
BE, UP, AC, MFL, IC, INTERRUPTS, PK, DT, DFL, DFH = (1 << bit for bit in (1, 2, 3, 4, 13, 14, 15, 17, 18, 19))
PP, DI, SI, DB, LP, TB, RT, IT, ID, DA, DD, SS, PSR_ED, BN, VM = (
    1 << bit for bit in (21, 22, 23, 24, 25, 26, 27, 36, 37, 38, 39, 40, 43, 44, 46)
)
STATUS: Final = IC | DT | RT | IT | BN
IVA: Final = 0x8_0000
DATA: Final = 0x4_0000
FAR: Final = 2 << 61 | 0x4000  # an address of another region, which nothing maps
RID, PS = 0x123, 14
TABLE_REGION, TABLE_RID = 5, 0x55  # where the long table is
FAULTING: Final = START + 16
DEFAULTS: Final = PS << 2 | RID << 8  # of cr.itir
RESUME: Final = START + 32

PRESENT, ACCESSED, DIRTY = 1, 1 << 5, 1 << 6
GOOD: Final = PRESENT | ACCESSED | DIRTY | 3 << 7 | 3 << 9  # rwx at each level
UNCACHED, NAT_PAGE = 4 << 2, 7 << 2


def general(code: int) -> int:
    """The code of a General Exception, in its place."""
    return code << 4


def page(machine: Machine, kind: str, entry: int, *, at: int = FAR, frame: int = DATA, key: int = 7) -> None:
    """Maps a page of 16 KiB."""
    kept = machine.translation_registers[kind]
    region = machine.rr[at >> 61] >> 8
    kept[len(kept)] = Translation(at & (1 << 61) - 1, PS, region, key, entry | frame)


def bundle(unit: str, line: str) -> str:
    """A bundle with an instruction of a unit in the last slot that such a one may have."""
    form = {
        "m": "{{ .mmi\n nop.m 0\n {}\n nop.i 0 ;; }}",
        "i": "{{ .mii\n nop.m 0\n nop.i 0\n {} ;; }}",
        "f": "{{ .mfi\n nop.m 0\n {}\n nop.i 0 ;; }}",
        "b": "{{ .mib\n nop.m 0\n nop.i 0\n {} ;; }}",
    }[unit]
    return form.format(line)


SLOTS: Final = {"m": 1, "i": 2, "f": 1, "b": 2}
NOPS: Final = "{ .mii\n nop.m 0\n nop.i 0\n nop.i 0 ;; }"

Setup = Callable[[Machine], None]


class Case(Struct, frozen=True):
    """How a vector is reached, and what is expected of cr.isr, but for ni, and of the registers that are set.

    `at` is where the interruption is told to be, with the slot in the low bits: the instruction, or, if it comes behind
    that, where control goes. `trapped` is the slot of an instruction behind which a trap comes.
    """

    vector: Vector
    line: str
    unit: str = "m"
    setups: tuple[Setup, ...] = ()
    isr: int = 0
    ifa: int | None = None
    itir: int | None = None
    iim: int | None = None
    iha: int | None = None
    psr: int = 0
    at: int | None = None
    trapped: int | None = None
    previous: int = FAULTING
    configuration: Configuration | None = None

    @property
    def place(self) -> int:
        """Where the interruption is told to be."""
        return self.at if self.at is not None else FAULTING | SLOTS[self.unit]

    def __str__(self) -> str:
        return f"{self.vector.name.lower()}: {self.line}"


def case(vector: Vector, line: str, *setups: Setup, **expected: Any) -> Case:
    """A case of an instruction of the unit M, unless it is said otherwise."""
    return Case(vector, line, setups=setups, **expected)


def data(vector: Vector, line: str, isr: int, *setups: Setup, **expected: Any) -> Case:
    """A case of an access to FAR, or of none, by an M instruction."""
    return Case(vector, line, setups=setups, isr=isr, **{"ifa": FAR, "itir": DEFAULTS, **expected})


def fetch(vector: Vector, *setups: Setup, isr: int = X, **expected: Any) -> Case:
    """A case of code that is fetched from FAR, where a branch has gone."""
    told = {"ifa": FAR, "itir": DEFAULTS, "at": FAR, "unit": "b", **expected}
    return Case(vector, "br.cond.sptk.few b6", setups=setups, isr=isr, **told)


UNNORMAL: Final = 0xFFFE << 64 | 0x7 << 60  # 0.4375, without a leading 1


def machine_for(case: Case, code_entry: int = GOOD) -> Machine:
    """About to run a bundle of nops, the case's bundle, and another one."""
    machine = Machine(configuration=case.configuration)
    machine.memory.write(START, assembled(f"{NOPS}\n{bundle(case.unit, case.line)}\n{NOPS}"))
    for kind in "di":
        machine.translation_registers[kind][0] = Translation(0, 20, 0, 0, code_entry)
    machine.rr = [PS << 2, *(RID << 8 | PS << 2 for _ in range(7))]
    machine.rr[TABLE_REGION] = TABLE_RID << 8 | 16 << 2
    machine.psr = STATUS | case.psr
    machine.cr[CONTROL["iva"]] = IVA
    machine.cr[CONTROL["ifs"]] = 1 << 63 | 0x1234
    machine.files["pkr"][0] = 1  # the key 0, of the code
    machine.write_bspstore(DATA)
    machine.gr[9], machine.br[6] = FAR, FAR
    machine.ip = START
    machine.delivers = True
    for setup in case.setups:
        setup(machine)
    return machine


def run_to_vector(machine: Machine) -> None:
    """Runs until an interruption has been delivered."""
    for _ in range(12):
        machine.run(1)
        if IVA <= machine.ip < IVA + 0x8000:
            return
    raise AssertionError(f"no interruption, at {machine.ip:#x}")


def writes(file: str, *values: int) -> Setup:
    """Sets the first registers of an indexed file."""

    def setup(machine: Machine) -> None:
        for number, value in enumerate(values):
            machine.write_indexed(file, number, value)

    return setup


def maps(entry: int, kind: str = "d") -> Setup:
    """Maps the page that no program has otherwise."""
    return lambda machine: page(machine, kind, entry)


def general_register(number: int, value: int, nat: int = 0) -> Setup:
    """Sets a general register."""

    def setup(machine: Machine) -> None:
        machine.gr[number], machine.nat[number] = value, nat

    return setup


def application(name: str, value: int) -> Setup:
    """Sets an application register."""
    return lambda machine: machine.ar.__setitem__(APPLICATION[name], value)


def branch_register(number: int, value: int) -> Setup:
    """Sets a branch register."""
    return lambda machine: machine.br.__setitem__(number, value)


def float_register(number: int, value: int) -> Setup:
    """Sets a floating-point register."""
    return lambda machine: machine.fr.__setitem__(number, value)


def walks(base: int, *, is_long: bool = False) -> Setup:
    """Turns the walker on, in region 2: a table of 32 KiB."""

    def setup(machine: Machine) -> None:
        machine.cr[CONTROL["pta"]] = base | is_long << 8 | 15 << 2 | 1
        machine.rr[2] |= 1

    return setup


SHORT: Final = 0x1FFF_8000_0000_0000  # where the short table is, in each region
SHORT_PLACE: Final = 2 << 61 | SHORT | 8  # the entry of FAR, the region's second page
LONG: Final = TABLE_REGION << 61
LONG_PLACE: Final = LONG | (1 ^ RID) << 5  # the hash of this machine: the page's number and the region's id

TABLE_AT: Final = 0x5_0000  # where tables are in memory


def table(*words: int, place: int = SHORT_PLACE) -> Setup:
    """Maps the page of the table that has an entry, and puts words there."""

    def puts_table(machine: Machine) -> None:
        start = place & ~0x3FFF
        page(machine, "d", GOOD, at=start, frame=TABLE_AT)
        at = TABLE_AT + (place & 0x3FFF)
        machine.memory.write(at, b"".join(word.to_bytes(8, "little") for word in words))

    return puts_table


def returns_from(address: int) -> Setup:
    """The frame that `br.ret b0` goes back to has five registers, which are in memory below an address."""

    def setup(machine: Machine) -> None:
        machine.sof = 0
        machine.write_bspstore(address)
        machine.br[0] = RESUME
        machine.ar[APPLICATION["pfs"]] = 5 | 5 << 7

    return setup


def spills_to(address: int) -> Setup:
    """A frame of five registers is dirty, and belongs to an address."""

    def setup(machine: Machine) -> None:
        machine.sof = 5
        machine.write_bspstore(address)
        machine.cover()

    return setup


def loads_from(address: int) -> Setup:
    """An empty frame; the five registers below an address are to be loaded."""

    def setup(machine: Machine) -> None:
        machine.sof = 0
        machine.write_bspstore(address)
        machine.ar[APPLICATION["rsc"]] = 5 * 8 << 16

    return setup


UNMASKED: Final = application("fpsr", 0x0009_804C_0270_033F & ~0x23)
"""The traps for invalid operations, operands without a leading 1, and inexact results are on."""

V = Vector
LD, ST = "ld8 r8=[r9]", "st8 [r9]=r8"
RETURN: Final[dict[str, Any]] = {"unit": "b", "at": RESUME}
LIMITED: Final = Configuration(virtual_bits=51, physical_bits=40)
NO_RECOVERY: Final = Configuration(checks_branch=False)
WATCHED: Final = 0xF << 56 | (1 << 56) - 1  # at each level, this address
SIGNALLING_NAN: Final = 0x1FFFF << 64 | 1 << 63 | 1
ONE, SMALL = 0xFFFF << 64 | 1 << 63, 0xFFFF - 30 << 64 | 1 << 63
DISTANCE: Final = 7  # in bundles, of the recovery code of checks
STATUS_OF_SF0: Final = 0x0009_804C_0270_033F
NAT_OF_R9: Final = general_register(9, FAR, nat=1)
READS_OF_RSE, WRITES_OF_RSE = R | RS, W | RS
WALKED_BADLY: Final = (walks(SHORT), table(GOOD | 2))  # a reserved bit
USER: Final = 3 << 32

SPECULATIONS: Final[list[tuple[int, str, str, tuple[Setup, ...]]]] = [
    (0, "m", f"chk.a.nc r9,.+{DISTANCE * 16}", ()),
    (1, "m", f"chk.s.m r9,.+{DISTANCE * 16}", (NAT_OF_R9,)),
    (1, "i", f"chk.s.i r9,.+{DISTANCE * 16}", (NAT_OF_R9,)),
    (2, "m", f"chk.a.clr f9,.+{DISTANCE * 16}", ()),
    (3, "m", f"chk.s f9,.+{DISTANCE * 16}", (float_register(9, 0x1FFFE << 64),)),
    (4, "f", f"fchkf.s1 .+{DISTANCE * 16}", (application("fpsr", STATUS_OF_SF0 & ~0x3F | 1 << 26),)),
]
"""Checks that do not hold: what cr.isr.code says of each."""

CASES: Final = [
    # VHPT Translation: the page of the table is not there; cr.itir is of the table's region, whose size is 64 KiB.
    data(V.VHPT_TRANSLATION, LD, R, walks(SHORT), iha=SHORT_PLACE),
    data(V.VHPT_TRANSLATION, ST, W, walks(LONG, is_long=True), itir=TABLE_RID << 8 | 16 << 2, iha=LONG_PLACE),
    fetch(V.VHPT_TRANSLATION, walks(SHORT), iha=SHORT_PLACE),
    data(
        *(V.VHPT_TRANSLATION, "br.ret.sptk.few b0", READS_OF_RSE | IR, returns_from(FAR + 0x100), walks(SHORT)),
        **{"ifa": FAR + 0xF8, "iha": SHORT_PLACE, **RETURN},
    ),
    # The table's entry is not good: reserved bits, a tag that is not valid, one of another page.
    data(V.DATA_TLB, LD, R, *WALKED_BADLY, iha=SHORT_PLACE),
    data(
        *(V.DATA_TLB, "fetchadd8.acq r8=[r9],1", R | W, walks(LONG, is_long=True)),
        table(GOOD, PS << 2, 1 << 63, place=LONG_PLACE),
        iha=LONG_PLACE,
    ),
    data(
        *(V.DATA_TLB, LD, R, walks(LONG, is_long=True), table(GOOD, PS << 2, 77, place=LONG_PLACE)),
        iha=LONG_PLACE,
    ),
    data(V.DATA_TLB, "flushrs", WRITES_OF_RSE, spills_to(FAR), *WALKED_BADLY, iha=SHORT_PLACE),
    fetch(V.INSTRUCTION_TLB, *WALKED_BADLY, iha=SHORT_PLACE),
    # The walker is off. What accesses nothing says what it is.
    fetch(V.ALTERNATE_INSTRUCTION_TLB),
    data(V.ALTERNATE_DATA_TLB, LD, R),
    data(V.ALTERNATE_DATA_TLB, ST, W),
    data(V.ALTERNATE_DATA_TLB, "xchg8 r8=[r9],r10", R | W),
    data(V.ALTERNATE_DATA_TLB, "ld8.s r8=[r9]", R | SP),
    data(V.ALTERNATE_DATA_TLB, "tpa r8=r9", NA | 0),
    data(V.ALTERNATE_DATA_TLB, "fc r9", NA | R | 1),
    data(V.ALTERNATE_DATA_TLB, "probe.r r8=r9,0", NA | R | 2),
    data(V.ALTERNATE_DATA_TLB, "probe.w r8=r9,0", NA | W | 2),
    data(V.ALTERNATE_DATA_TLB, "lfetch.fault [r9]", NA | R | 4),
    data(V.ALTERNATE_DATA_TLB, "probe.rw.fault r9,0", NA | R | W | 5),
    data(V.ALTERNATE_DATA_TLB, "flushrs", WRITES_OF_RSE, spills_to(FAR)),
    data(V.ALTERNATE_DATA_TLB, "alloc r8=ar.pfs,0,96,0,0", WRITES_OF_RSE, spills_to(FAR)),
    data(
        *(V.ALTERNATE_DATA_TLB, "loadrs", READS_OF_RSE, loads_from(FAR + 0x100)),
        ifa=FAR + 0xF8,
    ),
    data(
        *(V.ALTERNATE_DATA_TLB, "br.ret.sptk.few b0", READS_OF_RSE | IR, returns_from(FAR + 0x100)),
        **{"ifa": FAR + 0xF8, **RETURN},
    ),
    # Protection keys.
    fetch(V.INSTRUCTION_KEY_MISS, maps(GOOD, "i"), psr=PK),
    data(V.DATA_KEY_MISS, LD, R, maps(GOOD), psr=PK),
    data(V.DATA_KEY_MISS, "probe.r r8=r9,0", NA | R | 2, maps(GOOD), psr=PK),
    fetch(V.KEY_PERMISSION, maps(GOOD, "i"), writes("pkr", 1, 7 << 8 | 8 | 1), psr=PK),
    data(V.KEY_PERMISSION, LD, R, maps(GOOD), writes("pkr", 1, 7 << 8 | 4 | 1), psr=PK),
    data(V.KEY_PERMISSION, ST, W, maps(GOOD), writes("pkr", 1, 7 << 8 | 2 | 1), psr=PK),
    # What the page says.
    data(V.DIRTY_BIT, ST, W, maps(GOOD & ~DIRTY)),
    data(V.DIRTY_BIT, "probe.w.fault r9,0", NA | W | 5, maps(GOOD & ~DIRTY)),
    data(V.DIRTY_BIT, "flushrs", WRITES_OF_RSE, spills_to(FAR), maps(GOOD & ~DIRTY)),
    fetch(V.INSTRUCTION_ACCESS_BIT, maps(GOOD & ~ACCESSED, "i")),
    data(V.DATA_ACCESS_BIT, LD, R, maps(GOOD & ~ACCESSED)),
    fetch(V.PAGE_NOT_PRESENT, maps(GOOD & ~PRESENT, "i")),
    data(V.PAGE_NOT_PRESENT, LD, R, maps(GOOD & ~PRESENT)),
    data(V.PAGE_NOT_PRESENT, LD, R, walks(SHORT), table(0)),
    data(
        *(V.PAGE_NOT_PRESENT, "br.ret.sptk.few b0", READS_OF_RSE | IR, returns_from(FAR + 0x100)),
        maps(GOOD & ~PRESENT),
        **{"ifa": FAR + 0xF8, **RETURN},
    ),
    fetch(V.INSTRUCTION_ACCESS_RIGHTS, maps(GOOD & ~(7 << 9), "i")),
    data(V.DATA_ACCESS_RIGHTS, ST, W, maps(GOOD & ~(7 << 9))),
    data(V.DATA_ACCESS_RIGHTS, LD, R, maps(GOOD & ~(3 << 7)), psr=USER),
    data(
        *(V.DATA_ACCESS_RIGHTS, "flushrs", WRITES_OF_RSE, spills_to(FAR), maps(GOOD & ~(3 << 7))),
        application("rsc", 3 << 2),  # the register stack's own level
    ),
    # Instructions that end in nothing but a fault.
    case(V.BREAK_INSTRUCTION, "break.m 0x12345", iim=0x12345),
    case(V.BREAK_INSTRUCTION, "break.b 0x12345", unit="b", iim=0),
    case(V.GENERAL_EXCEPTION, "mov r8=cr.ifa", isr=general(0)),
    case(V.GENERAL_EXCEPTION, "mov r8=psr", isr=general(1), psr=USER),
    case(V.GENERAL_EXCEPTION, "tpa r8=r9", isr=general(1) | NA | 0, psr=USER),
    case(V.GENERAL_EXCEPTION, "mov.m ar.k0=r9", isr=general(2), psr=USER),
    case(V.GENERAL_EXCEPTION, "mov.m r8=ar.itc", isr=general(2), psr=USER | SI),
    case(V.GENERAL_EXCEPTION, "mov cr.pta=r9", general_register(9, 2), isr=general(3)),
    data(
        *(V.GENERAL_EXCEPTION, LD, general(3) | R, general_register(9, 1 << 55)),
        ifa=1 << 55,
        itir=None,
        configuration=LIMITED,
    ),
    case(V.GENERAL_EXCEPTION, "br.ia.sptk.few b6", unit="b", isr=general(4), psr=DI),
    case(V.DISABLED_FP_REGISTER, "fmerge.s f8=f8,f8", unit="f", isr=1, psr=DFL),
    case(V.DISABLED_FP_REGISTER, "fmerge.s f40=f8,f8", unit="f", isr=2, psr=DFH),
    case(V.DISABLED_FP_REGISTER, "fmerge.s f40=f8,f8", unit="f", isr=3, psr=DFL | DFH),
    case(V.DISABLED_FP_REGISTER, "ldfd f40=[r9]", isr=2 | R, psr=DFH),
    case(V.NAT_CONSUMPTION, "mov b6=r9", NAT_OF_R9, unit="i", isr=0x10),
    case(V.NAT_CONSUMPTION, LD, NAT_OF_R9, isr=0x10 | R),
    case(V.NAT_CONSUMPTION, "probe.w r8=r9,0", NAT_OF_R9, isr=0x10 | NA | W | 2),
    data(V.NAT_CONSUMPTION, LD, 0x20 | R, maps(GOOD | NAT_PAGE), itir=None),
    data(V.NAT_CONSUMPTION, "lfetch.fault [r9]", 0x20 | NA | R | 4, maps(GOOD | NAT_PAGE), itir=None),
    fetch(V.NAT_CONSUMPTION, maps(GOOD | NAT_PAGE, "i"), isr=0x20 | X, itir=None),
    # Checks whose recovery software does: the kind of check, and the distance.
    *(
        case(V.SPECULATION, line, *setups, isr=code, iim=DISTANCE, unit=unit, configuration=NO_RECOVERY)
        for code, unit, line, setups in SPECULATIONS
    ),
    # Breakpoints.
    case(
        *(V.DEBUG, "nop.m 1", writes("ibr", FAULTING, 1 << 63 | WATCHED)),
        isr=X,
        ifa=FAULTING,
        psr=DB,
        at=FAULTING,
        previous=START,
    ),
    data(V.DEBUG, LD, R, maps(GOOD), writes("dbr", FAR, 1 << 63 | WATCHED), psr=DB, itir=None),
    data(V.DEBUG, ST, W, maps(GOOD), writes("dbr", FAR, 1 << 62 | WATCHED), psr=DB, itir=None),
    data(
        *(V.DEBUG, "flushrs", WRITES_OF_RSE, maps(GOOD), spills_to(FAR), writes("dbr", FAR, 1 << 62 | WATCHED)),
        psr=DB,
        itir=None,
    ),
    # Accesses that the page does not let be.
    data(V.UNALIGNED_REFERENCE, LD, R, general_register(9, DATA + 1), ifa=DATA + 1, itir=None),
    data(
        V.UNALIGNED_REFERENCE, "fetchadd4.acq r8=[r9],1", R | W, general_register(9, DATA + 2), ifa=DATA + 2, itir=None
    ),
    data(V.UNSUPPORTED_DATA_REFERENCE, "ld16 r8,ar.csd=[r9]", R, maps(GOOD | UNCACHED), itir=None),
    # Floating point: V is the first bit of a fault's code; a trap's has I of the whole in bit 13.
    case(V.FLOATING_POINT_FAULT, "fadd f8=f9,f9", float_register(9, SIGNALLING_NAN), UNMASKED, unit="f", isr=1),
    # D alone: what the conversion would round to, fpa among it, is told by traps (SDM 1:104; vol. 2, 8.1.2.3).
    case(V.FLOATING_POINT_FAULT, "fcvt.fx.s0 f8=f9", float_register(9, UNNORMAL), UNMASKED, unit="f", isr=1 << 1),
    case(
        *(V.FLOATING_POINT_TRAP, "fadd.s f8=f9,f10", float_register(9, ONE), float_register(10, SMALL), UNMASKED),
        unit="f",
        isr=1 | 1 << 13,
        at=FAULTING | 2,
        trapped=1,
    ),
    # Traps: the code has a bit for each that comes at once.
    case(
        *(V.LOWER_PRIVILEGE_TRANSFER_TRAP, "br.ret.sptk.few b6", branch_register(6, RESUME)),
        application("pfs", 3 << 62),
        unit="b",
        isr=1 << 1,
        psr=LP,
        at=RESUME,
        trapped=2,
    ),
    case(
        *(V.LOWER_PRIVILEGE_TRANSFER_TRAP, "br.ret.sptk.few b6", branch_register(6, RESUME)),
        application("pfs", 3 << 62),
        unit="b",
        isr=1 << 1 | 1 << 2,
        psr=LP | TB,
        at=RESUME,
        trapped=2,
    ),
    case(
        *(V.LOWER_PRIVILEGE_TRANSFER_TRAP, "br.cond.sptk.few b6", branch_register(6, 1 << 55)),
        unit="b",
        isr=1 << 4,
        at=1 << 55,
        trapped=2,
        configuration=LIMITED,
    ),
    case(
        *(V.TAKEN_BRANCH_TRAP, "br.cond.sptk.few b6", branch_register(6, RESUME)),
        unit="b",
        isr=1 << 2,
        psr=TB,
        at=RESUME,
        trapped=2,
    ),
    case(
        *(V.SINGLE_STEP_TRAP, "nop.m 1"),
        isr=1 << 3,
        psr=SS,
        at=START | 1,
        trapped=0,
        previous=START,
    ),
    # An interrupt comes before an instruction; here before the one behind that which lets it through.
    case(V.EXTERNAL_INTERRUPT, "ssm psr.i", lambda machine: machine.raise_interrupt(0x30), at=FAULTING | 2),
    # So does the guest's, as soon as the guest runs: here before the first instruction of all.
    case(V.VIRTUAL_EXTERNAL_INTERRUPT, "nop.m 1", Machine.raise_guest_interrupt, psr=VM, at=START, previous=0),
    case(V.VIRTUALIZATION, "thash r8=r9", psr=VM),
]

# While psr.ic is 0, misses of data are on it (test_without_collection_cr_isr_alone_is_set).
UNREACHED: Final = {Vector.DATA_NESTED_TLB}

INTERRUPTS_AGAIN: Final[dict[Vector, Setup]] = {
    V.EXTERNAL_INTERRUPT: lambda machine: machine.raise_interrupt(0x30),
    V.VIRTUAL_EXTERNAL_INTERRUPT: Machine.raise_guest_interrupt,
}

KEPT: Final = UP | MFL | PK | DT | RT | IT
"""Bits of psr that an interruption leaves as they are, among those that the cases can have."""


def test_each_vector_has_a_case() -> None:
    assert {case.vector for case in CASES} == set(Vector) - UNREACHED


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_is_collected(case: Case) -> None:
    machine = machine_for(case)
    order = 0 if any(each.__name__ == "puts_table" for each in case.setups) else BE  # dcr.be is the table's, too
    machine.cr[CONTROL["dcr"]] = 1 | order
    bank = machine.gr[16:32] = list(range(16, 32))
    run_to_vector(machine)
    cr = machine.cr
    assert machine.ip == IVA + case.vector
    excepting = case.place & 3 if case.trapped is None else case.trapped
    assert hex(cr[CONTROL["isr"]]) == hex(case.isr | excepting << 41)
    assert hex(cr[CONTROL["iip"]]) == hex(case.place & ~15)
    assert cr[CONTROL["ipsr"]] >> 41 & 3 == case.place & 3
    assert hex(cr[CONTROL["iipa"]]) == hex(case.previous)
    assert cr[CONTROL["ifs"]] == 0x1234
    for name, value in [("ifa", case.ifa), ("itir", case.itir), ("iim", case.iim), ("iha", case.iha)]:
        assert hex(cr[CONTROL[name]]) == hex(value or 0), name
    before = cr[CONTROL["ipsr"]] & ~(3 << 41)
    level = USER if case.line.startswith("br.ret") and case.psr & LP else case.psr & USER
    let_through = INTERRUPTS if case.line == "ssm psr.i" else 0
    assert hex(before) == hex((STATUS | case.psr) & ~USER | level | let_through | before & MFL)
    assert hex(machine.psr) == hex(before & KEPT | order | PP)
    assert machine.other_bank == bank, "r16 to r31 are those of bank 0"
    has_bundle = not case.isr & (X | RS)
    faulting = machine.memory.read(case.previous if case.trapped is not None else case.place & ~15, 16)
    held = b"".join(cr[number].to_bytes(8, "little") for number in (26, 27))
    assert held == (faulting if has_bundle else bytes(16))


@pytest.mark.parametrize("case", [each for each in CASES if not each.line.startswith("mov r8=cr.ifa")], ids=str)
def test_without_collection_cr_isr_alone_is_set(case: Case) -> None:
    """While psr.ic is 0; a miss of data is a Data Nested TLB fault then, and leaves cr.isr too."""
    machine = machine_for(case)
    if case.isr & SP:
        return  # it is deferred
    machine.psr &= ~IC
    before = list(machine.cr)
    run_to_vector(machine)
    misses = {V.VHPT_TRANSLATION, V.DATA_TLB, V.ALTERNATE_DATA_TLB}
    is_nested = case.vector in misses and not case.isr & X
    vector = V.DATA_NESTED_TLB if is_nested else case.vector
    if case.isr & X and case.vector in (V.VHPT_TRANSLATION, V.INSTRUCTION_TLB):
        vector = V.ALTERNATE_INSTRUCTION_TLB  # the walker is off for code
    assert machine.ip == IVA + vector
    changed = {number for number, (old, new) in enumerate(zip(before, machine.cr, strict=True)) if old != new}
    assert changed - set(range(68, 72)) == (set() if is_nested else {CONTROL["isr"]})
    if not is_nested:
        excepting = case.place & 3 if case.trapped is None else case.trapped
        assert hex(machine.cr[CONTROL["isr"]]) == hex(case.isr | NI | excepting << 41)


DEFERRABLE: Final = {
    V.VHPT_TRANSLATION,
    V.DATA_TLB,
    V.ALTERNATE_DATA_TLB,
    V.DATA_KEY_MISS,
    V.KEY_PERMISSION,
    V.DIRTY_BIT,
    V.DATA_ACCESS_BIT,
    V.PAGE_NOT_PRESENT,
    V.DATA_ACCESS_RIGHTS,
    V.DEBUG,
    V.UNALIGNED_REFERENCE,
    V.UNSUPPORTED_DATA_REFERENCE,
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_isr_tells_whether_the_page_of_the_code_lets_faults_be_deferred(case: Case) -> None:
    """Of faults of data, but those of the register stack (SDM vol. 2, table 8-1)."""
    machine = machine_for(case, code_entry=GOOD | 1 << 52)
    run_to_vector(machine)
    tells = case.vector in DEFERRABLE and not case.isr & (X | RS)
    assert bool(machine.cr[CONTROL["isr"]] & ED) == tells


@pytest.mark.parametrize("case", CASES, ids=str)
def test_rfi_goes_back_to_where_it_was(case: Case) -> None:
    """The same interruption comes again, unless it was a trap, or its cause is gone; the state is the same then."""
    machine = machine_for(case)
    run_to_vector(machine)
    told = [machine.cr[CONTROL[name]] for name in ("isr", "iip", "ipsr", "ifa")]
    machine.memory.write(machine.ip & ~15, assembled("{ .mib\n nop.m 0\n nop.i 0\n rfi ;; }"))
    if case.trapped is not None or case.vector in INTERRUPTS_AGAIN:
        if case.vector in INTERRUPTS_AGAIN:
            INTERRUPTS_AGAIN[case.vector](machine)
        machine.run(3)
        assert machine.ip & ~15 == told[1] or case.configuration is LIMITED or case.psr & SS
        return
    machine.run(3)
    run_to_vector(machine)
    assert [machine.cr[CONTROL[name]] for name in ("isr", "iip", "ipsr", "ifa")] == told
