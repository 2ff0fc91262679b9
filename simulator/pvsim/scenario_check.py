"""Scenarios as tests: what each instance's variant does, against what the scenario expects and what native does."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from msgspec import Struct

from pvasm.cpp_options import flaw_of_define
from pvasm.errors import PvasmError, UndefinedSymbols
from pvasm.expand import ExpandErrors
from pvasm.files import is_below
from pvasm.paravirt.instance import Instance
from pvasm.paravirt.loading import unknown_instance
from pvasm.paravirt.shipped import instance_names, is_path
from pvasm.syntax.missing_headers import Naming
from pvsim.comparison import differences, elsewhere, is_wrong_anywhere, ran, why_wrong
from pvsim.scenario import Scenario, ScenarioError
from pvsim.scenario_reading import read_scenario
from pvsim.scenario_run import Outcome, Variant
from pvsim.variants_of_file import variants_of_files

INSTANCES: Final = ("native", "xen", "trap")
"""Those that a scenario without a list of its own is tried for; the first is what the others are compared with."""

_SUFFIXES: Final = (".yaml", ".yml")


class Result(Struct):
    """What came of a scenario for an instance: what is wrong, nothing if all is well.

    `sources` are those that were run, where the scenario does not say.
    """

    path: str
    instance: str
    wrong: Sequence[str]
    sources: Sequence[str] = ()


def scenario_files(folder: str) -> list[str]:
    """The scenarios below a folder, in order of their names: links are not followed."""
    found = []
    for parent, folders, names in os.walk(folder):
        folders.sort()
        found += [os.path.join(parent, name) for name in sorted(names) if name.endswith(_SUFFIXES)]
    return found


def results(
    path: str, roots: Sequence[str], made: Callable[[Instance], None] = lambda instance: None
) -> Iterator[Result]:
    """What comes of the scenario in a file, instance by instance; nothing outside of the folders `roots` is read.

    `made` hears of each instance that there is a variant for. Raises PvasmError for one that cannot be tried.
    """
    file = read_scenario(Path(path))
    with file.placed():
        yield from _results(path, file.scenario, roots, made)


def _results(path: str, scenario: Scenario, roots: Sequence[str], made: Callable[[Instance], None]) -> Iterator[Result]:
    if not scenario.files:
        raise PvasmError("the key file is missing: which source is it about?", path)
    folder = os.path.dirname(path) or "."
    _check_options(scenario, folder)
    sources = [os.path.join(folder, name) for name in scenario.files]
    names = [os.path.join(folder, name) if is_path(name) else name for name in scenario.instances] or list(INSTANCES)
    for each in (*sources, *(os.path.join(folder, name) for name in scenario.include), *filter(is_path, names)):
        if not any(is_below(each, root) for root in roots):
            said = "is neither below the folder that pvasm was started in, nor beside the one that was named: not read"
            raise PvasmError(f"{each} {said}", path)
    try:
        variants, unsettled = variants_of_files(
            sources,
            names,
            include_directories=[os.path.join(folder, each) for each in scenario.include],
            defines=scenario.define,
            stubs=scenario.elsewhere,
            within=roots,
            naming=Naming("include: [{}]", "`include'", folder),
        )
    except ExpandErrors as several:
        raise several.errors[0] from None
    except UndefinedSymbols as several:
        raise next(iter(several.places.values())) from None
    for variant in variants:
        made(variant.instance)
    yield from results_of(path, scenario, variants, unsettled)


def _check_options(scenario: Scenario, folder: str) -> None:
    """Raises ScenarioError for what a source cannot be compiled with, or for."""
    for at, name in enumerate(scenario.include):
        if not os.path.isdir(os.path.join(folder, name)):
            raise ScenarioError(f"there is no folder {name}", ("include", at))
    for at, define in enumerate(scenario.define):
        if (flaw := flaw_of_define(define)) is not None:
            raise ScenarioError(flaw, ("define", at))
    for at, name in enumerate(scenario.instances):
        if not is_path(name) and name not in instance_names():
            raise ScenarioError(unknown_instance(name), ("instances", at))


def results_of(path: str, scenario: Scenario, variants: Sequence[Variant], unsettled: set[str]) -> Iterator[Result]:
    """The same of variants that have been made."""
    wanted: Outcome | None = None
    left_out = {*unsettled, *elsewhere(scenario)}
    for variant in variants:
        outcome = ran(variant, scenario)
        wrong = list(outcome.unexpected)
        if wanted is None:
            wanted = outcome
            if is_wrong_anywhere(outcome) and scenario.expect.end != outcome.end:
                wrong.append(f"{why_wrong(outcome)}: that is a mistake of the source, or of the scenario")
        elif not is_wrong_anywhere(wanted):
            wrong += [f"unlike {variants[0].instance.name}: {each}" for each in differences(wanted, outcome, left_out)]
        yield Result(path, variant.instance.name, wrong)


def junit(results: Sequence[Result], suite_name: str = "pvasm test") -> bytes:
    """The results as JUnit's XML has them: a case for each scenario and instance."""
    failures = sum(bool(each.wrong) for each in results)
    suite = ElementTree.Element("testsuite", name=suite_name, tests=str(len(results)), failures=str(failures))
    for each in results:
        case = ElementTree.SubElement(suite, "testcase", classname=each.path, name=each.instance)
        if each.sources:
            properties = ElementTree.SubElement(case, "properties")
            for source in each.sources:
                ElementTree.SubElement(properties, "property", name="source", value=source)
        if each.wrong:
            failure = ElementTree.SubElement(case, "failure", message=each.wrong[0])
            failure.text = "\n".join(each.wrong)
    return bytes(ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True))
