"""Which registers that ops clobber are live, and on which path."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from pvasm.check.finding import Related
from pvasm.check.flow import Flow
from pvasm.check.liveness import Live, Liveness
from pvasm.check.subject import Subject
from pvasm.expand.program import Node
from pvasm.isa.registers import Register
from pvasm.regex import regex

_LONGEST_SHOWN = 6  # nodes of a path


_OPERAND = regex(r"[(,]\s*([^\s(),]+)")


class LiveClobber(Struct, frozen=True):
    """An op's argument, with its span, that is live behind the op for the reason `why`.

    `in_group` says that it is read in the op's own instruction group. `path` has a line for each step that tells where
    control goes; `related` are those of them that stand elsewhere, and where the value was set.
    """

    op: str
    text: str
    start: int
    end: int
    why: str
    in_group: bool
    path: tuple[str, ...]
    related: tuple[Related, ...] = ()


class Clobbers:
    """What a document's ops clobber; `live` are those that must not be, told of macros' bodies before invocations."""

    def __init__(self, subject: Subject) -> None:
        self.live = list(_find_live(subject)) if subject.names_an_op else []


def _find_live(subject: Subject) -> Iterator[LiveClobber]:
    flow = subject.of(Flow)
    liveness = subject.of(Liveness)
    in_bodies: set[tuple[str, tuple[str, ...]]] = set()  # what has been told of the body of a macro
    order = sorted(range(len(flow.nodes)), key=lambda index: flow.nodes[index].inlined)
    for index in order:
        node = flow.nodes[index]
        if node.op is None or (node.inlined and (node.op.name, node.arguments) in in_bodies):
            continue
        for place, register in clobbers_of(node):
            live = liveness.live(index, register)
            if live is not None:
                if node.macro is not None:
                    in_bodies.add((node.op.name, node.arguments))
                yield _told(subject, flow, index, place, live)


def clobbers_of(node: Node) -> Iterator[tuple[int, Register]]:
    """The places and values of an op's arguments that it clobbers, each register once."""
    assert node.op is not None
    given = list(zip(node.op.parameters, node.values, strict=True))
    told = {value for parameter, value in given if parameter.use == "out"}
    for place, (parameter, value) in enumerate(given):
        if parameter.use == "clobber" and isinstance(value, Register) and value not in told:
            told.add(value)
            yield place, value


def _told(subject: Subject, flow: Flow, index: int, place: int, live: Live) -> LiveClobber:
    node = flow.nodes[index]
    assert node.op is not None
    start, end = _argument_span(subject, node, place)
    last = _line(subject, flow.nodes[live.path[-1]])
    why = live.convention or f"read at line {last}"
    if live.origin is not None:
        why = f"{why}, set at line {_line(subject, flow.nodes[live.origin])}"
    path = tuple(_shown(subject, flow, live.path)) if live.path != [index] else ()
    related = tuple(_related(flow, index, live))
    return LiveClobber(node.op.name, node.arguments[place], start, end, why, live.in_group, path, related)


def _related(flow: Flow, index: int, live: Live) -> Iterator[Related]:
    """Where the value was set, if that matters, the branches on the way, and where it is read or control leaves."""
    if live.origin is not None:
        origin = flow.nodes[live.origin]
        yield Related(origin.start, origin.end, f"set here: {text_of(origin)}")
    for step in _telling(flow, live.path):
        node = flow.nodes[step]
        if step != live.path[-1]:
            yield Related(node.start, node.end, f"by way of {text_of(node)}")
        elif step != index:
            yield Related(node.start, node.end, f"{'leaves' if live.convention else 'read'} here: {text_of(node)}")


def _argument_span(subject: Subject, node: Node, place: int) -> tuple[int, int]:
    """Where an argument of an op stands; the invocation, where a macro made it."""
    text = subject.document.text
    if not node.inlined:
        for number, found in enumerate(_OPERAND.finditer(text[node.start : node.end])):
            if number == place and found[1] == node.arguments[place]:
                return node.start + found.start(1), node.start + found.end(1)
    return node.start, node.end


def _shown(subject: Subject, flow: Flow, path: Sequence[int]) -> Iterator[str]:
    """The steps of a path that tell where it goes, a line each."""
    steps = [
        f"line {_line(subject, flow.nodes[index])}: {text_of(flow.nodes[index])}" for index in _telling(flow, path)
    ]
    if len(steps) > _LONGEST_SHOWN:
        steps = [*steps[: _LONGEST_SHOWN - 2], "...", steps[-1]]
    yield from steps


def _telling(flow: Flow, path: Sequence[int]) -> Iterator[int]:
    """The steps of a path that tell where it goes: the branches that it takes, the labels, and its end."""
    for place, index in enumerate(path):
        node = flow.nodes[index]
        is_last = place == len(path) - 1
        is_jump = not is_last and path[place + 1] not in flow.next[index]
        if is_last or is_jump or (node.kind == "label" and place and index not in flow.next[path[place - 1]]):
            yield index


def text_of(node: Node) -> str:
    """A step on one line: an op as it is invoked, a label, or the source."""
    if node.kind == "label":
        return f"{node.name}:"
    if node.op is not None and node.kind == "op":
        return f"{node.op.name}({', '.join(node.arguments)})" if node.op.parentheses else node.op.name
    return " ".join(node.text.split()) or node.name


def _line(subject: Subject, node: Node) -> int:
    return subject.document.place(node.start).line
