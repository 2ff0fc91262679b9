"""Branches: loops against rotation by renaming, traps, privilege, and what is refused."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pvsim.machine.configuration import Configuration
from pvsim.machine.interruptions import GENERAL_CODES, Vector
from pvsim.machine.machine import Machine

from pvasm.isa.bundle import Bundle
from pvasm.isa.registers import APPLICATION, CONTROL
from tests.simulator.code import START, assembled, loaded, map_code, run
from tests.slow import examples

PFS, LC, EC, RSC = (APPLICATION[name] for name in ("pfs", "lc", "ec", "rsc"))
LP, TB, DI, SS, VM = 1 << 25, 1 << 26, 1 << 22, 1 << 40, 1 << 46
LOWER_PRIVILEGE, TAKEN, STEP, UNIMPLEMENTED = 1 << 1, 1 << 2, 1 << 3, 1 << 4


def level(number: int) -> int:
    """psr.cpl."""
    return number << 32


# -------------------------------------------------------------------------------------------- loops


class Renamed:
    """Rotating registers as the manual tells of them: physical ones, and a base that is added to names."""

    def __init__(self, values: list[int], base: int) -> None:
        self.physical = [0] * len(values)
        self.base = base
        for name, value in enumerate(values):
            self[name] = value

    def __getitem__(self, name: int) -> int:
        return self.physical[(name + self.base) % len(self.physical)]

    def __setitem__(self, name: int, value: int) -> None:
        self.physical[(name + self.base) % len(self.physical)] = value

    def rotate(self) -> None:
        if self.physical:
            self.base = (self.base - 1) % len(self.physical)

    def names(self) -> list[int]:
        return [self[name] for name in range(len(self.physical))]


COUNTS: Final = st.one_of(st.integers(0, 4), st.just(2**64 - 1))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["ctop", "cexit", "wtop", "wexit", "cloop", "clrrrb", "clrrrb.pr"]), st.integers(0, 1)
        ),
        max_size=30,
    ),
    COUNTS,
    st.integers(0, 5),
    st.sampled_from([0, 8, 24, 96]),
    st.tuples(st.integers(0, 95), st.integers(0, 95), st.integers(0, 47)),
)
@example([("ctop", 0)] * 20, 3, 4, 8, (0, 0, 0))
@example([("wexit", 0)] * 20, 0, 4, 8, (0, 0, 0))
@settings(max_examples=examples(200), deadline=None)
def test_loops(kinds: list[tuple[str, int]], lc: int, ec: int, rotating: int, bases: tuple[int, int, int]) -> None:
    """Each kind of branch, whatever was before: LC, EC, p63, rotation of all three files, and where it goes."""
    machine = loaded(_LOOPS)
    gr = Renamed([number * 7 for number in range(rotating)], bases[0] % rotating if rotating else 0)
    fr = Renamed([number * 5 for number in range(96)], bases[1])
    pr = Renamed([number * 11 % 3 % 2 for number in range(48)], bases[2])
    machine.ar[LC], machine.ar[EC] = lc, ec
    machine.sof, machine.sor = 96, rotating
    machine.rrb_gr, machine.rrb_fr, machine.rrb_pr = gr.base, fr.base, pr.base
    machine.gr[32 : 32 + rotating], machine.fr[32:], machine.pr[16:] = gr.names(), fr.names(), pr.names()
    for kind, holds in kinds:
        machine.pr[6] = holds
        machine.ip = START + 16 * list(_KINDS).index(kind) + 2
        assert machine.run(1) is None
        taken = False
        if kind.startswith("clrrrb"):
            for file in [pr] if kind == "clrrrb.pr" else [gr, fr, pr]:
                file.base = 0
        elif kind == "cloop":
            taken = lc != 0
            lc -= taken
        else:
            counted = kind[0] == "c"
            goes_on = lc != 0 if counted else holds == 1
            continues = goes_on or ec > 1
            pr[63 - 16] = int(counted and goes_on)
            if goes_on or ec != 0:
                for file in (gr, fr, pr):
                    file.rotate()
            if goes_on:
                lc -= counted
            elif ec != 0:
                ec -= 1
            taken = continues == kind.endswith("top")
        assert machine.ip == (START + 0x100 if taken else START + 16 * (list(_KINDS).index(kind) + 1))
        assert (machine.ar[LC], machine.ar[EC]) == (lc, ec)
        assert machine.gr[32 : 32 + rotating] == gr.names()
        assert machine.fr[32:] == fr.names()
        assert machine.pr[16:] == pr.names()
        assert (machine.rrb_gr, machine.rrb_fr, machine.rrb_pr) == (gr.base, fr.base, pr.base)


_KINDS: Final = {
    "ctop": "br.ctop.sptk.few far",
    "cexit": "br.cexit.sptk.few far",
    "wtop": "(p6) br.wtop.sptk.few far",
    "wexit": "(p6) br.wexit.sptk.few far",
    "cloop": "br.cloop.sptk.few far",
    "clrrrb": "clrrrb",
    "clrrrb.pr": "clrrrb.pr",
}
_LOOPS: Final = (
    "\n".join(f"{{ .mib\n nop.m 0\n nop.i 0\n {line} ;;\n}}" for line in _KINDS.values()) + "\n .org 0x100\nfar:"
)


def test_a_pipelined_copy() -> None:
    """A loop of three stages: a load's place, a register that rotates, a sum; compiled after some turns."""
    machine = loaded(
        """
        alloc r9=ar.pfs,0,8,0,8 ;;
        mov ar.lc=99
        mov ar.ec=3
        mov pr.rot=1<<16 ;;
        loop:
        (p16) adds r10=1,r10 ;;
        (p16) mov r32=r10
        (p18) add r8=r8,r34 ;;
        br.ctop.sptk.few loop ;;
        """
    )
    machine.gr[10] = 0
    run(machine)
    assert machine.gr[8] == sum(range(1, 101))
    assert (machine.ar[LC], machine.ar[EC]) == (0, 0)


