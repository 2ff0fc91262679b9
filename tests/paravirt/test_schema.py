"""The JSON Schemas for editors: valid by their own standard, and of one mind with what reads the files."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from pvasm import data
from pvasm.check.rule import all_instance_rules
from pvasm.errors import PvasmError
from pvasm.paravirt.catalog_file import read_catalog
from pvasm.paravirt.instance_file import read_draft
from pvasm.paravirt.keys import instance_keys
from pvasm.paravirt.loading import load_catalog
from pvasm.paravirt.schema import catalog_schema, instance_schema
from pvasm.paravirt.shipped import instance_names
from pvasm.paravirt.yaml_nodes import read_yaml

CATALOG = load_catalog()
SCHEMA = instance_schema(CATALOG)
INSTANCE = jsonschema.Draft7Validator(SCHEMA)
OPS = jsonschema.Draft7Validator(catalog_schema())


@pytest.mark.parametrize("schema", [SCHEMA, catalog_schema()], ids=["instance", "catalog"])
def test_the_schema_is_one(schema: dict[str, Any]) -> None:
    jsonschema.Draft7Validator.check_schema(schema)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"


@pytest.mark.parametrize("name", instance_names())
def test_what_is_shipped_is_valid(name: str) -> None:
    INSTANCE.validate(read_yaml(Path(data.instance_file(name))).plain())


def test_the_catalog_is_valid() -> None:
    OPS.validate(read_yaml(Path(data.instance_file("ops"))).plain())


@pytest.mark.parametrize("rule", all_instance_rules().values(), ids=lambda rule: rule.code)
def test_examples_of_rules_are_valid(rule: Any) -> None:
    for text in rule.valid:
        INSTANCE.validate(yaml.safe_load(f"name: mine\ndescription: A test\n{text}"))


def test_every_key_is_told_of() -> None:
    told = {key.partition(".")[0] for key in instance_keys()}
    properties = SCHEMA["properties"]
    assert set(properties) == told
    for key in properties.values():
        assert key["description"]
    for name, op in CATALOG.ops.items():
        schema = properties["ops"]["properties"][name]
        assert schema["description"].startswith(f"{op.signature}: {op.doc}\n")
        assert {"template", "apart", "not_among"} == set(schema["properties"])


# ------------------------------------------------------------------- of one mind with the reader

WHOLE = """\
name: mine
description: A test
environment: hardware
defines: MINE
otherwise: replaces
machine_vector: dig
poison: {general: 1, predicate: true}
constants: {CALL: 0x40, WORD: r8}
calls:
  CALL: {takes: [r8], gives: [ret0, gp]}
renames: {old: new.name}
tables:
  pv_info: {kernel_rpl: 2, paravirt_enabled: 1, name: mine}
  pv_time_ops: {do_steal_accounting: a, sched_clock: b, clocksource_resume: null}
blocks:
  DO_SAVE_MIN: {template: "{{ cover }}"}
ops:
  RFI: {template: rfi}
  THASH:
    template: ({{ pred }}) thash {{ reg }} = {{ address }}
    apart: [[reg, clob]]
    not_among: {clob: [r8, r16-r31, in0]}
