"""What C declares of the tables: their structs, the functions by which the kernel calls their members, the symbols."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from pvasm.paravirt.c_tables import Member, Table
from pvasm.regex import regex
from pvasm.tables.c_lines import call_lines, declaration
from pvasm.tables.filled_tables import FilledTables

COMMON_GUARD = "PV_TABLES_H"
_STRUCT = regex(r"\bstruct ([A-Za-z_][A-Za-z0-9_]*)")


def header_of(filled: FilledTables) -> str:
    """The header of an instance's tables.

    What is the same for every instance has a guard of its own, so that a source may include several.
    """
    guard = f"PV_TABLES_{filled.prefix.upper()}_H"
    lines = [made_for(filled), f"#ifndef {guard}", f"#define {guard}", ""]
    lines += [f"#ifndef {COMMON_GUARD}", f"#define {COMMON_GUARD}", ""]
    lines += [*structs(filled.instance.catalog.tables), f"#endif /* {COMMON_GUARD} */", ""]
    lines += [*symbols(filled), "", f"#endif /* {guard} */"]
    return "".join(f"{line}\n" for line in lines)


def made_for(filled: FilledTables) -> str:
    """The comment that says where a file comes from."""
    return f"/* Made by `pvasm tables' for {filled.instance.name}: what is changed here is lost. */"


def structs(tables: Mapping[str, Table]) -> Iterator[str]:
    """The tables as structs, and the functions by which the kernel calls their members."""
    if any("__iomem" in member.type for member in _members(tables)):
        yield from ("#ifndef __iomem", "#define __iomem", "#endif", "")
    yield from (f"struct {name};" for name in _strangers(tables))
    yield ""
    for table in tables.values():
        yield f"struct {table.name} {{"
        for member in table.members.values():
            yield from member_lines(member)
        yield from ("};", "", variable(table), "")
        calls = list(chain.from_iterable(_call(table, member) for member in table.members.values()))
        if calls and table.not_c_if is not None:
            calls = [f"#ifndef {table.not_c_if}", *calls[:-1], f"#endif /* !{table.not_c_if} */", ""]
        yield from calls


def symbols(filled: FilledTables) -> Iterator[str]:
    """The symbols that stand in an instance's tables, and what installs these."""
    for lines in filled.declarations.values():
        yield from lines
    yield from ("", f"void {filled.installer}(void);")


def variable(table: Table) -> str:
    """The declaration of the table that the kernel looks at."""
    return f"extern struct {table.name} {table.name};"


def member_lines(member: Member) -> list[str]:
    """A member of a struct."""
    if member.is_function:
        return call_lines(f"\t{declaration(member.result, f'(*{member.name})')}", member.parameters, ";")
    return [f"\t{declaration(member.type, member.name)};"]


def _call(table: Table, member: Member) -> Iterator[str]:
    """The function by which the kernel calls a member: one that is null does nothing, and gives 0."""
    if member.call is None:
        return
    place = f"{table.name}.{member.name}"
    yield from call_lines(f"static inline {declaration(member.result, member.call)}", member.parameters)
    yield "{"
    gives = "" if member.result == "void" else "return "
    call = call_lines(f"{gives}{place}", member.arguments, ";", none="") if member.is_function else [f"return {place};"]
    if member.may_be_null:
        yield f"\tif ({place})"
        yield from (f"\t\t{line}" for line in call)
        if gives:
            yield "\treturn 0;"
    else:
        yield from (f"\t{line}" for line in call)
    yield from ("}", "")


def _members(tables: Mapping[str, Table]) -> Iterator[Member]:
    return chain.from_iterable(table.members.values() for table in tables.values())


def _strangers(tables: Mapping[str, Table]) -> Iterable[str]:
    """The structs that members speak of, and that are the kernel's."""
    found = sorted({name for member in _members(tables) for name in _STRUCT.findall(member.type)})
    return [name for name in found if name not in tables]
