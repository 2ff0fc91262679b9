"""`pvasm report`: a run of the checker, and what instances and runs have to say beside it, as one HTML file."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from pvasm.commands.check import add_paths, add_reading, add_selection, config_of, refuse_missing_paths, settings_of
from pvasm.commands.shared import complain, write
from pvasm.errors import PvasmError
from pvasm.exit_status import CANNOT_RUN

if TYPE_CHECKING:
    from pvasm.check.checker import Checker
    from pvasm.commands.shared import Commands
    from pvasm.paravirt.instance import Instance
    from pvasm.report.run_results import RunResult

_INSTANCES = "native,xen"
_DESCRIPTION = """\
Write one HTML file for people to read: what `pvasm check' finds, with the sources; every op in each instance, with what
it costs; the instruction groups of two instances beside one another; the control flow of routines that invoke ops,
with the registers that these clobber. It needs no network, no other file and no script."""


def add(commands: Commands) -> None:
    """Adds the command and its options."""
    command = commands.add_parser(
        "report", allow_abbrev=False, help="write what there is to know as an HTML file", description=_DESCRIPTION
    )
    add_paths(command)
    command.add_argument(
        "-o", "--output", required=True, metavar="FILE.html", help="write to FILE.html, or - for standard output"
    )
    command.add_argument(
        "--instances",
        default=_INSTANCES,
        metavar="NAME,...",
        help=f"the instances to show, by names or files; the first two are compared [{_INSTANCES}]",
    )
    several: dict[str, Any] = {"action": "append", "default": []}
    command.add_argument(
        "--results",
        metavar="FILE.xml",
        help="tell of the runs in a file of `pvasm test --junit' or `pvasm compare --junit', too",
        **several,
    )
    command.add_argument(
        "--trace",
        metavar="FILE",
        help="tell of a trace, the output of `pvasm simulate --trace-format json', too",
        **several,
    )
    command.add_argument("--function", metavar="NAME", help="draw this routine, even if it invokes no op", **several)
    add_selection(command)
    command.add_argument_group("findings that are known").add_argument(
        "--baseline", metavar="FILE", help="do not report the findings in FILE"
    )
    add_reading(command)
    command.set_defaults(run=_run, instance=[], write_baseline=None, stdin_filename=None)


def _run(options: argparse.Namespace) -> int:
    from pvasm.check.check_files import check_files
    from pvasm.check.checker import Checker
    from pvasm.check.pipeline import Pipeline
    from pvasm.files import refuse_overwriting
    from pvasm.report.html_report import HtmlReport
    from pvasm.report.plain_text import counted, printable
    from pvasm.report.progress import Progress
    from pvasm.report.trace_summary import summarize

    config = config_of(options)
    refuse_missing_paths(options, config)
    settings = settings_of(options, config)
    paths = options.paths or config.paths or (".",)
    if options.output != "-":
        refuse_overwriting(options.output, "report", (*options.paths, *options.results, *options.trace))
        _refuse_other(options.output)
    checker = Checker(settings)
    instances = _instances(options.instances)
    traces = [summarize(path) for path in options.trace]
    results = _results(options.results, checker)
    pipeline = Pipeline(settings, options.baseline or config.baseline)
    report = HtmlReport(instances, options.function)
    read: list[str] = []
    number = 0
    status = 0
    progress = Progress(wanted=options.output != "-")
    try:
        with contextlib.closing(check_files(paths, settings, progress, pipeline)) as found:
            for result in found:
                read.append(result.path)
                number += len(result.diagnostics)
                if result.errors or result.notes:
                    progress.clear()
                for error in result.errors:
                    complain(error)
                    status = CANNOT_RUN
                for note in result.notes:
                    complain(note, "note")
                report.add(result, checker.subject_of(result.path) if result.counts else None)
    finally:
        progress.clear()
    if status and not report.checked:  # what there was to say has been said: an empty page would say that all is well
        return status
    _refuse_unknown(options.function, report.drawn)
    _put(options.output, report.render(pipeline.hidden, results, traces), [*read, *options.results, *options.trace])
    if options.output != "-":
        write(printable(f"{options.output}: {counted(number, 'finding')} in {counted(report.checked, 'file')}") + "\n")
    return status


def _instances(text: str) -> list[Instance]:
    """The instances of a list. Raises PvasmError for one that there is not, or that is there twice."""
    from pvasm.paravirt.loading import load_instance

    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise PvasmError(f"--instances: which? {_INSTANCES} is what it is without the option")
    if len(set(names)) < len(names):
        raise PvasmError(f"--instances: {text}: an instance is there twice")
    return [load_instance(name) for name in names]


def _results(paths: Sequence[str], checker: Checker) -> list[RunResult]:
    """The runs that files tell of."""
    if not paths:
        return []
    from pvasm.check.code import Code
    from pvasm.report.run_results import read_results

    known: dict[str, Collection[str]] = {}

    def ops_of(sources: Sequence[str]) -> set[str]:
        found: set[str] = set()
        for source in sources:
            if source not in known:
                subject = checker.subject_of(source)
                known[source] = () if subject is None else subject.of(Code).program.ops_used
            found.update(known[source])
        return found

    return [result for path in paths for result in read_results(path, ops_of)]


def _refuse_unknown(functions: Iterable[str], drawn: Collection[str]) -> None:
    """Raises PvasmError for a routine that is to be drawn, and is in no source."""
    from pvasm.suggestions import near

    for name in functions:
        if name not in drawn:
            raise PvasmError(f"--function: no source has a routine {name}{near(name, drawn)}")


def _refuse_other(output: str) -> None:
    """Raises PvasmError for a file that is there and is no page: of `-o *.S` a shell makes `-o a.S b.S`."""
    from pvasm.files import open_regular
    from pvasm.report.html_report import BEGINNING

    begins = b""
    with contextlib.suppress(OSError), open_regular(output) as file:
        begins = file.read(len(BEGINNING))
    if begins and begins.lower() != BEGINNING.lower():
        raise PvasmError("is there and is no HTML page: not overwritten; name another file", output)


def _put(output: str, data: bytes, read: Iterable[str]) -> None:
    """Writes the report; never over a file that it was made of."""
    if output == "-":
        write(data.decode())
        return
    from pvasm.files import refuse_overwriting, write_atomically

    refuse_overwriting(output, "report", read)
    write_atomically(output, data)
