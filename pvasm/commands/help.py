"""`pvasm help`: what `--help` says, for those who look for it here."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pvasm.commands.shared import Commands


def add(commands: Commands) -> None:
    """Adds the command and its options."""
    command = commands.add_parser(
        "help",
        allow_abbrev=False,
        help="say more of a command, and its exit statuses",
        description="Say what a command does, with its options and exit statuses: `pvasm help check' is `pvasm check "
        "--help'.",
    )
    command.add_argument("command", nargs="*", metavar="COMMAND", help="check, instance show, ... [pvasm itself]")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from pvasm.cli import parser_of

    words: list[str] = options.command
    parser_of(words[0] if words else "").parse_args([*words, "--help"])
    return 0
