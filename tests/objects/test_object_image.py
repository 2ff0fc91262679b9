"""Objects that are run: what GNU as and ld make of a text does what our own layout of it does."""

from __future__ import annotations

import random
import re
import subprocess
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import pytest
from pvsim.function_run import FunctionRun

from pvasm.asm.image import Image
from pvasm.asm.layout import lay_out
from pvasm.asm.reading import assembly_parser
from pvasm.errors import PvasmError
from pvasm.isa.registers import APPLICATION
from pvasm.objects.elf_file import read_elf_file
from pvasm.objects.object_image import image_of_object
from pvasm.syntax.document import read_document
from pvasm.text import read_text
from tests.corpus.build import Corpus, CorpusFile
from tests.objects.assembling import PROGRAM, assembled
from tests.oracle import require_tool
from tests.slow import few

SOURCE, TARGET, ROOM = 0x20000, 0x30000, 0x400
SEEDS = 12


@cache
def images(text: Path, binary: Path) -> tuple[Image, Image]:
    """Our own image of a text, and that of the object that the assembler made of it."""
    stubs = {"__copy_user": 0x5000, "do_csum": 0x5000}  # where other functions would be; ours do not go there
    document = read_document(assembly_parser(), read_text(text), str(text))
    return lay_out(document, stubs=stubs), image_of_object(read_elf_file(binary), stubs=stubs)


def run(image: Image, entry: str, arguments: Sequence[int], memory: bytes) -> FunctionRun:
    """A function of an image that has been called and has returned."""
    done = FunctionRun(image, entry)
    for number, value in enumerate(arguments):
        done.set_register(f"r{32 + number}", value)
    done.set_memory(SOURCE, memory)
    assert done.finish(1_000_000), list(done.told())[-1]
    return done


def state(done: FunctionRun, image: Image) -> dict[str, object]:
    """Registers and memory, but for the image itself; addresses of its code count from the symbol before them."""

    def value(number: int) -> object:
        if number == image.gp:
            return "gp"
        found = any(each.address <= number < each.address + len(each.data) for each in image.segments)
        return "code" if found else number

    machine = done.machine
    ours = range(
        image.segments[0].address >> 12, (max(each.address + len(each.data) for each in image.segments) >> 12) + 1
    )
    return {
        "r": [value(number) for number in machine.gr],
        "nat": list(machine.nat),
        "f": list(machine.fr),
        "p": list(machine.pr),
        "b": [value(number) for number in machine.br],
        # What code moves to where it returns to counts bundles, which our own layout makes more of.
        "ar": [each for number, each in enumerate(machine.ar) if number != APPLICATION["itc"]],
        "memory": {
            number: bytes(page) for number, page in machine.memory.pages.items() if number not in ours and any(page)
        },
    }


Arguments = Callable[[random.Random], tuple[int, ...]]


def copy(chance: random.Random) -> tuple[int, ...]:
    return TARGET + chance.randrange(32), SOURCE + chance.randrange(32), chance.randrange(400)


def division(chance: random.Random) -> tuple[int, ...]:
    return chance.getrandbits(64), chance.randrange(1, 1 << chance.randrange(1, 63))


# The functions: file, entry, and what they are called with.
FUNCTIONS: dict[tuple[str, str], Arguments] = {
    ("strlen", "strlen"): lambda chance: (SOURCE + chance.randrange(64),),
    ("memcpy", "memcpy"): copy,
    ("memcpy_mck", "memcpy"): copy,
    ("copy_user", "__copy_user"): copy,
    ("memset", "memset"): lambda chance: (SOURCE + chance.randrange(32), chance.randrange(256), chance.randrange(500)),
    ("clear_page", "clear_page"): lambda _: (SOURCE,),
    ("copy_page", "copy_page"): lambda _: (TARGET, SOURCE),
    ("copy_page_mck", "copy_page"): lambda _: (TARGET, SOURCE),
    ("do_csum", "do_csum"): lambda chance: (SOURCE + chance.randrange(8), chance.randrange(1, 400)),
    ("ip_fast_csum", "ip_fast_csum"): lambda chance: (SOURCE + 4 * chance.randrange(8), 5),
    ("strnlen_user", "__strnlen_user"): lambda chance: (SOURCE + chance.randrange(64), chance.randrange(1, 400)),
    ("strncpy_from_user", "__strncpy_from_user"): lambda chance: (TARGET, SOURCE, chance.randrange(1, 400)),
    ("xor", "xor_ia64_2"): lambda chance: (128 * chance.randrange(1, 4), TARGET, SOURCE),
    ("idiv32", "__divsi3"): division,
    ("idiv64", "__divdi3"): division,
}


def file_of(corpus: Corpus, name: str) -> CorpusFile:
    (found,) = [each for each in corpus.files if each.name == name]
    return found


@pytest.mark.parametrize(("file", "entry"), [*few(FUNCTIONS, ("strlen", "strlen"))])
def test_an_object_does_what_our_own_layout_does(corpus: Corpus, file: str, entry: str) -> None:
    found = file_of(corpus, file)
    for seed in range(SEEDS):
        chance = random.Random(f"{entry} {seed}")
        arguments = FUNCTIONS[file, entry](chance)
        data = bytes(each or 1 for each in chance.randbytes(ROOM - 1)) + b"\0"
        ours, theirs = (
            state(run(image, entry, arguments, data), image) for image in images(found.preprocessed, found.object)
        )
        assert ours == theirs


