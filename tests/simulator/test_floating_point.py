"""Floating-point instructions in a machine: registers, status fields, faults, traps, and moves of bits."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pvsim.machine.interruptions import Interruption, Vector
from pvsim.machine.machine import Machine

from pvasm.isa.registers import APPLICATION
from pvasm.isa.semantics.operation import clauses
from pvasm.isa.table import all_forms
from tests.simulator.code import START, loaded, run
from tests.slow import examples

FPSR = APPLICATION["fpsr"]
USUAL = 0x9804C0270033F  # all traps disabled, 64 bits in every status field, the widest range in sf1 and sf2
ONE = 0xFFFF << 64 | 1 << 63
NATVAL = 0x1FFFE << 64
UNNORMAL = 0xFFFF << 64 | 1
SIGNALLING = 0x1FFFF << 64 | 5 << 61
THIRD = 0xFFFD << 64 | 0xAAAAAAAAAAAAAAAB
LOW, HIGH = 1 << 4, 1 << 5  # psr.mfl and psr.mfh
DISABLED_LOW, DISABLED_HIGH = 1 << 18, 1 << 19  # psr.dfl and psr.dfh


def machine(source: str, registers: dict[int, int], fpsr: int = USUAL) -> Machine:
    made = loaded(source)
    made.ar[FPSR] = fpsr
    for number, value in registers.items():
        made.fr[number] = value
    return made


def stopped(made: Machine) -> Interruption:
    stop = made.run(100)
    assert stop is not None
    return stop


def test_every_form_has_a_clause() -> None:
    known = clauses()
    assert not [form.id for form in all_forms() if form.unit == "F" and form.id not in known]


@pytest.mark.parametrize("field", range(4))
def test_flags_go_to_the_status_field_of_the_completer(field: int) -> None:
    """And only there; what was set stays set."""
    made = machine(f"fma.d.s{field} f8=f9,f9,f0", {9: THIRD}, USUAL | 1 << 13 + 13 * field)
    run(made)
    assert made.ar[FPSR] == USUAL | (1 | 1 << 5) << 13 + 13 * field
    assert made.psr & (LOW | HIGH) == LOW


def test_precision_and_range_of_the_status_field() -> None:
    """SDM vol. 1, table 5-6: a completer's, or that of the field; the widest range if the field says so."""
    great = 0xFFFF + 9000 << 64 | 1 << 63
    source = "fma.s0 f8=f9,f9,f0\n fma.s1 f40=f9,f9,f0\n fma.d.s1 f10=f9,f9,f0\n fma.d.s0 f11=f9,f9,f0 ;;"
    made = machine(source, {9: great})
    run(made)
    infinity, squared = 0x1FFFF << 64 | 1 << 63, 0xFFFF + 18000 << 64 | 1 << 63
    assert [made.fr[number] for number in (8, 40, 10, 11)] == [infinity, squared, squared, infinity]
    assert made.psr & (LOW | HIGH) == LOW | HIGH


@pytest.mark.parametrize(
    ("source", "registers", "code"),
    [
        ("fma.s0 f8=f9,f1,f0", {9: SIGNALLING}, 1),
        ("fma.s0 f8=f9,f1,f0", {9: UNNORMAL}, 2),
        ("frcpa.s0 f8,p6=f1,f0", {}, 4),
        ("frcpa.s0 f8,p6=f1,f9", {9: 0x1FFFE << 64 | 1 << 63}, 8),
        ("fcmp.lt.s0 p6,p7=f9,f1", {9: SIGNALLING | 1 << 62}, 1),
        ("fpmax.s0 f8=f9,f9", {9: 0x7FC00000}, 0x10),
        ("fpcvt.fx.s0 f8=f9", {9: 0x7FC0000000000001}, 0x21),
    ],
)
def test_faults(source: str, registers: dict[int, int], code: int) -> None:
    """Nothing is written; cr.isr tells V, D, Z and SWA (SDM vol. 2, table 8-3)."""
    made = machine(source, {8: 77, **registers}, USUAL & ~63)
    stop = stopped(made)
    assert (stop.vector, stop.code, stop.is_trap) == (Vector.FLOATING_POINT_FAULT, code, False)
    assert (made.fr[8], made.ar[FPSR], made.psr, made.prs) == (77, USUAL & ~63, 0, 1)
    assert (made.ip & ~3, made.instructions) == (START, made.ip & 3)


