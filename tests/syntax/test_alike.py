"""Statements that differ in nothing but registers and numbers: each tree is what it is when parsed for itself."""

from __future__ import annotations

import random
import re

from pvasm.asm.reading import assembly_parser
from pvasm.syntax.parser import Parser
from pvasm.syntax.tree import Instruction

STATEMENTS = (
    "add r1=r2,r3",
    "(p6) add r1 = r2 , r3, 1",
    "(p6)ld8.c.clr r5=[r21],8",
    "st8 [ r21 ]=r5,-8",
    "adds r1=-8,r2",
    "addl r1=0x10,r2",
    "mov ar.lc=r1",
    "mov r1=ar.pfs",
    "mov pr=r1,-0x10",
    "cmpxchg8.acq r1=[r2],r3,ar.ccv",
    "ld16 r1,ar.csd=[r2]",
    "(p7) br.cond.sptk label",
    "chk.a.nc f6,label+16",
    "fma.s1 f6=f7,f1,f0",
    "dep r1=-1,r2,3,4",
    "cmp.eq p6,p0=in0,r3",
    "ld8 r1=[sp]",
    "mov r1=cpuid[r2]",
    "r1: add r1=r2,r3",
    "r1 : nop 0",
    "[r1:] nop 0",
    "1: nop 0x12345",
    "r1 = 5",
    ".mii add r1=r2,r3",
    "add r1=r2+1,r3",
    "add r1=(r2),r3",
    "mov r1=1b",
    "mov r1=08",
    "mov r1=1.5",
    "movl r1=0x10#",
    "SAVE(r1, 8)",
    "SAVE r1, 8",
    "data8 1, 2",
    "foo r1=r2",
    "add r1=r2,",
    "add /* r4 */ r1=r2,r3",
    "adds r1=@gprel(x),r2",
    "add r1=r2,\0",
)
DIGITS = re.compile(r"(?<![\w.])0x[0-9a-f]+|(?<=[rfpb])[0-9]+|(?<![\w.])[0-9]+")


def other(text: str, choose: random.Random) -> str:
    """The statement with other registers and numbers, and sometimes something else between them."""
    numbers = ("0", "1", "8", "9", "09", "127", "999", "0x1f", "0x0", "18446744073709551615", "1b", "1#", "5u")
    text = DIGITS.sub(lambda found: choose.choice(numbers[: choose.choice((8, 13))]), text)
    return text.replace(",", choose.choice((",", ",", ", ", " ,\t")))


def test_alike() -> None:
    choose = random.Random(5)
    parser, alone = assembly_parser(), assembly_parser()
    assert isinstance(parser, Parser)
    taken = 0
    for number in range(6_000):
        text = other(choose.choice(STATEMENTS), choose)
        found, due = parser.chunk(text), alone._parse(text)
        assert (repr(found), found) == (repr(due), due), f"{number}: {text}"
        taken += isinstance(found[0], Instruction)
    assert taken > 3_000
    assert sum(each is not None for each in parser._likes.values()) > 100


def test_places() -> None:
    """What comes behind longer words stands further on."""
    parser = assembly_parser()
    parser.chunk("(p6) ld8 r1=[r2],8")
    (found,) = parser.chunk("(p16) ld8 r101=[r2],0x100")
    assert isinstance(found, Instruction)
    increment = found.inputs[1]
    assert (found.mnemonic_start, increment.start, increment.end, found.end) == (6, 20, 25, 25)
