"""The control flow of a routine as a picture: its steps in rows, blocks around them, jumps in lanes beside.

Registers that ops clobber have a column each: a bar where they are live. All is laid out here, in the units of the
picture; what is drawn is the template's business.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heappop, heappush

from msgspec import Struct

from pvasm.check.clobbers import text_of
from pvasm.check.flow import Flow
from pvasm.check.live_ranges import LiveRanges, Routine, live_ranges, live_spans
from pvasm.check.subject import Subject
from pvasm.expand.program import Node
from pvasm.isa.registers import Register

MOST_ROWS = 1_500  # of a picture
_MOST_LANES = 24
_ROW, _GAP, _LANE, _COLUMN, _CHARACTER = 18, 8, 9, 20, 7.25
_MOST_CHARACTERS = 72
_LINE_WIDTH = 48
_SHOWN = frozenset({"instruction", "label", "op", "opaque"})

_LEAVING = {
    "return": "returns",
    "rfi": "returns from the interruption",
    "call": "calls",
    "elsewhere": "leaves the file",
}


class PictureRow(Struct):
    """A step: where its row begins, its line of the source, what it says, and how control leaves the file there."""

    y: float
    line: int
    text: str
    kind: str
    leaves: str
    node: int


class Block(Struct):
    """Rows that control goes through from the first to the last; `after` are the numbers of the blocks that follow."""

    number: int
    rows: list[PictureRow]
    y: float
    height: float
    after: list[int]
    live: list[str]


class Jump(Struct):
    """A jump from one row to another, in a lane beside; both are where it is drawn."""

    start: float
    end: float
    x: float
    is_back: bool
    told: str


class Column(Struct):
    """A register: its bars where it is live (from, height), and where ops clobber it (place, whether it was needed)."""

    name: str
    x: float
    bars: list[tuple[float, float]]
    marks: list[tuple[float, bool]]


class Picture(Struct):
    """A routine, laid out. Without rows, it was too long: `count` is how many there would be."""

    name: str
    line: int
    width: float
    height: float
    text_x: float
    line_x: float
    block_x: float
    top: float
    blocks: list[Block]
    jumps: list[Jump]
    columns: list[Column]
    count: int
    ops: int


def picture(subject: Subject, routine: Routine) -> Picture | None:
    """The picture of a routine; None for one without code."""
    flow = subject.of(Flow)
    shown = [
        index
        for index in range(routine.first, routine.end)
        if flow.nodes[index].macro is None and flow.nodes[index].kind in _SHOWN
    ]
    if not any(flow.nodes[index].kind in ("instruction", "op") for index in shown):
        return None
    ops = sum(flow.nodes[index].kind == "op" for index in shown)
    line = _line(subject, flow.nodes[shown[0]])
    if len(shown) > MOST_ROWS:
        return Picture(routine.name, line, 0, 0, 0, 0, 0, 0, [], [], [], len(shown), ops)
    found = live_ranges(subject, routine)
    top = 64.0 if found.registers else 8.0
    blocks = _blocks(subject, flow, shown, top)
    rows = [row for block in blocks for row in block.rows]
    jumps = _jumps(flow, routine, blocks)
    lanes = max((round(jump.x) for jump in jumps), default=0)
    columns_x = 10.0 + _LANE * (lanes + 1)
    for jump in jumps:
        jump.x = columns_x - 6 - _LANE * jump.x
    line_x = columns_x + _COLUMN * len(found.registers)
    text_x = line_x + _LINE_WIDTH
    _name_live(blocks, found, routine)
    width = text_x + _CHARACTER * max(len(row.text) + len(row.leaves) + 4 for row in rows) + 16
    bottom = blocks[-1].y + blocks[-1].height + 8
    columns = _columns(found, blocks, routine, columns_x)
    return Picture(
        routine.name, line, width, bottom, text_x, line_x, columns_x, top, blocks, jumps, columns, len(rows), ops
    )


def _line(subject: Subject, node: Node) -> int:
    return subject.document.place(node.start).line


def _blocks(subject: Subject, flow: Flow, shown: Sequence[int], top: float) -> list[Block]:
    """The blocks in the order of the text, with their rows."""
    blocks: list[Block] = []
    y = top
    is_new = True
    for at, index in enumerate(shown):
        node = flow.nodes[index]
        starts = node.kind == "label" and not (blocks and not is_new and blocks[-1].rows[-1].kind == "label")
        if is_new or starts:
            y += _GAP if blocks else 0
            blocks.append(Block(len(blocks) + 1, [], y, 0, [], []))
        following, leaving = flow.after[index]
        text = text_of(node)
        if len(text) > _MOST_CHARACTERS:
            text = f"{text[: _MOST_CHARACTERS - 3]}..."
        is_stop = index + 1 < len(flow.nodes) and flow.nodes[index + 1].kind == "stop"
        kind = "op" if node.kind == "op" else node.kind
        text = f"{text} ;;" if is_stop and node.kind != "label" else text
        leaves = _LEAVING[leaving] if leaving is not None and not (leaving == "call" and node.target) else ""
        if leaving == "elsewhere" and node.kind != "instruction":
            leaves = ""
        blocks[-1].rows.append(PictureRow(y, _line(subject, node), text, kind, leaves, index))
        y += _ROW
        blocks[-1].height = y - blocks[-1].y
        is_new = len(following) != 1 or flow.is_jump(index, following[0]) or leaving not in (None, "call")
        is_new = is_new and at + 1 < len(shown)
    return blocks


def _jumps(flow: Flow, routine: Routine, blocks: Sequence[Block]) -> list[Jump]:
    """What goes to another row than the next, each in the nearest lane that is free; `x` is the lane's number."""
    where = {row.node: (block, row) for block in blocks for row in block.rows}
    ends = sorted(where)
    first_behind = _next_shown(ends, routine)
    spans = []
    for place, block in enumerate(blocks):
        last = block.rows[-1]
        following, _ = flow.after[last.node]
        aims = dict.fromkeys(first_behind[each - routine.first] for each in following if _inside(each, routine))
        for aim in aims:
            if aim is None:
                continue
            target, row = where[aim]
            block.after.append(target.number)
            if place + 1 < len(blocks) and target is blocks[place + 1]:
                continue  # it falls into it
            spans.append((last, row))
    jumps = []
    for (one, other), lane in _in_lanes(spans):
        told = f"from line {one.line} to line {other.line}"
        jumps.append(Jump(one.y + _ROW / 2, other.y + _ROW / 2, lane, other.y <= one.y, told))
    return jumps


