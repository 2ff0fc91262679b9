"""Integer instructions and compares, against a reference written another way: over lists of bits.

Both back ends run each: a machine runs code a few times as it is before it compiles it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pvsim.machine.machine import Machine

from tests.simulator.code import START, loaded, run

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
    "zxt2 r8=r9": lambda a, b: filled(a[:16]),
    "sxt4 r8=r9": lambda a, b: filled(a[:32], a[31]),
    "sxt1 r8=r9": lambda a, b: filled(a[:8], a[7]),
    "popcnt r8=r9": lambda a, b: bits(sum(a)),
    "clz r8=r9": lambda a, b: bits([*a[::-1], 1].index(1)),
    "czx1.l r8=r9": lambda a, b: bits([*(sum(a[at : at + 8]) for at in range(56, -8, -8)), 0].index(0)),
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
@settings(max_examples=25, deadline=None)
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


@pytest.mark.parametrize("width", [64, 32])
@pytest.mark.parametrize("kind", ["", ".unc", ".and", ".or", ".or.andcm"])
@pytest.mark.parametrize("name", RELATIONS)
@settings(max_examples=10, deadline=None)
@given(first=WORDS, second=WORDS, same=st.booleans(), nat=st.integers(0, 1), qualified=st.integers(0, 1))
def test_a_compare_sets_its_predicates(
    name: str, kind: str, width: int, first: int, second: int, same: bool, nat: int, qualified: int
) -> None:
    if kind in (".and", ".or", ".or.andcm"):
        if name.endswith("u"):
            return  # there is none
        if name not in ("eq", "ne"):
            first = 0  # these compare with r0
    if same:
        second = first
    left = "r0" if kind in (".and", ".or", ".or.andcm") and name not in ("eq", "ne") else "r9"
    text = f"(p3) cmp{'4' if width == 32 else ''}.{name}{kind} p6,p7={left},r10"

    def prepare(machine: Machine) -> None:
        machine.gr[9:11] = first, second
        machine.nat[9:11] = 0, nat
        machine.pr[3], machine.pr[6], machine.pr[7] = qualified, 1, 0

    holds = RELATIONS[name](bits(first)[:width], bits(second)[:width])
    expected = (1, 0)
    if not qualified:
        expected = (0, 0) if kind == ".unc" else expected
    elif kind in ("", ".unc"):
        expected = (0, 0) if nat else (int(holds), int(not holds))
    elif kind == ".and":
        expected = (0, 0) if nat or not holds else expected
    elif holds and not nat:
        expected = (1, 1) if kind == ".or" else (1, 0)
    for machine in twice(text, prepare):
        assert (machine.pr[6], machine.pr[7]) == expected


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
