"""Parallel instructions, against a reference written another way: over lists of signed or unsigned numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import product

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pvsim.machine.machine import Machine

from pvasm.isa.bundle import Bundle
from tests.simulator.code import assembled
from tests.simulator.test_integer import twice
from tests.slow import examples

_EDGES = st.sampled_from([0, 1, 0x7F, 0x80, 0x81, 0xFE, 0xFF])
WORDS = st.one_of(st.integers(0, 2**64 - 1), st.lists(_EDGES, min_size=8, max_size=8).map(bytes).map(int.from_bytes))
COUNTS = st.one_of(WORDS, st.integers(0, 40))

Reference = Callable[[int, int], int]


def lanes(value: int, size: int, *, signed: bool = False) -> list[int]:
    """Of a register, the parts of so many bytes, the first from the right."""
    data = value.to_bytes(8, "little")
    return [int.from_bytes(data[at : at + size], "little", signed=signed) for at in range(0, 8, size)]


def word(parts: Iterable[int], size: int) -> int:
    """Of parts, the register; what does not fit in a part is lost."""
    return int.from_bytes(b"".join((part % 256**size).to_bytes(size, "little") for part in parts), "little")


def each(size: int, work: Callable[[int, int], int], *, signed: bool = False, second: bool | None = None) -> Reference:
    """A reference that works on each pair of lanes."""
    other = signed if second is None else second

    def reference(a: int, b: int) -> int:
        pairs = zip(lanes(a, size, signed=signed), lanes(b, size, signed=other), strict=True)
        return word((work(x, y) for x, y in pairs), size)

    return reference


def within(value: int, low: int, high: int) -> int:
    """The number nearest to a value from `low` to `high`."""
    return sorted([low, value, high])[1]


def limits(size: int, *, signed: bool) -> tuple[int, int]:
    top = 256**size
    return (-top // 2, top // 2 - 1) if signed else (0, top - 1)


def saturating(size: int, kind: str, sign: int) -> Reference:
    """padd (`sign` 1) and psub (-1) of a kind."""
    low, high = limits(size, signed=kind[0] == "s")
    return each(size, lambda x, y: within(x + sign * y, low, high), signed=kind[0] == "s", second=kind[2] == "s")


def sticky_half(value: int) -> int:
    """Half of a number; 1 at the end if there is a rest."""
    half, rest = divmod(value, 2)
    return half if not rest else half | 1


def shifted_sum(a: int, b: int, *, count: int) -> int:
    """pshladd2, pshradd2 of two lanes: what overflows in the shift stays at the limit whatever is added."""
    low, high = limits(2, signed=True)
    moved = a * 2**count if count > 0 else a >> -count
    return within(moved, low, high) if not low <= moved <= high else within(moved + b, low, high)


def high_product(a: int, b: int, *, count: int) -> int:
    return a * b >> count


def interleaved(size: int, pick: Callable[[list[int]], list[int]]) -> Reference:
    def reference(a: int, b: int) -> int:
        pairs = zip(pick(lanes(b, size)), pick(lanes(a, size)), strict=True)
        return word([part for pair in pairs for part in pair], size)

    return reference


def packed(size: int, *, signed: bool) -> Reference:
    low, high = limits(size // 2, signed=signed)

    def reference(a: int, b: int) -> int:
        both = lanes(a, size, signed=True) + lanes(b, size, signed=True)
        return word([within(part, low, high) for part in both], size // 2)

    return reference


def shifted(size: int, work: Callable[[int, int], int], count: int, a: int, b: int, *, signed: bool = False) -> int:
    """Each lane of one, by a count, or, where that is -1, by the other register."""
    number = min(b if count < 0 else count, 64)
    return word([work(part, number) for part in lanes(a, size, signed=signed)], size)


def permuted(order: str) -> Reference:
    """mux1: `order` names the byte of the source for each of the result's, the leftmost first."""
    return lambda a, b: word([lanes(a, 1)[int(at)] for at in reversed(order)], 1)


def products(odd: int) -> Reference:
    def reference(a: int, b: int) -> int:
        x, y = lanes(a, 2, signed=True), lanes(b, 2, signed=True)
        return word([x[at] * y[at] for at in (odd, odd + 2)], 4)

    return reference


