"""Calls of a table's members from C, in room that can be patched: what stands there, and what takes its place.

A site begins as a call through the table. For an instance its replacement is the code that does what the member does,
as the catalog says, its ops expanded; or a direct call of the instance's function. All of it goes by the registers of
the table's convention, so a site is the same wherever the compiler puts it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final

from msgspec import Struct

from pvasm.asm.layout import code_places
from pvasm.asm.reading import assembly_parser
from pvasm.errors import PvasmError
from pvasm.expand.expander import Reading, expand
from pvasm.isa.bundle import SIZE
from pvasm.paravirt.c_tables import Member, Table
from pvasm.paravirt.call_convention import CallSite, Convention, arguments_of, code_of
from pvasm.paravirt.catalog import Catalog
from pvasm.paravirt.instance import Instance
from pvasm.patch.records import INDIRECT, NATIVE
from pvasm.syntax.document import read_document

BUNDLES: Final = 5
"""How many bundles a site has."""

_NOTHING: Final = "nop.m 0"


class Site(Struct, frozen=True):
    """A place where a member is called, for the register with a number where the number is known there."""

    table: Table
    member: Member
    facts: CallSite
    number: int | None = None

    @property
    def convention(self) -> Convention:
        """How the member is called."""
        assert self.table.convention is not None  # has_sites
        return self.table.convention

    @property
    def arguments(self) -> Sequence[str]:
        """The registers that the caller sets, of C's arguments; a number that is known the site sets itself."""
        registers = arguments_of(self.facts, self.convention, len(self.member.parameters))
        return registers if self.number is None else registers[1:]

    @property
    def result(self) -> str | None:
        """The register that what the member gives is in."""
        return None if self.member.result == "void" else self.convention.result

    @property
    def set_up(self) -> str:
        """The instruction that sets the register of a number that is known."""
        if self.number is None:
            return _NOTHING
        (register, *_) = arguments_of(self.facts, self.convention, 1)
        return f"mov {register} = {self.number}"

    @property
    def entry(self) -> str:
        """The member in the table, as assembly."""
        return f"{self.table.name} + {self.table.offsets()[self.member.name]}"

    @property
    def type(self) -> int | None:
        """Linux's number for the site; None if it has none, since it is of no register."""
        if self.facts.by_register is None:
            return self.facts.type
        return None if self.number is None else self.facts.type + self.number


class Replacement(Struct, frozen=True):
    """What takes the place of a call for some instances: lines of assembly, whether they stand elsewhere since the room
    of a site is not enough, and whether they are a direct call.
    """

    instances: tuple[str, ...]
    lines: tuple[str, ...]
    is_elsewhere: bool
    is_call: bool


def sites_of_table(table: Table) -> list[Site]:
    """The sites that a table's members may have, with each number of a register that there is code for, and without."""
    found = []
    for name, facts in table.sites.items():
        member = table.members[name]
        if facts.by_register is not None:
            found += [
                Site(table, member, facts, each.number)
                for each in table.registers.values()
                if code_of(facts, table.registers, each.number) is not None
            ]
        found.append(Site(table, member, facts))
    return found


def called_table(catalog: Catalog) -> Table:
    """The table whose members have sites. Raises PvasmError if the catalog has none."""
    for table in catalog.tables.values():
        if table.convention is not None:
            return table
    raise PvasmError("no table says how its members are called (convention)", catalog.path)


def call_lines(convention: Convention, set_up: str, entry: str) -> list[str]:
    """The call through the table: it keeps gp, which is the function's own while that runs."""
    through, back = convention.entry, convention.back
    return [
        f"{{ .mlx ; mov r16 = gp ; movl r2 = {entry} ;; }}",
        f"{{ .mii ; ld8 r2 = [r2] ; mov r17 = ip ;; adds r17 = {3 * SIZE}, r17 ;; }}",
        f"{{ .mmi ; ld8 r3 = [r2], 8 ;; ld8 gp = [r2] ; mov {back} = r17 }}",
        f"{{ .mib ; {set_up} ; mov {through} = r3 ; br.cond.sptk.few {through} ;; }}",
        "{ .mii ; mov gp = r16 ; nop.i 0 ; nop.i 0 ;; }",
    ]


def direct_lines(site: Site, instance: Instance, *, is_long: bool = False) -> list[str]:
    """The call of an instance's function, which goes back to the end of the site; by `brl` if it is to be long.

    Raises PvasmError if the instance has none.
    """
    function = instance.tables.get(site.table.name, {}).get(site.member.name)
    if not isinstance(function, str):
        raise PvasmError(f"tables.{site.table.name}.{site.member.name} is no function", instance.path)
    back = site.convention.back
    first = f"{{ .mii ; {site.set_up} ; mov r17 = ip ;; adds r17 = {BUNDLES * SIZE}, r17 ;; }}"
    if is_long:
        return [
            first,
            f"{{ .mii ; nop.m 0 ; mov {back} = r17 ; nop.i 0 }}",
            f"{{ .mlx ; nop.m 0 ; brl.cond.sptk.few {function} ;; }}",
        ]
    return [first, f"{{ .mib ; nop.m 0 ; mov {back} = r17 ; br.cond.sptk.few {function} ;; }}"]


def code_lines(site: Site, instance: Instance) -> list[str] | None:
    """The code that does what the member does, for an instance; its last line ends the group. None if there is none.

    Raises ExpandErrors and PvasmError for ops that the instance does not take so.
    """
    code = code_of(site.facts, site.table.registers, site.number)
    if code is None:
        return None
    document = read_document(assembly_parser(), code + "\n", f"{site.member.name}", preprocessed=True)
    text = expand(document, instance.catalog, instance, reading=Reading(document, instance.catalog))
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    if lines[0] == ";;":
        del lines[0]  # a group begins with the site
    if not lines[-1].endswith(";;"):
        lines[-1] += " ;;"
    return lines


def replacements(
    site: Site, instances: Sequence[Instance], *, direct: bool = False, long_branches: bool = False
) -> list[Replacement]:
    """What takes the place of a call, each with the instances that have it so; direct calls where that is asked for."""
    found: dict[tuple[tuple[str, ...], bool], list[str]] = {}
    for instance in instances:
        lines = None if direct else code_lines(site, instance)
        given = tuple(lines or direct_lines(site, instance, is_long=long_branches))
        found.setdefault((given, lines is None), []).append(instance.name)
    room = BUNDLES * SIZE
    return [Replacement(tuple(names), lines, _size(lines) > room, is_call) for (lines, is_call), names in found.items()]


def check_names(instances: Sequence[Instance]) -> None:
    """Raises PvasmError for instances that records cannot tell apart, or without the native one."""
    names = [each.name for each in instances]
    if names[:1] != [NATIVE]:
        raise PvasmError(f"the first instance must be {NATIVE}, which what is patched can be turned back to")
    for at, each in enumerate(instances):
        if each.name == INDIRECT or each.name in names[:at]:
            raise PvasmError(f"two things would be called {each.name}: a record could not tell them apart")


@cache
def _size(lines: tuple[str, ...]) -> int:
    """How many bytes some code takes."""
    document = read_document(assembly_parser(), "".join(f"\t{line}\n" for line in lines), preprocessed=True)
    return max(code_places(document).sizes.values(), default=0)
