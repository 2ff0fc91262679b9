"""Accesses to the register stack engine's registers while its mode is known not to be enforced lazy."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterator

from msgspec import Struct

from pvasm.check.flow import Flow
from pvasm.check.subject import Subject
from pvasm.expand.program import Node
from pvasm.isa.registers import REGISTERS

_RSC = REGISTERS["ar.rsc"]
_BACKING_STORE = frozenset({REGISTERS["ar.bspstore"], REGISTERS["ar.rnat"]})
_MODE = 3  # the bits of ar.rsc that are its mode: 0 enforced lazy, 1 store intensive, 2 load intensive, 3 eager

_NOT_REACHED = None
_UNKNOWN: frozenset[int] = frozenset()
_SOME = frozenset({0})


class BusyAccess(Struct, frozen=True):
    """A node that touches ar.bspstore or ar.rnat, and one of the nodes that have set the mode that forbids it."""

    node: Node
    register: str
    setter: Node
    mode: int


class BusyAccesses:
    """The accesses to ar.bspstore and ar.rnat that fault whatever path leads to them, in the order of the text.

    (SDM vol. 2, 6.5.1, and vol. 3, mov ar: an Illegal Operation fault unless ar.rsc.mode is 0.)
    """

    def __init__(self, subject: Subject) -> None:
        self._flow = subject.of(Flow)
        self.found = list(self._find())

    def _find(self) -> Iterator[BusyAccess]:
        nodes = self._flow.nodes
        touching = {index: registers for index, node in enumerate(nodes) if (registers := _touched(node))}
        if not touching or not self._may_be_busy(touching):
            return
        setters = self._setters()
        for index, registers in touching.items():
            known = setters[index]
            if known:
                setter = nodes[min(known)]
                yield BusyAccess(nodes[index], registers[0], setter, _mode(setter) or 0)

    def _may_be_busy(self, touching: Container[int]) -> bool:
        """Whether some path leads from where another mode is set to one of some nodes, with nothing that ends that."""
        flow = self._flow
        setters = [index for index, node in enumerate(flow.nodes) if _sets_other_mode(node)]
        seen: set[int] = set()
        waiting = [after for index in setters for after in flow.after[index][0]]
        while waiting and flow.steps_left > 0:
            index = waiting.pop()
            if index in touching:
                return True
            if index not in seen:
                seen.add(index)
                flow.steps_left -= 1
                if self._left(index, _SOME):
                    waiting += flow.after[index][0]
        return bool(waiting)

    def _setters(self) -> list[frozenset[int] | None]:
        """For each node, the nodes one of which has set a mode that is not 0; empty where it may be 0 or unknown."""
        flow = self._flow
        before: list[frozenset[int] | None] = [_NOT_REACHED] * len(flow.nodes)
        starts = [
            index for index in range(len(flow.nodes)) if not flow.before[index] or flow.nodes[index].name == ".proc"
        ]
        for index in starts:
            before[index] = _UNKNOWN
        waiting = deque(starts)
        while waiting and flow.steps_left > 0:
            index = waiting.popleft()
            flow.steps_left -= 1
            left = self._left(index, before[index])
            for after in flow.after[index][0]:
                known = before[after]
                # Where paths meet, all of them must have set it.
                met = left if known is _NOT_REACHED else _joined(known, left)
                if met != known:
                    before[after] = met
                    waiting.append(after)
        return before if not waiting else [_UNKNOWN] * len(before)

    def _left(self, index: int, known: frozenset[int] | None) -> frozenset[int]:
        """What a node makes of the nodes that have set the mode."""
        flow = self._flow
        node, uses = flow.nodes[index], flow.uses[index]
        arriving = known or _UNKNOWN
        if uses.writes_unknown or flow.transfer[index] in ("call", "break") or node.kind == "op":
            return _UNKNOWN
        if node.resolved is None or _RSC not in node.resolved.writes:
            return arriving
        if not _mode(node):
            return _UNKNOWN
        is_sure = node.resolved.predicate == 0
        return frozenset({index}) if is_sure else _joined(arriving, frozenset({index}))


def _joined(one: frozenset[int], other: frozenset[int]) -> frozenset[int]:
    return frozenset({min(one | other)}) if one and other else _UNKNOWN


def _mode(node: Node) -> int | None:
    """The mode that a node puts in ar.rsc; None where it is not a number."""
    assert node.resolved is not None
    value = node.resolved.operands[-1]
    return value & _MODE if isinstance(value, int) else None


def _sets_other_mode(node: Node) -> bool:
    """Whether a node sets a mode that is known not to be enforced lazy."""
    return node.resolved is not None and _RSC in node.resolved.writes and bool(_mode(node))


def _touched(node: Node) -> list[str]:
    """The registers of the backing store that an instruction names."""
    operands = node.resolved.operands if node.kind == "instruction" and node.resolved is not None else ()
    return [each.text for each in operands if each in _BACKING_STORE]
