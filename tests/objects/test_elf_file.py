"""ELF files: against readelf and objdump, and damaged ones."""

from __future__ import annotations

import re
import struct
import subprocess
from pathlib import Path

import pytest

from pvasm.errors import PvasmError
from pvasm.isa.encoding import encode
from pvasm.objects.elf_file import elf_file_of, read_elf_file
from pvasm.objects.object_code import bundles_of, placed
from pvasm.objects.relocations import TYPES, type_of
from tests.corpus.build import Corpus
from tests.objects.assembling import EVERY_OPERATOR, assembled
from tests.oracle import require_tool

TARGET = re.compile(r"\b([0-9a-f]+) <[^>]*>")  # objdump says what is at the address


def test_the_code_of_the_corpus_is_what_objdump_shows_and_encodes_back(corpus: Corpus) -> None:
    """Every section of code, bundle by bundle: template, predicates, texts; and the same bytes again."""
    total = 0
    for file in corpus.files:
        objdump = {(each.section, each.address, each.slot): each for each in file.instructions}
        for section in read_elf_file(file.object).sections:
            if not section.is_code:
                continue
            for bundle in bundles_of(section):
                assert bundle.bundle.to_bytes() == bytes(section.data[bundle.offset : bundle.offset + 16])
                for slot in bundle.slots:
                    assert slot.instruction is not None
                    assert encode(slot.instruction) == slot.bits
                    theirs = objdump.get((section.name, bundle.offset, slot.slot))
                    if theirs is None:  # objdump leaves out bundles that are zero
                        assert not any(section.data[bundle.offset : bundle.offset + 16])
                        continue
                    ours = placed(slot.instruction, bundle.offset)
                    assert (f"p{ours.predicate}", ours.text) == (theirs.predicate, TARGET.sub(r"0x\1", theirs.text))
                    assert bundle.units == theirs.template.lower()
                    total += 1
        assert all(len(each.data) % 16 == 0 for each in read_elf_file(file.object).sections if each.is_code)
    assert total > 7000


