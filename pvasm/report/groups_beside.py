"""Instruction groups of a source in two instances beside one another, line by line of the source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from msgspec import Struct

from pvasm.check.clobbers import text_of
from pvasm.check.code import Code
from pvasm.check.flow import Flow
from pvasm.check.live_ranges import Routine, routines
from pvasm.check.subject import Subject
from pvasm.expand.program import Node
from pvasm.isa.hazards import ends_group
from pvasm.paravirt.environments import known_macros
from pvasm.paravirt.instance import Instance
from pvasm.paravirt.measure import Size

_CONTEXT = 2  # rows shown around those that differ
_SHOWN = frozenset({"instruction", "label", "op", "opaque"})


class Part(Struct):
    """One instruction or label of a variant; the number of its group in the routine, 0 for what is in none.

    `begins` says that it is the first of its group, `stop` that a stop follows.
    """

    text: str
    group: int
    begins: bool
    stop: bool = False


class BesideRow(Struct, frozen=True):
    """What the statements of a source's line are in the two instances."""

    line: int
    source: str
    left: tuple[Part, ...]
    right: tuple[Part, ...]
    differs: bool


class Stretch(Struct, frozen=True):
    """Rows that are shown; or, where there are none, how many are left out since they are the same."""

    rows: tuple[BesideRow, ...]
    left_out: int = 0


class Beside(Struct, frozen=True):
    """A routine in two instances, with its size in each."""

    name: str
    line: int
    stretches: tuple[Stretch, ...]
    differing: int
    sizes: tuple[Size, Size]


def groups_beside(subject: Subject, left: Instance, right: Instance) -> list[Beside]:
    """The routines of a document that are not the same in two instances."""
    program = subject.of(Code).program
    text = subject.document.text
    if not program.ops_used and not any(each.defines in text for each in (left, right)):
        return []
    found = routines(subject.of(Flow))
    nodes = subject.of(Flow).nodes
    # Routines by their first statements, since graphs of instances have other nodes.
    starts = [(nodes[each.first].statement if each.first < len(nodes) else 0, each) for each in found]
    sides = [_by_routine(program.graph(known_macros([each]), each).nodes, starts) for each in (left, right)]
    several = (_beside(subject, each.name, *(side[at] for side in sides)) for at, each in enumerate(found))
    return [each for each in several if each.differing]


def _by_routine(nodes: Sequence[Node], starts: Sequence[tuple[int, Routine]]) -> list[list[Node]]:
    """The nodes of a variant, by routine; the bodies of macros are left out."""
    found: list[list[Node]] = [[] for _ in starts]
    at = 0
    for node in nodes:
        if node.macro is not None or node.kind == "arm":
            continue
        while at + 1 < len(starts) and node.statement >= starts[at + 1][0]:
            at += 1
        found[at].append(node)
    return found


def _beside(subject: Subject, name: str, left: list[Node], right: list[Node]) -> Beside:
    sides = [_Side(nodes) for nodes in (left, right)]
    rows = [row for row in _rows(subject, *sides) if row.left or row.right]
    differing = sum(row.differs for row in rows)
    line = rows[0].line if rows else 0
    sizes = sides[0].size, sides[1].size
    return Beside(name, line, tuple(_stretches(rows)) if differing else (), differing, sizes)


class _Side:
    """A routine of a variant: its parts by statement, in order."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.groups = 0
        self.instructions = 0
        self._is_open = False
        self._last: Part | None = None
        self.parts: dict[int, list[Part]] = {}
        self.ops: dict[int, str] = {}
        self.places: dict[int, int] = {}
        for statement, found in groupby(nodes, key=lambda node: node.statement):
            parts = self.parts.setdefault(statement, [])
            for node in found:
                self._add(node, parts)
                self.places.setdefault(statement, node.start)

    @property
    def size(self) -> Size:
        """How many instructions and groups there are."""
        return Size(self.instructions, self.groups)

    def _add(self, node: Node, parts: list[Part]) -> None:
        if node.kind == "stop" or (node.kind == "directive" and ends_group(node.name)):
            self._is_open = False
            if self._last is not None and node.kind == "stop":
                self._last.stop = True
            return
        if node.kind not in _SHOWN:
            return
        is_code = node.kind in ("instruction", "op")
        begins = is_code and not self._is_open
        if is_code:
            self.groups += begins
            self.instructions += 1
            self._is_open = True
        part = Part(text_of(node), self.groups if is_code else 0, begins)
        if node.op is not None:
            self.ops[node.statement] = node.op.name
        self._last = part if is_code else None
        parts.append(part)


def _rows(subject: Subject, left: _Side, right: _Side) -> Iterator[BesideRow]:
    document = subject.document
    for statement in sorted({*left.parts, *right.parts}):
        one, other = (tuple(side.parts.get(statement, ())) for side in (left, right))
        said = [[(part.text, part.stop) for part in parts] for parts in (one, other)]
        start = left.places.get(statement, right.places.get(statement, 0))
        op = left.ops.get(statement) or right.ops.get(statement) or ""
        yield BesideRow(document.place(start).line, op, one, other, said[0] != said[1])


def _stretches(rows: Sequence[BesideRow]) -> Iterator[Stretch]:
    """The rows that differ with those around, and how many are between."""
    wanted = [False] * len(rows)
    for at, row in enumerate(rows):
        if row.differs:
            for near in range(max(at - _CONTEXT, 0), min(at + _CONTEXT + 1, len(rows))):
                wanted[near] = True
    for is_shown, found in groupby(zip(rows, wanted, strict=True), key=lambda each: each[1]):
        kept = tuple(row for row, _ in found)
        yield Stretch(kept) if is_shown or len(kept) == 1 else Stretch((), len(kept))
