"""Expanding documents: what an invocation becomes where it stands, what stays, and what is refused."""

from __future__ import annotations

import contextlib
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from pvasm.expand import ExpandErrors, expand
from pvasm.isa.mnemonics import is_mnemonic
from pvasm.paravirt.instance import Instance
from pvasm.paravirt.loading import load_catalog, load_instance
from pvasm.syntax.document import read_document
from pvasm.syntax.parser import Parser
from tests.oracle import require_tool
from tests.paravirt.assembler import assemble, text_bytes
from tests.paravirt.cases import plain
from tests.slow import examples

CATALOG = load_catalog()
NATIVE = load_instance("native")
XEN = load_instance("xen")
PARSER = Parser(is_mnemonic)
IFA = "0xfffffffffff048a0"
ISR = "0xfffffffffff04888"


def expanded(text: str, instance: Instance, path: str = "foo.S", *, line_markers: bool = False) -> str:
    return expand(read_document(PARSER, text, path), CATALOG, instance, line_markers=line_markers)


def errors_of(text: str, instance: Instance = NATIVE, path: str = "foo.S") -> list[str]:
    with pytest.raises(ExpandErrors) as caught:
        expanded(text, instance, path)
    return [str(error) for error in caught.value.errors]


@pytest.mark.parametrize(
    ("source", "native"),
    [
        ("\tMOV_FROM_IFA(r16)\n", "\tmov r16 = cr.ifa\n"),
        ("MOV_FROM_IFA(r16)", "mov r16 = cr.ifa"),
        ("1:\tMOV_FROM_IFA( r16 )\t// a comment\r\n", "1:\tmov r16 = cr.ifa\t// a comment\r\n"),
        ("foo: [t:] MOV_FROM_IFA(r16);;\n", "foo: [t:] mov r16 = cr.ifa;;\n"),
        ("\tMOV_FROM_IFA(r16) ; MOV_FROM_ISR(r17) ;; nop 0\n", "\tmov r16 = cr.ifa ; mov r17 = cr.isr ;; nop 0\n"),
        ("\tMOV_FROM_IFA(r16) MOV_FROM_ISR(r17)\n", "\tmov r16 = cr.ifa ; mov r17 = cr.isr\n"),
        ("\tMOV_FROM_IFA(r16) FOO(r17)\n", "\tmov r16 = cr.ifa ; FOO(r17)\n"),
        ("\tFOO(r17) MOV_FROM_IFA(r16)\n", "\tFOO(r17) ; mov r16 = cr.ifa\n"),
        ("\tMOV_FROM_IPSR(pUStk, /* out */ r16)\n", "\t(pUStk) mov r16 = cr.ipsr\n"),
        ("\tMOV_TO_KR(CURRENT, in0, r8, r9)\n", "\tmov ar.k6 = in0\n"),
        ("\tSSM_PSR_IC_AND_SRLZ_D(r8, r9)\n\t;;\n", "\tssm psr.ic ;; srlz.d\n\t;;\n"),
        ("\tITC_I_AND_D(p6, p7, r8, r9)\n", "\t(p6) itc.i r8 ; (p7) itc.d r8\n"),
        ("\tCOVER\n\tRFI // back\n", "\tcover\n\trfi // back\n"),
        ("\tCOVER ;; RFI;;\n", "\tcover ;; rfi;;\n"),
        ("\tRSM_PSR_DT\n\tRSM_PSR_DT()\n", "\trsm psr.dt\n\trsm psr.dt\n"),
        ("\tMOV_FROM_IFA(\\reg)\n", "\tmov \\reg = cr.ifa\n"),
        ("\tDO_SAVE_MIN(COVER, mov r30=cr.ifs,,)\n", "\tDO_SAVE_MIN(cover, mov r30=cr.ifs,,)\n"),
        ("\tA(B(COVER), MOV_FROM_IFA(r2) ;; nop 0)\n", "\tA(B(cover), mov r2 = cr.ifa ;; nop 0)\n"),
        ("\tsave COVER, r2\n", "\tsave cover, r2\n"),
        ("\tA(nop 0 ; ;; RFI /* COVER */, COVER // RFI\n)\n", "\tA(nop 0 ; ;; rfi /* COVER */, cover // RFI\n)\n"),
        ("\tA(1: foo:: [t:] COVER ; RFI)\n", "\tA(1: foo:: [t:] cover ; rfi)\n"),
        ("\tA({ .mib; nop 0; nop 0; COVER })\n", "\tA({ .mib; nop 0; nop 0; cover })\n"),
        ("\tA(MOV_FROM_IFA(r1) nop 0)\n", "\tA(mov r1 = cr.ifa ; nop 0)\n"),
        ("\tA(B(r1) COVER)\n", "\tA(B(r1) ; cover)\n"),
        ("\tA(nop 0 ;; MOV_FROM_IFA(\n\tr2)\n\t; nop 0)\n", "\tA(nop 0 ;; mov r2 = cr.ifa\n\n\t; nop 0)\n"),
        ("\tsave MOV_FROM_IFA(\n r1), r2\n", '\tsave "mov r1 = cr.ifa" \\\n, r2\n'),
        ("foo::\tCOVER\n", "foo::\tcover\n"),
        (".rotr val[3]\n\tMOV_FROM_IFA(val[0])\n", ".rotr val[3]\n\tmov val[0] = cr.ifa\n"),
        ("\tMOV_FROM_IFA(r1\\\n6)\n", "\tmov r16 = cr.ifa\n\n"),
        ("\tCOVER\xa0\n", "\tcover\xa0\n"),
        ("#define X(a) MOV_FROM_IFA(a) ;; \\\n\tCOVER\n", "#define X(a) mov a = cr.ifa ;; \\\n\tcover\n"),
        (".macro m reg\n\tMOV_FROM_IFA(\\reg)\n.endm\n", ".macro m reg\n\tmov \\reg = cr.ifa\n.endm\n"),
        ("#ifdef X\n\tCOVER\n#else\n\tRFI\n#endif\n", "#ifdef X\n\tcover\n#else\n\trfi\n#endif\n"),
        # An invocation on several lines: the lines after it keep their numbers.
        ("\tMOV_FROM_IPSR(p6,\n\t\tr16)\nfoo:\n", "\t(p6) mov r16 = cr.ipsr\n\nfoo:\n"),
        ("#define X MOV_FROM_IPSR(p6, \\\n\tr16)\nfoo:\n", "#define X (p6) mov r16 = cr.ipsr \\\n\nfoo:\n"),
    ],
)
def test_native(source: str, native: str) -> None:
    assert expanded(source, NATIVE) == native


