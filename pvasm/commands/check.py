"""`pvasm check`: finds what breaks paravirtualization, and fixes it."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pvasm.commands.shared import add_op_header, codes, complain, count, fail, joined, tell, write
from pvasm.errors import PvasmError
from pvasm.exit_status import CANNOT_RUN, FOUND
from pvasm.limits import MAX_JOBS

if TYPE_CHECKING:
    from pvasm.check.diagnostic import Diagnostic
    from pvasm.check.pipeline import Pipeline
    from pvasm.check.settings import Settings
    from pvasm.commands.shared import Commands
    from pvasm.config import Config
    from pvasm.report.reporter import Reporter


def add(commands: Commands) -> None:
    """Adds the command and its options."""
    command = commands.add_parser(
        "check",
        allow_abbrev=False,
        help="find what breaks paravirtualization",
        description="Find instructions that are left unparavirtualized, and ops that are used wrongly.",
    )
    add_paths(command)
    rules = add_selection(command)
    rules.add_argument(
        "-i",
        "--instance",
        metavar="NAME",
        help="look at what this instance compiles (a name, a file, `all'; may be repeated) [any but bare hardware's]",
        action="append",
        default=[],
    )
    output = command.add_argument_group("output")
    output.add_argument("--output-format", choices=_FORMATS, default="text", help="[text]")
    output.add_argument("--color", choices=("auto", "always", "never"), default="auto", help="[auto: on a terminal]")
    output.add_argument("--statistics", action="store_true", help="count the findings of each code, and show no more")
    output.add_argument("-q", "--quiet", action="store_true", help="show findings at error level, and nothing else")
    output.add_argument("--exit-zero", action="store_true", help="exit with status 0 whatever is found")
    fixing = command.add_argument_group("fixing")
    how = fixing.add_mutually_exclusive_group()
    how.add_argument(
        "--fix",
        action="store_true",
        help="fix what can be fixed safely (an instruction becomes its op), then report what is left, and why; files "
        "are read as they stand, and with -I, the macros of headers are known",
    )
    how.add_argument(
        "--diff",
        action="store_true",
        help="show what --fix would change and, on standard error, what it would leave and why; change nothing",
    )
    baseline = command.add_argument_group("findings that are known")
    baseline.add_argument("--baseline", metavar="FILE", help="do not report the findings in FILE")
    baseline.add_argument("--write-baseline", metavar="FILE", help="write all findings to FILE, and report none")
    add_reading(command)
    command.set_defaults(run=_run)


_FORMATS = ("text", "json", "sarif", "github", "gcc")


def add_paths(command: argparse.ArgumentParser) -> None:
    """Adds what is to be checked."""
    command.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help="files (assembly, C, objects, archives, instance files), folders (searched for .S, .s, .sx and headers "
        "that hold assembly), or - [the configured paths, or the current folder]",
    )


def add_selection(command: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Adds the options that say which rules to ask; the group, for more of them."""
    several: dict[str, Any] = {"action": "append", "default": []}
    rules = command.add_argument_group("what to look for", "CODES are PV001,PV2,...: a code may be cut short.")
    rules.add_argument("--select", action="append", type=codes, metavar="CODES", help="report these codes alone")
    rules.add_argument("--extend-select", type=codes, metavar="CODES", help="report these as well", **several)
    rules.add_argument("--ignore", type=codes, metavar="CODES", help="do not report these", **several)
    rules.add_argument(
        "--extension",
        action=argparse.BooleanOptionalAction,
        help="ask for the ops of the extension, too: those that Linux does not have (fc, ttag, ptc.ga, ...)",
    )
    return rules


def add_reading(command: argparse.ArgumentParser) -> None:
    """Adds the options that say how files are read."""
    several: dict[str, Any] = {"action": "append", "default": []}
    cpp = command.add_argument_group("C preprocessor")
    cpp.add_argument(
        "--cpp",
        action=argparse.BooleanOptionalAction,
        help="run it first, on .S files; implied by the options below",
    )
    cpp.add_argument("-I", dest="include_directories", metavar="DIR", help="look for headers in DIR", **several)
    cpp.add_argument("-D", dest="defines", metavar="X[=V]", help="define a macro", **several)
    cpp.add_argument("-include", "--include", dest="includes", metavar="FILE", help="include FILE first", **several)
    add_op_header(cpp, "put the ops that the header <NAME> defines itself out of the way (asm/native/inst.h)")
    running = command.add_argument_group("running")
    config = running.add_mutually_exclusive_group()
    config.add_argument("--config", metavar="FILE", help="take the configuration from FILE [the nearest upward]")
    config.add_argument("--no-config", action="store_true", help="read no configuration")
    running.add_argument(
        "-j", "--jobs", type=count(MAX_JOBS), metavar="N", help="check files in up to N processes [as many as cores]"
    )
    running.add_argument(
        "--force-exclude", action="store_true", help="what the configuration excludes, even if it is named"
    )
    running.add_argument(
        "--no-gitignore", action="store_true", help="search folders for what .gitignore leaves out, too"
    )
    running.add_argument("--no-cache", action="store_true", help="neither use nor keep earlier results")


