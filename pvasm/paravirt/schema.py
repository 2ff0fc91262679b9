"""JSON Schemas of instance files and of the catalog, for editors.

They are made of the models that the files are read with, and of what the catalog names. Draft 7 is the draft that
editors' YAML servers take.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, get_args

import msgspec

from pvasm.isa.registers import REGISTERS
from pvasm.paravirt import catalog_file, instance_file, interface
from pvasm.paravirt.arguments import DUE
from pvasm.paravirt.catalog import Catalog, Op
from pvasm.paravirt.instance import Environment
from pvasm.paravirt.keys import catalog_keys, instance_keys
from pvasm.paravirt.shipped import ALL, INSTANCE_NAME
from pvasm.regex import regex

Schema = dict[str, Any]

_DRAFT: Final = "http://json-schema.org/draft-07/schema#"
_GENERAL: Final = {"$ref": "#/definitions/general"}
_REGISTERS: Final = {"$ref": "#/definitions/registers"}
_STACKED_OR_RANGE: Final = regex(r"r\d{1,3}-r\d{1,3}|in(?:[1-8]?\d|9[0-5])")
_FILE: Final = regex(rf"{INSTANCE_NAME.pattern}|{instance_file._FILE.pattern.replace('?P<name>', '?:')}")
_ENVIRONMENT: Final = regex(
    "|".join((*get_args(Environment), instance_file.ENVIRONMENT_FILE.pattern.replace("?P<name>", "?:")))
)


def instance_schema(catalog: Catalog) -> Schema:
    """The schema of instance files for a catalog: it refuses nothing that pvasm takes, but null where it may not be."""
    schema = _schema_of(instance_file.InstanceFile)
    keys: Schema = schema["properties"]
    _narrow(keys["name"], {**_pattern(INSTANCE_NAME), "not": {"enum": [ALL]}})
    _narrow(keys["environment"], _pattern(_ENVIRONMENT))
    _narrow(keys["extends"], _pattern(_FILE))
    for key in ("defines", "machine_vector"):
        _narrow(keys[key], _pattern(instance_file._SYMBOL))
    for key in ("constants", "calls"):
        keys[key]["propertyNames"] = _pattern(instance_file._CONSTANT)
    keys["calls"]["additionalProperties"] = _call_schema()
    keys["renames"]["propertyNames"] = _pattern(instance_file._RENAMED)
    _narrow(keys["renames"]["additionalProperties"], _pattern(instance_file._RENAMED))
    keys["ops"] = _named({name: _op_schema(op) for name, op in catalog.ops.items()})
    keys["tables"] = _tables_schema(keys["tables"], catalog)
    block = _schema_of(instance_file.BlockDefinition)
    keys["blocks"] = _named({name: {"description": each.doc, **block} for name, each in catalog.blocks.items()})
    return {
        "$schema": _DRAFT,
        "title": "pvasm: an instance",
        "description": "One set of definitions of all ops, for one environment.",
        **_described(schema, instance_keys()),
        "anyOf": _complete(catalog.ops),
        "definitions": {
            "general": {"enum": [name for name, register in REGISTERS.items() if register.file == "r"]},
            "registers": {"anyOf": [{"enum": list(REGISTERS)}, _pattern(_STACKED_OR_RANGE)]},
        },
    }


def catalog_schema() -> Schema:
    """The schema of the catalog's file."""
    schema = _schema_of(catalog_file.CatalogFile)
    keys: Schema = schema["properties"]
    op = _schema_of(catalog_file.OpEntry)
    op["properties"]["parameters"].update(
        propertyNames=_pattern(catalog_file._PARAMETER_NAME),
        additionalProperties={"enum": [" ".join(due) for due in DUE]},
    )
    keys["ops"].update(propertyNames=_pattern(catalog_file._OP_NAME), additionalProperties=op)
    keys["blocks"]["propertyNames"] = _pattern(catalog_file._OP_NAME)
    block = keys["blocks"]["additionalProperties"]
    block["properties"]["parameters"]["items"].update(_pattern(catalog_file._PARAMETER_NAME))
    keys["kernel_registers"]["additionalProperties"].update(minimum=0, maximum=7)
    return {
        "$schema": _DRAFT,
        "title": "pvasm: the catalog of ops",
        "description": "What every instance defines.",
        **_described(schema, catalog_keys()),
    }