@pytest.mark.parametrize(
    "source",
    [
        "COVER:\n",
        "// COVER\n/* RFI MOV_FROM_IFA(r1) */\n",
        '\t.string "COVER"\n\t.ascii "MOV_FROM_IFA(r16)"\n',
        "#define COVER cover\n#define MOV_FROM_IFA(reg) mov reg = cr.ifa\n#ifdef RFI\n#undef RFI\n#endif\n",
        "\tbr.call.sptk.many rp = COVER\n\tdata8 RFI\n\t.global RFI\n",
        "\tCOVERS\n\tMOV_FROM_IFAX(r1)\n",
        "#define DO_SAVE_MIN(COVER,SAVE_IFS) COVER ; ;; SAVE_IFS\n#define X(RFI) A(RFI, nop 0 RFI)\n",
        ".macro m COVER, RFI=1\n\t\\COVER\n.endm\n",
        "COVER: .set x, COVER\n\t.type COVER, @function\n#define CAT(a) x a##COVER\n",
        "\t{ .mii\n\tnop 0 } \xe9\udcff\x0c\x0b\n\tcaf\xe9\n",
        "\tmov r1 = r2 /* no end COVER",
        "",
    ],
)
def test_what_is_no_invocation_stays(source: str) -> None:
    assert expanded(source, NATIVE) == source
    assert expanded(source, XEN) == source


