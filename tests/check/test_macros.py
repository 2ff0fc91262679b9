"""Sensitive instructions that macros and names hide: M1-M8, M16, M17 of the cases, each with others of its kind."""

from __future__ import annotations

import pytest

from tests.check.checking import check

TWO_R = "#ifdef FOO\n#define R r8\n#else\n#define R r9\n#endif\n"
OPEN_OR_NOT = "#ifdef FOO\n#define A {}\n#define B {}\n#else\n#define A\n#define B\n#endif\n"

# The case, the source, and the lines at which PV001 is due.
SENSITIVE = [
    # A macro means what it means when it is invoked.
    ("M1", ".macro gettime r\n getar \\r, itc\n.endm\n.macro getar r, a\n mov \\r=ar.\\a\n.endm\n gettime r8", [7]),
    (
        "M1",
        ".macro a r\n b \\r\n.endm\n.macro b r\n nop 0\n.endm\n a r8\n.purgem b\n.macro b r\n fc \\r\n.endm\n a r8",
        [10],
    ),
    ("M1", ".macro a op\n \\op r8\n.endm\n.macro b op\n a \\op\n.endm\n b fc", [7]),
    ("M1", "#define A(x) B(x)\n#define B(x) mov x = ar.itc\n A(r8)", [2]),
    ("M2", ".macro each ops:vararg\n.irp o,\\ops\n \\o r8=r9\n.endr\n.endm\n each thash,ttag", [6, 6]),
    ("M2", ".macro all a b:vararg\n \\a r8\n.ifnb \\b\n all \\b\n.endif\n.endm\n all nop, fc, fc.i", [7, 7]),
    ("M2", ".irpc c, ci\n.ifc \\c,i\n fc r8\n.endif\n.endr", [3]),
    ("M2", ".rept 2\n.irp r, 8, 9\n fc r\\r\n.endr\n.endr", [2, 2]),
    # Every arm counts.
    ("M3", ".ifndef FOO\n.macro g x\n mov r8=\\x\n.endm\n.else\n.macro g x\n nop 0\n.endm\n.endif\n g ar.itc", [10]),
    ("M3", "#ifdef FOO\n.macro g x\n mov r8=\\x\n.endm\n#else\n.macro g x\n nop 0\n.endm\n#endif\n g ar.itc", [10]),
    ("M3", ".if FOO == 1\nX = 1\n.elseif FOO == 2\n fc r8\n.endif", [4]),
    ("M3", ".if 0\n fc r8\n.else\n fc r9\n.endif", [4]),
    # Macros in operands.
    ("M4", "#define AR(n) ar.n\n mov r8=AR(itc)", [2]),
    ("M4", "#define PMD(n) pmd[n]\n#define Q PMD\n mov r8=Q(r9)", [3]),
    ("M4", "#define K(n) ar.i##n\n#define T K(tc)\n mov r8=T", [3]),
    ("M4", "#define P(n) p##n\n(P(6)) fc r8", [2]),
    ("M5", "#ifdef FOO\n#define CLK r9\n#else\n#define CLK ar.itc\n#endif\n mov r8=CLK", [6]),
    ("M5", ".if FOO\nCLK = ar.itc\n.else\nCLK = r9\n.endif\n mov r8=CLK", [6]),
    ("M5", "#define CLK ar.itc\n mov r8=CLK\n#undef CLK\n#define CLK r9\n mov r8=CLK", [2]),
    ("M5", "#define CLK r9\n mov r8=CLK\n#undef CLK\n#define CLK ar.itc\n mov r8=CLK", [5]),
    ("M5", "#define CLK r9\n#ifdef FOO\n#undef CLK\n#define CLK ar.itc\n#endif\n#define GET mov r8=CLK\n GET", [7]),
    # Labels, names that definitions make, pasting.
    ("M6", "#define L(x) .L##x\nL(foo): fc r8", [2]),
    ("M6", "#define L(x) x:\nL(foo) fc r8", [2]),
    ("M6", ".macro l n\n\\n: fc r8\n.endm\n l foo", [2]),
    ("M6", "#define TWO(a) a; fc r9\nTWO(fc r8)", [1, 2]),
    ("M7", ".macro def n v\n .set \\n, \\v\n.endm\n def clk, ar.itc\n mov r8=clk", [5]),
    ("M7", ".macro def n v\n\\n = \\v\n.endm\n def clk, ar.itc\n mov r8=clk", [5]),
    ("M7", "#define DEF(n, v) .equ n, v\n DEF(clk, ar.itc)\n mov r8=clk", [3]),
    ("M7", ".irp n, clk, tick\n\\n = ar.itc\n.endr\n mov r8=tick", [4]),
    ("M8", ".set foo#, ar.itc\n mov r1 = foo#", [2]),
    ("M8", ".rotp q#[2]\n(q#[1]) thash r8=r9", [2]),
    ("M8", "foo#: fc r8\n[bar#:] fc r9", [1, 2]),
    ("M16", "#define P_(a,b) a##b\n#define P(a,b) P_(a,b)\n P(th,ash) r8=r9", [3]),
    ("M16", "#define CAT(a,...) a##__VA_ARGS__\n CAT(f,c) r8", [2]),
    ("M16", "#define H tha\n#define P_(a,b) a##b\n#define P(a,b) P_(a,b)\n P(H,sh) r8=r9", [4]),
    ("M16", "#define CALL(f,args...) f(args)\n#define FLUSH(r) fc r\n CALL(FLUSH, r8)", [2]),
    ("M16", "#define O(x,...) x __VA_OPT__(= __VA_ARGS__)\n O(thash r8, r9)\n O(nop 0)\n O(fc r8,)", [2, 4]),
    ("M16", "#define O(x,y...) f##__VA_OPT__(c) x __VA_OPT__(; O2(y))\n#define O2(x) x\n O(r8, thash r9=r9)", [3, 3]),
    ("M16", "#define O(x,...) __VA_OPT__(f)##x##__VA_OPT__() r8\n O(c, 1)\n O(c)", [2]),
    ("M16", "#define N\n#define O(...) __VA_OPT__(thash) __VA_ARGS__\n O(N)\n O(r8=r9)", [4]),
    # Several meanings of what begins a loop or a conditional: what follows is read all the same.
    ("M5", f"{TWO_R}.irp x, R, r10\n fc \\x\n.endr\n thash r8=r9", [6, 6, 6, 9]),
    ("M5", f"{TWO_R}.macro m a\n.irp x, R, \\a\n mov \\x=ar.itc\n.endr\n.endm\n m r10\n fc r8", [8, 12]),
    ("M5", f"{TWO_R}.irp y, 1, 2\n.irp x, R\n add \\x=\\y,r1\n.endr\n.endr\n fc r8", [11]),
    ("M5", f"{TWO_R}.ifc R,r8\n fc r8\n.else\n fc r9\n.endif\n fc r10", [7, 9, 11]),
    ("M5", f"{TWO_R}.ifc r1,r2\n.elseif R == 5\n fc r8\n.else\n fc r9\n.endif\n fc r10", [8, 10, 12]),
    ("M5", f"{TWO_R}.macro m\n.ifc R,r8\n fc r8\n.else\n fc r9\n.endif\n.endm\n m\n fc r10", [8, 10, 14]),
    ("M3", "#ifdef FOO\n.irp o, fc\n#else\n.irp o, nop, ttag\n#endif\n \\o r8=r9\n.endr\n fc r8", [4, 8]),
    ("M3", "#ifdef FOO\n.irp o, nop\n#else\n.irp o, nop, ttag\n#endif\n \\o r8=r9\n.endr\n fc r8", [4, 8]),
    ("M3", "#ifdef FOO\n.if 0\n#else\n.if 1\n#endif\n fc r8\n.else\n fc r9\n.endif\n fc r10", [6, 8, 10]),
    ("M3", "#ifdef FOO\n.if 1\n#endif\n fc r8\n#ifdef FOO\n.else\n fc r9\n.endif\n#endif\n fc r10", [4, 10]),
    (
        "M3",
        ".macro m\n#ifdef FOO\n.irp x,r8\n#else\n.irp x,r9\n#endif\n mov \\x=ar.itc\n.endr\n.endm\n m\n fc r8",
        [7, 11],
    ),
    ("M5", f"{OPEN_OR_NOT.format('.rept 0', '.endr')}A\n fc r8\nB\n fc r9", [9, 11]),
    ("M5", f"{OPEN_OR_NOT.format('.if 0', '.endif')}A\n fc r8\nB\n fc r9", [9, 11]),
    ("M5", f"{OPEN_OR_NOT.format('.macro m', '.endm')}A\n fc r8\nB\n fc r9", [9, 11]),
    ("M3", "#ifdef FOO\n.rept 0\n#endif\n fc r8\n#ifdef FOO\n.endr\n#endif\n fc r9", [4, 8]),
    ("M3", "#ifdef FOO\n.if 0\n#endif\n fc r8\n#ifdef FOO\n.endif\n#endif\n fc r9", [4, 8]),
    ("M3", ".if 0\n#ifdef FOO\n.endif\n#else\n.endif\n#endif\n fc r8", [7]),
    # The ends of continued lines may split words.
    ("M16", "mo\\\nv r8=ar.i\\\ntc\n mov r9=ar\\ \n.itc", [1, 4]),
    ("M16", "#define A th\\\n\\\nash r8=r9\n#define CLK ar.itc\n A\n mov r8=C\\\nLK", [1, 6]),
    ("M16", ".mac\\\nro m op\n \\op r8\n.en\\\ndm\n m f\\\nc", [6]),
    ("M4", "#define CPU cpuid\n mov r8=CPU[r9]", [2]),
    ("M4", "#define F pmd\n#define G F\n#define N r9\n mov r8=G[N]", [4]),
    ("M4", "#define IS =\n mov r8 IS ar.itc", [2]),
    ("M16", "#define P(a,b) a##b\n P(,fc) r8", [2]),
    ("M16", "#define P(a,b,c) a##b##c\n P(f,,c) r8", [2]),
    ("M16", "#define G(a) pm##a\n mov r8=G(d)[r9]", [2]),
    ("M16", "#define C(n) ar.i##n\n mov r8=C(tc)", [2]),
    ("M16", "#define R ar.\n#define I() itc\n mov r8=R I()\n mov r9=ar.I()", [4]),
    ("M17", ".altmacro\n.macro g x\n mov r8=ar&x\n.endm\n g %(40+4)", [5]),
    ("M17", ".altmacro\nn = 43\n.macro g x\n mov r8=ar\\x\n.endm\n g %n+1", [6]),
    ("M17", ".altmacro\n.macro g\n LOCAL l\nl: fc r8\n.endm\n g", [4]),
    # GNU as counts invocations of macros for \@, and no turns of loops.
    ("M2", ".macro z\n.endm\n.rept 44\n z\n.endr\n.macro m\n mov r8=ar\\@\n.endm\n m", [9]),
    ("M2", ".macro z\n.endm\n.irp x,1,2\n.rept 22\n z\n.endr\n.endr\n.macro m\n mov r8=ar\\@\n.endm\n m", [11]),
    # The name of a register is a macro's like any other.
    ("M4", "#define r8 ar.itc\n mov r9=r8", [2]),
    ("M4", "#define r9 r10\n#define r10 ar.itc\n mov r8=r9", [3]),
    ("M4", " add r8=r9,r10 ;;\n#define r9 pmd[r3]\n mov r8=r9", [3]),
    ("M17", ".altmacro\n.macro g x\n mov r8=ar.&x\n.endm\n g itc", [5]),
    ("M17", ".altmacro\n.macro g x\n mov r8=x\n.endm\n g <ar.itc>\n.noaltmacro\n g ar.itc", [5]),
    ("M17", ".altmacro\n.macro g op, r\n op r\n.endm\n g fc, r8", [5]),
    ("M17", ".altmacro\n.macro g a, b=<ar.itc>\n mov a = b\n.endm\n g r8\n g r9, <ar.lc>", [5]),
    ("M17", ".altmacro\n.macro g op, n\n op r&n\n.endm\n g fc, %4+4\n g nop, 9", [5]),
    ("M17", ".altmacro\n.macro g n\n.if n\n.ifc n,1\n fc r9\n.endif\n g %(n-1)\n.endif\n.endm\n g 3", [5]),
    ("M17", ".altmacro\n.irp x, <fc r8>, <nop 0>\nx\n.endr", [2]),
    # Other names of directives, and other ways to write parameters and arguments.
    ("M2", ".irep o, nop, thash\n \\o r8=r9\n.endr", [1]),
    ("M2", '.irepc c, "xi"\n.ifc \\c,i\n fc r8\n.endc\n.endr', [3]),
    ("M2", ".rep 2\n fc r8\n.endr", [2]),
    ("M1", ".macro g x\n.ifb \\x\n.mexit\n.elsec\n\\x r8\n.endc\n.endm\n g fc", [8]),
    ("M1", ".macro g x\n mov r8=ar.&x\n.endm\n g itc", [4]),
    ("M1", ".macro g r.x\n mov r8=\\r.x\n.endm\n g ar.itc", [4]),
    ("M1", ".macro g op$, b\n \\op$ \\b\n.endm\n g fc r8", [4]),
    ("M1", '.macro g a="r8" , b = ar.itc\n mov \\a=\\b\n.endm\n g', [4]),
    ("M1", '.macro g a,b\n \\a \\b\n.endm\n g b="r8=r9" a="thash"', [4]),
    ("M1", ".macro g a,b=fc,c=r9\n \\b \\c\n.endm\n g 1,,r4\n g 1 , nop , 0", [4]),
    ("M1", ".macro g a /* one */ , b // two\n mov \\a = \\b\n.endm\n g r8 /* x */ , ar.itc // y", [4]),
    ("M1", '.macro g a\n \\a\n.endm\n g "fc r8 ; nop 0"', [4]),
]


