"""Sensitive instructions in odd places, and what only looks like one."""

from __future__ import annotations

import pytest

from tests.check.checking import check, found

NATIVE = "__IA64_ASM_PARAVIRTUALIZED_NATIVE"
XEN = "__IA64_ASM_PARAVIRTUALIZED_XEN"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: b: (p6) thash r1=r2;; fc r3", ["(p6) thash r1=r2", "fc r3"]),
        ("{ .mmi\n mov r1=ar.itc\n nop.m 0; nop.i 0 }", ["mov r1=ar.itc"]),
        ("{ .mib (p6) mov.m r1=ar.itc", ["(p6) mov.m r1=ar.itc"]),
        ("mov r1 /* x */ = // y\n", []),
        ("mov r1 = /* a\n b */ ar.itc", ["mov r1 = /* a\n b */ ar.itc"]),
        ("mov r1 = \\\n cpuid[r2]", ["mov r1 = \\\n cpuid[r2]"]),
        ("#define GET(r) \\\n nop 0;; \\\n mov r=ar.itc", ["mov r=ar.itc"]),
        ("#define GET(r) nop 0 ; fc r // z", ["fc r"]),
        ("#define FLUSH fc", ["fc"]),
        (".macro get r\n mov \\r = ar.itc\n.endm", ["mov \\r = ar.itc"]),
        ("DO_SAVE_MIN(cover, mov r30=ar.itc, , X)", ["cover", "mov r30=ar.itc"]),
        ("EX(.Lfault, mov r8 = pmd[r9])", ["mov r8 = pmd[r9]"]),
        ("TWO(nop 0 ; fc r3, x)", ["fc r3"]),
        ("MACRO(1) thash r1=r2", ["thash r1=r2"]),
        ("x = r9\n thash x = r2", ["thash x = r2"]),
        ("clock = ar.itc\n mov r8 = clock", ["mov r8 = clock"]),
        ("#define CLOCK ar.itc\n mov r8 = CLOCK", ["mov r8 = CLOCK"]),
        ("THASH r1=r2", ["THASH r1=r2"]),
        ("mov r8=ar44", ["mov r8=ar44"]),
        ("mov r8 = ar.itc", ["mov r8 = ar.itc"]),
        ("#ifdef CONFIG_X\n fc r3\n#else\n fc r4\n#endif", ["fc r3", "fc r4"]),
        ("#if 0\n fc r3\n#endif", []),
        ('nop 0 // fc r3\n/* thash r1=r2 */\n.string "cover; fc r3"\n# cover\n', []),
        ("fc_count: data8 fc\n.global cover\nadd r1=fc,r2\n br thash\n", []),
        ("mov r1 = fc\nld8 r2=[r3],cover", []),
        ("mov r8 = ITC\nmov X = Y\n", []),
        ("FC(r3)\nCOVER\nTHASH(p0, r1, r2, r3)", []),
        ("#include <cover.h>\n#error fc r3\n#pragma thash", []),
        ('#define ASM(x) asm volatile ("fc %0" :: "r"(x))', []),
        ("#define COVER_ALL(x) cover_##x", []),
    ],
)
def test_sensitive(text: str, expected: list[str]) -> None:
    assert [instruction for _, instruction in found(f"{text}\n", "PV001")] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # what only an invocation makes
        ("#define X(a) mov r8=a\nX(ar.itc)", ["X(ar.itc)"]),
        ("#define X(a, b) mov a=b;; nop 0\nX(r8, ar.itc) X(r8, r9)", ["X(r8, ar.itc) X(r8, r9)"]),
        ("#define IN(a) mov r8=a\n#define OUT(b) IN(b)\nOUT(ar.itc)", ["OUT(ar.itc)"]),
        ("#define X(a) mov r8=ar.a\nX(itc)", ["X(itc)"]),
        ("#define X(a) mov r8=ar.##a\nX(itc)", ["X(itc)"]),
        ("#define X(a) .string #a\nX(fc r3)\nX(cover)", []),
        ("#define X(a) a\nX(fc r3)", ["fc r3"]),
        ("#define X(a) nop 0\nX(fc r3)", []),
        ("#define X(x...) x\nX(nop 0 ; ptc.l r3, r4 ; fc r3)", ["fc r3"]),
        ("#define X(a, ...) __VA_ARGS__\nX(1, mov r8=cpuid[r9])", ["mov r8=cpuid[r9]"]),
        ("#define MOVE mov\nMOVE r8=ar.itc", ["MOVE r8=ar.itc"]),
        ("#define ENTER br.call.sptk rp=x ;;\n#define ALL nop 0 ; \\\n ENTER \\\n fc r3 ; \\\n nop 0", ["fc r3"]),
        ("#define NONE\n NONE fc r3", ["fc r3"]),
        ("#define ODD(a) ) a (\n ODD(fc r3)", ["fc r3"]),
        ("#define TO mov r8=\nTO ar.itc", ["TO ar.itc"]),
        (".macro m a\n mov r8=\\a\n.endm\n m ar.itc\n m r9", ["m ar.itc"]),
        (".macro m a b\n mov \\a=\\b\n.endm\n m r8 ar.itc", ["m r8 ar.itc"]),
        (".macro m a, b=itc\n mov \\a=ar.\\b\n.endm\n m r8\n m r8, lc\n m b=itc, a=r9", ["m r8", "m b=itc, a=r9"]),
        (".macro m op\n \\op r8=r9\n.endm\n m thash\n m add", ["m thash"]),
        (".macro m op:vararg\n \\op\n.endm\n m mov r8=cpuid[r9]\n m nop 0", ["mov r8=cpuid[r9]"]),
        (".macro in a\n mov r8=\\a\n.endm\n.macro out b\n in \\b\n.endm\n out ar.itc", ["out ar.itc"]),
        (".irp x, itc, lc\n mov r8=ar.\\x\n.endr", [".irp x, itc, lc"]),
        (".irp x, cover, nop\n \\x\n.endr", ["cover"]),
        # several on a line, one in another
        ("A(nop 0) A(cover)", ["cover"]),
        ("A(mov r8=ar.itc) A(thash r3=r4)", ["mov r8=ar.itc", "thash r3=r4"]),
        ("A(A(fc r3))", ["fc r3"]),
        ("A(fc\n r3)", ["fc\n r3"]),
        ("A(r8,\n#ifdef B\n r9\n#else\n r10\n#endif\n)\n fc r3", ["fc r3"]),
        # names
        ("x = cpuid\n mov r8=x[r3]", ["mov r8=x[r3]"]),
        ("y = ar.itc\n mov r8=y#", ["mov r8=y#"]),
        (".z == ar.itc\n mov r8=.z", ["mov r8=.z"]),
        ("ar.itc = r3\n mov r8=ar.itc", ["mov r8=ar.itc"]),
        ("r9 = ar.itc\n mov r8=r9", []),
        ("x = ar.itc\n#if 0\nx = r9\n#endif\n mov r8=x", ["mov r8=x"]),
        ("a@b: mov r8=ar.itc", ["mov r8=ar.itc"]),
        ("foo:: fc r3", ["fc r3"]),
        (" mov r1=CPUID[r2]", ["mov r1=CPUID[r2]"]),
        ("Cover\n Fc r3\n Thash r1=r2", ["Cover", "Fc r3", "Thash r1=r2"]),
        ("fc == 5\n add == 6\n nop 0", []),
        # the C preprocessor
        ("#define/**/X/**/fc r3", ["fc r3"]),
        ("#define \\\n X fc r3", ["fc r3"]),
        ("/* c\n */ #define X fc r3", ["fc r3"]),
        ("/*\n*/ # if 0\n fc r3\n#endif", []),
        ("nop 0 ; # fc r3", []),
        ("#if 1<<63 < 0\n fc r3\n#endif", ["fc r3"]),
        ("#if 0xffffffffffffffff == -1\n fc r3\n#endif", ["fc r3"]),
        ("#if -1 > 0u\n fc r3\n#endif", ["fc r3"]),
        ("#if 9007199254740993 / 1 == 9007199254740993\n fc r3\n#endif", ["fc r3"]),
        (f"#if {'9' * 400}/1\n fc r3\n#endif", ["fc r3"]),
        ("#ifdef A\n.macro THASH x\n#else\n.macro THASH x y\n#endif\n nop 0\n.endm\n fc r3", ["fc r3"]),
        ("#define X X+X\n ssm X\n fc r3", ["fc r3"]),
        ("(1/0) cover\n fc r3", ["(1/0) cover", "fc r3"]),
        # behind a label that a macro names, which a header may define
        ("L(a): fc r3", ["fc r3"]),
        ("1: L(a, 2):: [L(b):] fc r3", ["fc r3"]),
        ("#define L(x) .L##x\nL(a): fc r3", ["fc r3"]),
        ("#define L(x) cover; x\nL(a): fc r3", ["cover", "fc r3"]),
        ("#define F(x) L(x): fc r3\nF(a)", ["fc r3"]),
    ],
)
def test_sensitive_through_macros_and_names(text: str, expected: list[str]) -> None:
    assert [instruction for _, instruction in found(f"{text}\n", "PV001")] == expected