@pytest.mark.parametrize(
    ("source", "xen"),
    [
        ("\tMOV_FROM_IFA(r16)\t// why\n", f"\tmov r16 = {IFA} ;;\n\tld8 r16 = [r16]\t// why\n"),
        ("foo:\tMOV_FROM_IFA(r16)\r\n", f"foo:\tmov r16 = {IFA} ;;\r\n\tld8 r16 = [r16]\r\n"),
        ("    MOV_FROM_IFA(r16);;\n", f"    mov r16 = {IFA} ;;\n    ld8 r16 = [r16];;\n"),
        (
            "\tMOV_FROM_IFA(r16) MOV_FROM_ISR(r17) ; nop 0\n",
            f"\tmov r16 = {IFA} ;;\n\tld8 r16 = [r16] ; mov r17 = {ISR} ;;\n\tld8 r17 = [r17] ; nop 0\n",
        ),
        ("#define X(a) MOV_FROM_IFA(a)\n", f"#define X(a) mov a = {IFA} ;; ld8 a = [a]\n"),
        ("\tA(COVER, MOV_FROM_IFA(r2))\n", f"\tA(break.m 0x4 ;;, mov r2 = {IFA} ;; ld8 r2 = [r2])\n"),
        # GNU as reads these arguments, and takes the quotes off.
        ("\tsave COVER, r2\n", '\tsave "break.m 0x4 ;;", r2\n'),
        ("\ttwo COVER RFI\n", '\ttwo "break.m 0x4 ;;" "break.m 0x1 ;;"\n'),
        ("\ttwo COVER nop.m\n", '\ttwo "break.m 0x4 ;;" nop.m\n'),
        ("\tfoo x=COVER\n", '\tfoo x="break.m 0x4 ;;"\n'),
        (".irp op, COVER, RFI\n", '.irp op, "break.m 0x4 ;;", "break.m 0x1 ;;"\n'),
        (".irp x, MOV_FROM_IFA(r1)\n", f'.irp x, "mov r1 = {IFA} ;; ld8 r1 = [r1]"\n'),
        (".macro leave a, last=RFI\n", '.macro leave a, last="break.m 0x1 ;;"\n'),
        (".macro .m x\n.endm\n.m COVER\n", '.macro .m x\n.endm\n.m "break.m 0x4 ;;"\n'),
        # A bundle takes an expansion of one instruction, with its stop where the template has one.
        ("{ .mib\n\tnop 0\n\tnop 0\n\tCOVER\n}\n", "{ .mib\n\tnop 0\n\tnop 0\n\tbreak.m 0x4 ;;\n}\n"),
        ("{ .mmi\n\tRFI\n\tnop 0\n\tnop 0 }\n", "{ .mmi\n\tbreak.m 0x1 ;;\n\tnop 0\n\tnop 0 }\n"),
        ("\tA({ COVER })\n", "\tA({ break.m 0x4 ;; })\n"),
        # Names that the file itself explains.
        ("#define C r9\n\tMOV_FROM_IVR(r8, C)\n", "#define C r9\n\t;;\n\tbreak 0x8 ;;\n"),
        ("#define C ret0\n\tMOV_FROM_IVR(C, r9)\n", "#define C ret0\n\t;;\n\tbreak 0x8 ;;\n"),
        ("v = r8\n\tMOV_FROM_IVR(v, r9)\n", "v = r8\n\t;;\n\tbreak 0x8 ;;\n"),
        (
            "\tMOV_FROM_IVR(loc0, loc1)\n",
            "\t;;\n\tmov loc1 = r8\n\tbreak 0x8 ;;\n\tmov loc0 = r8\n\tmov r8 = loc1\n\t;;\n",
        ),
        (
            "#define R(a, b) MOV_TO_IFA(a, b)\n R(r1, r2)\n",
            f"#define R(a, b) ;; mov b = {IFA} ;; st8 [b] = a\n R(r1, r2)\n",
        ),
        (
            ".macro m reg\n\tMOV_TO_IFA(\\reg, r8)\n.endm\n\tm r9\n",
            f".macro m reg\n\t;;\n\tmov r8 = {IFA} ;;\n\tst8 [r8] = \\reg\n.endm\n\tm r9\n",
        ),
        # A stop of the expansion next to a stop of the source is one stop.
        (";;\n\tITC_I(p6, r8, r9)\n\t;;\n", ";;\n\t(p6) break 0x6\n\t;;\n"),
        ("\tITC_I(p6, r8, r9)\n", "\t;;\n\t(p6) break 0x6 ;;\n"),
        ("\tITC_I(p6, r8, r9);;\n", "\t;;\n\t(p6) break 0x6;;\n"),
        ("#if A\n;;\n#endif\nITC_I(p6, r8, r9)\n", "#if A\n;;\n#endif\n;;\n\t(p6) break 0x6 ;;\n"),
    ],
)
def test_xen(source: str, xen: str) -> None:
    assert expanded(source, XEN) == xen