@pytest.mark.parametrize("slot", [0, 1])
@pytest.mark.parametrize("kind", ["ctop", "cexit", "wtop", "wexit", "cloop"])
def test_loops_are_in_slot_2(kind: str, slot: int) -> None:
    machine = Machine()
    bundle = Bundle.of(assembled(_LOOPS)[16 * list(_KINDS).index(kind) :][:16])
    nop = Bundle.of(assembled("{ .bbb\n nop.b 0\n nop.b 0\n nop.b 0 ;;\n}")[:16])
    slots = list(nop.slots)
    slots[slot] = bundle.slots[2]
    machine.memory.write(START, Bundle(nop.template, (slots[0], slots[1], slots[2])).to_bytes())
    machine.ip = START
    machine.ar[LC] = 1
    stop = machine.run(3)
    assert stop is not None
    assert (stop.vector, stop.code) == (Vector.GENERAL_EXCEPTION, GENERAL_CODES["illegal_operation"])
    assert machine.ip == START + slot


# -------------------------------------------------------------------------------- calls and returns


def test_call_and_return() -> None:
    """What a call leaves in pfs, and what a return gives back (SDM vol. 1, 4.1 and table 3-6)."""
    machine = loaded(
        "{ .mib\n nop.m 0\n nop.i 0\n br.call.sptk.few b3=there ;;\n}\n .org 0x40\n"
        "there: { .mib\n nop.m 0\n nop.i 0\n br.ret.sptk.few b3 ;;\n}"
    )
    machine.sof, machine.sol, machine.sor, machine.rrb_gr, machine.rrb_fr, machine.rrb_pr = 20, 12, 8, 3, 5, 7
    machine.ar[EC], machine.psr = 9, level(2)
    machine.ip = START + 2
    machine.gr[32:52] = range(20)
    assert machine.run(1) is None
    assert machine.ip == START + 0x40
    assert machine.br[3] == START + 0x10
    marker = 20 | 12 << 7 | 1 << 14 | 3 << 18 | 5 << 25 | 7 << 32
    assert machine.ar[PFS] == marker | 9 << 52 | 2 << 62
    assert (machine.cfm, machine.gr[32:40]) == (8, list(range(12, 20)))
    machine.ar[EC] = 1
    machine.ip = START + 0x42
    assert machine.run(1) is None
    assert machine.ip == START + 0x10
    assert (machine.cfm, machine.ar[EC], machine.psr) == (marker, 9, level(2))
    assert machine.gr[32:52] == list(range(20))


