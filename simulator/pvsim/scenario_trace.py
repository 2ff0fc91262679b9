"""What a variant does, instruction by instruction, as JSON: a line each, or as a trace that Perfetto opens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct

from pvasm.isa.registers import PSR_FIELDS
from pvsim.environments.environment import RefusedError
from pvsim.machine.interruptions import Interruption
from pvsim.scenario_run import ScenarioRun, held

_CPL: Final = PSR_FIELDS["cpl"][0]
FORMATS: Final = ("json", "perfetto")


class Moment(Struct):
    """One instruction: where it is, what it is, at which privilege level, whether its group ends with it.

    `changed` are registers and other items with what they are afterwards; `events` is what the environment did for it.
    """

    ip: int
    place: str | None
    text: str
    level: int
    is_last: bool
    changed: dict[str, int | str]
    events: dict[str, int]


def moments(run: ScenarioRun) -> Iterator[Moment]:
    """Runs to the end; each instruction with what it changed. What the environment refuses ends it as well."""
    machine, costs = run.environment.machine, run.environment.costs
    before, events = run.observed(), dict(costs.events)
    steps = run.steps(1)
    while True:
        ip, level = machine.ip, machine.psr >> _CPL & 3
        text, is_last = _instruction(run)
        groups = machine.groups
        try:
            if next(steps, None) is None:
                return
        except RefusedError:
            return
        now, done = run.observed(), dict(costs.events)
        place = run.variant.image.line_of(ip)
        yield Moment(
            ip,
            None if place is None else f"{place[0]}:{place[1]}",
            text,
            level,
            is_last or machine.groups > groups,
            {item: held(now, item) for item in {**before, **now} if held(before, item) != held(now, item)},
            {f"{kind} {name}": count for (kind, name), count in done.items() if count > events.get((kind, name), 0)},
        )
        before, events = now, done


def _instruction(run: ScenarioRun) -> tuple[str, bool]:
    """The next instruction's text, and whether a stop follows; no text where it is not to be had (yet)."""
    try:
        step, _ = run.environment.machine.next_step()
    except Interruption:
        return "", False
    found = step.code.instruction
    return ("" if found is None else found.full_text), step.stop


def json_lines(run: ScenarioRun) -> Iterator[str]:
    """An object of JSON a line for each instruction."""
    for each in moments(run):
        yield json.dumps(
            {
                "ip": f"{each.ip:#x}",
                "place": each.place,
                "instruction": each.text,
                "level": each.level,
                "stop": each.is_last,
                "changed": {name: _shown(value) for name, value in each.changed.items()},
                "events": each.events,
            }
        )


def perfetto(run: ScenarioRun) -> str:
    """A trace in the JSON format of Chrome's tracing, which Perfetto opens: a slice an instruction group, a track a
    privilege level, a counter for what the environment did. A microsecond there is an instruction.
    """
    events: list[dict[str, Any]] = [
        {"ph": "M", "pid": 1, "name": "process_name", "args": {"name": run.variant.instance.name}},
        *(
            {"ph": "M", "pid": 1, "tid": level, "name": "thread_name", "args": {"name": f"privilege level {level}"}}
            for level in range(4)
        ),
    ]
    group: list[Moment] = []
    total = 0
    for at, each in enumerate(moments(run)):
        if group and group[0].level != each.level:
            events.append(_slice(group, at - len(group)))
            group = []
        group.append(each)
        total += len(each.events)
        if each.events:
            events.append({"ph": "C", "pid": 1, "ts": at, "name": "traps and calls", "args": {"count": total}})
        if each.is_last:
            events.append(_slice(group, at + 1 - len(group)))
            group = []
    if group:
        events.append(_slice(group, at + 1 - len(group)))
    return json.dumps({"traceEvents": events, "displayTimeUnit": "ns"})


def _slice(group: list[Moment], start: int) -> dict[str, Any]:
    first = group[0]
    told = {"instructions": [each.text for each in group], "events": [name for each in group for name in each.events]}
    name = first.place or f"{first.ip:#x}"
    return {"ph": "X", "pid": 1, "tid": first.level, "ts": start, "dur": len(group), "name": name, "args": told}


def _shown(value: int | str) -> str:
    return value if isinstance(value, str) else f"{value:#x}"
