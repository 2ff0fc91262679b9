"""`pvasm compare`: runs a file's variants from the same states, and tells where they differ for the kernel."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from pvasm.commands.shared import count, fail, tell_inherited, write
from pvasm.commands.stub_options import add_stubs, stubs_of, undefined
from pvasm.errors import PvasmError, UndefinedSymbols
from pvasm.exit_status import FOUND

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pvsim.comparison import Comparison
    from pvsim.random_comparison import RandomComparison, Tally
    from pvsim.scenario import Scenario
    from pvsim.scenario_reading import ScenarioFile
    from pvsim.scenario_run import Variant

    from pvasm.commands.shared import Commands

_MOST_STEPS = 10_000

_DESCRIPTION = """\
Run the variants of a source (or of several, which make one image) for several instances, each in its environment (bare
hardware, or a hypervisor), from the same state as the kernel sees it, and compare what it can observe afterwards:
registers but those that ops give away, NaTs, predicates, memory, control registers, psr, translations, interrupts, and
where control went. The first instance is the one that the others are measured by. Without a scenario, states are
random: registers, memory, control registers, and external interrupts that come at some moment."""


def add(commands: Commands) -> None:
    """Adds the command and its options."""
    command = commands.add_parser(
        "compare",
        allow_abbrev=False,
        help="run a file's variants, and tell where they differ",
        description=_DESCRIPTION,
    )
    command.add_argument(
        "files",
        metavar="FILE",
        nargs="+",
        help="assembly source, raw or preprocessed; - is standard input; several make one image",
    )
    command.add_argument("--entry", metavar="LABEL", help="where to begin (a scenario says it, too)")
    command.add_argument(
        "--instances",
        metavar="NAME,...",
        default="native,xen,trap",
        help="what to expand it for; the first is the measure [native,xen,trap]",
    )
    command.add_argument("--stop", action="append", default=[], metavar="LABEL", help="end there, if not at the return")
    command.add_argument("-I", dest="include", action="append", default=[], metavar="DIR", help="a folder of headers")
    command.add_argument("-D", dest="define", action="append", default=[], metavar="NAME[=VALUE]", help="a macro")
    add_stubs(command)
    states = command.add_mutually_exclusive_group()
    states.add_argument("--scenario", metavar="FILE.yaml", help="the state to begin with")
    states.add_argument(
        "--random", type=count(10_000_000), default=100, metavar="N", help="so many random states [100]"
    )
    command.add_argument("--seed", type=int, metavar="K", help="which random states [0]")
    command.add_argument("--max-steps", type=count(1_000_000_000), metavar="N", help="instructions at most [10000]")
    command.add_argument(
        "--strict", action="store_true", help="a dependency violation, or a missing serialization, ends a run (slow)"
    )
    command.add_argument("-j", "--jobs", type=count(64), metavar="N", help="processes [as many as cores]")
    command.add_argument(
        "-o", "--output", metavar="FILE.yaml", help="write the smallest scenario in which variants differ [not written]"
    )
    command.add_argument("--junit", metavar="FILE.xml", help="write the results as JUnit's XML, too")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from pvsim.random_comparison import RandomComparison
    from pvsim.scenario_run import VIOLATION, address_of
    from pvsim.variants_of_file import variants_of_files

    from pvasm.expand import ExpandErrors
    from pvasm.report.progress import Progress
    from pvasm.workers import usable_cores

    names = _names(options)
    if len(names) < 2:
        raise PvasmError("--instances: at least two are compared, with a comma between: native,xen")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise PvasmError(f"--instances: {twice} is named twice")
    _check_output(options)
    file = None if options.scenario is None else _scenario_of(options)
    entry = options.entry or (file.scenario.entry if file is not None else None)
    if entry is None:
        raise PvasmError("--entry: where does the code begin? Name a label")
    try:
        with contextlib.nullcontext() if file is None else file.placed():
            variants, unsettled = variants_of_files(
                options.files,
                names,
                include_directories=options.include,
                defines=options.define,
                stubs=stubs_of(options, None if file is None else file.scenario),
            )
    except ExpandErrors as several:
        return fail(several.errors)
    except UndefinedSymbols as several:
        return fail(undefined(several))
    tell_inherited(variant.instance for variant in variants)
    seed, most = options.seed or 0, options.max_steps or _MOST_STEPS
    comparison = RandomComparison(variants, entry, options.stop, unsettled, seed, most)
    for variant in variants:
        variant.checks_groups = options.strict
        for label in (*([options.entry] if options.entry is not None else []), *options.stop):
            address_of(variant, label)
    if file is not None:
        with file.placed():
            compared = comparison.compared_from(file.scenario)
            status = _told(comparison, compared, options)
        _write_junit({name: list(map(str, found)) for name, found in compared.differences.items()}, variants, options)
        return status
    with Progress("states") as progress:
        jobs = options.jobs or usable_cores()
        tally = comparison.run(options.random, jobs, lambda done: progress(done, options.random))
    write(f"{options.random} states (seed {seed}); {variants[0].instance.name} ended at:\n")
    for end, times in tally.ends.most_common():
        write(f"  {times:8,}  {end}\n")
    _tell_costs(tally, variants)
    violated = sum(times for end, times in tally.ends.items() if end.startswith(VIOLATION))
    if violated:
        first = variants[0].instance.name
        write(
            f"{first}: a dependency violation in {violated:,} of {options.random:,}, a mistake of the source itself.\n"
        )
    if tally.uncompared:
        said = f"{variants[0].instance.name} has no end there, or does what no kernel may (a general exception, bsw)"
        if tally.uncompared == options.random:
            raise PvasmError(f"nothing was compared: {said}")
        write(f"Not compared: {tally.uncompared:,} of {options.random:,}; {said}.\n")
    if options.junit is not None:
        _write_junit(_wrong_of(tally, comparison, violated, options.random), variants, options)
    if not tally.different and violated:
        return FOUND
    if not tally.different:
        write(f"The same in all of them: {', '.join(names)}.\n")
        return 0
    for name, numbers in tally.different.items():
        write(f"{name}: different in {len(numbers):,} of {options.random:,}, first in number {numbers[0]}.\n")
    first_number = min(numbers[0] for numbers in tally.different.values())
    return _told(comparison, comparison.compared(first_number), options)


def _wrong_of(tally: Tally, comparison: RandomComparison, violated: int, states: int) -> dict[str, list[str]]:
    """What is wrong in random states, by instance: how often, and the differences in the first."""
    wrong = {}
    for name, numbers in tally.different.items():
        found = comparison.compared(numbers[0]).differences.get(name, [])
        said = f"different in {len(numbers):,} of {states:,} states, first in number {numbers[0]}"
        wrong[name] = [said, *map(str, found)]
    if violated:
        said = f"a dependency violation in {violated:,} of {states:,} states, a mistake of the source itself"
        wrong[comparison.variants[0].instance.name] = [said]
    return wrong


def _write_junit(wrong: Mapping[str, Sequence[str]], variants: Iterable[Variant], options: argparse.Namespace) -> None:
    """Writes what came of each instance, if a file for that is named: a case is a scenario, or the random states."""
    from pvsim.scenario_check import Result, junit

    from pvasm.files import write_atomically

    if options.junit is None:
        return
    run = options.scenario or f"{' '.join(options.files)} from {options.entry}"
    results = [
        Result(run, each.instance.name, tuple(wrong.get(each.instance.name, ())), tuple(options.files))
        for each in variants
    ]
    write_atomically(options.junit, junit(results, "pvasm compare"))


def _scenario_of(options: argparse.Namespace) -> ScenarioFile:
    """The scenario that is asked for. Raises PvasmError for options that it leaves nothing to say."""
    from msgspec.structs import replace
    from pvsim.scenario_reading import read_scenario

    for name, value in (("--stop", options.stop), ("--seed", options.seed), ("--max-steps", options.max_steps)):
        if value not in (None, []):
            raise PvasmError(f"{name}: a scenario says itself where it ends, and nothing in it is random")
    file = read_scenario(Path(options.scenario))
    return file if options.entry is None else replace(file, scenario=replace(file.scenario, entry=options.entry))


def _names(options: argparse.Namespace) -> list[str]:
    return [name.strip() for name in options.instances.split(",") if name.strip()]


def _check_output(options: argparse.Namespace) -> None:
    """Raises PvasmError for an output that would take the place of something that was read, or has no folder."""
    import os

    from pvasm.files import refuse_missing_folder, refuse_overwriting

    if options.junit is not None:
        if "-" in options.files:
            raise PvasmError("--junit: standard input has no name that results could be of: name a file")
        refuse_missing_folder(options.junit)
        read = (*options.files, *([options.scenario] if options.scenario is not None else []))
        refuse_overwriting(options.junit, "results' file", read)
        if options.output is not None and os.path.realpath(options.junit) == os.path.realpath(options.output):
            raise PvasmError("-o: this file is to have the results (--junit): write to another", options.output)
    if options.output is None:
        return
    for name in (*options.files, *([options.scenario] if options.scenario is not None else [])):
        if name != "-" and os.path.realpath(name) == os.path.realpath(options.output):
            raise PvasmError("-o: this file is what is compared: write to another", options.output)
    folder = os.path.dirname(options.output) or "."
    if not os.path.isdir(folder):
        raise PvasmError(f"-o: there is no folder {folder}")


def _told(comparison: RandomComparison, compared: Comparison, options: argparse.Namespace) -> int:
    """Tells of the differences from one state; the smallest such state is written, if a file for it is named."""
    from pvsim.comparison import is_wrong_anywhere, led_to, smallest, why_wrong
    from pvsim.scenario import ScenarioError
    from pvsim.scenario_file import written

    from pvasm.files import write_atomically
    from pvasm.report.plain_text import printable

    found = {name: each for name, each in compared.differences.items() if each}
    if not found:
        name, outcome = next(iter(compared.outcomes.items()))
        write(printable(f"{name} ended at {outcome.told_end}") + "\n")
        if is_wrong_anywhere(outcome):
            said = f"nothing was compared: {why_wrong(outcome)}: that is a mistake of the source, or of the scenario"
            raise PvasmError(said, options.scenario)
        write("The same.\n")
        return 0
    name, differences = next(iter(found.items()))
    item, wanted = differences[0].item, differences[0].wanted

    def is_shown(tried: Scenario) -> bool:
        """Whether the same item differs still; where that is a place, from the same one."""
        try:
            left = comparison.differences(tried).get(name, [])
        except ScenarioError:  # what is left contradicts itself
            return False
        return any(each.item == item and (each.wanted == wanted or not isinstance(wanted, str)) for each in left)

    least = smallest(compared.scenario, is_shown)
    first = comparison.variants[0].instance.name
    for other, differences in comparison.differences(least).items():
        write(f"{other} differs from {first}:\n")
        for each in differences:
            write(f"  {printable(str(each))}\n")
        _tell_parting(comparison, other, least)
        for variant in comparison.variants:
            if variant.instance.name in (first, other):
                _tell_places(variant, led_to(variant, least, differences[0].item))
    if options.output is not None:
        write_atomically(options.output, written(_of_sources(least, options)).encode())
        write(f"{options.output} is the smallest such state: pvasm compare --scenario, pvasm simulate --scenario\n")
    return FOUND


def _tell_parting(comparison: RandomComparison, other: str, scenario: Scenario) -> None:
    """Tells behind which line of the source a variant is no longer as the first one is."""
    from pvsim.comparison import parting

    from pvasm.report.plain_text import printable

    first = comparison.variants[0]
    variant = next(each for each in comparison.variants if each.instance.name == other)
    found = parting(first, variant, scenario, comparison.unsettled)
    if found is not None:
        path, line = found.place
        told = f": {found.differences[0]}" if found.differences else ""
        write(printable(f"  they part at {path}:{line}{told}") + "\n")


def _of_sources(scenario: Scenario, options: argparse.Namespace) -> Scenario:
    """A scenario with what it is about, as `test` has it: sources from its file's folder on, and how they are made."""
    from msgspec.structs import replace
    from pvsim.scenario_file import about, from_folder

    from pvasm.paravirt.shipped import is_path

    if "-" in options.files:
        return scenario
    stubs = stubs_of(options, scenario)
    return replace(
        about(scenario, options.files, options.include, options.define, options.output),
        instances=[from_folder([name], options.output)[0] if is_path(name) else name for name in _names(options)],
        stubs={**stubs.addresses, **dict.fromkeys(stubs.returning, "returns")},
        stub_missing=stubs.missing,
    )


def _tell_places(variant: Variant, places: Iterable[tuple[str, int]]) -> None:
    """Tells of lines of the source, a file at a time."""
    from itertools import groupby

    from pvasm.report.plain_text import printable

    by_file = groupby(places, key=lambda place: place[0])
    told = [f"{path}:{', '.join(str(line) for _, line in lines)}" for path, lines in by_file]
    if told:
        write(printable(f"  the way there in {variant.instance.name}: {'; '.join(told)}") + "\n")


def _tell_costs(tally: Tally, variants: Iterable[Variant]) -> None:
    from pvsim.machine.configuration import Configuration

    write("instance       instructions     groups    bundles      calls   emulated  reflected     cycles (a model)\n")
    for variant in variants:
        costs = tally.costs[variant.instance.name]
        weights = variant.environment(variant.instance, Configuration()).weights
        events = [costs.of_kind(kind) for kind in ("call", "emulated")]
        events.append(costs.of_kind("reflected") + costs.of_kind("delivered"))
        figures = [costs.groups, costs.bundles, *events]
        cells = "".join(f"{figure:>11,}" for figure in figures)
        write(f"{variant.instance.name:<14}{costs.instructions:>13,}{cells}{costs.cycles(weights):>21,}\n")
