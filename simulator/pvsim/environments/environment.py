"""An environment: what code runs in, bare hardware or a hypervisor, behind one small interface."""

from __future__ import annotations

from collections import Counter
from typing import Final, Protocol

from msgspec import Struct, field

from pvasm.errors import PvasmError
from pvasm.isa.registers import CONTROL
from pvsim.environments.description import Weights
from pvsim.machine.interruptions import Interruption, Vector
from pvsim.machine.machine import Machine

HARDWARE: Final = "hardware"


class RefusedError(PvasmError):
    """The guest has done what its hypervisor does not take; a person has to mend the variant."""


class Costs(Struct):
    """What a run has taken: instructions, groups and bundles; how often a hypervisor did what, by kind and name.

    Kinds are `call`, `emulated`, `reflected` (an interruption handed on to the guest), `translation` (a page that the
    machine did not have yet), and `delivered` (an interruption on bare hardware).
    """

    instructions: int = 0
    groups: int = 0
    bundles: int = 0
    events: Counter[tuple[str, str]] = field(default_factory=Counter)

    def of_kind(self, kind: str) -> int:
        """How many events of a kind there were."""
        return sum(count for (each, _), count in self.events.items() if each == kind)

    def cycles(self, weights: Weights) -> int:
        """The cost by a model: groups, bundles, and events weighted."""
        events = {"call": weights.call, "emulated": weights.emulated, "translation": weights.translation}
        events |= {"reflected": weights.reflected, "delivered": weights.reflected}
        own = self.groups * weights.group + self.bundles * weights.bundle
        return own + sum(count * events[kind] for (kind, _), count in self.events.items())


class Environment(Protocol):
    """What a variant runs in.

    `processor` is the processor as the kernel sees it: virtual under a hypervisor. Who sets it up calls `begin`
    afterwards; `run` keeps it up to date. `machine` is what runs the code, the kernel's at the privilege level `level`.
    Where `stops` has the address of a `break`, that ends a run.
    """

    name: str
    level: int
    processor: Machine
    machine: Machine
    stops: set[int]
    costs: Costs
    weights: Weights

    def begin(self) -> None:
        """The processor has been set up: code begins where its `ip` is."""

    def run(self, most: int) -> Interruption | None:
        """Runs at most so many instructions; the `break` that ended it, None where the number did.

        Raises RefusedError for what the environment does not take.
        """

    def observed(self, name: str) -> int | None:
        """What the kernel would read as a control register (or as the `timer` that it has set), where that is not what
        its processor has there; None where it is.
        """


def is_stop(stop: Interruption, machine: Machine, stops: set[int]) -> bool:
    """Whether an interruption is a `break` that is to end a run."""
    return stop.vector == Vector.BREAK_INSTRUCTION and machine.ip & ~15 in stops


class Hardware:
    """Bare hardware: one processor, whose kernel is at privilege level 0."""

    name = HARDWARE
    level = 0

    def __init__(self, processor: Machine | None = None) -> None:
        self.processor = self.machine = processor or Machine()
        self.stops: set[int] = set()
        self.costs = Costs()
        self.weights = Weights(reflected=100)

    def begin(self) -> None:
        """The processor has been set up."""
        self.machine.forget_code()

    def observed(self, name: str) -> int | None:
        """On bare hardware, registers are what they are, and the timer is cr.itm."""
        return self.machine.cr[CONTROL["itm"]] if name == "timer" else None

    def run(self, most: int) -> Interruption | None:
        """Runs at most so many instructions; an interruption counts as one."""
        machine = self.machine
        end = machine.instructions + most
        stop = None
        while machine.instructions < end:
            stop = machine.run(end - machine.instructions)
            if stop is None or is_stop(stop, machine, self.stops):
                break
            end -= stop.origin is None
            self.costs.events["delivered", stop.vector.name.lower()] += 1
            machine.deliver_interruption(stop)
            stop = None
        self.costs.instructions, self.costs.groups = machine.instructions, machine.groups
        self.costs.bundles = machine.bundles
        return stop
