"""Operands that the assembler refuses (PV604, M20): what is flagged, where, and what is left alone.

That the rule flags what GNU as refuses of each instruction form and operand, `tests/asm/test_refusals.py` compares.
"""

from __future__ import annotations

import pytest

from tests.check.checking import check


def _said(text: str, *, preprocessed: bool = False) -> list[tuple[int, int, str]]:
    found = check(text, "PV604", preprocessed=preprocessed)
    return [(diagnostic.line, diagnostic.column, diagnostic.message) for diagnostic in found]


@pytest.mark.parametrize("preprocessed", [True, False])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("adds r8=-8193,r9", "operand 2 of `adds' must be an integer from -8192 to 8191, not -8193"),
        ("addl r8=0x200000,r3", "operand 2 of `addl' must be an integer from -2097152 to 2097151"),
        ("addl r8=5,r4", "operand 3 of `addl' must be a general register from r0 to r3"),
        ("mov pr=r5,0x20000", "operand 3 of `mov' must be an integer from -0x10000 to 0x1ffff"),
        ("cmp.lt p6,p7=-129,r8", "operand 3 of `cmp.lt' must be an integer from -128 to 127"),
        ("cmp.gt p6,p7=-128,r8", "operand 3 of `cmp.gt' must be an integer from -127 to 128"),
        ("extr r8=r9,64,1", "operand 3 of `extr' must be an integer from 0 to 63"),
        ("dep.z r8=r9,0,65", "operand 4 of `dep.z' must be an integer from 1 to 64"),
        ("shladd r8=r9,5,r10", "operand 3 of `shladd' must be an integer from 1 to 4"),
        ("fetchadd4.acq r8=[r9],3", "operand 3 of `fetchadd4.acq' must be one of -16, -8, -4, -1, 1, 4, 8 and 16"),
        ("ld8 r8=[r9],256", "operand 3 of `ld8' must be an integer from -256 to 255"),
        (
            "alloc r8=ar.pfs,60,30,7,0",
            "the operands of `alloc' do not fit together: a frame has at most 96 registers, not 97",
        ),
        (
            "alloc r8=ar.pfs,1,2,1,9",
            "the operands of `alloc' do not fit together: the number of rotating registers is a multiple of 8, not 9",
        ),
        (
            "alloc r8=ar.pfs,0,8,0,16",
            "the operands of `alloc' do not fit together: a frame of 8 registers cannot have 16 rotating ones",
        ),
        (
            "alloc r8=ar.pfs,1,2,3,4",
            "the operands of `alloc' do not fit together: the number of rotating registers is a multiple of 8, not 4",
        ),
        ("break.m 0x200000", "operand 1 of `break.m' must be an integer from 0x0 to 0x1fffff"),
        ("mov ar.lc=256", "operand 2 of `mov' must be "),
        ("mov r8=cpuid[3]", "the index of cpuid[] must be a general register"),
        ("(r6) mov r8=r9", "the qualifying predicate must be a predicate register"),
        ("br.cond.sptk 0x1000000", "operand 1 of `br.cond.sptk' must be the address of a bundle"),
        ("nop", "`nop' takes 1 operand, not 0"),
        # An execution unit that does not have the register (SDM vol. 3, mov ar).
        ("mov.m r8=ar.lc", "`mov.m' cannot have ar.lc, which only the I unit has: write `mov.i', or `mov' for"),
        ("mov.m ar.pfs=r8", "`mov.m' cannot have ar.pfs, which only the I unit has: write `mov.i', or `mov' for"),
        ("mov.i ar.ccv=5", "`mov.i' cannot have ar.ccv, which only the M unit has: write `mov.m', or `mov' for"),
        ("mov.i r8=pr.rot", "operand 2 of `mov.i' must be an application register from ar48 to ar127, not pr.rot"),
        # How many operands there are.
        ("ld8.fill r8=[r9],r10,r11", "`ld8.fill' takes 1 output and 1 or 2 inputs, not 1 and 3"),
        ("ld8.fill r8,r9,r10", "`ld8.fill' takes 1 output and 1 or 2 inputs, not 3 operands without `='"),
        ("add r8=r1", "`add' takes 1 output and 2 or 3 inputs, not 1 and 1"),
        ("fc r8=r9", "`fc' takes 1 operand, not 1 output and 1 input"),
        ("itc.d r8,r9", "`itc.d' takes 1 operand, not 2"),
        # Of what may stand there, no range within another.
        ("add r8=f9,r3", "operand 2 of `add' must be a general register or an integer from -2097152 to 2097151; `f9'"),
        ("mov.m ar.rsc=f8", "operand 2 of `mov.m' must be a general register or an integer from -128 to 127; `f8'"),
        # Numbers as they are written; an expression, and a name, with their value.
        ("addl r8=0x200000,r1", "operand 2 of `addl' must be an integer from -2097152 to 2097151, not 0x200000"),
        ("adds r8=8190+5,r9", "operand 2 of `adds' must be an integer from -8192 to 8191; `8190+5' is 8195"),
        (
            "alloc r8=ar.pfs,0,9,1,4",
            "the operands of `alloc' do not fit together: the number of rotating registers is a multiple of 8, not 4",
        ),
    ],
)
def test_what_is_said(text: str, said: str, preprocessed: bool) -> None:
    ((line, _, message),) = _said(f"\tnop 0\n\t{text} ;;\n", preprocessed=preprocessed)
    assert line == 2
    assert message.startswith(said)


