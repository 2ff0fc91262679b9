"""Dependency violations in variants: the same resources on the same lines as GNU as in explicit mode."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

from pvasm.expand import expand
from pvasm.paravirt.loading import load_instance
from pvasm.paravirt.shipped import instance_names
from pvasm.syntax.document import read_document
from pvasm.text import read_text
from tests.check.checking import PARSER, check
from tests.corpus.build import Corpus
from tests.expand.test_corpus import CATALOG, WITH_OPS, corpus, preprocessed
from tests.isa.dependency_oracle import as_says, by_the_checker, differences, we_say, without_markers

__all__ = ["corpus"]


def in_a_group(text: str) -> int:
    """How many of the findings are between instructions of one group."""
    return sum(violation.same_group for each in by_the_checker(text).values() for violation in each)


@cache
def variants(corpus: Corpus) -> dict[str, str]:
    """Every file of the corpus preprocessed, and those that hold ops for each instance."""
    found = {file.name: read_text(file.preprocessed) for file in corpus.files}
    for file in corpus.files:
        if file.name in WITH_OPS:
            document = read_document(PARSER, read_text(file.raw), str(file.raw))
            for name in instance_names():
                variant = expand(document, CATALOG, load_instance(name, CATALOG))
                found[f"{file.name}-{name}"] = preprocessed(corpus, file.raw, variant)
    return found


@pytest.mark.slow
def test_the_corpus_has_what_as_finds(corpus: Corpus, tmp_path: Path) -> None:
    for name, text in variants(corpus).items():
        plain = without_markers(text)
        found = by_the_checker(plain)
        assert found.keys() == we_say(plain).keys(), name
        assert differences(plain, found, tmp_path) == [], name


@pytest.mark.slow
def test_xen_has_no_more_in_groups_than_native(corpus: Corpus) -> None:
    for name, text in variants(corpus).items():
        if name.endswith("-xen"):
            native = variants(corpus)[name.replace("-xen", "-native")]
            assert in_a_group(without_markers(text)) <= in_a_group(without_markers(native))


@pytest.mark.parametrize("step", [97, *(pytest.param(step, marks=pytest.mark.slow) for step in (5, 11, 23))])
def test_without_some_stops_too(step: int, corpus: Corpus, tmp_path: Path) -> None:
    number = 0
    for name, text in variants(corpus).items():
        mutant = without_markers(without_stops(text, step))
        found = by_the_checker(mutant)
        assert found.keys() == we_say(mutant).keys(), name
        assert differences(mutant, found, tmp_path) == [], name
        number += len(found.keys() & as_says(mutant, tmp_path).keys())
    assert number > 100


def without_stops(text: str, step: int) -> str:
    """The text without every so manyth of its stops."""
    pieces = text.split(";;")
    return (
        "".join(piece + (";;" if (count + 1) % step else ";") for count, piece in enumerate(pieces[:-1])) + pieces[-1]
    )


def codes(found: Iterable[object]) -> list[str]:
    return [getattr(each, "code", "") for each in found]


def test_a_finding_in_one_instance_names_it_and_shows_the_lines() -> None:
    text = "\tmov r8 = 1\n\tMOV_FROM_IFA(r9)\n\tadd r10 = r8, r9 ;;\n"
    found = check(text, "PV201")
    assert {d.line for d in found} == {2, 3}
    in_native = [d for d in found if "native" in (d.instance or "").split(", ")]
    assert in_native
    assert any("mov r9 = cr.ifa" in line for d in in_native for line in d.details)


def test_arms_of_a_conditional_are_no_neighbours() -> None:
    text = "#ifdef A\n\tmov r8 = 1\n#else\n\tmov r8 = 2\n#endif\n\t;;\n"
    assert not check(text, "PV2")
    assert codes(check(text.replace("#else", "#endif\n#ifdef B"), "PV2")) == ["PV202"]
    same = "#ifdef A\n\tmov r8 = 1\n#endif\n#ifndef A\n\tmov r8 = 2\n#endif\n\t;;\n"
    assert not check(same, "PV2")


def test_what_a_macro_of_the_file_makes_counts_once() -> None:
    body = "\t.macro two a\n\tmov r8 = 1\n\tmov r8 = \\a\n\t;;\n\t.endm\n"
    assert len(check(f"{body}\ttwo r9\n\ttwo r10\n", "PV2")) >= 1
    defined = "#define TWO mov r8 = 1 ; mov r8 = r9 ;;\n\tTWO\n\tTWO\n"
    assert [d.line for d in check(defined, "PV2")] == [1]


# ------------------------------------------------------------------------------ what directives tell the assembler

_APART = "srlz.i ;;\nsrlz.d ;;\n"
_USES = (
    ("mov r14=r15", "add r16=r14,r17"),
    ("mov cr.pta=r17", "ld8 r18=[r25]"),
    ("mov r18=r19", "mov r18=r20"),
    ("itr.i itr[r2]=r3", "epc"),
    ("rsm psr.ic", "mov cr.ifa=r2"),
    ("mov cr.iva=r2", "mov r3=cr.iva"),
)


@pytest.mark.parametrize("between", ["", ";;"])
@pytest.mark.parametrize(
    ("before", "inside"),
    [
        (".auto", ""),
        (".auto\n.explicit", ""),
        (".auto\n.default", ""),
        (".explicit", ".auto"),
        (".auto", ".explicit"),
        (".auto", ".default"),
        ("", ".serialize.data"),
        ("", ".serialize.instruction"),
        ("", ".serialize.data\n.serialize.instruction"),
        (".auto", ".serialize.data\n.explicit"),
    ],
)
def test_modes_and_serialization(before: str, inside: str, between: str, tmp_path: Path) -> None:
    """F1, F2. The directives stand before a pair of instructions, or between the two."""
    text = "1:\n" + "".join(
        f"{before}\n{one}\n{between}\n{inside}\n{other}\n;;\n.explicit\n{_APART}" for one, other in _USES
    )
    found = by_the_checker(text)
    assert differences(text, found, tmp_path) == []


@pytest.mark.parametrize(
    "between",
    [
        ".rodata\n data8 1\n .text",
        '.section .elsewhere, "a"\n data8 1\n .previous',
        ".pushsection .sdata\n .popsection",
        ".subsection 1\n .subsection 0",
        ".text",
        '.xdata8 ".other", 1',
    ],
)
def test_a_change_of_section_ends_the_group(between: str, tmp_path: Path) -> None:
    """Real code writes an entry of a table between two instructions; `.xdata8` is no change."""
    text = "1:\n" + "".join(f"{one}\n{between}\n{other}\n;;\n{_APART}" for one, other in _USES)
    assert differences(text, by_the_checker(text), tmp_path) == []


def test_automatic_mode_in_variants() -> None:
    """F1. In automatic mode nothing is said of groups, in no instance's expansions, and of no body of a macro."""
    ops = "MOV_FROM_IFA(r9)\n\tadd r10 = r9, r8\n\tMOV_TO_ITIR(p0, r10, r11)\n\titc.d r9"
    code = f"mov r8 = r9\n\t{ops}\n\talloc r2 = ar.pfs, 0, 0, 0, 0"
    for text in (
        f"\t.auto\n\t{code}\n",
        f"#define CODE {code.replace(chr(10), ';')}\n\t.auto\n\tCODE\n",
        f"\t.macro code\n\t{code}\n\t.endm\n\t.auto\n\tcode\n",
        f'\t.auto\n\t.section .other, "ax"\n\t{code}\n',
    ):
        assert not check(text, "PV2"), text
        assert check(text.replace(".auto", ".explicit"), "PV2"), text


