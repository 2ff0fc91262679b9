"""`pvasm tables`: writes an instance's C tables and a header that declares them, or calls of their members."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pvasm.commands.shared import fail, header_name, write, write_to
from pvasm.errors import PvasmError
from pvasm.exit_status import FOUND

if TYPE_CHECKING:
    from pvasm.commands.shared import Commands
    from pvasm.paravirt.instance import Instance
    from pvasm.tables.filled_tables import FilledTables

_ALL = "native,xen,trap"


def add(commands: Commands) -> None:
    """Adds the command and its options."""
    command = commands.add_parser(
        "tables",
        allow_abbrev=False,
        help="write the C tables of an instance",
        description="Write the C tables of an instance (pv_info, pv_init_ops, ...) as C source, with a function that "
        "installs them, and a header that declares them; or the calls of pv_cpu_ops as inline assembly.",
    )
    command.add_argument("-i", "--instance", metavar="NAME", help="an instance's name, or an instance file")
    command.add_argument("-o", dest="output", metavar="FILE", help="write the source to FILE [standard output]")
    command.add_argument(
        "--initial",
        action="store_true",
        help="let the image start with these tables, so that nothing need install them: for one instance of an image",
    )
    where = command.add_mutually_exclusive_group()
    where.add_argument(
        "--assembly", action="store_true", help="write assembly with the same data, for an image without a C compiler"
    )
    where.add_argument(
        "--header", metavar="FILE", help="write the declarations to FILE, which the source includes [in the source]"
    )
    where.add_argument(
        "--include",
        dest="includes",
        type=header_name,
        action="append",
        default=[],
        metavar="NAME",
        help="a header of the kernel's that declares the structs, as asm/paravirt.h; may be repeated",
    )
    command.add_argument(
        "--check-symbols",
        dest="objects",
        nargs="+",
        default=[],
        metavar="OBJ",
        help="objects or archives: list the symbols of the tables that none of them defines, and write nothing then",
    )
    sites = command.add_argument_group("calls of pv_cpu_ops, by other rules than C's")
    sites.add_argument(
        "--call-sites",
        nargs="?",
        const=_ALL,
        metavar="native,NAME[,...]",
        help=f"write a header with inline assembly that calls the members, in room for what takes the place of the "
        f"calls for each instance (`pvasm patch') [{_ALL}]",
    )
    sites.add_argument(
        "--direct", action="store_true", help="let direct calls take the place of calls through the table, not code"
    )
    sites.add_argument(
        "--long-branches",
        action="store_true",
        help="let direct calls and what leads elsewhere be brl, which has no limit",
    )
    sites.add_argument(
        "--records",
        choices=("pvasm", "linux"),
        help="pvasm: with what takes the place of calls; linux: .paravirt_bundles, with the numbers of types, and for "
        "assembly branches with .paravirt_branches [pvasm]",
    )
    sites.add_argument(
        "--functions",
        action="store_true",
        help="write the instance's functions that are called so, as assembly, but for those that are native's",
    )
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from pvasm.expand import ExpandErrors

    only = {"--direct": options.direct, "--long-branches": options.long_branches, "--records": options.records}
    if options.call_sites is None and any(only.values()):
        raise PvasmError(f"{next(name for name, value in only.items() if value)} is for --call-sites")
    if options.call_sites is None and not options.functions:
        return _tables(options)
    this = "--functions" if options.call_sites is None else "--call-sites"
    others = {
        "--initial": options.initial,
        "--assembly": options.assembly,
        "--header": options.header,
        "--include": options.includes,
        "--check-symbols": options.objects,
        "--functions": options.functions and this != "--functions",
        "--instance": options.instance is not None and this != "--functions",
    }
    for name, value in others.items():
        if value:
            raise PvasmError(f"{name} is not for {this}")
    try:
        return _functions(options) if this == "--functions" else _call_sites(options)
    except ExpandErrors as several:
        return fail(several.errors)


def _call_sites(options: argparse.Namespace) -> int:
    from pvasm.paravirt.loading import load_catalog, load_instance
    from pvasm.tables.call_site_header import call_site_header

    catalog = load_catalog()
    instances = [load_instance(name.strip(), catalog) for name in options.call_sites.split(",")]
    text = call_site_header(
        instances,
        records=options.records or "pvasm",
        direct=options.direct,
        long_branches=options.long_branches,
    )
    return _write(options, text, [*(path for each in instances for path in each.files), catalog.path])


def _functions(options: argparse.Namespace) -> int:
    from pvasm.tables.call_functions import call_functions

    instance = _instance(options)
    return _write(options, call_functions(instance), [*instance.files, instance.catalog.path])


def _instance(options: argparse.Namespace) -> Instance:
    """The instance that is named. Raises PvasmError if none is."""
    from pvasm.paravirt.loading import load_instance

    if options.instance is None:
        raise PvasmError("for which instance is not said: --instance NAME (pvasm instance list)")
    return load_instance(options.instance)


def _write(options: argparse.Namespace, text: str, read: Sequence[str]) -> int:
    write_to(options.output, text, "source", read)
    return 0


def _tables(options: argparse.Namespace) -> int:
    from pvasm.files import write_atomically
    from pvasm.tables.filled_tables import fill
    from pvasm.tables.table_assembly import assembly_of
    from pvasm.tables.table_header import header_of
    from pvasm.tables.table_source import Role, source_of
    from pvasm.text import encode

    output: str = options.output or "-"
    instance = _instance(options)
    _refuse_overwriting(output, options.header, (*instance.files, instance.catalog.path, *options.objects))
    tables = fill(instance)
    own = None if options.header is None else _included(options.header, output)
    role: Role = "initial" if options.initial else "installed"
    is_c = not options.assembly
    text = source_of(tables, role, own=own, others=options.includes) if is_c else assembly_of(tables, role)
    if options.objects and (missing := _missing(tables, options.objects)):
        write("".join(f"{line}\n" for line in missing))
        return FOUND
    if options.header is not None:
        write_atomically(options.header, encode(header_of(tables)))
    write_to(output, text, "source", ())  # it has been looked at what that would overwrite
    return 0


def _refuse_overwriting(output: str, header: str | None, read: Sequence[str]) -> None:
    """Raises PvasmError where a file would be written over what is read, over the other, or outside of its folder."""
    from pvasm.files import refuse_leaving, refuse_overwriting

    if output != "-":
        refuse_overwriting(output, "source", read)
        refuse_leaving(output)
    if header is not None:
        if header == "-":
            raise PvasmError("--header: give a file's name, since the source includes it")
        refuse_overwriting(header, "header", read)
        refuse_leaving(header)
        if os.path.realpath(header) == os.path.realpath(output):
            raise PvasmError("the header and the source would be the same file", header)


def _included(header: str, output: str) -> str:
    """How the source includes the header. Raises PvasmError for a name that `#include` cannot have."""
    folder = os.getcwd() if output == "-" else os.path.dirname(os.path.realpath(output))
    name = os.path.relpath(os.path.realpath(header), folder)
    if any(each in name for each in '"\\\n\r'):
        raise PvasmError('a C source cannot include a name with ", \\ or a new line in it', header)
    return name


def _missing(tables: FilledTables, objects: Sequence[str]) -> list[str]:
    """The symbols of the tables that no object defines, each with the members that it is."""
    from pvasm.report.plain_text import printable
    from pvasm.tables.defined_symbols import missing

    of = objects[0] if len(objects) == 1 else f"any of the {len(objects)} files"
    return [printable(f"{member}: {symbol} {why} {of}") for member, symbol, why in missing(tables, objects)]
