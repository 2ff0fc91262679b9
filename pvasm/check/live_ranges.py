"""Where in a routine the registers have values that are read further on, of those that ops clobber in it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from msgspec import Struct

from pvasm.check.clobbers import clobbers_of
from pvasm.check.flow import Flow
from pvasm.check.liveness import Liveness
from pvasm.check.subject import Subject
from pvasm.isa.conventions import survives_calls
from pvasm.isa.registers import Register

_THROUGH = frozenset({"directive", "section", "stop", "opaque", "arm"})  # what is no code that control comes from


class Routine(Struct, frozen=True):
    """Code from one way in to the next: the nodes from `first` to `end` in a document's flow."""

    name: str
    first: int
    end: int


class LiveRanges(Struct):
    """The registers that ops clobber in a routine, and for each of its nodes which of them are live before it, as bits.

    `clobbers` has for the nodes that clobber some which those are, and `needed` those of them whose values are needed
    behind, so that they must not be.
    """

    registers: list[Register]
    before: list[int]
    clobbers: dict[int, int]
    needed: dict[int, int]


def routines(flow: Flow) -> list[Routine]:
    """The routines of a document, but for the bodies of macros: what `.proc` begins, or a label that is no target."""
    nodes = flow.nodes
    starts: list[tuple[int, str]] = []
    is_inside = False
    for index, node in enumerate(nodes):
        if node.macro is not None or node.kind == "end":
            continue
        if node.name == ".proc":
            starts.append((index, node.arguments[0] if node.arguments else ""))
            is_inside = True
        elif node.name == ".endp":
            is_inside = False
        elif node.kind == "label" and not is_inside and _is_way_in(flow, index):
            starts.append((index, node.name))
    begun = [(0, ""), *starts] if not starts or starts[0][0] else starts
    ends = [*(start for start, _ in begun[1:]), len(nodes)]
    return [Routine(name, first, end) for (first, name), end in zip(begun, ends, strict=True)]


def _is_way_in(flow: Flow, label: int) -> bool:
    """Whether no instruction of the file leads to a label."""
    name = flow.nodes[label].name
    if name.startswith(".") or name.isdecimal():
        return False
    waiting, seen = [label], {label}
    while waiting:
        for before in flow.before[waiting.pop()]:
            if flow.nodes[before].kind not in _THROUGH:
                return False
            if before not in seen:
                seen.add(before)
                waiting.append(before)
    return True


def live_ranges(subject: Subject, routine: Routine) -> LiveRanges:
    """The live ranges of what ops clobber in a routine."""
    flow = subject.of(Flow)
    nodes = range(routine.first, routine.end)
    told = {
        index: [register for _, register in clobbers_of(flow.nodes[index])]
        for index in nodes
        if flow.nodes[index].kind == "op" and flow.nodes[index].macro is None
    }
    registers = sorted({each for found in told.values() for each in found}, key=lambda each: (each.file, each.number))
    bits = {register: 1 << number for number, register in enumerate(registers)}
    before = _before(flow, routine, registers, bits) if registers else [0] * len(nodes)
    liveness = subject.of(Liveness)
    clobbers: dict[int, int] = {}
    needed: dict[int, int] = {}
    for index, found in told.items():
        for register in found:
            clobbers[index] = clobbers.get(index, 0) | bits[register]
            if liveness.live(index, register) is not None:
                needed[index] = needed.get(index, 0) | bits[register]
    return LiveRanges(registers, before, clobbers, needed)


def _before(flow: Flow, routine: Routine, registers: Sequence[Register], bits: dict[Register, int]) -> list[int]:
    """The registers that are live before each node, by the equations of live variables, which hold for the least sets.

    What leaves the routine leaves nothing live: of what others do with registers, conventions tell (`Liveness`).
    """
    first, size = routine.first, routine.end - routine.first
    reads, keeps = _transfers(flow, routine, registers, bits)
    after = [[each - first for each in flow.after[first + at][0] if 0 <= each - first < size] for at in range(size)]
    leading: list[list[int]] = [[] for _ in range(size)]
    for at, following in enumerate(after):
        for each in following:
            leading[each].append(at)
    live = [0] * size
    waiting = deque(reversed(range(size)))
    is_waiting = [True] * size
    while waiting:
        at = waiting.popleft()
        is_waiting[at] = False
        behind = 0
        for each in after[at]:
            behind |= live[each]
        now = reads[at] | (behind & keeps[at])
        if now != live[at]:
            live[at] = now
            for each in leading[at]:
                if not is_waiting[each]:
                    is_waiting[each] = True
                    waiting.append(each)
    return live


def _transfers(
    flow: Flow, routine: Routine, registers: Sequence[Register], bits: dict[Register, int]
) -> tuple[list[int], list[int]]:
    """What each node reads, and which registers keep their values over it."""

    def of(found: frozenset[Register]) -> int:
        return sum(bits[each] for each in found if each in bits)

    everything = (1 << len(registers)) - 1
    reads, keeps = [], []
    for index in range(routine.first, routine.end):
        uses = flow.uses[index]
        kept = 0 if uses.writes_unknown else everything & ~of(uses.sure)
        if flow.after[index][1] == "call":
            frame = flow.frame(index)
            kept &= sum(bits[each] for each in registers if survives_calls(each, frame))
        for register in registers if kept and flow.nodes[index].kind in ("instruction", "op") else ():
            if flow.hides(index, register):
                kept &= ~bits[register]
        reads.append(of(uses.reads))
        keeps.append(kept)
    return reads, keeps


def live_spans(found: LiveRanges, register: int) -> Iterator[tuple[int, int]]:
    """The stretches of nodes, counted from the routine's first, before which a register is live: first and last."""
    start = -1
    for at, live in enumerate([*found.before, 0]):
        if live >> register & 1:
            start = at if start < 0 else start
        elif start >= 0:
            yield start, at - 1
            start = -1
