"""`pvasm lsp`: a language server for editors."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from pvasm.errors import PvasmError
from pvasm.exit_status import FAILED

if TYPE_CHECKING:
    from pvasm.commands.shared import Commands

_DESCRIPTION = """\
Serve an editor: it speaks the Language Server Protocol on standard input and output. Files are checked as `pvasm check'
checks them, with the configuration that is in force where they are. docs/editors.md has settings for editors."""


def add(commands: Commands) -> None:
    """Adds the command and its options."""
    command = commands.add_parser(
        "lsp", allow_abbrev=False, help="serve an editor as one types", description=_DESCRIPTION
    )
    command.add_argument("--stdio", action="store_true", help="speak on standard input and output, as it does anyway")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    del options
    try:
        import pygls  # noqa: F401
    except ImportError:
        raise PvasmError("pvasm lsp needs pygls: pip install 'pvasm[lsp]'") from None
    from pvasm.commands.check import settings_for_file
    from pvasm.lsp.language_server import server

    made = server(settings_for_file)
    with open(os.dup(0), "rb") as commands, open(os.dup(1), "wb", buffering=0) as answers:  # it closes them at the end
        made.start_io(commands, answers)
    return 0 if made.is_told_to_stop else FAILED