def _instructions() -> Iterator[tuple[str, Reference]]:
    for size, kind in product((1, 2), ("sss", "uus", "uuu")):
        yield f"padd{size}.{kind} r8=r9,r10", saturating(size, kind, 1)
        yield f"psub{size}.{kind} r8=r9,r10", saturating(size, kind, -1)
    for size in (1, 2, 4):
        yield f"padd{size} r8=r9,r10", each(size, lambda x, y: x + y)
        yield f"psub{size} r8=r9,r10", each(size, lambda x, y: x - y)
        yield f"pcmp{size}.eq r8=r9,r10", each(size, lambda x, y: -1 if x == y else 0)
        yield f"pcmp{size}.gt r8=r9,r10", each(size, lambda x, y: -1 if x > y else 0, signed=True)
        yield f"mix{size}.r r8=r9,r10", interleaved(size, lambda parts: parts[::2])
        yield f"mix{size}.l r8=r9,r10", interleaved(size, lambda parts: parts[1::2])
        yield f"unpack{size}.l r8=r9,r10", interleaved(size, lambda parts: parts[: len(parts) // 2])
        yield f"unpack{size}.h r8=r9,r10", interleaved(size, lambda parts: parts[len(parts) // 2 :])
    for size in (1, 2):
        yield f"pavg{size} r8=r9,r10", each(size, lambda x, y: sticky_half(x + y))
        yield f"pavg{size}.raz r8=r9,r10", each(size, lambda x, y: -(-(x + y) // 2))
        yield f"pavgsub{size} r8=r9,r10", each(size, lambda x, y: sticky_half(x - y))
    yield "pmin1.u r8=r9,r10", each(1, min)
    yield "pmax1.u r8=r9,r10", each(1, max)
    yield "pmin2 r8=r9,r10", each(2, min, signed=True)
    yield "pmax2 r8=r9,r10", each(2, max, signed=True)
    yield "psad1 r8=r9,r10", lambda a, b: sum(abs(x - y) for x, y in zip(lanes(a, 1), lanes(b, 1), strict=True))
    for count in (1, 2, 3):
        yield f"pshladd2 r8=r9,{count},r10", each(2, partial(shifted_sum, count=count), signed=True)
        yield f"pshradd2 r8=r9,{count},r10", each(2, partial(shifted_sum, count=-count), signed=True)
    for count in (0, 7, 15, 16):
        yield f"pmpyshr2 r8=r9,r10,{count}", each(2, partial(high_product, count=count), signed=True)
        yield f"pmpyshr2.u r8=r9,r10,{count}", each(2, partial(high_product, count=count))
    yield "pmpy2.r r8=r9,r10", products(0)
    yield "pmpy2.l r8=r9,r10", products(1)
    yield "mpy4 r8=r9,r10", lambda a, b: lanes(a, 4)[0] * lanes(b, 4)[0]
    yield "mpyshl4 r8=r9,r10", lambda a, b: word([0, lanes(a, 4)[1] * lanes(b, 4)[0]], 4)
    yield "pack2.sss r8=r9,r10", packed(2, signed=True)
    yield "pack2.uss r8=r9,r10", packed(2, signed=False)
    yield "pack4.sss r8=r9,r10", packed(4, signed=True)
    orders = {"@brcst": "00000000", "@mix": "73516240", "@shuf": "73625140", "@alt": "75316420", "@rev": "01234567"}
    for name, order in orders.items():
        yield f"mux1 r8=r9,{name}", permuted(order)
    yield "mux2 r8=r9,0x8d", lambda a, b: word([lanes(a, 2)[at] for at in (1, 3, 0, 2)], 2)
    for size in (2, 4):
        for count in (-1, 0, 5, 15, 16, 31):
            by = "r10" if count < 0 else count
            yield f"pshl{size} r8=r9,{by}", partial(shifted, size, lambda part, n: part << n, count)
            yield f"pshr{size}.u r8=r9,{by}", partial(shifted, size, lambda part, n: part >> n, count)
            yield f"pshr{size} r8=r9,{by}", partial(shifted, size, lambda part, n: part >> n, count, signed=True)


INSTRUCTIONS = dict(_instructions())


@pytest.mark.parametrize("text", INSTRUCTIONS)
@settings(max_examples=examples(20), deadline=None)
@given(first=WORDS, second=COUNTS, nats=st.tuples(st.integers(0, 1), st.integers(0, 1)))
@example(first=0x7FFF_8000_4000_BFFF, second=0x0001_FFFF_7FFF_8000, nats=(0, 0))
@example(first=0x80FF_7F01_0080_FF7F, second=16, nats=(0, 1))
def test_lanes_are_what_the_manual_says(text: str, first: int, second: int, nats: tuple[int, int]) -> None:
    def prepare(machine: Machine) -> None:
        machine.gr[8:11] = 99, first, second
        machine.nat[8:11] = 0, *nats

    is_nat = int(nats[0] or ("r10" in text and nats[1]))
    for machine in twice(text, prepare):
        assert (machine.gr[8], machine.nat[8]) == (INSTRUCTIONS[text](first, second), is_nat)


def test_an_order_of_bytes_that_there_is_not_is_an_illegal_operation() -> None:
    bundle = Bundle.of(assembled("mux1 r8=r9,@mix")[:16])
    slot = next(number for number, bits in enumerate(bundle.slots) if bits >> 37 == 7)
    slots = [*bundle.slots]
    slots[slot] |= 5 << 20  # where the order is
    machine = Machine()
    machine.memory.write(0, Bundle(bundle.template, (slots[0], slots[1], slots[2])).to_bytes())
    stop = machine.run(5)
    assert (str(stop), getattr(stop, "code", None), machine.ip) == ("general exception", 0, slot)
