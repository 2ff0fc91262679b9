"""Which instances travel with pvasm, and how an instance is named."""

from __future__ import annotations

import os

from pvasm import data
from pvasm.regex import regex

ALL = "all"  # in place of a name: every instance that travels with pvasm
CATALOG = "ops"  # the file beside them that is no instance


INSTANCE_NAME = regex(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")


def instance_names() -> list[str]:
    """The names of the instances that travel with pvasm."""
    stems = [
        name.removesuffix(".yaml")
        for name in os.listdir(os.path.dirname(data.instance_file(CATALOG)))
        if name.endswith(".yaml")
    ]
    return sorted(stem for stem in stems if stem != CATALOG)


def is_instance_name(name: str) -> bool:
    """Whether an instance can have this name."""
    return INSTANCE_NAME.fullmatch(name) is not None and name != CATALOG


def shipped_instance(name: str) -> str | None:
    """The file of the instance of that name that travels with pvasm, if there is one."""
    if not is_instance_name(name):
        return None
    path = data.instance_file(name)
    return path if os.path.isfile(path) else None


def is_path(instance: str) -> bool:
    """Whether an instance is given by its file, and not by the name of one that travels with pvasm."""
    return "/" in instance or instance.endswith((".yaml", ".yml"))
