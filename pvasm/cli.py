"""The command line: reads arguments, prints results. Each command imports what it needs when it runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

import click

from pvasm import __version__
from pvasm.errors import PvasmError

if TYPE_CHECKING:
    from pvasm.check.diagnostic import Diagnostic

FOUND, CANNOT_RUN = 1, 2


class _Group(click.Group):
    """Commands whose errors are one line on standard error, and exit status 2."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except PvasmError as error:
            _fail([error])
        except BrokenPipeError:
            # Whoever read our output has had enough. Python would complain once more when it flushes at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(141)
        except RecursionError:
            _fail([PvasmError("nested too deeply")])
        except MemoryError:
            _fail([PvasmError("not enough memory")])
        except OSError as error:
            _fail([PvasmError(error.strerror or str(error), error.filename if isinstance(error.filename, str) else None)])


def _fail(errors: list[PvasmError]) -> NoReturn:
    for error in errors:
        _complain(error)
    sys.exit(CANNOT_RUN)


def _complain(error: PvasmError) -> None:
    text = f"pvasm: error: {error}"
    click.echo(text.encode("utf-8", "surrogateescape"), err=True)


def _write(text: str) -> None:
    """Text on standard output, with the bytes that the source had."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="pvasm")
def main() -> None:
    """Paravirtualization of hand-written IA-64 assembly."""


# ------------------------------------------------------------------------------------------ parse


@main.command()
@click.argument("file", metavar="FILE")
@click.option("--format", "form", type=click.Choice(["tree", "json"]), default="tree", show_default=True, help="How to show it.")
@click.option("--preprocessed/--raw", default=None, help="Text after the C preprocessor, or raw source [default: as it looks].")
def parse(file: str, form: str, preprocessed: bool | None) -> None:
    """Show the statements of FILE (`-` is standard input)."""
    from pvasm.ia64 import is_mnemonic
    from pvasm.report import statements
    from pvasm.syntax.document import read_document
    from pvasm.syntax.parser import Parser
    from pvasm.text import read_text

    text = read_text(file)
    document = read_document(
        Parser(is_mnemonic), text, "<stdin>" if file == "-" else file, preprocessed=preprocessed
    )
    render = statements.render_json if form == "json" else statements.render_tree
    for line in render(document):
        _write(line + "\n")
    if document.problems:
        _fail([PvasmError(problem.message, *document.place(problem.offset)) for problem in document.problems])


# ------------------------------------------------------------------------------------------ check


def _codes(ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Codes as people write them: repeated options, or lists with commas."""
    return tuple(code.strip().upper() for value in values for code in value.split(",") if code.strip())


def _cpp_options(command: Callable[..., None]) -> Callable[..., None]:
    options = [
        click.option("--cpp", is_flag=True, help="Run the C preprocessor first (.S and .sx files)."),
        click.option("-I", "include_directories", multiple=True, metavar="DIR", help="Look for headers in DIR; implies --cpp."),
        click.option("-D", "defines", multiple=True, metavar="X[=V]", help="Define a macro; implies --cpp."),
        click.option("-include", "--include", "includes", multiple=True, metavar="FILE", help="Include FILE first; implies --cpp."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@main.command()
@click.argument("paths", nargs=-1, metavar="[PATH...]")
@_cpp_options
@click.option("--select", multiple=True, callback=_codes, metavar="CODES", help="Report these codes alone.")
@click.option("--ignore", multiple=True, callback=_codes, metavar="CODES", help="Do not report these codes.")
@click.option("--output-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--instance", "instances", multiple=True, metavar="NAME", help="Look at what this instance compiles (may be repeated).")
@click.option("--no-cache", is_flag=True, help="Neither use nor keep earlier results.")
def check(
    paths: tuple[str, ...],
    cpp: bool,
    include_directories: tuple[str, ...],
    defines: tuple[str, ...],
    includes: tuple[str, ...],
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    output_format: str,
    instances: tuple[str, ...],
    no_cache: bool,
) -> None:
    """Find instructions that are left unparavirtualized.

    PATHs are files, folders (searched for .S, .s, .sx and headers that hold assembly) or `-`; the current folder without any.
    Exit status: 0 nothing at error level, 1 diagnostics at error level, 2 it could not run.
    """
    from pvasm.check.run import CppSettings, Settings, check_files
    from pvasm.report import json, text

    use_cpp = cpp or bool(include_directories or defines or includes)
    settings = Settings(
        select=select or None,
        ignore=ignore,
        instances=instances,
        cpp=CppSettings(include_directories, defines, includes) if use_cpp else None,
        use_cache=not no_cache,
    )
    found: list[Diagnostic] = []
    errors: list[PvasmError] = []
    files = 0
    render = json.render if output_format == "json" else text.render
    for result in check_files(paths or (".",), settings):
        files += result.counts
        found += result.diagnostics
        for diagnostic in result.diagnostics:
            _write(render(diagnostic) + "\n")
        for error in result.errors:
            sys.stdout.flush()
            _complain(error)
            errors.append(error)
    if output_format == "text":
        _write(text.summary(found, files) + "\n")
    sys.stdout.flush()
    if errors:
        sys.exit(CANNOT_RUN)
    sys.exit(FOUND if any(diagnostic.severity == "error" for diagnostic in found) else 0)


if __name__ == "__main__":
    main()