def _inside(index: int, routine: Routine) -> bool:
    return routine.first <= index < routine.end


def _next_shown(shown: Sequence[int], routine: Routine) -> list[int | None]:
    """For each node of a routine the first one from there on that has a row."""
    found: list[int | None] = [None] * (routine.end - routine.first)
    last: int | None = None
    at = len(shown) - 1
    for index in range(routine.end - 1, routine.first - 1, -1):
        if at >= 0 and shown[at] == index:
            last, at = index, at - 1
        found[index - routine.first] = last
    return found


def _in_lanes(spans: Iterable[tuple[PictureRow, PictureRow]]) -> list[tuple[tuple[PictureRow, PictureRow], int]]:
    """Each span with the lowest lane that no other occupies at the same height; past the last lane they share it."""
    free: list[int] = []
    busy: list[tuple[float, int]] = []
    lanes = 0
    found = []
    for span in sorted(spans, key=lambda each: (min(each[0].y, each[1].y), abs(each[0].y - each[1].y))):
        start, end = sorted((span[0].y, span[1].y))
        while busy and busy[0][0] < start:
            heappush(free, heappop(busy)[1])
        if free:
            lane = heappop(free)
        elif lanes < _MOST_LANES:
            lanes += 1
            lane = lanes
        else:
            found.append((span, _MOST_LANES))
            continue
        heappush(busy, (end, lane))
        found.append((span, lane))
    return found


def _name_live(blocks: Sequence[Block], found: LiveRanges, routine: Routine) -> None:
    """Tells each block which of the registers are live where it begins."""
    for block in blocks:
        live = found.before[block.rows[0].node - routine.first]
        block.live = [_name(register) for number, register in enumerate(found.registers) if live >> number & 1]


def _name(register: Register) -> str:
    return f"{register.file}{register.number}"


def _columns(found: LiveRanges, blocks: Sequence[Block], routine: Routine, x: float) -> list[Column]:
    rows = [row for block in blocks for row in block.rows]
    tops = _tops(rows, routine)
    begins = {block.y for block in blocks}
    height = {row.node: row.y for row in rows}
    columns = []
    for number, register in enumerate(found.registers):
        bars = [_bar(tops[first], tops[last], tops[first] in begins) for first, last in live_spans(found, number)]
        marks = [
            (height[node] + _ROW / 2, bool(found.needed.get(node, 0) >> number & 1))
            for node, clobbered in found.clobbers.items()
            if clobbered >> number & 1 and node in height
        ]
        columns.append(Column(_name(register), x + _COLUMN * (number + 0.5), bars, marks))
    return columns


def _bar(first: float, last: float, begins_block: bool) -> tuple[float, float]:
    """From where the value is set, the row before, or where the block begins, to where it is last read."""
    start = first if begins_block else first - _ROW / 2
    return start, last + _ROW / 2 - start


def _tops(rows: Sequence[PictureRow], routine: Routine) -> list[float]:
    """Where the row of each node begins, that of the next one with a row for one without; and the end of all."""
    end = rows[-1].y + _ROW
    tops = [end] * (routine.end - routine.first + 1)
    for row in rows:
        tops[row.node - routine.first] = row.y
    shown = {row.node - routine.first for row in rows}
    for at in range(len(tops) - 2, -1, -1):
        if at not in shown:
            tops[at] = tops[at + 1]
    return tops
