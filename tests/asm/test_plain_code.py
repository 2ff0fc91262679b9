"""Code laid out line by line is where it is when it is read as a document, or it is left to that."""

from __future__ import annotations

import random

import pytest

from pvasm.asm.image import Image
from pvasm.asm.layout import lay_out
from pvasm.asm.plain_code import lay_out_plain
from pvasm.asm.reading import assembly_parser
from pvasm.errors import PvasmError
from pvasm.syntax.document import read_document
from tests.syntax.test_alike import DIGITS, STATEMENTS

PLAIN = (
    "add r1=r2,r3",
    "add r1=5,r3",
    "(p6) add r1 = r2 , r3, 1",
    "addl r1=0x10,r2",
    "adds r1=-8,r2",
    "cmp.eq p6,p1=1,r3",
    "cmp.lt.unc p6,p1=-0x1,r3",
    "dep r1=r1,r2,3,4",
    "fma.s1 f6=f7,f1,f0",
    "ldfpd f6,f7=[r1]",
    "ld8 r1=[r2],8",
    "st8 [ r21 ]=r5,-8",
    "mov r1=r2",
    "mov r1=5",
    "mov b6=r1",
    "mov ar.lc=r1",
    "movl r1=0x1234567890",
    "movl r1=lab",
    "movl r1=5",
    "nop 0x12345",
    "nop.f 0",
    "(p7) br.cond.sptk lab",
    "br.call.sptk.few b0=lab",
    "alloc r1=ar.pfs,1,1,1,0",
    "fetchadd4.acq r1=[r3],4",
    "tbit.nz p6,p1=r1,5",
    "clrrrb",
    "(p6) rfi",
    "mux1 r1=r2,@rev",
)
LINES = (
    *(
        "lab:",
        "other :",
        "1:",
        "",
        " // comment",
        "/* a",
        "*/",
        "{",
        "}",
        ".mii",
        ".text",
        '# 1 "a"',
        "x = 5",
        "[tag:]",
    ),
    *(
        "add r1=r2,r3 ; add r4=r5,r6 ;;",
        "lab2: add r1=r2,r3",
        ";;",
        ";",
        ".align 64",
        "nop 0 ;; nop 1",
        "(p1",
        "add r1=(",
    ),
    *("p6)", "r1: nop 0", "lab:", '"a"', "data8 1", "ADD r1=r2,r3", "add r1=r2,r3\r", "add r1=r2,r3\f;;", "# comment"),
)


def other(text: str, choose: random.Random) -> str:
    """The statement with other registers and numbers, which it can take most often."""
    numbers = (
        "1",
        "2",
        "3",
        "4",
        "6",
        "7",
        "8",
        "15",
        "0",
        "31",
        "0x7",
        "127",
        "128",
        "999",
        "08",
        "0x123456789abcdef01",
    )
    return DIGITS.sub(lambda found: choose.choice(numbers[: choose.choice((7, 7, 7, 7, 7, 7, 9, 11, 16))]), text)


def whole(text: str, address: int, start: int) -> Image | None:
    """The image by way of a document; None where that tells what is wrong."""
    try:
        document = read_document(assembly_parser(), text, preprocessed=True)
        return lay_out(document, address=address, start=start, tells_lines=False)
    except PvasmError:
        return None


def told(image: Image) -> object:
    return image.segments, image.symbols, image.gp


def test_plain_code() -> None:
    choose = random.Random(1)
    plain = odd = 0
    for _ in range(1500):
        lines = []
        for _ in range(choose.randrange(1, 9)):
            statement = choose.choice(PLAIN if choose.random() < 0.93 else STATEMENTS)
            line = choose.choice((" ", "\t", "")) + other(statement, choose) + choose.choice((" ;;", ";;", "", "\t"))
            lines.append(line if choose.random() < 0.95 else choose.choice(LINES))
        text = "\n".join((*lines, "lab:" if choose.random() < 0.7 else ""))
        start = choose.choice((0, 64, 4096))
        found = lay_out_plain(assembly_parser(), text, address=0x100_0000, start=start)
        expected = whole(text, 0x100_0000, start)
        if found is None:
            odd += 1
            continue
        assert expected is not None, text
        assert told(found) == told(expected), text
        plain += 1
    assert min(plain, odd) > 250, (plain, odd)


@pytest.mark.parametrize("text", ["", "lab:", " add r1=r2,r3 ;;\n mov r3=0 ;;", " br.few lab\nlab:\n nop 0"])
def test_what_is_plain(text: str) -> None:
    found, expected = lay_out_plain(assembly_parser(), text, address=0, start=0), whole(text, 0, 0)
    assert found is not None
    assert expected is not None
    assert told(found) == told(expected)


@pytest.mark.parametrize("line", LINES)
def test_each_line_by_itself(line: str) -> None:
    for text in (line, f" nop 0\n{line}\n nop 0 ;;", f"{line}\n{line}"):
        found = lay_out_plain(assembly_parser(), text, address=0, start=0)
        expected = whole(text, 0, 0)
        assert found is None or (expected is not None and told(found) == told(expected)), text
