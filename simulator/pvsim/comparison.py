"""Compares what variants of one source do from one scenario, and finds the smallest scenario in which they differ."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final

from msgspec import Struct, field
from msgspec.structs import replace

from pvsim.environments.environment import RefusedError
from pvsim.scenario import Interrupt, Scenario
from pvsim.scenario_run import Outcome, ScenarioRun, Variant, held

_ENDS: Final = "where it ends"
_CONSUMPTION: Final = "interruption: nat consumption"
_MOST_SHOWN: Final = 8
_AFTER_INTERRUPTION: Final = frozenset(
    ["cr.ipsr", "cr.isr", "cr.iip", "cr.ifs", "cr.iim", "cr.ifa", "cr.itir", "cr.iha"]
)
"""What an interruption leaves behind, which comes elsewhere in a variant of another length."""


_TIMED: Final = frozenset(["cr.itm", "timer"])
"""What depends on how much time has passed."""


def elsewhere(scenario: Scenario) -> frozenset[str]:
    """Items that differ from variant to variant, since these take different numbers of instructions."""
    return (_AFTER_INTERRUPTION if scenario.interrupts else frozenset()) | (_TIMED if scenario.ticks else frozenset())


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
    if wanted.end == found.end == _CONSUMPTION:
        return []  # a variant is as far as its first instruction that consumes the NaT: clobbers are in use there
    if wanted.end != found.end:
        return [Difference(_ENDS, wanted.end, found.end)]
    if wanted.observed == found.observed:
        return []
    items = dict.fromkeys([*wanted.observed, *found.observed])
    return [
        Difference(item, held(wanted.observed, item), held(found.observed, item))
        for item in items
        if item not in ignored and held(wanted.observed, item) != held(found.observed, item)
    ]


def compare(
    variants: Sequence[Variant], scenario: Scenario, ignored: Collection[str] = (), own_moments: int = 0
) -> Comparison:
    """Compares variants with the first of them.

    Where an interrupt is to come, it may come before the first's instruction or behind it, of which another variant has
    several: with `own_moments`, each of so many moments of the first's run is one at which it may come, and another
    variant does well if it does what the first does for one of them.
    """
    first, *others = variants
    wanted = [ran(first, each) for each in _moments(scenario, own_moments)]
    made = Comparison(scenario, {first.instance.name: wanted[0]})
    is_wrong = is_wrong_anywhere(wanted[0].end)
    left_out = {*ignored, *elsewhere(scenario)}
    for variant in others:
        found = ran(variant, scenario)
        made.outcomes[variant.instance.name] = found
        each = [differences(one, found, left_out) for one in wanted]
        made.differences[variant.instance.name] = [] if is_wrong else min(each, key=len)
    return made


def is_wrong_anywhere(end: str) -> bool:
    """Whether a run ends as no kernel's may: by a fault of its own code that no environment owes to a variant."""
    return end.startswith("interruption: general exception")


def _moments(scenario: Scenario, own: int) -> Iterator[Scenario]:
    yield scenario
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
            now = None if item == _ENDS else held(run.observed(), item)
            if place is not None and (now != before or item == _ENDS) and places[-1:] != [place]:
                places.append(place)
            before, ip = now, run.environment.machine.ip
    except RefusedError:
        pass
    return places[-_MOST_SHOWN:]