def test_automatic_mode_of_one_arm() -> None:
    """F1. Where only an arm of a conditional changes the mode, it is changed on that way alone."""
    text = "#ifdef A\n\t.auto\n#endif\n\tmov r8 = r9\n\tadd r10 = r8, r11 ;;\n"
    assert codes(check(text, "PV2")) == ["PV201"]
    assert not check(text.replace("#endif", "#else\n\t.auto\n#endif"), "PV2")


@pytest.mark.parametrize(
    ("directives", "uses"),
    [
        (".reg.val r2, 1\n.reg.val r3, ~1", ("mov pkr[r2]=r4", "mov pkr[r3]=r4")),
        (".reg.val r2, 1\n.reg.val r3, 1", ("mov pkr[r2]=r4", "mov pkr[r3]=r4")),
        (".reg.val r2, 1<<61\n.reg.val r3, 2<<61", ("mov rr[r2]=r4", "mov r5=rr[r3]")),
        (".reg.val r2, 0x10\n.reg.val r3, 0x20", ("mov ibr[r2]=r4", "mov ibr[r3]=r4")),
        (".reg.val r2, 0x110\n.reg.val r3, 0x210", ("mov dbr[r2]=r4", "mov dbr[r3]=r4")),
        ('.pred.rel "mutex", p6, p8', ("(p6) mov r2=r3", "(p8) mov r2=r4")),
        (".pred.rel @mutex, p6, p8", ("(p6) mov r2=r3", "(p8) mov r2=r4")),
        ('.pred.rel "mutex" p6, p8', ("(p6) mov r2=r3", "(p8) mov r2=r4")),
        ('.pred.rel "mutex"p6-p8', ("(p6) mov r2=r3", "(p8) mov r2=r4")),
        (".pred.rel @mutex\tp6, p8", ("(p6) mov r2=r3", "(p8) mov r2=r4")),
        ('.pred.rel "imply" p6, p8', ("(p6) mov r2=r3\n(p8) br.cond.sptk 1b", "mov r2=r4")),
        (".reg.val r3, 1", ("mov pkr[r0]=r4", "mov pkr[r3]=r4")),
        (".reg.val r3, 0x100", ("mov pkr[r0]=r4", "mov pkr[r3]=r4")),
        (".reg.val r3, 1<<61", ("mov rr[r0]=r4", "mov rr[r3]=r4")),
        (".reg.val r3, 3", ("mov ibr[r0]=r4", "mov r5=ibr[r3]")),
        (".explicit", ("mov dbr[r0]=r4", "mov dbr[r0]=r4")),
        (".pred.rel.mutex p6-p8", ("(p6) mov r2=r3", "(p8) mov r2=r4")),
        (".pred.rel.mutex p6, p8\n.pred.rel.clear p8", ("(p6) mov r2=r3", "(p8) mov r2=r4")),
        (".pred.rel.mutex p6, p8\n.pred.rel.clear p9", ("(p6) mov r2=r3", "(p8) mov r2=r4")),
        ('.pred.rel "imply", p6, p8', ("(p6) mov r2=r3\n(p8) br.cond.sptk 1b", "mov r2=r4")),
        (".pred.rel.imply p8, p6", ("(p6) mov r2=r3\n(p8) br.cond.sptk 1b", "mov r2=r4")),
        (".mem.offset 8, 0", ("st8.spill [r2]=r3,16", ".mem.offset 16, 0\nst8.spill [r4]=r5,16")),
        (".mem.offset 4+4, 0", ("st8.spill [r2]=r3,16", ".mem.offset 1<<3, 0\nst8.spill [r4]=r5,16")),
        (".mem.offset 8, 0", ("st8.spill [r2]=r3,16", "mov r6=ar.unat")),
    ],
)
def test_what_directives_tell(directives: str, uses: tuple[str, str], tmp_path: Path) -> None:
    text = "1:\n{}\n{}\n{}\n;;\n".format(directives, *uses)
    found = by_the_checker(text)
    assert differences(text, found, tmp_path) == []