WAY_OUT = "an op is a statement of its own: write `;' between"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("MOV_FROM_IFA(r1, r2)", "2: MOV_FROM_IFA takes 1 argument, not 2: MOV_FROM_IFA(reg)"),
        ("MOV_FROM_IVR()", "2: MOV_FROM_IVR takes 2 arguments, not 0: MOV_FROM_IVR(reg, clob)"),
        ("COVER(r1)", "2: COVER takes 0 arguments, not 1: COVER"),
        ("MOV_FROM_IFA r1", "2: MOV_FROM_IFA needs its arguments in parentheses: MOV_FROM_IFA(reg)"),
        ("(p6) COVER", "2: COVER cannot stand under a predicate; branch around it"),
        (
            "(p6) ITC_I(p0, r1, r2)",
            "2: ITC_I cannot stand under a predicate; it takes its predicate as an argument: ITC_I(pred, reg, clob)",
        ),
        ("ITC_I(p6, p7, r2)", "12: ITC_I, parameter reg: p7 is a predicate register where a general register is due"),
        ("ITC_I(r6, r7, r2)", "8: ITC_I, parameter pred: r6 is a general register where a predicate register is due"),
        (
            "MOV_FROM_IFA(r0)",
            "15: MOV_FROM_IFA, parameter reg: r0 cannot be written; a general register to write to is due",
        ),
        (
            "MOV_FROM_IFA(7)",
            "15: MOV_FROM_IFA, parameter reg: 7 is a number where a general register to write to is due",
        ),
        (
            "MOV_TO_KR(CURENT, r1, r2, r3)",
            "12: MOV_TO_KR, parameter kr: CURENT is no kernel register; known are "
            "IO_BASE, TSSD, PER_CPU_DATA, CURRENT_STACK, FPU_OWNER, CURRENT, PT_BASE",
        ),
        (
            "FOO(MOV_FROM_IFA(r0))",
            "19: MOV_FROM_IFA, parameter reg: r0 cannot be written; a general register to write to is due",
        ),
        (
            "mov r1 = MOV_FROM_IFA(r2)",
            "11: MOV_FROM_IFA stands where no instruction can stand; an op is a statement of its own",
        ),
        *(
            (
                f"{line}",
                f"{column}: MOV_FROM_IFA stands where no instruction can stand; an op is a statement of its own",
            )
            for line, column in (("MOV_FROM_IFA(r2): nop 0", 2), ("[MOV_FROM_IFA(r2):] nop 0", 3))
        ),
        ("MOV_FROM_IFA(THASH(r2))", "15: THASH stands where no instruction can stand; an op is a statement of its own"),
        *(
            (line, f"{column}: COVER is one word among others, and would stay as it is; {WAY_OUT}")
            for line, column in (("FOO(nop 0 COVER)", 12), ("FOO(COVER nop 0)", 6), ("foo a(COVER)", 8))
        ),
        ("MOV_FROM_IFA(r16) COVER nop 0", f"20: COVER is one word among others, and would stay as it is; {WAY_OUT}"),
        ("MOV_FROM_IFA(r16)\u2028COVER", f"20: COVER is one word among others, and would stay as it is; {WAY_OUT}"),
        *(
            (
                f"{name} foo",
                f"2: {name} is followed by what is no argument of it; an op is a statement of its own: "
                f"write {name}, and `;' after it",
            )
            for name in ("COVER", "RFI")
        ),
        *(
            (
                f"{line}",
                f"{column}: RFI would stay as it is in the arguments of {line.split()[0]}; "
                "an op is a statement of its own",
            )
            for line, column in (
                (".foo RFI", 7),
                (".ifc x, RFI", 10),
                (".irpc x, RFI", 11),
                (".irp x, -RFI", 11),
            )
        ),
        ("COV\\\nER", "2: COVER is written over several lines; write it on one"),
        ("MOV_FROM_IFA\n(r16)", "2: MOV_FROM_IFA needs its arguments in parentheses: MOV_FROM_IFA(reg)"),
        ("MOV_FROM_IFA(RFI)", "15: RFI stands where no instruction can stand; an op is a statement of its own"),
        (
            "MOV_FROM_IFA(r200)",
            "15: MOV_FROM_IFA, parameter reg: r200 is no register that there is "
            "where a general register to write to is due",
        ),
        (
            "MOV_FROM_IFA(\xa0r16)",
            "15: MOV_FROM_IFA, parameter reg: r16 is an expression where a general register to write to is due",
        ),
        ("= COVER", "4: COVER stands where no instruction can stand; an op is a statement of its own"),
    ],
)
def test_error(line: str, message: str) -> None:
    assert errors_of(f"foo:\n\t{line}\n") == [f"foo.S:2:{message}"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "MOV_FROM_IVR(ret0, r8)",
            "21: MOV_FROM_IVR: reg and clob must be different registers in instance xen; both are r8",
        ),
        ("BSW_1(r2, r16)", "12: BSW_1: clob1 must not be r16 in instance xen"),
        (
            "ITC_I(p6, reg, r9)",
            "2: ITC_I: in instance xen it matters which register reg is, and its name does not tell; "
            "expand after the C preprocessor has run",
        ),
        (
            "MOV_TO_IFA(r34, loc0)",
            "2: MOV_TO_IFA: in instance xen it matters which register loc0 is, and its name does not tell; "
            "write it by its number, as r32",
        ),
        (
            "MOV_TO_IFA(x, r9)",
            "2: MOV_TO_IFA: in instance xen it matters which register x is, and its name does not tell; "
            "expand after the C preprocessor has run",
        ),
        (
            "A({ .mib; COVER ; nop 0; nop 0 })",
            "12: COVER brings a stop in instance xen, which cannot stand here in a bundle: take the braces away",
        ),
        (
            "A({ .mii; nop 0 ; MOV_FROM_IFA(r1) })",
            "20: MOV_FROM_IFA becomes 2 instructions in instance xen, "
            "which do not fit in a bundle: take the braces away",
        ),
        (
            "A(RSM_PSR_I(p6, r2, r3), SSM_PSR_I(p6, p7, r2))",
            "27: SSM_PSR_I: its expansion has a comma, which would split the argument of A; "
            "expand after the C preprocessor has run",
        ),
    ],
)
def test_error_of_an_instance(line: str, message: str) -> None:
    expanded(f"foo:\n\t{line}\n", NATIVE)
    assert errors_of(f"foo:\n\t{line}\n", XEN) == [f"foo.S:2:{message}"]


