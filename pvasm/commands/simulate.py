"""`pvasm simulate`: runs a file's code on a simulated processor, and tells what it did."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from pvasm.commands.shared import complain, count, fail, tell_inherited, write
from pvasm.commands.stub_options import add_stubs, address_given, number_given, stubs_of, undefined
from pvasm.errors import PvasmError, UndefinedSymbols
from pvasm.exit_status import FOUND

if TYPE_CHECKING:
    from pvsim.address_map import AddressMap
    from pvsim.function_run import FunctionRun
    from pvsim.machine.machine import Machine

    from pvasm.commands.shared import Commands

_MOST_STEPS = 1_000_000_000
_MODES = ("user", "sys", "userphys", "sysphys")  # those of pvsim.modes, which is imported when it is needed
_MOST_OF_A_LINE = 64 << 20
_SMALLEST, _LARGEST = 4096, 1 << 24  # windows of memory and places of programs: sizes of pages

_DESCRIPTION = """\
Run code on a simulated processor, as a function that is called: it ends when it returns. What has changed is told, and
how much was executed. Code is at 0x10000, the bundle that it returns to at 0x8000, the stack below 0x7fff0000 (r12),
the backing store from 0x60000000 on. In the modes user and sys addresses are virtual: the first 4 GiB are mapped one to
one, for every privilege level, and so are the 4 GiB around each segment of a program, and around what --map names. In
userphys and sysphys they are physical. Memory that nobody wrote is 0.

