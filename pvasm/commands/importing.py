"""`pvasm import`: reads a header with an instance's macros back into an instance file."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from pvasm.commands.shared import write_to

if TYPE_CHECKING:
    from pvasm.commands.shared import Commands


def add(commands: Commands) -> None:
    """Adds the command and its options."""
    command = commands.add_parser(
        "import",
        allow_abbrev=False,
        help="make an instance file of a header with macros",
        description="Make an instance file of a header in which ops are macros of the C preprocessor and GNU as: one "
        "that `pvasm header' wrote, or one written by hand, such as Linux's asm/xen/inst.h.",
    )
    command.add_argument("header", metavar="HEADER", help="the header, or - for standard input")
    command.add_argument("-o", dest="output", metavar="FILE", help="write to FILE [standard output]")
    command.add_argument("--name", metavar="NAME", help="how the instance is called [as the header is]")
    command.add_argument("--extends", metavar="INSTANCE", help="the instance that has what the header does not define")
    command.add_argument("--environment", metavar="NAME", help="hardware, xen, trap, or FILE.yaml: what it runs on")
    command.add_argument("--defines", metavar="SYMBOL", help="what is defined when compiling for the instance")
    command.add_argument(
        "-I", dest="include", action="append", default=[], metavar="DIR", help="where headers that it includes are"
    )
    command.add_argument(
        "-D",
        dest="define",
        action="append",
        default=[],
        metavar="NAME[=VALUE]",
        help="a macro that holds in the header",
    )
    command.add_argument(
        "-include",
        "--include",
        dest="before",
        action="append",
        default=[],
        metavar="FILE",
        help="a header to read along with it",
    )
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from pvasm.header.convert import ImportSettings, import_header
    from pvasm.paravirt.loading import load_catalog
    from pvasm.text import shown_name

    settings = ImportSettings(
        header=options.header,
        name=options.name,
        extends=options.extends,
        environment=options.environment,
        defines=options.defines,
        directories=tuple(options.include),
        definitions=tuple(options.define),
        before=tuple(options.before),
    )
    imported = import_header(settings, load_catalog())
    write_to(options.output, imported.text, "instance file", (options.header, *options.before))
    if imported.missing:
        sys.stdout.flush()
        names = ", ".join(imported.missing)
        origin = f"from {options.extends}" if options.extends else "to be written, or to take over (extends)"
        print(f"pvasm: note: {shown_name(options.header)} does not define {names}: {origin}", file=sys.stderr)
    return 0
