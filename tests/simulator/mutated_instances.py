"""Breaks what instances make of ops, in small ways, and counts how many of these `compare` finds.

    python -m tests.simulator.mutated_instances [OP ...] [--instances xen,trap] [--states N] [--cases N] [--seed K]

What an op becomes is changed: an instruction is left out, or a stop; another register is in a register's place; a
constant is wrong. Groups are executed in turn, so that a stop that is left out is looked for by the rules of groups
(`pvsim/strict_groups.py`), while the variant runs.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from random import Random
from typing import Final

from msgspec import Struct
from pvsim.comparison import compare, is_wrong_anywhere
from pvsim.environments.environment import RefusedError
from pvsim.machine.interruptions import Interruption
from pvsim.scenario import Scenario
from pvsim.scenario_run import CODE, ScenarioRun, Variant
from pvsim.source_image import image_of_variant
from pvsim.strict_groups import StrictGroups

from pvasm.errors import PvasmError
from pvasm.paravirt.catalog import Op
from tests.paravirt.cases import OPS
from tests.simulator.compare_ops import cases, instance, own_moments, slots, states, unsettled, variant

_REGISTER: Final = re.compile(r"\b[rp][0-9]+\b")
_NUMBER: Final = re.compile(r"\b(?:0x[0-9a-f]+|[0-9]+)\b")
_OTHER: Final = {"r": "r27", "p": "p11"}
_OTHER_OF_BANK: Final = {"r": "r11", "p": "p11"}


class Mutant(Struct, frozen=True):
    """What an op becomes, with one thing wrong."""

    kind: str
    told: str
    lines: tuple[str, ...]


def mutants(lines: Sequence[str], other: dict[str, str]) -> Iterator[Mutant]:
    """All mutants of an expansion."""

    def made(kind: str, at: int, text: str) -> Mutant:
        return Mutant(
            kind, f"{lines[at].strip()} -> {text.strip() or 'nothing'}", (*lines[:at], text, *lines[at + 1 :])
        )

    for at, line in enumerate(lines):
        body = line.replace(";;", "").strip()
        stop = " ;;" if ";;" in line else ""
        if stop:
            yield made("stop", at, line.replace(";;", ""))
        if not body or body.startswith("."):
            continue
        yield made("instruction", at, stop)
        for found in _REGISTER.finditer(line):
            word = found[0]
            if other[word[0]] != word:
                yield made("register", at, line[: found.start()] + other[word[0]] + line[found.end() :])
        for found in _NUMBER.finditer(line):
            value = int(found[0], 0)
            wrong = value + 8 if value >= 1 << 32 else value + 1
            yield made("constant", at, line[: found.start()] + f"{wrong:#x}" + line[found.end() :])


def violates(made: Variant, state: Scenario) -> bool:
    """Whether a variant's run breaks the rules of groups."""
    run = ScenarioRun(made, state)
    strict = StrictGroups(run.environment.machine)

    def is_violated() -> bool:
        try:
            return strict.violation() is not None
        except Interruption:  # where code cannot be fetched there is none
            return False

    try:
        return is_violated() or any(is_violated() for _ in run.steps(1))
    except RefusedError:
        return False


def found_by(
    op: Op, native: Variant, mutated: Variant, mutant: Mutant, given: Sequence[Scenario], words: set[str]
) -> str:
    """What finds a mutant: `compare`, the rules of groups, or nothing."""
    for state in given:
        found = compare([native, mutated], state, words, own_moments(native, state))
        if any(found.differences.values()):
            return "compare"
        if mutant.kind == "stop" and not is_wrong_anywhere(found.outcomes["native"].end) and violates(mutated, state):
            return "strict"
    return ""


def survivors(
    op: Op, name: str, arguments: Sequence[str], number: int, seed: str, most: int | None = None
) -> tuple[Counter[tuple[str, str]], list[Mutant]]:
    """How many mutants were found, by kind and by what; and those that were not."""
    taken = instance(name)
    native, right = variant(op, arguments, "native"), variant(op, arguments, name)
    given = list(states(op, arguments, native, slots(right), seed, number))
    other = _OTHER_OF_BANK if op.name.startswith("BSW") else _OTHER
    all_of = list(mutants(taken.expand(op, arguments).lines, other))
    if most is not None and len(all_of) > most:
        all_of = Random(f"{seed} {op.name}").sample(all_of, most)
    counted: Counter[tuple[str, str]] = Counter()
    left = []
    for mutant in all_of:
        text = "entry:\n" + "\n".join(f"\t{line}" for line in mutant.lines) + "\n\t;;\nend:\n\tnop 0\n"
        try:
            mutated = Variant(taken, image_of_variant(text, op.name, None, address=CODE))
        except PvasmError:
            counted[mutant.kind, "assembler"] += 1
            continue
        by = found_by(op, native, mutated, mutant, given, unsettled(op, arguments))
        counted[mutant.kind, by] += 1
        if not by:
            left.append(mutant)
    return counted, left


def main(words: Sequence[str]) -> int:
    """Counts for what is asked for, and tells what was not found."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("ops", nargs="*", metavar="OP")
    parser.add_argument("--instances", default="xen,trap")
    parser.add_argument("--states", type=int, default=30)
    parser.add_argument("--cases", type=int, default=1)
    parser.add_argument("--seed", default="0")
    options = parser.parse_args(words)
    total: Counter[tuple[str, str]] = Counter()
    for name in options.instances.split(","):
        for op in OPS:
            if (options.ops and op.name not in options.ops) or instance(name).definitions[op.name].template is None:
                continue
            chosen = [arguments for arguments, _ in cases(op, [name]) if "p0" not in arguments[:1]]
            chosen = Random(f"{options.seed} {op.name}").sample(chosen, min(options.cases, len(chosen)))
            for arguments in chosen:
                counted, left = survivors(op, name, arguments, options.states, options.seed)
                total += counted
                for mutant in left:
                    print(f"{name} {op.name}({', '.join(arguments)}): {mutant.kind}: {mutant.told}", flush=True)
    number, lost = sum(total.values()), sum(count for (_, by), count in total.items() if not by)
    for (kind, by), count in sorted(total.items()):
        print(f"{kind} found by {by or 'nothing'}: {count}")
    print(f"{number} mutants, {number - lost} found")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
