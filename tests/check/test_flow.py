"""Where control goes, and what is certain of a register after an instruction."""

from __future__ import annotations

from pathlib import Path

import pytest

from pvasm.check.flow import Flow
from pvasm.check.free_registers import FreeRegisters
from pvasm.isa.registers import REGISTERS
from tests.check.checking import check
from tests.fix.fixing import mended, subject

HERE = "\tnop 0x77\n"


def reasons(text: str, *registers: str) -> list[str | None]:
    """Why the registers must be kept at `nop 0x77`."""
    asked = subject(text)
    (at,) = (index for index, node in enumerate(asked.of(Flow).nodes) if "0x77" in node.text)
    found = [asked.of(FreeRegisters).reason_to_keep(at, REGISTERS[name]) for name in registers]
    return [None if reason is None else reason.why for reason in found]


def is_free(text: str, register: str) -> bool:
    return reasons(text, register) == [None]


@pytest.mark.parametrize(
    "after",
    [
        "\tmov r14 = 0 ;;\n",
        "\tld8 r14 = [r15] ;;\n",
        "(p6)\tbr.cond.sptk 1f ;;\n\tmov r14 = 0 ;;\n\tbr.ret.sptk rp\n1:\tmov r14 = 1 ;;\n",
        "1:\tnop 0 ;;\n(p6)\tbr.cond.sptk 1b ;;\n\tmov r14 = 0 ;;\n",
        "\tbr.ret.sptk rp\n",
        "#ifdef A\n\tmov r14 = 0\n#else\n\tmov r14 = 1\n#endif\n\t;;\n",
        "#define CLEAR(r) mov r = 0\n\tCLEAR(r14) ;;\n",
        "\t.macro clear r\n\tmov \\r = 0\n\t.endm\n\tclear r14\n",
        "\tMOV_FROM_IFA(r14) ;;\n",
    ],
)
def test_a_register_is_free_where_every_way_overwrites_it(after: str) -> None:
    assert is_free(HERE + after, "r14")


@pytest.mark.parametrize(
    "after",
    [
        "",  # whatever follows the file's end
        "\tadd r8 = r14, r15 ;;\n",
        "\tst8 [r14] = r15 ;;\n",
        "(p6)\tmov r14 = 0 ;;\n\tbr.cond.sptk elsewhere\n",
        "(p6)\tbr.cond.sptk 1f ;;\n\tmov r14 = 0 ;;\n\tbr.ret.sptk rp\n1:\tmov r8 = r14 ;;\n",
        "\tbr.cond.sptk elsewhere\n",
        "\tbr.cond.sptk b6\n",
        "\tSOME_MACRO(1)\n\tmov r14 = 0 ;;\n",
        "#ifdef A\n\tmov r14 = 0\n#endif\n\t;;\n\tmov r8 = r14\n",
        "\trfi ;;\n",
        "\tMOV_TO_IFA(r14, r15) ;;\n",
    ],
)
def test_a_register_stays_where_some_way_may_read_it(after: str) -> None:
    assert not is_free(HERE + after, "r14")


def test_what_a_return_leaves() -> None:
    after = HERE + "\tbr.ret.sptk rp\n"
    assert [is_free(after, name) for name in ("r2", "r3", "r14", "r31", "p6", "p15")] == [True] * 6
    kept = ("r1", "r4", "r8", "r11", "r12", "r13", "r32", "p1", "p16", "b0", "f2")
    assert [is_free(after, name) for name in kept] == [False] * len(kept)


def test_a_call_may_read_what_the_function_has_written() -> None:
    call = "\tbr.call.sptk.many rp = f\n\tbr.ret.sptk rp\n"
    assert is_free(f"\t.proc g\ng:\n{HERE}{call}", "r16")
    assert not is_free(f"\t.proc g\ng:\n\tmov r16 = 1 ;;\n{HERE}{call}", "r16")
    assert not is_free(f"\t.proc g\ng:\n{HERE}{call}", "r32")


