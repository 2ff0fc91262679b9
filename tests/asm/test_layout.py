"""Images, against what GNU as and ld make of the same text."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pvsim import Machine, load_image

from pvasm.asm.image import Image
from pvasm.asm.layout import lay_out, lay_out_together
from pvasm.asm.reading import assembly_parser
from pvasm.errors import PvasmError, UndefinedSymbols
from pvasm.isa.bundle import SIZE, Bundle
from pvasm.isa.encoding import decode
from pvasm.syntax.document import Document, read_document
from pvasm.text import read_text
from tests.corpus.build import Corpus
from tests.oracle import require_tool


def document_of(text: str, path: str = "t.s") -> Document:
    return read_document(assembly_parser(), text, path, preprocessed=True)


class Elsewhere(dict[str, int]):
    """An address for whatever a document does not define."""

    def get(self, name: str, default: object = None, /) -> int:
        return self.setdefault(name, 0x20000 + 16 * len(self))


def instructions(code: bytes, address: int) -> Iterator[str]:
    """The instructions of some bundles but for nops: predicate and mnemonic."""
    for at in range(0, len(code), SIZE):
        for _, unit, bits in Bundle.of(code[at : at + SIZE]).instructions():
            found = decode(bits, unit, address + at)
            assert found is not None
            if not found.mnemonic.startswith("nop"):
                yield f"p{found.predicate} {found.text.partition(' ')[0]}"


_HOLES = ("ivt", "relocate_kernel")
"""Files with room in their code, `.org` or `.skip`, which reads as break 0 and which objdump leaves out."""


def test_the_code_of_the_corpus_is_what_the_assembler_makes_of_it(corpus: Corpus) -> None:
    """Instructions in their order, section by section; only the nops between them differ."""
    total = 0
    for file in corpus.files:
        document = document_of(read_text(file.preprocessed), str(file.preprocessed))
        image = lay_out(document, stubs=Elsewhere())
        for segment in image.segments:
            if not segment.executable:
                continue
            theirs = [
                f"{each.predicate} {each.text.partition(' ')[0]}"
                for each in file.instructions
                if each.section == segment.name and each.mnemonic != "nop"
            ]
            ours = list(instructions(bytes(segment.data), segment.address))
            if file.name in _HOLES:
                ours, theirs = ([each for each in found if "break" not in each] for found in (ours, theirs))
            assert ours == theirs, file.name
            total += len(theirs)
    assert total > 5000


DATA = """
 .data
 data1 1, -1, 'a'
 .align 8
a: data8 a, b, b - a, (3 << 2) | 1
 data4.ua 7 + 2*3
b: .quad 0x123456789abcdef0
 .byte 3
 .word 4
 .byte 3
 .8byte 5
 data8.ua 6
 .long 7
 .byte 3
 .float 0.5
 real4.ua 0.25
 string "x\\n\\101"
 stringz "yz"
 .skip 5
 .byte 1
 .balign 32
 real4 1.5
 real8 -2.25
 data2 0x8000, 0x7fff
 .fill 3, 2, 0x1234
c = b - a
 data4 c, . - a
1: data8 1b, 1f
1: data8 1b
 .org 0x180
 data1 9
"""


def linked(text: str, folder: Path, *addresses: str) -> bytes:
    """The bytes of `.data`, as assembler and linker make them."""
    source, made, whole, raw = (f"{folder}/t.{ending}" for ending in ("s", "o", "elf", "bin"))
    Path(source).write_text(text)
    subprocess.run([require_tool("ia64-linux-gnu-as"), "-o", made, source], check=True)
    ld = [require_tool("ia64-linux-gnu-ld"), "-e0", *addresses, "-o", whole, made]
    subprocess.run(ld, check=True, capture_output=True)
    copy = [require_tool("ia64-linux-gnu-objcopy"), "-O", "binary", "-j", ".data", whole, raw]
    subprocess.run(copy, check=True)
    return Path(raw).read_bytes()


def test_data_is_what_the_assembler_makes_of_it(tmp_path: Path) -> None:
    image = lay_out(document_of(DATA), address=0x40000)
    (segment,) = [each for each in image.segments if each.name == ".data"]
    assert bytes(segment.data) == linked(DATA, tmp_path, "-Tdata", hex(segment.address))


PADDED = """
 .text
 { .mii
 mov r1 = r2
 nop.i 0
 nop.i 0 ;;
 }
 .align 64
 { .mii
 mov r1 = r3
 nop.i 0
 nop.i 0 ;;
 }
 .p2align 5, 0x11
 { .mii
 mov r1 = r4
 nop.i 0
 nop.i 0 ;;
 }
 .balign 64, 0
 data1 1
 .align 32