@pytest.mark.parametrize("to", range(4))
@pytest.mark.parametrize("now", range(4))
@pytest.mark.parametrize("bits", [0, LP, TB, LP | TB, SS, LP | TB | SS])
def test_return_to_a_lower_level(now: int, to: int, bits: int) -> None:
    """Privilege is lowered and never raised; traps are told together, the lower-privilege transfer first."""
    machine = loaded("br.ret.sptk.few b6 ;;")
    machine.psr, machine.br[6], machine.ar[PFS] = level(now) | bits, 0x5008, to << 62
    machine.ip = START + 2
    stop = machine.run(1)
    assert machine.ip == 0x5000
    assert machine.psr == level(max(now, to)) | bits
    code = (LOWER_PRIVILEGE if to > now and bits & LP else 0) | (TAKEN if bits & TB else 0) | (STEP if bits & SS else 0)
    assert (stop.code if stop else 0) == code
    if stop:
        assert stop.is_trap
        assert stop.origin == START + 2
        assert stop.vector == (
            Vector.LOWER_PRIVILEGE_TRANSFER_TRAP
            if code & LOWER_PRIVILEGE
            else Vector.TAKEN_BRANCH_TRAP
            if code & TAKEN
            else Vector.SINGLE_STEP_TRAP
        )
    assert machine.instructions == 1


@pytest.mark.parametrize(
    ("line", "taken"),
    [
        ("br.cond.sptk.few to", True),
        ("(p7) br.cond.sptk.few to", False),
        ("br.cond.sptk.few b6", True),
        ("br.call.sptk.few b1=to", True),
        ("br.call.sptk.few b1=b6", True),
        ("br.cloop.sptk.few to", True),
        ("br.ctop.sptk.few to", True),
        ("br.cexit.sptk.few to", False),
        ("clrrrb", False),
        ("cover", False),
        ("nop.b 0", False),
    ],
)
@pytest.mark.parametrize("bits", [0, TB, SS, TB | SS])
def test_traps_behind_branches(line: str, taken: bool, bits: int) -> None:
    machine = loaded(f"{{ .mib\n nop.m 0\n nop.i 0\n {line} ;;\n}}\n nop.m 0 ;;\n .org 0x40\nto: nop.m 0 ;;")
    machine.ar[LC], machine.br[6] = 20, START + 0x40
    for _ in range(15):  # until it is compiled
        machine.ip = START + 2
        assert machine.run(1) is None
    machine.ar[LC] = 5
    machine.psr, machine.ip = bits, START + 2
    stop = machine.run(1)
    code = (TAKEN if taken and bits & TB else 0) | (STEP if bits & SS else 0)
    assert machine.ip == (START + 0x40 if taken else START + 0x10)
    assert (stop.code if stop else 0) == code
    assert (stop.origin if stop else START + 2) == START + 2


