"""`pvasm check`: finds what breaks paravirtualization, and fixes it."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn

from pvasm.commands.shared import add_op_header, codes, complain, count, fail, joined, tell, write
from pvasm.errors import PvasmError
from pvasm.exit_status import CANNOT_RUN, FOUND
from pvasm.limits import MAX_JOBS
from pvasm.terminal import has_colors, has_links

if TYPE_CHECKING:
    from pvasm.check.diagnostic import Diagnostic
    from pvasm.check.pipeline import Pipeline
    from pvasm.check.settings import CppSettings, Settings
    from pvasm.commands.shared import Commands
    from pvasm.config import Config
    from pvasm.lsp.open_document import Configured
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
    loud = output.add_mutually_exclusive_group()
    loud.add_argument("-q", "--quiet", action="store_true", help="show findings at error level, and nothing else")
    loud.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help="tell, on standard error, of the configuration, of each file that was checked, and how long it took",
    )
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
    running = add_reading(command)
    running.add_argument(
        "--stdin-filename",
        metavar="FILE",
        help="what standard input (-) is the text of: its name and its folder count, and findings are told there",
    )
    running.add_argument("--watch", action="store_true", help="check again whenever a file changes, until interrupted")
    running.add_argument(
        "--show-settings", action="store_true", help="show each setting and where it is from, and exit"
    )
    running.add_argument("--show-files", action="store_true", help="show which files would be checked, and exit")
    running.add_argument("--schema", action=_Schema, help="show the JSON Schema of --output-format json, and exit")
    command.set_defaults(run=_run)


_FORMATS = ("text", "json", "sarif", "github", "gcc", "junit")


class _Schema(argparse.Action):
    """Prints the schema, whatever else there is on the command line."""

    def __init__(self, option_strings: Sequence[str], dest: str, **options: Any) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, **options)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        import json

        from pvasm.report.finding_schema import finding_schema

        write(json.dumps(finding_schema(), indent=2) + "\n")
        parser.exit()


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


def add_reading(command: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Adds the options that say how files are read; the group of how it runs, for more of them."""
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
    cpp.add_argument(
        "--build",
        metavar="DIR",
        help="take these for each file from the build in DIR: compile_commands.json, or Kbuild's .cmd files",
    )
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
    return running


def config_of(options: argparse.Namespace) -> Config:
    """The configuration that the options ask for, or that is in force where the paths are."""
    from pvasm.check.codes import known_codes
    from pvasm.config import Config, find_config, read_config

    paths = options.paths
    if options.stdin_filename is not None:  # there need be no such file
        paths = [os.path.dirname(options.stdin_filename) or "."]
    path = None if options.no_config else options.config or find_config(paths)
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
    asked = (options.include_directories, options.defines, options.includes, options.op_headers, options.build)
    return config.cpp or any(asked)


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
        built=_built(options, config) if _uses_cpp(options, config) else (),
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


def _built(options: argparse.Namespace, config: Config) -> tuple[tuple[str, CppSettings], ...]:
    """How the C preprocessor is run for the files of a build: by its flags in the place of the configuration's."""
    if options.build is None:
        return ()
    from pvasm.cc.build_records import read_build
    from pvasm.check.settings import CppSettings

    built = read_build(options.build, _folders(options.paths, config))
    unread = [flags.unread for flags in built.values() if flags.unread is not None]
    if unread:
        more = f" (so it is for {len(unread) - 1} more)" if len(unread) > 1 else ""
        complain(PvasmError(f"{unread[0].message}{more}", unread[0].path, unread[0].line), "note")
    return tuple(
        (
            path,
            CppSettings(
                include_directories=(*options.include_directories, *flags.include_directories),
                defines=(*flags.defines, *options.defines),
                includes=(*flags.includes, *options.includes),
                op_headers=(*config.op_headers, *options.op_headers),
            ),
        )
        for path, flags in built.items()
    )


@cache
def _parser() -> argparse.ArgumentParser:
    """What reads a command line of this command alone; made once, since editors ask at each change of a text."""
    parser = argparse.ArgumentParser()
    add(parser.add_subparsers())
    return parser


