"""The command line: reads arguments, prints results. Each command imports what it needs when it runs."""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from pvasm import __version__
from pvasm.errors import PvasmError

if TYPE_CHECKING:
    from pvasm.check.baseline import Baseline
    from pvasm.check.diagnostic import Diagnostic
    from pvasm.check.run import FileResult
    from pvasm.check.settings import Settings
    from pvasm.config import Config

    _Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_closed: set[str] = set()  # the output streams that were closed when we started

FOUND, CANNOT_RUN, INTERRUPTED, PIPE_CLOSED = 1, 2, 130, 141


def run() -> NoReturn:
    """The console script: `main`, in a process that lives no longer than it."""
    # Trees without cycles, thrown away with the process: neither looking for garbage nor clearing up pays.
    gc.disable()
    _open_streams()
    try:
        status = main()
    except SystemExit as stop:  # argparse: bad usage, or --help
        status = stop.code if isinstance(stop.code, int) else CANNOT_RUN
    with contextlib.suppress(OSError):  # main has told of it
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


def _open_streams() -> None:
    """Puts the null device in the place of output streams that whoever started us has closed."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  (for as long as we live)
            _closed.add(name)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; the exit status is what it returns. No error that a person can cause is a traceback."""
    parser = _parser()
    options = parser.parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        status = run(options)
        sys.stdout.flush()
    except PvasmError as error:
        return _fail([error])
    except BrokenPipeError:
        # Whoever read our output has had enough. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except OSError as error:
        name = error.filename if isinstance(error.filename, str) else None
        return _fail([PvasmError(error.strerror or str(error), name)])
    except KeyboardInterrupt:
        return INTERRUPTED
    except MemoryError:
        return _fail([PvasmError("not enough memory")])
    except RecursionError:
        return _fail([PvasmError("nested too deeply")])
    return status


def _fail(errors: Iterable[PvasmError]) -> int:
    for error in errors:
        _complain(error)
    return CANNOT_RUN


def _complain(error: PvasmError) -> None:
    sys.stdout.flush()
    with contextlib.suppress(OSError):  # the exit status tells as well
        sys.stderr.flush()
        sys.stderr.buffer.write(f"pvasm: error: {error}\n".encode("utf-8", "surrogateescape"))
        sys.stderr.buffer.flush()


