"""`pvasm header`: writes an instance as a header, for builds with the C preprocessor and the assembler alone."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pvasm.commands.shared import write
from pvasm.errors import PvasmError

if TYPE_CHECKING:
    from pvasm.commands.shared import Commands


def add(commands: Commands) -> None:
    """Adds the command and its options."""
    command = commands.add_parser(
        "header",
        allow_abbrev=False,
        help="write a header with the macros of an instance",
        description="Write a header with an instance's ops as macros of the C preprocessor and GNU as. Without an "
        "instance, a header for sources that are expanded after the C preprocessor: the names of ops pass through it.",
    )
    command.add_argument(
        "-i", "--instance", action="append", default=[], metavar="NAME", help="an instance's name, or an instance file"
    )
    command.add_argument("-o", dest="output", metavar="FILE", help="write to FILE [standard output]")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from pvasm.files import refuse_overwriting, write_atomically
    from pvasm.text import encode

    if len(options.instance) > 1:
        raise PvasmError(f"{len(options.instance)} instances, but one header: give one")
    text, read = _text(*options.instance)
    if options.output in (None, "-"):
        write(text)
    else:
        refuse_overwriting(options.output, "header", read)
        write_atomically(options.output, encode(text))
    return 0


def _text(name: str | None = None) -> tuple[str, tuple[str, ...]]:
    """The header, and the files that it is made of."""
    from pvasm.header.write import instance_header, undefining_header
    from pvasm.paravirt.loading import load_catalog, load_instance
    from pvasm.paravirt.shipped import instance_names

    catalog = load_catalog()
    if name is not None:
        instance = load_instance(name, catalog)
        return instance_header(instance), (*instance.files, catalog.path)
    instances = [load_instance(each, catalog) for each in instance_names()]
    return undefining_header(catalog, (old for instance in instances for old in instance.renames)), (catalog.path,)
