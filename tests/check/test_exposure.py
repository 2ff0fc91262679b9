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
    assert flagged("native") == ["fc r1", "fc r4"]
    assert flagged("native", "xen") == ["fc r1", "fc r2", "fc r3", "fc r4"]


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
        ("(p6) mov r16=cr.ifa", "it takes no predicate"),
        ("fc r3", "the catalog has no op for it"),
        ("mov.m r2=ar44", "use MOV_FROM_ITC(p0, pred_clob, r2, clob)"),
    ],
)
def test_advice_names_the_op_and_its_parameters(text: str, advice: str) -> None:
    assert advice in check(f"{text}\n")[0].message
