"""`pvasm expand`: writes the variants of files."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pvasm.commands.shared import count, fail, write
from pvasm.limits import MAX_JOBS

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
    command.add_argument(
        "--define", action="store_true", help="start the variant with the #define of the instance's symbol"
    )
    builds = command.add_argument_group("in builds")
    builds.add_argument(
        "--depfile", "-MF", metavar="FILE", help="write to FILE, as make reads it, what the variants depend on"
    )
    builds.add_argument(
        "--depfile-phony",
        "-MP",
        action="store_true",
        help="... and that make may go on when one of these files is gone",
    )
    builds.add_argument(
        "--stamp", metavar="FILE", help="write FILE at the end, always: a variant that is right already keeps its time"
    )
    builds.add_argument(
        "-j",
        "--jobs",
        type=count(MAX_JOBS),
        default=0,
        metavar="N",
        help="expand files in up to N processes [as many as cores]",
    )
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from pvasm.expand import ExpandErrors
    from pvasm.expand.expand_files import ExpandSettings, expand_files

    settings = ExpandSettings(
        files=tuple(options.files),
        instances=tuple(options.instance),
        output=options.output,
        output_directory=options.output_dir,
        line_markers=options.line_markers,
        define=options.define,
        depfile=options.depfile,
        phony=options.depfile_phony,
        stamp=options.stamp,
        jobs=options.jobs,
    )
    try:
        result = expand_files(settings)
    except ExpandErrors as several:
        return fail(several.errors)
    write(result.text)
    if options.output_dir is not None:
        write("".join(f"{path}\n" for path in result.written))
    return 0
