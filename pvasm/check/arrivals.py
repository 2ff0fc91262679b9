"""What the code that leads to a node has done to registers before it."""

from __future__ import annotations

from collections.abc import Container, Iterator

from msgspec import Struct

from pvasm.check.flow import Flow
from pvasm.check.subject import Subject
from pvasm.expand.program import Node
from pvasm.isa.conventions import INTERRUPTION, usage
from pvasm.isa.effects import plan_of
from pvasm.isa.registers import REGISTERS, Register

_MAX_VISITED = 4_000  # nodes, in one search


class _EveryRegister:
    """What holds all registers."""

    def __contains__(self, register: object) -> bool:
        return True


EVERY_REGISTER = _EveryRegister()
_ALL_PREDICATES = Register("pr", 0)


class Before(Struct, frozen=True):
    """What a function has done before one of its nodes, on any path: `written` and `saved` registers.

    A register is saved where its value goes to another place. Where `unknown` code precedes, anything may have been
    done. `interrupted` says that the function asks what was interrupted.
    """

    written: frozenset[Register]
    saved: frozenset[Register]
    unknown: bool
    interrupted: bool

    def is_untouched(self, register: Register) -> bool:
        """Whether the register still holds, and alone, what was in it when the function began."""
        return not self.unknown and register not in self.written and register not in self.saved


class Arrivals:
    """What precedes the nodes of a document's flow, each worked out once."""

    def __init__(self, subject: Subject) -> None:
        self._flow = subject.of(Flow)
        self._written: dict[int, Container[Register]] = {}
        self._before: dict[int, Before] = {}

    def written(self, start: int) -> Container[Register]:
        """The registers that the code which leads to a node has written; all of them, if that is not known."""
        known = self._written.get(start)
        if known is None:
            places = list(self._leading(start, stop_at_function=False))
            flow = self._flow
            is_known = flow.steps_left > 0 and len(places) < _MAX_VISITED
            is_known = is_known and not any(flow.uses[place].writes_unknown for place in places)
            found = frozenset(register for place in places for register in flow.uses[place].writes)
            known = self._written[start] = found if is_known else EVERY_REGISTER
        return known

    def before(self, start: int) -> Before:
        """What the function of a node has done before it."""
        known = self._before.get(start)
        if known is None:
            known = self._before[start] = self._find_before(start)
        return known

    def _find_before(self, start: int) -> Before:
        flow = self._flow
        places = list(self._leading(start, stop_at_function=True))
        written: set[Register] = set()
        saved: set[Register] = set()
        unknown = flow.nodes[start].macro is not None or flow.steps_left <= 0 or len(places) >= _MAX_VISITED
        interrupted = False
        for place in places:
            node, uses = flow.nodes[place], flow.uses[place]
            unknown = unknown or uses.writes_unknown
            # The stack pointer stays one when it is moved.
            written |= {each for each in uses.writes if not (usage(each) == "special" and each in uses.reads)}
            saved |= _saved(node)
            interrupted = interrupted or _asks_of_interruption(node)
        return Before(frozenset(written), frozenset(saved), unknown, interrupted)

    def _leading(self, start: int, *, stop_at_function: bool) -> Iterator[int]:
        """The nodes from which control may have come to a node, but over calls and returns."""
        flow = self._flow
        waiting = [start]
        seen = {start}
        while waiting and flow.steps_left > 0 and len(seen) < _MAX_VISITED:
            index = waiting.pop()
            flow.steps_left -= 1
            if index != start:
                yield index
            if stop_at_function and flow.nodes[index].name == ".proc":
                continue
            fresh = [each for each in flow.before[index] if each not in seen]
            seen.update(fresh)
            waiting += fresh

    def idle_value(self, start: int, register: Register) -> int | None:
        """The node that has put a value in a register which nothing has read where control comes to `start`.

        None if there is none that is known. Calls, unknown code and other frames end the search, and so do nodes that
        may write the register for the sake of something else that they do: `alloc`, `fetchadd`, an op.
        """
        flow = self._flow
        waiting = [start]
        seen = {start}
        while waiting and flow.steps_left > 0 and len(seen) < _MAX_VISITED:
            for index in flow.before[waiting.pop()]:
                if index in seen:
                    continue
                seen.add(index)
                flow.steps_left -= 1
                uses = flow.uses[index]
                if register in uses.done:
                    if _writes_alone(flow.nodes[index]):
                        return index
                    continue
                leaves = flow.after[index][1] == "call"
                if register not in uses.reads and not (leaves or uses.writes_unknown or flow.hides(index, register)):
                    waiting.append(index)
        return None


def _saved(node: Node) -> frozenset[Register]:
    """The registers whose values a node puts somewhere else as they are, or nearly so."""
    if node.kind == "op" and node.op is not None:
        given = zip(node.op.parameters, node.values, strict=True)
        return frozenset(value for each, value in given if each.use == "in" and isinstance(value, Register))
    if node.resolved is None:
        return frozenset()
    sources = frozenset(each for each in node.resolved.inputs if isinstance(each, Register))
    if _ALL_PREDICATES in sources:
        return sources | {each for each in REGISTERS.values() if each.file == "p"}
    moved = {each for each in node.resolved.outputs if isinstance(each, Register) and usage(each) == "special"}
    return sources - moved


def _writes_alone(node: Node) -> bool:
    """Whether a node is an instruction that does nothing but write one register."""
    plan = None if node.resolved is None else plan_of(node.resolved.spelling)
    return plan is not None and len(plan.writes) == 1 and not plan.named_writes


def is_save(node: Node, register: Register) -> bool:
    """Whether a node reads a register only to keep it: a spill, or a move of all predicates."""
    if node.resolved is None:
        return False
    if register.file == "p":
        return _ALL_PREDICATES in node.resolved.inputs
    return plan_of(node.resolved.spelling).spills


def _asks_of_interruption(node: Node) -> bool:
    """Whether a node reads a register that tells of an interruption."""
    if node.op is not None:
        return any(f"= {name}" in node.op.replaces for name in INTERRUPTION)
    return node.resolved is not None and any(
        isinstance(each, Register) and each.text in INTERRUPTION for each in node.resolved.inputs
    )
