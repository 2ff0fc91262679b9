"""Instructions under a predicate that nothing sets, beside a compare whose own predicate nothing reads."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from msgspec import Struct

from pvasm.check.flow import Flow
from pvasm.check.liveness import Liveness
from pvasm.check.subject import Subject
from pvasm.expand.program import Node
from pvasm.isa.conventions import usage
from pvasm.isa.effects import plan_of
from pvasm.isa.registers import Register

_NEAR = 16  # nodes, between the compare and what is under the wrong predicate
_UNKNOWN = 1  # the bit of p0: unknown code may have set any


class UnsetPredicate(Struct, frozen=True):
    """A node under a predicate that nothing sets, and a compare before it with one that nothing reads."""

    node: Node
    predicate: str
    compare: Node
    unread: str


class UnsetPredicates:
    """The unset predicates of a document, in the order of its text."""

    def __init__(self, subject: Subject) -> None:
        self._flow = subject.of(Flow)
        self._liveness = subject.of(Liveness)
        self.found = list(self._find())

    def _find(self) -> Iterator[UnsetPredicate]:
        nodes = self._flow.nodes
        set_before = self._set_before()
        for index, node in enumerate(nodes):
            number = node.resolved.predicate if node.resolved is not None else None
            if not number or node.inlined or set_before[index] & (_UNKNOWN | 1 << number):
                continue
            register = Register("p", number)
            near = self._unread_compare(index) if usage(register) == "scratch" else None
            if near is not None:
                yield UnsetPredicate(node, register.text, *near)

    def _set_before(self) -> list[int]:
        """For each node the predicates that may have been set where it begins, as bits; `_UNKNOWN` for any."""
        flow = self._flow
        sets = [each.predicates | (_UNKNOWN if each.writes_unknown else 0) for each in flow.uses]
        masks = [0] * len(flow.nodes)
        going: list[Sequence[int] | None] = [None] * len(flow.nodes)  # where control goes from those that were reached
        waiting = deque(range(len(flow.nodes)))
        while waiting and flow.steps_left > 0:
            index = waiting.popleft()
            left = masks[index] | sets[index]
            after = going[index]
            if after is None:
                following, leaves = flow.after[index]
                after = (*following, *flow.callees(index)) if leaves == "call" else following
            for place in after:
                if left & ~masks[place]:
                    masks[place] |= left
                    if going[place] is not None:
                        waiting.append(place)
            going[index] = after
        return masks if not waiting else [_UNKNOWN] * len(masks)

    def _unread_compare(self, index: int) -> tuple[Node, str] | None:
        """The nearest compare before a node, in its straight line of code, with a predicate that nothing reads."""
        flow = self._flow
        if "p" in flow.function(index).reads_unknown:
            return None  # by another name, or in a macro
        for place in range(index - 1, max(index - _NEAR, 0) - 1, -1):
            node = flow.nodes[place]
            if place + 1 not in flow.next[place] or node.kind not in ("instruction", "stop", "op"):
                return None
            if node.resolved is None or not plan_of(node.resolved.spelling).compares:
                continue
            for output in node.resolved.outputs:
                if not isinstance(output, Register) or usage(output) != "scratch":
                    continue
                if not self._liveness.is_read_after(place, output):
                    return node, output.text
        return None
