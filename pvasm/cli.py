"""The command line: reads arguments, prints results. Each command imports what it needs when it runs."""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from pvasm import __version__
from pvasm.errors import PvasmError

if TYPE_CHECKING:
    from pvasm.check.diagnostic import Diagnostic

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
    for add in (_add_parse, _add_check, _add_expand):
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
    from pvasm.ia64 import is_mnemonic
    from pvasm.report import statements
    from pvasm.syntax.document import read_document
    from pvasm.syntax.parser import Parser
    from pvasm.text import read_text, shown_name

    text = read_text(options.file)
    parser = Parser(is_mnemonic)
    document = read_document(parser, text, shown_name(options.file), preprocessed=options.preprocessed)
    render = statements.render_json if options.format == "json" else statements.render_tree
    for line in render(document):
        _write(line + "\n")
    if document.problems:
        return _fail(map(document.error, document.problems))
    return 0


# ------------------------------------------------------------------------------------------ check


def _add_check(commands: _Commands) -> None:
    command = commands.add_parser(
        "check",
        allow_abbrev=False,
        help="find instructions that are left unparavirtualized",
        description="Find instructions that are left unparavirtualized.",
        epilog="Exit status: 0 nothing at error level, 1 diagnostics at error level, 2 it could not run.",
    )
    command.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help="files, folders (searched for .S, .s, .sx and headers that hold assembly), or - [the current folder]",
    )
    command.add_argument("--select", action="append", type=_codes, metavar="CODES", help="report these codes alone")
    command.add_argument("--ignore", action="append", type=_codes, metavar="CODES", help="do not report these codes")
    command.add_argument("--output-format", choices=("text", "json"), default="text", help="[text]")
    command.add_argument(
        "--instance",
        action="append",
        default=[],
        metavar="NAME",
        help="look at what this instance compiles (a name, a file, `all'; may be repeated) [any but bare hardware's]",
    )
    command.add_argument("--no-cache", action="store_true", help="neither use nor keep earlier results")
    cpp = command.add_argument_group("C preprocessor")
    cpp.add_argument("--cpp", action="store_true", help="run it first, on .S files; implied by the options below")
    several: dict[str, Any] = {"action": "append", "default": []}
    cpp.add_argument("-I", dest="include_directories", metavar="DIR", help="look for headers in DIR", **several)
    cpp.add_argument("-D", dest="defines", metavar="X[=V]", help="define a macro", **several)
    cpp.add_argument("-include", "--include", dest="includes", metavar="FILE", help="include FILE first", **several)
    command.set_defaults(run=_check)


def _codes(text: str) -> list[str]:
    """Codes as people write them, with commas between."""
    return [code.strip().upper() for code in text.split(",") if code.strip()]


def _joined(lists: list[list[str]] | None) -> tuple[str, ...]:
    return tuple(code for codes in lists or () for code in codes)


def _check(options: argparse.Namespace) -> int:
    from pvasm.check.run import CppSettings, Settings, check_files
    from pvasm.report import json, text

    use_cpp = options.cpp or options.include_directories or options.defines or options.includes
    settings = Settings(
        select=_joined(options.select) if options.select is not None else None,
        ignore=_joined(options.ignore),
        instances=tuple(options.instance),
        cpp=CppSettings(tuple(options.include_directories), tuple(options.defines), tuple(options.includes))
        if use_cpp
        else None,
        use_cache=not options.no_cache,
    )
    found: list[Diagnostic] = []
    problems = 0
    files = 0
    render = json.render if options.output_format == "json" else text.render
    for result in check_files(options.paths or (".",), settings):
        files += result.counts
        found += result.diagnostics
        _write("".join(f"{render(diagnostic)}\n" for diagnostic in result.diagnostics))
        for error in result.errors:
            _complain(error)
            problems += 1
    if options.output_format == "text":
        _write(f"{text.summary(found, files, problems)}\n")
    if problems:
        return CANNOT_RUN
    return FOUND if any(diagnostic.severity == "error" for diagnostic in found) else 0


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
