"""What is wrong inside the instruction groups of a document's variants, one for each instance.

The variants are not written out: the program's graph with an instance's expansions in it is walked through, with what
GNU as would know at each step (`pvasm.isa.dependencies`). Where `#if` parts the ways, each arm is followed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from msgspec import Struct

from pvasm.asm.annotations import annotate
from pvasm.check.assumptions import Assumptions, Literals
from pvasm.check.code import Code
from pvasm.check.finding import Finding, Related
from pvasm.check.stretches import LEAST, Carried, Stretch, Stretches, moved
from pvasm.check.subject import Subject
from pvasm.expand.program import Graph, Node
from pvasm.isa.dependencies import Dependencies, Violation
from pvasm.isa.hazards import ends_group
from pvasm.isa.positions import Misplaced, Positions
from pvasm.isa.resources import term
from pvasm.paravirt.environments import known_macros
from pvasm.syntax.tree import Condition

_SHOWN_BESIDE = 20  # steps, in the lines that show a finding
_MAX_STATES = 4  # ways on which a group is followed at a time


class GroupFinding(Struct, frozen=True):
    """What is wrong between two steps of a variant.

    `start` and `end` are the span to report; `instances` those in whose variants it is. `lines` are the expansion that
    the two stand in or beside. `violation` is of a dependency, or the position of the first or the second step.
    """

    violation: Violation | Misplaced
    start: int
    end: int
    first: Node
    second: Node
    instances: tuple[str, ...]
    lines: tuple[str, ...]

    @property
    def kind(self) -> str:
        """`RAW`, `WAW` or `WAR` between instructions of a group, `position`, or `serialization` between groups."""
        found = self.violation
        if isinstance(found, Misplaced):
            return "position"
        return found.kind if found.same_group else "serialization"

    @property
    def needs(self) -> str:
        """What must stand between the two: `stop`, `srlz.d` or `srlz.i`."""
        return "stop" if isinstance(self.violation, Misplaced) else self.violation.needs

    @property
    def earlier(self) -> str:
        """The first of the two instructions."""
        return _shown(self.first)

    @property
    def later(self) -> str:
        """The second, which meets what the first did."""
        return _shown(self.second)

    @property
    def resource(self) -> str:
        """The SDM's term for the register or resource; `first` or `last` for a position."""
        found = self.violation
        return found.must_be if isinstance(found, Misplaced) else term(found.resource)

    @property
    def due(self) -> str:
        """What the message says of what must stand between the two."""
        return f"{'a stop (;;)' if self.needs == 'stop' else self.needs} is due between"

    def finding(self, message: str) -> Finding:
        """The finding with this message."""
        return Finding(
            self.start,
            self.end,
            message,
            instance=", ".join(self.instances) if self.lines else None,
            details=self.lines,
            related=tuple(self._others()),
        )

    def _others(self) -> Iterator[Related]:
        """Those of the two steps that stand elsewhere than what is reported."""
        for step, which in ((self.first, "first"), (self.second, "second")):
            if (step.start, step.end) != (self.start, self.end):
                yield Related(step.start, step.end, f"the {which} of the two: {_shown(step)}")


def find_violations(subject: Subject) -> list[GroupFinding]:
    """What is wrong in the groups of a document's variants, in the order of its text."""
    instances = subject.instances
    program = subject.of(Code).program
    text = subject.document.text
    alike = not program.ops_used and not any(instance.defines in text for instance in instances)
    found: dict[tuple[object, ...], tuple[Violation | Misplaced, Graph, list[str]]] = {}
    walked = instances[:1] if alike else instances
    earlier = subject.earlier
    stretches = earlier.stretches if earlier is not None else Stretches() if len(walked) > 1 else None
    for instance in walked:
        graph = program.graph(known_macros([instance]), instance)
        for violation in _Walk(
            graph, stretches, _Mode(".auto" in text, not subject.document.preprocessed)
        ).violations():
            key = (*_what(violation), *(_identity(graph.nodes[index]) for index in _pair(violation)))
            found.setdefault(key, (violation, graph, []))[2].append(instance.name)
    in_bodies = {
        (*_what(violation), *(graph.nodes[index].text for index in _pair(violation)))
        for violation, graph, _ in found.values()
        if graph.nodes[_pair(violation)[1]].macro is not None
    }
    names = [instance.name for instance in instances]
    findings = []
    for violation, graph, where in found.values():
        first, second = (graph.nodes[index] for index in _pair(violation))
        told = (*_what(violation), first.text, second.text) in in_bodies
        if not (told and second.inlined and second.macro is None):
            findings.append(_finding(subject, violation, graph, names, names if alike else where))
    return sorted(findings, key=lambda each: (each.start, each.end))