With --batch a file has many programs, each with its state to begin with: an object of JSON a line, with the keys name,
asm or code, mode, psr, cfm, bsp, gr, gr0, pr, br, ar, fr, mem, bsmem, cr, rr, pkr, tr, slot, bank0. The state that each
ends in is told in the same way, in the same order. A program's code is at 0x1001000 and so on, its data at 0x2000000,
its backing store at 0x3000000; an interruption ends it, and `break 0x1ff0' or a return to b0."""


def add(commands: Commands) -> None:
    """Adds the command and its options."""
    command = commands.add_parser(
        "simulate", allow_abbrev=False, help="run a file's code, and tell what it did", description=_DESCRIPTION
    )
    command.add_argument(
        "files",
        metavar="FILE",
        nargs="*",
        help="assembly source, raw or preprocessed, or an ELF file; - is standard input; --scenario takes several",
    )
    command.add_argument("-i", "--instance", metavar="NAME", help="expand the ops in it for an instance")
    command.add_argument("-I", dest="include", action="append", default=[], metavar="DIR", help="a folder of headers")
    command.add_argument("-D", dest="define", action="append", default=[], metavar="NAME[=VALUE]", help="a macro")
    command.add_argument(
        "--entry",
        metavar="LABEL",
        help="where to begin, by name or address [where a program does, _start, or the first instruction]",
    )
    command.add_argument(
        "--mode",
        choices=_MODES,
        help="privilege level 3 or 0, virtual addresses or physical ones [sysphys]",
    )
    command.add_argument(
        "--reg",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="what a register holds: r32=0x10, in1=buffer+8 (a symbol), ar.lc=3, psr.ic=0, r9=NaT; of f8 its 82 bits",
    )
    command.add_argument(
        "--mem", action="append", default=[], metavar="ADDR=HEX", help="bytes in memory: 0x20000=0011aa"
    )
    command.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="ADDR",
        help="map the 4 GiB around a virtual address as well, to memory of their own: 0xfffffffffff04000",
    )
    add_stubs(command)
    command.add_argument(
        "--max-steps",
        type=count(_MOST_STEPS),
        default=10_000_000,
        metavar="N",
        help="instructions to execute at most [10000000]",
    )
    command.add_argument(
        "--scenario", metavar="FILE.yaml", help="the state to begin with, in the instance's environment [native's]"
    )
    command.add_argument(
        "--trace-format",
        choices=("json", "perfetto"),
        help="with --scenario: tell of each instruction, a line of JSON each, or as a trace for ui.perfetto.dev",
    )
    command.add_argument(
        "--text",
        action="append",
        default=[],
        metavar="ADDR",
        help="in the end, show the text that stands at an address, up to a 0 (repeatable)",
    )
    command.add_argument("--trace", action="store_true", help="tell of each instruction, and what it changed")
    command.add_argument(
        "--strict", action="store_true", help="a register that is used in the group that writes it is an error"
    )
    _add_batch(command)
    command.set_defaults(run=_run)


def _add_batch(command: argparse.ArgumentParser) -> None:
    batch = command.add_argument_group("many programs")
    batch.add_argument("--batch", metavar="FILE", help="programs, an object of JSON a line, or - for standard input")
    batch.add_argument(
        "-j",
        "--jobs",
        type=count(64),
        metavar="N",
        help="processes; with -, all is read first [for a file as many as cores]",
    )
    batch.add_argument("--dw", type=_power, metavar="N", help="bytes of each program's data [4096]")
    batch.add_argument("--bw", type=_power, metavar="N", help="bytes of its backing store [4096]")
    batch.add_argument("--stride", type=_power, metavar="N", help="bytes from place to place [4096]")
    batch.add_argument("--alat", action="store_true", help="remember advanced loads: else they never hold")
    batch.add_argument("--hex", action="store_true", help='print numbers as "0x10"')


def _run(options: argparse.Namespace) -> int:
    if options.batch is not None:
        if options.files:
            raise PvasmError(f"--batch names its own file: leave out {options.files[0]}")
        _refuse(options, _OF_ONE, "each program of --batch says itself what it begins with")
        return _run_batch(options)
    _refuse(options, _OF_MANY, "it is for --batch: leave it out, or give --batch FILE")
    if not options.files:
        raise PvasmError("which file is to be run? Name one, or - for standard input")
    if options.scenario is not None:
        return _run_scenario(options)
    if len(options.files) > 1:
        raise PvasmError(
            f"{options.files[1]}: several files are for --scenario: give one, or a scenario that begins in them"
        )
    _refuse(options, ("trace_format",), "it is for --scenario: without one, --trace tells of each instruction")
    from pvsim.function_run import FunctionRun
    from pvsim.source_image import image_of_file

    from pvasm.expand import ExpandErrors
    from pvasm.report.plain_text import printable

    _check_folders(options.include)
    try:
        image = image_of_file(
            options.files[0],
            instance=options.instance,
            include_directories=options.include,
            defines=options.define,
            stubs=stubs_of(options),
        )
    except ExpandErrors as several:
        return fail(several.errors)
    except UndefinedSymbols as several:
        return fail(undefined(several))
    for warning in image.warnings:
        complain(warning, "warning")
    run = FunctionRun(image, options.entry, options.mode or "sysphys", is_strict=options.strict)
    _set_registers(run, options.reg)
    for text in options.map:
        run.map_page(_address_in(run, text, "--map"))
    for address, text in map(_pair("--mem", "ADDR=HEX"), options.mem):
        run.set_memory(_address_in(run, address, "--mem"), _bytes(text))
    texts = [(text, _address_in(run, text, "--text")) for text in options.text]
    for _, place in texts:
        run.check_text(place)
    for line in run.trace(options.max_steps) if options.trace else ():
        write(f"{printable(line)}\n")
    has_returned = run.finish(options.max_steps)
    for line in run.told():
        write(f"{printable(line)}\n")
    for given, place in texts:
        for line in run.text_at(place, _MOST_OF_A_TEXT).splitlines() or [""]:
            write(printable(f"{given}: {line}") + "\n")
    return 0 if has_returned else 1


def _run_scenario(options: argparse.Namespace) -> int:
    """Runs a variant from a scenario; what is different afterwards, for the kernel, is told."""
    from msgspec.structs import replace
    from pvsim.environments.environment import RefusedError
    from pvsim.scenario_reading import read_scenario
    from pvsim.scenario_run import INTERRUPTION, NO_END, ScenarioRun, address_of, held
    from pvsim.variants_of_file import variants_of_files

    from pvasm.expand import ExpandErrors
    from pvasm.report.plain_text import printable

    _refuse(options, ("mode", "reg", "mem", "map", "trace", "strict"), "a scenario says itself what it begins with")
    file = read_scenario(Path(options.scenario))
    scenario = file.scenario
    if options.entry is not None:
        scenario = replace(scenario, entry=options.entry)
    _check_folders(options.include)
    try:
        with file.placed():
            (variant, *_), _ = variants_of_files(
                options.files,
                [options.instance or "native"],
                include_directories=options.include,
                defines=options.define,
                stubs=stubs_of(options, scenario),
            )
    except ExpandErrors as several:
        return fail(several.errors)
    except UndefinedSymbols as several:
        return fail(undefined(several))
    tell_inherited([variant.instance])
    if options.entry is not None:
        address_of(variant, options.entry)
    with file.placed():
        run = ScenarioRun(variant, scenario)
    if options.trace_format is not None:
        from pvsim.scenario_trace import json_lines, perfetto

        for line in json_lines(run) if options.trace_format == "json" else [perfetto(run)]:
            write(f"{printable(line)}\n")
        return 0
    before = run.observed()
    try:
        outcome = run.outcome()
    except RefusedError as error:
        write(printable(f"refused: {error.message}") + "\n")
        return FOUND
    for item, value in outcome.observed.items():
        if held(before, item) != value:
            write(printable(f"{item} = {value if isinstance(value, str) else hex(value)}") + "\n")
    costs = outcome.environment.costs
    write(f"{costs.instructions} instructions in {costs.groups} groups and {costs.bundles} bundles")
    write("".join(f", {count} {kind} {name}" for (kind, name), count in sorted(costs.events.items())) + "\n")
    write(printable(f"It ended at {outcome.end}.") + "\n")
    _write_texts(options, outcome.environment.processor, run.map)
    for line in outcome.unexpected:
        write(printable(f"Not as expected: {line}") + "\n")
    has_no_place = outcome.end.startswith(INTERRUPTION) or outcome.end.endswith(NO_END)
    return FOUND if outcome.unexpected or (scenario.expect.end is None and has_no_place) else 0


_MOST_OF_A_TEXT: Final = 1 << 16


def _write_texts(options: argparse.Namespace, machine: Machine, places: AddressMap) -> None:
    """Shows the texts that stand in memory at the addresses of --text, line by line."""
    from pvasm.report.plain_text import printable

    for given in options.text:
        address = places.physical(address_given(given, "--text"))
        text = machine.memory.read(address, _MOST_OF_A_TEXT).split(b"\0")[0].decode("utf-8", "replace")
        for line in text.splitlines() or [""]:
            write(printable(f"{given}: {line}") + "\n")


_OF_ONE = (
    "scenario",
    "trace_format",
    "instance",
    "include",
    "define",
    "entry",
    "mode",
    "reg",
    "mem",
    "map",
    "stub",
    "stub_missing",
    "text",
    "trace",
    "strict",
)
_OF_MANY = ("jobs", "dw", "bw", "stride", "alat", "hex")
_SPELT = {"include": "-I", "define": "-D", "trace_format": "--trace-format", "stub_missing": "--stub-missing"}


def _refuse(options: argparse.Namespace, names: tuple[str, ...], reason: str) -> None:
    """Raises PvasmError for an option that would say nothing."""
    for name in names:
        if getattr(options, name) not in (None, False, []):
            raise PvasmError(f"{_SPELT.get(name, f'--{name}')}: {reason}")


def _run_batch(options: argparse.Namespace) -> int:
    import gc

    from pvsim.batch import Room, lines_of_results, lines_of_stream

    from pvasm.exit_status import CANNOT_RUN
    from pvasm.report.progress import Progress
    from pvasm.workers import usable_cores

    data, backing_store, stride = (each or _SMALLEST for each in (options.dw, options.bw, options.stride))
    room = Room(data, backing_store, stride, options.alat, options.max_steps)
    # There may be any number of programs; what is loaded by now stays, and need not be looked at.
    gc.freeze()
    gc.set_threshold(500_000, 20, 100)
    gc.enable()
    number: int | None = None  # of a stream it is not known
    if options.batch == "-" and options.jobs is None:
        found = lines_of_stream(_lines(sys.stdin.buffer, "<stdin>"), "<stdin>", room, has_hexadecimal=options.hex)
    else:
        name, lines = _lines_of(options.batch)
        number = len(lines)
        found = lines_of_results(lines, name, room, options.jobs or usable_cores(), has_hexadecimal=options.hex)
    status = 0
    # On a terminal the lines themselves show how far it is.
    with Progress("programs", wanted=number is not None and not sys.stdout.isatty()) as progress:
        for done, (line, error) in enumerate(found, start=1):
            write(f"{line}\n")
            sys.stdout.flush()
            if number is not None:
                progress(done, number)
            if error is not None:
                progress.clear()
                complain(error)
                status = CANNOT_RUN
    return status


def _lines_of(name: str) -> tuple[str, list[bytes]]:
    """What a file is called, and all of its lines."""
    from pvasm.files import open_regular, unreadable

    if name == "-":
        return "<stdin>", list(_lines(sys.stdin.buffer, "<stdin>"))
    try:
        with open_regular(name) as file:
            return name, list(_lines(file, name))
    except OSError as error:
        raise unreadable(error, name) from None


def _lines(file: BinaryIO, name: str) -> Iterator[bytes]:
    """The lines of a file. Raises PvasmError for one that has no end in sight."""
    for number, line in enumerate(iter(partial(file.readline, _MOST_OF_A_LINE + 1), b""), 1):
        if len(line) > _MOST_OF_A_LINE:
            raise PvasmError(f"a line larger than {_MOST_OF_A_LINE >> 20} MiB: not read", name, number)
        yield line.rstrip(b"\r\n")


def _check_folders(folders: list[str]) -> None:
    missing = next((each for each in folders if not Path(each).is_dir()), None)
    if missing is not None:
        raise PvasmError(f"-I: there is no folder {missing}")


def _power(text: str) -> int:
    """A size: a power of two."""
    try:
        size = int(text, 0)
    except ValueError:
        size = 0
    if size & (size - 1) or not _SMALLEST <= size < _LARGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is no power of two from {_SMALLEST} to {_LARGEST // 2}")
    return size


def _set_registers(run: FunctionRun, given: list[str]) -> None:
    """Gives registers what the options say. Raises PvasmError, for one that is given twice, too."""
    seen: dict[object, str] = {}
    for left, right in map(_pair("--reg", "NAME=VALUE"), given):
        name, value = left.strip(), right.strip()
        register = name if name.startswith("psr") else run.register(name)
        if register in seen:
            also = "" if seen[register] == name else f", as {seen[register]}"
            raise PvasmError(f"--reg: {name} is given twice{also}")
        seen[register] = name
        if value.lower() in _NOT_A_THING:
            run.set_nat(name)
        else:
            run.set_register(name, _number_for(run, name, value))


_NOT_A_THING: Final = ("nat", "natval")


def _number_for(run: FunctionRun, register: str, text: str) -> int:
    """The value of a register. Raises PvasmError for what is no number; of a real number it says the bits."""
    from pvsim.function_run import bits_of_real

    with contextlib.suppress(PvasmError):
        return number_given(text, "--reg")
    bits = None if text.lstrip("+-").isdigit() else bits_of_real(text)  # 010 is the assembler's 8
    if bits is not None:
        if register.startswith("psr") or run.register(register).file != "f":
            raise PvasmError(f"--reg: {text!r} is no whole number")
        raise PvasmError(f"--reg: {register} is set by its 82 bits; of {text} they are {bits:#x}")
    return _value_in(run, text, "--reg")


def _value_in(run: FunctionRun, text: str, option: str) -> int:
    """A number, or an expression of the assembler's with symbols of the code. Raises PvasmError for what is neither."""
    from pvsim.scenario import cut, number_of

    from pvasm.suggestions import near

    with contextlib.suppress(PvasmError):
        return number_given(text, option)
    symbols = run.image.symbols
    word = text.strip().removesuffix("#")
    if word.isidentifier() and word not in symbols:
        raise PvasmError(f"{option}: {cut(text)!r} is neither a number nor a symbol of the code{near(word, symbols)}")
    try:
        return number_of(text, symbols.get)
    except PvasmError as error:
        raise PvasmError(f"{option}: {error.message}") from None


def _address_in(run: FunctionRun, text: str, option: str) -> int:
    value = _value_in(run, text, option)
    if not 0 <= value < 1 << 64:
        raise PvasmError(f"{option}: {text} is no address: those are from 0 to {(1 << 64) - 1:#x}")
    return value


def _pair(option: str, form: str) -> Callable[[str], tuple[str, str]]:
    """What reads the two sides of an option's value."""

    def pair(text: str) -> tuple[str, str]:
        left, equals, right = text.partition("=")
        if not (left and equals and right):
            raise PvasmError(f"{option}: {text!r} has not the form {form}")
        return left, right

    return pair


def _bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise PvasmError(f"--mem: {text!r} is no row of hexadecimal bytes") from None
