"""Whether the value is live that a register has before an op overwrites it: read later, or another's by convention.

The search follows paths forward from the op: over branches, into helpers of the same file and out of them again, past
predicated writes. Only what is there is an answer: unknown code ends a path, and says nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from typing import NamedTuple

from msgspec import Struct

from pvasm.check.arrivals import Arrivals, is_save
from pvasm.check.assumptions import Literals
from pvasm.check.flow import Exit, Flow
from pvasm.check.path_predicates import Known
from pvasm.check.subject import Subject
from pvasm.isa.conventions import (
    BANKED,
    RESULTS,
    Frame,
    belongs_to_caller,
    described,
    is_output,
    is_renamed,
    survives_calls,
    usage,
)
from pvasm.isa.registers import Register

_MAX_VISITED = 4_000  # nodes, in the search for one register
_MIN_VISITED = 100
_MAX_DEPTH = 3  # calls in calls

_Calls = tuple[tuple[int, int], ...]
"""The calls that a path is in: the node that calls, and the label that it goes to; the innermost last."""


class _State(NamedTuple):
    """Where a search is: at a node, with what is known of predicates and assumed of conditions, in these calls."""

    at: int
    known: Known
    assumed: Literals
    calls: _Calls


class Live(Struct, frozen=True):
    """Why a register's value is needed.

    `path` are the nodes from the first behind the op to the one that reads the register or, where `convention` is not
    empty, that leaves with it; `convention` says what the register is there for. `origin` is the node that has put
    the value there, if that matters. `in_group` says that the path stays in the op's instruction group.
    """

    path: list[int]
    in_group: bool = False
    convention: str = ""
    origin: int | None = None


class Liveness:
    """The searches over a document's flow. Each may go as far as leaves time for one of every op."""

    def __init__(self, subject: Subject) -> None:
        self._flow = subject.of(Flow)
        self._arrivals = subject.of(Arrivals)
        ops = sum(node.kind == "op" for node in self._flow.nodes)
        self._limit = min(_MAX_VISITED, max(_MIN_VISITED, self._flow.steps_left // max(ops, 1)))

    def live(self, start: int, register: Register) -> Live | None:
        """Why the value that a register has at a node, which overwrites it, is live; None if that is not known.

        A read in the op's group counts before others, a read before a convention, and the shortest path is taken.
        """
        within: dict[_State, _State | None] = {}
        for state, is_read in self._paths(start, register, within, in_group=True):
            if is_read:
                return Live(_path(within, state), in_group=True)
        conventions = _Conventions(self._flow, self._arrivals, self._is_put_for, start, register)
        by_convention: Live | None = None
        before: dict[_State, _State | None] = {}
        for state, is_read in self._paths(start, register, before):
            if is_read:
                return Live(_path(before, state))
            if by_convention is None and not state.calls:
                by_convention = conventions.live_at(state.at, partial(_path, before, state))
        return by_convention

    def is_read_after(self, start: int, register: Register) -> bool:
        """Whether a value that a node leaves in a register is read on any path that is known."""
        return any(is_read for _, is_read in self._paths(start, register, {}))

    def _is_put_for(self, origin: int, start: int, register: Register) -> bool:
        """Whether a value that the node `origin` leaves in a register can have no purpose but for what follows `start`.

        It is read on no path that is known, nor is an argument handed to another call.
        """
        is_argument = is_renamed(register)
        ends = self._paths(origin, register, {}, avoided=start if is_argument else -1)
        return not any(is_read or (is_argument and self._flow.after[end.at][1] == "call") for end, is_read in ends)

    def _is_use(self, state: _State, start: int, register: Register) -> bool:
        """Whether a node on a path from `start` that reads a register needs it, and not just saves it."""
        flow = self._flow
        uses, node = flow.uses[state.at], flow.nodes[state.at]
        if uses.predicate and uses.predicate in state.known:
            return False
        if usage(register) != "scratch" or not is_save(node, register):
            return True
        # A helper may save all there is. Of all predicates that are saved some matter; after an interruption, each.
        return not state.calls and (register.file != "p" or self._arrivals.before(start).interrupted)

    def _paths(
        self,
        start: int,
        register: Register,
        before: dict[_State, _State | None],
        *,
        avoided: int = -1,
        in_group: bool = False,
    ) -> Iterator[tuple[_State, bool]]:
        """The ends of paths on which a register keeps its value: where it is read, and where control leaves the file.

        With each whether it is read there. `before` is filled with the state that each state was reached from. No
        path leads through the node `avoided`, or with `in_group` out of the start's instruction group.
        """
        flow = self._flow
        frame = flow.frame(start)
        assumed = flow.conditions.entered(frozenset(), flow.nodes[start].conditions) or frozenset()
        beginnings = [node for node in flow.after[start][0] if not (in_group and flow.ends_group(start, node))]
        first = [_State(node, frozenset(), assumed, ()) for node in beginnings]
        before.update(dict.fromkeys(first))
        waiting = deque(first)
        if flow.after[start][1] is not None:
            yield _State(start, frozenset(), assumed, ()), False
        enter, is_off_known = flow.conditions.entered, flow.predicates.is_off
        while waiting and len(before) < self._limit:
            state = waiting.popleft()
            at, known, _, calls = state
            now = enter(state.assumed, flow.nodes[at].conditions)
            if now is None or at == avoided:
                continue
            uses = flow.uses[at]
            is_off = is_off_known(known, uses)
            if not is_off:
                if register in uses.reads and self._is_use(state, start, register):
                    yield state, True
                if register in uses.sure or uses.writes_unknown or flow.hides(at, register):
                    continue
                left = flow.predicates.after_write(known, at, register)
                if left is None:
                    continue
                known = left
                if flow.after[at][1] is not None:
                    yield state, False
            for after in self._following(_State(at, known, now, calls), register, frame, is_off):
                if after not in before and not (in_group and flow.ends_group(at, after.at)):
                    before[after] = state
                    waiting.append(after)

    def _following(self, state: _State, register: Register, frame: Frame | None, is_off: bool) -> Iterator[_State]:
        """The states behind a node, where the register still has its value."""
        flow = self._flow
        index, known, assumed, calls = state
        next_in_text = flow.next[index]
        if is_off:
            yield from (_State(after, known, assumed, calls) for after in next_in_text)
            return
        uses = flow.uses[index]
        following, leaving = flow.after[index]
        if leaving == "call":
            yield from self._over_call(state, register, frame)
            return
        if leaving is not None:
            yield from self._back(state, register)
        for after in following:
            passed: Known | None = known
            if len(following) > 1:
                passed = flow.predicates.after_branch(known, uses.predicate, after not in next_in_text)
            if passed is not None:
                yield _State(after, passed, assumed, calls)

    def _over_call(self, state: _State, register: Register, frame: Frame | None) -> Iterator[_State]:
        """Behind a call, and at the beginnings of what it calls."""
        flow = self._flow
        index, known, assumed, calls = state
        is_kept = survives_calls(register, frame)
        # What keeps a register may read it to save it: that is no use of its value.
        if not is_kept and not is_renamed(register) and len(calls) < _MAX_DEPTH:
            for entry in flow.callees(index):
                yield _State(entry, known, assumed, (*calls, (index, entry)))
        if is_kept or flow.uses[index].predicate:
            yield from (_State(after, known, assumed, calls) for after in flow.next[index])

    def _back(self, state: _State, register: Register) -> Iterator[_State]:
        """Behind the calls that a return, or a branch through a branch register, leads back to; or at its labels."""
        flow = self._flow
        index, known, assumed, calls = state
        link = flow.link(index)
        if link is None or is_renamed(register):
            return
        if calls:
            site, entry = calls[-1]
            is_return = flow.link(site) == link and index in flow.returns(entry, link)
            sites, outer = ([site] if is_return else []), calls[:-1]
        else:
            sites, outer = flow.return_sites.get(index, []), ()
        for site in sites:
            yield from (_State(after, known, assumed, outer) for after in flow.next[site])
        if not sites and flow.transfer[index] == "branch":
            yield from (_State(entry, known, assumed, calls) for entry in flow.callees(index))


def _path(before: dict[_State, _State | None], state: _State) -> list[int]:
    path = []
    reached: _State | None = state
    while reached is not None:
        path.append(reached.at)
        reached = before.get(reached)
    return path[::-1]


class _Conventions:
    """What the software conventions say of a register's value, which an op at `start` overwrites, where control leaves.

    Each is asked of code that keeps to the conventions as far as is seen: what the function has written itself before,
    unsaved, is its own; where unknown code precedes, nothing is said.
    """

    def __init__(
        self,
        flow: Flow,
        arrivals: Arrivals,
        is_put_for: Callable[[int, int, Register], bool],
        start: int,
        register: Register,
    ) -> None:
        self._flow = flow
        self._arrivals = arrivals
        self._is_put_for = is_put_for
        self._start = start
        self._register = register

    def live_at(self, index: int, path: Callable[[], list[int]]) -> Live | None:
        """Why the register is live where control leaves at a node; None if no convention says so."""
        leaving = self._flow.after[index][1]
        if leaving is None or self._flow.nodes[self._start].macro is not None:
            return None
        return _ASKED[leaving](self, index, path)

    def _at_return(self, index: int, path: Callable[[], list[int]]) -> Live | None:
        register = self._register
        if register in RESULTS:
            return self._put_there("the result", path)
        before = self._arrivals.before(self._start)
        if belongs_to_caller(register) and not before.unknown and register not in before.written:
            return Live(path(), convention=_whose(register, "not put back"))
        return None

    def _at_call(self, index: int, path: Callable[[], list[int]]) -> Live | None:
        if is_output(self._register, self._flow.frame(self._start)):
            return self._put_there("an argument", path)
        is_theirs = usage(self._register) == "special" and not self._flow.callees(index)
        return self._if_untouched(path) if is_theirs else None

    def _at_rfi(self, index: int, path: Callable[[], list[int]]) -> Live | None:
        flow = self._flow
        if flow.function(self._start).has_only_named_entry:
            return None  # it may come back here: to where nothing else leads
        register = self._register
        if belongs_to_caller(register):
            return self._if_untouched(path)
        if register.file != "r" or register in BANKED or is_renamed(register):
            return None
        before = self._arrivals.before(self._start)
        is_theirs = before.interrupted and before.is_untouched(register)
        if not is_theirs:
            return None
        return Live(path(), convention="what was interrupted has its value in it, not saved")

    def _elsewhere(self, index: int, path: Callable[[], list[int]]) -> Live | None:
        if self._flow.nodes[index].kind == "end" or self._flow.callees(index):
            return None
        return self._if_untouched(path) if belongs_to_caller(self._register) else None

    def _if_untouched(self, path: Callable[[], list[int]]) -> Live | None:
        untouched = self._arrivals.before(self._start).is_untouched(self._register)
        return Live(path(), convention=_whose(self._register, "not saved")) if untouched else None

    def _put_there(self, what: str, path: Callable[[], list[int]]) -> Live | None:
        """Of a register that is an argument or a result: only if a value was put there that nothing else reads."""
        return None if self._origin is None else Live(path(), convention=what, origin=self._origin)

    @cached_property
    def _origin(self) -> int | None:
        """The node that has put a value in the register which nothing reads; None if there is none that is known."""
        origin = self._arrivals.idle_value(self._start, self._register)
        is_for_this = origin is not None and self._is_put_for(origin, self._start, self._register)
        return origin if is_for_this else None


_ASKED: dict[Exit, Callable[[_Conventions, int, Callable[[], list[int]]], Live | None]] = {
    "return": _Conventions._at_return,
    "call": _Conventions._at_call,
    "rfi": _Conventions._at_rfi,
    "elsewhere": _Conventions._elsewhere,
}


def _whose(register: Register, lacking: str) -> str:
    return described(register) if usage(register) == "special" else f"{described(register)}, and {lacking}"