"""


def test_code_is_filled_up_with_nops(tmp_path: Path) -> None:
    """Control goes on through an alignment in code; what is given to fill it with is taken."""
    image = lay_out(document_of(PADDED))
    (segment,) = [each for each in image.segments if each.executable]
    made, raw = tmp_path / "t.o", tmp_path / "t.bin"
    (tmp_path / "t.s").write_text(PADDED)
    subprocess.run([require_tool("ia64-linux-gnu-as"), "-x", "-o", str(made), str(tmp_path / "t.s")], check=True)
    copy = [require_tool("ia64-linux-gnu-objcopy"), "-O", "binary", "-j", ".text", str(made), str(raw)]
    subprocess.run(copy, check=True)
    assert bytes(segment.data).hex(" ", 16) == raw.read_bytes().hex(" ", 16)


def word(image: Image, name: str) -> bytes:
    """Two words at a symbol."""
    address = image.symbols[name]
    for segment in image.segments:
        if segment.address <= address < segment.address + len(segment.data):
            at = address - segment.address
            return bytes(segment.data[at : at + 16])
    raise AssertionError(name)


def test_a_function_descriptor_is_in_the_linkage_table() -> None:
    image = lay_out(document_of("f: nop.m 0 ;;\n.data\np: data8 @fptr(f), @pcrel(f)\n"))
    pointer = int.from_bytes(word(image, "p")[:8], "little")
    (table,) = [each for each in image.segments if each.name == ".got"]
    entry, gp = (int.from_bytes(table.data[at : at + 8], "little") for at in (0, 8))
    assert pointer == table.address == gp
    assert entry == image.symbols["f"]
    place = image.symbols["p"] + 8
    assert int.from_bytes(word(image, "p")[8:], "little", signed=True) == image.symbols["f"] - place


def test_bundles_are_as_written_between_braces() -> None:
    text = "{ .mib\n ld8 r8=[r9]\n nop.i 5\n br.ret.sptk b0 ;;\n}\n add r8=r9,r10 ;;\n add r9=r8,r10\n"
    image = lay_out(document_of(text))
    code = bytes(image.segments[0].data)
    assert [Bundle.of(code[at : at + SIZE]).template for at in (0, 16)] == [0x11, 0x0B]
    assert len(code) == 32


def test_a_tag_and_what_goes_elsewhere_end_no_bundle() -> None:
    """As the kernel marks what may fault: memcpy_mck jumps by the number of bundles."""
    text = 'f: ld8 r8=[r9]\n.xdata4 "__ex_table", 99f-., 0\n[99:] ld8 r10=[r11]\n.data\np: data8 99b\n'
    image = lay_out(document_of(text))
    assert len(image.segments[0].data) == 16
    assert int.from_bytes(word(image, "p")[:8], "little") == image.symbols["f"] + 1
    (table,) = [each for each in image.segments if each.name == "__ex_table"]
    assert int.from_bytes(table.data[:4], "little", signed=True) == image.symbols["f"] + 1 - table.address


def test_every_turn_of_a_loop_is_laid_out() -> None:
    image = lay_out(document_of(".data\n.rept 1200\n.byte 1\n.endr\n"))
    assert bytes(image.segments[-1].data) == b"\1" * 1200


def test_behind_a_call_a_bundle_begins() -> None:
    image = lay_out(document_of("f: br.call.sptk b0=f\nadd r8=r9,r10\n"))
    assert len(image.segments[0].data) == 32


def test_a_label_may_be_written_again_where_it_is() -> None:
    """As GNU as has it: `.proc x; x:; .global x; x:` of macros that each define a name."""
    image = lay_out(document_of("nop 0 ;;\nx:\n.global x\nx: y: x:\n mov r1=r2 ;;\n"), address=0x4000)
    assert (image.symbols["x"], image.symbols["y"]) == (0x4010, 0x4010)


def test_lines_and_symbols_are_told() -> None:
    image = lay_out(document_of("f: nop.m 0 ;;\n br.ret.sptk b0 ;;\ng: nop.m 0\n"), address=0x100)
    assert image.line_of(0x100) == ("t.s", 1)
    assert image.line_of(0x128) == ("t.s", 3)
    assert image.line_of(0x200) is None
    assert (image.symbol_of(0x120), image.symbol_of(0x108), image.symbol_of(0)) == ("g", "f+0x8", None)


def test_a_name_that_others_define_is_asked_for_once() -> None:
    """Each name is needed twice for the one before: 2^60 times the last."""
    names = "".join(f"x{at} = x{at + 1}+x{at + 1}\n" for at in range(60))
    image = lay_out(document_of(f"{names}x60 = y - y + 1\n movl r8=x0 ;;\ny:"))
    machine = Machine()
    load_image(machine, image)
    machine.ip = image.segments[0].address
    machine.run(2)
    assert machine.gr[8] == 1 << 60


def test_a_weak_symbol_that_nothing_defines_is_0() -> None:
    """As ld has it; with a value where there is one."""
    image = lay_out(document_of(".weak a, b\n.data\ndata8 a, b\nb:\n"))
    data = bytes(image.segments[-1].data)
    assert [int.from_bytes(data[at : at + 8], "little") for at in (0, 8)] == [0, image.symbols["b"]]
    assert lay_out(document_of(".weak a\n.data\ndata8 a"), stubs={"a": 5}).segments[-1].data[0] == 5


def test_several_files_are_one_image() -> None:
    """Global names are for all, others for their file; one gp, one linkage table; lines are of both."""
    first = "f: br.call.sptk b0=g ;;\n addl r2=@ltoff(shared),gp\n addl r3=@gprel(mine),gp\n mov r8=SIZE ;;\n.data\n"
    first += "mine: data8 0, shared, away\n.weak away, both\n.global f\n"
    second = ".global g, shared, SIZE\nSIZE = 24\nreturns: br.ret.sptk b0 ;;\ng: addl r2=@ltoff(shared),gp ;;\n"
    second += ".data\nmine: data8 0\nshared: data8 mine, f\n.weak both\nboth: data8 both\n"
    image = lay_out_together([document_of(first, "a.s"), document_of(second, "b.s")], address=0x4000)
    symbols = image.symbols
    assert symbols["f"] == 0x4000
    assert [each.name for each in image.segments] == [
        *(".text of a.s", ".data of a.s", ".text of b.s", ".data of b.s", ".got"),
    ]

    def words(name: str) -> list[int]:
        (data,) = (bytes(each.data) for each in image.segments if each.name == name)
        return [int.from_bytes(data[at : at + 8], "little") for at in range(0, len(data), 8)]

    own = next(each.address for each in image.segments if each.name == ".data of b.s")
    assert words(".data of a.s") == [0, symbols["shared"], 0]
    assert words(".data of b.s") == [0, own, symbols["f"], symbols["both"]]
    assert words(".got") == [symbols["shared"]]
    machine = Machine()
    load_image(machine, image)
    machine.gr[1], machine.ip = image.gp, symbols["f"]
    machine.run(4)
    assert machine.gr[2] == image.gp, "the call went to the other file"
    assert {path for _, path, _ in image.lines} == {"a.s", "b.s"}


def test_what_several_files_say_differently() -> None:
    texts = {"a.s": "f: nop 0 ;;\n.global f\n movl r2=gone\n", "b.s": "nop 0 ;;\n.globl f\nf: movl r2=local\n"}
    documents = [document_of(text, path) for path, text in texts.items()]
    with pytest.raises(PvasmError) as caught:
        lay_out_together(documents)
    assert str(caught.value) == "b.s:2:1: `f' is global here and in a.s"
    documents[1] = document_of("g: movl r2=f ;;\n movl r3=other ;;\n", "b.s")
    with pytest.raises(UndefinedSymbols) as several:
        lay_out_together(documents)
    assert list(several.value.places) == ["gone", "other"]
    documents[0] = document_of("f: nop 0 ;;\n", "a.s")  # not global: nobody else's
    with pytest.raises(UndefinedSymbols, match="nothing defines `f', nor `other'"):
        lay_out_together(documents)


def test_all_symbols_that_nothing_defines_are_told_of_at_once() -> None:
    text = "movl r2=a ;;\n movl r3=b+c+a\nx = q\n movl r4=x\n br.cond.sptk far\n .data\n data8 a, d\n"
    with pytest.raises(UndefinedSymbols) as caught:
        lay_out(document_of(text))
    assert str(caught.value) == "t.s:1:1: nothing defines `a', nor `b', `c', `q', `far', `d'"
    assert [(name, each.line) for name, each in caught.value.places.items()] == [
        *(("a", 1), ("b", 2), ("c", 2), ("q", 3), ("far", 5), ("d", 7)),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("br.cond.sptk nowhere", "t.s:1:1: nothing defines `nowhere'"),
        ("nop 0\n mvo r8=r9", "t.s:2:2: `mvo' is no instruction and no macro that is defined"),
        ("f: nop 0 ;;\nf: nop 0", "t.s:2:1: `f' is defined twice"),
        (".frob 1", "t.s:1:1: .frob is not known here"),
        ("data8 1 +", "t.s:1:1: `1 +' is no expression"),
        (" .skip later\nlater:", "t.s:1:2: what `later' is, is not known here"),
        (
            "{ .bbb\n add r8=r9,r10\n}",
            "t.s:2:2: `add r8=r9,r10' does not fit in the template .bbb: it needs an M slot or an I slot there",
        ),
        ("mov r8=@dtprel(x)\nx:", "t.s:1:1: @dtprel means nothing in one image"),
        (".align 3", "t.s:1:1: 3 is no power of two"),
        (".p2align 60", "t.s:1:1: 0x1000000000000000 is too large: at most 0x10000000"),
        (".skip -1", "t.s:1:1: .skip of -1"),
        (
            ".rept 1000000\n.quad 1, 2, 3, 4\n.endr",
            "t.s:1:1: macros make more code than is followed",
        ),
        (".rept 1000000000\n.endr", "t.s:1:1: macros make more code than is followed"),
        ("nop 0 ;;\n .org 1", "t.s:2:2: .org goes back, from 0x10 to 0x1"),
        ("{ .mii\n nop.m 0", "t.s:1:1: `{' without `}'"),
        ("x = x\n movl r8=x", "t.s:1:1: `x' is defined by itself"),
        ("x = x+1\n data8 x", "t.s:1:1: `x' is defined by itself"),
        ("x = y+y\ny = x+x\n movl r8=x", "t.s:2:1: `y' is defined by itself"),
        (
            "".join(f"x{at} = x{at + 1}\n" for at in range(100)) + "x100 = y\n movl r8=x0\ny:",
            "t.s:66:1: `x65' is needed by 64 names, each for the one before",
        ),
    ],
)
def test_what_has_no_place_is_an_error_there(text: str, message: str) -> None:
    with pytest.raises(PvasmError) as caught:
        lay_out(document_of(text))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "text", [r"\xq", r"\x123", r"\400", r"\8", r"\18", r"\777", r"\1234", r"\q", r"\n\t\b\f\r", r"\""]
)
def test_escapes_in_strings_are_those_of_the_assembler(tmp_path: Path, text: str) -> None:
    source, made, raw = tmp_path / "t.s", tmp_path / "t.o", tmp_path / "t.bin"
    source.write_text(f'\t.data\n\tstring "{text}|"\n')
    subprocess.run([require_tool("ia64-linux-gnu-as"), "-o", made, source], check=True, capture_output=True)
    subprocess.run([require_tool("ia64-linux-gnu-objcopy"), "-O", "binary", "-j", ".data", made, raw], check=True)
    assert bytes(lay_out(document_of(source.read_text())).segments[-1].data) == raw.read_bytes()
