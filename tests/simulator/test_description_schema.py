"""The JSON Schema of environments: valid by its own standard, and of one mind with what reads the files."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from pvsim.environments.description import read_description, shipped_description
from pvsim.environments.description_schema import description_schema

from pvasm.errors import PvasmError
from pvasm.paravirt.yaml_nodes import read_yaml
from tests.cli.command import pvasm
from tests.paravirt.test_schema import changed

SCHEMA = description_schema()
DESCRIPTION = jsonschema.Draft7Validator(SCHEMA)

WHOLE = """\
name: mine
description: A test
level: 2
calls: {HYPER_THASH: "thash r8 = r8"}
hypercalls:
  break: 0x1000
  number_in: r2
  calls:
    "0x600": {does: "nop 0", gives: [r8], page_to: r14}
secures_time: true
refuses: [ttag]
page:
  address: 0xfffffffffff00000
  size: 0x10000
  fields_from: 0xfffffffffff04000
  fields:
    cr.ifa: {at: 8, bytes: 8, inverted: false, told: true}
    rr: {at: 64}
  mask: {pointer: 0xc18, byte: 0xfffffffffff00001}
  room: [[0, 0x1000]]
weights: {group: 1, call: 2}
"""
# What no schema of a single file can say.
BEYOND = ("is no mnemonic", "the size is a power of two", "within the page", "there is no page to move")


def test_the_schema_is_one_and_takes_what_is_shipped() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    for name in ("xen", "trap"):
        path = shipped_description(name)
        assert path is not None
        DESCRIPTION.validate(read_yaml(path).plain())
    assert json.loads(pvasm("instance", "schema", "--environment").output) == SCHEMA


def test_every_key_is_told_of() -> None:
    for name, key in SCHEMA["properties"].items():
        assert key["description"], name
    for name in ("address", "size", "room", "fields_from", "mask"):
        assert SCHEMA["properties"]["page"]["properties"][name]["description"]


@pytest.mark.slow
def test_the_schema_refuses_what_pvasm_refuses_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    whole = yaml.safe_load(WHOLE)
    tried = 0
    for where, value in changed(whole):
        path.write_text(yaml.safe_dump(value))
        try:
            read_description(path)
            refusal = None
        except PvasmError as error:
            refusal = str(error)
        if refusal is not None and any(each in refusal for each in BEYOND):
            continue
        tried += 1
        assert (refusal is None) == DESCRIPTION.is_valid(value), (where, refusal)
    assert tried > 500