@pytest.mark.parametrize(("case", "text", "lines"), SENSITIVE)
def test_what_macros_hide_is_found(case: str, text: str, lines: list[int]) -> None:
    assert [each.line for each in check(f"{text}\n", "PV001")] == lines


@pytest.mark.parametrize(
    ("case", "text"),
    [
        ("M1", ".macro a r\n fc \\r\n.endm\n.purgem a\n.macro a r\n nop 0\n.endm\n a r8"),
        ("M2", ".irp o, nop, break\n \\o 0\n.endr"),
        ("M3", ".if 0\n fc r8\n.endif"),
        ("M3", "X = 5\n.if X < 3\n fc r8\n.endif"),
        ("M4", "#define AR(n) ar.n\n mov r8=AR(lc)"),
        ("M5", "#define CLK ar.itc\n#undef CLK\n#define CLK r9\n mov r8=CLK"),
        ("M16", "#define S(x) #x\n .ascii S(fc r8)"),
        ("M2", '.irpc c, 8 9\n mov r\\c=0\n.endr\n.irpc x,"fc"\n nop 0\n.endr'),
        ("M17", ".altmacro\n.macro g x\n mov r8=ar.x\n.endm\n g itc"),  # a dot is part of a name
        ("M1", '.macro g a,b\n \\a\n.endm\n g nop,"fc r8"'),
        ("M16", "#define R(a,b) th a##b\n R(,ash) r8=r9"),  # `th ash', and no paste with what stands before
        ("M17", " nop 0\n.end\n fc r8"),
        ("M17", ".macro g x\n mov r8=x\n.endm\n g ar.itc"),  # not .altmacro: x is a symbol
    ],
)
def test_what_is_not_assembled_is_not_found(case: str, text: str) -> None:
    body = 2 if case == "M1" else 0  # a macro's body that nobody invokes is found where it stands
    assert [each.line for each in check(f"{text}\n", "PV001") if each.line != body] == []