# ------------------------------------------------------------------------------------------- what is not known


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ssm MY_PSR_DFH ;;\nst8 [r16] = r8 ;;\n", []),
        ("rsm MINE\nssm psr.ic | MINE ;;\n", []),
        ("rsm MINE\nmov r8 = psr ;;\n", []),
        ("sum MINE\nmov r8 = psr.um ;;\n", []),
        ("mov pr = r8, MINE\n(p6) mov r9 = r10 ;;\n", []),
        ("mov pr = r8, MINE ;;\n(p6) mov r9 = r10\n(p7) mov r9 = r11 ;;\n", ["PV202"]),
        ("ssm psr.dt | MINE ;;\nld8 r8 = [r9] ;;\n", ["PV205"]),
        ("ssm MINE | (psr.dt | YOURS) ;;\nld8 r8 = [r9] ;;\n", ["PV205"]),
        ("ssm psr.dt & MINE ;;\nld8 r8 = [r9] ;;\n", []),
        ("mov pr = r8, MINE | 0x40\n(p6) mov r9 = r10 ;;\n", ["PV201"]),
        ("mov cr.tpr = r8\nssm MINE ;;\n", ["PV201"]),
    ],
)
def test_masks_that_are_not_known(text: str, expected: list[str]) -> None:
    """F3. A constant of a header that is not seen makes no finding; what it certainly names, or reads, still does."""
    assert codes(check(text, "PV2")) == expected