def _write(text: str) -> None:
    """Text on standard output, with the bytes that the source had."""
    if "stdout" in _closed:
        raise PvasmError("standard output is closed")
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "pvasm", allow_abbrev=False, description="Paravirtualization of hand-written IA-64 assembly."
    )
    parser.add_argument("--version", action="version", version=f"pvasm {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in (_add_parse, _add_check, _add_explain, _add_expand):
        add(commands)
    return parser


# ------------------------------------------------------------------------------------------ parse


def _add_parse(commands: _Commands) -> None:
    command = commands.add_parser("parse", allow_abbrev=False, help="show the statements of a file")
    command.add_argument("file", metavar="FILE", help="assembly source, or - for standard input")
    command.add_argument("--format", choices=("tree", "json"), default="tree", help="lines for people, or JSON [tree]")
    kind = command.add_mutually_exclusive_group()
    kind.add_argument("--preprocessed", action="store_true", default=None, help="it is text after the C preprocessor")
    kind.add_argument("--raw", dest="preprocessed", action="store_false", help="it is raw source [as it looks]")
    command.set_defaults(run=_parse)


def _parse(options: argparse.Namespace) -> int:
    from pvasm.ia64.reading import assembly_parser
    from pvasm.report import statements
    from pvasm.syntax.document import read_document
    from pvasm.text import read_text, shown_name

    text = read_text(options.file)
    document = read_document(assembly_parser(), text, shown_name(options.file), preprocessed=options.preprocessed)
    render = statements.render_json if options.format == "json" else statements.render_tree
    for line in render(document):
        _write(line + "\n")
    if document.problems:
        return _fail(map(document.error, document.problems))
    return 0


# ------------------------------------------------------------------------------------------ check


def _add_check(commands: _Commands) -> None:
    from pvasm.config import MAX_JOBS

    command = commands.add_parser(
        "check",
        allow_abbrev=False,
        help="find what breaks paravirtualization",
        description="Find instructions that are left unparavirtualized, and ops that are used wrongly.",
        epilog="Exit status: 0 nothing at error level, 1 findings at error level, 2 it could not run.",
    )
    command.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help="files, folders (searched for .S, .s, .sx and headers that hold assembly), instance files (.yaml), or - "
        "[the configured paths, or the current folder]",
    )
    several: dict[str, Any] = {"action": "append", "default": []}
    rules = command.add_argument_group("what to look for", "CODES are PV001,PV2,...: a code may be cut short.")
    rules.add_argument("--select", action="append", type=_codes, metavar="CODES", help="report these codes alone")
    rules.add_argument("--extend-select", type=_codes, metavar="CODES", help="report these as well", **several)
    rules.add_argument("--ignore", type=_codes, metavar="CODES", help="do not report these", **several)
    rules.add_argument(
        "--instance",
        metavar="NAME",
        help="look at what this instance compiles (a name, a file, `all'; may be repeated) [any but bare hardware's]",
        **several,
    )
    output = command.add_argument_group("output")
    output.add_argument("--output-format", choices=_FORMATS, default="text", help="[text]")
    output.add_argument("--color", choices=("auto", "always", "never"), default="auto", help="[auto: on a terminal]")
    output.add_argument("--statistics", action="store_true", help="count the findings of each code, and show no more")
    output.add_argument("-q", "--quiet", action="store_true", help="show findings at error level, and nothing else")
    output.add_argument("--exit-zero", action="store_true", help="exit with status 0 whatever is found")
    fixing = command.add_argument_group("mending")
    how = fixing.add_mutually_exclusive_group()
    how.add_argument(
        "--fix",
        action="store_true",
        help="mend what can be mended safely (an instruction becomes its op), then report what is left, and why; files "
        "are read as they stand, and with -I, the macros of headers are known",
    )
    how.add_argument("--diff", action="store_true", help="show what --fix would change, and change nothing")
    baseline = command.add_argument_group("findings that are known")
    baseline.add_argument("--baseline", metavar="FILE", help="do not report the findings in FILE")
    baseline.add_argument("--write-baseline", metavar="FILE", help="write all findings to FILE, and report none")
    cpp = command.add_argument_group("C preprocessor")
    cpp.add_argument(
        "--cpp",
        action=argparse.BooleanOptionalAction,
        help="run it first, on .S files; implied by the options below",
    )
    cpp.add_argument("-I", dest="include_directories", metavar="DIR", help="look for headers in DIR", **several)
    cpp.add_argument("-D", dest="defines", metavar="X[=V]", help="define a macro", **several)
    cpp.add_argument("-include", "--include", dest="includes", metavar="FILE", help="include FILE first", **several)
    running = command.add_argument_group("running")
    config = running.add_mutually_exclusive_group()
    config.add_argument("--config", metavar="FILE", help="take the configuration from FILE [the nearest upward]")
    config.add_argument("--no-config", action="store_true", help="read no configuration")
    running.add_argument(
        "-j", "--jobs", type=_count(MAX_JOBS), metavar="N", help="check files in up to N processes [as many as cores]"
    )
    running.add_argument(
        "--force-exclude", action="store_true", help="what the configuration excludes, even if it is named"
    )
    running.add_argument("--no-cache", action="store_true", help="neither use nor keep earlier results")
    command.set_defaults(run=_check)


_FORMATS = ("text", "json", "sarif", "github", "gcc")


def _codes(text: str) -> list[str]:
    """Codes as people write them, with commas between."""
    return [code.strip().upper() for code in text.split(",") if code.strip()]


def _count(limit: int) -> Callable[[str], int]:
    """What reads a number from 1 to a limit."""

    def number(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= limit):
            raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to {limit}")
        return int(text)

    return number


def _joined(lists: Iterable[list[str]]) -> tuple[str, ...]:
    return tuple(code for codes in lists for code in codes)


def _config(options: argparse.Namespace) -> Config:
    """The configuration that the options ask for, or that is in force where the paths are."""
    from pvasm.check.codes import known_codes
    from pvasm.config import Config, find_config, read_config

    path = None if options.no_config else options.config or find_config(options.paths)
    return Config() if path is None else read_config(path, known_codes())