def test_a_label_that_may_be_an_invocation_is_told_of() -> None:
    (told,) = check(".macro L x\nnop 0\n.endm\nL(a): nop 0\nL: nop 0\n", "PV902")
    assert (told.line, told.message) == (4, "not followed: `L(a):' may be a label or an invocation")


@pytest.mark.parametrize("text", ["BSW.0", "RFI", "MOV (r8)=cr.ifa", "SSM (psr.i)", "EPC"])
def test_capitals_after_the_preprocessor(text: str) -> None:
    """GNU as takes mnemonics in any case; but COVER and RFI are ops as long as nothing has expanded them."""
    assert bool(found(f" {text}\n", "PV0", preprocessed=True)) is (text != "RFI")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (".macro rd x\n mov r8=cr.\\x\n.endm\n rd ifa\n rd dcr", [("PV002", "rd ifa"), ("PV003", "mov r8=cr.\\x")]),
        ("#define RDCR(n,b) mov b=cr.n\nRDCR(ifa, r3)", [("PV002", "RDCR(ifa, r3)"), ("PV003", "mov b=cr.n")]),
        ("mov ar.k2=r3", [("PV003", "mov ar.k2=r3")]),
        ("mov ar.k6=r3", [("PV002", "mov ar.k6=r3")]),
    ],
)
def test_privileged_by_an_argument(text: str, expected: list[tuple[str, str]]) -> None:
    assert sorted(found(f"{text}\n", "PV00")) == expected


