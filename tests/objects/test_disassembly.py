"""Objects back to assembly: GNU as makes the same object of it, and pvasm reads it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pvasm.asm.layout import lay_out
from pvasm.asm.reading import assembly_parser
from pvasm.errors import PvasmError
from pvasm.objects.disassembly import Wanted, disassembly
from pvasm.objects.elf_file import ElfFile, Relocation, Symbol, read_elf_file
from pvasm.syntax.document import read_document
from tests.asm.test_layout import Elsewhere
from tests.check.checking import check
from tests.corpus.build import Corpus
from tests.objects.assembling import EVERY_OPERATOR, SYMBOLS, assembled, relocations_of, sections_of, symbols_of
from tests.oracle import require_tool


def text_of(file: ElfFile, wanted: Wanted | None = None) -> str:
    return "".join(f"{line}\n" for line in disassembly(file, wanted or Wanted()))


def same_again(file: ElfFile, folder: Path) -> str:
    """The text of an object, of which the assembler has made the same object again."""
    text = text_of(file)
    again = assembled(text, folder)
    assert sections_of(again) == sections_of(file)
    assert symbols_of(again) == symbols_of(file)
    assert relocations_of(again) == relocations_of(file)
    assert again.flags == file.flags
    return text


@pytest.mark.slow
def test_the_assembler_makes_the_same_objects_of_the_corpus(corpus: Corpus, tmp_path: Path) -> None:
    """Nothing of Linux's code stands as data but for words in relocate_kernel's, and all of it is read by us."""
    for each in corpus.files:
        file = read_elf_file(each.object)
        text = same_again(file, tmp_path)
        assert "cannot be said" not in text
        assert text.count("as data") == (2 if each.name == "relocate_kernel" else 0)
        document = read_document(assembly_parser(), text, "t.s", preprocessed=True)
        assert not document.problems
        image = lay_out(document, stubs=Elsewhere())
        code = {section.name: bytes(section.data) for section in file.sections if section.is_code and section.size}
        laid_out = {each.name: len(each.data) for each in image.segments if each.executable}
        assert laid_out == {name: len(data) for name, data in code.items()}


def test_what_is_privileged_is_found_in_the_text_as_in_the_source(corpus: Corpus) -> None:
    for each in (one for one in corpus.files if one.name in ("entry", "fsys", "gate", "head", "pal")):
        found = [one.code for one in check(text_of(read_elf_file(each.object)), preprocessed=True)]
        source = [one.code for one in check(each.preprocessed.read_text(), preprocessed=True)]
        for code in ("PV001", "PV002", "PV003"):
            assert found.count(code) == source.count(code), each.name
        assert "PV901" not in found


def test_every_operator_is_said(tmp_path: Path) -> None:
    assert "cannot be said" not in same_again(assembled(EVERY_OPERATOR, tmp_path, "first"), tmp_path)


def test_symbols_and_sections_of_all_kinds_are_said(tmp_path: Path) -> None:
    text = same_again(assembled(SYMBOLS, tmp_path, "first"), tmp_path)
    assert "cannot be said" not in text
    assert 'stringz "a \\"quoted\\" text\\n\\tof \\\\ lines"' in text


CODE = """
 .explicit
 .text
f:
 data8 0x0000000100000006, 0x0004000000000200  // no such template
{ .mii
 nop.m 0
 add r8=r9,r10
 nop.i 0 ;;
}
 data8 0x0000080000000001, 0x0004000000000200  // an M slot with no instruction
 data8 0x0000000100000000, 0x0004000000000200  // no stop at the end of the section
"""


def test_what_is_no_code_stands_as_data(tmp_path: Path) -> None:
    text = same_again(assembled(CODE, tmp_path, "first"), tmp_path)
    assert "// no bundle: the template 0x6 is reserved\n\tdata8 0x100000006,0x4000000000200\n" in text
    assert "// no instruction: 0x" in text
    assert "// as data: the assembler would make a stop behind it\n" in text
    assert "\tadd r8=r9,r10\n" in text


TABLE = """
 .explicit
 .text
f: nop.m 0 ;;
table:
 data8 f, 0, 0, 0, 0, g+1, @fptr(g), 0
 data4 @pcrel(f), @pcrel(table)
inner: data8 0
 .global g
g: br.ret.sptk b0 ;;
 .skip 16
 data8 0, f
 data8 f, 0, 0, 0
"""


def test_tables_among_code_keep_their_relocations(tmp_path: Path) -> None:
    text = same_again(assembled(TABLE, tmp_path, "first"), tmp_path)
    assert "cannot be said" not in text
    assert "\tdata8 g#+0x1\n" in text


def test_relocations_of_nothing_are_told_of(tmp_path: Path) -> None:
    file = assembled(TABLE, tmp_path, "first")
    nothing = Symbol("f", 0, 0, 1, "global", "notype")
    found = next(iter(file.relocations.values()))
    found += [Relocation(offset, 0x22, nothing, 0) for offset in (3, 0x90, 1 << 40)]
    text = text_of(file)
    for offset in ("0x3", "0x90", "0x10000000000"):
        assert f"// the relocation R_IA64_IMM22 for f+0x0 at {offset} cannot be said here\n" in text


def test_a_program_is_shown_with_its_names(tmp_path: Path) -> None:
    """A branch to another section, and a pointer that the dynamic linker fills in."""
    source = (
        ' .text\n .global f\nf: br.cond.sptk g ;;\n .section .text.g,"ax"\ng: br.ret.sptk b0 ;;\n .data\n data8 f\n'
    )
    assembled(source, tmp_path)
    made = tmp_path / "made.so"
    command = [
        require_tool("ia64-linux-gnu-ld"),
        "-shared",
        "--unique=.text.g",
        "-o",
        str(made),
        str(tmp_path / "again.o"),
    ]
    subprocess.run(command, check=True)
    text = text_of(read_elf_file(made))
    assert "\tbr.few g# ;;\n" in text
    assert "// relocations for the dynamic linker are left out: 1\n" in text
    assembled(text, tmp_path)


def test_two_symbols_of_one_name_are_told_of(tmp_path: Path) -> None:
    """As `ld -r` makes them of two files that have a `local` each."""
    first = assembled(" .text\nlocal: br.cond.sptk local ;;\n .data\n data8 local\n", tmp_path, "first")
    again = ElfFile(**{name: getattr(first, name) for name in first.__struct_fields__})
    again.symbols = [*first.symbols, *(each for each in first.symbols if each.name == "local")]
    text = text_of(again)
    assert "// the symbol local (.text+0x0) cannot be said: its name is another's, or no name\n" in text


def test_parts_are_written_alone(tmp_path: Path) -> None:
    file = assembled(SYMBOLS, tmp_path, "first")
    lines = text_of(file, Wanted(symbols=("three",))).splitlines()
    assert "// from 0x10 to 0x20 of 0x90 bytes" in lines
    assert "three:" in lines
    assert "last:" not in lines
    only = text_of(file, Wanted(sections=(".data",), addresses=True))
    assert ".text" not in only.replace("behind", "")
    assert "odd:" in only
    assembled(only, tmp_path)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (Wanted(sections=(".dta",)), "there is no section .dta (did you mean .data?)"),
        (Wanted(symbols=("thre",)), "there is no symbol thre (did you mean three?)"),
    ],
)
def test_a_part_that_there_is_not_is_an_error(tmp_path: Path, wanted: Wanted, message: str) -> None:
    with pytest.raises(PvasmError, match=message.replace("(", r"\(").replace(")", r"\)").replace("?", r"\?")):
        text_of(assembled(SYMBOLS, tmp_path, "first"), wanted)
