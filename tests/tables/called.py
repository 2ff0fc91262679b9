"""Sites of a header in an object, with the functions that they call: in three forms for each instance."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final, Literal

from pvsim.scenario_run import CODE, Variant

from pvasm.objects.elf_file import elf_file_of
from pvasm.objects.object_image import image_of_object
from pvasm.paravirt.instance import Instance
from pvasm.paravirt.loading import load_catalog, load_instance
from pvasm.patch.patching import patched
from pvasm.patch.records import INDIRECT, RecordKind
from pvasm.tables.call_functions import call_functions
from pvasm.tables.call_site_header import call_site_header
from tests.patch.made import assembled
from tests.tables.inline_asm import Statement, statements
from tests.tables.linux_tables import TABLES

Form = Literal["indirect", "direct", "in place"]

NAMES: Final = ("native", "xen", "trap")
FORMS: Final[tuple[Form, ...]] = ("in place", "direct", "indirect")
CATALOG: Final = load_catalog()


@cache
def instance(name: str) -> Instance:
    """An instance by its name."""
    return load_instance(name, CATALOG)


@cache
def _header(direct: bool, records: RecordKind) -> str:
    return call_site_header([instance(name) for name in NAMES], direct=direct, records=records)


def made(folder: Path, *, direct: bool = False, records: RecordKind = "pvasm") -> list[Statement]:
    """The statements of a header for three instances."""
    return statements(_header(direct, records), folder)


def code(sites: Sequence[Statement]) -> str:
    """Sites as functions, `entry_0` to `end_0` and so on."""
    text = "\t.text\n"
    for number, site in enumerate(sites):
        text += f"entry_{number}:\n{site.text}end_{number}:\n\tnop 0\n\tbr.ret.sptk.many b0 ;;\n"
    return text


def functions() -> str:
    """The functions of all three instances."""
    return "".join(call_functions(instance(name)) for name in NAMES)


def table(name: str) -> str:
    """The table, with the functions of an instance."""
    rows = "".join(f"\tdata8 @fptr({instance(name).tables['pv_cpu_ops'][each]})\n" for each in TABLES["pv_cpu_ops"])
    return f"\t.data\n\t.align 8\n\t.global pv_cpu_ops\npv_cpu_ops:\n{rows}"


def variants(folder: Path) -> tuple[list[Statement], dict[tuple[str, Form], Variant]]:
    """The sites, and images of them by instance and form."""
    found: dict[tuple[str, Form], Variant] = {}
    sites = {direct: made(folder, direct=direct) for direct in (False, True)}
    for name in NAMES:
        for form in FORMS:
            text = code(sites[form == "direct"]) + functions() + table(name)
            data = assembled(text, folder / "sites.o")
            file = elf_file_of(patched(data, "sites.o", INDIRECT if form == "indirect" else name), "sites.o")
            found[name, form] = Variant(instance(name), image_of_object(file, address=CODE))
    return sites[False], found
