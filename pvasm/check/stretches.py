"""Stretches of code whose instruction groups have been looked at, so that the same code need not be looked at again.

They are found by what stands in them and not by where: the same code in another instance's variant, or in the text
after an edit elsewhere, is the same stretch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from pvasm.check.assumptions import Literals
from pvasm.expand.program import Graph, Node
from pvasm.isa.dependencies import Violation
from pvasm.isa.positions import Misplaced

LEAST: Final = 24
"""Nodes: shorter stretches are not worth it."""

_TOLD_BY: Final = 6  # nodes: those that a stretch is looked up by
_MOST_ALIKE: Final = 8  # stretches that begin alike


class Carried(NamedTuple):
    """All that what is found in code depends on of what stands before it, and on how the text is read.

    `dependencies` is what `Dependencies.carried` says; `repeated` are the conditions that several conditionals ask of.
    """

    dependencies: tuple[int, int, bool]
    world: Literals
    blind: bool
    repeated: frozenset[str]
    in_bodies: bool
    raw: bool


_Key = tuple[tuple[str, ...], Carried]


class Stretch(Struct, frozen=True):
    """A part of a graph, and what is wrong in it; `next` and `found` count from its first node.

    Nothing that stands before it matters to what is found in it or behind it, but for what is carried into it; `after`
    is what it carries on.
    """

    nodes: list[Node]
    next: list[list[int]]
    found: tuple[Violation | Misplaced, ...]
    after: Carried

    def stands_at(self, graph: Graph, index: int) -> bool:
        """Whether the graph has these very steps from a node on."""
        end = index + len(self.nodes)
        if end > len(graph.nodes) or not all(map(_are_alike, self.nodes, graph.nodes[index:end])):
            return False
        return self.next == edges(graph, index, end)


class Stretches:
    """The stretches that are known. After `turn`, those that are not met until the next one are forgotten."""

    def __init__(self) -> None:
        self._known: dict[_Key, list[Stretch]] = {}
        self._before: dict[_Key, list[Stretch]] = {}

    def turn(self) -> None:
        """Another text is looked at: what the last one had is still known, what those before it had is not."""
        self._before, self._known = self._known, {}

    def at(self, graph: Graph, index: int, carried: Carried) -> Stretch | None:
        """The stretch that stands at a node of a graph; None if none is known."""
        key = _key(graph, index, carried)
        for known in (self._known, self._before):
            for stretch in known.get(key, ()):
                if stretch.stands_at(graph, index):
                    if known is self._before:
                        self._add(key, stretch)
                    return stretch
        return None

    def add(
        self,
        graph: Graph,
        start: int,
        end: int,
        carried: tuple[Carried, Carried],
        found: Sequence[Violation | Misplaced],
    ) -> None:
        """Takes note of the nodes from `start` to before `end`: what is `carried` in and out, what was `found`."""
        at = tuple(moved(each, -start) for each in found)
        stretch = Stretch(graph.nodes[start:end], edges(graph, start, end), at, carried[1])
        self._add(_key(graph, start, carried[0]), stretch)

    def _add(self, key: _Key, stretch: Stretch) -> None:
        alike = self._known.setdefault(key, [])
        if len(alike) < _MOST_ALIKE:
            alike.append(stretch)


def edges(graph: Graph, start: int, end: int) -> list[list[int]]:
    """What may follow each node from `start` to before `end`, counted from `start`."""
    return [[each - start for each in following] for following in graph.next[start:end]]


def moved(violation: Violation | Misplaced, by: int) -> Violation | Misplaced:
    """The same between other steps, that much further on."""
    if isinstance(violation, Misplaced):
        return violation._replace(name=violation.name + by, other=violation.other + by)
    return replace(violation, first=violation.first + by, second=violation.second + by)


def _key(graph: Graph, index: int, carried: Carried) -> _Key:
    return tuple([node.text for node in graph.nodes[index : index + _TOLD_BY]]), carried


def _are_alike(one: Node, other: Node) -> bool:
    """Whether two steps do the same, wherever they stand."""
    return one is other or (
        one.text == other.text
        and one.kind == other.kind
        and one.resolved == other.resolved
        and one.conditions == other.conditions
        and one.name == other.name
        and one.arguments == other.arguments
        and one.values == other.values
        and (one.op is None) == (other.op is None)
        and one.macro == other.macro
    )