@pytest.mark.parametrize("times", [1, 40])
def test_traps(times: int) -> None:
    """The result is there, and what comes next is the instruction behind; as it is, and compiled."""
    source = f"mov r8={times} ;;\n0: adds r8=-1,r8 ;;\n fma.s.s0 f8=f9,f9,f0 ;;\n cmp.ne p6,p7=r8,r0 ;;\n (p6) br 0b ;;"
    made = machine(source, {9: ONE}, USUAL & ~63)
    made.fr[9] = ONE
    run(made)  # exact: no trap
    made = machine(source, {9: ONE | 1}, USUAL & ~63)
    before = made.run(3)
    assert before is None
    stop = stopped(made)
    assert (stop.vector, stop.code, stop.is_trap) == (Vector.FLOATING_POINT_TRAP, 1 | 4 << 11, True)
    assert made.fr[8] == ONE
    assert made.ar[FPSR] >> 13 & 63 == 32
    assert made.gr[8] == times - 1
    following = made.ip
    assert made.run(1) is None
    assert made.ip > following
    # The rest raises the trap again in each turn.
    traps = 1
    while (stop := stopped(made)).vector == Vector.FLOATING_POINT_TRAP:
        traps += 1
    assert traps == times


def test_disabled_registers() -> None:
    """psr.dfl and psr.dfh; f0 and f1 belong to neither. cr.isr tells which (SDM vol. 2, table 8-3)."""
    cases = {
        ("fma.s0 f8=f9,f1,f0", DISABLED_LOW): 1,
        ("fma.s0 f8=f40,f1,f0", DISABLED_LOW | DISABLED_HIGH): 3,
        ("fma.s0 f8=f40,f1,f0", DISABLED_HIGH): 2,
        ("fma.s0 f32=f33,f1,f0", DISABLED_LOW): None,
        ("fma.s0 f8=f9,f1,f0", DISABLED_HIGH): None,
        ("fcmp.eq.s0 p6,p7=f0,f1", DISABLED_LOW | DISABLED_HIGH): None,
        ("fclass.m p6,p7=f32,@nat", DISABLED_HIGH): 2,
        ("fmerge.s f8=f0,f1", DISABLED_LOW): 1,
    }
    for (source, psr), code in cases.items():
        made = machine(source, {})
        made.psr = psr
        stop = stopped(made)
        if code is None:
            assert stop.vector == Vector.BREAK_INSTRUCTION, source
        else:
            assert (stop.vector, stop.code) == (Vector.DISABLED_FP_REGISTER, code), source


@pytest.mark.parametrize("source", ["fma.s0 f2=f9,f1,f0", "fmerge.s f2=f9,f9", "frcpa.s0 f2,p6=f9,f1", "fcvt.xf f2=f9"])
@pytest.mark.parametrize("target", [0, 1])
def test_f0_and_f1_are_no_targets(source: str, target: int) -> None:
    """An Illegal Operation fault, before any other."""
    made = machine(f"{{ .mfi\n nop 0\n {source}\n nop 0\n}}", {})
    bundle = int.from_bytes(made.memory.read(START, 16), "little")
    made.memory.write(START, (bundle ^ (2 ^ target) << 46 + 6).to_bytes(16, "little"))
    made.psr = DISABLED_LOW
    stop = stopped(made)
    assert (stop.vector, stop.code, made.ip) == (Vector.GENERAL_EXCEPTION, 0, START | 1)


def test_predicates_of_compares() -> None:
    """A NaTVal clears both; `.unc` clears them where it is not executed; the same twice is a fault."""
    for source, pair in {
        "fcmp.eq.s0 p6,p7=f1,f1": 1,
        "fcmp.eq.s0 p6,p7=f1,f0": 2,
        "fcmp.eq.s0 p6,p7=f9,f0": 0,
        "(p8) fcmp.eq.s0 p6,p7=f1,f1": 3,
        "(p8) fcmp.eq.unc.s0 p6,p7=f1,f1": 0,
        "fclass.m p6,p7=f9,@nat": 1,
        "fclass.m p6,p7=f9,@qnan": 0,
        "fclass.m p6,p7=f1,@norm|@pos": 1,
        "(p8) fclass.m.unc p6,p7=f1,@pos": 0,
        "(p8) frcpa.s0 f8,p6=f1,f1": 2,
        "frcpa.s0 f8,p6=f1,f1": 3,
        "frcpa.s0 f8,p6=f9,f1": 2,
    }.items():
        made = machine(source, {9: NATVAL})
        made.pr[6] = made.pr[7] = 1
        run(made)
        assert made.pr[6] | made.pr[7] << 1 == pair, source