def test_line_markers_of_an_arm_hold_in_it_alone() -> None:
    text = '#if 0\n#line 100 "foo.S"\n#endif\nfc r3\n# 7 "x.S"\nfc r3\n#line 50\nfc r3\n'
    assert [(d.path, d.line) for d in check(text, "PV001")] == [("a.S", 4), ("a.S", 6), ("a.S", 50)]


def test_a_ladder_of_macros_is_climbed_once() -> None:
    ladder = "".join(f"#define A{i + 1} (A{i}+A{i})\n" for i in range(60))
    assert found(f"#define A0 1\n{ladder} ssm A60\n fc r3\n", "PV001") == [("PV001", "fc r3")]


def test_a_line_that_is_no_line_marker() -> None:
    (diagnostic,) = check("nop 0\n# 5 apples\nnop 0\nfc r3\n", "PV001", preprocessed=True)
    assert diagnostic.line == 4


def test_many_findings_on_a_long_line_share_it() -> None:
    diagnostics = check("fc r3;" * 5000 + "\n", "PV001")
    assert len(diagnostics) == 5000
    assert max(len(diagnostic.source_line) for diagnostic in diagnostics) < 500
    assert "fc r3" in diagnostics[-1].source_line[diagnostics[-1].source_column - 1 :]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("thash r1 == r2, ,", ["thash"]),
        ("(p6) mov r1 = = ar.itc", ["mov"]),
        ("mov r1 = (ar.itc", ["mov"]),
        ("mov r1 r2 = cpuid[r3]", ["mov"]),
        ("FOO(thash r1=r2", ["thash"]),
        ("add r1 = (r2 // thash", []),
        ('add r1 = (r2, "thash', []),
        ("add r1 = (r2 + thash_count", []),
        ("fc", ["fc"]),
        ("thash r1 = f2", ["thash"]),
        ("fc.x r3", ["fc.x"]),
    ],
)
def test_a_sensitive_word_in_what_is_no_instruction(text: str, expected: list[str]) -> None:
    assert [instruction for _, instruction in found(f"{text}\n", "PV001")] == expected


def test_what_is_no_statement_is_reported_once_and_the_run_goes_on() -> None:
    assert sorted(found("mov r1 = = cr.ifa\nfc r3\n")) == [
        ("PV001", "fc r3"),
        ("PV002", "mov"),
        ("PV901", "mov r1 = = cr.ifa"),
    ]


