"""`pvasm parse`: shows the statements of a file."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pvasm.commands.shared import fail, write

if TYPE_CHECKING:
    from pvasm.commands.shared import Commands


def add(commands: Commands) -> None:
    """Adds the command and its options."""
    command = commands.add_parser(
        "parse",
        allow_abbrev=False,
        help="show the statements of a file",
        description="Show how a file is read: each statement with its place and its kind (instruction, directive, "
        "macro call, ...). Text that is no statement is told of as an error.",
    )
    command.add_argument("file", metavar="FILE", help="assembly source, or - for standard input")
    command.add_argument("--format", choices=("tree", "json"), default="tree", help="lines for people, or JSON [tree]")
    kind = command.add_mutually_exclusive_group()
    kind.add_argument("--preprocessed", action="store_true", default=None, help="it is text after the C preprocessor")
    kind.add_argument("--raw", dest="preprocessed", action="store_false", help="it is raw source [as it looks]")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from pvasm.asm.reading import assembly_parser
    from pvasm.expand.assembly_text import refuse_other_text
    from pvasm.paravirt.loading import load_catalog
    from pvasm.report import statements
    from pvasm.syntax.document import read_document
    from pvasm.text import read_text, shown_name

    text = read_text(options.file)
    document = read_document(assembly_parser(), text, shown_name(options.file), preprocessed=options.preprocessed)
    refuse_other_text(document, load_catalog().ops)
    render = statements.render_json if options.format == "json" else statements.render_tree
    for line in render(document):
        write(line + "\n")
    if document.problems:
        return fail(map(document.error, document.problems))
    return 0
