"""Compares what variants of one source do from one scenario, and finds the smallest scenario in which they differ."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cached_property
from typing import Final

from msgspec import Struct, field
from msgspec.structs import replace

from pvasm.isa.bundle import SIZE
from pvsim.environments.environment import RefusedError
from pvsim.scenario import Interrupt, Scenario
from pvsim.scenario_run import INTERRUPTION, NO_END, REFUSED, Outcome, Place, ScenarioRun, Variant, held
from pvsim.variant_code import instructions_at, register_names

_ENDS: Final = "where it ends"
_CONSUMPTION: Final = f"{INTERRUPTION}nat consumption"
_GENERAL: Final = f"{INTERRUPTION}general exception"
_MOST_SHOWN: Final = 8

# Fields of ar.pfs: the frame, ar.ec, the privilege level.
_FRAME_END: Final = 38
_UNUSED: Final = (1 << 52 - 38) - 1
_COUNT_END: Final = 58
_LEVEL_AT: Final = 62
_MOST_STACKED: Final = 96
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
    """Items that are not compared: they differ, since variants take different numbers of instructions, or are named."""
    return (_TIMED if scenario.ticks else frozenset()) | set(scenario.ignored)


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
        return Outcome(f"{REFUSED}{error.message}", {}, run.environment)


def differences(wanted: Outcome, found: Outcome, ignored: Collection[str] = ()) -> list[Difference]:
    """How an outcome differs from the one that is wanted, but for the items that are ignored."""
    if wanted.end != found.end:
        return [Difference(_ENDS, wanted.told_end, found.told_end)]
    if wanted.observed == found.observed or wanted.end.endswith(NO_END):
        return []  # where so many instructions have led to, nobody says of variants of different lengths
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


def _is_one_number(wanted: int | str, found: int | str) -> bool:
    """Whether both are a number that a scenario has by chance where variants are: it is another place in each."""
    one, other = (each.number if isinstance(each, Place) else each for each in (wanted, found))
    return isinstance(one, int) and one == other


def _differs_in_level(wanted: int | str, found: int | str, level: int) -> bool:
    """Whether one value is what a kernel at level 0 reads from ar.pfs, and the other what one at a level reads there.

    Calls note the level of the caller in ar.pfs (SDM vol. 1, 3.1.8.11); kernels save it, and return by it.
    """
    if not isinstance(wanted, int) or found != wanted | level << _LEVEL_AT or wanted >> _COUNT_END:
        return False
    size, locals_, rotating = wanted & 0x7F, wanted >> 7 & 0x7F, (wanted >> 14 & 0xF) * 8
    return 0 < size <= _MOST_STACKED and max(locals_, rotating) <= size and not wanted >> _FRAME_END & _UNUSED


def _is_same(item: str, wanted: Outcome, found: Outcome) -> bool:
    one, other = held(wanted.observed, item), held(found.observed, item)
    if item in ("cr.ipsr", "cr.isr") and wanted.end.startswith(INTERRUPTION):
        return isinstance(one, int) and isinstance(other, int) and not (one ^ other) & _SLOT
    return one == other or _is_one_number(one, other) or _differs_in_level(one, other, found.environment.level)


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
    is_wrong = is_wrong_anywhere(outcomes[0])
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


def is_wrong_anywhere(outcome: Outcome) -> bool:
    """Whether a run does what no kernel's may, and what no environment owes to a variant.

    It ends with a fault of its own code, or it has switched to the bank of registers that was there: BSW_1 is for bank
    0, where a guest's bank 1 is in its page, and BSW_0 for bank 1.
    """
    return outcome.end.startswith(_GENERAL) or bool(outcome.environment.processor.idle_switches)


def why_wrong(outcome: Outcome) -> str:
    """What a run does that no kernel's may (`is_wrong_anywhere`)."""
    if outcome.end.startswith(_GENERAL):
        return f"it ended at {outcome.told_end}"
    return "bsw has switched to the bank that is there already (psr.bn says which one code begins with)"


def _moments(scenario: Scenario, own: int) -> Iterator[Scenario]:
    """The scenario with its interrupts at other moments."""
    if scenario.interrupts:
        for after in range(own):
            moved = [Interrupt(each.vector, after) for each in scenario.interrupts]
            yield replace(scenario, interrupts=moved)


def smallest(scenario: Scenario, fails: Callable[[Scenario], bool]) -> Scenario:
    """A scenario with as little in it as will do for a failure: what can be left out is."""
    for key in ("registers", "memory", "words"):
        for name in list(getattr(scenario, key)):
            left = {each: value for each, value in getattr(scenario, key).items() if each != name}
            tried = replace(scenario, **{key: left})
            scenario = tried if fails(tried) else scenario
    for key in ("nat", "pages", "interrupts", "devices"):
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


