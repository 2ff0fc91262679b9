"""What an instance says besides its ops: the registers of its calls, and the members of its C tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from pvasm.isa.registers import REGISTERS, Register
from pvasm.paravirt import yaml_nodes
from pvasm.paravirt.c_tables import Table
from pvasm.paravirt.yaml_nodes import Node, fault
from pvasm.suggestions import near

Tables = Mapping[str, Mapping[str, int | str | None]]
"""The members of C tables, by table and member; None for null."""


class Call(Struct, frozen=True):
    """What a `break` that calls a hypervisor does: the general registers that hold its arguments and its results."""

    takes: tuple[Register, ...] = ()
    gives: tuple[Register, ...] = ()


class CallEntry(Struct, forbid_unknown_fields=True):
    """One call as the file has it."""

    takes: list[str] = []
    gives: list[str] = []


def read_calls(root: Node, constants: Mapping[str, Any], name: str) -> dict[int, Call]:
    """The calls that a file describes, by the number of their `break`.

    Raises PvasmError, with the place, for a key that is no constant with a number, and a word that is no general
    register.
    """
    node = root.value.get("calls")
    calls: dict[int, Call] = {}
    for word, entry_node in {} if node is None else node.value.items():
        path = f"calls.{word}"
        number = constants.get(word)
        if not isinstance(number, int):
            numbers = [known for known, value in constants.items() if isinstance(value, int)]
            raise fault(f"no constant that is a number{near(word, numbers)}", name, node.keys[word], path)
        entry = yaml_nodes.convert(entry_node, CallEntry, name, path)
        takes, gives = (
            _registers(words, entry_node, key, name, path)
            for key, words in (("takes", entry.takes), ("gives", entry.gives))
        )
        calls[int(number)] = Call(takes, gives)
    return calls


def _registers(words: Sequence[str], node: Node, key: str, name: str, path: str) -> tuple[Register, ...]:
    found = []
    for word in words:
        register = REGISTERS.get(word)
        if register is None or register.file != "r":
            raise fault(f"{word} is no general register", name, node.keys[key], f"{path}.{key}")
        found.append(register)
    return tuple(found)


def read_tables(root: Node, known: Mapping[str, Table], name: str) -> Tables:
    """The tables that a file fills. Raises PvasmError, with the place, for a table or member that is not `known`."""
    node = root.value.get("tables")
    for table, members in {} if node is None else node.value.items():
        if table not in known:
            raise fault(f"no such table in the catalog{near(table, known)}", name, node.keys[table], f"tables.{table}")
        for member in members.value:
            if member not in known[table].members:
                message = f"{table} has no such member{near(member, known[table].members)}"
                raise fault(message, name, members.keys[member], f"tables.{table}.{member}")
    tables: Tables = {} if node is None else node.plain()
    return tables