KNOWN_TOO_LATE = "in a .macro it cannot be known: write the registers out, or use a #define in place of the .macro"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("#define CLB r17\n\tBSW_1(CLB, r14)\n", "2:8: BSW_1: clob0 must not be CLB in instance xen"),
        (
            "#define X r9\n#define Y X\n\tMOV_TO_IFA(X, Y)\n",
            "3:16: MOV_TO_IFA: reg and clob must be different registers in instance xen; both are Y",
        ),
        (
            "#define R(a, b) MOV_TO_IFA(a, b)\n\tR(r1, r2)\n\tR(r8, ret0)\n",
            "1:31: MOV_TO_IFA: reg and clob must be different registers in instance xen; both are ret0 "
            "where R is invoked on line 3",
        ),
        (  # through another macro (F6)
            "#define B(r) MOV_TO_IFA(r, r8)\n#define A(x) B(x)\n\tA(r8)\n",
            "1:28: MOV_TO_IFA: reg and clob must be different registers in instance xen; both are r8 "
            "where B is invoked on line 3",
        ),
        (
            ".macro b x, y\n\tMOV_TO_IFA(\\x, \\y)\n.endm\n.macro a x\n\tb \\x, r9\n.endm\n\t.irp reg, r8, r9\n"
            "\ta \\reg\n\t.endr\n",
            "2:17: MOV_TO_IFA: reg and clob must be different registers in instance xen; both are r9 "
            "where b is invoked on line 7",
        ),
        (
            ".macro m reg\n\tMOV_TO_IFA(\\reg, r8)\n.endm\n",
            "2:2: MOV_TO_IFA: in instance xen it matters which register \\reg is, and its name does not tell; "
            + KNOWN_TOO_LATE,
        ),
        (
            ".macro m reg\n\tITC_I(p6, \\reg, r8)\n.endm\n\tm r9\n",
            "2:2: ITC_I: in instance xen it matters which register \\reg is, and its name does not tell; "
            + KNOWN_TOO_LATE,
        ),
        (
            "#define AFTER(x) x RFI\n",
            "1:20: RFI: its expansion would have to be quoted as an argument of x, if that is a .macro; "
            "write `;' before it if it is an instruction of its own",
        ),
        (
            ".macro v a, rest:vararg\n\t\\rest\n.endm\n\tv r1, COVER\n",
            "4:8: COVER: v takes its last argument as it stands (:vararg), up to the first `;'; the expansion has one: "
            "write the op in the macro's body, or outside the macro",
        ),
        (
            "{ .mii\n\tCOVER\n\tnop 0\n\tnop 0\n}\n",
            "2:2: COVER brings a stop in instance xen, which cannot stand here in a bundle: take the braces away",
        ),
    ],
)
def test_error_by_what_the_file_says(source: str, message: str) -> None:
    expanded(source, NATIVE)
    assert errors_of(source, XEN) == [f"foo.S:{message}"]


def test_a_vararg_takes_one_instruction_as_it_stands() -> None:
    source = ".macro v rest:vararg\n\t\\rest\n.endm\n\tv MOV_FROM_IFA(r1)\n"
    assert "\tv mov r1 = cr.ifa\n" in expanded(source, NATIVE)


def test_an_argument_of_gas_means_the_same(tmp_path: Path) -> None:
    body = "\t.macro two a b\n\t\\a\n\t\\b\n\t.endm\n\ttwo COVER RFI\n\ttwo b=RFI, a=MOV_FROM_IFA(r2)\n"
    body += "\t.irp op, COVER, RFI\n\t\\op\n\t.endr\n"
    lines = "\tCOVER\n\tRFI\n\tMOV_FROM_IFA(r2)\n\tRFI\n\tCOVER\n\tRFI\n"
    for instance in (NATIVE, XEN):
        written = text_bytes(assemble(expanded(lines, instance), tmp_path)[0])
        assert text_bytes(assemble(expanded(body, instance), tmp_path)[0]) == written


def test_an_empty_template_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text('name: mine\ndescription: d\nextends: native\nops:\n  COVER: {template: ""}\n')
    mine = load_instance(str(path))
    source = "\tnop 0\n\tCOVER // why\n\tA(COVER, r1)\n\tsave COVER, r1\n"
    for markers in (False, True):
        assert expanded(source, mine, "foo.s", line_markers=markers).endswith(source.replace("COVER", ""))


