"""The C source that defines an instance's tables, and the function that installs them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from pvasm.paravirt.c_tables import Table
from pvasm.tables.c_lines import assigned, integer, string
from pvasm.tables.filled_tables import FilledTables, Slot
from pvasm.tables.table_header import made_for, structs, symbols, variable

Role = Literal["installed", "initial"]
"""Whether the instance's function installs the tables, or an image starts with them."""

_PLATFORM = (
    "#ifdef __KERNEL__",
    "#include <linux/init.h>",
    "#else",
    "#define __init",
    "#define __initconst",
    "#define __weak __attribute__((weak))",
    "#endif",
    "",
)
# The offsets that assembly goes by (`pvasm header'), and that Linux's own declaration must have as well.
_PIN = (
    "#define PV_AT(table, member, offset) \\",
    "\t_Static_assert(__builtin_offsetof(struct table, member) == (offset), \\",
    '\t\t       #table "." #member)',
)


def source_of(filled: FilledTables, role: Role, *, own: str | None = None, others: Sequence[str] = ()) -> str:
    """The C source of an instance's tables.

    `own` is the name of the header that `header_of` makes, for `#include`; `others` are headers of the kernel's that
    declare the structs. Without either, the source declares all by itself.
    """
    lines = [made_for(filled), "", *_PLATFORM, *_declared(filled, own, others)]
    for table in filled.instance.catalog.tables.values():
        lines += _definition(filled, table, role)
    lines += [*_installer(filled, role), "", *_PIN, "", *_pins(filled)]
    return "".join(f"{line}\n" for line in lines)


def _declared(filled: FilledTables, own: str | None, others: Sequence[str]) -> Iterator[str]:
    """What must be declared before the tables."""
    if own is not None:
        yield from (f'#include "{own}"', "")
        return
    tables = filled.instance.catalog.tables
    if others:
        yield from (f"#include <{name}>" for name in others)
        yield from ("", *map(variable, tables.values()), "")
    else:
        yield from structs(tables)
    yield from (*symbols(filled), "")


def _definition(filled: FilledTables, table: Table, role: Role) -> Iterator[str]:
    """A table. One that is installed leaves the variable to a source that starts with it, if there is one."""
    if role == "initial":
        yield f"struct {table.name} {table.name} = {{"
    else:
        yield from (f"struct {table.name} {table.name} __weak;", "")
        yield f"static const struct {table.name} {filled.prefix}_{table.name} __initconst = {{"
    for slot in filled.of(table):
        if slot.value is not None:
            yield from assigned(f"\t.{slot.member.name}", _value(slot), ",")
    yield from ("};", "")


def _value(slot: Slot) -> str:
    """A member's value as C has it."""
    symbol, member = slot.symbol, slot.member
    if symbol is None:
        return string(slot.value) if isinstance(slot.value, str) else integer(slot.value or 0, member.type)
    return symbol if member.is_function or member.type.endswith("*") else f"({member.type}){symbol}"


def _installer(filled: FilledTables, role: Role) -> Iterator[str]:
    if role == "initial":
        yield "/* The image starts with these tables: there is nothing to install. */"
    yield from (f"void __init {filled.installer}(void)", "{")
    if role == "installed":
        yield from (f"\t{name} = {filled.prefix}_{name};" for name in filled.instance.catalog.tables)
    yield "}"


def _pins(filled: FilledTables) -> Iterator[str]:
    for table in filled.instance.catalog.tables.values():
        yield from (f"PV_AT({table.name}, {member}, {offset});" for member, offset in table.offsets().items())
        yield f'_Static_assert(sizeof(struct {table.name}) == {table.size}, "{table.name}");'
