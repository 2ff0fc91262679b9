"""The checker on the samples: silent where they are whole, and right to the line where they are broken."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from tests.samples.pipeline import BROKEN, CLEAN, INCLUDE, SYMBOLS, pvasm

KINDS = {
    "PV001",
    "PV002",
    "PV003",
    "PV101",
    "PV102",
    "PV103",
    "PV104",
    "PV201",
    "PV202",
    "PV301",
    "PV302",
    "PV401",
    "PV404",
}
MARK = re.compile(r"broken:((?: PV\d{3})+)")


def marked(source: Path) -> Counter[tuple[int, str]]:
    """Lines and codes, as the comments of a broken sample say."""
    lines = enumerate(source.read_text().splitlines(), start=1)
    return Counter((number, code) for number, line in lines for mark in MARK.findall(line) for code in mark.split())


def diagnostics(*arguments: str | Path) -> tuple[int, list[dict[str, object]]]:
    done = pvasm("check", *arguments, "--output-format", "json")
    assert done.errors == b""
    return done.status, [json.loads(line) for line in done.output.splitlines()]


@pytest.mark.parametrize("source", BROKEN, ids=lambda path: path.name)
def test_exactly_the_marked_lines_of_a_broken_sample_are_found(source: Path) -> None:
    status, found = diagnostics(source)
    assert Counter((entry["line"], entry["code"]) for entry in found) == marked(source)
    assert status == 1


@pytest.mark.parametrize("source", BROKEN, ids=lambda path: path.name)
def test_a_diagnostic_points_at_the_instruction(source: Path) -> None:
    _, found = diagnostics(source)
    lines = source.read_text().splitlines()
    for entry in found:
        assert entry["path"] == str(source)
        line, column, instruction = entry["line"], entry["column"], entry["instruction"]
        assert isinstance(line, int)
        assert isinstance(column, int)
        assert isinstance(instruction, str)
        assert lines[line - 1][column - 1 :].startswith(instruction.split()[0])


def test_broken_samples_hold_every_kind_of_breakage() -> None:
    kinds = Counter(code for source in BROKEN for _, code in marked(source).elements())
    assert set(kinds) == KINDS
    with_ops = {source.name for source in CLEAN} - {"head.S", "patch.S"}  # which have none to break
    assert with_ops < {source.name for source in BROKEN}


def test_whole_samples_have_notes_at_most() -> None:
    status, found = diagnostics(*CLEAN, INCLUDE)
    assert {entry["severity"] for entry in found} <= {"note"}
    assert status == 0


def test_whole_samples_are_silent_after_the_preprocessor_too() -> None:
    status, found = diagnostics(*CLEAN, "--cpp", "-I", INCLUDE, "-D", SYMBOLS["xen"], "--select", "PV001,PV002,PV901")
    assert found == []
    assert status == 0