def test_a_kernel_register_in_a_macro_is_not_known() -> None:
    (error,) = errors_of("#define SET(kr) MOV_TO_KR(kr, r1, r2, r3)\n")
    assert "it matters which register kr is" in error


def test_code_that_is_not_compiled_for_the_instance_may_be_wrong() -> None:
    source = "#ifdef __IA64_ASM_PARAVIRTUALIZED_NATIVE\n\tBSW_1(r16, r17)\n#else\n\tCOVER\n#endif\n"
    source += "#if 0\n\tCOVER(1)\n#endif\n"
    assert expanded(source, XEN) == source.replace("COVER\n", "break.m 0x4 ;;\n")
    assert expanded(source, NATIVE) == source.replace("COVER\n", "cover\n").replace("BSW_1(r16, r17)", "bsw.1")
    found = errors_of(source.replace("#ifdef", "#ifndef"), XEN)
    assert [error.split(": ")[0] for error in found] == ["foo.S:2:8", "foo.S:2:13"]


def test_all_errors_come_at_once_in_order() -> None:
    found = errors_of('\tCOVER(1)\n# 7 "other.h"\n\tRFI(1)\n\tMOV_FROM_IFA(p1)\n', path="foo.s")
    assert [error.split(": ")[0] for error in found] == ["foo.s:1:2", "other.h:7:2", "other.h:8:15"]


def test_a_constant_that_the_source_defines_is_left_to_the_c_preprocessor() -> None:
    source = "#define PSR_DEFAULT_BITS 0\n\tSSM_PSR_IC_AND_DEFAULT_BITS_AND_SRLZ_I(r2, r3)\n"
    assert "ssm psr.ic | PSR_DEFAULT_BITS ;;" in expanded(source, NATIVE)
    assert "\tsum PSR_DEFAULT_BITS\n" in expanded(source, XEN)
    assert "ssm psr.ic | psr.ac ;;" in expanded(source.partition("\n")[2], NATIVE)
    assert "ssm psr.ic | psr.ac ;;" in expanded("#if 0\n" + source.replace("0\n", "0\n#endif\n"), NATIVE)


def test_a_constant_may_be_given_another_value() -> None:
    catalog = replace(CATALOG, constants={"PSR_DEFAULT_BITS": "0"})
    document = read_document(PARSER, "\tSSM_PSR_IC_AND_DEFAULT_BITS_AND_SRLZ_I(r2, r3)\n", "foo.s")
    assert expand(document, catalog, load_instance("native", catalog)) == "\tssm psr.ic | 0 ;; srlz.i ;;\n"


# ----------------------------------------------------------------------------------- line markers


SOURCE = """\
	nop 0
	MOV_FROM_IFA(r16)	/* a comment
	that goes on */
	FOO(r1,
		r2) MOV_FROM_IVR(r16,
		r17)
bad1	r1, r2
	COVER
	MOV_FROM_IFA(r16) ; FOO(1,
		2)
bad2	r1, r2
	.macro one
	MOV_FROM_IFA(r16)
bad3	r1, r2
	.endm
#define TWO(x) MOV_FROM_IFA(x) ;; \\
	MOV_FROM_ISR(x)
bad4	r1, r2
"""