@pytest.mark.parametrize(
    "text",
    [
        "#define IS =\n mov r8 IS ar.itc",
        "#define NONE\n#define AND ,\n add NONE r8 NONE = NONE r9 AND r10 NONE",
        "#define AT [r9]\n mov r8=pkr AT",
        '.macro g to\n mov r8 \\to\n.endm\n g "= ar.itc"',
        ".altmacro\n.macro g t\n mov r8 = ar.&t&\n.endm\n g itc",
    ],
)
def test_what_macros_make_a_statement_of_is_one(text: str) -> None:  # M4, M17
    assert check(f"{text}\n", "PV901") == []


def test_what_macros_make_no_statement_of_is_none() -> None:  # M4
    assert [each.line for each in check("#define R r8\n mov R IS R\n", "PV901")] == [2]


def test_a_name_of_a_control_register_is_privileged() -> None:  # M8
    (found,) = check("foo# = cr.ifa\n mov r1 = foo\n", "PV002")
    assert (found.line, found.message) == (2, "privileged instruction used directly: use MOV_FROM_IFA(r1)")


def test_what_a_name_makes_is_told_at_its_use() -> None:  # M4
    (found,) = check("#define AR(n) ar.n\n\tmov r8=AR(lc) ; mov r9=AR(itc)\n", "PV001")
    assert (found.line, found.column) == (2, 18)
    assert found.message.startswith(
        "sensitive instruction used directly: this makes `mov r9=ar.itc': use MOV_FROM_ITC("
    )


