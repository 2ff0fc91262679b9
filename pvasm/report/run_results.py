"""What runs of variants came to, as `pvasm test` and `pvasm compare` write it, with the ops of the sources of each."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from xml.etree import ElementTree

from msgspec import Struct

from pvasm.errors import PvasmError
from pvasm.files import read_at_most

_MOST = 1 << 26  # bytes


class RunResult(Struct, frozen=True):
    """What came of a scenario, or of random states, for an instance: what went wrong, empty if nothing; the ops that
    its sources invoke.
    """

    scenario: str
    instance: str
    failure: str
    ops: frozenset[str]


def read_results(path: str, ops_of: Callable[[Sequence[str]], Collection[str]]) -> list[RunResult]:
    """The runs that a JUnit file tells of; `ops_of` says which ops sources invoke: those named, or the scenario's.

    Raises PvasmError for a file that cannot be read, or is none of `pvasm test --junit`, and for what is no scenario.
    """
    data = read_at_most(path, _MOST)
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:  # entities: none of ours, and they may be made to grow without end
        raise PvasmError(
            "no results of `pvasm test --junit' or `compare --junit': it declares a type of document", path
        )
    try:
        root = ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        raise PvasmError(f"no results of `pvasm test --junit' or `compare --junit': {error}", path) from None
    if root.tag not in ("testsuite", "testsuites"):
        raise PvasmError(f"no results of `pvasm test --junit' or `compare --junit': it is about `{root.tag}'", path)
    known: dict[tuple[str, tuple[str, ...]], frozenset[str]] = {}
    found = []
    for case in root.iter("testcase"):
        scenario, instance = case.get("classname", ""), case.get("name", "")
        named = tuple(each.get("value", "") for each in case.iter("property") if each.get("name") == "source")
        key = scenario, named
        if key not in known:
            known[key] = frozenset(ops_of(named or scenario_sources(scenario)))
        wrong = [each for tag in ("failure", "error") for each in case.iter(tag)]
        said = "\n".join(each.text or each.get("message", "") or "it failed" for each in wrong)
        found.append(RunResult(scenario, instance, said, known[key]))
    return found


def scenario_sources(path: str) -> list[str]:
    """The sources that a scenario's file names. Raises PvasmError for what is no scenario."""
    from pathlib import Path

    from pvsim.scenario_reading import read_scenario

    folder = os.path.dirname(path) or "."
    return [os.path.normpath(os.path.join(folder, name)) for name in read_scenario(Path(path)).scenario.files]
