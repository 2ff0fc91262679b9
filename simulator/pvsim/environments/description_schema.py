"""The JSON Schema of an environment's file, for editors."""

from __future__ import annotations

from typing import Final

from pvasm.isa.registers import REGISTERS
from pvasm.paravirt.json_schema import DRAFT, Schema, described, matching, named, schema_of
from pvasm.paravirt.keys import told_keys
from pvsim.environments.description import FIELDS, NUMBER, SIZES, Description, shipped_description

_GENERAL: Final = {"$ref": "#/definitions/general"}
_TELLING: Final = "xen"  # the environment whose file tells of the keys


def description_schema() -> Schema:
    """The schema of the files that `read_description` reads: it refuses nothing that this takes.

    Whether fields lie in their page, and what a call's instructions are, no schema tells.
    """
    schema = schema_of(Description)
    keys: Schema = schema["properties"]
    keys["level"].update(minimum=1, maximum=3)
    calls: Schema = keys["hypercalls"]["properties"]
    calls["number_in"] = _GENERAL
    calls["break"].update(minimum=0, maximum=(1 << 21) - 1)
    calls["calls"]["propertyNames"] = matching(NUMBER)
    call: Schema = calls["calls"]["additionalProperties"]["properties"]
    call["gives"]["items"], call["page_to"] = _GENERAL, _GENERAL
    page: Schema = keys["page"]["properties"]
    of_page: Schema = page["fields"]["additionalProperties"]
    of_page["properties"]["bytes"] = {"enum": list(SIZES)}
    page["fields"] = named(dict.fromkeys(FIELDS, of_page))
    path = shipped_description(_TELLING)
    assert path is not None
    return {
        "$schema": DRAFT,
        "title": "pvasm: an environment",
        "description": "What a hypervisor is to its guest.",
        **described(schema, told_keys(str(path))),
        "definitions": {"general": {"enum": [name for name, register in REGISTERS.items() if register.file == "r"]}},
    }
