"""`pvasm test`: tries all scenarios below folders, for each instance."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from pvasm.commands.shared import complain, tell_inherited, write
from pvasm.errors import PvasmError
from pvasm.exit_status import CANNOT_RUN, FOUND

if TYPE_CHECKING:
    from pvasm.commands.shared import Commands
    from pvasm.paravirt.instance import Instance

_DESCRIPTION = """\
Try scenarios: each file NAME.yaml below a folder (`pvasm scenario new' begins one) is run for each instance, and its
end compared with what the scenario expects, and with what the first instance's variant does."""


def add(commands: Commands) -> None:
    """Adds the command and its options."""
    command = commands.add_parser(
        "test", allow_abbrev=False, help="try the scenarios below a folder, for each instance", description=_DESCRIPTION
    )
    command.add_argument("paths", metavar="PATH", nargs="+", help="a folder, or a scenario's file")
    command.add_argument("--junit", metavar="FILE.xml", help="write the results as JUnit's XML, too")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from pvsim.scenario_check import junit, results

    from pvasm.files import refuse_missing_folder, refuse_overwriting, write_atomically
    from pvasm.report.plain_text import printable
    from pvasm.report.progress import Progress

    paths = [
        (path, (os.curdir, os.path.dirname(os.path.realpath(named))))
        for named in options.paths
        for path in (_scenarios_below(named) if os.path.isdir(named) else [named])
    ]
    if options.junit is not None:
        refuse_missing_folder(options.junit)
        refuse_overwriting(options.junit, "results' file", [path for path, _roots in paths])
    found, status = [], 0
    told: set[str] = set()

    def tell_once(instance: Instance) -> None:
        if instance.path not in told:
            progress.clear()
            told.add(instance.path)
            tell_inherited([instance])

    progress = Progress("scenarios")
    for done, (path, roots) in enumerate(paths):
        progress(done, len(paths))
        try:
            for result in results(path, roots, tell_once):
                progress.clear()
                found.append(result)
                write(printable(f"{'FAILED' if result.wrong else 'ok':<7}{path} {result.instance}") + "\n")
                for line in result.wrong:
                    write(printable(f"       {line}") + "\n")
                    status = status or FOUND
        except PvasmError as error:
            progress.clear()
            complain(error)
            status = CANNOT_RUN
    progress.clear()
    if options.junit is not None:
        write_atomically(options.junit, junit(found))
    write(f"{len(found)} runs, {sum(bool(each.wrong) for each in found)} failed.\n")
    return status


def _scenarios_below(folder: str) -> list[str]:
    from pvsim.scenario_check import scenario_files

    found = scenario_files(folder)
    if not found:
        raise PvasmError("there is no scenario (NAME.yaml) below this folder", folder)
    return found
