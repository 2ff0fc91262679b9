"""What is wrong inside the instruction groups of a document's variants, one for each instance.

The variants are not written out: the program's graph with an instance's expansions in it is walked through, with what
GNU as would know at each step (`pvasm.ia64.dependencies`). Where `#if` parts the ways, each arm is followed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from pvasm.check.flow import Literals, Worlds
from pvasm.check.rule import Finding
from pvasm.check.subject import Subject
from pvasm.expand.program import Graph, Node
from pvasm.ia64 import Register, Resource
from pvasm.ia64.dependencies import Dependencies, Relation, Violation
from pvasm.paravirt.environments import known_macros

_MAX_STATES = 4  # ways on which a group is followed at a time
_KINDS: dict[str, Relation] = {"mutex": "mutex", "clear": "clear", "imply": "imply"}


class GroupFinding(Struct, frozen=True):
    """A violation between two steps of a variant.

    `start` and `end` are the span to report; `instances` those in whose variants it is. `what` are the two
    instructions, `lines` the expansion that they stand in or beside.
    """

    violation: Violation
    start: int
    end: int
    first: Node
    second: Node
    instances: tuple[str, ...]
    lines: tuple[str, ...]

    @property
    def is_register_in_group(self) -> bool:
        """Whether it is a register that one instruction of a group writes, and another reads or writes."""
        return self.violation.same_group and isinstance(self.violation.resource, Register)

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
        """The name of the register or resource."""
        resource = self.violation.resource
        return resource.text if isinstance(resource, Register) else resource

    def finding(self, message: str) -> Finding:
        """The finding with this message."""
        return Finding(
            self.start,
            self.end,
            message,
            instance=", ".join(self.instances) if self.lines else None,
            details=self.lines,
        )


_Key = tuple[str, Resource, int, int, str, str]


def find_violations(subject: Subject) -> list[GroupFinding]:
    """The violations in the variants of a document, in the order of its text."""
    instances = subject.instances
    program = subject.program
    text = subject.document.text
    alike = not program.ops_used and not any(instance.defines in text for instance in instances)
    found: dict[_Key, tuple[Violation, Graph, list[str]]] = {}
    for instance in instances[:1] if alike else instances:
        graph = program.graph(known_macros([instance]), instance)
        for violation in _violations(graph):
            first, second = graph.nodes[violation.first], graph.nodes[violation.second]
            key = (
                violation.kind,
                violation.resource,
                *_identity(first, second),
                first.text,
                second.text,
            )
            found.setdefault(key, (violation, graph, []))[2].append(instance.name)
    names = tuple(instance.name for instance in instances)
    in_bodies = {
        (violation.kind, violation.resource, graph.nodes[violation.first].text, graph.nodes[violation.second].text)
        for violation, graph, _ in found.values()
        if graph.nodes[violation.second].macro is not None
    }
    findings = []
    for violation, graph, where in found.values():
        first, second = graph.nodes[violation.first], graph.nodes[violation.second]
        told = (violation.kind, violation.resource, first.text, second.text) in in_bodies
        if told and second.inlined and second.macro is None:
            continue
        is_late = second.op is not None or first.op is None or not violation.same_group
        place = second if is_late else first
        concerned = names if alike else tuple(dict.fromkeys(where))
        is_plain = place.op is None and not place.inlined and concerned == names
        lines = () if is_plain else tuple(_lines(graph, violation, subject))
        parting = [name for name in names if name not in concerned]
        if parting and violation.kind == "RAW" and _has_op_between(graph, violation):
            # What the group's instructions read was the old value; a stop makes it the new one.
            parted = f"in {', '.join(parting)} a stop of an expansion parts the two: there it reads the new value"
            lines = (*lines, parted)
        findings.append(GroupFinding(violation, place.start, place.end, first, second, concerned, lines))
    return sorted(findings, key=lambda each: (each.start, each.end))


def _has_op_between(graph: Graph, violation: Violation) -> bool:
    return any(node.op is not None for node in graph.nodes[violation.first + 1 : violation.second])


def _identity(first: Node, second: Node) -> tuple[int, int]:
    """What tells a pair of steps from others, in every instance alike: where they stand."""
    return first.start, second.start


class _State(Struct):
    """What is known on one way through a graph.

    `blind` says that unknown code was passed, so that there may be relations between predicates that are not known.
    """

    dependencies: Dependencies
    world: Literals = frozenset()
    blind: bool = False

    def copy(self) -> _State:
        return _State(self.dependencies.copy(), self.world, self.blind)


def _violations(graph: Graph) -> Iterator[Violation]:
    """The violations on any way through a graph, each once."""
    nodes = graph.nodes
    worlds = Worlds(nodes)
    arriving: dict[int, list[_State]] = {}
    seen: set[tuple[str, Resource, int, int]] = set()
    for index, node in enumerate(nodes):
        states = arriving.pop(index, None) or [_State(Dependencies())]
        if node.conditions or len(states) > 1:
            states = list(_entered(states, worlds, node))[:_MAX_STATES]
        for state in states:
            for violation in _feed(state, node, index):
                key = (violation.kind, violation.resource, violation.first, violation.second)
                if key not in seen and _is_known(state, nodes[violation.first], node):
                    seen.add(key)
                    yield violation
        if node.kind == "stop" and not node.conditions:
            del states[1:]  # from here on they hardly differ
        last = len(node.next) - 1
        for place, following in enumerate(node.next):
            waiting = arriving.setdefault(following, [])
            waiting += states if place == last else [state.copy() for state in states]


def _entered(states: Sequence[_State], worlds: Worlds, node: Node) -> Iterator[_State]:
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
        return _predicate_text(first) == _predicate_text(second)
    return predicates[0] == predicates[1] or not state.blind


def _predicate_text(node: Node) -> str:
    return node.text.partition(")")[0].strip(" (\t")


def _feed(state: _State, node: Node, index: int) -> Sequence[Violation]:
    """Has the state take note of a step; what is wrong with it."""
    kind = node.kind
    dependencies = state.dependencies
    if kind == "instruction":
        assert node.resolved is not None
        return dependencies.instruction(node.resolved, index)
    if kind == "stop":
        dependencies.stop()
    elif kind == "label":
        dependencies.label()
    elif kind == "directive":
        _direct(state, node)
    elif kind in ("opaque", "op", "end"):
        dependencies.barrier()
        state.blind = True
    return ()


def _direct(state: _State, node: Node) -> None:
    """What a directive tells the assembler of predicates, spills and functions."""
    if node.name == ".proc":
        state.blind = False
    elif node.name == ".mem.offset" and node.arguments and node.arguments[0].strip().isdecimal():
        state.dependencies.spill_offset(int(node.arguments[0]))
    elif node.name == ".pred.safe_across_calls":
        predicates = _predicates(node, 0)
        if predicates is not None:
            state.dependencies.relation("safe_across_calls", predicates)
    elif node.name.startswith(".pred.rel"):
        _, _, word = node.name[1:].partition("rel.")
        kind = _KINDS.get(word or (node.arguments[0].strip('"@ ') if node.arguments else ""))
        predicates = _predicates(node, 0 if word else 1)
        if predicates is None:
            state.blind = True
        elif kind is not None and (kind != "imply" or len(predicates) == 2):
            state.dependencies.relation(kind, predicates)


def _predicates(node: Node, skipped: int) -> tuple[int, ...] | None:
    """The numbers of a directive's arguments `p6`, `p1-p5`, `pKernel` from one on; None if one is not known."""
    numbers: list[int] = []
    for word, value in list(zip(node.arguments, node.values, strict=True))[skipped:]:
        low, dash, high = word.strip().partition("-")
        if isinstance(value, Register) and value.file == "p":
            numbers.append(value.number)
        elif dash and all(part[:1] == "p" and part[1:].isdecimal() for part in (low, high)):
            numbers += range(int(low[1:]), min(int(high[1:]), 63) + 1)
        else:
            return None
    return tuple(numbers)


def _shown(node: Node) -> str:
    """An instruction on one line, in quotes."""
    return f"`{' '.join(node.text.split())}'"


def _lines(graph: Graph, violation: Violation, subject: Subject) -> Iterator[str]:
    """The lines from the first step to the second as the variant has them, the two marked."""
    nodes = graph.nodes
    first, second = violation.first, violation.second
    start, end = first, second
    while start > 0 and nodes[start].invocation >= 0 and nodes[start - 1].invocation == nodes[start].invocation:
        start -= 1
    while end + 1 < len(nodes) and nodes[end].invocation >= 0 and nodes[end + 1].invocation == nodes[end].invocation:
        end += 1
    for index in range(start, end + 1):
        node = nodes[index]
        if not node.text:
            continue
        mark = ">" if index in (first, second) else " "
        line = subject.document.place(node.start).line
        yield f"{mark} {line:5}  {' '.join(node.text.split())}"
