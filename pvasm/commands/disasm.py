"""`pvasm disasm`: an object file back to assembly."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pvasm.commands.shared import complain, write
from pvasm.errors import PvasmError
from pvasm.exit_status import CANNOT_RUN

if TYPE_CHECKING:
    from pvasm.commands.shared import Commands
    from pvasm.isa.instruction import Instruction
    from pvasm.objects.elf_file import ElfFile, Section
    from pvasm.objects.section_code import Lines


def add(commands: Commands) -> None:
    """Adds the command and its options."""
    command = commands.add_parser(
        "disasm",
        allow_abbrev=False,
        help="show an object file as assembly",
        description="Write an ELF file for IA-64 as assembly of which GNU as makes the same sections, symbols and "
        "relocations: instructions in bundles with their stops, and a comment at each that is privileged or sensitive. "
        "What assembly cannot say stands as data, with a comment. Debugging information is left out unless its section "
        "is named.",
    )
    command.add_argument(
        "files",
        metavar="FILE",
        nargs="+",
        help="an object file, a program, a shared object, LIB.a(MEMBER); - is standard input; -o takes one",
    )
    command.add_argument("-o", "--output", metavar="FILE", help="where to write [standard output]")
    command.add_argument(
        "--section", dest="sections", action="append", default=[], metavar="NAME", help="only this section (repeatable)"
    )
    command.add_argument(
        "--symbol", dest="symbols", action="append", default=[], metavar="NAME", help="only this function (repeatable)"
    )
    command.add_argument("--address", action="store_true", help="tell the address of each bundle")
    command.add_argument("--no-lines", dest="lines", action="store_false", help="leave out lines of sources")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from pvasm.files import refuse_overwriting, write_atomically
    from pvasm.objects.disassembly import Wanted, disassembly
    from pvasm.objects.elf_file import read_elf_file

    if options.output is not None:
        if len(options.files) > 1:
            raise PvasmError(f"{options.files[1]}: -o takes one file: what two define does not go into one source")
        refuse_overwriting(options.output, "assembly", options.files)
    wanted, remark = Wanted(tuple(options.sections), tuple(options.symbols), options.address), _remark()
    status = 0
    for number, name in enumerate(options.files):
        try:
            file = read_elf_file(name)
            text = disassembly(file, wanted, remark, _lines_of(file) if options.lines else lambda *_: ())
            if options.output is not None:
                data = "".join(f"{line}\n" for line in text).encode("utf-8", "surrogateescape")
                write_atomically(options.output, data)
                continue
            for at, line in enumerate(text):
                write(f"\n{line}\n" if number and not at else f"{line}\n")
        except PvasmError as error:
            if len(options.files) == 1:
                raise
            complain(error)
            status = CANNOT_RUN
    return status


def _lines_of(file: ElfFile) -> Lines:
    """What tells of the sources' lines; where they are damaged, that is told, and there are none."""
    from pvasm.objects.linking import Linking
    from pvasm.objects.source_lines import SourceLines

    try:
        linking = Linking(file, 0x10000, {})
        found = SourceLines(file, linking)
    except PvasmError as error:
        complain(PvasmError(f"lines of sources are left out: {error.message}", error.path), "warning")
        return lambda *_: ()

    def lines(section: Section, start: int, end: int) -> Sequence[tuple[int, str, int]]:
        address = linking.addresses[section.index]
        return [(at - address, name, line) for at, name, line in found.between(address + start, address + end)]

    return lines


def _remark() -> Callable[[Sequence[Instruction]], str | None]:
    """What tells of an instruction how it minds the privilege level, and which op replaces it."""
    from pvasm.check.decoded import DecodedExposures
    from pvasm.paravirt.loading import load_catalog
    from pvasm.paravirt.patterns import Patterns

    exposures = DecodedExposures(Patterns(load_catalog()))

    def remark(run: Sequence[Instruction]) -> str | None:
        found = exposures.exposure(run)
        if found is None:
            return None
        if not found.uses:
            return found.sensitivity
        use = found.uses[0]
        return f"{found.sensitivity}: {use.call}" + ("" if use.is_complete else f" replaces `{use.op.replaces}'")

    return remark
