"""Every op, instance and way of arguments against native, from random states.

    python -m tests.simulator.compare_ops [OP ...] [--random N] [--seed K] [--instances xen,trap] [--cases N]

A state is of an op's precondition: one that bare hardware takes it in.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from random import Random
from typing import Final, cast

from msgspec import Struct, field
from msgspec.structs import replace
from pvsim.comparison import Difference, compare, is_wrong_anywhere, ran
from pvsim.random_scenario import random_scenario
from pvsim.scenario import Interrupt, Scenario
from pvsim.scenario_run import CODE, Variant
from pvsim.source_image import image_of_variant

from pvasm.paravirt.catalog import Op
from pvasm.paravirt.instance import Instance
from pvasm.paravirt.loading import load_instance
from tests.paravirt.cases import CATALOG, OPS, all_cases

INSTANCES: Final = ("native-poison", "hvm", "xen", "trap")
OWN_WORDS: Final = {"TTAG": "xen", "MOV_FROM_RUC": "xen"}
"""Ops that are not told by their value: Xen has no tag to give, so the template makes up one; it hides no ar.ruc."""

_NATS: Final = frozenset(["TTAG", "MOV_TO_EOI"])
"""What Xen's template of consumes a NaT that native hands on (ttag), or takes no notice of one that native consumes."""

_ATTEMPTS: Final = 6
_SLOT: Final = 3 << 41  # ri of cr.ipsr, and ei of cr.isr
_NAT: Final = 0.08
_PROBES: Final = 8
_NAMES: Final = {"ret2": "r10", "in0": "r32"}
_SPECIAL: Final = frozenset(["r0", "r8", "r9", "p0"])
_OF_BANK: Final = {"BSW_0": 1, "BSW_1": 0}


class Tally(Struct):
    """What came of an op: runs, those that native ended with a general exception, and what differs, by instance."""

    states: int = 0
    runs: int = 0
    wasted: int = 0
    consumed: int = 0
    interrupted: int = 0
    different: list[tuple[str, tuple[str, ...], str, int, list[Difference]]] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Adds what came of another."""
        self.states += other.states
        self.runs += other.runs
        self.wasted += other.wasted
        self.consumed += other.consumed
        self.interrupted += other.interrupted
        self.different += other.different


@cache
def instance(name: str) -> Instance:
    """An instance by its name."""
    return load_instance(name, CATALOG)


def cases(op: Op, names: Sequence[str]) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Arguments, one choice for each way of being the same or special, with the instances that take it."""
    found: dict[tuple[object, ...], tuple[tuple[str, ...], list[str]]] = {}
    for name in names:
        for written in all_cases(op, instance(name)):
            given = tuple(_NAMES.get(word, word) for word in written)
            way = tuple(word if word in _SPECIAL else given.index(word) for word in given)
            arguments, takers = found.setdefault(way, (given, []))
            if name not in takers and not list(instance(name).conflicts(op, arguments)):
                takers.append(name)
    return [(arguments, tuple(takers)) for arguments, takers in found.values() if takers]


def invocation(op: Op, arguments: Sequence[str]) -> str:
    """An op as source, between two labels."""
    written = f"({', '.join(arguments)})" if op.parentheses else ""
    return f"entry:\n\t{op.name}{written}\n\t;;\nend:\n\tnop 0\n"


def variant(op: Op, arguments: Sequence[str], name: str) -> Variant:
    """An op's variant for an instance."""
    made = image_of_variant(invocation(op, arguments), op.name, instance(name), address=CODE)
    return Variant(instance(name), made)


def unsettled(op: Op, arguments: Sequence[str]) -> set[str]:
    """What nobody may go by behind an op: its clobbers; r16 to r31 of a bank that has not been written."""
    given_away = {word for each, word in zip(op.parameters, arguments, strict=True) if each.use == "clobber"}
    if op.name == "BSW_0":
        given_away |= {f"r{number}" for number in range(16, 32)}
    return given_away | {f"bank1.{name}" for name in given_away if op.name != "BSW_0"}


def _state(op: Op, seed: str, moments: int, *, collects: bool | None) -> Scenario:
    made = random_scenario(Random(seed), "entry", ["end"], moments=moments)
    if collects is not None:
        made.registers["psr.ic"] = int(collects)
        if not collects:
            made.registers["psr.i"] = 0
            made = replace(made, interrupts=[])
    if op.name in _OF_BANK:
        made.registers["psr.bn"] = _OF_BANK[op.name]
    random = Random(f"of the op {seed}")
    if "_PSR_DT" in op.name:
        made.registers.update(dict.fromkeys(("psr.dt", "psr.rt"), random.getrandbits(1)))
    if "_PSR_BE" in op.name:
        made.registers["psr.be"] = random.getrandbits(1)
    if op.name == "SSM_PSR_I" and made.registers["psr.ic"] and random.getrandbits(1):  # one waits to be let in
        made.registers["psr.i"] = 0
        made = replace(made, interrupts=[Interrupt(random.randrange(16, 256), 0)])
    return made


def _with_nats(state: Scenario, arguments: Sequence[str], seed: str) -> Scenario:
    """A state in which an argument is a NaT more often than by chance."""
    random = Random(f"NaT {seed}")
    added = [word for word in dict.fromkeys(arguments) if word[0] == "r" and word != "r0" and random.random() < _NAT]
    return replace(state, nat=sorted({*state.nat, *added}))