def test_bank_0_is_nobodys_when_the_interruption_is_over() -> None:
    handler = f"\t.proc h\nh:\n\tmov r16 = cr.ifa ;;\n{HERE}\tmov pr = r31, -1 ;;\n\trfi ;;\n"
    assert is_free(handler, "r20")
    assert not is_free(handler, "r14")
    assert not is_free(handler.replace("mov r16", "bsw.1 ;;\n\tmov r16"), "r20")
    assert is_free(handler.replace("mov r16", "bsw.0 ;;\n\tmov r16"), "r20")
    assert not is_free(handler.replace("mov r16 = cr.ifa", "ld8.fill r16 = [r2]"), "r20")


def test_the_macros_of_headers_count_where_they_are_found(tmp_path: Path) -> None:
    (tmp_path / "inner.h").write_text("#define INNER add r15 = r8, r9\n")
    (tmp_path / "outer.h").write_text('#include "inner.h"\n#define OUTER(r) mov r = 0 ;; INNER\n')
    source = tmp_path / "a.S"
    source.write_text('#include "outer.h"\n\titc.d r18 ;;\n\tOUTER(r14) ;;\n\tbr.ret.sptk rp\n')
    # r8 and r9, which hypercalls like best, are read.
    assert "ITC_D(p0, r18, r14)" in mended(source.read_text(), str(source), ()).text
    assert "itc.d r18" in mended(source.read_text(), str(tmp_path / "elsewhere" / "a.S"), None).text


def test_numeric_labels_and_loops_end() -> None:
    text = "1:\tITC_D(p0, r18, r19) ;;\n(p6)\tbr.cond.sptk 1b ;;\n(p7)\tbr.cond.sptk 1f ;;\n1:\tmov r8 = r19 ;;\n"
    (found,) = check(text, "PV3")
    assert (found.code, found.line) == ("PV301", 1)
    assert any("line 4" in line for line in found.details)


def test_the_way_is_told() -> None:
    text = "\tITC_D(p0, r18, r19) ;;\n(p6)\tbr.cond.sptk over ;;\n\tmov r19 = 0 ;;\nover:\tmov r8 = r19 ;;\n"
    (found,) = check(text, "PV3")
    assert [line.partition(":")[0] for line in found.details] == ["line 2", "line 4", "line 4"]
    assert "mov r8 = r19" in found.details[-1]
    assert found.message == "ITC_D clobbers r19, which is live: read at line 4; give it another register"


def test_conditionals_that_ask_the_same_agree() -> None:
    text = (
        "#ifdef A\n\tITC_D(p0, r18, r19) ;;\n#endif\n\tnop 0\n#ifdef A\n\tmov r19 = 0\n#endif\n\t;;\n\tmov r8 = r19\n"
    )
    assert not check(text, "PV3")
    assert check(text.replace("#ifdef A\n\tmov", "#ifdef B\n\tmov"), "PV3")


