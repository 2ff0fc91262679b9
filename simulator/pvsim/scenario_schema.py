"""The JSON Schema of a scenario's file, for editors."""

from __future__ import annotations

from typing import Final

from pvasm.isa.registers import PSR_FIELDS, REGISTERS
from pvasm.paravirt.json_schema import DRAFT, Schema, described, matching, narrow, schema_of
from pvsim.machine.external_interrupts import VECTORS
from pvsim.modes import MODES
from pvsim.scenario import BANKED, COUNTS, INDEXED, MEMORY_BITS, PAGE_SIZES, RIGHTS, Scenario, can_be_set
from pvsim.scenario_reading import KINDS, MOST_STEPS, MOST_TICKS, RETURNS

_KEYS: Final = {
    "entry": "The label where the code begins.",
    "file": "The source, by its name from this file's folder on, or a list of those that make one image.",
    "instances": "What the source is tried for by `pvasm test`: names, and files from this file's folder on.",
    "include": "Folders of headers, from this file's folder on.",
    "define": "Macros: NAME or NAME=VALUE.",
    "mode": "The privilege level, and whether addresses are virtual, where no register says otherwise.",
    "registers": "What registers hold: numbers, or expressions with labels and names of stubs.",
    "nat": "General registers that are Not a Thing.",
    "memory": "Bytes of memory, in hexadecimal, by address.",
    "words": "Words of 8 bytes, one or a list, by address.",
    "pages": "Translations that there are.",
    "interrupts": "External interrupts: the vector of each, and after how many instructions it comes.",
    "devices": "Words that say something else each time they are loaded, the last again and again.",
    "in_service": "Vectors of interrupts that have been read from cr.ivr, and not ended yet.",
    "stubs": "Symbols of other files: an address, or `returns` for a function that does so at once.",
    "stub_missing": "Whether all that no file defines is a function that returns at once.",
    "stop": "Labels where the run ends; it ends where the code returns to b0, too.",
    "vectors": "The label of the interruption vectors; without it, an interruption ends the run.",
    "ticks": "By how much ar.itc advances with each instruction.",
    "steps": "After how many instructions the run ends.",
    "ignored": "Items that are not compared, as `pvasm compare` calls them.",
    "expect": "What holds at the end, and where that is: `return`, a label of `stop`, an interruption.",
}
_PAGE: Final = {
    "at": "The virtual address.",
    "to": "The physical address.",
    "size": "The exponent of its size.",
    "kinds": "d for data, i for instructions, or both.",
    "level": "Who may reach it: this privilege level and better ones.",
    "rights": "What may be done there.",
    "key": "Its protection key.",
    "register": "The translation register that it stands in; a cache, if there is none.",
}


def scenario_schema() -> Schema:
    """The schema of the files that `read_scenario` reads: it refuses nothing that this takes.

    What contradicts itself, or the source, no schema tells.
    """
    schema = schema_of(Scenario)
    keys: Schema = schema["properties"]
    keys["mode"] = {"enum": list(MODES)}
    keys["steps"].update(minimum=1, maximum=MOST_STEPS)
    keys["ticks"].update(minimum=0, maximum=MOST_TICKS)
    keys["in_service"]["items"] = {"enum": sorted(VECTORS)}
    keys["interrupts"]["items"]["properties"]["vector"] = {"enum": sorted(VECTORS)}
    keys["interrupts"]["items"]["properties"]["after"]["minimum"] = 0
    keys["devices"]["items"]["properties"]["reads"]["minItems"] = 1
    narrow(keys["stubs"]["additionalProperties"], {"enum": [RETURNS]})
    page: Schema = keys["pages"]["items"]["properties"]
    page["size"] = {"enum": sorted(PAGE_SIZES)}
    page["rights"] = {"enum": list(RIGHTS)}
    page["kinds"] = matching(KINDS)
    for name, most in {"level": 3, "key": (1 << 24) - 1, "to": (1 << MEMORY_BITS) - 1, "at": (1 << 64) - 1}.items():
        page[name].update(minimum=0, maximum=most)
    narrow_register = next(each for each in page["register"]["anyOf"] if each.get("type") == "integer")
    narrow_register.update(minimum=0, maximum=COUNTS["dtr"] - 1)
    for given in (keys, keys["expect"]["properties"]):
        given["registers"]["propertyNames"] = {"$ref": "#/definitions/register"}
    described(schema, _KEYS)
    for key, text in _PAGE.items():
        page[key].setdefault("description", text)
    return {
        "$schema": DRAFT,
        "title": "pvasm: a scenario",
        "description": "The state that code begins with, and where it ends.",
        **schema,
        "definitions": {
            "register": {
                "anyOf": [
                    {"enum": [name for name, register in REGISTERS.items() if can_be_set(register)]},
                    {"enum": [f"psr.{name}" for name in PSR_FIELDS]},
                    matching(BANKED),
                    matching(INDEXED),
                ]
            }
        },
    }
