"""`pvasm diff`: what differs between the code of two objects."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pvasm.commands.shared import write
from pvasm.exit_status import FOUND

if TYPE_CHECKING:
    from pvasm.commands.shared import Commands


def add(commands: Commands) -> None:
    """Adds the command and its options."""
    command = commands.add_parser(
        "diff",
        allow_abbrev=False,
        help="compare the code of two objects",
        description="Compare the code of two ELF files for IA-64, function by function: two variants of one source, "
        "say. What the assembler does on its own (bundles, templates, nops) and addresses that merely shift are no "
        "difference; data is not compared. What differs is told op by op, where records of "
        "alternatives (`pvasm expand --single-binary'), or lines of sources that are there, tell which.",
    )
    command.add_argument("left", metavar="A", help="an object, a program, a shared object, LIB.a(MEMBER)")
    command.add_argument("right", metavar="B", help="another")
    command.add_argument(
        "--symbol", dest="symbols", action="append", default=[], metavar="NAME", help="only this function (repeatable)"
    )
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from pvasm.errors import PvasmError
    from pvasm.objects.elf_file import read_elf_file
    from pvasm.objects.function_code import functions_of
    from pvasm.paravirt.loading import load_catalog
    from pvasm.paravirt.patterns import Patterns
    from pvasm.patch.op_origins import OpOrigins
    from pvasm.report.object_diff import object_difference, render
    from pvasm.suggestions import near

    patterns = Patterns(load_catalog())
    files = [(path, read_elf_file(path)) for path in (options.left, options.right)]
    sides = [(path, functions_of(file, OpOrigins(file, patterns))) for path, file in files]
    known = {each.name for _, functions in sides for each in functions}
    for name in options.symbols:
        if name not in known:
            raise PvasmError(f"there is no function {name} in either{near(name, known)}")
    found = object_difference(sides[0], sides[1], options.symbols)
    write(render(found))
    return 0 if found.is_empty else FOUND