def _finding(
    subject: Subject, violation: Violation | Misplaced, graph: Graph, names: Sequence[str], where: Sequence[str]
) -> GroupFinding:
    pair = _pair(violation)
    first, second = (graph.nodes[index] for index in pair)
    same_group = isinstance(violation, Misplaced) or violation.same_group
    place = second if second.op is not None or first.op is None or not same_group else first
    if isinstance(violation, Misplaced):
        place = graph.nodes[violation.name]
    concerned = tuple(dict.fromkeys(where))
    lines: tuple[str, ...] = ()
    if place.op is not None or place.inlined or len(concerned) < len(names):
        lines = tuple(_lines(graph, *pair, subject))
    parting = [name for name in names if name not in concerned]
    if parting and _what(violation)[0] == "RAW" and _has_op_between(graph, *pair):
        # What the group's instructions read was the old value; a stop makes it the new one.
        parted = f"in {', '.join(parting)} a stop of an expansion parts the two: there it reads the new value"
        lines = (*lines, parted)
    return GroupFinding(violation, place.start, place.end, first, second, concerned, lines)


def _what(violation: Violation | Misplaced) -> tuple[object, object]:
    if isinstance(violation, Misplaced):
        return "position", violation.must_be
    return violation.kind, violation.resource


def _pair(violation: Violation | Misplaced) -> tuple[int, int]:
    """The indexes of the two steps, in the order of the text."""
    if isinstance(violation, Misplaced):
        return min(violation.name, violation.other), max(violation.name, violation.other)
    return violation.first, violation.second


def _has_op_between(graph: Graph, first: int, second: int) -> bool:
    return any(graph.nodes[index].op is not None for index in range(first + 1, second))


def _identity(node: Node) -> tuple[int, str]:
    """What tells a step from others, in every instance alike: where it stands, and what it says if it is no op's."""
    return node.start, node.text if node.op is None else ""


class _State(Struct):
    """What is known on one way through a graph.

    `blind` says that unknown code was passed, so that there may be relations between predicates that are not known.
    """

    dependencies: Dependencies
    positions: Positions
    world: Literals = frozenset()
    blind: bool = False

    def copy(self) -> _State:
        return _State(self.dependencies.copy(), self.positions.copy(), self.world, self.blind)


class _Mode(Struct):
    """Whether the assembler reads the text at a point in its automatic mode, and under which condition it does.

    It goes by the order of the text, whatever leads where; `in_bodies` is for the bodies of macros. In `raw` text,
    names may be macros of headers that are not seen.
    """

    in_bodies: bool
    raw: bool
    automatic: bool = False
    under: tuple[Condition, ...] = ()

    def entry(self, node: Node) -> _State:
        """What is known at a step that nothing leads to; before the body of a macro stands code that is not known."""
        if node.macro is not None:
            return _State(Dependencies(automatic=self.in_bodies, may_be_macros=self.raw), Positions(), blind=True)
        automatic = self.automatic and node.conditions[: len(self.under)] == self.under
        return _State(Dependencies(automatic=automatic, may_be_macros=self.raw), Positions())

    def note(self, directive: Node, after: _State) -> None:
        """Takes over the mode that a directive has set."""
        if after.dependencies.automatic != self.automatic and directive.macro is None:
            self.automatic, self.under = after.dependencies.automatic, directive.conditions


class _Walk:
    """Goes through a graph once, on all ways.

    What is found in `known` stretches is taken over, and new ones are added. It is None where nobody will ask.
    """

    def __init__(self, graph: Graph, known: Stretches | None, mode: _Mode) -> None:
        self.graph = graph
        self.known = known
        self.contents = None if known is None else known.contents(graph)
        self.mode = mode
        self.worlds = Assumptions(graph)
        self.arriving: dict[int, list[_State]] = {}
        self.seen: set[tuple[object, ...]] = set()
        self.begun: tuple[int, Carried] | None = None  # where a stretch has begun, and what was carried into it
        self.found: list[Violation | Misplaced] = []  # since then

    def violations(self) -> Iterator[Violation | Misplaced]:
        """The violations, each once."""
        nodes = self.graph.nodes
        index = 0
        while index < len(nodes):
            states = self.arriving.pop(index, None) or [self.mode.entry(nodes[index])]
            if self.known is not None and len(states) == 1 and not self.arriving:
                stretch = self._taken_over(index, states[0], self.known)
                if stretch is not None:
                    yield from (moved(each, index) for each in stretch.found)
                    index += len(stretch.said)
                    self.arriving[index] = states
                    continue
            yield from self._step(index, states)
            index += 1

    def _step(self, index: int, states: list[_State]) -> list[Violation | Misplaced]:
        """Goes over a node; what is new of what is wrong there."""
        node = self.graph.nodes[index]
        if node.conditions or len(states) > 1:
            states = list(_entered(states, self.worlds, node))[:_MAX_STATES]
        found = []
        for state in states:
            for violation in _feed(state, node, index):
                if self._is_new(violation, state, node):
                    found.append(violation)
        self.found += found
        if node.kind == "directive" and states:
            self.mode.note(node, states[-1])
        if node.kind == "stop" and not node.conditions:
            del states[1:]  # from here on they hardly differ
        after = self.graph.next[index]
        last = len(after) - 1
        for place, following in enumerate(after):
            going = states if place == last else [state.copy() for state in states]
            waiting = self.arriving.get(following)
            self.arriving[following] = going if waiting is None else waiting + going
        return found

    def _is_new(self, violation: Violation | Misplaced, state: _State, node: Node) -> bool:
        """Whether a violation at a node is one for sure, and not told yet."""
        if isinstance(violation, Misplaced):
            key: tuple[object, ...] = violation
        elif _is_known(state, self.graph.nodes[violation.first], node):
            key = (violation.kind, violation.resource, violation.first, violation.second)
        else:
            return False
        if key in self.seen:
            return False
        self.seen.add(key)
        return True

    def _taken_over(self, index: int, state: _State, known: Stretches) -> Stretch | None:
        """The stretch that begins at a node, if it is known. Else one begins, and one that has begun before ends."""
        carried = self._carried(state)
        if carried is None:
            return None
        assert self.contents is not None
        stretch = known.at(self.contents, index, carried)
        if self.begun is not None:
            start, before = self.begun
            if index - start >= LEAST:
                known.add(self.contents, start, index, (before, carried), self.found)
            elif stretch is None:
                return None
        self.begun, self.found = (index, carried), []
        if stretch is not None:
            self.begun = None
            state.dependencies.carry(stretch.after.dependencies)
            state.blind, state.world = stretch.after.blind, stretch.after.world
        return stretch

    def _carried(self, state: _State) -> Carried | None:
        """All that later findings depend on, where no instruction matters to them so far; else None."""
        dependencies, mode = state.dependencies.carried, self.mode
        if dependencies is None or mode.automatic or not state.positions.is_first:
            return None
        return Carried(dependencies, state.world, state.blind, self.worlds.repeated, mode.in_bodies, mode.raw)