def test_what_a_macro_makes_is_told_of_where_a_person_wrote_it() -> None:
    text = ".macro add8k r\n\tadds \\r=8192,\\r\n\t.endm\n\tadd8k r8\n\tadd8k r9\n"
    assert [(line, column) for line, column, _ in _said(text)] == [(2, 10)]
    text = "#define ADD(r, n) adds r = n + 1, r\n\tADD(r8, 8190)\n\tADD(r8, 8191)\n"
    assert _said(text) == [
        (
            3,
            2,
            "this makes `adds r8 = 8191 + 1, r8': operand 2 of `adds' must be an integer from -8192 to 8191;"
            " `8191+1' is 8192",
        )
    ]


@pytest.mark.parametrize(
    "text",
    [
        # Bodies of `#define` need not be whole, and their parameters may be called as registers are.
        "#define EXTEND zxt4\n\tEXTEND r8=r9\n",
        "#define LOAD(pr, b1) (pr) ld8 r8=[b1]\n",
        # What a header that is not seen may explain.
        "\tadds r8=OFFSET+8192,r9\n\tmov r8=pair\n\tadd OPERANDS\n\tadd r8=OPERANDS\n",
        # Which alloc counts depends on the configuration, or on a macro that is not seen.
        "#ifdef A\n\talloc r8=ar.pfs,1,2,1,0\n#else\n\talloc r8=ar.pfs,1,5,1,0\n#endif\n\tmov r8=loc4\n",
        "\talloc r8=ar.pfs,1,2,1,0\n\tSAVE_SWITCH_STACK\n\tmov r8=loc4\n",
        '\talloc r8=ar.pfs,1,2,1,0\n#include "entry.h"\n\tmov r8=loc4\n',
        "\talloc r8=ar.pfs,1,LOCALS,1,0\n\tmov r8=loc4\n",
        "#include <asm/asmmacro.h>\n\tmov r8=in0\n",
        # In the body of a macro it is the one around the invocation.
        "\talloc r8=ar.pfs,1,2,1,0\n.macro get n\n\tmov r8=loc4\n.endm\n\talloc r8=ar.pfs,1,5,1,0\n\tget\n",
        # In another arm of the assembler's conditional.
        ".if X\n\talloc r8=ar.pfs,1,2,1,0\n.else\n\talloc r8=ar.pfs,1,5,1,0\n.endif\n\tmov r8=loc4\n",
    ],
)
def test_what_is_not_known_is_left_alone(text: str) -> None:
    assert _said(text) == []


def test_the_frame_is_known_again_behind_the_next_alloc() -> None:
    text = "\tSAVE_ALL\n\tmov r8=loc4\n\talloc r8=ar.pfs,1,2,1,0\n\tmov r8=loc4\n#ifdef A\n\tmov r8=loc5\n#endif\n"
    assert [line for line, _, _ in _said(text)] == [4, 6]


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("br.ret.sptk foo", "operand 1 of `br.ret.sptk' must be a branch register; `foo' is a symbol"),
        ("br.ret.sptk 1f", "operand 1 of `br.ret.sptk' must be a branch register; `1f' is a symbol"),
        ("br.ret.sptk other#", "operand 1 of `br.ret.sptk' must be a branch register; `other#' is a symbol"),
        ("br.call.sptk foo = b0", "operand 1 of `br.call.sptk' must be a branch register; `foo' is a symbol"),
        ("br.ia.sptk foo", "operand 1 of `br.ia.sptk' must be a branch register; `foo' is a symbol"),
        ("mov.sptk b6 = foo, foo", "operand 2 of `mov.sptk' must be a general register; `foo' is a symbol"),
        ("add r8 = r9, foo", "operand 3 of `add' must be a general register; `foo' is a symbol"),
        ("ld8 r8 = [foo]", "the address in brackets must be a general register"),
        ("(foo) nop 0", "the qualifying predicate must be a predicate register"),
        ("cmp.eq foo, p7 = r1, r2", "operand 1 of `cmp.eq' must be a predicate register; `foo' is a symbol"),
    ],
)
def test_a_label_is_no_register(statement: str, message: str) -> None:
    assert [said for _, _, said in _said(f"foo: {statement}\n1:\n")] == [message]


@pytest.mark.parametrize(
    "text",
    [
        "foo: br.cond.sptk foo\n\tbr.call.sptk b0 = foo\n\tmovl r8 = foo\n\tmov.sptk b6 = r8, foo\n",
        "\tbr.ret.sptk foo\n",  # the compiler's -D may explain it
        "#define foo b0\n\tbr.ret.sptk foo\n",
        "#define GO(foo) foo: br.ret.sptk foo\n\tbr.ret.sptk foo\n",
        ".macro go foo\nfoo: nop 0\n.endm\n\tbr.ret.sptk foo\n",
    ],
)
def test_a_label_may_stand_where_one_is_due(text: str) -> None:
    assert _said(text) == []