@pytest.mark.parametrize(
    ("condition", "flagged"),
    [
        (f"#ifdef {NATIVE}", False),
        (f"#if defined({NATIVE})", False),
        (f"#if defined({NATIVE}) && defined(CONFIG_SMP)", False),
        (f"#if defined {NATIVE} || defined(CONFIG_SMP)", True),
        (f"#ifndef {NATIVE}", True),
        (f"#ifndef {NATIVE}\n#else", False),
        (f"#if FOO\n#elif defined({NATIVE})", False),
        (f"#ifdef {XEN}", True),
        (f"#if !defined({NATIVE}) && FOO\n#else", True),
        ("#if FOO", True),
    ],
)
def test_code_for_native_alone_may_use_any_instruction(condition: str, flagged: bool) -> None:
    assert bool(found(f"{condition}\n fc r3\n#endif\n", "PV001")) is flagged


def test_an_instance_looks_at_its_own_code() -> None:
    text = f"#ifdef {NATIVE}\n fc r1\n#elif defined({XEN})\n fc r2\n#else\n fc r3\n#endif\n fc r4\n"

    def flagged(*instances: str) -> list[str]:
        return [instruction for _, instruction in found(text, "PV001", instances=instances)]

    assert flagged() == ["fc r2", "fc r3", "fc r4"]
    assert flagged("xen") == ["fc r2", "fc r4"]
    assert flagged("native") == ["fc r4"]  # what bare hardware alone compiles may use what it likes
    assert flagged("native", "xen") == ["fc r2", "fc r3", "fc r4"]


def test_an_ops_own_definition_is_the_instances_business() -> None:
    text = "#define THASH(pred, r1, r2, c) \\\n (pred) thash r1 = r2\n#define OTHER(r) thash r = r\n"
    assert found(text) == [("PV001", "thash r = r")]


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("mov r16=cr.ifa", "use MOV_FROM_IFA(r16)"),
        ("(p7) mov r16=cr.ipsr", "use MOV_FROM_IPSR(p7, r16)"),
        ("mov cr.itir=r9", "use MOV_TO_ITIR(p0, r9, clob), where clob is a general register to clobber"),
        ("mov ar.k6=r13", "use MOV_TO_KR(CURRENT, r13, clob0, clob1)"),
        ("mov IA64_KR(CURRENT_STACK)=r13", "use MOV_TO_KR(CURRENT_STACK, r13, clob0, clob1)"),
        ("rfi", "use RFI"),
        ("ssm psr.ic ;; srlz.d", "use SSM_PSR_IC_AND_SRLZ_D(clob0, clob1)"),
        ("ssm psr.ic | psr.ac ;; srlz.i ;;", "use SSM_PSR_IC_AND_DEFAULT_BITS_AND_SRLZ_I(clob0, clob1)"),
        ("ssm psr.ic | PSR_DEFAULT_BITS ;; srlz.i ;;", "use SSM_PSR_IC_AND_DEFAULT_BITS_AND_SRLZ_I(clob0, clob1)"),
        ("ssm 1<<13 ;; srlz.d", "use SSM_PSR_IC_AND_SRLZ_D(clob0, clob1)"),
        ("rsm psr.ic | psr.i", "use RSM_PSR_I_IC(clob0, clob1, clob2)"),
        ("rsm psr.i", "use RSM_PSR_I(p0, clob0, clob1)"),
        ("(p6) itc.i r18 ;; (p7) itc.d r18", "use ITC_I_AND_D(p6, p7, r18, clob)"),
        ("itc.i r18 ;; itc.d r19", "use ITC_I(p0, r18, clob)"),
        ("ssm psr.ic ;; srlz.i", "the nearest op is SSM_PSR_IC_AND_SRLZ_D(clob0, clob1)"),
        ("(p6) mov r16=cr.ifa", "it takes no predicate"),
        ("fc r3", "Linux has no op for it: FC of the extension would do (--extension)"),
        ("mov r3 = pkr[r4]", "no op replaces it, so it traps in a guest"),
        ("mov.m r2=ar44", "use MOV_FROM_ITC(p0, pred_clob, r2, clob)"),
    ],
)
def test_advice_names_the_op_and_its_parameters(text: str, advice: str) -> None:
    assert advice in check(f"{text}\n")[0].message


def test_the_second_of_two_that_one_op_stands_for_asks_for_no_other() -> None:
    first, second = check("itc.i r18 ;; itc.d r18\n")
    assert "use ITC_I_AND_D(" in first.message
    assert "ITC_I_AND_D in place of the instruction before replaces this one too" in second.message