def test_what_stands_before_a_body_is_not_known() -> None:
    """F4. Different predicates in the body of a macro may exclude each other; where it is used, they may not."""
    names = "#define pKStk p6\n#define pUStk p7\n"
    body = "(pKStk) addl r1=16,r3; (pUStk) addl r22=8,r1; ;;"
    assert not check(f"{names}#define MIN {body}\n", "PV2")
    assert not check(f"{names}#define MIN {body}\n\tcmp.eq pKStk, pUStk = r8, r9 ;;\n\tMIN\n", "PV2")
    assert not check("\t.macro two\n(p6)\tmov r8 = r9\n(p7)\tmov r8 = r10\n\t;;\n\t.endm\n", "PV2")
    for certain in ("(pKStk) addl r1=16,r3; addl r22=8,r1 ;;", "(pKStk) addl r1=16,r3; (pKStk) addl r22=8,r1 ;;"):
        assert codes(check(f"{names}#define MIN {certain}\n", "PV2")) == ["PV201"]
    assert codes(check(f"{names}#define MIN {body}\n\tMIN\n", "PV2")) == ["PV201"]


def test_a_load_that_the_linker_may_make_a_move() -> None:
    """M10."""
    assert codes(check("\tld8.mov r2 = [r3], sym#\n\tadd r4 = r2, r0 ;;\n", "PV2")) == ["PV201"]
    assert not check("\tld8.mov r2 = [r3], sym# ;;\n\tadd r4 = r2, r0 ;;\n", "PV2")


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("ssm psr.i\nmov r4=psr", {"`mov r4=psr' reads PSR.i, which `ssm psr.i' writes in the same group"}),
        ("rsm psr.ic\nssm psr.ic", {"`ssm psr.ic' writes PSR.ic, as `rsm psr.ic' does in the same group"}),
        ("mov rr[r2]=r3\nmov r4=rr[r5]", {"`mov r4=rr[r5]' reads RR#, which `mov rr[r2]=r3' writes in the same group"}),
        (
            "fsetc.s0 1,2\nfadd.s0 f6=f7,f8",
            {"`fadd.s0 f6=f7,f8' reads AR[FPSR].sf0.controls, which `fsetc.s0 1,2' writes in the same group"},
        ),
        (
            "rsm psr.dt\nld8 r4=[r5]",
            {"`ld8 r4=[r5]' reads PSR.dt, which `rsm psr.dt' writes in the same group; srlz.d is due between"},
        ),
        (
            "mov cr.eoi=r0\nmov cr.eoi=r2",
            {
                "`mov cr.eoi=r2' reads InService, which `mov cr.eoi=r0' writes in the same group",
                "`mov cr.eoi=r2' writes CR[EOI], as `mov cr.eoi=r0' does in the same group; srlz.d is due between",
                "`mov cr.eoi=r2' writes InService, as `mov cr.eoi=r0' does in the same group; srlz.d is due between",
            },
        ),
        (
            "mov cr.pta=r2 ;;\nthash r3=r4",
            {"`thash r3=r4' may not see CR[PTA] as `mov cr.pta=r2' leaves it: srlz.d is due between"},
        ),
        (
            "flushrs\nmov r2=ar.bspstore",
            {
                "`mov r2=ar.bspstore' reads AR[BSPSTORE], which `flushrs' writes in the same group",
                "`mov r2=ar.bspstore' reads RSE, which `flushrs' writes in the same group",
            },
        ),
    ],
)
def test_resources_by_the_manuals_terms(text: str, messages: set[str]) -> None:
    """M9. The message has the manual's term for the resource, and the serialization that is due."""
    due = {message if "srlz" in message else f"{message}; a stop (;;) is due between" for message in messages}
    assert {each.message for each in check(f"{text} ;;\n", "PV2")} == due


def test_a_macro_of_one_instance_counts_in_its_variant() -> None:
    """M3: code is read once for all instances, and no definition of one of them is lost or taken for another's."""
    text = (
        "#ifdef __IA64_ASM_PARAVIRTUALIZED_NATIVE\n#define FETCH(x) add r8 = x, r9\n#else\n"
        "#define FETCH(x) add r8 = x, r10\n#endif\n\tmov r9 = 1\n\tFETCH(r11)\n\t;;\n"
        "\tmov r10 = 1\n\tFETCH(r11)\n\tCOVER\n"
    )
    for instances, others in ((("native", "xen"), "xen"), ((), "trap, xen")):
        found = check(text, "PV201", instances=instances)
        told = [(each.line, each.instance, "r9" in each.message) for each in found]
        assert told == [(7, "native", True), (10, others, False)]


