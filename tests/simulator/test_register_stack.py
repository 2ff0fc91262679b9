"""The register stack, against a list of frames: spills, fills, rotation, NaTs, backing stores, interruptions."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct
from pvsim.machine.interruptions import Interruption, Vector
from pvsim.machine.machine import Machine
from pvsim.machine.register_stack import above, below, registers_between

from pvasm.isa.registers import APPLICATION, CONTROL
from tests.simulator.code import START, assembled
from tests.slow import examples

BSP, BSPSTORE, RNAT, RSC, PFS, LC, EC = (
    APPLICATION[name] for name in ("bsp", "bspstore", "rnat", "rsc", "pfs", "lc", "ec")
)
USER_STORE: Final = 0x100000
KERNEL_STORE: Final = 0x200000
IC: Final = 1 << 13
BN: Final = 1 << 44

Word = tuple[int, int] | None
"""A value and its NaT bit; None where the architecture leaves open what a register holds."""


# ------------------------------------------------------------------------------------------ addresses


@given(st.integers(0, 130), st.integers(0, 300))
def test_addresses_skip_collections(start: int, registers: int) -> None:
    """Counted word by word."""
    address = start * 8
    while address // 8 % 64 == 63:
        address += 8
    first = address
    for _ in range(registers):
        address += 8
        while address // 8 % 64 == 63:
            address += 8
    assert above(first, registers) == address
    assert below(address, registers) == first
    assert registers_between(first, address) == registers


# --------------------------------------------------------------------------------- a list of frames

_SIZES: Final = sorted(
    {(96, 96, 0), (0, 0, 0), (1, 1, 0), (96, 0, 96), (8, 0, 8), (62, 61, 8)}
    | {
        (sof, (sof * part + 3) // 7, min(sof // 8 * 8, rotating))
        for sof in (1, 7, 20, 24, 62, 63, 64, 80, 95, 96)
        for part in (0, 3, 6)
        for rotating in (0, 8, 40)
    }
)
"""What is asked of alloc: sof, sol and sor."""

_M_CODE: Final = [f"alloc r9=ar.pfs,0,{sol},{sof - sol},{sor}" for sof, sol, sor in _SIZES] + ["flushrs", "loadrs"]
_B_CODE: Final = [
    *("br.call.sptk.few b0=stop", "br.ret.sptk.few b0", "br.ctop.sptk.few stop", "clrrrb", "clrrrb.pr"),
    *("cover", "rfi"),
]
_SOURCE: Final = "\n".join(
    [f"{{ .mii\n {line}\n nop.i 0\n nop.i 0 ;;\n}}" for line in _M_CODE]
    + [f"{{ .mib\n nop.m 0\n nop.i 0\n {line} ;;\n}}" for line in _B_CODE]
    + ["stop:"]
)
_PLACES: Final = {
    line: START + 16 * at + (0 if at < len(_M_CODE) else 2) for at, line in enumerate([*_M_CODE, *_B_CODE])
}


class Frame(Struct):
    """One function's registers, in the order of the backing store; how many are local, and how many rotate."""

    registers: list[Word]
    local: int = 0
    rotating: int = 0
    base: int = 0

    def physical(self, number: int) -> int:
        """Which of the registers is called r32 and so on."""
        return (number + self.base) % self.rotating if number < self.rotating else number


class Faulting(Machine):
    """A machine whose accesses to the backing store fault when `left` of them have gone well."""

    left = 1 << 60

    def load_rse(self, address: int) -> int:
        """Faults now and then."""
        self._access(address)
        return super().load_rse(address)

    def store_rse(self, address: int, value: int) -> None:
        """Faults now and then."""
        self._access(address)
        super().store_rse(address, value)

    def _access(self, address: int) -> None:
        self.left -= 1
        if self.left < 0:
            self.left = 1 << 60
            raise Interruption(Vector.DATA_TLB, address=address)


