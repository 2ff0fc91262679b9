"""JSON Schemas of models: what a reader of files accepts, as editors check and complete it.

Draft 7 is the draft that editors' YAML servers take.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

Schema = dict[str, Any]

DRAFT: Final = "http://json-schema.org/draft-07/schema#"


def schema_of(model: type[msgspec.Struct]) -> Schema:
    """The schema of a model of msgspec's, without references, defaults, and what is there for programmers."""
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
            elif key == "prefixItems":  # as draft 7 has it
                made["items"], made["additionalItems"] = list(map(plain, value)), False
            elif key in ("items", "additionalProperties") and "prefixItems" not in schema:
                made[key] = plain(value) if isinstance(value, dict) else value
            elif key not in ("title", "description", "default", "items"):
                made[key] = value
        return made

    return plain(top)


def named(properties: Mapping[str, Schema]) -> Schema:
    """The schema of a mapping that has these keys, and no others."""
    return {"type": "object", "properties": dict(properties), "additionalProperties": False}


def matching(pattern: re.Pattern[str]) -> Schema:
    """What a schema says of a text that matches as a whole."""
    return {"type": "string", "pattern": f"^(?:{pattern.pattern})$"}


def narrow(schema: Schema, more: Mapping[str, Any]) -> None:
    """Adds to what a schema says of texts, and to nothing else that it allows."""
    texts = [each for each in schema.get("anyOf", [schema]) if each.get("type") == "string"]
    texts[0].update(more)


def described(schema: Schema, keys: Mapping[str, str]) -> Schema:
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