def test_code_without_ops_is_looked_through_once_for_all_instances() -> None:
    """What is found in it is found in each, wherever it stands there; what follows an op may differ."""
    group = "".join(f"\tadd r{n} = r{n - 1}, r2\n\t;;\n" for n in range(14, 44))
    body = f"\t.proc f{{0}}\nf{{0}}:\n\tmov r14 = 1\n\tmov r15 = r14\n\t;;\n{group}\tbr.ret.sptk rp\n\t.endp f{{0}}\n"
    text = (
        "\tCOVER\n" + "".join(body.replace("{0}", str(n)) for n in range(3)) + "\tMOV_FROM_IFA(r16)\n\tmov r8 = r16\n"
    )
    found = check(text, "PV201", instances=("native", "xen"))
    lines = [place for place, line in enumerate(text.splitlines(), 1) if line == "\tmov r15 = r14"]
    assert [each.line for each in found] == [*lines, text.count("\n") - 1]
    assert [each.instance for each in found] == [None, None, None, "native, xen"]


@pytest.mark.parametrize("number", ["5 << SHIFT", "FIRST", "(FIRST + 1) << 61"])
def test_a_number_that_a_header_may_tell_accuses_nobody(number: str) -> None:
    """Which region register is written, a macro of a header says that raw mode does not see; to as it is a symbol."""
    text = f"\tmovl r2 = {number}\n\tmovl r3 = 1 << 61\n\t;;\n\tmov rr[r2] = r4\n\tmov rr[r3] = r5\n\tmov rr[r6] = r7\n"
    raw = check(text, "PV202")
    assert [(each.line, "rr[r6]" in each.message) for each in raw] == [(6, True)]
    assert len(check(text.replace("FIRST", "one").replace("SHIFT", "one"), "PV202", preprocessed=True)) == 2


def test_comments_among_the_arguments_of_an_op() -> None:
    """An argument is its text on one line, without comments, for the checker as for the expander."""
    text = "\tMOV_FROM_IFA(r16 /* of\n the fault */)\n\tMOV_TO_IFA(r16 // again\n\t, r18)\n"
    (found,) = check(text, "PV201", instances=("native", "xen"))
    assert (found.line, found.instance) == (3, "native")


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("mov r17=r9\nadd r10=Y,r8\n#define Y r17\n", []),
        ("mov r17=r9\nMOV_FROM_IFA(Y)\n#define Y r17\n", []),
        ("MOV_FROM_IFA(Y)\nmov r17=r9\n#define Y r17\n", []),
        ("#define Y r18\nmov r17=r9\nMOV_FROM_IFA(Y)\n#undef Y\n#define Y r17\n", []),
        ("#define Y r17\nmov r17=r9\nMOV_FROM_IFA(Y)\n", ["PV202"]),
        ("#define M mov r17=r9 ; add r10=Y,r8\n#define Y r17\nM\n", ["PV201"]),
    ],
)
def test_a_name_used_before_its_definition_is_no_macro_yet(text: str, due: list[str]) -> None:
    for instances in ((), ("native",), ("native", "xen")):
        assert codes(check(text, "PV201", "PV202", instances=instances)) == due


@pytest.mark.parametrize(
    ("changes", "again"),
    [
        ("\talloc r3 = ar.pfs, 0, 3, 0, 0", "\talloc r3 = ar.pfs, 2, 1, 0, 0"),
        ("\t.regstk 0, 3, 0, 0", "\t.regstk 2, 1, 0, 0"),
        ("where = r32", "where = r34"),
        ("\talloc r3 = ar.pfs, 0, 8, 0, 8\n\t.rotr where[2], kept[4]", "\t.rotr kept[2], where[2]"),
    ],
)
def test_a_macro_stands_for_what_its_body_means_there(changes: str, again: str, tmp_path: Path) -> None:
    """The register that a `#define` stands for is another once the frame is, or a name in it."""
    name = "loc0" if "where" not in changes else "where[0]" if "[" in changes else "where"
    text = f"#define tmp {name}\n{changes}\n\tmov r8 = tmp ;;\n{again}\n;;\n\tmov tmp = r9\n\tmov r10 = r34\n"
    assembled = text.replace(f"#define tmp {name}", "").replace("tmp", name)
    ((line, *_),) = [said for said in as_says(assembled, tmp_path) if said[1] == "RAW"]
    assert [(found.line, found.instruction) for found in check(text, "PV201")] == [(line, "mov r10 = r34")]
