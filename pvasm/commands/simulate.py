"""`pvasm simulate`: runs a file's code on a simulated processor, and tells what it did."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from pvasm.commands.shared import count, fail, write
from pvasm.errors import PvasmError

if TYPE_CHECKING:
    from pvasm.commands.shared import Commands

_MOST_STEPS = 1_000_000_000


def add(commands: Commands) -> None:
    """Adds the command and its options."""
    command = commands.add_parser(
        "simulate",
        allow_abbrev=False,
        help="run a file's code, and tell what it did",
        description="Run code on a simulated processor at privilege level 0, with addresses taken as physical, as a "
        "function that is called: it ends when it returns. What has changed is told, and how much was executed.",
    )
    command.add_argument("file", metavar="FILE", help="assembly source, raw or preprocessed, or - for standard input")
    command.add_argument("-i", "--instance", metavar="NAME", help="expand the ops in it for an instance")
    command.add_argument("-I", dest="include", action="append", default=[], metavar="DIR", help="a folder of headers")
    command.add_argument("-D", dest="define", action="append", default=[], metavar="NAME[=VALUE]", help="a macro")
    command.add_argument("--entry", metavar="LABEL", help="where to begin [_start, or the first instruction]")
    command.add_argument(
        "--reg", action="append", default=[], metavar="NAME=VALUE", help="what a register holds: r32=0x10, ar.lc=3"
    )
    command.add_argument(
        "--mem", action="append", default=[], metavar="ADDR=HEX", help="bytes in memory: 0x20000=0011aa"
    )
    command.add_argument(
        "--stub", action="append", default=[], metavar="NAME=ADDR", help="the address of a symbol of another file"
    )
    command.add_argument(
        "--max-steps",
        type=count(_MOST_STEPS),
        default=10_000_000,
        metavar="N",
        help="instructions to execute at most [10000000]",
    )
    command.add_argument("--trace", action="store_true", help="tell of each instruction, and what it changed")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from pvsim.function_run import FunctionRun
    from pvsim.source_image import image_of_file

    from pvasm.expand import ExpandErrors

    try:
        stubs = {name: _number(value, "--stub") for name, value in map(_pair("--stub"), options.stub)}
        image = image_of_file(
            options.file,
            instance=options.instance,
            include_directories=options.include,
            defines=options.define,
            stubs=stubs,
        )
    except ExpandErrors as several:
        return fail(several.errors)
    run = FunctionRun(image, options.entry)
    for name, value in map(_pair("--reg"), options.reg):
        run.set_register(name, _number(value, "--reg"))
    for address, text in map(_pair("--mem"), options.mem):
        run.set_memory(_number(address, "--mem"), _bytes(text))
    for line in run.trace(options.max_steps) if options.trace else ():
        write(f"{line}\n")
    has_returned = run.finish(options.max_steps)
    for line in run.told():
        write(f"{line}\n")
    return 0 if has_returned else 1


def _pair(option: str) -> Callable[[str], tuple[str, str]]:
    """What reads the two sides of an option's value."""

    def pair(text: str) -> tuple[str, str]:
        left, equals, right = text.partition("=")
        if not (left and equals and right):
            raise PvasmError(f"{option}: {text!r} has not the form NAME=VALUE")
        return left, right

    return pair


def _number(text: str, option: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        raise PvasmError(f"{option}: {text!r} is no number") from None


def _bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise PvasmError(f"--mem: {text!r} is no row of hexadecimal bytes") from None