class Pair:
    """A machine, and the list of frames that its register stack should be."""

    def __init__(self, start: int, interrupt: Callable[[Pair], None] | None = None) -> None:
        self.machine = machine = Faulting()
        machine.memory.write(START, assembled(_SOURCE))
        machine.psr = IC | BN
        machine.ar[BSP] = machine.ar[BSPSTORE] = above(USER_STORE + 8 * start, 0)
        machine.sof = 0
        machine.fr[32:] = range(32, 128)
        machine.pr[16:] = [number % 3 % 2 for number in range(48)]
        self.bottom = machine.ar[BSP]
        self.frames = [Frame([])]
        self.pfs: list[int] = []
        self.interrupt = interrupt
        self.counter = 0

    def do(self, line: str) -> None:
        """Carries out an instruction, and what an interruption before it does; one that faults again, when it can."""
        if self.interrupt is not None:
            self.machine.ip = _PLACES[line]
            self.interrupt(self)
        self.machine.ip = _PLACES[line]
        stop = self.machine.run(1)
        if stop is None:
            return
        assert stop.vector == Vector.DATA_TLB
        handle(self, COVER)
        if stop.origin is None:
            self.do(line)

    @property
    def frame(self) -> Frame:
        return self.frames[-1]

    # What functions do, to both.

    def alloc(self, which: int) -> None:
        sof, sol, sor = _SIZES[which % len(_SIZES)]
        frame = self.frame
        if frame.rotating != sor and (self.machine.rrb_fr or frame.base):
            self.clear()
        self.do(_M_CODE[_SIZES.index((sof, sol, sor))])
        frame.registers = [*frame.registers, *[None] * sof][:sof]
        frame.local, frame.rotating = sol, sor

    def fill(self, seed: int) -> None:
        """All registers of the frame get values, some NaTs."""
        source = random.Random(seed)
        for number in range(len(self.frame.registers)):
            word = source.getrandbits(64), int(source.random() < 0.3)
            self.machine.gr[32 + number], self.machine.nat[32 + number] = word
            self.frame.registers[self.frame.physical(number)] = word

    def call(self, _: int) -> None:
        self.do("br.call.sptk.few b0=stop")
        self.pfs.append(self.machine.ar[PFS])
        self.frames.append(Frame(self.frame.registers[self.frame.local :]))

    def leave(self, _: int) -> None:
        if len(self.frames) == 1:
            return
        self.machine.ar[PFS] = self.pfs.pop()
        self.do("br.ret.sptk.few b0")
        outs = self.frames.pop().registers
        frame = self.frame
        size = len(frame.registers)
        frame.registers = [*frame.registers[: frame.local], *outs, *[None] * size][:size]

    def rotate(self, times: int) -> None:
        for _ in range(times % 5):
            self.machine.ar[LC] = 1
            self.do("br.ctop.sptk.few stop")
            if self.frame.rotating:
                self.frame.base = (self.frame.base - 1) % self.frame.rotating

    def clear(self, _: int = 0) -> None:
        self.do("clrrrb")
        self.frame.base = 0

    def flush(self, _: int) -> None:
        self.do("flushrs")
        self.check_memory()

    def fault_later(self, after: int) -> None:
        self.machine.left = after % 70

    # What must hold.

    def check(self) -> None:
        """The frame is what it should be, and bsp where it should be."""
        machine, frame = self.machine, self.frame
        assert machine.sof == len(frame.registers)
        for number in range(machine.sof):
            word = frame.registers[frame.physical(number)]
            if word is not None:
                assert (machine.gr[32 + number], machine.nat[32 + number]) == word, f"r{32 + number}"
        assert machine.ar[BSP] == above(self.bottom, len(self.below()))

    def below(self) -> list[Word]:
        """The registers of the frames below the current one."""
        return [word for frame in self.frames[:-1] for word in frame.registers[: frame.local]]

    def check_memory(self) -> None:
        """After a flush the backing store holds every register below the frame, with NaTs in the collections."""
        machine = self.machine
        assert machine.ar[BSPSTORE] == machine.ar[BSP]
        address = self.bottom
        for word in self.below():
            if address // 8 % 64 == 63:
                address += 8
            if word is not None:
                group = address | 0x1F8
                collection = word_at(machine, group) if group < machine.ar[BSPSTORE] else machine.ar[RNAT]
                assert (word_at(machine, address), collection >> address // 8 % 64 & 1) == word, hex(address)
            address += 8


def word_at(machine: Machine, address: int) -> int:
    return int.from_bytes(machine.memory.read(address, 8), "little")


# ------------------------------------------------------------------------------------- interruptions

COVER, FLUSH, KERNEL = "cover", "flush", "kernel"


def handle(pair: Pair, how: str) -> None:
    """An interruption is delivered (SDM vol. 2, 5.5), its handler covers the frame, uses the stack, and returns.

    `how` is `cover` for no more than that; `flush` for a handler that flushes and changes the backing store; `kernel`
    for one that changes it with dirty registers in the machine, and gets them back with loadrs.
    """
    machine, interrupt = pair.machine, pair.interrupt
    pair.interrupt, left, machine.left = None, machine.left, 1 << 60
    kept = {name: machine.ar[APPLICATION[name]] for name in ("pfs", "ec", "lc", "rsc")}
    links, names = list(machine.br), (machine.fr[32:], list(machine.pr))
    machine.cr[CONTROL["ipsr"]] = machine.psr | (machine.ip & 3) << 41
    machine.cr[CONTROL["iip"]] = machine.ip & ~15
    machine.cr[CONTROL["ifs"]] = 0
    resumed, banked = machine.ip, machine.gr[16:32]
    machine.switch_bank(0)
    machine.psr &= ~IC
    machine.loads_frame = False
    pair.do("cover")
    handler = Pair(0)
    handler.machine, handler.frames = machine, [Frame([])]
    store, collected = machine.ar[BSPSTORE], machine.ar[RNAT]
    if how == FLUSH:
        pair.do("flushrs")
        store, collected = machine.ar[BSPSTORE], machine.ar[RNAT]
    if how != COVER:
        machine.write_bspstore(KERNEL_STORE + 8 * (pair.counter % 64))
        handler.bottom, size = machine.ar[BSP], machine.ar[BSP] - machine.ar[BSPSTORE]
        machine.write_rnat(0x5555 << pair.counter % 60)
        pair.counter += 1
        for which in (3, 17, 29):
            handler.call(0)
            handler.alloc(which + pair.counter)
            handler.fill(which)
            handler.check()
        for _ in range(3):
            handler.leave(0)
        assert handler.machine.ar[BSP] == handler.bottom
        assert machine.sof == 0
        machine.ar[RSC] = size << 16
        pair.do("loadrs")
        assert machine.ar[BSP] - machine.ar[BSPSTORE] == size
        machine.write_bspstore(store)
        machine.write_rnat(collected)
    for name, value in kept.items():
        machine.ar[APPLICATION[name]] = value
    machine.br[:] = links
    pair.interrupt, machine.left = interrupt, left
    machine.ip = _PLACES["rfi"]
    stop = machine.run(1)
    while stop is not None:  # a fault in the loads of rfi
        assert stop.vector == Vector.DATA_TLB
        handle(pair, COVER)
        stop = None
    assert machine.ip == resumed
    assert machine.psr & IC
    assert machine.gr[16:32] == banked
    assert (machine.fr[32:], machine.pr) == names


ACTIONS: Final[dict[str, Callable[[Pair, int], None]]] = {
    "alloc": Pair.alloc,
    "fill": Pair.fill,
    "call": Pair.call,
    "leave": Pair.leave,
    "rotate": Pair.rotate,
    "clear": Pair.clear,
    "flush": Pair.flush,
    "fault": Pair.fault_later,
}

_MOVES = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["alloc", "fill", "call", "leave", "rotate"]), st.integers(0, 10_000)),
        st.tuples(st.sampled_from(["clear", "flush", "fault"]), st.integers(0, 10_000)),
        st.just(("enter", 0)),
    ),
    max_size=40,
)