def test_single_steps_count() -> None:
    """Each instruction traps once it has been done; a fault is no trap."""
    machine = loaded("adds r8=1,r8\n movl r9=2 ;;\n adds r8=1,r8 ;;\n break.m 0 ;;")
    machine.psr = SS
    places = []
    while (stop := machine.run(100)) is not None and stop.is_trap:
        places.append((stop.origin, machine.ip))
        assert (stop.vector, stop.code, machine.instructions) == (Vector.SINGLE_STEP_TRAP, STEP, len(places))
    assert stop is not None
    assert stop.vector == Vector.BREAK_INSTRUCTION
    assert machine.instructions == len(places)
    assert all(place == before for (_, before), (place, _) in pairwise(places))
    assert machine.gr[8:10] == [2, 2]


def test_unimplemented_addresses() -> None:
    """A branch to an address that there is not is a trap that says so; IIP is that address."""
    machine = Machine(configuration=Configuration(virtual_bits=51, physical_bits=40))
    machine.memory.write(START, assembled("br.cond.sptk.few b6 ;;"))
    map_code(machine)
    for psr, goal, is_there in [
        (1 << 36, 0x0003_FFFF_FFFF_FFF0, True),
        (1 << 36, 0x0004_0000_0000_0000, False),
        (1 << 36, 0xFFFF_FFFF_FFFF_FFF0, True),
        (1 << 36, 0xE004_0000_0000_0000, False),
        (0, (1 << 40) - 16, True),
        (0, 1 << 40, False),
        (0, 1 << 63, True),
    ]:
        machine.psr, machine.br[6], machine.ip = psr, goal, START + 2
        stop = machine.run(1)
        assert machine.ip == goal
        assert (stop is None) == is_there, hex(goal)
        if stop is not None:
            assert (stop.vector, stop.code) == (Vector.LOWER_PRIVILEGE_TRANSFER_TRAP, UNIMPLEMENTED)


# ---------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("line", "state", "name"),
    [
        ("br.ia.sptk.few b6", {}, "illegal_operation"),
        ("br.ia.sptk.few b6", {"psr": DI}, "disabled_isa_transition"),
        ("(p6) br.ia.sptk.few b6", {"psr": DI}, "illegal_operation"),
        ("br.ia.sptk.few b6", {"psr": DI, "dirty": 1}, "illegal_operation"),
        ("epc", {"psr": level(2), "pfs": 1 << 62}, "illegal_operation"),
        ("rfi", {"psr": level(1)}, "privileged_operation"),
        ("rfi", {"psr": VM}, "virtualization"),
        ("cover", {"psr": VM}, "virtualization"),
        ("loadrs", {"rsc": 1}, "illegal_operation"),
        ("loadrs", {"rsc": 8 << 16}, "illegal_operation"),
        ("loadrs", {"rsc": 99 * 8 << 16, "sof": 0}, "illegal_operation"),
        ("alloc r40=ar.pfs,0,8,0,0", {}, "illegal_operation"),
        ("alloc r9=ar.pfs,0,8,0,8", {"rrb_gr": 1}, "reserved_register_field"),
        ("alloc r9=ar.pfs,0,8,0,8", {"rrb_fr": 1}, "reserved_register_field"),
        ("alloc r9=ar.pfs,0,8,0,8", {"rrb_pr": 1}, "reserved_register_field"),
    ],
)
def test_refused(line: str, state: dict[str, int], name: str) -> None:
    machine = loaded(f"{line} ;;")
    machine.sof = 10
    machine.psr = state.get("psr", 0)
    machine.ar[PFS], machine.ar[RSC] = state.get("pfs", 0), state.get("rsc", 0)
    machine.ar[APPLICATION["bsp"]] = machine.ar[APPLICATION["bspstore"]] = 0x8000
    if state.get("dirty"):
        machine.ar[APPLICATION["bsp"]] += 8
    for each in ("sof", "rrb_gr", "rrb_fr", "rrb_pr"):
        setattr(machine, each, state.get(each, getattr(machine, each)))
    before = machine.cfm
    stop = machine.run(3)
    assert stop is not None
    vector, code = (
        (Vector.VIRTUALIZATION, 0) if name == "virtualization" else (Vector.GENERAL_EXCEPTION, GENERAL_CODES[name])
    )
    assert (stop.vector, stop.code) == (vector, code)
    assert machine.cfm == before


