"""`pvasm expand`: writes the variants of files."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pvasm.commands.shared import fail, write

if TYPE_CHECKING:
    from pvasm.commands.shared import Commands


def add(commands: Commands) -> None:
    """Adds the command and its options."""
    command = commands.add_parser(
        "expand",
        allow_abbrev=False,
        help="write the variant of a file for an instance",
        description="Write the variant of each FILE for an instance: its ops expanded, everything else as it stands.",
    )
    command.add_argument("files", nargs="+", metavar="FILE", help="assembly source, or - for standard input")
    command.add_argument(
        "-i",
        "--instance",
        required=True,
        action="append",
        metavar="NAME",
        help="an instance's name, an instance file, or `all'; may be repeated",
    )
    output = command.add_mutually_exclusive_group()
    output.add_argument("-o", dest="output", metavar="FILE", help="write to FILE, or - for standard output")
    output.add_argument("--output-dir", metavar="DIR", help="write DIR/NAME/FILE, NAME being the instance's")
    command.add_argument("--line-markers", action="store_true", help="say which source line each line is from")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from pvasm.expand import ExpandErrors
    from pvasm.expand.run import ExpandSettings, expand_files

    settings = ExpandSettings(
        files=tuple(options.files),
        instances=tuple(options.instance),
        output=options.output,
        output_directory=options.output_dir,
        line_markers=options.line_markers,
    )
    try:
        result = expand_files(settings)
    except ExpandErrors as several:
        return fail(several.errors)
    write(result.text)
    if options.output_dir is not None:
        write("".join(f"{path}\n" for path in result.written))
    return 0
