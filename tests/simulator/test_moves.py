"""Moves to and from registers other than general ones: what is kept, what is refused, and at which privilege level.

Each program runs as it is, and compiled. Faults are named as `vector code`, the code as cr.isr has it.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pvsim.machine.machine import Machine

from pvasm.isa.registers import APPLICATION, CONTROL
from tests.simulator.code import END, START, loaded, map_code
from tests.simulator.test_integer import twice
from tests.slow import examples

ILLEGAL = "general exception 0x0"
PRIVILEGED = "general exception 0x10"
PRIVILEGED_REGISTER = "general exception 0x20"
RESERVED = "general exception 0x30"
NAT = "nat consumption 0x10"

IC = 1 << 13
SP = 1 << 20
SI = 1 << 23
USER = 3 << 32
VM = 1 << 46

WORDS = st.integers(0, 2**64 - 1)


def outcome(text: str, *, value: int = 0, psr: int = IC, nat: int = 0, index: int = 0, rsc: int = 0) -> tuple[str, int]:
    """How a program with a value in r9 and an index in r10 ends, and what is in r8 then."""
    machine = loaded(text)
    map_code(machine)
    seen = set()
    for _ in range(14):
        machine.ip, machine.instructions = START, 0
        machine.gr[8:11] = 0, value, index
        machine.nat[9] = nat
        machine.psr = psr
        machine.ar[APPLICATION["rsc"]] = rsc
        stop = machine.run(100)
        assert stop is not None
        ended = "" if stop.immediate == END else f"{stop} {stop.code:#x}"
        seen.add((ended, machine.gr[8]))
    assert len(seen) == 1, "compiled code does otherwise"
    return seen.pop()


def bits(*ranges: tuple[int, int]) -> int:
    """A word with ones from the first to the last bit of each range."""
    return sum(1 << at for first, last in ranges for at in range(first, last + 1))


# ------------------------------------------------------------------------ application registers

KEPT = {  # register: bits that it keeps, bits that it refuses; the rest are ignored (SDM vol. 1, 3.1.8)
    "k3": (bits((0, 63)), 0),
    "csd": (bits((0, 63)), 0),
    "ccv": (bits((0, 63)), 0),
    "unat": (bits((0, 63)), 0),
    "lc": (bits((0, 63)), 0),
    "ec": (bits((0, 5)), 0),
    "rsc": (bits((0, 4), (16, 29)), bits((5, 15), (30, 63))),
    "fpsr": (bits((0, 57)) - bits((12, 12)), bits((12, 12), (58, 63))),
    "pfs": (bits((52, 57), (62, 63)), bits((38, 51), (58, 61))),
}


@pytest.mark.parametrize("name", KEPT)
@pytest.mark.parametrize("at", range(64))
def test_each_bit_of_an_application_register_is_kept_refused_or_ignored(name: str, at: int) -> None:
    kept, refused = KEPT[name]
    value = 1 << at
    if name == "pfs" and at < 38:
        return  # the frame has a test of its own
    if name == "fpsr":
        value |= 0xC | 3 << 8 | 3 << 21 | 3 << 34 | 3 << 47  # no precision is reserved
    expected = (RESERVED, 0) if refused >> at & 1 else ("", value & kept)
    assert outcome(f"mov ar.{name}=r9 ;;\n mov r8=ar.{name}", value=value) == expected


@pytest.mark.parametrize("low", [8, 21, 34, 47])
def test_a_precision_of_1_is_reserved(low: int) -> None:
    assert outcome("mov ar.fpsr=r9", value=1 << low)[0] == RESERVED
    assert outcome("mov ar.fpsr=r9", value=2 << low)[0] == ""


@pytest.mark.parametrize(
    ("sof", "sol", "sor", "bases", "ended"),
    [
        (96, 96, 12, (95, 95, 47), ""),
        (97, 0, 0, (0, 0, 0), RESERVED),
        (5, 6, 0, (0, 0, 0), RESERVED),
        (8, 0, 2, (0, 0, 0), RESERVED),
        (8, 0, 1, (8, 0, 0), RESERVED),
        (8, 0, 0, (1, 0, 0), RESERVED),
        (8, 0, 1, (7, 0, 0), ""),
        (0, 0, 0, (0, 96, 0), RESERVED),
        (0, 0, 0, (0, 0, 48), RESERVED),
    ],
)
def test_pfs_takes_markers_of_frames(sof: int, sol: int, sor: int, bases: tuple[int, int, int], ended: str) -> None:
    marker = sof | sol << 7 | sor << 14 | bases[0] << 18 | bases[1] << 25 | bases[2] << 32
    assert outcome("mov ar.pfs=r9", value=marker)[0] == ended


@pytest.mark.parametrize("level", range(4))
@pytest.mark.parametrize("asked", range(4))
def test_rsc_promotes_nobody(level: int, asked: int) -> None:
    ended = outcome("mov ar.rsc=r9 ;;\n mov r8=ar.rsc", value=asked << 2, psr=level << 32)
    assert ended == ("", max(asked, level) << 2)


@pytest.mark.parametrize("number", range(128))
def test_which_application_registers_there_are(number: int) -> None:
    ignored = 48 <= number < 64 or number >= 112
    named = number in APPLICATION.values()
    if number in (17, 18, 19):
        return  # the register stack engine's
    for unit in "mi":
        if not ignored and (number < 48) != (unit == "m"):
            continue  # GNU as has no such instruction
        ended, value = outcome(f"mov.{unit} r8=ar{number}")
        assert ended == ("" if ignored or named else ILLEGAL)
        assert not ignored or value == 0
        assert outcome(f"mov.{unit} ar{number}=r0")[0] == ("" if ignored or named else ILLEGAL)


@pytest.mark.parametrize(
    ("text", "psr", "ended"),
    [
        ("mov ar.k0=r9", USER, PRIVILEGED_REGISTER),
        ("mov r8=ar.k0", USER, ""),
        ("mov ar.itc=r9", USER, PRIVILEGED_REGISTER),
        ("mov ar.itc=r9", VM, "virtualization 0x0"),
        ("mov r8=ar.itc", USER, ""),
        ("mov r8=ar.itc", USER | SI, PRIVILEGED_REGISTER),
        ("mov r8=ar.itc", VM, ""),
        ("mov r8=ar.itc", VM | SI, "virtualization 0x0"),
        ("mov ar.bsp=r9", 0, ILLEGAL),
        ("mov ar20=r9", 0, ILLEGAL),
        ("mov cr.dcr=r9", USER, PRIVILEGED),
        ("mov r8=cr.dcr", USER, PRIVILEGED),
        ("mov cr.dcr=r9", VM, "virtualization 0x0"),
        ("mov cr.ivr=r9", 0, ILLEGAL),
        ("mov cr.irr2=r9", 0, ILLEGAL),
        ("mov cr3=r9", USER, ILLEGAL),
        ("mov r8=cr.iip", IC, ILLEGAL),
        ("mov r8=cr.iip", 0, ""),
        ("mov cr.ifa=r9", IC, ILLEGAL),
        ("mov psr.l=r9", USER, PRIVILEGED),
        ("mov r8=psr", USER, PRIVILEGED),
        ("mov r8=psr.um", USER, ""),
        ("rsm 0x4000", USER, PRIVILEGED),
        ("rsm 0x1", USER, PRIVILEGED),
        ("rsm 0x1", 0, RESERVED),
        ("ssm 0x10000", 0, RESERVED),
        ("rum 0x4000", USER, RESERVED),
        ("bsw.0", USER, PRIVILEGED),
        ("vmsw.0", USER, PRIVILEGED),
        ("vmsw.0", 0, "virtualization 0x0"),
        ("mov r8=rr[r10]", USER, PRIVILEGED),
        ("mov rr[r10]=r9", USER, PRIVILEGED),
        ("mov r8=cpuid[r10]", USER, ""),
        ("mov r8=pmd[r10]", USER, ""),
        ("mov r8=pmd[r10]", VM, ""),
        ("mov r8=cpuid[r10]", VM, "virtualization 0x0"),
        ("mov r8=pmc[r10]", USER, PRIVILEGED),
        ("tpa r8=r10", USER, "general exception 0x800000010"),
        ("tak r8=r10", USER, "general exception 0x800000013"),
        ("itr.d dtr[r10]=r9", IC, ILLEGAL),
        ("itc.i r9", USER, PRIVILEGED),
        ("ptc.e r10", USER, PRIVILEGED),
        ("thash r8=r10", VM, "virtualization 0x0"),
        ("break.x 0x3fffffffffffffff", 0, "break instruction 0x0"),
    ],
)
def test_who_may_do_what(text: str, psr: int, ended: str) -> None:
    assert outcome(text, psr=psr)[0] == ended


@pytest.mark.parametrize("text", ["mov r8=ar.rnat", "mov ar.rnat=r9", "mov r8=ar.bspstore", "mov ar.bspstore=r9"])
@pytest.mark.parametrize("mode", [1, 2, 3])
def test_the_stack_engine_has_its_registers_while_it_may_work(text: str, mode: int) -> None:
    assert outcome(text, rsc=mode)[0] == ILLEGAL


@pytest.mark.parametrize(
    "text",
    [
        *("mov b3=r9", "mov pr=r9,-2", "mov ar.lc=r9", "mov cr.iva=r9", "mov psr.l=r9", "mov psr.um=r9"),
        *("mov rr[r10]=r9", "mov rr[r9]=r10", "mov r8=pkr[r9]", "ptc.l r9,r10", "ptr.d r10,r9", "ptc.e r9"),
    ],
)
def test_a_nat_is_consumed(text: str) -> None:
    assert outcome(text, nat=1)[0] == NAT


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("tpa r8=r9", 0x800000010),
        ("fc r9", 0xC00000011),
        ("tak r8=r9", 0x800000013),
        ("probe.w r8=r9,0", 0xA00000012),
        ("probe.rw.fault r9,1", 0xE00000015),
        ("probe.r r8=r10,r9", 0xC00000012),
    ],
)
def test_a_nat_that_names_an_address_tells_of_the_access(text: str, code: int) -> None:
    assert outcome(text, nat=1)[0] == f"nat consumption {code:#x}"


# ---------------------------------------------------------------------- control registers, and psr

CR_REFUSED = {  # bits that a control register refuses (SDM vol. 2, 3.3.4, 5.8.3)
    "dcr": bits((3, 7), (15, 63)),
    "itm": 0,
    "iva": 0,
    "isr": bits((24, 31), (44, 63)),
    "ifs": bits((38, 62)),
    "ipsr": bits((0, 0), (6, 12), (16, 16), (28, 31), (47, 63)),
    "lid": bits((0, 15)),
    "tpr": bits((8, 15)),
    "itv": bits((8, 11), (13, 15)),
    "lrr1": bits((8, 8), (11, 11)),
}
CR_IGNORED = {
    "iva": bits((0, 14)),
    "lid": bits((32, 63)),
    "tpr": bits((0, 3), (17, 63)),
    "itv": bits((12, 12), (17, 63)),
    "lrr1": bits((12, 12), (14, 14), (17, 63)),
}


@pytest.mark.parametrize("name", CR_REFUSED)
def test_each_bit_of_a_control_register_is_kept_refused_or_ignored(name: str) -> None:
    for at in range(64):
        value = 1 << at
        expected = (RESERVED, 0) if CR_REFUSED[name] & value else ("", value & ~CR_IGNORED.get(name, 0))
        assert outcome(f"mov cr.{name}=r9 ;;\n mov r8=cr.{name}", value=value, psr=0) == expected


@pytest.mark.parametrize(("size", "ended"), [(14, RESERVED), (15, ""), (61, ""), (62, RESERVED)])
def test_sizes_of_the_vhpt(size: int, ended: str) -> None:
    assert outcome("mov cr.pta=r9", value=size << 2)[0] == ended


def test_control_registers_that_there_are_not_are_illegal() -> None:
    for number in set(range(128)) - set(CONTROL.values()):
        assert outcome(f"mov r8=cr{number}", psr=0)[0] == ILLEGAL


@given(old=WORDS, new=WORDS)
@settings(max_examples=examples(30), deadline=None)
def test_the_user_mask(old: int, new: int) -> None:
    """psr.sp keeps psr.up; all else of the mask is free."""
    old &= bits((1, 5), (13, 15), (17, 24), (32, 33))
    new &= bits((1, 5))
    free = bits((1, 5)) - (4 if old & SP else 0)

    def prepare(machine: Machine) -> None:
        machine.psr, machine.gr[9] = old, new

    for machine in twice("mov psr.um=r9 ;;\n mov r8=psr.um", prepare):
        assert machine.psr == old - (old & free) + (new & free)
        assert machine.gr[8] == machine.psr % 64


@pytest.mark.parametrize(("text", "result"), [("rum 0x3e", 0), ("sum 0x3e", 0x3E), ("ssm 0x10", 0x10), ("rsm 0x4", 0)])
def test_masks_set_and_clear(text: str, result: int) -> None:
    started = 0 if text[0] == "s" else result | int(text.split()[1], 0)

    def prepare(machine: Machine) -> None:
        machine.psr = started

    for machine in twice(text, prepare):
        assert machine.psr == result


def test_psr_is_half_readable() -> None:
    assert outcome("mov r8=psr", psr=bits((1, 5), (17, 17), (35, 36), (44, 44))) == (
        "",
        bits((1, 5), (17, 17), (35, 36)),
    )


@pytest.mark.parametrize("at", range(64))
def test_which_bits_psr_l_takes(at: int) -> None:
    refused = bits((0, 0), (6, 12), (16, 16), (28, 31), (45, 63))
    value = 1 << at
    expected = RESERVED if value & refused else ""
    assert outcome("mov psr.l=r9", value=value, psr=0)[0] == expected


# ----------------------------------------------------------------------- predicates, indexed files


@given(old=WORDS, new=WORDS, base=st.integers(0, 47))
@pytest.mark.parametrize("mask", [-2, 0x10000, 0x55AA, 0x1C, -0x10000, 0])
@settings(max_examples=examples(10), deadline=None)
def test_predicates_move_as_if_none_were_rotated(mask: int, old: int, new: int, base: int) -> None:
    chosen = [at for at in range(1, 64) if mask >> min(at, 16) & 1]

    def prepare(machine: Machine) -> None:
        machine.rrb_pr = base
        machine.set_prs(old | 1)
        machine.gr[9] = new

    text = f"cmp.eq p17,p18=r0,r0 ;;\n mov pr=r9,{mask} ;;\n mov r8=pr ;;\n (p17) mov r7=1\n (p18) mov r7=2"
    for machine in twice(text, prepare):
        word = [machine.gr[8] >> at & 1 for at in range(64)]
        assert word[0] == 1
        assert all(word[at] == new >> at & 1 for at in chosen)
        rotated = {16 + (1 + base) % 48: 1, 16 + (2 + base) % 48: 0}
        assert all(word[at] == rotated.get(at, old >> at & 1) for at in range(1, 64) if at not in chosen)
        assert machine.gr[8] == machine.prs
        if machine.pr[17] or machine.pr[18]:
            assert machine.gr[7] == (2 if machine.pr[18] else 1)


def test_rotating_predicates_become_a_number() -> None:
    def prepare(machine: Machine) -> None:
        machine.set_prs(0xFFFF)

    for machine in twice("mov pr.rot=0x12340000 ;;\n mov r8=pr", prepare):
        assert machine.gr[8] == 0x1234FFFF
    for machine in twice("mov pr.rot=-0x80000000000 ;;\n mov r8=pr", prepare):
        assert machine.gr[8] == 0xFFFF_F800_0000_FFFF


@pytest.mark.parametrize(
    ("file", "index", "value", "ended"),
    [
        ("rr", 5 << 61 | 77, 12 << 2 | 0x123456 << 8 | 1, ""),
        ("rr", 0, 12 << 2 | 2, RESERVED),
        ("rr", 0, 11 << 2, RESERVED),
        ("rr", 0, 12 << 2 | 1 << 32, RESERVED),
        ("pkr", 15, 0xABCDEF << 8 | 0xF, ""),
        ("pkr", 3, 0x10, RESERVED),
        ("pkr", 16, 0, RESERVED),
        ("pkr", 0xF00 | 2, 1, ""),
        ("dbr", 15, 2**64 - 1, ""),
        ("ibr", 16, 0, RESERVED),
        ("pmc", 4, 0x77, ""),
    ],
)
def test_registers_of_indexed_files(file: str, index: int, value: int, ended: str) -> None:
    text = f"mov {file}[r10]=r9 ;;\n mov r8={file}[r10]"
    assert outcome(text, index=index, value=value) == (ended, value if not ended else 0)


def test_a_key_has_one_register() -> None:
    machine = loaded("mov pkr[r10]=r9")
    machine.files["pkr"][7] = 0x55 << 8 | 5
    machine.gr[9:11] = 0x55 << 8 | 3, 2
    machine.run(10)
    assert (machine.files["pkr"][2], machine.files["pkr"][7]) == (0x5503, 0x5504)


def test_counters_that_are_not_for_everyone_read_as_0() -> None:
    machine = loaded("mov r8=pmd[r10]")
    machine.files["pmd"][4] = 9
    seen = []
    for psr, private in [(0, 1 << 6), (USER, 0), (USER, 1 << 6), (USER | SP, 0)]:
        machine.ip, machine.psr, machine.gr[10], machine.files["pmc"][4] = START, psr, 4, private
        machine.run(10)
        seen.append(machine.gr[8])
    assert seen == [9, 9, 0, 0]


def test_the_clock_counts_instructions() -> None:
    """A loop of 6 instructions reads ar.itc once a turn, also when it has been compiled, and stops where it is told."""
    machine = loaded("""
loop:
{.mii
 mov r8=ar.itc
 nop.i 0
 nop.i 0 ;;
}
{.mib
 sub r11=r8,r10
 mov r10=r8
 br.cond.sptk loop ;;
}
""")
    for step in range(1, 41):
        assert machine.run(501) is None
        assert machine.instructions == 501 * step
        assert machine.gr[11] == 6
        assert machine.gr[8] == (machine.instructions - 1) // 6 * 6


def test_banks_change_places() -> None:
    def prepare(machine: Machine) -> None:
        machine.psr = 1 << 44
        machine.gr[16:32], machine.nat[16:32] = range(16), [1, 0] * 8
        machine.other_bank, machine.other_bank_nat = [*range(100, 116)], [0] * 16

    for machine in twice("mov r15=r17 ;;\n mov r16=5 ;;\n bsw.0 ;;\n mov r14=r17\n mov r18=7", prepare):
        assert machine.gr[14:32] == [101, 1, 100, 101, 7, *range(103, 116)]
        assert machine.other_bank == [5, *range(1, 16)]
        assert (machine.nat[16:32], machine.other_bank_nat) == ([0] * 16, [0, 0, *[1, 0] * 7])
        assert machine.psr >> 44 & 1 == 0
