"""Compares what variants of one source do from one scenario, and finds the smallest scenario in which they differ."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final

from msgspec import Struct, field
from msgspec.structs import replace

from pvsim.environments.environment import RefusedError
from pvsim.scenario import Interrupt, Scenario
from pvsim.scenario_run import INTERRUPTION, Outcome, ScenarioRun, Variant, held

_ENDS: Final = "where it ends"
_CONSUMPTION: Final = f"{INTERRUPTION}nat consumption"
_MOST_SHOWN: Final = 8
_AFTER_INTERRUPTION: Final = frozenset(
    ["cr.ipsr", "cr.isr", "cr.iip", "cr.ifs", "cr.iim", "cr.ifa", "cr.itir", "cr.iha"]
)
"""What an interruption leaves behind, which comes elsewhere in a variant of another length."""

_SLOT: Final = ~(3 << 41)
"""All of cr.ipsr and cr.isr but the slot of the instruction (ri, ei), which another variant has in another place."""

_BANKED: Final = frozenset(f"r{number}" for number in range(16, 32))
"""Registers of which, in bank 0, an interruption's handler leaves what it likes."""

_TIMED: Final = frozenset(["cr.itm", "timer"])
"""What depends on how much time has passed."""


def elsewhere(scenario: Scenario) -> frozenset[str]:
    """Items that differ from variant to variant, since these take different numbers of instructions."""
    return _TIMED if scenario.ticks else frozenset()


class Difference(Struct):
    """An item that two variants leave different, or that is missing in one."""

    item: str
    wanted: int | str
    found: int | str

    def __str__(self) -> str:
        return f"{self.item}: {_shown(self.wanted)} and {_shown(self.found)}"


class Comparison(Struct):
    """What came of a scenario: the outcomes by instance, and the differences of each from the first."""

    scenario: Scenario
    outcomes: dict[str, Outcome]
    differences: dict[str, list[Difference]] = field(default_factory=dict)


def _shown(value: int | str) -> str:
    return f"{value:#x}" if isinstance(value, int) else value


def ran(variant: Variant, scenario: Scenario) -> Outcome:
    """The outcome of a variant; what its environment does not take is one, too."""
    run = ScenarioRun(variant, scenario)
    try:
        return run.outcome()
    except RefusedError as error:
        return Outcome(f"refused: {error.message}", {}, run.environment)


def differences(wanted: Outcome, found: Outcome, ignored: Collection[str] = ()) -> list[Difference]:
    """How an outcome differs from the one that is wanted, but for the items that are ignored."""
    if wanted.end != found.end:
        return [Difference(_ENDS, wanted.end, found.end)]
    if wanted.observed == found.observed:
        return []
    left_out = {*ignored, *found.in_use, *wanted.in_use}
    if wanted.was_interrupted or found.was_interrupted:
        left_out |= _AFTER_INTERRUPTION
        if not wanted.observed.get("psr.bn"):
            left_out |= _BANKED
    if wanted.end == _CONSUMPTION:
        left_out.add("cr.isr")  # a store consumes the NaT where a move to a control register does
    items = dict.fromkeys([*wanted.observed, *found.observed])
    return [
        Difference(item, held(wanted.observed, item), held(found.observed, item))
        for item in items
        if item not in left_out and not _is_same(item, wanted, found)
    ]


def _is_same(item: str, wanted: Outcome, found: Outcome) -> bool:
    one, other = held(wanted.observed, item), held(found.observed, item)
    if item in ("cr.ipsr", "cr.isr") and wanted.end.startswith(INTERRUPTION):
        return isinstance(one, int) and isinstance(other, int) and not (one ^ other) & _SLOT
    return one == other


def compare(
    variants: Sequence[Variant],
    scenario: Scenario,
    ignored: Collection[str] = (),
    own_moments: int = 0,
    wanted: Outcome | None = None,
) -> Comparison:
    """Compares variants with the first of them; `wanted` is the outcome of that, if it is known.

    Where an interrupt is to come, it may come before the first's instruction or behind it, of which another variant has
    several: with `own_moments`, each of so many moments of the first's run is one at which it may come, and another
    variant does well if it does what the first does for one of them.
    """
    first, *others = variants
    outcomes = [wanted or ran(first, scenario)]
    made = Comparison(scenario, {first.instance.name: outcomes[0]})
    is_wrong = is_wrong_anywhere(outcomes[0].end)
    left_out = {*ignored, *elsewhere(scenario)}
    moments = _moments(scenario, own_moments)
    for variant in others:
        found = outcomes[0] if variant.runs_like(first) else ran(variant, scenario)
        made.outcomes[variant.instance.name] = found
        least = None if is_wrong else differences(outcomes[0], found, left_out)
        for at in itertools.count(1):
            if not least:
                break
            if at == len(outcomes):
                other = next(moments, None)
                if other is None:
                    break
                outcomes.append(ran(first, other))
            least = min(least, differences(outcomes[at], found, left_out), key=len)
        made.differences[variant.instance.name] = least or []
    return made


def is_wrong_anywhere(end: str) -> bool:
    """Whether a run ends as no kernel's may: by a fault of its own code that no environment owes to a variant."""
    return end.startswith(f"{INTERRUPTION}general exception")


def _moments(scenario: Scenario, own: int) -> Iterator[Scenario]:
    """The scenario with its interrupts at other moments."""
    if scenario.interrupts:
        for after in range(own):
            moved = [Interrupt(each.vector, after) for each in scenario.interrupts]
            yield replace(scenario, interrupts=moved)


def smallest(scenario: Scenario, fails: Callable[[Scenario], bool]) -> Scenario:
    """A scenario with as little in it as will do for a failure: what can be left out is."""
    for key in ("registers", "memory"):
        for name in list(getattr(scenario, key)):
            left = {each: value for each, value in getattr(scenario, key).items() if each != name}
            tried = replace(scenario, **{key: left})
            scenario = tried if fails(tried) else scenario
    for key in ("nat", "pages", "interrupts"):
        for each in list(getattr(scenario, key)):
            left_of = [other for other in getattr(scenario, key) if other is not each]
            tried = replace(scenario, **{key: left_of})
            scenario = tried if fails(tried) else scenario
    return scenario


def led_to(variant: Variant, scenario: Scenario, item: str) -> list[tuple[str, int]]:
    """The places (file and line) of the instructions that changed an item, in order; the last one counts.

    Of where it ends they are the last that were executed.
    """
    run = ScenarioRun(variant, scenario)
    places: list[tuple[str, int]] = []
    before = held(run.observed(), item)
    ip = run.environment.machine.ip
    try:
        for _ in run.steps(1):
            place = variant.image.line_of(ip)
            now = before if item == _ENDS else held(run.observed(), item)
            if place is not None and (now != before or item == _ENDS) and places[-1:] != [place]:
                places.append(place)
            before, ip = now, run.environment.machine.ip
    except RefusedError:
        pass
    return places[-_MOST_SHOWN:]
