"""`pvasm scenario`: begins a scenario for some code, and tells what scenarios are made of."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from pvasm.commands.shared import fail, write, write_to
from pvasm.errors import PvasmError, UndefinedSymbols

if TYPE_CHECKING:
    from pvasm.commands.shared import Commands


def add(commands: Commands) -> None:
    """Adds the command, its own commands, and their options."""
    command = commands.add_parser(
        "scenario",
        allow_abbrev=False,
        help="begin a scenario: the state that code is run from",
        description="Begin a scenario: the state that code is run from, by compare, simulate and test.",
        epilog="`pvasm scenario COMMAND --help' says more of a command, and its exit statuses.",
    )
    own = command.add_subparsers(title="commands", metavar="COMMAND", required=True)
    said = "write a scenario for the code at a label: what it reads before it writes it, as 0"
    new = own.add_parser("new", allow_abbrev=False, help=said, description=f"{said[0].upper()}{said[1:]}.")
    new.add_argument("files", metavar="FILE", nargs="+", help="assembly sources, raw or preprocessed, of one image")
    new.add_argument("--entry", metavar="LABEL", required=True, help="where the code begins")
    new.add_argument("-i", "--instance", metavar="NAME", default="native", help="expand it for an instance [native]")
    new.add_argument("-I", dest="include", action="append", default=[], metavar="DIR", help="a folder of headers")
    new.add_argument("-D", dest="define", action="append", default=[], metavar="NAME[=VALUE]", help="a macro")
    new.add_argument("-o", "--output", metavar="FILE.yaml", help="write to a file [standard output]")
    new.set_defaults(run=_new)
    told = "print a JSON Schema of scenarios, for editors"
    schema = own.add_parser("schema", allow_abbrev=False, help=told, description=f"{told[0].upper()}{told[1:]}.")
    schema.set_defaults(run=_schema)


def _new(options: argparse.Namespace) -> int:
    import os

    from msgspec.structs import replace
    from pvsim.scenario_file import about, written
    from pvsim.scenario_start import scenario_for
    from pvsim.stubs import Stubs
    from pvsim.variants_of_file import variants_of_files

    from pvasm.expand import ExpandErrors

    if options.output is not None and os.path.lexists(options.output):
        raise PvasmError("exists already", options.output)
    try:
        variants, _ = variants_of_files(
            options.files,
            [options.instance],
            include_directories=options.include,
            defines=options.define,
            stubs=Stubs(missing=True),
        )
    except ExpandErrors as several:
        return fail(several.errors)
    except UndefinedSymbols as several:
        return fail(several.places.values())
    begun = replace(scenario_for(variants[0], options.entry), stub_missing=True)
    made = about(begun, options.files, options.include, options.define, options.output)
    write_to(options.output, written(made), "scenario", options.files)
    return 0


def _schema(options: argparse.Namespace) -> int:
    from pvsim.scenario_schema import scenario_schema

    write(f"{json.dumps(scenario_schema(), indent=2)}\n")
    return 0
