"""What the commands share: exit statuses, reading arguments, saying things."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from pvasm.errors import ErrorsWithRemedy, PvasmError
from pvasm.exit_status import CANNOT_RUN
from pvasm.files import writing_to_output

if TYPE_CHECKING:
    from pvasm.paravirt.instance import Instance

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

closed: set[str] = set()  # the output streams that were closed when we started


def fail(errors: Iterable[PvasmError]) -> int:
    """Tells of errors; returns the exit status."""
    for error in errors:
        complain(error)
    return CANNOT_RUN


def complain(error: PvasmError, kind: str = "error") -> None:
    """Tells of an error, or of what is none but to be known, on standard error."""
    from pvasm.report.plain_text import printable

    if isinstance(error, ErrorsWithRemedy):
        for each in error.errors:
            complain(each, kind)
        complain(PvasmError(error.remedy), "note")
        return
    tell(printable(f"pvasm: {kind}: {error}"))


def tell_inherited(instances: Iterable[Instance]) -> None:
    """Tells, once for each, which instances of one's own run in an environment that another's file names."""
    from pvasm.paravirt.shipped import shipped_instance

    for instance in instances:
        if instance.environment_from is not None and shipped_instance(instance.name) is None:
            said = f"names no environment: it runs in {instance.environment}, as {instance.environment_from} does"
            complain(PvasmError(f"{said} (`environment' says which)", instance.path), "note")


def tell(line: str) -> None:
    """A line on standard error, after what has gone to standard output."""
    sys.stdout.flush()
    with contextlib.suppress(OSError):  # the exit status tells as well
        sys.stderr.flush()
        sys.stderr.buffer.write(f"{line}\n".encode("utf-8", "surrogateescape"))
        sys.stderr.buffer.flush()


def write(text: str) -> None:
    """Text on standard output, with the bytes that the source had."""
    if "stdout" in closed:
        raise PvasmError("standard output is closed")
    with writing_to_output():
        sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))


def write_to(output: str | None, text: str, what: str, read: Iterable[str]) -> None:
    """Text in a file, whole or not at all, or on standard output: without a name, or as `-`.

    Raises PvasmError if the file, which is to become `what`, is one of those that were read for that.
    """
    if output in (None, "-"):
        write(text)
        return
    from pvasm.files import refuse_overwriting, write_atomically
    from pvasm.text import encode

    refuse_overwriting(output, what, read)
    write_atomically(output, encode(text))


def codes(text: str) -> list[str]:
    """Codes as people write them, with commas between."""
    return [code.strip().upper() for code in text.split(",") if code.strip()]


def count(limit: int) -> Callable[[str], int]:
    """What reads a number from 1 to a limit."""

    def number(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= len(str(limit)) and 1 <= int(text) <= limit):
            raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to {limit}")
        return int(text)

    return number


def add_op_header(command: argparse.ArgumentParser | argparse._ArgumentGroup, said: str) -> None:
    """Adds the option that names headers which define ops themselves; `said` is its help."""
    command.add_argument(
        "--op-header",
        dest="op_headers",
        type=header_name,
        action="append",
        default=[],
        metavar="NAME",
        help=said,
    )


def header_name(text: str) -> str:
    """The name of a header, as `#include <...>` has it."""
    from pvasm.cpp_options import flaw_of_header_name

    if (flaw := flaw_of_header_name(text)) is not None:
        raise argparse.ArgumentTypeError(flaw)
    return text


def configured_op_headers() -> tuple[str, ...]:
    """The op headers of the configuration that is in force in the current folder, if there is one."""
    from pvasm.config import find_config

    path = find_config(())
    if path is None:
        return ()
    from pvasm.check.codes import known_codes
    from pvasm.config import read_config

    return read_config(path, known_codes()).op_headers


def joined(lists: Iterable[list[str]]) -> tuple[str, ...]:
    """Codes that were given in several lists."""
    return tuple(code for codes in lists for code in codes)
