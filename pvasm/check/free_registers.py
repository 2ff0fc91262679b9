"""Which registers an op may clobber: those of whose values it is certain that nothing needs them any more.

What is not known (a macro of a header, code elsewhere) never makes a register free.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from pvasm.check.arrivals import Arrivals
from pvasm.check.flow import Exit, Flow
from pvasm.check.subject import Subject
from pvasm.expand.program import Node
from pvasm.isa.conventions import BANKED, RETURN_LINK, is_scratch
from pvasm.isa.registers import Register

_MAX_VISITED = 4_000  # nodes, in the search for one register

_LEAVING: dict[Exit, str] = {
    "return": "the function's caller may rely on it",
    "rfi": "what was interrupted may rely on it",
    "call": "a function that is called may read it",
    "elsewhere": "code that is not in the file may read it",
}


class Reason(NamedTuple):
    """Why a register may still be needed, and the node that is the reason."""

    why: str
    node: int


class FreeRegisters:
    """The registers that are free at the nodes of a document's flow."""

    def __init__(self, subject: Subject) -> None:
        self._flow = subject.of(Flow)
        self._arrivals = subject.of(Arrivals)

    def reason_to_keep(self, start: int, register: Register) -> Reason | None:
        """Why the value of a register may still be needed after a node; None if it is certain that it is not.

        By the conventions of the architecture's software (scratch registers at returns), and within the function by
        what is there.
        """
        flow = self._flow
        assumed = flow.conditions.entered(frozenset(), flow.nodes[start].conditions) or frozenset()
        following, leaving = flow.after[start]
        if leaving is not None and not self._is_dead_at(leaving, start, start, register):
            return Reason(_LEAVING[leaving], start)
        # Labels whose addresses are taken may be gone to from anywhere in the function: by a fault, or an rfi.
        waiting = deque([*following, *self._called(start), *flow.function(start).entries])
        seen = set(waiting)
        while waiting:
            if len(seen) > _MAX_VISITED or flow.steps_left <= 0:
                return Reason("too much code follows to be sure", start)
            index = waiting.popleft()
            flow.steps_left -= 1
            if flow.conditions.entered(assumed, flow.nodes[index].conditions) is None:
                continue
            reason = self._reason_at(index, start, register)
            if reason is not None:
                return Reason(reason, index)
            if register in flow.uses[index].sure:
                continue
            fresh = [each for each in (*flow.after[index][0], *self._called(index)) if each not in seen]
            seen.update(fresh)
            waiting += fresh
        return None

    def _reason_at(self, index: int, start: int, register: Register) -> str | None:
        """Why a register's value may be needed at a node, or where control leaves there."""
        flow = self._flow
        node, uses = flow.nodes[index], flow.uses[index]
        if register in uses.reads:
            return f"it is read by `{_shown(node)}'"
        if register.file in uses.reads_unknown:
            return f"what `{_shown(node)}' reads is not known" if _shown(node) else "the end of a macro follows"
        if register in uses.sure:
            return None
        if flow.hides(index, register):
            return "the register bank is switched"
        leaving = flow.after[index][1]
        if leaving is not None and not self._is_dead_at(leaving, index, start, register):
            return _LEAVING[leaving]
        return None

    def _called(self, index: int) -> Iterator[int]:
        """Where control goes at a call or return within the file, besides where `Flow.after` says."""
        flow = self._flow
        leaving = flow.after[index][1]
        if leaving == "call":
            yield from flow.callees(index)
        for site in flow.return_sites.get(index, ()) if leaving is not None else ():
            yield from flow.next[site]

    def _is_dead_at(self, leaving: Exit, index: int, start: int, register: Register) -> bool:
        """Whether a register's value is nobody's where control leaves at a node, but for what `_called` leads to."""
        flow = self._flow
        if leaving == "rfi":
            function = flow.function(start)
            if register not in BANKED or any(flow.is_only_named(label) for label in function.entries):
                return False  # it may come back here: to where nothing else leads
            return function.is_in_bank_0 or flow.is_after_bsw_0(start)
        if leaving == "elsewhere" or not is_scratch(register):
            return False
        if leaving == "call" and flow.link(index) != RETURN_LINK and not flow.callees(index):
            return False  # a call by a convention of its own
        # What the code before has put there may be an argument or a result, by a convention of its own.
        return register not in self._arrivals.written(start)


def _shown(node: Node) -> str:
    return " ".join(node.text.split()) or node.name
