"""`pvasm header`: writes an instance as a header, for builds with the C preprocessor and the assembler alone."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pvasm.commands.shared import add_op_header, configured_op_headers, write, write_to
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
    add_op_header(
        command,
        "a header that defines ops itself: write one that takes them away again to DIR/NAME, for `gcc -E -I DIR'",
    )
    command.add_argument("--output-dir", metavar="DIR", help="the folder for these")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    if options.op_headers or options.output_dir is not None:
        return _write_overlays(options)
    if len(options.instance) > 1:
        raise PvasmError(f"{len(options.instance)} instances, but one header: give one")
    text, read = _text(*options.instance)
    write_to(options.output, text, "header", read)
    return 0


def _write_overlays(options: argparse.Namespace) -> int:
    """Writes the overlays of op headers below a folder."""
    import os

    from pvasm.expand.op_headers import overlays
    from pvasm.files import refuse_leaving, write_atomically
    from pvasm.paravirt.loading import load_catalog

    names = (*configured_op_headers(), *options.op_headers)
    if not names or not options.output_dir or options.instance or options.output:
        raise PvasmError("--op-header NAME (or op-headers of pvasm.toml) and --output-dir DIR go together, and alone")
    for name, text in overlays(names, load_catalog()).items():
        path = os.path.join(options.output_dir, name)
        refuse_leaving(path, options.output_dir)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write_atomically(path, text.encode(), options.output_dir)
        write(f"{path}\n")
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
