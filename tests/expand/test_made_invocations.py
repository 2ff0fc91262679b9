"""Invocations that the C preprocessor makes of names that stand elsewhere (F6): in raw source they become what they do
after the C preprocessor, and where that cannot be known, one message names the way out."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pvasm.expand import ExpandErrors, expand
from pvasm.isa.mnemonics import is_mnemonic
from pvasm.paravirt.instance import Instance
from pvasm.paravirt.loading import load_catalog, load_instance
from pvasm.syntax.document import read_document
from pvasm.syntax.parser import Parser
from tests.check.checking import check
from tests.oracle import require_tool
from tests.paravirt.assembler import assemble, text_bytes
from tests.slow import examples, one_of

CATALOG = load_catalog()
NATIVE = load_instance("native")
XEN = load_instance("xen")
PARSER = Parser(is_mnemonic)


def expanded(text: str, instance: Instance, path: str = "a.S", *, line_markers: bool = False) -> str:
    return expand(read_document(PARSER, text, path), CATALOG, instance, line_markers=line_markers)


def errors_of(text: str, instance: Instance = XEN, path: str = "a.S") -> list[str]:
    with pytest.raises(ExpandErrors) as caught:
        expanded(text, instance, path)
    return [str(error) for error in caught.value.errors]


def preprocessed(text: str, *symbols: str) -> str:
    command = [require_tool("gcc"), "-E", "-undef", "-x", "assembler-with-cpp", *(f"-D{each}" for each in symbols), "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


MADE = {
    "object-like": "#define READ MOV_FROM_IFA\n\tREAD(r16)\n",
    "two levels": "#define OUTER READ\n#define READ MOV_FROM_IFA\n\tOUTER(r16) ;;\n\tOUTER(r17)\n",
    "function-like": "#define READ(r) MOV_FROM_IFA(r)\n\tREAD(r16)\n",
    "function of two levels": "#define A(r) B(r)\n#define B(x) NAME(x)\n#define NAME MOV_FROM_IFA\n\tA(r16)\n",
    "passed on": "#define CALL(op, args...) op(args)\n\tCALL(MOV_FROM_IVR, r8, r9)\n",
    "pasted": "#define GET(x, r) MOV_FROM_##x(r)\n\tGET(IFA, r16)\n\tGET(ITIR, r17)\n",
    "in a .macro": "#define READ MOV_FROM_IFA\n.macro get r\n\tREAD(\\r)\n\t;;\n.endm\n\tget r16\n\tget r17\n",
    "in an .irp": "#define READ MOV_FROM_IFA\n\t.irp r, r16, r17\n\tREAD(\\r)\n\t.endr\n",
    "beside one that is written": "#define READ MOV_FROM_IFA\n"
    "#define BOTH(r, s) READ(r) ; MOV_FROM_ITIR(s)\n\tBOTH(r16, r17)\n",
    "with empty parentheses": "#define LEAVE RFI\n\tLEAVE()\n\tLEAVE\n",
    "the arguments": "#define ARGS r8, r9\n\tMOV_FROM_IVR(ARGS)\n",
    "the parentheses": "#define ARGS (r16)\n\tMOV_FROM_IFA ARGS\n",
    "a choice": "#define SEL(x) MOV_FROM_IFA\n\tSEL(1)(r16)\n",
    "each of several": "#define EACH(f) f(r16) ; f(r17)\n\tEACH(MOV_FROM_IFA)\n\tEACH(MOV_FROM_ITIR)\n",
    "between stops": "#define WRITE MOV_TO_IFA\n\tmov r8 = r9\n\t;;\n\tWRITE(r8, r9)\n\t;;\n\tWRITE(r1, r2) ;; nop 0\n",
    "on lines": "#define CALL(op, args...) op(args)\n\tCALL(MOV_FROM_IVR,\n\t\tr8, /* clobbers */\n\t\tr9)\n\tnop 0\n",
    "after a label": "#define READ MOV_FROM_IFA\n1:\tREAD(r16)\t// why\n2: READ(r17) ; nop 0\n",
    "by the instance": "#ifdef __IA64_ASM_PARAVIRTUALIZED_XEN\n#define READ MOV_FROM_IFA\n#else\n"
    "#define READ MOV_FROM_ITIR\n#endif\n\tREAD(r16)\n",
    "redefined": "#define READ MOV_FROM_IFA\n\tREAD(r16)\n#undef READ\n#define READ MOV_FROM_ITIR\n\tREAD(r17)\n",
    "registers by name": "#define REG r9\n#define IVR MOV_FROM_IVR\n\tIVR(r8, REG)\n\tIVR(REG, r8)\n",
    "of arguments that are left": "#define IVR(a...) MOV_FROM_IVR(a)\n\tIVR(r8, r9)\n",
    "in the arguments of another": "#define READ MOV_FROM_IFA\n#define DO(x) x\n\tDO(READ(r16))\n"
    "\tDO(nop 0 ; READ(r17))\n",
    "with a comment in it": "#define READ MOV_FROM_IFA /* the\n address */\n\tREAD /* of */ (r16)\n",
    "broken over lines": "#define READ \\\n\tMOV_FROM_IFA\n\tREAD\\\n(r16)\n",
    "as a parameter of its own name": "#define DO(MOV_FROM_IFA) MOV_FROM_IFA(r16)\n\tDO(MOV_FROM_ITIR)\n",
    "a kernel register": "#define WHICH CURRENT\n\tMOV_TO_KR(WHICH, r8, r9, r10)\n",
    "a kernel register of two levels": "#define A B\n#define B CURRENT\n\tMOV_TO_KR(A, r8, r9, r10)\n",
    "a kernel register, passed on": "#define SET(op, k) op(k, r8, r9, r10)\n#define WHICH CURRENT\n"
    "\tSET(MOV_TO_KR, WHICH)\n",
}


@pytest.mark.parametrize("instance", [NATIVE, XEN], ids=lambda instance: instance.name)
@pytest.mark.parametrize("source", one_of(2, MADE.values()), ids=MADE)
def test_the_same_bytes_by_both_routes(source: str, instance: Instance, tmp_path: Path) -> None:
    source = "\t;;\n" + source
    raw = preprocessed(expanded(source, instance), f"{instance.defines}=1")
    after_cpp = expanded(preprocessed(source, f"{instance.defines}=1"), instance, "a.s")
    assert text_bytes(assemble(raw, tmp_path)[0]) == text_bytes(assemble(after_cpp, tmp_path)[0])


@pytest.mark.parametrize("source", MADE.values(), ids=MADE)
def test_what_check_takes(source: str) -> None:
    assert check(source, "PV1") == []


def test_each_instance_has_its_own_meaning() -> None:
    assert "cr.itir" in expanded(MADE["by the instance"], NATIVE)
    assert "0xfffffffffff048a0" in expanded(MADE["by the instance"], XEN)


SEVERAL = (
    "may be one of several ops here, as the conditions around its definitions have it; "
    "expand after the C preprocessor has run"
)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "#ifdef FOO\n#define READ MOV_FROM_IFA\n#else\n#define READ MOV_FROM_ITIR\n#endif\n\tREAD(r16)\n",
            f"6:2: READ {SEVERAL}",
        ),
        (
            "#define READ MOV_FROM_IFA\n\tREAD(r16, r17)\n",
            "2:2: MOV_FROM_IFA takes 1 argument, not 2: MOV_FROM_IFA(reg)",
        ),
        (
            "#define READ MOV_FROM_IFA\n\t(p6) READ(r16)\n",
            "2:2: MOV_FROM_IFA cannot stand under a predicate; branch around it",
        ),
        (
            "#define WRITE MOV_TO_IFA\n\tWRITE(r8, r8)\n",
            "2:2: MOV_TO_IFA: reg and clob must be different registers in instance xen; both are r8",
        ),
        (
            "#define IVR MOV_FROM_IVR\n\tIVR(someone, r8)\n",
            "2:2: MOV_FROM_IVR: in instance xen it matters which register someone is, and its name does not tell; "
            "expand after the C preprocessor has run",
        ),
        (
            "#define READ MOV_FROM_ITIR\n{ .mii\n\tREAD(r16)\n\tnop 0\n\tnop 0\n}\n",
            "3:2: MOV_FROM_ITIR becomes 2 instructions in instance xen, which do not fit in a bundle: "
            "take the braces away",
        ),
        (
            "#define GET(x) MOV_FROM_##x\n\tGET(IFA)\n",
            "2:2: GET makes MOV_FROM_IFA here, which is no invocation of it: MOV_FROM_IFA(reg) is",
        ),
        ("#define GET(x) MOV_FROM_##x()\n\tGET(IFA)\n", "2:2: MOV_FROM_IFA takes 1 argument, not 0: MOV_FROM_IFA(reg)"),
        (
            "#define READ MOV_FROM_IFA\n\tREAD(r16)\n\tmov r1 = READ(r2)\n",
            "1:14: MOV_FROM_IFA needs its arguments in parentheses: write `#define READ(reg) MOV_FROM_IFA(reg)' "
            "in its place",
        ),
        (
            "#define READ(r...) MOV_FROM_IFA(r)\n\tREAD()\n",
            "1:33: MOV_FROM_IFA, parameter reg: nothing is given where a general register to write to is due "
            "where READ is invoked on line 2",
        ),
        (
            "#define READ(r) MOV_FROM_IFA(r)\n#define ALL(r) READ(r)\n\tALL(f8)\n",
            "1:30: MOV_FROM_IFA, parameter reg: f8 is a floating-point register where a general register to write to "
            "is due where READ is invoked on line 3",
        ),
        (
            "#define P(a, b) a##b\n\t" + "P(" * 150 + "MOV_FROM, _IFA" + ")" * 150 + "(r8)\n",
            "2:2: P may make an op here, and what it comes to is not followed (PV902 of `pvasm check' says why); "
            "expand after the C preprocessor has run",
        ),
        (
            "#define GET(x) MOV_FROM_##x(r8)\n#define D(x, y) GET(x) ; y\n\tD(IFA)\n",
            "3:2: D may make an op here, and what it comes to is not followed (PV902 of `pvasm check' says why); "
            "expand after the C preprocessor has run",
        ),
        (
            ".macro get op, r\n\t\\op(\\r)\n.endm\n\tget MOV_FROM_IFA, r16\n",
            "4:6: MOV_FROM_IFA needs its arguments in parentheses: MOV_FROM_IFA(reg); "
            "what get makes of the name alone is not expanded",
        ),
        (
            "#define WHICH NOBODY\n\tMOV_TO_KR(WHICH, r8, r9, r10)\n",
            "2:12: MOV_TO_KR, parameter kr: WHICH is no kernel register; known are IO_BASE, TSSD, PER_CPU_DATA, "
            "CURRENT_STACK, FPU_OWNER, CURRENT, PT_BASE",
        ),
    ],
)
def test_what_is_wrong_is_said_once(source: str, message: str) -> None:
    assert errors_of(source) == [f"a.S:{message}"]
    (found,) = check(source, "PV1", instances=("xen",))
    assert f"{found.line}:{found.column}: {found.message}".startswith(message.partition(" in instance xen")[0])


@pytest.mark.parametrize("path", ["a.S", "a.h"])
def test_a_name_that_nothing_here_uses(path: str) -> None:
    """Whoever uses it is in another file: the definition itself must be an invocation."""
    message = "needs its arguments in parentheses: write `#define READ(reg) MOV_FROM_IFA(reg)' in its place"
    assert errors_of("#define READ MOV_FROM_IFA\n", path=path) == [f"{path}:1:14: MOV_FROM_IFA {message}"]


def test_a_header_is_for_others_too() -> None:
    source = "#define READ MOV_FROM_IFA\n.macro get r\n\tREAD(\\r)\n.endm\n"
    assert errors_of(source, path="a.h") != []
    expanded(source, XEN)


def test_lines_stay_with_their_numbers() -> None:
    source = "#define READ MOV_FROM_IFA\n\tREAD(r16)\nend:\n"
    assert expanded(source, XEN, line_markers=True).splitlines() == [
        '#line 1 "a.S"',
        "#define READ MOV_FROM_IFA",
        "\tmov r16 = 0xfffffffffff048a0 ;;",
        '#line 2 "a.S"',
        "\tld8 r16 = [r16]",
        "end:",
    ]


def test_what_is_not_made_of_names_stays() -> None:
    for source in (
        "#define FOO(x) x\n\tFOO(nop 0)\n",
        "#define CAT(a, b) a##b\n\tCAT(no, p) 0\n",
        "#define STR(x) #x\n\t.string STR(x)\n#define CAT(a, b) a##b\n",
        "#if 0\n#define READ MOV_FROM_IFA\n\tREAD(r16)\n#endif\n",
        "#define STR(x) #x\n\t.string STR(MOV_FROM_IFA)\n",
        "#define DO(x, y) x ; y\n#define CAT(x, y) x##y\n\tDO(nop 0)\n",
        "#define NONE(x)\n\tNONE(MOV_FROM_IFA)\n",
    ):
        assert expanded(source, XEN) == source


BODIES = (
    "MOV_FROM_IFA",
    "B",
    "C",
    "MOV_FROM_ITIR(r9)",
    "x(r8)",
    "MOV_FROM_##x",
    "x",
    "RFI",
    "x ; B(r10)",
    "MOV_FROM_IFA(x)",
)
USES = (
    "A(r8)",
    "B(r9)",
    "A(IFA)",
    "A(MOV_FROM_IFA)",
    "B(MOV_FROM_IFA)(r8)",
    "A(B)",
    "C",
    "RFI",
    "nop 0",
    "A(B(r8))",
    "B (r9)",
)


def words(text: str) -> str:
    """Code, however it is laid out."""
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    return "".join(" ".join(lines).replace(";;", "|").replace(";", " ").split())


@settings(max_examples=examples(60), deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(("A", "B", "C", "A(x)", "B(x)")), st.sampled_from(BODIES)), max_size=3),
    st.lists(st.sampled_from(USES), min_size=1, max_size=3),
)
def test_what_is_expanded_is_what_the_preprocessor_would_have_made(
    defines: list[tuple[str, str]], uses: list[str]
) -> None:
    """Before the C preprocessor or after: the same, or an error. What is one after alone, GNU as refuses as well."""
    macros = "".join(f"#undef {head[0]}\n#define {head} {body}\n" for head, body in defines)
    source = macros + "".join(f"\t{use}\n" for use in uses)
    for instance in (NATIVE, XEN):
        try:
            raw = preprocessed(expanded(source, instance))
        except (ExpandErrors, subprocess.CalledProcessError):
            continue
        try:
            made = expanded(preprocessed(source), instance, "a.s")
        except ExpandErrors:
            assert not assembles(raw)
        else:
            assert words(raw) == words(made)


def assembles(text: str) -> bool:
    command = [require_tool("ia64-linux-gnu-as"), "-x", "-o", "/dev/null", "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False).returncode == 0