def readelf(option: str, path: Path) -> list[list[str]]:
    """The lines of a table that readelf prints, in words."""
    command = [require_tool("ia64-linux-gnu-readelf"), option, "-W", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [line.split() for line in done.stdout.splitlines()]


def test_symbols_and_relocations_are_those_of_readelf(corpus: Corpus) -> None:
    for file in corpus.files:
        read = read_elf_file(file.object)
        symbols = [line for line in readelf("-s", file.object) if line and line[0].rstrip(":").isdecimal()]
        names = {"func": "function"}
        assert [(each.value, each.size, each.kind, each.binding, each.visibility) for each in read.symbols] == [
            (int(line[1], 16), int(line[2], 0), names.get(line[3].lower(), line[3].lower()), *map(str.lower, line[4:6]))
            for line in symbols
        ]
        relocations = [line for line in readelf("-r", file.object) if len(line) > 2 and line[2].startswith("R_IA64")]
        ours = [each for found in read.relocations.values() for each in found]
        assert [(each.offset, type_of(each.kind).name) for each in ours] == [
            (int(line[0], 16), line[2]) for line in relocations
        ]


def test_every_relocation_that_the_assembler_makes_has_its_name(tmp_path: Path) -> None:
    file = assembled(EVERY_OPERATOR, tmp_path)
    theirs = [line[2] for line in readelf("-r", tmp_path / "again.o") if len(line) > 2 and line[2].startswith("R_")]
    assert [type_of(each.kind).name for found in file.relocations.values() for each in found] == theirs
    assert len(set(theirs)) > 55


def test_the_numbers_of_relocations_are_in_the_order_of_the_abi() -> None:
    """The low three bits say what is filled in: data of 4 or 8 bytes, big- or little-endian (psABI, table 4-1)."""
    for number, kind in TYPES.items():
        if kind.size in (4, 8):
            assert number & 7 == {(4, True): 4, (4, False): 5, (8, True): 6, (8, False): 7}[kind.size, kind.big_endian]


# ------------------------------------------------------------------------------------ damaged files


def small() -> bytearray:
    """An object with a section `.text`, a symbol, and a relocation, made by hand."""
    strings = b"\0f\0.text\0.rela.text\0"
    code = struct.pack("<QQ", 0x0000000100000000, 0x0004000000000200)
    symbols = bytes(24) + struct.pack("<IBBHQQ", 1, 0x12, 0, 1, 0, 16)
    relocations = struct.pack("<QQq", 0, 1 << 32 | 0x22, 0)
    parts = [strings, code, symbols, relocations]
    offsets = [64 + sum(-(-len(part) // 16) * 16 for part in parts[:number]) for number in range(len(parts) + 1)]
    headers = [
        (0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
        (3, 1, 6, 0, offsets[1], 16, 0, 0, 16, 0),
        (0, 2, 0, 0, offsets[2], 48, 4, 1, 8, 24),
        (9, 4, 0, 0, offsets[3], 24, 2, 1, 8, 24),
        (0, 3, 0, 0, offsets[0], len(strings), 0, 0, 1, 0),
    ]
    body = b"".join(part + bytes(-len(part) % 16) for part in parts)
    identity = b"\x7fELF\x02\x01\x01" + bytes(9)
    head = identity + struct.pack("<HHIQQQIHHHHHH", 1, 50, 1, 0, 0, offsets[4], 0x10, 64, 0, 0, 64, 5, 4)
    return bytearray(head + body + b"".join(struct.pack("<IIQQQQIIQQ", *each) for each in headers))


HEADERS = 64 + 32 + 16 + 48 + 32  # where the section headers of `small` are


def test_a_small_object_is_read() -> None:
    file = elf_file_of(bytes(small()), "t.o")
    assert [each.name for each in file.sections] == ["", ".text", "", ".rela.text", ""]
    assert [(each.symbol.name, type_of(each.kind).name) for each in file.relocations[1]] == [("f", "R_IA64_IMM22")]


@pytest.mark.parametrize(
    ("offset", "layout", "value", "message"),
    [
        (0, "B", 0, "t.o: no ELF file"),
        (4, "B", 1, "t.o: not an ELF file of 64 bits: others are not read"),
        (5, "B", 7, "t.o: damaged: the byte order is 7, and not 1 or 2"),
        (18, "H", 62, "t.o: not for IA-64: the machine is X86_64"),
        (16, "H", 4, "t.o: neither an object nor a program: the type is CORE"),
        (58, "H", 40, "t.o: damaged: section headers have 40 bytes each, and not 64"),
        (
            60,
            "H",
            60000,
            "t.o: cut off: the table of 60000 section headers is at 0xc0 to 0x3a98c0, and the file ends at 0x200",
        ),
        (40, "Q", 1 << 63, "t.o: cut off: the first section header is at 0x8000000000000000 to 0x8000000000000040"),
        (HEADERS + 64 + 24, "Q", 1 << 62, "t.o: cut off: section 1 is at 0x4000000000000000"),
        (HEADERS + 64 + 32, "Q", 80, "t.o: damaged: the sections 1 (.text) and 2 () overlap in the file"),
        (HEADERS + 64 + 48, "Q", 24, "t.o: damaged: section .text is aligned to 0x18, which is no power of two"),
        (HEADERS + 64, "I", 999, "t.o: damaged: the name of section 1 is at 0x3e7 of a table of 0x14 bytes"),
        (HEADERS + 128 + 40, "I", 77, "t.o: damaged: section refers to section 77, which there is not"),
        (HEADERS + 128 + 32, "Q", 47, "t.o: damaged: section has 47 bytes, no multiple of 24"),
        (HEADERS + 192 + 44, "I", 99, "t.o: damaged: section .rela.text refers to section 99, which there is not"),
        (HEADERS + 192 + 4, "I", 9, "t.o: damaged: .rela.text has relocations without addends, which IA-64 has not"),
        (64 + 32 + 16 + 30, "H", 40, "t.o: damaged: symbol 1 is in section 40, which there is not"),
        (64 + 32 + 16 + 48 + 12, "I", 9, "t.o: damaged: .rela.text has a relocation at 0x0 for symbol 9"),
    ],
)
def test_what_is_damaged_is_said_with_its_place(offset: int, layout: str, value: int, message: str) -> None:
    data = small()
    struct.pack_into(f"<{layout}", data, offset, value)
    with pytest.raises(PvasmError) as caught:
        elf_file_of(bytes(data), "t.o")
    assert str(caught.value).startswith(message)


def test_a_file_that_is_cut_off_is_an_error_wherever() -> None:
    data = bytes(small())
    for size in range(len(data)):
        with pytest.raises(PvasmError):
            elf_file_of(data[:size], "t.o")
