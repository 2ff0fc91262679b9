"""Every op, instance and way of arguments against native, from random states.

    python -m tests.simulator.compare_ops [OP ...] [--random N] [--seed K] [--instances xen,trap] [--cases N] [--from N]

It is what `pvasm compare --random` does for each. States are made in rounds of 100, each of all cases.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from functools import cache
from random import Random
from typing import Final

from msgspec import Struct, field
from pvsim.comparison import Difference, is_wrong_anywhere
from pvsim.random_comparison import RandomComparison
from pvsim.scenario_run import CODE, Variant
from pvsim.source_image import image_of_variant
from pvsim.variants_of_file import unsettled_by

from pvasm.asm.reading import assembly_parser
from pvasm.expand.expander import Reading
from pvasm.paravirt.catalog import Op
from pvasm.paravirt.instance import Instance
from pvasm.paravirt.loading import load_instance
from pvasm.syntax.document import read_document
from tests.paravirt.cases import CATALOG, OPS, all_cases

INSTANCES: Final = ("native-poison", "hvm", "xen", "trap")
_ROUND: Final = 100
_STEPS: Final = 2000
_NAMES: Final = {"ret2": "r10", "in0": "r32"}
_SPECIAL: Final = frozenset(["r0", "r8", "r9", "p0"])


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
    """What an op leaves unsettled, as `variants_of_file` has it."""
    document = read_document(assembly_parser(), invocation(op, arguments), op.name, preprocessed=True)
    return unsettled_by(Reading(document, CATALOG), instance("native"))


def comparison(op: Op, arguments: Sequence[str], names: Sequence[str], seed: str) -> RandomComparison:
    """An op's variants, native's first, ready to be compared from random states."""
    made = [variant(op, arguments, name) for name in ("native", *names)]
    return RandomComparison(
        made, "entry", ["end"], unsettled(op, arguments), f"{seed} {op.name} {' '.join(arguments)}", _STEPS
    )


def compare_op(op: Op, arguments: Sequence[str], names: Sequence[str], number: int, seed: str, first: int = 0) -> Tally:
    """Compares an op's variants with native from so many states."""
    made = comparison(op, arguments, names, seed)
    tally = Tally()
    for at in range(first, first + number):
        found = made.compared(at)
        native = found.outcomes["native"]
        tally.states += 1
        tally.runs += len(made.variants)
        tally.wasted += is_wrong_anywhere(native)
        tally.consumed += native.end.endswith("nat consumption")
        tally.interrupted += any(each.was_interrupted for each in found.outcomes.values())
        for name, differences in found.differences.items():
            if differences:
                tally.different.append((op.name, tuple(arguments), name, at, differences))
    return tally


def main(words: Sequence[str]) -> int:
    """Compares what is asked for, and tells what differs."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("ops", nargs="*", metavar="OP")
    parser.add_argument("--random", type=int, default=10)
    parser.add_argument("--from", type=int, default=0, dest="first", help="the number of the first state [0]")
    parser.add_argument("--seed", default="0")
    parser.add_argument("--instances", default=",".join(INSTANCES))
    parser.add_argument("--cases", type=int, help="so many argument cases an op, by chance [all]")
    options = parser.parse_args(words)
    names = options.instances.split(",")
    total, count = Tally(), 0
    for first in range(options.first, options.first + options.random, _ROUND):
        number = min(_ROUND, options.first + options.random - first)
        count = 0
        for op in OPS:
            if options.ops and op.name not in options.ops:
                continue
            chosen = cases(op, names)
            if options.cases is not None:
                chosen = Random(f"{options.seed} {op.name}").sample(chosen, min(options.cases, len(chosen)))
            count += len(chosen)
            total.add(_of_op(op, chosen, number, options.seed, first))
        print(
            f"states {first} to {first + number - 1} of {count} cases; {total.states} states, {total.runs} runs, "
            f"{total.interrupted} interrupted, {total.wasted} wasted, {total.consumed} consumed a NaT, "
            f"{len(total.different)} differences; {sum(os.times()[:2]):.0f} s of CPU",
            flush=True,
        )
    return int(bool(total.different))


def _of_op(
    op: Op, chosen: Sequence[tuple[tuple[str, ...], tuple[str, ...]]], number: int, seed: str, first: int
) -> Tally:
    tally, begun = Tally(), time.process_time()
    for arguments, takers in chosen:
        tally.add(compare_op(op, arguments, takers, number, seed, first))
    shown = Counter(name for _, _, name, _, _ in tally.different)
    print(
        f"{op.name}: {len(chosen)} cases, {tally.states} states, {tally.wasted} wasted, "
        f"{tally.interrupted} interrupted, {dict(shown)}, {time.process_time() - begun:.1f} s",
        flush=True,
    )
    for each in tally.different[:3]:
        print("   ", *each[:4], "; ".join(map(str, each[4][:4])), flush=True)
    return tally


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
