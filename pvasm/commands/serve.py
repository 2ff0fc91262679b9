"""`pvasm serve`: a warm server for `pvasm expand --server`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pvasm.commands.shared import count, write
from pvasm.exit_status import FOUND

if TYPE_CHECKING:
    from pvasm.commands.shared import Commands

_MOST_IDLE = 86_400


def add(commands: Commands) -> None:
    """Adds the command and its options."""
    command = commands.add_parser(
        "serve",
        allow_abbrev=False,
        help="stay, and do what `pvasm expand --server' asks for, sooner than it could itself",
        description="Stay in memory, and do what `pvasm expand --server' (or with PVASM_SERVER=1) asks for. One is "
        "started by itself when it is first asked for, and ends when nobody has asked for a while.",
    )
    command.add_argument(
        "--idle", type=count(_MOST_IDLE), metavar="SECONDS", help="end after so long without anything to do [600]"
    )
    command.add_argument("--stop", action="store_true", help="have the server end that there is")
    command.add_argument("--lock", type=int, help=argparse.SUPPRESS)
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from pvasm import server

    if options.stop:
        there_was = server.stop()
        write("" if there_was else "there is no server\n")
        return 0 if there_was else FOUND
    server.serve(options.idle or server.IDLE, options.lock)
    return 0
