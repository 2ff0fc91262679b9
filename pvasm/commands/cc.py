"""`pvasm cc`: a compiler whose assembly has ops in it."""

from __future__ import annotations

import argparse
import contextlib
import sys
from typing import TYPE_CHECKING

from pvasm.commands.shared import add_op_header, complain, configured_op_headers
from pvasm.errors import ErrorsWithRemedy, PvasmError

if TYPE_CHECKING:
    from pvasm.commands.shared import Commands


def add(commands: Commands) -> None:
    """Adds the command and its options."""
    command = commands.add_parser(
        "cc",
        allow_abbrev=False,
        usage="pvasm cc [-h] --instance NAME [--op-header NAME] [--build DIR] [--] COMPILER [ARGUMENT ...]",
        help="run a compiler, with the ops in its assembly expanded",
        description="Run a compiler's command: assembly (.S, .sx, .s) is preprocessed, expanded for an instance and "
        'assembled; everything else is handed to the compiler as it stands. For builds: CC="pvasm cc -i xen -- gcc".',
    )
    command.add_argument(
        "-i",
        "--instance",
        required=True,
        action="append",
        metavar="NAME",
        help="an instance's name, or an instance file",
    )
    add_op_header(command, "put the ops that the header <NAME> defines itself out of the way (asm/native/inst.h)")
    command.add_argument(
        "--build",
        metavar="DIR",
        help="take -I, -D and -include from the build in DIR: compile_commands.json, or Kbuild's .cmd files",
    )
    command.add_argument("command", nargs=argparse.REMAINDER, metavar="COMPILER", help="the compiler's command")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from pvasm.cc.compile_with import compile_with
    from pvasm.cc.processes import CannotRunError, StoppedError, die_of

    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not command:
        raise PvasmError("no compiler given: write its command at the end (pvasm cc -i xen -- gcc -c a.S)")
    if len(options.instance) > 1:
        raise PvasmError(f"{len(options.instance)} instances, but one compiler's output: give one")
    if options.build is not None:
        from pvasm.cc.build_records import with_flags

        command = with_flags(command, options.build)
    try:
        return compile_with(options.instance[0], command, _say, (*configured_op_headers(), *options.op_headers))
    except CannotRunError as cannot:
        complain(cannot.error)
        return cannot.status
    except StoppedError as stopped:
        return die_of(stopped.number)


def _say(error: PvasmError) -> None:
    """Tells of an error in a source, as a compiler does."""
    if isinstance(error, ErrorsWithRemedy):
        for each in error.errors:
            _say(each)
        complain(PvasmError(error.remedy), "note")
        return
    place = ":".join(str(part) for part in (error.path, error.line, error.column) if part is not None)
    with contextlib.suppress(OSError):  # the exit status tells as well
        sys.stderr.buffer.write(f"{place or 'pvasm'}: error: {error.message}\n".encode("utf-8", "surrogateescape"))
        sys.stderr.buffer.flush()