def configured(path: str) -> tuple[tuple[str, ...], Settings]:
    """What a check that is told of the configuration at `path` alone is about, and how it goes."""
    options = _parser().parse_args(["check", "--config", path])
    config = config_of(options)
    return config.paths or (".",), settings_of(options, config)


def settings_for_file(path: str) -> Configured:
    """How a check of a file goes, whose text may be another than the disk's, in the configuration that is in force."""
    from pvasm.lsp.open_document import Configured

    options = _parser().parse_args(["check", "--stdin-filename", path, "--no-cache", "--jobs", "1"])
    config = config_of(options)
    options.paths = [path]
    refuse_missing_paths(options, config)
    return Configured(settings_of(options, config), config.baseline, config.include_dirs)


def _run(options: argparse.Namespace) -> int:
    _refuse_contradictions(options)
    if options.stdin_filename is not None:
        _take_stdin_as(options)
    config, settings = _settled(options)
    paths = options.paths or config.paths or (".",)
    if options.show_settings or options.show_files:
        from pvasm.commands import shown_settings

        show = shown_settings.show_settings if options.show_settings else shown_settings.show_files
        return show(paths, options, config, settings)
    if options.watch:
        from pvasm.commands.watching import watch

        # The configuration is read again, too: it may be what has changed.
        return watch(lambda wrote: _run_once(options, *_settled(options), wrote), _watched(paths, options, config))
    return _run_once(options, config, settings)


def _settled(options: argparse.Namespace) -> tuple[Config, Settings]:
    """The configuration of a run, and what it and the command line come to."""
    from msgspec.structs import replace

    from pvasm.report.reporter import WITH_FIXES

    config = config_of(options)
    refuse_missing_paths(options, config)
    fixes = options.output_format in WITH_FIXES and not options.statistics and options.write_baseline is None
    return config, replace(settings_of(options, config), fixes=fixes)


def _run_once(
    options: argparse.Namespace,
    config: Config,
    settings: Settings,
    wrote: Callable[[str], None] = lambda path: None,
) -> int:
    """Does what the options ask for; `wrote` is told of each file of the user's that is written. The exit status."""
    paths = options.paths or config.paths or (".",)
    if options.verbose:
        tell(f"pvasm: configuration: {config.path or 'none'}")
    directories = (*options.include_directories, *config.include_dirs)
    baseline = None if options.write_baseline is not None else options.baseline or config.baseline
    if options.diff:
        return _diff(paths, settings, directories, baseline, options)
    fixed = _Fixed(paths, settings, directories, baseline, wrote, quiet=options.quiet) if options.fix else None
    status = _check(paths, settings, baseline, fixed, options)
    if options.write_baseline is not None:
        wrote(options.write_baseline)
    return status


def _take_stdin_as(options: argparse.Namespace) -> None:
    """Has standard input stand in for the file that --stdin-filename names."""
    from pvasm.text import MAX_FILE_BYTES, let_stand_in, read_bytes

    name = options.stdin_filename
    let_stand_in(name, read_bytes("-", MAX_FILE_BYTES))
    options.paths = [name]


def _watched(paths: Sequence[str], options: argparse.Namespace, config: Config) -> list[str]:
    """The files and folders whose changes matter to a run."""
    own = [name for name in (*options.instance, *config.instances) if os.path.exists(name)]
    folders = (*options.include_directories, *config.include_dirs)
    others = [name for name in (*folders, config.path, options.baseline) if name is not None and os.path.exists(name)]
    return list(dict.fromkeys([*paths, *own, *others]))


