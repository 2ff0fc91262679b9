"""The schema of scenarios: what editors complete and check, and `pvasm scenario schema` prints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft7Validator
from pvsim.scenario_schema import scenario_schema

from pvasm.errors import PvasmError
from pvasm.paravirt.yaml_nodes import parse_yaml
from tests.cli.command import pvasm
from tests.simulator.test_scenario_contradictions import WRONG, run

SAMPLES = Path(__file__).resolve().parents[2] / "sample_S"
SCHEMA = scenario_schema()
VALIDATOR = Draft7Validator(SCHEMA)


def takes(text: str) -> bool:
    """Whether an editor has nothing to say of a scenario."""
    return VALIDATOR.is_valid(parse_yaml(text, "s.yaml").plain())


def test_it_is_a_schema_and_what_the_command_prints() -> None:
    Draft7Validator.check_schema(SCHEMA)
    assert json.loads(pvasm("scenario", "schema").output) == SCHEMA
    keys = {**SCHEMA["properties"], **SCHEMA["properties"]["pages"]["items"]["properties"]}
    assert [name for name, each in keys.items() if not each.get("description")] == []


@pytest.mark.parametrize("path", [SAMPLES / "scenarios/dtlb_miss.yaml", SAMPLES / "guest/boot.yaml"])
def test_it_takes_the_samples(path: Path) -> None:
    assert takes(path.read_text())


@pytest.mark.parametrize("text", WRONG)
def test_it_refuses_nothing_that_is_read(text: str, tmp_path: Path) -> None:
    if not takes(f"entry: entry\nfile: a.S\n{text}"):
        with pytest.raises(PvasmError):
            run(tmp_path / "s.yaml", text)


@pytest.mark.parametrize(
    "text",
    [
        "mode: usr",
        "register: {}",
        "registers: {r200: 1}",
        "registers: {cr.ivr: 1}",
        "registers: {psr.id: 1, psr.x: 1}",
        "steps: 0",
        "interrupts: [{vector: 5}]",
        "interrupts: [{vector: 32, after: -1}]",
        "in_service: [1]",
        "devices: [{at: 8, reads: []}]",
        "stubs: {a: b}",
        "pages: [{at: 0, to: 0, size: 11}]",
        "pages: [{at: 0, to: 0, kinds: x}]",
        "pages: [{at: 0, to: 0, rights: wx}]",
        "pages: [{at: 0, to: 0, level: 4}]",
        "pages: [{at: 0, to: 0, register: -1}]",
        "expect: {registers: {r200: 1}}",
    ],
)
def test_what_an_editor_underlines_is_not_read_either(text: str, tmp_path: Path) -> None:
    assert not takes(f"entry: entry\nfile: a.S\n{text}")
    with pytest.raises(PvasmError):
        run(tmp_path / "s.yaml", text)