_Station = tuple[tuple[str, int] | None, Outcome]
_LOOKED_AHEAD: Final = 24
_MOST_FOLLOWED: Final = 5000


class Parting(Struct):
    """Where two variants part: behind a line of the source (file and line), and how they differ then."""

    place: tuple[str, int]
    differences: list[Difference]


def parting(first: Variant, other: Variant, scenario: Scenario, ignored: Collection[str] = ()) -> Parting | None:
    """The line behind which another variant is no longer as the first is; None where that is not found.

    Both are looked at wherever they come to a line of the source, as far as both come to the same ones. Differences
    that are gone later do not count: one may have code of its own. What is ignored may differ; where a line that reads
    such a register is the first to show a difference, it is the line that the register has been different from.
    """
    left_out = {*ignored, *elsewhere(scenario)}
    wanted, found = _stations(first, scenario), _stations(other, scenario)
    hidden = _Hidden(first, ignored)
    last: Parting | None = None
    shared: tuple[str, int] | None = None  # the last line that both have come to
    one = two = 0
    while one < len(wanted) and two < len(found):
        (place, outcome), (its_place, its_outcome) = wanted[one], found[two]
        if place != its_place:
            ahead = _next_in_common(wanted, found, one, two)
            if ahead is None:
                break
            one, two = ahead
            continue
        apart = differences(outcome, its_outcome, left_out)
        origin = hidden.origin(shared) if shared is not None else None
        if not apart:
            last = None
        elif last is None and origin is not None:
            last = Parting(origin, apart)
        hidden.follow(origin, outcome, its_outcome)
        shared = place or shared
        one, two = one + 1, two + 1
    if last is None and shared is not None and (one < len(wanted) or two < len(found)):
        return Parting(hidden.origin(shared), [])
    return last


class _Hidden:
    """Registers that are not compared, and differ: each with the line that this came from."""

    def __init__(self, variant: Variant, ignored: Collection[str]) -> None:
        self._variant, self._ignored = variant, ignored
        self._from: dict[str, tuple[str, int]] = {}
        self._held: dict[str, int | str] = {}

    def origin(self, place: tuple[str, int]) -> tuple[str, int]:
        """Where what a line does comes from: of registers that it reads, and that differ; the line, if none do."""
        if not self._from:
            return place
        return next((self._from[name] for name in self._reads.get(place, ()) if name in self._from), place)

    def follow(self, origin: tuple[str, int] | None, wanted: Outcome, found: Outcome) -> None:
        """A line has been executed, which has its effects from another, or from itself."""
        before, self._from, held_before = self._from, {}, self._held
        self._held = {}
        for item in self._ignored:
            if origin is None or _is_same(item, wanted, found):
                continue
            self._held[item] = value = held(wanted.observed, item)
            self._from[item] = before[item] if item in before and value == held_before[item] else origin

    @cached_property
    def _reads(self) -> dict[tuple[str, int], list[str]]:
        """What the instructions of each line read, in order."""
        image = self._variant.image
        found: dict[tuple[str, int], list[str]] = {}
        for place in dict.fromkeys(address & ~(SIZE - 1) for address, *_ in image.lines):
            for slot, instruction in instructions_at(image, place):
                line = image.line_of(place + slot)
                if instruction is not None and line is not None:
                    found.setdefault(line, []).extend(sorted(register_names(instruction.reads)))
        return found


def _next_in_common(
    wanted: Sequence[_Station], found: Sequence[_Station], one: int, two: int
) -> tuple[int, int] | None:
    """Where both come to the same line again, soon; the nearest such."""
    for ahead in range(1, 2 * _LOOKED_AHEAD):
        for steps in range(max(0, ahead - _LOOKED_AHEAD), min(ahead, _LOOKED_AHEAD) + 1):
            at, its = one + steps, two + ahead - steps
            if at < len(wanted) and its < len(found) and wanted[at][0] == found[its][0]:
                return at, its
    return None


def _stations(variant: Variant, scenario: Scenario) -> list[_Station]:
    """The lines that a run comes to, each with what there is to observe then; None is its end."""
    run = ScenarioRun(variant, scenario)
    stations: list[_Station] = []
    machine = run.environment.machine
    place = variant.image.line_of(machine.ip)
    try:
        for _ in run.steps(1):
            now = variant.image.line_of(machine.ip)
            if now is not None and now != place:
                stations.append((now, Outcome("", run.observed(), run.environment)))
                place = now
            if machine.instructions > _MOST_FOLLOWED:
                break
        else:
            stations.append((None, Outcome(run.end, run.observed(), run.environment)))
    except RefusedError:
        pass
    return stations
