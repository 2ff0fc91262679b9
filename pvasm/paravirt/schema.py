"""JSON Schemas of instance files and of the catalog, for editors.

They are made of the models that the files are read with, and of what the catalog names.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, get_args

from pvasm.isa.registers import REGISTERS
from pvasm.paravirt import catalog_file, instance_file, interface
from pvasm.paravirt.arguments import DUE
from pvasm.paravirt.c_tables import C_NAME, KEYWORDS, TYPE, Member
from pvasm.paravirt.catalog import Catalog, Op
from pvasm.paravirt.instance import Environment
from pvasm.paravirt.json_schema import DRAFT, Schema, described, matching, named, narrow, schema_of
from pvasm.paravirt.keys import catalog_keys, instance_keys
from pvasm.paravirt.shipped import ALL, INSTANCE_NAME
from pvasm.regex import regex

_GENERAL: Final = {"$ref": "#/definitions/general"}
_REGISTERS: Final = {"$ref": "#/definitions/registers"}
_STACKED_OR_RANGE: Final = regex(r"r\d{1,3}-r\d{1,3}|in(?:[1-8]?\d|9[0-5])")
_FILE: Final = regex(rf"{INSTANCE_NAME.pattern}|{instance_file._FILE.pattern.replace('?P<name>', '?:')}")
_ENVIRONMENT: Final = regex(
    "|".join((*get_args(Environment), instance_file.ENVIRONMENT_FILE.pattern.replace("?P<name>", "?:")))
)


def instance_schema(catalog: Catalog) -> Schema:
    """The schema of instance files for a catalog: it refuses nothing that pvasm takes, but what PV506 finds."""
    schema = schema_of(instance_file.InstanceFile)
    keys: Schema = schema["properties"]
    narrow(keys["name"], {**matching(INSTANCE_NAME), "not": {"enum": [ALL]}})
    narrow(keys["environment"], matching(_ENVIRONMENT))
    narrow(keys["extends"], matching(_FILE))
    for key in ("defines", "machine_vector"):
        narrow(keys[key], matching(instance_file._SYMBOL))
    entry = next(each for each in keys["entry"]["anyOf"] if each.get("type") == "object")["properties"]
    for key in ("label", "hook"):
        narrow(entry[key], matching(instance_file._SYMBOL))
    entry["type"].update(minimum=0, maximum=instance_file.MOST_ENTRIES)
    for key in ("constants", "calls"):
        keys[key]["propertyNames"] = matching(instance_file._CONSTANT)
    keys["calls"]["additionalProperties"] = _call_schema()
    keys["renames"]["propertyNames"] = matching(instance_file._RENAMED)
    narrow(keys["renames"]["additionalProperties"], matching(instance_file._RENAMED))
    keys["ops"] = named({name: _op_schema(op) for name, op in catalog.ops.items()})
    keys["tables"] = _tables_schema(catalog)
    block = schema_of(instance_file.BlockDefinition)
    keys["blocks"] = named({name: {"description": each.doc, **block} for name, each in catalog.blocks.items()})
    return {
        "$schema": DRAFT,
        "title": "pvasm: an instance",
        "description": "One set of definitions of all ops, for one environment.",
        **described(schema, instance_keys()),
        "anyOf": _complete(catalog.ops),
        "definitions": {
            "general": {"enum": [name for name, register in REGISTERS.items() if register.file == "r"]},
            "registers": {"anyOf": [{"enum": list(REGISTERS)}, matching(_STACKED_OR_RANGE)]},
        },
    }


def catalog_schema() -> Schema:
    """The schema of the catalog's file."""
    schema = schema_of(catalog_file.CatalogFile)
    keys: Schema = schema["properties"]
    op = schema_of(catalog_file.OpEntry)
    op["properties"]["parameters"].update(
        propertyNames=matching(catalog_file._PARAMETER_NAME),
        additionalProperties={"enum": [" ".join(due) for due in DUE]},
    )
    keys["ops"].update(propertyNames=matching(catalog_file._OP_NAME), additionalProperties=op)
    keys["blocks"]["propertyNames"] = matching(catalog_file._OP_NAME)
    block = keys["blocks"]["additionalProperties"]
    block["properties"]["parameters"]["items"].update(matching(catalog_file._PARAMETER_NAME))
    keys["kernel_registers"]["additionalProperties"].update(minimum=0, maximum=7)
    keys["tables"]["propertyNames"] = keys["machine_vector"]["propertyNames"] = matching(C_NAME)
    table: Schema = keys["tables"]["additionalProperties"]["properties"]
    table["members"].update(minProperties=1, propertyNames=matching(C_NAME), additionalProperties=matching(TYPE))
    narrow(table["calls"]["additionalProperties"], matching(C_NAME))
    narrow(table["not_c_if"], matching(C_NAME))
    narrow(keys["machine_vector"]["additionalProperties"], matching(C_NAME))
    return {
        "$schema": DRAFT,
        "title": "pvasm: the catalog of ops",
        "description": "What every instance defines.",
        **described(schema, catalog_keys()),
    }


# ------------------------------------------------------------------------------------- the parts


def _op_schema(op: Op) -> Schema:
    """The schema of an instance's definition of an op."""
    schema = schema_of(instance_file.OpDefinition)
    names = [parameter.name for parameter in op.parameters]
    keys: Schema = schema["properties"]
    keys["apart"]["items"]["items"] = {"enum": names} if names else False
    registers = {"type": "array", "items": _REGISTERS}
    keys["not_among"] = named(dict.fromkeys(names, registers))
    given = "".join(f"\n{parameter.name}: {DUE[parameter.kind, parameter.use]}" for parameter in op.parameters)
    return {"description": f"{op.signature}: {op.doc}{given}\nIt replaces: {op.replaces}", **schema}


def _tables_schema(catalog: Catalog) -> Schema:
    """The schema of the C tables."""
    return named(
        {
            word: named({name: _member_schema(member) for name, member in table.members.items()})
            for word, table in catalog.tables.items()
        }
    )


def _member_schema(member: Member) -> Schema:
    """The schema of a member of a C table: what it can be by its C type, and null."""
    values: list[Schema] = [{"type": "null"}] if member.may_be_null else []
    if member.is_text:
        values.append({"type": "string"})
    elif member.may_be_symbol:
        values.append({**matching(C_NAME), "not": {"enum": sorted(KEYWORDS)}})
    if member.bounds is not None:
        lowest, highest = member.bounds
        values.append({"type": "integer", "minimum": lowest, "maximum": highest})
    return {"description": member.type, "anyOf": values}


def _call_schema() -> Schema:
    schema = schema_of(interface.CallEntry)
    for key in schema["properties"].values():
        key["items"] = _GENERAL
    return schema


def _complete(ops: Collection[str]) -> list[Schema]:
    """What makes an instance complete: another one under it, or all that such a one would give."""

    def has(*keys: str) -> Schema:
        return {"required": list(keys), "properties": {key: {"type": "string"} for key in keys}}

    all_ops = {"required": ["ops"], "properties": {"ops": {"required": list(ops)}}}
    return [has("extends"), {**has("environment", "defines"), "anyOf": [has("otherwise"), all_ops]}]