def _meet(op: Op, arguments: Sequence[str], state: Scenario, seed: str) -> None:
    """Makes an op's index one that there is, and a region register one that code does not run by.

    A change of the code's own region is in effect at the next serialization or before: at once where it is emulated.
    """
    named = {each.name: word for each, word in zip(op.parameters, arguments, strict=True)}
    registers, index = cast("dict[str, int]", state.registers), named.get("index")  # random ones are numbers
    if op.name == "MOV_FROM_CPUID" and index != "r0":
        registers[named["index"]] = Random(f"index {seed}").randrange(5)
    elif op.name == "MOV_TO_RR" and not registers.get(named["index"], 0) >> 61:
        if index in ("r0", named["reg"]):  # region 0, in which the code is: it stays as it is
            registers[named["reg"]] = registers["rr[0]"]
        else:
            registers[named["index"]] |= Random(f"region {seed}").randrange(1, 8) << 61
    registers.pop("r0", None)


@cache
def collects(op_name: str) -> bool | None:
    """What psr.ic has to be, if not anything, for native not to fault: found by trying."""
    op = CATALOG.ops[op_name]
    arguments = next(all_cases(op, instance("native")))
    native = variant(op, [_NAMES.get(word, word) for word in arguments], "native")
    faults = {
        wanted: sum(
            is_wrong_anywhere(ran(native, _state(op, f"probe {at}", 0, collects=wanted)).end) for at in range(_PROBES)
        )
        for wanted in (False, True)
    }
    return False if faults[True] == _PROBES > faults[False] else None


def states(
    op: Op, arguments: Sequence[str], native: Variant, longest: int, seed: str, number: int
) -> Iterator[Scenario]:
    """Random states that native takes the op in, where one is found soon."""
    wanted = collects(op.name)
    for at in range(number):
        for attempt in range(_ATTEMPTS):
            each = f"{seed} {op.name} {' '.join(arguments)} {at} {attempt}"
            made = _with_nats(_state(op, each, longest, collects=wanted), arguments, each)
            _meet(op, arguments, made, each)
            if not is_wrong_anywhere(ran(native, made).end):
                break
        yield made


def slots(made: Variant) -> int:
    """How many instructions a variant has at most."""
    return 3 * sum(len(segment.data) for segment in made.image.segments) // 16


def own_moments(native: Variant, state: Scenario) -> int:
    """At how many moments an interrupt may come to native; one that waits to be let in comes when it is."""
    return slots(native) + 1 if state.registers["psr.i"] else 0


def compare_op(op: Op, arguments: Sequence[str], names: Sequence[str], number: int, seed: str) -> Tally:
    """Compares an op's variants with native from so many states."""
    made = [variant(op, arguments, name) for name in ("native", *names)]
    ignored = unsettled(op, arguments)
    tally = Tally()
    for at, state in enumerate(states(op, arguments, made[0], max(map(slots, made)), seed, number)):
        found = compare(made, state, ignored, own_moments(made[0], state))
        end = found.outcomes["native"].end
        tally.states += 1
        tally.runs += len(made)
        tally.wasted += is_wrong_anywhere(end)
        tally.consumed += end.endswith("nat consumption")
        tally.interrupted += bool(state.interrupts)
        for name, differences in found.differences.items():
            own = arguments[1] if OWN_WORDS.get(op.name) == name else None
            left = [each for each in differences if each.item != own]
            if end.startswith("interruption") and found.outcomes[name].end == end:
                left = [each for each in left if not _is_within(each)]
            if (
                op.name == "TTAG"
                and own is not None
                and found.outcomes[name].end.endswith("nat consumption")
                and arguments[2] in state.nat
            ):
                left = []  # the template consumes the NaT that ttag hands on: known, and not mended
            if left:
                tally.different.append((op.name, tuple(arguments), name, at, left))
    return tally


def _is_within(difference: Difference) -> bool:
    """Whether a difference is one that there may be where an op faults: r8 and r9 are in use, the slot is another."""
    if difference.item in ("r8", "r9", "bank1.r8", "bank1.r9"):
        return True
    wanted, found = difference.wanted, difference.found
    if difference.item not in ("cr.ipsr", "cr.isr") or not (isinstance(wanted, int) and isinstance(found, int)):
        return False
    return (wanted ^ found) & ~_SLOT == 0


def main(words: Sequence[str]) -> int:
    """Compares what is asked for, and tells what differs."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("ops", nargs="*", metavar="OP")
    parser.add_argument("--random", type=int, default=10)
    parser.add_argument("--seed", default="0")
    parser.add_argument("--instances", default=",".join(INSTANCES))
    parser.add_argument("--cases", type=int, help="so many argument cases an op, by chance [all]")
    options = parser.parse_args(words)
    names = options.instances.split(",")
    total, count = Tally(), 0
    for op in OPS:
        if options.ops and op.name not in options.ops:
            continue
        chosen = cases(op, names)
        if options.cases is not None:
            chosen = Random(f"{options.seed} {op.name}").sample(chosen, min(options.cases, len(chosen)))
        of_op = Tally()
        begun = time.time()
        for arguments, takers in chosen:
            of_op.add(compare_op(op, arguments, takers, options.random, options.seed))
        count += len(chosen)
        shown = Counter(name for _, _, name, _, _ in of_op.different)
        print(
            f"{op.name}: {len(chosen)} cases, {of_op.states} states, {of_op.wasted} wasted, {dict(shown)}, "
            f"{time.time() - begun:.1f} s",
            flush=True,
        )
        for each in of_op.different[:3]:
            print("   ", *each[:4], "; ".join(map(str, each[4][:4])), flush=True)
        total.add(of_op)
    print(
        f"{count} cases, {total.states} states, {total.runs} runs, {total.interrupted} with an interrupt, "
        f"{total.wasted} wasted, {total.consumed} consumed a NaT, {len(total.different)} differences; "
        f"{sum(os.times()[:2]):.0f} s of CPU"
    )
    return int(bool(total.different))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
