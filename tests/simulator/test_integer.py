"""Integer instructions and compares, against a reference written another way: over lists of bits.

Both back ends run each: a machine runs code a few times as it is before it compiles it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pvsim.machine.machine import Machine

from tests.simulator.code import START, loaded, run
from tests.slow import examples

WORDS = st.one_of(
    st.integers(0, 2**64 - 1),
    st.sampled_from([0, 1, 2**63, 2**63 - 1, 2**64 - 1, 2**31, 2**32 - 1, 2**32, 63, 64, 65, 0x8000, 0x7F80]),
)

Bits = list[int]


def bits(value: int, width: int = 64) -> Bits:
    """A number as bits, the lowest first."""
    return [value // 2**at % 2 for at in range(width)]


def number(given_bits: Sequence[int]) -> int:
    total = 0
    for at, bit in enumerate(given_bits):
        total += bit << at
    return total


def signed(given_bits: Sequence[int]) -> int:
    return number(given_bits) - (given_bits[-1] << len(given_bits))


def filled(given_bits: Sequence[int], with_bit: int = 0) -> Bits:
    """As wide as a register."""
    return [*given_bits, *[with_bit] * 64][:64]


def pointer(total: int, base: Bits) -> Bits:
    """A 32-bit address in the region of its base."""
    return [*bits(total, 32), *[0] * 29, base[30], base[31], 0]


def shifted(value: Bits, count: int, fill: int) -> Bits:
    """To the right."""
    return filled(value[count:], fill)


# Of r9 and r10: each instruction as a person writes it, and what r8 is then.
INSTRUCTIONS: dict[str, Callable[[Bits, Bits], Bits]] = {
    "add r8=r9,r10": lambda a, b: bits(number(a) + number(b)),
    "add r8=r9,r10,1": lambda a, b: bits(number(a) + number(b) + 1),
    "sub r8=r9,r10": lambda a, b: bits(number(a) - number(b)),
    "sub r8=r9,r10,1": lambda a, b: bits(number(a) - number(b) - 1),
    "sub r8=-7,r10": lambda a, b: bits(-7 - number(b)),
    "adds r8=-8192,r9": lambda a, b: bits(number(a) - 8192),
    "addl r8=0x1fffff,r3": lambda a, b: bits(0x1FFFFF),
    "addp4 r8=r9,r10": lambda a, b: pointer(number(a) + number(b), b),
    "addp4 r8=-5,r10": lambda a, b: pointer(number(b) - 5, b),
    "shladd r8=r9,3,r10": lambda a, b: bits(number(a) * 8 + number(b)),
    "shladdp4 r8=r9,4,r10": lambda a, b: pointer(number(a) * 16 + number(b), b),
    "and r8=r9,r10": lambda a, b: [x * y for x, y in zip(a, b, strict=True)],
    "and r8=-2,r10": lambda a, b: [0, *b[1:]],
    "andcm r8=r9,r10": lambda a, b: [x * (1 - y) for x, y in zip(a, b, strict=True)],
    "andcm r8=-86,r10": lambda a, b: [x * (1 - y) for x, y in zip(bits(-86), b, strict=True)],
    "or r8=-128,r10": lambda a, b: [*b[:7], *[1] * 57],
    "xor r8=127,r10": lambda a, b: [*(1 - bit for bit in b[:7]), *b[7:]],
    "or r8=r9,r10": lambda a, b: [max(x, y) for x, y in zip(a, b, strict=True)],
    "xor r8=r9,r10": lambda a, b: [(x + y) % 2 for x, y in zip(a, b, strict=True)],
    "movl r8=0x8000000000000001": lambda a, b: bits(2**63 + 1),
    "shr r8=r9,r10": lambda a, b: shifted(a, min(number(b), 64), a[63]),
    "shr.u r8=r9,r10": lambda a, b: shifted(a, min(number(b), 64), 0),
    "shl r8=r9,r10": lambda a, b: filled([*[0] * min(number(b), 64), *a]),
    "shl r8=r9,63": lambda a, b: [*[0] * 63, a[0]],
    "shrp r8=r9,r10,5": lambda a, b: [*b, *a][5:69],
    "extr r8=r9,60,30": lambda a, b: filled(a[60:64], a[63]),
    "extr.u r8=r9,60,30": lambda a, b: filled(a[60:64]),
    "extr r8=r9,3,7": lambda a, b: filled(a[3:10], a[9]),
    "dep.z r8=r9,60,9": lambda a, b: [*[0] * 60, *a[:4]],
    "dep.z r8=-3,4,6": lambda a, b: filled([0, 0, 0, 0, 1, 0, 1, 1, 1, 1]),
    "dep r8=-1,r9,0,64": lambda a, b: [1] * 64,
    "dep r8=0,r9,9,2": lambda a, b: [*a[:9], 0, 0, *a[11:]],
    "dep r8=r9,r10,50,16": lambda a, b: [*b[:50], *a[:14]],
    "zxt1 r8=r9": lambda a, b: filled(a[:8]),
    "zxt2 r8=r9": lambda a, b: filled(a[:16]),
    "zxt4 r8=r9": lambda a, b: filled(a[:32]),
    "sxt2 r8=r9": lambda a, b: filled(a[:16], a[15]),
    "sxt4 r8=r9": lambda a, b: filled(a[:32], a[31]),
    "sxt1 r8=r9": lambda a, b: filled(a[:8], a[7]),
    "popcnt r8=r9": lambda a, b: bits(sum(a)),
    "clz r8=r9": lambda a, b: bits([*a[::-1], 1].index(1)),
    "czx1.l r8=r9": lambda a, b: bits([*(sum(a[at : at + 8]) for at in range(56, -8, -8)), 0].index(0)),
    "czx1.r r8=r9": lambda a, b: bits([*(sum(a[at : at + 8]) for at in range(0, 64, 8)), 0].index(0)),
    "czx2.l r8=r9": lambda a, b: bits([*(sum(a[at : at + 16]) for at in range(48, -16, -16)), 0].index(0)),
    "czx2.r r8=r9": lambda a, b: bits([*(sum(a[at : at + 16]) for at in range(0, 64, 16)), 0].index(0)),
}

SIGNED: dict[str, Callable[[int, int], bool]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
}


def _relation(test: Callable[[int, int], bool], read: Callable[[Bits], int]) -> Callable[[Bits, Bits], bool]:
    return lambda a, b: test(read(a), read(b))


RELATIONS = {
    **{name: _relation(test, signed) for name, test in SIGNED.items()},
    **{f"{name}u": _relation(SIGNED[name], number) for name in ("lt", "le", "gt", "ge")},
}


def twice(source: str, prepare: Callable[[Machine], None]) -> list[Machine]:
    """The machines after a program that was carried out as it is, and one that was compiled."""
    machines = []
    for times in (1, 13):
        machine = loaded(source)
        for _ in range(times):
            machine.ip = START
            prepare(machine)
            run(machine)
        machines.append(machine)
    return machines


@pytest.mark.parametrize("text", INSTRUCTIONS)
@settings(max_examples=examples(25), deadline=None)
@given(first=WORDS, second=WORDS, nats=st.tuples(st.integers(0, 1), st.integers(0, 1)))
@example(first=2**64 - 1, second=64, nats=(0, 0))
@example(first=0x00FF, second=63, nats=(1, 0))
def test_an_instruction_is_what_the_manual_says(text: str, first: int, second: int, nats: tuple[int, int]) -> None:
    def prepare(machine: Machine) -> None:
        machine.gr[8:11] = 99, first, second
        machine.nat[8:11] = 0, *nats

    expected = number(INSTRUCTIONS[text](bits(first), bits(second)))
    is_nat = int(("r9" in text and nats[0]) or ("r10" in text and nats[1]))
    for machine in twice(text, prepare):
        assert (machine.gr[8], machine.nat[8]) == (expected, is_nat)


_PARALLEL = (".and", ".or", ".or.andcm")
KINDS = ("", ".unc", *_PARALLEL)
TESTED = ["tbit r10,0", "tbit r10,63", "tnat r10", "tf 32", "tf 63"]


def compare_text(width: int, name: str, kind: str, left: str) -> str:
    """A compare of a register, a number or r0 with r10."""
    return f"(p3) cmp{'4' if width == 32 else ''}.{name}{kind} p6,p7={left},r10"


def bit_test_text(what: str, asked: str, kind: str) -> str:
    """A test of one of `TESTED`, for a 1 (`nz`) or a 0 (`z`)."""
    name, operand = what.split(" ", 1)
    return f"(p3) {name}.{asked}{kind} p6,p7={operand}"


@pytest.mark.parametrize("width", [64, 32])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", RELATIONS)
@settings(max_examples=examples(10), deadline=None)
@given(first=WORDS, second=WORDS, same=st.booleans(), nat=st.integers(0, 1), qualified=st.integers(0, 1))
def test_a_compare_sets_its_predicates(
    name: str, kind: str, width: int, first: int, second: int, same: bool, nat: int, qualified: int
) -> None:
    if kind in _PARALLEL:
        if name.endswith("u"):
            return  # there is none
        if name not in ("eq", "ne"):
            first = 0  # these compare with r0
    if same:
        second = first
    left = "r0" if kind in _PARALLEL and name not in ("eq", "ne") else "r9"
    text = compare_text(width, name, kind, left)

    def prepare(machine: Machine) -> None:
        machine.gr[9:11] = first, second
        machine.nat[9:11] = 0, nat
        machine.pr[3], machine.pr[6], machine.pr[7] = qualified, 1, 0

    holds = RELATIONS[name](bits(first)[:width], bits(second)[:width])
    expected = predicates(kind, holds=holds, nat=nat, qualified=qualified)
    for machine in twice(text, prepare):
        assert (machine.pr[6], machine.pr[7]) == expected


def predicates(kind: str, *, holds: bool, nat: int, qualified: int) -> tuple[int, int]:
    """What the targets are, which were 1 and 0, after a compare or test of a type."""
    before = (1, 0)
    if not qualified:
        return (0, 0) if kind == ".unc" else before
    if kind in ("", ".unc"):
        return (0, 0) if nat else (int(holds), int(not holds))
    if kind == ".and":
        return (0, 0) if nat or not holds else before
    if nat or not holds:
        return before
    return (1, 1) if kind == ".or" else (1, 0)


IMMEDIATES = [-128, -1, 0, 1, 127]


@pytest.mark.parametrize("width", [64, 32])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["eq", "ne", "lt", "ltu"])
@settings(max_examples=examples(12), deadline=None)
@given(value=st.sampled_from(IMMEDIATES), second=WORDS, nat=st.integers(0, 1), qualified=st.integers(0, 1))
@example(value=-128, second=2**64 - 128, nat=0, qualified=1)
@example(value=127, second=127, nat=1, qualified=1)
def test_a_compare_with_a_number(
    name: str, kind: str, width: int, value: int, second: int, nat: int, qualified: int
) -> None:
    if kind in _PARALLEL and name not in ("eq", "ne"):
        return  # these are of registers alone
    text = compare_text(width, name, kind, str(value))

    def prepare(machine: Machine) -> None:
        machine.gr[10], machine.nat[10] = second, nat
        machine.pr[3], machine.pr[6], machine.pr[7] = qualified, 1, 0

    holds = RELATIONS[name](bits(value)[:width], bits(second)[:width])
    for machine in twice(text, prepare):
        assert (machine.pr[6], machine.pr[7]) == predicates(kind, holds=holds, nat=nat, qualified=qualified)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("asked", ["z", "nz"])
@pytest.mark.parametrize("what", TESTED)
@pytest.mark.parametrize("nat", [0, 1])
def test_a_test_sets_its_predicates(what: str, asked: str, kind: str, nat: int) -> None:
    """A bit, a NaT, a feature: that is, a bit of cpuid[4], of which 32 is one that there is and 63 one that is not."""
    if kind in ("", ".unc") and asked == "nz":
        return  # the same as .z with the targets in another order
    name, operand = what.split(" ", 1)
    for value, qualified in itertools.product((0, 1, 1 << 63), (0, 1)):
        text = bit_test_text(what, asked, kind)

        def prepare(machine: Machine, value: int = value, qualified: int = qualified) -> None:
            machine.gr[10], machine.nat[10] = value, nat
            machine.pr[3], machine.pr[6], machine.pr[7] = qualified, 1, 0

        bit = {"tbit": value >> int(operand[-2:].strip(",")) & 1, "tnat": nat, "tf": int(operand == "32")}[name]
        expected = predicates(
            kind, holds=bool(bit) == (asked == "nz"), nat=nat if name == "tbit" else 0, qualified=qualified
        )
        for machine in twice(text, prepare):
            assert (machine.pr[6], machine.pr[7]) == expected, (text, value)


def test_a_predicate_that_is_0_turns_an_instruction_off() -> None:
    def prepare(machine: Machine) -> None:
        machine.gr[8] = 5
        machine.pr[6] = 0

    for machine in twice("(p6) mov r8=9", prepare):
        assert machine.gr[8] == 5


@pytest.mark.parametrize("text", ["mov r40=1", "(p6) cmp.eq p7,p7=r0,r0"])
def test_what_the_manual_forbids_is_an_illegal_operation(text: str) -> None:
    machine = loaded(f"nop.m 0 ;;\n{text}")
    machine.sof = 8
    machine.pr[6] = 1
    stop = machine.run(100)
    assert (str(stop), getattr(stop, "code", None)) == ("general exception", 0)