@pytest.mark.parametrize("instance", [NATIVE, XEN], ids=["native", "xen"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_markers_name_the_line_of_the_source(instance: Instance, newline: str) -> None:
    """By what the document itself says of the places of words that stand outside invocations."""
    source = SOURCE.replace("\n", newline)
    before = read_document(PARSER, source, "foo.S")
    after = read_document(PARSER, expanded(source, instance, line_markers=True), "foo.S")
    for word in ("bad1", "bad2", "bad3", "bad4"):
        place, marked = before.place(source.index(word)), after.place(after.text.index(word))
        assert place[:2] == marked[:2]
    for line in after.text.split(newline):
        assert "\n" not in line


def test_markers_name_the_line_after_arms_that_are_not_compiled(tmp_path: Path) -> None:
    arms = "#if {}\n\tMOV_FROM_IVR(r16, r17)\n# if 1\n\tMOV_FROM_ITC(p0, p6, r2, r3)\n# endif\n\tbad r1\n"
    arms += "#else\n\tMOV_FROM_IVR(r16,\n\tr17) ; bad r1\n\tbad r2\n#endif\n\tbad r3\n"
    source = arms.format("1") + arms.format("0") + "\t.if 0\n\tMOV_FROM_IVR(r16, r17)\n\t.endif\n\tbad r4\n"
    text = expanded(source, XEN, "foo.S", line_markers=True)
    cpp = [require_tool("gcc"), "-E", "-x", "assembler-with-cpp", "-"]
    preprocessed = subprocess.run(cpp, input=text, capture_output=True, text=True, check=True).stdout
    command = [require_tool("ia64-linux-gnu-as"), "-x", "-o", str(tmp_path / "t.o"), "-"]
    done = subprocess.run(command, input=preprocessed, capture_output=True, text=True, check=False)
    assert re.findall(r"^foo\.S:(\d+): Error", done.stderr, re.M) == ["6", "12", "21", "22", "24", "28"]


def test_gnu_as_names_the_line_of_the_source(tmp_path: Path) -> None:
    source = "\tMOV_FROM_IVR(r16, r17)\n\t;;\n\tMOV_FROM_IFA(r1) /*\n*/ MOV_FROM_ISR(r2)\n\tBSW_1(r2, r3)\n\tbad r1\n"
    text = expanded(source, XEN, "foo.s", line_markers=True)
    command = [require_tool("ia64-linux-gnu-as"), "-x", "-o", str(tmp_path / "t.o"), "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert re.findall(r"^(\S+): Error", done.stderr, re.M) == ["foo.s:6"]


def test_the_c_preprocessor_keeps_the_markers(tmp_path: Path) -> None:
    text = expanded("\tMOV_FROM_IVR(r16, r17)\n\tMOV_FROM_IFA(r1)\n#error here\n", XEN, "foo.S", line_markers=True)
    command = [require_tool("gcc"), "-E", "-x", "assembler-with-cpp", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert re.search(r"^foo\.S:3:\d+: error: #error here", done.stderr, re.M)


def test_one_line_expansions_need_no_markers() -> None:
    """But for the one at the start, which names the file; text after the C preprocessor has that already."""
    source = "\tCOVER\n\tMOV_FROM_IFA(r1)\n"
    assert expanded(source, NATIVE, line_markers=True) == '#line 1 "foo.S"\n\tcover\n\tmov r1 = cr.ifa\n'
    assert expanded(source, NATIVE, "foo.s", line_markers=True).startswith('# 1 "foo.s"\n\tcover\n')
    marked = f'# 1 "foo.S"\n{source}'
    assert expanded(marked, NATIVE, "foo.s", line_markers=True).startswith('# 1 "foo.S"\n\tcover\n')
    assert expanded("", NATIVE, line_markers=True) == ""


# ---------------------------------------------------------------------------------- neighbourhood


@pytest.mark.parametrize(
    "source",
    [
        # Legal natively: the neighbours and the op touch different registers. The xen expansion uses r8 besides.
        "\tadd r8 = r1, r1\n\tMOV_FROM_IVR(r20, r21)\n\tadd r2 = r8, r1\n",
        "\tMOV_FROM_IVR(r20, r21)\n\tadd r8 = r1, r1\n\t;;\n",
        "\tadd r9 = r1, r1\n\tMOV_TO_KR(CURRENT, r20, r21, r22)\n\tadd r9 = r1, r2\n",
        "\tITC_D(p6, r20, r21)\n\tmov r2 = r8\n",
        "\tMOV_TO_IFA(r20, r21)\n\tMOV_TO_ITIR(p0, r22, r21)\n\tITC_D(p0, r23, r21)\n",
        "\tadd r20 = r1, r1\n\tBSW_1(r2, r3)\n\t;;\n",
        # What the instruction before writes may be a clobber: its value dies there.
        "\tld8 r3 = [r20], 8\n\tMOV_TO_IPSR(p0, r29, r20)\n",
        "\tld8 r3 = [r2], 8\n\tRSM_PSR_I_IC(r14, r2, r15)\n",
        *(
            f"\tld8 r3 = [r20], 8\n\tld8 r4 = [r21], 8\n\t{op.name}({', '.join(plain(op))})\n"
            for op in CATALOG.ops.values()
            if [p.use for p in op.parameters if p.kind == "general"][:1] in (["clobber"], ["in"])
        ),
        # A stop inside: what stands before the op and what stands after it are not in one group.
        *(
            f"\tadd r7 = r1, r1\n\t{op.name}({', '.join(plain(op))})\n\tadd r8 = r7, r1\n"
            for op in CATALOG.ops.values()
            if ";;" in op.replaces or op.name in ("COVER", "RFI", "ITC_I", "ITC_D", "BSW_0", "BSW_1")
        ),
        # What ends its group natively ends it anyhow.
        "\tadd r2 = r1, r1\n\tRFI\n\tadd r2 = r2, r1\n",
        "\tBSW_1(r2, r3)\n\tadd r2 = r31, r1\n",
        "\tBSW_0(r2, r3, r9)\n\tadd r2 = r3, r1\n",
        "\tadd r2 = r1, r1\n\tITC_I(p0, r8, r9)\n\tadd r3 = r2, r1\n",
        "\tMOV_FROM_IFA(r20)\n\tMOV_FROM_ISR(r21)\n\tMOV_FROM_IPSR(p6, r22)\n\t;;\n",
    ],
)
def test_neighbours_in_a_group(source: str, tmp_path: Path) -> None:
    text = expanded("\talloc r32 = ar.pfs, 1, 0, 0, 0\n\t;;\n" + source, XEN)
    assert assemble(text, tmp_path)[1] == ""


def test_the_same_bytes_from_a_define_and_from_lines(tmp_path: Path) -> None:
    body = [
        "MOV_FROM_IVR(r16, r17) ;;",
        "SSM_PSR_I(p6, p7, r2) ;;",
        "BSW_0(r2, r3, r9) ;;",
        "MOV_FROM_ITC(p6, p7, r2, r3)",
    ]
    for instance in (NATIVE, XEN):
        lines = expanded("\t;;\n\t" + "\n\t".join(body) + "\n", instance)
        defined = expanded("#define ALL " + " \\\n\t".join(body) + "\n\t;;\n\tALL\n", instance)
        command = [require_tool("gcc"), "-E", "-P", "-x", "assembler-with-cpp", "-"]
        preprocessed = subprocess.run(command, input=defined, capture_output=True, text=True, check=True).stdout
        expected = text_bytes(assemble(lines, tmp_path)[0])
        assert text_bytes(assemble(preprocessed, tmp_path)[0]) == expected


# ------------------------------------------------------------------------------------- properties


INVOCATIONS = (
    *("MOV_FROM_IFA(r16)", "MOV_FROM_IVR(r8,\n r9)", "COVER", "RFI", "BSW_1(r2, r3)"),
    "MOV_TO_KR(CURRENT, r1, r2, r3)",
)
OUTSIDE = (
    *("// COVER\n", "/* RFI\n */", "\n", "\r\n", "\t", "foo:\n", "\tnop 0\n", "\t;;\n", ".text\n"),
    *('.string "RFI"\n', "\udcff\n"),
)


@settings(max_examples=examples(200))
@given(st.lists(st.sampled_from(INVOCATIONS + OUTSIDE * 2), max_size=14), st.booleans())
def test_text_outside_invocations_stays(parts: list[str], markers: bool) -> None:
    """An instance that replaces each op by a word: taking the word away leaves what stood around the invocations."""
    source = "".join(f"\t{part}\n" if part in INVOCATIONS else part for part in parts)
    for instance in (NATIVE, XEN):
        result = expanded(source, instance, line_markers=markers)
        result = re.sub(r'^#line \d+ "foo\.S"\r?\n', "", result, flags=re.M)
        rest = iter(re.split(r"\r?\n", result))
        for line in re.split(r"\r?\n", "".join("\n" if part in INVOCATIONS else part for part in parts)):
            if line.strip():
                assert any(line in other for other in rest), (line, result)


WORDS = (
    *("MOV_FROM_IFA", "COVER", "DO_SAVE_MIN", "ITC_I", "(", ")", ",", ";", ";;", "\n", " ", "r8", "p6", "\\", "mov "),
    *("#define X ", "#if 1\n", "#endif\n", ".macro m\n", ".endm\n", '# 3 "x"\n', "\\\n", "\r\n", "{", "}", ":", "="),
    *('"', "'", "/*", "*/", "//", "[", "]"),
)


@settings(max_examples=examples(600))
@given(st.lists(st.sampled_from(WORDS), max_size=25), st.booleans(), st.sampled_from(["foo.S", "foo.s"]))
def test_any_text_is_expanded_or_refused(words: list[str], markers: bool, path: str) -> None:
    for instance in (NATIVE, XEN):
        with contextlib.suppress(ExpandErrors):
            expanded("".join(words), instance, path, line_markers=markers)


@pytest.mark.parametrize("name", ["native", "xen"])
def test_a_register_of_another_name_changes_what_ops_become(name: str) -> None:
    """M19: what is written for r8, the C preprocessor would make r17 of, the template's own registers included."""
    text = "#define r8 r17\n\tTHASH(p0, r8, r16, r19) ;;\n"
    said = (
        "THASH: a #define in this file makes something else of the register r8, which would change what the op becomes"
    )
    with pytest.raises(ExpandErrors, match=re.escape(said)):
        expand(read_document(PARSER, text, "a.S"), CATALOG, load_instance(name, CATALOG))
    harmless = text.replace("r8 r17", "rp b0")
    assert "THASH" not in expand(read_document(PARSER, harmless, "a.S"), CATALOG, load_instance(name, CATALOG))
