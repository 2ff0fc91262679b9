"""An instance's C tables as C can have them: every member with its value, every symbol with its declaration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from pvasm.errors import PvasmError
from pvasm.paravirt.c_tables import Member, Table
from pvasm.paravirt.instance import Instance
from pvasm.paravirt.instance_file import read_draft
from pvasm.tables.c_lines import call_lines, declaration


class Slot(Struct, frozen=True):
    """A member of a table, and its value in an instance: a number, a text, a symbol; None for null."""

    table: Table
    member: Member
    value: int | str | None

    @property
    def path(self) -> str:
        """The member as instance files name it."""
        return f"{self.table.name}.{self.member.name}"

    @property
    def symbol(self) -> str | None:
        """The symbol of the kernel that is the value; None where it is none."""
        return self.value if isinstance(self.value, str) and not self.member.is_text else None


class FilledTables(Struct, frozen=True):
    """The tables of an instance; `declarations` are those of the symbols in them, as lines, by symbol."""

    instance: Instance
    slots: tuple[Slot, ...]
    declarations: Mapping[str, list[str]]

    @property
    def prefix(self) -> str:
        """The instance's name as it can stand in a C name."""
        return self.instance.name.replace("-", "_")

    @property
    def installer(self) -> str:
        """The function that installs the tables."""
        return f"{self.prefix}_setup_pv_ops"

    def of(self, table: Table) -> list[Slot]:
        """The members of a table, in order."""
        return [slot for slot in self.slots if slot.table is table]


def fill(instance: Instance) -> FilledTables:
    """The tables of an instance.

    Raises PvasmError for one that lacks a member that must be set (PV506), for a value that C cannot take for the
    member, and for a symbol that stands for two things.
    """
    for table in instance.catalog.tables.values():
        values = instance.tables.get(table.name, {})
        members = table.members.items()
        missing = [name for name, member in members if values.get(name) is None and not member.may_be_null]
        if missing:
            message = f"tables.{table.name} does not set {', '.join(missing)}, which may not be null"
            raise PvasmError(message, instance.path)
    filled = FilledTables(instance, tuple(_slots(instance)), {})
    return FilledTables(instance, filled.slots, _declarations(filled))


def refuse_values(instance: Instance) -> None:
    """Raises PvasmError as `fill` does, but for members that are not set."""
    _declarations(FilledTables(instance, tuple(_slots(instance)), {}))


def _slots(instance: Instance) -> Iterator[Slot]:
    for table in instance.catalog.tables.values():
        values = instance.tables.get(table.name, {})
        for name, member in table.members.items():
            yield Slot(table, member, values.get(name))


def _declarations(filled: FilledTables) -> dict[str, list[str]]:
    """How the symbols in the tables are declared, by symbol."""
    instance = filled.instance
    tables = instance.catalog.tables
    taken = {**dict.fromkeys(tables, "a table"), filled.installer: "what installs the tables"}
    taken.update((f"{filled.prefix}_{table}", f"{instance.name}'s {table}") for table in tables)
    taken.update(
        (member.call, f"what calls {table.name}.{member.name}")
        for table in tables.values()
        for member in table.members.values()
        if member.call is not None
    )
    first: dict[str, Slot] = {}
    found: dict[str, list[str]] = {}
    for slot in filled.slots:
        if slot.value is None:
            continue
        due = slot.member.flaw(slot.value)
        if due is not None:
            raise _fault(f"tables.{slot.path} must be {due}, and is {slot.value!r}", instance, slot)
        symbol = slot.symbol
        if symbol is None:
            continue
        if symbol in taken:
            raise _fault(f"tables.{slot.path}: {symbol} is the name of {taken[symbol]}", instance, slot)
        lines = _declared(symbol, slot.member)
        if found.setdefault(symbol, lines) != lines:
            of = f"tables.{slot.path}: {symbol} is {first[symbol].path} already"
            raise _fault(f"{of}, which is of another type ({first[symbol].member.type})", instance, slot)
        first.setdefault(symbol, slot)
    return found


def _fault(message: str, instance: Instance, slot: Slot) -> PvasmError:
    """An error about a member's value, at its place, if the instance's own file has it."""
    try:
        nodes = read_draft(Path(instance.path), instance.catalog).root.value
    except (PvasmError, OSError):
        return PvasmError(message, instance.path)
    for key in ("tables", slot.table.name):
        nodes = nodes[key].value if key in nodes else {}
        if key == slot.table.name and slot.member.name in nodes:
            value = nodes[slot.member.name]
            return PvasmError(message, instance.path, value.line, value.column)
    return PvasmError(message, instance.path)


def _declared(symbol: str, member: Member) -> list[str]:
    """The declaration of a symbol that is a member's value: a function, or what stands at the address."""
    if member.is_function:
        return call_lines(declaration(member.result, symbol), member.parameters, ";")
    pointed = member.type.removesuffix("*").rstrip() if member.type.endswith("*") else "void"
    return [f"extern {declaration('char' if pointed == 'void' else pointed, symbol)}[];"]