@pytest.mark.parametrize(
    ("text", "register"),
    [
        # A parallel compare may leave its predicates alone.
        (f"{HERE}\tcmp.eq.or p6, p7 = r34, r35 ;;\n(p6)\tadd r8 = r9, r10\n\tbr.ret.sptk rp\n", "p6"),
        # rfi comes back into the function, to a label that nothing else leads to.
        (f"\t.proc h\nh:\tmovl r17 = 1f ;;\n{HERE}\trfi ;;\n1:\tmov r8 = r19 ;;\n\tbr.ret.sptk rp\n", "r19"),
        # Results by a convention of its own.
        (f"\t.proc g\ng:\tmov r14 = ar.bsp ;;\n{HERE}\tbr.ret.sptk rp\n", "r14"),
        # A check load that hits leaves its target alone.
        (f"\tld8.a r15 = [r32] ;;\n{HERE}\tld8.c.nc r15 = [r32] ;;\n\tbr.ret.sptk rp\n", "r15"),
        # A hypercall takes its arguments in registers.
        (f"{HERE}\tbreak 0x1000 ;;\n\tmov r14 = 0\n\tbr.ret.sptk rp\n", "r14"),
        # The arguments of a call, from the function before, which falls into this one.
        (
            f"\t.proc a\na:\tmov r14 = r32 ;;\n\t.endp a\n\t.proc b\nb:\n{HERE}"
            "\tbr.call.sptk rp = c ;;\n\tbr.ret.sptk rp\n",
            "r14",
        ),
        # Numeric labels in the arms of a conditional.
        (
            f"{HERE}(p6)\tbr.cond.sptk 1f ;;\n\tmov r15 = 0\n\tbr.ret.sptk rp\n"
            "#ifdef A\n1:\tmov r15 = 0\n\tbr.ret.sptk rp\n#else\n1:\tadd r8 = r15, r10\n\tbr.ret.sptk rp\n#endif\n",
            "r15",
        ),
        # Sections that are left and come back to.
        (
            f"\t.text\n{HERE}\t.section .hot\n\tnop 0\n\t.pushsection .foo\n\t.popsection\n"
            "\tmov r15 = 0\n\tbr.ret.sptk rp\n\t.text\n\tadd r8 = r15, r10\n\tbr.ret.sptk rp\n",
            "r15",
        ),
        # A name that does not keep its meaning.
        (
            f"#define A\n#ifdef A\n{HERE}#endif\n#undef A\n#ifndef A\n\tadd r8 = r15, r10\n#endif\n"
            "\tmov r15 = 0\n\tbr.ret.sptk rp\n",
            "r15",
        ),
        # Code that another file brings in.
        (f'{HERE}#include "part.S"\n\tmov r15 = 0\n\tbr.ret.sptk rp\n', "r15"),
        # The way on after a fault.
        (
            f'{HERE}\t.xdata4 "__ex_table", 1b-., .Lfail-.\n\tmov r15 = 0\n\tbr.ret.sptk rp\n'
            ".Lfail:\n\tmov r8 = r15\n\tbr.ret.sptk rp\n",
            "r15",
        ),
    ],
)
def test_what_looks_free_and_is_not(text: str, register: str) -> None:
    assert not is_free(text, register)


def test_ways_that_branches_tell_of() -> None:
    after_call = "\tITC_D(p0, r18, r19) ;;\n(p6)\tbr.call.sptk.many rp = g ;;\n\tadd r8 = r19, r10\n"
    assert check(after_call, "PV3")
    assert not check(after_call.replace("(p6)", ""), "PV3")
    known = (
        "\tcmp.eq p6, p7 = r32, r33 ;;\n\tITC_D(p0, r18, r19) ;;\n(p6)\tmov r19 = r0\n(p7)\tbr.cond.sptk 2f ;;\n"
        "\tadd r8 = r19, r10\n2:\n"
    )
    assert not check(known, "PV3")
    assert check(known.replace("(p7)", "(p8)"), "PV3")


@pytest.mark.slow
def test_no_search_takes_the_time_of_the_others() -> None:
    many = "\tITC_D(p0, r18, r19) ;;\n" * 3000 + "\tadd r8 = r19, r10\n"
    assert check(many, "PV3")


def test_a_file_that_cannot_be_expanded_is_mended_with_the_same_care() -> None:
    text = "{ .mii\n\tmov cr.ifa = r18\n\tnop.i 0\n\tnop.i 0\n}\n\tMOV_TO_IFA(r18)\n\tmov r14 = 0\n\tbr.ret.sptk rp\n"
    assert mended(text).text == text


def test_a_branch_to_a_label_by_another_name() -> None:
    """A label's name may be one that `#define` gives: branches by either name lead to it."""
    text = "#define leave out\n\tbr.cond.sptk leave\n\t;;\n{label}:\n\tmov r8 = r16\n\t;;\n\tbr.ret.sptk rp\n"
    for label in ("leave", "out"):
        nodes = subject(text.replace("{label}", label)).of(Flow).nodes
        assert [each.name for each in nodes if each.kind == "label"] == ["out"], label
        assert [each.target for each in nodes if each.target] == ["out"], label