def carry_out(pair: Pair, moves: list[tuple[str, int]]) -> None:
    """Does what functions do, and checks after each; then returns from all that are left."""
    for name, number in moves:
        for each in ("call", "alloc", "fill") if name == "enter" else (name,):
            ACTIONS[each](pair, number + pair.counter * 7)
            pair.counter += 1
            pair.check()
    while len(pair.frames) > 1:
        pair.leave(0)
        pair.check()


@given(st.integers(0, 70), _MOVES)
@settings(max_examples=examples(150), deadline=None)
def test_calls(start: int, moves: list[tuple[str, int]]) -> None:
    carry_out(Pair(start), moves)


@given(st.integers(0, 70), _MOVES, st.lists(st.sampled_from([COVER, FLUSH, KERNEL]), min_size=1, max_size=7))
@settings(max_examples=examples(60), deadline=None)
def test_interruption_at_every_instruction(start: int, moves: list[tuple[str, int]], kinds: list[str]) -> None:
    """Nothing of the interrupted function's state is different behind it."""
    turn = 0

    def interrupt(pair: Pair) -> None:
        nonlocal turn
        turn += 1
        handle(pair, kinds[turn % len(kinds)])

    carry_out(Pair(start, interrupt), moves)


@pytest.mark.parametrize("depth", [1, 2, 3, 10, 60])
@pytest.mark.parametrize("how", [COVER, FLUSH, KERNEL, None])
def test_deep_calls(depth: int, how: str | None) -> None:
    """Frames of 96 registers: each call spills, each return fills, whatever interrupts."""
    pair = Pair(5, None if how is None else lambda each: handle(each, how))
    which = _SIZES.index((96, 82, 40))
    for number in range(depth):
        pair.call(0)
        pair.alloc(which)
        pair.fill(number)
        pair.rotate(number)
        pair.check()
    pair.flush(0)
    for _ in range(depth):
        pair.leave(0)
        pair.check()