def config_of(options: argparse.Namespace) -> Config:
    """The configuration that the options ask for, or that is in force where the paths are."""
    from pvasm.check.codes import known_codes
    from pvasm.config import Config, find_config, read_config

    path = None if options.no_config else options.config or find_config(options.paths)
    return Config() if path is None else read_config(path, known_codes())


def refuse_missing_paths(options: argparse.Namespace, config: Config) -> None:
    """Raises PvasmError, with its place, for what the configuration names, and is not there though it is wanted."""
    from pvasm.config import error_of_setting, refuse_missing
    from pvasm.paravirt.shipped import ALL, is_path, shipped_instance

    instead = {
        "paths": options.paths,
        "instances": options.instance,
        "includes": not _uses_cpp(options, config),
        "baseline": options.baseline or options.write_baseline,
    }
    refuse_missing(config, (key for key, wanted in instead.items() if not wanted))
    for name in () if options.instance else config.instances:
        if name != ALL and not is_path(name) and shipped_instance(name) is None:
            from pvasm.paravirt.loading import unknown_instance

            raise error_of_setting(config, "instances", name, unknown_instance(name))


def _uses_cpp(options: argparse.Namespace, config: Config) -> bool:
    """Whether the C preprocessor runs first."""
    if options.cpp is not None:
        return bool(options.cpp)
    return config.cpp or bool(options.include_directories or options.defines or options.includes or options.op_headers)


def _folders(paths: Sequence[str], config: Config) -> tuple[str, ...]:
    """The folders that a run is about: those named, those of the files named, and the configuration's."""
    named = [path if os.path.isdir(path) else os.path.dirname(path) or "." for path in paths or (".",)]
    return tuple(dict.fromkeys([*named, *([] if config.path is None else [config.folder])]))


def settings_of(options: argparse.Namespace, config: Config) -> Settings:
    """How to check: what the command line says, or else the configuration."""
    from msgspec.structs import replace

    from pvasm.check.settings import BareFiles, CppSettings, Settings

    cpp = CppSettings(
        include_directories=(*options.include_directories, *config.include_dirs),  # the first that has a header wins
        defines=(*config.defines, *options.defines),  # the last that defines a macro wins
        includes=(*config.includes, *options.includes),
        op_headers=(*config.op_headers, *options.op_headers),
    )
    settings = Settings(
        select=config.select,
        extend_select=(*config.extend_select, *joined(options.extend_select)),
        ignore=(*config.ignore, *joined(options.ignore)),
        instances=tuple(options.instance) or config.instances,
        cpp=cpp if _uses_cpp(options, config) else None,
        use_cache=not options.no_cache,
        find_unused=not options.instance,  # what one instance has no use for, another may
        root=config.folder,
        exclude=config.exclude,
        force_exclude=options.force_exclude,
        per_file_ignores=config.per_file_ignores,
        severity=config.severity,
        jobs=options.jobs or config.jobs,
        respect_gitignore=config.respect_gitignore and not options.no_gitignore,
        user_level=config.user_level,
        bare_files=BareFiles(config.folder, config.bare_hardware) if config.bare_hardware else None,
        within=_folders(options.paths, config),
        extension=config.extension if options.extension is None else options.extension,
    )
    if options.select is None:
        return settings
    return replace(
        settings,  # what to look for is a matter of the command line alone
        select=joined(options.select),
        extend_select=joined(options.extend_select),
        ignore=joined(options.ignore),
        severity=tuple(entry for entry in config.severity if entry[1] != "off"),
    )


def _run(options: argparse.Namespace) -> int:
    _refuse_contradictions(options)
    config = config_of(options)
    refuse_missing_paths(options, config)
    settings = settings_of(options, config)
    paths = options.paths or config.paths or (".",)
    directories = (*options.include_directories, *config.include_dirs)
    baseline = None if options.write_baseline is not None else options.baseline or config.baseline
    if options.diff:
        return _diff(paths, settings, directories, baseline, options)
    fixed = _Fixed(paths, settings, directories, baseline) if options.fix else None
    return _check(paths, settings, baseline, fixed, options)


def _refuse_contradictions(options: argparse.Namespace) -> None:
    """Raises PvasmError for options that do not go together."""
    from pvasm.report.reporter import WITH_STATISTICS

    if options.diff:
        for name in ("statistics", "write_baseline"):
            if getattr(options, name):
                raise PvasmError(f"--diff does not go with --{name.replace('_', '-')}")
        if options.output_format != "text":
            raise PvasmError("--diff has a format of its own: --output-format does not go with it")
    if options.write_baseline is not None and options.write_baseline in ("", "-"):
        raise PvasmError("--write-baseline takes the name of a file")
    if options.statistics and options.output_format not in WITH_STATISTICS:
        raise PvasmError(f"--statistics goes with the formats {' and '.join(WITH_STATISTICS)}")


