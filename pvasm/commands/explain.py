"""`pvasm explain`: says what a code is about."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pvasm.commands.pager import write_long
from pvasm.commands.shared import codes, joined
from pvasm.errors import PvasmError

if TYPE_CHECKING:
    from pvasm.commands.shared import Commands


def add(commands: Commands) -> None:
    """Adds the command and its options."""
    command = commands.add_parser(
        "explain",
        allow_abbrev=False,
        help="say what a code is about",
        description="Say what a code is about: why it matters, and examples. Without a code, list all.",
    )
    command.add_argument("codes", nargs="*", type=codes, metavar="CODE", help="PV001, or PV2 for all that start so")
    command.add_argument("--all", action="store_true", help="say all there is to say of every code")
    command.add_argument("--format", choices=("text", "json"), default="text", help="text, or JSON [text]")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from pvasm.check.codes import covered, require_known
    from pvasm.check.rule import every_rule
    from pvasm.report import explanation

    codes = joined(options.codes)
    if options.all and codes:
        raise PvasmError(f"--all is about every code: what is {codes[0]} for?")
    require_known(codes)
    rules = [rule for code, rule in every_rule().items() if not codes or covered(code, codes)]
    if options.format == "json":
        write_long(explanation.render_json(rules))
    elif codes or options.all:
        write_long("\n".join(map(explanation.render, rules)))
    else:
        write_long(explanation.render_list(rules))
    return 0
