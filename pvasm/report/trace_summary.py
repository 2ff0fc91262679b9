"""What a trace of `pvasm simulate --trace-format json` comes to: where the time goes, and what is done for the code."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from pvasm.errors import PvasmError
from pvasm.files import open_regular, unreadable

_MOST_PLACES = 20
_MOST_ITEMS = 40


class PlaceCount(Struct, frozen=True):
    """A line of a source: how many instructions were executed there, and what the environment did for them."""

    place: str
    instructions: int
    events: dict[str, int]


class TraceSummary(Struct, frozen=True):
    """A trace in figures.

    `levels` are how many instructions ran at each privilege level, `events` what the environment did, `places` the
    lines with the most of that, then of instructions; `left` is how many lines more there are. `written` says how often
    each register or other item changed.
    """

    path: str
    instructions: int
    groups: int
    levels: dict[int, int]
    events: dict[str, int]
    places: list[PlaceCount]
    left: int
    written: dict[str, int]
    written_left: int


def summarize(path: str) -> TraceSummary:
    """The summary of a trace's file. Raises PvasmError, with its line, for what is no such trace."""
    try:
        with open_regular(path) as file:
            return _summary(path, file)
    except OSError as error:
        raise unreadable(error, path) from None


def _summary(path: str, lines: Iterable[bytes]) -> TraceSummary:
    instructions = groups = 0
    levels: Counter[int] = Counter()
    events: Counter[str] = Counter()
    at: Counter[str] = Counter()
    events_at: dict[str, Counter[str]] = {}
    written: Counter[str] = Counter()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        moment = _moment(line, path, number)
        place = moment["place"] or moment["ip"]
        if moment["instruction"]:
            instructions += 1
            levels[moment["level"]] += 1
            at[place] += 1
        groups += moment["stop"]
        written.update(moment["changed"].keys())
        if moment["events"]:
            events.update(moment["events"])
            events_at.setdefault(place, Counter()).update(moment["events"])
    order = sorted({*at, *events_at}, key=lambda each: (-sum(events_at.get(each, {}).values()), -at[each], each))
    most = written.most_common(_MOST_ITEMS)
    return TraceSummary(
        path,
        instructions,
        groups,
        dict(sorted(levels.items())),
        dict(events.most_common()),
        [PlaceCount(each, at[each], dict(events_at.get(each, {}))) for each in order[:_MOST_PLACES]],
        max(len(order) - _MOST_PLACES, 0),
        dict(most),
        len(written) - len(most),
    )


_FIELDS: dict[str, tuple[type, ...]] = {
    "ip": (str,),
    "place": (str, type(None)),
    "instruction": (str,),
    "level": (int,),
    "stop": (bool,),
    "changed": (dict,),
    "events": (dict,),
}


def _moment(line: bytes, path: str, number: int) -> dict[str, Any]:
    """A line of a trace. Raises PvasmError for another."""
    wrong = PvasmError("no line of a trace (pvasm simulate --trace-format json)", path, number)
    try:
        moment = json.loads(line)
    except (ValueError, RecursionError):
        raise wrong from None
    if not isinstance(moment, dict):
        raise wrong
    for name, types in _FIELDS.items():
        if type(moment.get(name)) not in types:
            raise wrong
    if any(type(count) is not int for count in moment["events"].values()):
        raise wrong
    return moment
