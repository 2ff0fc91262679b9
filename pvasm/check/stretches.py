"""Stretches of code whose instruction groups have been looked at, so that the same code need not be looked at again.

They are found by what stands in them and not by where: the same code in another instance's variant, or in the text
after an edit elsewhere, is the same stretch.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Sequence
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
_MOST_CONTENTS: Final = 100_000


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


_Key = tuple[tuple[int, ...], Carried]


class Contents:
    """What the steps of a graph say, wherever they stand, and which of them something else may follow than the next."""

    def __init__(self, graph: Graph, known: dict[Hashable, object]) -> None:
        self.said = [_content(node, known) if node.content is None else node.content for node in graph.nodes]
        self._next = graph.next
        self._turns = [at for at, after in enumerate(graph.next) if len(after) != 1 or after[0] != at + 1]

    def turns(self, start: int, end: int) -> list[list[int]]:
        """Those of the steps from `start` to before `end`, each with what follows it; all counted from `start`."""
        found = self._turns[bisect_left(self._turns, start) : bisect_left(self._turns, end)]
        return [[each - start for each in (at, *self._next[at])] for at in found]


class Stretch(Struct, frozen=True):
    """A part of a graph, and what is wrong in it; `turns` and `found` count from its first node.

    Nothing that stands before it matters to what is found in it or behind it, but for what is carried into it; `after`
    is what it carries on.
    """

    said: list[object]
    turns: list[list[int]]
    found: tuple[Violation | Misplaced, ...]
    after: Carried

    def stands_at(self, contents: Contents, index: int) -> bool:
        """Whether a graph has these very steps from a node on."""
        end = index + len(self.said)
        return self.said == contents.said[index:end] and self.turns == contents.turns(index, end)


class Stretches:
    """The stretches that are known. After `turn`, those that are not met until the next one are forgotten."""

    def __init__(self) -> None:
        self._known: dict[_Key, list[Stretch]] = {}
        self._before: dict[_Key, list[Stretch]] = {}
        self._contents: dict[Hashable, object] = {}

    def turn(self) -> None:
        """Another text is looked at: what the last one had is still known, what those before it had is not."""
        self._before, self._known = self._known, {}
        if len(self._contents) > _MOST_CONTENTS:
            self._contents = {}

    def contents(self, graph: Graph) -> Contents:
        """What a graph's steps say, to be looked up here."""
        return Contents(graph, self._contents)

    def at(self, contents: Contents, index: int, carried: Carried) -> Stretch | None:
        """The stretch that stands at a node of a graph; None if none is known."""
        key = _key(contents, index, carried)
        for known in (self._known, self._before):
            for stretch in known.get(key, ()):
                if stretch.stands_at(contents, index):
                    if known is self._before:
                        self._add(key, stretch)
                    return stretch
        return None

    def add(
        self,
        contents: Contents,
        start: int,
        end: int,
        carried: tuple[Carried, Carried],
        found: Sequence[Violation | Misplaced],
    ) -> None:
        """Takes note of the nodes from `start` to before `end`: what is `carried` in and out, what was `found`."""
        at = tuple(moved(each, -start) for each in found)
        stretch = Stretch(contents.said[start:end], contents.turns(start, end), at, carried[1])
        self._add(_key(contents, start, carried[0]), stretch)

    def _add(self, key: _Key, stretch: Stretch) -> None:
        alike = self._known.setdefault(key, [])
        if len(alike) < _MOST_ALIKE:
            alike.append(stretch)


def moved(violation: Violation | Misplaced, by: int) -> Violation | Misplaced:
    """The same between other steps, that much further on."""
    if isinstance(violation, Misplaced):
        return violation._replace(name=violation.name + by, other=violation.other + by)
    return replace(violation, first=violation.first + by, second=violation.second + by)


def _key(contents: Contents, index: int, carried: Carried) -> _Key:
    return tuple(map(id, contents.said[index : index + _TOLD_BY])), carried


def _content(node: Node, known: dict[Hashable, object]) -> object:
    """What a step says; the same object for all that say the same."""
    key = (
        node.kind,
        node.text,
        node.conditions,
        node.name,
        node.arguments,
        node.values,
        node.op is None,
        node.macro,
        id(node.resolved),
    )
    content = known.get(key)
    if content is None:
        content = known[key] = key, node.resolved  # as long as it is known, the id is that instruction's
    node.content = content
    return content
