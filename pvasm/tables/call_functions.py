"""The functions of a table's members as assembly, called as the table's convention says: the code of sites, too."""

from __future__ import annotations

from collections.abc import Iterator

from pvasm.paravirt.instance import Instance
from pvasm.paravirt.loading import load_instance
from pvasm.patch.records import NATIVE
from pvasm.tables.call_sites import Site, called_table, code_lines, sites_of_table

_UNKNOWN = "mov r8 = -1"  # what Linux's getreg gives for a number that it does not know


def call_functions(instance: Instance) -> str:
    """The functions that an instance's table names and native's does not, as assembly; all of native itself.

    Raises ExpandErrors for ops that the instance does not take as the catalog has them.
    """
    table = called_table(instance.catalog)
    assert table.convention is not None  # it is what is called_table goes by
    others = {} if instance.name == NATIVE else load_instance(NATIVE, instance.catalog).tables.get(table.name, {})
    by_member: dict[str, list[Site]] = {}
    for site in sites_of_table(table):
        by_member.setdefault(site.member.name, []).append(site)
    back = f"br.cond.sptk.many {table.convention.back} ;;"
    lines = [f"/* Made by `pvasm tables' for {instance.name}: what is changed here is lost. */", "\t.text"]
    for member, sites in by_member.items():
        name = instance.tables.get(table.name, {}).get(member)
        if isinstance(name, str) and name not in others.values():
            lines += [f"\t.global {name}", f"\t.proc {name}", f"{name}:"]
            lines += [f"\t{line}" for site in sites for line in _code(site, instance, back)]
            lines += [f"\t{back}", f"\t.endp {name}", ""]
    return "".join(f"{line}\n" for line in lines)


def _code(site: Site, instance: Instance, back: str) -> Iterator[str]:
    """What a function does; of one by a number, for each number, then for others."""
    code = code_lines(site, instance)
    if site.number is not None:
        number, *_ = site.facts.arguments or site.convention.arguments
        yield f"mov r3 = {site.number} ;;"
        yield f"cmp.eq p6, p7 = r3, {number} ;;"
        yield "(p7) br.cond.sptk.few 1f ;;"
        yield from (*(code or ()), back)
        yield "1:"
    elif code is not None:
        yield from code
    elif site.result is not None:
        yield _UNKNOWN