# ------------------------------------------------------------------------------------- status fields


def test_fsetc() -> None:
    """From the controls of sf0, some cleared, some set."""
    made = machine("fsetc.s2 0x70,0x42", {}, USUAL)
    run(made)
    controls = [made.ar[FPSR] >> 6 + 13 * field & 0x7F for field in range(4)]
    assert controls == [0x0C, 0x4E, 0x42, 0x4C]


@pytest.mark.parametrize("source", ["fsetc.s1 0x0,0x4", "fsetc.s0 0x7f,0x40"])
def test_reserved_controls(source: str) -> None:
    """A Reserved Register/Field fault."""
    stop = stopped(machine(source, {}))
    assert (stop.vector, stop.code) == (Vector.GENERAL_EXCEPTION, 0x30)


def test_fclrf() -> None:
    made = machine("fclrf.s1", {}, USUAL | 0x3F << 13 | 0x3F << 26 | 0x3F << 39)
    run(made)
    assert made.ar[FPSR] == USUAL | 0x3F << 13 | 0x3F << 39


@pytest.mark.parametrize(
    ("flags", "main", "traps", "branches"),
    [
        (0, 0, 0x3F, False),
        (1, 0, 0x3F, True),  # not known to sf0
        (1, 1, 0x3F, False),
        (1, 1, 0x3E, True),  # its trap is enabled
        (2, 2, 0x3E, False),
    ],
)
def test_fchkf(flags: int, main: int, traps: int, branches: bool) -> None:
    fpsr = USUAL & ~63 | traps | main << 13 | flags << 26
    made = machine("mov r8=0\n fchkf.s1 1f ;;\n mov r8=1 ;;\n1: nop 0", {}, fpsr)
    run(made)
    assert made.gr[8] == (not branches)


# ------------------------------------------------------------------------------------- moves of bits

Text = str


def bits(register: int) -> Text:
    """A register as text: the sign, 17 bits of exponent, 64 of significand."""
    return f"{register:082b}"


def halves(text: Text) -> tuple[Text, Text]:
    """The left and the right half of the significand."""
    return text[18:50], text[50:]


def flipped(text: Text) -> Text:
    return text.translate({ord("0"): "1", ord("1"): "0"})


def significand(text: Text) -> Text:
    """As an integer or a pair."""
    return f"{0x1003E:018b}{text}"


def pairs(make: Callable[[Text, Text], Text]) -> Callable[[Text, Text, Text], Text]:
    """What is made of both left halves, and of both right ones."""
    return lambda a, b, c: significand("".join(map(make, halves(a), halves(b))))


def logical(table: str) -> Callable[[Text, Text, Text], Text]:
    """By what 00, 01, 10 and 11 give."""
    return lambda a, b, c: significand("".join(table[int(x + y, 2)] for x, y in zip(a[18:], b[18:], strict=True)))


def single(text: Text) -> Text:
    """A single of memory."""
    return text[0] + (text[1] + text[11:18] if text[18] == "1" else "0" * 8) + text[19:42]


def multiplied(a: Text, b: Text, c: Text, *, signed: bool) -> str:
    x, y = (int(each[18:], 2) - (2**64 if signed and each[18] == "1" else 0) for each in (a, b))
    return f"{(x * y + int(c[18:], 2)) % 2**128:0128b}"