def _settings(options: argparse.Namespace, config: Config) -> Settings:
    """How to check: what the command line says, or else the configuration."""
    from pvasm.check.settings import CppSettings, Settings

    on_command_line = options.include_directories or options.defines or options.includes
    use_cpp = options.cpp if options.cpp is not None else bool(on_command_line) or config.cpp
    cpp = CppSettings(
        include_directories=(*options.include_directories, *config.include_dirs),  # the first that has a header wins
        defines=(*config.defines, *options.defines),  # the last that defines a macro wins
        includes=(*config.includes, *options.includes),
    )
    settings = Settings(
        select=config.select,
        extend_select=(*config.extend_select, *_joined(options.extend_select)),
        ignore=(*config.ignore, *_joined(options.ignore)),
        instances=tuple(options.instance) or config.instances,
        cpp=cpp if use_cpp else None,
        use_cache=not options.no_cache,
        find_unused=not options.instance,  # what one instance has no use for, another may
        root=config.folder,
        exclude=config.exclude,
        force_exclude=options.force_exclude,
        per_file_ignores=config.per_file_ignores,
        severity=config.severity,
        jobs=options.jobs or config.jobs,
    )
    if options.select is None:
        return settings
    return settings._replace(  # what to look for is a matter of the command line alone
        select=_joined(options.select),
        extend_select=_joined(options.extend_select),
        ignore=_joined(options.ignore),
        severity=tuple(entry for entry in config.severity if entry[1] != "off"),
    )


def _check(options: argparse.Namespace) -> int:
    from pvasm.check.run import check_files, selected_codes
    from pvasm.report.progress import Progress
    from pvasm.report.reporter import WITH_STATISTICS, Reporter, Style

    if options.diff:
        for name in ("statistics", "baseline", "write_baseline"):
            if getattr(options, name):
                raise PvasmError(f"--diff does not go with --{name.replace('_', '-')}")
        if options.output_format != "text":
            raise PvasmError("--diff has a format of its own: --output-format does not go with it")
    if options.write_baseline is not None and options.write_baseline in ("", "-"):
        raise PvasmError("--write-baseline takes the name of a file")
    if options.statistics and options.output_format not in WITH_STATISTICS:
        raise PvasmError(f"--statistics goes with the formats {' and '.join(WITH_STATISTICS)}")
    config = _config(options)
    settings = _settings(options, config)
    paths = options.paths or config.paths or (".",)
    directories = (*options.include_directories, *config.include_dirs)
    if options.diff:
        return _diff(paths, settings, directories, exit_zero=options.exit_zero)
    mended = _Mended(paths, settings, directories) if options.fix else None
    if mended is not None:
        settings = settings._replace(cpp=None)
    known = _Known(options, config)
    reporter = Reporter(Style(options.output_format, _use_color(options.color), options.statistics, options.quiet))
    progress = Progress(wanted=not options.quiet)
    try:
        with contextlib.closing(check_files(paths, settings, progress)) as results:
            for result in results:
                result.diagnostics = known.met(result)
                if mended is not None:
                    result.diagnostics = mended.explained(result.diagnostics)
                said = reporter.add(result)
                if said or result.errors:
                    progress.clear()
                _write(said)
                for error in result.errors:
                    _complain(error)
    finally:
        progress.clear()
    is_whole = not reporter.errors
    stale = known.stale(selected_codes(settings))
    said = known.end(is_whole=is_whole)
    _write(said or reporter.end(known.hidden, stale, mended.number if mended is not None else 0))
    if reporter.errors:
        return CANNOT_RUN
    return FOUND if reporter.found_errors and not options.exit_zero else 0


class _Mended:
    """The files that --fix has mended, and why it has left what it has left."""

    def __init__(self, paths: Sequence[str], settings: Settings, directories: Sequence[str]) -> None:
        from pvasm.fix import Fixer, fixable_sources, write_outcome

        if "-" in paths:
            raise PvasmError("standard input cannot be mended in its place; --diff shows what to change")
        self.number = 0
        self._reasons: dict[tuple[str, int, int, str], tuple[str, ...]] = {}
        fixer = Fixer(settings, directories)
        for path in fixable_sources(paths, settings, []):  # the check that follows tells of errors
            try:
                outcome = fixer.outcome(path)
            except PvasmError:
                continue
            write_outcome(outcome)
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


def _diff(paths: Sequence[str], settings: Settings, directories: Sequence[str], *, exit_zero: bool) -> int:
    """Shows what mending would change."""
    from pvasm.fix import Fixer, fixable_sources

    errors: list[PvasmError] = []
    fixer = Fixer(settings, directories)
    is_clean = True
    for path in fixable_sources(paths, settings, errors):
        try:
            diff = fixer.outcome(path).diff()
        except PvasmError as error:
            errors.append(error)
            continue
        is_clean = is_clean and not diff
        _write(diff)
    if errors:
        return _fail(errors)
    return 0 if is_clean or exit_zero else FOUND


