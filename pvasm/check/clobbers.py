"""Which registers that ops give away are still needed, and on which way."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

from pvasm.check.subject import Subject
from pvasm.expand.program import Node
from pvasm.ia64 import Register

_LONGEST_SHOWN = 6  # nodes of a way


class LiveClobber(Struct, frozen=True):
    """An op's argument, with its span, whose old value is read on the way `way` (a line a step).

    `in_group` says that it is read in the op's own instruction group.
    """

    op: str
    text: str
    start: int
    end: int
    reading: str
    in_group: bool
    way: tuple[str, ...]


def find_live_clobbers(subject: Subject) -> list[LiveClobber]:
    """The clobbers of a document that are live: whose old values are read."""
    return list(_live_clobbers(subject)) if subject.names_an_op else []


def _live_clobbers(subject: Subject) -> Iterator[LiveClobber]:
    flow = subject.flow
    in_bodies: set[tuple[str, tuple[str, ...]]] = set()  # what has been told of the body of a macro
    flow.share(sum(node.kind == "op" for node in flow.nodes))
    order = sorted(range(len(flow.nodes)), key=lambda index: flow.nodes[index].inlined)
    for index in order:
        node = flow.nodes[index]
        if node.op is None or (node.inlined and (node.op.name, node.arguments) in in_bodies):
            continue
        outputs = {
            value for parameter, value in zip(node.op.parameters, node.values, strict=True) if parameter.use == "out"
        }
        told: set[Register] = set()
        for place, (parameter, value) in enumerate(zip(node.op.parameters, node.values, strict=True)):
            if parameter.use != "clobber" or not isinstance(value, Register) or value in outputs or value in told:
                continue
            told.add(value)
            way = flow.path_to_read(index, value)
            if way is not None:
                if node.macro is not None:
                    in_bodies.add((node.op.name, node.arguments))
                start, end = _argument_span(subject, node, place)
                reading = f"`{_text(flow.nodes[way[-1]])}' on line {_line(subject, flow.nodes[way[-1]])}"
                in_group = not any(flow.nodes[step].kind == "stop" for step in way)
                shown = tuple(_shown(subject, flow.nodes, way))
                yield LiveClobber(node.op.name, node.arguments[place], start, end, reading, in_group, shown)


def _argument_span(subject: Subject, node: Node, place: int) -> tuple[int, int]:
    """Where an argument of an op stands; the invocation, where a macro made it."""
    text = subject.document.text
    if not node.inlined:
        for number, found in enumerate(re.finditer(r"[(,]\s*([^\s(),]+)", text[node.start : node.end])):
            if number == place and found[1] == node.arguments[place]:
                return node.start + found.start(1), node.start + found.end(1)
    return node.start, node.end


def _shown(subject: Subject, nodes: list[Node], way: list[int]) -> Iterator[str]:
    """The steps of a way that tell where it goes: the branches that it takes, the labels, and its end."""
    steps = []
    for place, index in enumerate(way):
        node = nodes[index]
        is_last = place == len(way) - 1
        is_jump = not is_last and way[place + 1] not in node.next
        if is_last or is_jump or (node.kind == "label" and place and index not in nodes[way[place - 1]].next):
            steps.append(f"line {_line(subject, node)}: {_text(node)}")
    if len(steps) > _LONGEST_SHOWN:
        steps = [*steps[: _LONGEST_SHOWN - 2], "...", steps[-1]]
    yield from steps


def _text(node: Node) -> str:
    if node.kind == "label":
        return f"{node.name}:"
    if node.op is not None:
        return f"{node.op.name}({', '.join(node.arguments)})" if node.op.parentheses else node.op.name
    return " ".join(node.text.split())


def _line(subject: Subject, node: Node) -> int:
    return subject.document.place(node.start).line