"""
VALUES: tuple[Any, ...] = (None, True, 7, "x y", "RFI", "r8", "trap", [], ["r8"], [["reg"]], [[1]], {}, {"x": "y"})
# What no schema of a single file can say.
BEYOND = (
    "is taken",
    "is a register or an instruction",
    "is a constant of the catalog",
    "no constant that is a number",
    "is an empty range",
    "must be different",
    "no instance",
)


def changed(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """The value with one change, in every place there is: another value, a key more, less or renamed."""
    for other in VALUES:
        yield path, other
    if isinstance(value, dict):
        yield (*path, "+"), {**value, "strange": "x"}
        for key, child in value.items():
            others = {name: each for name, each in value.items() if name != key}
            yield (*path, key, "-"), others
            yield (*path, key, "~"), {**others, f"{key} ": child}
            for where, new in changed(child, (*path, key)):
                yield where, {**value, key: new}
    elif isinstance(value, list):
        for place, child in enumerate(value):
            for where, new in changed(child, (*path, place)):
                yield where, [*value[:place], new, *value[place + 1 :]]


def refusal(text: str, path: Path) -> str | None:
    """Why pvasm refuses an instance file; None if it does not."""
    path.write_text(text)
    try:
        draft = read_draft(path, CATALOG)
    except PvasmError as error:
        return str(error)
    if draft.errors or draft.missing:
        return str(draft.errors or draft.missing)
    tables = draft.instance.tables
    for table, known in CATALOG.tables.items():
        for name, member in known.members.items():
            if name in tables.get(table, {}) and tables[table][name] is None and not member.may_be_null:
                return f"{table}.{name} must not be null"
            value = tables.get(table, {}).get(name)
            if value is not None and member.flaw(value) is not None:
                return f"{table}.{name} must be {member.flaw(value)}"
    return None


@pytest.mark.slow
def test_the_schema_refuses_what_pvasm_refuses_and_nothing_else(tmp_path: Path) -> None:
    whole = yaml.safe_load(WHOLE)
    assert refusal(WHOLE, tmp_path / "mine.yaml") is None
    verdicts = set()
    loader = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    for where, value in changed(whole):
        text = yaml.dump(value, Dumper=loader, sort_keys=False)
        reason = refusal(text, tmp_path / "mine.yaml")
        if reason is not None and any(word in reason for word in BEYOND):
            continue
        assert INSTANCE.is_valid(copy.deepcopy(value)) is (reason is None), (where, value, reason)
        verdicts.add(reason is None)
    assert verdicts == {True, False}


@pytest.mark.parametrize(
    ("text", "is_valid"),
    [
        ("extends: native", True),
        ("extends: mine.yaml", True),
        ("extends: ../mine.yaml", False),
        ("extends: null", False),
        ("environment: xen\ndefines: X", False),
        ("environment: xen\ndefines: X\notherwise: replaces", True),
        ("defines: X\notherwise: replaces", False),
        ("extends: native\nops: {MOV_FROM_IFB: {template: rfi}}", False),
        ("extends: native\nops: {THASH: {template: '', apart: [[reg, clobber]]}}", False),
        ("extends: native\nops: {THASH: {template: '', not_among: {reg: [r8-r9]}}}", True),
        ("extends: native\ntables: {pv_irq_ops: {resend_irq: null}}", False),
        ("extends: native\ntables: {pv_init_ops: {banner: null}}", True),
        ("extends: native\ntables: {pv_irq_ops: {resend_irq: again}}", True),
        ("extends: native\ntables: {pv_irq_ops: {resend_irq: a-gain}}", False),
        ("extends: native\ntables: {pv_irq_ops: {resend_irq: int}}", False),
        ("extends: native\ntables: {pv_irq_ops: {resend_irq: 7}}", False),
        ("extends: native\ntables: {pv_info: {kernel_rpl: 4294967296}}", False),
        ("extends: native\ntables: {pv_info: {name: 'my hypervisor', kernel_rpl: 3}}", True),
        ("extends: native\ntables: {pv_cpu_asm_switch: {switch_to: 0x100, leave_kernel: mine}}", True),
        ("extends: native\nconstants: {mine: 1}", False),
    ],
)
def test_what_makes_an_instance(text: str, is_valid: bool) -> None:
    assert INSTANCE.is_valid(yaml.safe_load(f"name: mine\ndescription: A test\n{text}\n")) is is_valid


def test_all_ops_make_an_instance_too() -> None:
    ops = {name: {"template": "nop 0"} for name in CATALOG.ops}
    mine = {"name": "mine", "description": "A test", "environment": "xen", "defines": "X", "ops": ops}
    assert INSTANCE.is_valid(mine)
    del ops["RFI"]
    assert not INSTANCE.is_valid(mine)
    assert not INSTANCE.is_valid({**mine, "name": "all", "extends": "native"})


# ------------------------------------------------------------------------------------ the catalog

SMALL = """\
ops:
  READ:
    parameters: {reg: general out}
    replaces: mov reg = cr.ifa
    class: test
    doc: Reads.
kernel_registers: {CURRENT: 6}
tables: {pv_x: {members: {a: int, b: void (void)}, may_be_null: [b], calls: {a: get_a}, not_c_if: NO_C}}
machine_vector: {setup: machvec_setup, migrate: null}
blocks: {SAVE: {parameters: [cover], otherwise: NATIVE_SAVE, doc: Saves.}}
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("", ""),
        ("READ:", "read:"),
        ("reg: general out", "Reg: general out"),
        ("general out", "general inout"),
        ("    class: test\n", ""),
        ("doc: Reads.", "doc: [Reads.]"),
        ("doc: Reads.", "doc: Reads.\n    strange: 1"),
        ("CURRENT: 6", "CURRENT: 8"),
        ("a: int", "a: integer"),
        ("a: int", "a: int *a"),
        ("a: int", "a b: int"),
        ("a: int", "a: int (int)"),
        ("void (void)", "void ()"),
        ("{a: int, b: void (void)}", "{}"),
        ("may_be_null: [b]", "may_be_null: b"),
        ("get_a", "get-a"),
        ("NO_C", "NO C"),
        ("setup:", "set up:"),
        ("machvec_setup", "machvec_setup()"),
        ("SAVE: {", "save: {"),
        ("[cover]", "[Cover]"),
        ("ops:", "oops:"),
    ],
)
def test_the_catalogs_schema_agrees_with_its_reader(old: str, new: str, tmp_path: Path) -> None:
    text = SMALL.replace(old, new, 1) if old else SMALL
    path = tmp_path / "ops.yaml"
    path.write_text(text)
    try:
        read_catalog(path)
        is_read = True
    except PvasmError:
        is_read = False
    assert is_read is not bool(old)
    assert OPS.is_valid(yaml.safe_load(text)) is is_read