@pytest.mark.parametrize("body", ["ar.itc", "r17"])
def test_a_chain_of_definitions_that_is_too_long_says_the_limit_and_what_to_do(body: str) -> None:
    """F: `the macros do not come to an end' was said of 300 names that stand for each other."""
    names = [f"#define A{number + 1} A{number}" for number in range(300)]
    text = f"#define A0 {body}\n" + "\n".join(names) + "\n\tmov r8 = A300\n"
    (said,) = check(text, "PV902")
    assert said.message == (
        "not followed: macros that stand for each other are followed 200 deep, and A99 is beyond that: shorten the "
        "chain of definitions, or run the C preprocessor first (`pvasm check --cpp', `gcc -E -dD | pvasm expand')"
    )
    assert check(text.replace("A300", "A190"), "PV902") == []


# Macros called as instructions are: the source, and the lines at which something is due.
CALLED_AS_INSTRUCTIONS = [
    (".macro itc a\n nop 0\n.endm\n itc r18", []),
    (".macro cover\n nop 0\n.endm\n cover", []),
    (" cover\n.macro cover\n nop 0\n.endm\n cover", [1]),
    (".macro thash a\n nop 0\n.endm\n thash r8", []),
    (".macro thash a\n fc \\a\n.endm\n thash r8", [2]),
    ("#ifdef A\n.macro cover\n nop 0\n.endm\n#endif\n cover", [6]),
    ("#define fc ld8\n fc r8=[r9]", []),
    ("#define thash nop\n thash 0", []),
    ("#define ld8 fc\n ld8 r8", [1]),
    ("#define X ar.itc\n(p6) mov r8=X", [2]),
]