# ------------------------------------------------------------------------------------- the parts


def _op_schema(op: Op) -> Schema:
    """The schema of an instance's definition of an op."""
    schema = _schema_of(instance_file.OpDefinition)
    names = [parameter.name for parameter in op.parameters]
    keys: Schema = schema["properties"]
    keys["apart"]["items"]["items"] = {"enum": names} if names else False
    registers = {"type": "array", "items": _REGISTERS}
    keys["not_among"] = _named(dict.fromkeys(names, registers))
    given = "".join(f"\n{parameter.name}: {DUE[parameter.kind, parameter.use]}" for parameter in op.parameters)
    return {"description": f"{op.signature}: {op.doc}{given}\nIt replaces: {op.replaces}", **schema}


def _tables_schema(schema: Schema, catalog: Catalog) -> Schema:
    """The schema of the C tables, where that of any table with any members is given."""
    values = schema["additionalProperties"]["additionalProperties"]["anyOf"]
    set_values = [value for value in values if value["type"] != "null"]
    return _named(
        {
            table: _named(
                {member: {"anyOf": values if may_be_null else set_values} for member, may_be_null in members.items()}
            )
            for table, members in catalog.tables.items()
        }
    )


def _call_schema() -> Schema:
    schema = _schema_of(interface.CallEntry)
    for key in schema["properties"].values():
        key["items"] = _GENERAL
    return schema


def _complete(ops: Collection[str]) -> list[Schema]:
    """What makes an instance complete: another one under it, or all that such a one would give."""

    def has(*keys: str) -> Schema:
        return {"required": list(keys), "properties": {key: {"type": "string"} for key in keys}}

    all_ops = {"required": ["ops"], "properties": {"ops": {"required": list(ops)}}}
    return [has("extends"), {**has("environment", "defines"), "anyOf": [has("otherwise"), all_ops]}]


# ------------------------------------------------------------------------------- making schemas


def _schema_of(model: type[msgspec.Struct]) -> Schema:
    """The schema of a model, without references, defaults, and what is there for programmers."""
    (top,), components = msgspec.json.schema_components((model,), ref_template="{name}")

    def plain(schema: Schema) -> Schema:
        if "$ref" in schema:
            return plain(components[schema["$ref"]])
        made: Schema = {}
        for key, value in schema.items():
            if key == "properties":
                made[key] = {name: plain(each) for name, each in value.items()}
            elif key == "anyOf":
                made[key] = list(map(plain, value))
            elif key in ("items", "additionalProperties"):
                made[key] = plain(value) if isinstance(value, dict) else value
            elif key not in ("title", "description", "default"):
                made[key] = value
        return made

    return plain(top)


def _named(properties: Mapping[str, Schema]) -> Schema:
    """The schema of a mapping that has these keys, and no others."""
    return {"type": "object", "properties": dict(properties), "additionalProperties": False}


def _pattern(pattern: re.Pattern[str]) -> Schema:
    """What a schema says of a text that matches as a whole."""
    return {"type": "string", "pattern": f"^(?:{pattern.pattern})$"}


def _narrow(schema: Schema, more: Mapping[str, Any]) -> None:
    """Adds to what a schema says of texts, and to nothing else that it allows."""
    texts = [each for each in schema.get("anyOf", [schema]) if each.get("type") == "string"]
    texts[0].update(more)


def _described(schema: Schema, keys: Mapping[str, str]) -> Schema:
    """The schema with what is told of the keys in it; `ops.NAME.template` is the key of every op."""
    for path, text in keys.items():
        top, *steps = path.split(".")
        if steps:
            container = schema["properties"][top]
            told = f"{'.'.join(steps)}: {text}"
            container["description"] = f"{container['description']}\n{told}" if "description" in container else told
        _describe(schema, path.split("."), text)
    return schema


def _describe(schema: Schema, steps: Sequence[str], text: str) -> None:
    if not steps:
        schema.setdefault("description", text)
        return
    known = schema.get("properties", {})
    any_other = schema.get("additionalProperties")
    if not steps[0].isupper():
        found = [known[steps[0]]] if steps[0] in known else []
    else:
        found = [*known.values(), *([any_other] if any_other else [])]
    for each in found:
        _describe(each, steps[1:], text)