def test_alloc_with_names_that_rotate_keeps_them() -> None:
    """While the number of rotating registers stays, alloc is fine whatever the bases are."""
    machine = loaded("alloc r9=ar.pfs,0,16,4,8 ;;")
    machine.sof, machine.sor, machine.rrb_gr, machine.rrb_fr = 10, 8, 3, 4
    machine.gr[32:42] = range(10)
    machine.ar[PFS] = 0x1234
    run(machine)
    assert machine.gr[32:42] == list(range(10))
    assert (machine.gr[9], machine.nat[9]) == (0x1234, 0)
    assert machine.cfm == 20 | 16 << 7 | 1 << 14 | 3 << 18 | 4 << 25


def test_epc_in_physical_mode() -> None:
    machine = loaded("epc ;;")
    machine.psr, machine.ar[PFS] = level(3), 3 << 62
    run(machine)
    assert machine.psr == 0


# ---------------------------------------------------------------------------------------------- rfi


@pytest.mark.parametrize("slot", [0, 1, 2])
def test_rfi_into_a_slot(slot: int) -> None:
    machine = loaded("rfi ;;\n .org 0x40\n{ .mii\n adds r8=1,r8\n adds r8=16,r8\n adds r8=256,r8 ;;\n}")
    machine.cr[CONTROL["iip"]] = START + 0x47
    machine.cr[CONTROL["ipsr"]] = slot << 41 | level(3) | 1 << 44 | SS
    machine.cr[CONTROL["ifs"]] = 0
    machine.sof = 17
    machine.gr[8], machine.gr[16] = 0, 77
    machine.ip = START + 2
    assert machine.run(1) is None
    assert (machine.ip, machine.psr, machine.sof) == (START + 0x40 | slot, level(3) | 1 << 44 | SS, 17)
    assert machine.gr[16] == 0, "the other bank"
    stop = machine.run(1)
    assert stop is not None
    assert stop.vector == Vector.SINGLE_STEP_TRAP
    assert machine.gr[8] == [1, 16, 256][slot]


def test_rfi_into_the_second_half_of_a_long_instruction() -> None:
    """There is no instruction in slot 2 of an MLX bundle (SDM vol. 3, rfi)."""
    machine = loaded("rfi ;;\n .org 0x40\n{ .mlx\n nop.m 0\n movl r9=5 ;;\n}")
    machine.cr[CONTROL["iip"]], machine.cr[CONTROL["ipsr"]] = START + 0x40, 2 << 41
    machine.ip = START + 2
    stop = machine.run(2)
    assert stop is not None
    assert (stop.vector, stop.code) == (Vector.GENERAL_EXCEPTION, GENERAL_CODES["illegal_operation"])
    assert machine.ip == START + 0x42


def test_rfi_gives_the_frame_back() -> None:
    """cover and rfi: with a valid ifs the frame is what it was, rotation and all."""
    machine = loaded("cover ;;\n rfi ;;\n nop.m 0 ;;")
    machine.sof, machine.sol, machine.sor, machine.rrb_gr, machine.rrb_fr, machine.rrb_pr = 24, 20, 16, 5, 90, 40
    machine.gr[32:56] = range(24)
    machine.fr[32:] = range(96)
    machine.cr[CONTROL["iip"]], machine.cr[CONTROL["ipsr"]] = START + 0x20, 0
    marker = machine.cfm
    machine.ip = START + 2
    assert machine.run(1) is None
    assert (machine.cfm, machine.cr[CONTROL["ifs"]]) == (0, marker | 1 << 63)
    machine.ip = START + 0x12
    assert machine.run(1) is None
    assert (machine.cfm, machine.ip) == (marker, START + 0x20)
    assert (machine.gr[32:56], machine.fr[32:]) == (list(range(24)), list(range(96)))