@pytest.mark.parametrize(("text", "lines"), CALLED_AS_INSTRUCTIONS)
def test_a_macro_called_as_an_instruction_is_the_macro(text: str, lines: list[int]) -> None:
    assert [each.line for each in check(text, "PV001", "PV002", "PV003")] == lines


@pytest.mark.parametrize("name", ["itc_d", "Itc_D"])
def test_an_op_is_no_macro_whose_name_is_like_its(name: str) -> None:
    """GNU as does not mind the case of macros' names; the op has given way to its expansion by then."""
    text = f".macro {name} a, b\nITC_D(p0, \\a, \\b)\n.endm\n{name} r18, r13\n"
    assert [(each.line, each.code) for each in check(text, "PV301")] == [(4, "PV301")]


PARTS_OF_WORDS = """\
#define X cr
#define Y X.ifa
#define W ifa
#define P psr
#define I i
#define SFX d
#define AR ar
 mov r2=X.ifa
 mov r3=Y
 mov r4=cr.W
 ssm P.i
 ssm psr.I
 itc.SFX r5
 mov r6=AR.itc
lab: (p6) mov r7=X.iip
 mov X.iip=r8
"""


def test_a_dot_parts_words_for_the_preprocessor() -> None:
    """M4: `X` before or behind a dot is the macro; all of these were missed, or told without their op."""
    assert [(each.line, each.code) for each in check(PARTS_OF_WORDS, "PV001", "PV002", "PV003", "PV911")] == [
        *((line, "PV002") for line in (8, 9, 10, 11, 12, 13)),
        (14, "PV001"),
        (15, "PV002"),
        (16, "PV002"),
    ]