def _check(
    paths: Sequence[str], settings: Settings, baseline: str | None, fixed: _Fixed | None, options: argparse.Namespace
) -> int:
    """Checks files, once `fixed` has fixed them if that is asked for, and tells what is found; the exit status."""
    from msgspec.structs import replace

    from pvasm.check.pipeline import Pipeline
    from pvasm.report.plain_text import counted
    from pvasm.report.reporter import Reporter, Style

    if fixed is not None:
        settings = replace(settings, cpp=None)
    pipeline = Pipeline(settings, baseline)
    reporter = Reporter(Style(options.output_format, _use_color(options.color), options.statistics, options.quiet))
    known = _report(paths, settings, pipeline, reporter, fixed, options)
    if options.write_baseline is not None and not reporter.errors:
        pipeline.write_baseline(options.write_baseline, known)
        if not options.quiet:
            write(f"{counted(len(known), 'finding')} written to {options.write_baseline}\n")
    else:
        write(reporter.end(pipeline.hidden, pipeline.stale(), fixed.number if fixed is not None else 0))
    if reporter.errors:
        return CANNOT_RUN
    return FOUND if reporter.found_errors and not options.exit_zero else 0


def _report(
    paths: Sequence[str],
    settings: Settings,
    pipeline: Pipeline,
    reporter: Reporter,
    fixed: _Fixed | None,
    options: argparse.Namespace,
) -> list[Diagnostic]:
    """Tells what is found in each file, as soon as it is; or returns it, where it goes to a baseline."""
    from pvasm.check.check_files import check_files
    from pvasm.report.progress import Progress

    known: list[Diagnostic] = []
    progress = Progress(wanted=not options.quiet)
    try:
        with contextlib.closing(check_files(paths, settings, progress, pipeline)) as results:
            for result in results:
                if options.write_baseline is not None:
                    known += result.diagnostics
                    result.diagnostics = []
                if fixed is not None:
                    result.diagnostics = fixed.explained(result.diagnostics)
                said = reporter.add(result)
                if said or result.errors or result.notes:
                    progress.clear()
                write(said)
                for error in result.errors:
                    complain(error)
                for note in result.notes:
                    complain(note, "note")
    finally:
        progress.clear()
    return known


class _Fixed:
    """The files that --fix has fixed, and why it has left what it has left."""

    def __init__(
        self, paths: Sequence[str], settings: Settings, directories: Sequence[str], baseline: str | None
    ) -> None:
        from pvasm.files import refuse_leaving
        from pvasm.fix import Fixer, fixable_sources, write_outcome

        if "-" in paths:
            raise PvasmError("standard input cannot be fixed in its place; --diff shows what to change")
        self.number = 0
        self._reasons: dict[tuple[str, int, int, str], tuple[str, ...]] = {}
        fixer = Fixer(settings, directories, baseline)
        sources = fixable_sources(paths, settings, [])  # the check that follows tells of errors
        for path, folder in sources:  # before the first is written
            refuse_leaving(path, folder)
        for path, folder in sources:
            try:
                outcome = fixer.outcome(path)
            except PvasmError:
                continue
            write_outcome(outcome, folder)
            self.number += outcome.number
            self._reasons.update(((path, *place), said) for place, said in outcome.reasons.items())

    def explained(self, diagnostics: list[Diagnostic]) -> list[Diagnostic]:
        """The findings that are left, with the reasons."""
        return [
            diagnostic._replace(details=said)
            if (said := self._reasons.get((diagnostic.path, diagnostic.line, diagnostic.column, diagnostic.code)))
            else diagnostic
            for diagnostic in diagnostics
        ]


def _diff(
    paths: Sequence[str],
    settings: Settings,
    directories: Sequence[str],
    baseline: str | None,
    options: argparse.Namespace,
) -> int:
    """Shows what fixing would change and, on standard error, what it would leave and why."""
    from pvasm.check.check_files import of_outside
    from pvasm.fix import Fixer, fixable_sources
    from pvasm.report.plain_text import counted, render
    from pvasm.sources import Source

    errors: list[PvasmError] = []
    fixer = Fixer(settings, directories, baseline)
    outside: list[Source] = []
    changes = left = 0
    for path, _ in fixable_sources(paths, settings, errors):
        try:
            outcome = fixer.outcome(path)
        except PvasmError as error:
            errors.append(error)
            continue
        outside += (Source(header, outcome.path) for header in fixer.outside)
        fixer.outside.clear()
        write(outcome.diff())
        changes += outcome.number
        for diagnostic in outcome.left:
            if diagnostic.severity == "error":
                left += 1
                tell(render(diagnostic))
    if outside:
        complain(of_outside(outside), "note")
    if left and not options.quiet:
        tell(f"{counted(left, 'finding')} at error level would be left")
    if errors:
        return fail(errors)
    return FOUND if (changes or left) and not options.exit_zero else 0


def _use_color(choice: str) -> bool:
    """Whether to use colour, by the option and what the environment says of the terminal (https://no-color.org)."""
    if choice != "auto":
        return choice == "always"
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
