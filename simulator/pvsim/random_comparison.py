"""Compares variants from many random states, by several processes."""

from __future__ import annotations

import marshal
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from random import Random
from typing import Any, Final

from msgspec import Struct, field

from pvasm.errors import PvasmError
from pvasm.isa.instruction import Instruction
from pvasm.workers import can_fork, run_in_workers
from pvsim.comparison import Comparison, compare, is_wrong_anywhere, ran
from pvsim.environments.environment import Costs
from pvsim.random_scenario import random_scenario
from pvsim.scenario import Scenario
from pvsim.scenario_run import NO_END, Outcome, Variant
from pvsim.variant_code import straight_code

_OF_A_TASK: Final = 25
_ATTEMPTS: Final = 6
_REGION: Final = 61
_SHORT: Final = 16
_MOMENTS: Final = 12
"""An interrupt comes before one of so many instructions, of the first variant and of each other; of a short first
variant, before any of any variant's.
"""


class Tally(Struct):
    """What came of random scenarios: where the first variant ended how often; by instance, which differ, and costs.

    `uncompared` is in how many nothing could be compared: the first variant does what no kernel's may, or has no end.
    """

    ends: Counter[str] = field(default_factory=Counter)
    different: dict[str, list[int]] = field(default_factory=dict)
    costs: dict[str, Costs] = field(default_factory=dict)
    uncompared: int = 0

    def add(self, instance: str, costs: Costs) -> None:
        """Adds the costs of a run."""
        held = self.costs.setdefault(instance, Costs())
        held.instructions += costs.instructions
        held.groups += costs.groups
        held.bundles += costs.bundles
        held.events += costs.events


class RandomComparison(Struct, dict=True):
    """Variants that are compared from random states: the n-th scenario depends on the seed and n alone."""

    variants: Sequence[Variant]
    entry: str
    stop: Sequence[str]
    unsettled: Collection[str]
    seed: int | str
    steps: int

    @cached_property
    def _code(self) -> list[Instruction]:
        """What the first variant executes first."""
        return straight_code(self.variants[0], self.entry)

    @cached_property
    def _own_regions(self) -> set[int]:
        return {0, *(segment.address >> _REGION for each in self.variants for segment in each.image.segments)}

    @cached_property
    def _moments(self) -> int:
        if len(self._code) > _SHORT:
            return _MOMENTS
        return max(len(straight_code(each, self.entry)) for each in self.variants) + 1

    def scenario(self, number: int) -> Scenario:
        """A scenario by its number: one in which the first variant does what a kernel may, if that is found soon."""
        return self.begun(number)[0]

    def begun(self, number: int) -> tuple[Scenario, Outcome]:
        """The same, with what came of the first variant."""
        for attempt in range(_ATTEMPTS):
            random = Random(f"{self.seed} {number} {attempt}")
            made = random_scenario(
                random,
                self.entry,
                self.stop,
                moments=self._moments,
                steps=self.steps,
                code=self._code,
                own_regions=self._own_regions,
            )
            outcome = ran(self.variants[0], made)
            if not is_wrong_anywhere(outcome):
                break
        return made, outcome

    def compared(self, number: int) -> Comparison:
        """What comes of a scenario by its number."""
        scenario, outcome = self.begun(number)
        return self.compared_from(scenario, outcome)

    def compared_from(self, scenario: Scenario, outcome: Outcome | None = None) -> Comparison:
        """What comes of any scenario; `outcome` is what comes of the first variant, if that is known."""
        return compare(self.variants, scenario, self.unsettled, self.own_moments(scenario), outcome)

    def own_moments(self, scenario: Scenario) -> int:
        """At how many moments an interrupt may come to the first variant; one that is let in comes when it is."""
        return min(self._moments, len(self._code) + 1) if scenario.registers.get("psr.i") else 0

    def differences(self, scenario: Scenario) -> dict[str, list[Any]]:
        """The differences of a scenario by instance; none where the first variant does what nobody may rely on."""
        return {name: each for name, each in self.compared_from(scenario).differences.items() if each}

    def run(self, number: int, jobs: int, tick: Callable[[int], None] = lambda done: None) -> Tally:
        """Compares from so many random states; `tick` hears how many are done. Raises PvasmError as compare does."""
        tasks = range(-(-number // _OF_A_TASK))
        tally = Tally()
        if jobs < 2 or len(tasks) < 2 or not can_fork:
            for task in tasks:
                self._add(tally, marshal.loads(self._work(task, number)))
                tick(min((task + 1) * _OF_A_TASK, number))
            return tally
        done = 0
        for task, answer in run_in_workers(lambda each: self._work(each, number), tasks, jobs, lambda: None):
            if isinstance(answer, int):
                raise PvasmError(f"the process that ran scenario {task * _OF_A_TASK} and the next ended with {answer}")
            self._add(tally, marshal.loads(answer))
            done += _OF_A_TASK
            tick(min(done, number))
        for each in tally.different.values():
            each.sort()
        return tally

    def _work(self, task: int, number: int) -> bytes:
        made = []
        for at in range(task * _OF_A_TASK, min((task + 1) * _OF_A_TASK, number)):
            found = self.compared(at)
            costs = {name: _parts(each.environment.costs) for name, each in found.outcomes.items()}
            first = next(iter(found.outcomes.values()))
            different = [name for name, each in found.differences.items() if each]
            is_uncompared = is_wrong_anywhere(first) or first.end.endswith(NO_END)
            made.append((at, first.told_end, different, is_uncompared, costs))
        return marshal.dumps(made)

    def _add(self, tally: Tally, made: list[Any]) -> None:
        for at, end, different, is_uncompared, costs in made:
            tally.ends[end] += 1
            tally.uncompared += is_uncompared
            for name in different:
                tally.different.setdefault(name, []).append(at)
            for name, (instructions, groups, bundles, events) in costs.items():
                counted = Counter({tuple(key): count for key, count in events})
                tally.add(name, Costs(instructions, groups, bundles, counted))


def _parts(costs: Costs) -> list[Any]:
    return [costs.instructions, costs.groups, costs.bundles, list(costs.events.items())]