def _use_color(choice: str) -> bool:
    """Whether to use colour, by the option and what the environment says of the terminal (https://no-color.org)."""
    if choice != "auto":
        return choice == "always"
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


class _Known:
    """The findings that are known: those of the baseline to read, or all, for the baseline to write."""

    def __init__(self, options: argparse.Namespace, config: Config) -> None:
        self._target: str | None = options.write_baseline
        self._is_quiet: bool = options.quiet
        self._baseline: Baseline | None = None
        self._written: list[Diagnostic] = []
        self._paths: list[str] = []
        self.hidden = 0
        path = options.baseline or config.baseline
        if self._target is None and path is not None:
            from pvasm.check.baseline import load_baseline

            self._baseline = load_baseline(path)

    def met(self, result: FileResult) -> list[Diagnostic]:
        """What there is to report of a result."""
        if self._target is not None:
            self._written += result.diagnostics
            return []
        if self._baseline is None:
            return result.diagnostics
        left = self._baseline.hide(result.diagnostics)
        self.hidden += len(result.diagnostics) - len(left)
        if result.counts:
            self._paths.append(result.path)
        return left

    def stale(self, codes: Collection[str]) -> int:
        """How many findings of the baseline are gone from the files that were checked."""
        return self._baseline.stale(self._paths, codes) if self._baseline is not None else 0

    def end(self, *, is_whole: bool) -> str:
        """Writes the baseline, if there is one to write and all was checked; returns what to say of it."""
        if self._target is None or not is_whole:
            return ""
        from pvasm.check.baseline import write_baseline
        from pvasm.report.text import counted

        write_baseline(self._target, self._written)
        return "" if self._is_quiet else f"{counted(len(self._written), 'finding')} written to {self._target}\n"


# ---------------------------------------------------------------------------------------- explain


def _add_explain(commands: _Commands) -> None:
    command = commands.add_parser(
        "explain",
        allow_abbrev=False,
        help="say what a code is about",
        description="Say what a code is about: why it matters, and examples. Without a code, list all.",
    )
    command.add_argument("codes", nargs="*", type=_codes, metavar="CODE", help="PV001, or PV2 for all that start so")
    command.add_argument("--format", choices=("text", "json"), default="text", help="text, or JSON [text]")
    command.set_defaults(run=_explain)


def _explain(options: argparse.Namespace) -> int:
    from pvasm.check.codes import covered, require_known
    from pvasm.check.rule import every_rule
    from pvasm.report import explain

    codes = _joined(options.codes)
    require_known(codes)
    rules = [rule for code, rule in every_rule().items() if not codes or covered(code, codes)]
    if options.format == "json":
        _write(explain.render_json(rules))
    elif codes:
        _write("\n".join(map(explain.render, rules)))
    else:
        _write(explain.render_list(rules))
    return 0


# ----------------------------------------------------------------------------------------- expand


def _add_expand(commands: _Commands) -> None:
    command = commands.add_parser(
        "expand",
        allow_abbrev=False,
        help="write the variant of a file for an instance",
        description="Write the variant of each FILE for an instance: its ops expanded, everything else as it stands.",
    )
    command.add_argument("files", nargs="+", metavar="FILE", help="assembly source, or - for standard input")
    command.add_argument(
        "-i",
        "--instance",
        required=True,
        action="append",
        metavar="NAME",
        help="an instance's name, an instance file, or `all'; may be repeated",
    )
    output = command.add_mutually_exclusive_group()
    output.add_argument("-o", dest="output", metavar="FILE", help="write to FILE, or - for standard output")
    output.add_argument("--output-dir", metavar="DIR", help="write DIR/NAME/FILE, NAME being the instance's")
    command.add_argument("--line-markers", action="store_true", help="say which source line each line is from")
    command.set_defaults(run=_expand)


def _expand(options: argparse.Namespace) -> int:
    from pvasm.expand import ExpandErrors
    from pvasm.expand.run import ExpandSettings, expand_files

    settings = ExpandSettings(
        files=tuple(options.files),
        instances=tuple(options.instance),
        output=options.output,
        output_directory=options.output_dir,
        line_markers=options.line_markers,
    )
    try:
        result = expand_files(settings)
    except ExpandErrors as several:
        return _fail(several.errors)
    _write(result.text)
    if options.output_dir is not None:
        _write("".join(f"{path}\n" for path in result.written))
    return 0
