"""`pvasm man`: the manual pages, of what `--help` says."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from pvasm.commands.shared import write
from pvasm.errors import PvasmError

if TYPE_CHECKING:
    from pvasm.commands.shared import Commands


def add(commands: Commands) -> None:
    """Adds the command and its options."""
    command = commands.add_parser(
        "man",
        allow_abbrev=False,
        help="write the manual pages",
        description="Write the manual pages: that of a command (or pvasm's own) to standard output, for `man -l -', or "
        "all to a folder.",
    )
    command.add_argument("command", nargs="*", metavar="COMMAND", help="check, instance show, ... [pvasm itself]")
    command.add_argument("--output-dir", metavar="DIR", help="write all pages to DIR: pvasm.1, pvasm-check.1, ...")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from pvasm.cli import whole_parser
    from pvasm.report.man_page import pages

    every = dict(pages(whole_parser()))
    if options.output_dir is None:
        name = "-".join(["pvasm", *options.command])
        if name not in every:
            from pvasm.suggestions import near

            commands = [each.removeprefix("pvasm-").replace("-", " ") for each in every]
            said = " ".join(options.command)
            raise PvasmError(f"there is no command `{said}'{near(said, commands)}")
        write(every[name])
        return 0
    if options.command:
        raise PvasmError(f"--output-dir is for all pages: what is {options.command[0]} for?")
    from pvasm.files import write_atomically

    try:
        os.makedirs(options.output_dir, exist_ok=True)
    except OSError as error:
        from pvasm.files import unwritable

        raise unwritable(error, options.output_dir) from error
    for name, text in every.items():
        write_atomically(os.path.join(options.output_dir, f"{name}.1"), text.encode())
    return 0