def _entered(states: Sequence[_State], worlds: Assumptions, node: Node) -> Iterator[_State]:
    """The states of those ways on which a node is compiled."""
    for state in states:
        world = worlds.entered(state.world, node.conditions)
        if world is not None:
            state.world = world
            yield state


def _is_known(state: _State, first: Node, second: Node) -> bool:
    """Whether the predicates of two instructions are known well enough to say that both may be executed."""
    assert first.resolved is not None
    assert second.resolved is not None
    predicates = (first.resolved.predicate, second.resolved.predicate)
    if 0 in predicates:
        return True
    if None in predicates:
        return first.predicate == second.predicate
    return predicates[0] == predicates[1] or not state.blind


def _feed(state: _State, node: Node, index: int) -> Sequence[Violation | Misplaced]:
    """Has the state take note of a step; what is wrong with it."""
    kind = node.kind
    if kind == "instruction":
        assert node.resolved is not None
        misplaced = state.positions.instruction(node.resolved, index)
        violations = state.dependencies.instruction(node.resolved, index)
        if state.dependencies.automatic:  # the assembler puts the stops in
            state.positions.stop()
            return ()
        return [*violations, *misplaced] if misplaced else violations
    if kind == "stop":
        state.dependencies.stop()
        state.positions.stop()
    elif kind == "label":
        state.dependencies.label()
    elif kind == "directive":
        _direct(state, node)
    elif kind in ("opaque", "op", "end"):
        state.dependencies.barrier()
        if node.op is None:  # an rfi that is an op's still has to be the last of its group
            state.positions.barrier()
        state.blind = True
    return ()


def _direct(state: _State, node: Node) -> None:
    """What a directive tells the assembler of groups, predicates, spills and functions."""
    if ends_group(node.name):
        state.dependencies.stop()
        state.positions.stop()
        state.blind = state.blind and node.name != ".proc"
    elif not annotate(state.dependencies, node.name, node.arguments, node.values):
        state.blind = True


def _shown(node: Node) -> str:
    """An instruction on one line, in quotes."""
    return f"`{' '.join(node.text.split())}'"


def _lines(graph: Graph, first: int, second: int, subject: Subject) -> Iterator[str]:
    """The lines from one step to another as the variant has them, the two marked, with the whole expansions around.

    Of many between the two, those near them.
    """
    nodes = graph.nodes
    start, end = first, second
    while start > 0 and nodes[start].invocation >= 0 and nodes[start - 1].invocation == nodes[start].invocation:
        start -= 1
    while end + 1 < len(nodes) and nodes[end].invocation >= 0 and nodes[end + 1].invocation == nodes[end].invocation:
        end += 1
    is_cut = second - first > 2 * _SHOWN_BESIDE
    near = [range(start, first + _SHOWN_BESIDE), range(second - _SHOWN_BESIDE, end + 1)] if is_cut else None
    for part, index in enumerate(chain(*near) if near else range(start, end + 1)):
        node = nodes[index]
        if near and part == len(near[0]):
            yield "  ..."
        if node.text:
            mark = ">" if index in (first, second) else " "
            yield f"{mark} {subject.document.place(node.start).line:5}  {' '.join(node.text.split())}"
