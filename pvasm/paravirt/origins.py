"""Which of its files an instance has each of its ops and members of tables from, and how an op stands there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from pvasm.paravirt.instance import Instance
from pvasm.paravirt.instance_file import read_model


class Origin(Struct, frozen=True):
    """The name of the instance whose file defines an op, and the op's entry there: `template`, `apart`, `not_among`."""

    instance: str
    entry: Mapping[str, Any]


def origins(instance: Instance) -> dict[str, Origin]:
    """Where the definition of each op stands; an op that is what it replaces is not among them."""
    found: dict[str, Origin] = {}
    for file in instance.files:
        model = read_model(file)
        for op, entry in model.ops.items():
            found.setdefault(op, Origin(model.name, entry))
    return {op: found[op] for op in instance.catalog.ops if op in found}


def table_origins(instance: Instance) -> dict[tuple[str, str], str]:
    """The name of the instance whose file says what a member of a table is, by table and member."""
    found: dict[tuple[str, str], str] = {}
    for file in instance.files:
        model = read_model(file)
        for table, members in model.tables.items():
            for member in members:
                found.setdefault((table, member), model.name)
    return found


def own_ops(instance: Instance) -> list[str]:
    """The ops that an instance's own file defines, in the order of the catalog."""
    entries = read_model(instance.files[0]).ops
    return [op for op in instance.catalog.ops if op in entries]


def named_calls(instance: Instance) -> dict[str, Mapping[str, Any]]:
    """The calls that an instance's files describe, by the constants that are their numbers.

    Each says what it `takes` and `gives`, registers by their names.
    """
    return {word: entry for file in reversed(instance.files) for word, entry in read_model(file).calls.items()}