# ------------------------------------------------------------------------- what linkers and we make of the same text

SCRIPT = "SECTIONS { . = 0x100000; .text : { *(.text) } .opd : { *(.opd) } .got : { *(.got) } .data : { *(.data) } }\n"


def linked(folder: Path) -> Path:
    """PROGRAM as ld makes a program of it."""
    assembled(PROGRAM, folder)
    script, made = folder / "script", folder / "program"
    script.write_text(SCRIPT)
    command = [require_tool("ia64-linux-gnu-ld"), "-T", str(script), "-e", "start", "-o", str(made)]
    subprocess.run([*command, str(folder / "again.o")], check=True, capture_output=True)
    return made


def results(image: Image, entry: str | None = None) -> list[int]:
    done = FunctionRun(image, entry)
    assert done.finish(1000), list(done.told())[-1]
    machine = done.machine
    room = int.from_bytes(machine.memory.read(image.symbols["room"], 8), "little")
    return [*(machine.gr[number] for number in (9, 10, 20, 8)), room - image.symbols["twice"]]


def test_a_program_an_object_and_a_source_do_the_same(tmp_path: Path) -> None:
    program = linked(tmp_path)
    source = lay_out(read_document(assembly_parser(), PROGRAM, "t.s", preprocessed=True))
    due = [0x1234, 0x1234, 42, 84, 0]
    assert results(image_of_object(read_elf_file(program))) == due  # begins where the program does
    assert results(image_of_object(read_elf_file(tmp_path / "again.o")), "start") == due
    assert results(source, "start") == due


def test_what_ld_fills_in_is_what_we_do(tmp_path: Path) -> None:
    """The sections of the object, placed where ld has placed them."""
    program = image_of_object(read_elf_file(linked(tmp_path)))
    ours = image_of_object(read_elf_file(tmp_path / "again.o"), address=0x100000)
    assert ours.symbols["twice"] == program.symbols["twice"]
    text, whole = ours.segments[0].data, program.segments[0].data
    differ = {at >> 4 for at in range(len(text)) if text[at] != whole[at]}
    # ld has made a `mov` of the load that it may, and its data and its table are elsewhere.
    assert len(differ) <= 6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("br.cond.sptk nowhere", "again.o: nothing defines `nowhere'"),
        (
            ".data\n data8 a, b, c, d, e, f, g, h, i, j",
            "again.o: nothing defines `a' (.data+0x0), nor `b', `c', `d', `e', `f', `g', `h' and 2 more",
        ),
        (
            'adds r8=@tprel(x),r13\n .section .tdata,"awT"\nx: data8 1',
            "the relocation R_IA64_TPREL14 at .text+0x0: needs threads, which are not simulated",
        ),
        (
            ".global x\nadds r8=x,r0\n .data\nx: data1 1",
            "the relocation R_IA64_IMM14 at .text+0x0: 0x10010 does not fit in `mov r8=r0', which takes an integer",
        ),
        (".bss\n .skip 0x20000000", "takes more memory than is simulated: 0x10000000 bytes at most"),
    ],
)
def test_what_cannot_be_linked_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(PvasmError, match=re.escape(message)):
        image_of_object(assembled(f" {text}\n", tmp_path))


@pytest.mark.parametrize(
    ("kind", "offset", "message"),
    [
        (0x84, 0, "the relocation R_IA64_COPY at .data+0x0: cannot be made here"),
        (0xEE, 0, "the relocation R_IA64_0xee at .data+0x0: cannot be made here"),
        (0x27, 1, "the relocation R_IA64_DIR64LSB at .data+0x1: is outside of the section"),
        (0x22, 0, "the relocation R_IA64_IMM22 at .data+0x0: is outside of the section"),
    ],
)
def test_what_no_assembler_makes_is_an_error(tmp_path: Path, kind: int, offset: int, message: str) -> None:
    file = assembled(" .data\n .global x\nx: data8 x\n", tmp_path)
    ((relocation,),) = file.relocations.values()
    relocation.kind, relocation.offset = kind, offset
    with pytest.raises(PvasmError, match=re.escape(message)):
        image_of_object(file)


def test_symbols_and_lines_of_an_object_are_told(corpus: Corpus) -> None:
    found = file_of(corpus, "strlen")
    image = image_of_object(read_elf_file(found.object))
    assert image.symbol_of(image.symbols["strlen"]) == "strlen"
    places = {(each.address, each.slot): (each.source, each.line) for each in found.instructions if each.source}
    start = image.segments[0].address
    told = {at: image.line_of(start + at[0] + at[1]) for at in places}
    assert sum(told[at] == place for at, place in places.items()) > 0.9 * len(places)
    assert image.line_of(start - 1) is None


def test_a_weak_symbol_that_nothing_defines_is_0(tmp_path: Path) -> None:
    image = image_of_object(assembled(" .weak w\n .data\n data8 w, 7\n", tmp_path))
    assert bytes(image.segments[0].data) == (0).to_bytes(8, "little") + (7).to_bytes(8, "little")