# Of f9, f10 and f11.
MOVES: dict[str, Callable[[Text, Text, Text], Text]] = {
    "fmerge.s f8=f9,f10": lambda a, b, c: a[0] + b[1:],
    "fmerge.ns f8=f9,f10": lambda a, b, c: flipped(a[0]) + b[1:],
    "fmerge.se f8=f9,f10": lambda a, b, c: a[:18] + b[18:],
    "fpmerge.s f8=f9,f10": pairs(lambda a, b: a[0] + b[1:]),
    "fpmerge.ns f8=f9,f10": pairs(lambda a, b: flipped(a[0]) + b[1:]),
    "fpmerge.se f8=f9,f10": pairs(lambda a, b: a[:9] + b[9:]),
    "fmix.l f8=f9,f10": lambda a, b, c: significand(halves(a)[0] + halves(b)[0]),
    "fmix.r f8=f9,f10": lambda a, b, c: significand(halves(a)[1] + halves(b)[1]),
    "fmix.lr f8=f9,f10": lambda a, b, c: significand(halves(a)[0] + halves(b)[1]),
    "fsxt.l f8=f9,f10": lambda a, b, c: significand(halves(a)[0][0] * 32 + halves(b)[0]),
    "fsxt.r f8=f9,f10": lambda a, b, c: significand(halves(a)[1][0] * 32 + halves(b)[1]),
    "fswap f8=f9,f10": lambda a, b, c: significand(halves(b)[1] + halves(a)[0]),
    "fswap.nl f8=f9,f10": lambda a, b, c: significand(flipped(halves(b)[1][0]) + halves(b)[1][1:] + halves(a)[0]),
    "fswap.nr f8=f9,f10": lambda a, b, c: significand(halves(b)[1] + flipped(halves(a)[0][0]) + halves(a)[0][1:]),
    "fpack f8=f9,f10": lambda a, b, c: significand(single(a) + single(b)),
    "fand f8=f9,f10": logical("0001"),
    "fandcm f8=f9,f10": logical("0010"),
    "for f8=f9,f10": logical("0111"),
    "fxor f8=f9,f10": logical("0110"),
    "fselect f8=f9,f10,f11": lambda a, b, c: significand(
        "".join(x if which == "1" else y for x, y, which in zip(a[18:], b[18:], c[18:], strict=True))
    ),
    "xma.l f8=f9,f10,f11": lambda a, b, c: significand(multiplied(a, b, c, signed=False)[64:]),
    "xma.h f8=f9,f10,f11": lambda a, b, c: significand(multiplied(a, b, c, signed=True)[:64]),
    "xma.hu f8=f9,f10,f11": lambda a, b, c: significand(multiplied(a, b, c, signed=False)[:64]),
}

REGISTERS = st.one_of(
    st.integers(0, 2**82 - 1), st.sampled_from([0, ONE, NATVAL, SIGNALLING, 2**82 - 1, 0x1003E << 64 | 1 << 63])
)


@pytest.mark.parametrize("source", MOVES)
@settings(max_examples=examples(25), deadline=None)
@given(st.lists(REGISTERS, min_size=3, max_size=3))
def test_moves(source: str, registers: list[int]) -> None:
    """Against text; a NaTVal among the sources is the result."""
    used = registers if "f11" in source else registers[:2]
    want = NATVAL if NATVAL in used else int(MOVES[source](*map(bits, registers)), 2)
    made = machine(source, {9 + at: register for at, register in enumerate(registers)})
    run(made)
    assert made.fr[8] == want
    assert made.ar[FPSR] == USUAL


PSEUDO_ZERO = 0x1003E << 64  # as an integer 0 is, and greater than none by its exponent
TINY = 0xFF00 << 64 | 1 << 63


@pytest.mark.parametrize("sign", [0, 1 << 81])
def test_pseudo_zeros_are_ordered_as_zeros(sign: int) -> None:
    """SDM 1:88: arithmetic on them operates as on a zero of the same sign; a minimum is the operand as it is."""
    lines = [
        "fcmp.lt.s0 p6,p7=f9,f10",
        "fcmp.lt.s0 p8,p9=f10,f9",
        "fcmp.eq.s0 p10,p11=f9,f0",
        "fmin.s0 f11=f9,f10",
        "famax.s0 f12=f9,f10",
    ]
    made = machine(" ;;\n".join(lines) + " ;;", {9: PSEUDO_ZERO | sign, 10: TINY})
    run(made)
    assert [made.pr[number] for number in (6, 8, 10)] == [1, 0, 1]
    assert made.fr[11] == PSEUDO_ZERO | sign
    assert made.fr[12] == TINY