def _refuse_contradictions(options: argparse.Namespace) -> None:
    """Raises PvasmError for options that do not go together."""
    from pvasm.report.reporter import WITH_STATISTICS

    if options.stdin_filename is not None:
        if options.paths not in ([], ["-"]):
            raise PvasmError("--stdin-filename is about standard input: the only path to go with it is -")
        if options.fix:
            raise PvasmError("standard input cannot be fixed in its place; --diff shows what to change")
        if not options.stdin_filename or options.stdin_filename.endswith((".yaml", ".yml")):
            raise PvasmError("--stdin-filename takes the name of a file of assembly or C")
    if options.watch and "-" in (*options.paths, *(["-"] if options.stdin_filename is not None else [])):
        raise PvasmError("--watch looks at files: standard input is none")
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
    color = has_colors(sys.stdout, options.color)
    links = color and has_links(sys.stdout)
    reporter = Reporter(Style(options.output_format, color, options.statistics, options.quiet, links))
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
    from pvasm.report.plain_text import counted, printable
    from pvasm.report.progress import Progress

    known: list[Diagnostic] = []
    progress = Progress(wanted=not options.quiet)
    started = time.perf_counter()
    try:
        with contextlib.closing(check_files(paths, settings, progress, pipeline)) as results:
            for result in results:
                if options.write_baseline is not None:
                    known += result.diagnostics
                    result.diagnostics = []
                if fixed is not None:
                    result.diagnostics = fixed.explained(result.diagnostics)
                said = reporter.add(result)
                if said or result.errors or result.notes or options.verbose:
                    progress.clear()
                write(said)
                for error in result.errors:
                    complain(error)
                for note in result.notes:
                    complain(note, "note")
                if options.verbose and result.counts:
                    tell(f"pvasm: {printable(result.path)}: {counted(len(result.diagnostics), 'finding')}")
    finally:
        progress.clear()
    if options.verbose:
        tell(f"pvasm: {counted(reporter.files, 'file')} in {time.perf_counter() - started:.2f} seconds")
    return known


class _Fixed:
    """The files that --fix has fixed, and why it has left what it has left."""

    def __init__(
        self,
        paths: Sequence[str],
        settings: Settings,
        directories: Sequence[str],
        baseline: str | None,
        wrote: Callable[[str], None],
        *,
        quiet: bool = False,
    ) -> None:
        from pvasm.files import refuse_leaving
        from pvasm.fix import Fixer, fixable_sources, write_outcome
        from pvasm.report.progress import Progress

        if "-" in paths:
            raise PvasmError("standard input cannot be fixed in its place; --diff shows what to change")
        self.number = 0
        self._reasons: dict[tuple[str, int, int, str], tuple[str, ...]] = {}
        fixer = Fixer(settings, directories, baseline)
        sources = fixable_sources(paths, settings, [])  # the check that follows tells of errors
        for path, folder in sources:  # before the first is written
            refuse_leaving(path, folder)
        with Progress("files to fix", wanted=not quiet) as progress:
            for done, (path, folder) in enumerate(sources):
                progress(done, len(sources))
                try:
                    outcome = fixer.outcome(path)
                except PvasmError:
                    continue
                if write_outcome(outcome, folder):
                    wrote(path)
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
    from pvasm.check.finding import NOT_FIXED
    from pvasm.fix import Fixer, fixable_sources
    from pvasm.report.plain_text import counted, render
    from pvasm.report.progress import Progress
    from pvasm.sources import Source

    errors: list[PvasmError] = []
    fixer = Fixer(settings, directories, baseline)
    outside: list[Source] = []
    changes = left = 0
    without: set[str] = set()  # codes that nothing but a person fixes
    progress = Progress("files", wanted=not options.quiet)
    sources = fixable_sources(paths, settings, errors)
    for done, (path, _) in enumerate(sources):
        progress(done, len(sources))
        try:
            outcome = fixer.outcome(path)
        except PvasmError as error:
            errors.append(error)
            continue
        outside += (Source(header, outcome.path) for header in fixer.outside)
        fixer.outside.clear()
        if outcome.left or outcome.number:
            progress.clear()
        write(outcome.diff())
        changes += outcome.number
        for diagnostic in outcome.left:
            if diagnostic.severity == "error":
                left += 1
                if not any(detail.startswith(NOT_FIXED) for detail in diagnostic.details):
                    without.add(diagnostic.code)
                tell(render(diagnostic))
    progress.clear()
    if outside:
        complain(of_outside(outside), "note")
    if left and not options.quiet:
        codes = f"; --fix has nothing for {', '.join(sorted(without))}" if without else ""
        tell(f"{counted(left, 'finding')} at error level would be left{codes}")
    if errors:
        return fail(errors)
    return FOUND if (changes or left) and not options.exit_zero else 0
