"""Wrong arguments of ops (PV1xx): judged by the C preprocessor and GNU as, and put in one by one."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pvasm.check.engine import Selection
from pvasm.check.finding import Finding
from pvasm.check.op_uses import invocations_of
from pvasm.check.subject import Subject
from pvasm.expand import ExpandErrors, expand
from pvasm.expand.invocations import Given, Invocation
from pvasm.paravirt.catalog import Op, Parameter
from pvasm.paravirt.environments import build_names, known_macros
from pvasm.paravirt.loading import load_instance
from pvasm.paravirt.shipped import instance_names
from pvasm.syntax.document import read_document
from pvasm.text import Edit, apply_edits, read_text
from tests.check.checking import PARSER, check
from tests.corpus.build import Corpus
from tests.expand.test_corpus import WITH_OPS, preprocessed
from tests.oracle import require_tool
from tests.paravirt.cases import CATALOG, LINUX, plain
from tests.samples.pipeline import CLEAN, REFERENCE
from tests.slow import examples

ERRORS = ("PV101", "PV102", "PV103", "PV104", "PV105")
ALL = (*ERRORS, "PV106")
Span = tuple[int, int]


def subject_of(text: str, path: str = "a.S", *, instances: tuple[str, ...] = (), preprocessed: bool = False) -> Subject:
    document = read_document(PARSER, text, path, preprocessed=preprocessed)
    known = known_macros([load_instance(name, CATALOG) for name in instances])
    return Subject(document, CATALOG, known, instances or tuple(build_names()))


def findings(subject: Subject, *codes: str) -> list[Finding]:
    return [finding for rule in Selection(codes).rules() for finding in rule.check(subject)]


# --------------------------------------------------------------------------------- outside oracles


def test_the_number_of_arguments_by_the_c_preprocessor() -> None:
    """An op's macro takes a number of arguments, and refuses others; one without parameters leaves them behind it."""
    calls = [
        f"{op.name}({', '.join(f'x{number}' for number in range(count))})"
        for op in LINUX
        if op.parameters
        for count in range(1, 7)
    ]
    command = [require_tool("gcc"), "-E", "-P", "-x", "assembler-with-cpp", "-include", str(REFERENCE), "-"]
    done = subprocess.run(command, input="\n".join(calls), capture_output=True, text=True, check=False)
    refused = {int(line) for line in re.findall(r"^<stdin>:(\d+):\d+: error: macro \"", done.stderr, re.M)}
    assert 100 < len(refused) < len(calls)
    assert {d.line for d in check("\n".join(calls), "PV101")} == refused


WORDS = (
    *("r1", "r8", "r127", "sp", "gp", "ret0", "in0", "r128", "r0", "-r8", "r8+1", "p0", "p1", "p63", "p64", "f6", "b6"),
    *("ar.k0", "cr.ifa", "pr", "psr", "ip", "7", "psr.ic", "1+1", "'a'"),
)


def test_the_kinds_of_arguments_by_the_assembler(tmp_path: Path) -> None:
    """What GNU as does not take in the op's instruction is not taken as an argument of the op, and the other way round.

    A kernel register may be set to a number, too (the instruction has such a form); the op has none.
    """
    calls = []
    for op in LINUX:
        for place, parameter in enumerate(op.parameters):
            if parameter.kind != "kernel-register" and parameter.use != "clobber" and ";" not in op.replaces:
                for word in WORDS:
                    if op.name != "MOV_TO_KR" or word[0] not in "17'":
                        arguments = plain(op)
                        arguments[place] = word
                        calls.append(f"\t{op.name}({', '.join(arguments)})")
    header = tmp_path / "kr.h"
    header.write_text("#define IA64_KR(name) ar.k6\n")
    command = [require_tool("gcc"), "-E", "-P", "-x", "assembler-with-cpp", "-include", str(REFERENCE)]
    source = "\talloc r60 = ar.pfs, 4, 0, 0, 0\n" + "\n".join(calls) + "\n"
    text = subprocess.run(
        [*command, "-include", str(header), "-"], input=source, capture_output=True, text=True, check=True
    ).stdout
    assert len(text.splitlines()) == len(calls) + 1
    as_command = [require_tool("ia64-linux-gnu-as"), "-xnone", "-o", str(tmp_path / "t.o"), "-"]
    done = subprocess.run(as_command, input=text, capture_output=True, text=True, check=False)
    refused = {
        int(line)
        for line in re.findall(r"^\{standard input\}:(\d+): (?:Error|Warning: Invalid use of)", done.stderr, re.M)
    }
    found = {d.line for d in check(source, *ERRORS)}
    assert len(calls) > 500
    assert {source.splitlines()[line - 1] for line in found ^ refused} == set()


# --------------------------------------------------------------------------------------- mutations


@cache
def sources(corpus: Corpus, folder: Path) -> list[tuple[str, str, bool]]:
    """The samples and the corpus's files with ops, the latter raw and after the C preprocessor: path, text, whether."""
    header = folder / "asm" / "native" / "inst.h"
    header.parent.mkdir(parents=True, exist_ok=True)
    header.write_text("#define DO_SAVE_MIN IA64_NATIVE_DO_SAVE_MIN\n")
    found = [(str(path), read_text(path), False) for path in CLEAN]
    for file in corpus.files:
        if file.name in WITH_OPS:
            raw = read_text(file.raw)
            found.append((str(file.raw), raw, False))
            found.append((str(file.preprocessed), preprocessed(corpus, file.raw, raw, f"-I{folder}"), True))
    return found


Target = tuple[Invocation, Op]
Change = tuple[list[Edit], Span]  # what to write, and the span in the old text that a finding is due for


def mutants(targets: list[Target]) -> Iterator[tuple[str, dict[int, Change]]]:
    """The codes due, and for each invocation that a mutation can be made to (by its number), the change.

    A mutation is one sort of breakage, made to every invocation that it can be made to: what is wrong with one says
    nothing of the others.
    """
    yield "PV101", {n: _dropped(found) for n, (found, op) in enumerate(targets) if op.parameters}
    yield "PV101", {n: _added(found) for n, (found, _) in enumerate(targets)}
    most = max((len(op.parameters) for _, op in targets), default=0)  # a source may have no op
    for place in range(most):
        words = {
            n: wrong_words(op, op.parameters[place]) for n, (_, op) in enumerate(targets) if place < len(op.parameters)
        }
        for number in range(max(map(len, words.values()))):
            yield (
                "PV102",
                {
                    n: _replaced(targets[n][0].arguments[place], choices[number % len(choices)])
                    for n, choices in words.items()
                },
            )
    for key in sorted({pair for _, op in targets for pair in pairs(op)}):
        yield "PV103", {n: _aliased(found, op, *key) for n, (found, op) in enumerate(targets) if key in pairs(op)}


def wrong_words(op: Op, parameter: Parameter) -> list[str]:
    """Arguments of every wrong kind, for a parameter."""
    others = ["f6", "b6", "ar.k6", "cr.ifa", "17", "psr.ic", "1 + 1"]
    if len(op.parameters) > 1:
        others.append("")  # where there is but one, it is missing then
    if parameter.kind == "kernel-register":
        return ["r6", "p6", *others]
    own = ["p6", "r128", "(r8)"] if parameter.kind == "general" else ["r6", "p64", "(p6)"]
    constant = "r0" if parameter.kind == "general" else "p0"
    return [*own, *others, *([constant] if parameter.use != "in" else [])]


def pairs(op: Op) -> set[tuple[int, int]]:
    """The parameters, by their places, that an instance needs apart, as its file says."""
    places = {parameter.name: place for place, parameter in enumerate(op.parameters)}
    found: set[tuple[int, int]] = set()
    for name in instance_names():
        for group in load_instance(name, CATALOG).definitions[op.name].apart:
            numbers = [places[word] for word in group]
            found.update((first, second) for i, first in enumerate(numbers) for second in numbers[i + 1 :])
    return found


def _replaced(argument: Given, word: str) -> Change:
    return [Edit(argument.offset, argument.end, word)], (argument.offset, argument.end)


def _dropped(found: Invocation) -> Change:
    """Without the last argument, and the comma before it."""
    last = found.arguments[-1]
    start = found.arguments[-2].end if len(found.arguments) > 1 else last.offset
    return [Edit(start, last.end, "")], (found.start, found.end)


def _added(found: Invocation) -> Change:
    if not found.arguments:
        return [Edit(found.start, found.end, f"{found.name}(r2)")], (found.start, found.end)
    end = found.arguments[-1].end
    return [Edit(end, end, ", r2")], (found.start, found.end)


def _aliased(found: Invocation, op: Op, first: int, second: int) -> Change:
    """One argument in two places; r0 and p0 cannot be clobbered, so another stands for them."""
    word = {"r0": "r9", "p0": "p9"}.get(found.arguments[first].text, found.arguments[first].text)
    edits = [Edit(each.offset, each.end, word) for each in (found.arguments[first], found.arguments[second])]
    return edits, (found.arguments[second].offset, found.arguments[second].end)


def moved(offset: int, edits: list[Edit], *, is_end: bool) -> int:
    """Where an offset is after the edits; one at the edge of an edit is at that edge of the new text."""
    shift = 0
    for edit in edits:
        if edit.end < offset or (edit.end == offset and (is_end or edit.start < offset)):
            shift += len(edit.replacement) - (edit.end - edit.start)
    return offset + shift


@pytest.mark.parametrize(("step", "least"), [(64, 60), pytest.param(1, 5000, marks=pytest.mark.slow)])
def test_every_mutation_of_an_argument_is_found(
    step: int, least: int, corpus: Corpus, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """In all files; the fast one looks at every sixteenth."""
    made = 0
    for path, text, is_preprocessed in sources(corpus, tmp_path_factory.getbasetemp())[::step]:
        subject = subject_of(text, path, preprocessed=is_preprocessed)
        assert findings(subject, *ALL) == []
        statements = subject.document.statements
        targets = [
            (each, CATALOG.ops[each.name])
            for each in subject.of(invocations_of).known
            if subject.concerns(statements[each.statement].conditions)
        ]
        for code, changes in mutants(targets):
            edits = sorted(edit for change, _ in changes.values() for edit in change)
            mutant = apply_edits(text, edits)
            due = set()
            for _, (start, end) in changes.values():
                due.add((moved(start, edits, is_end=False), moved(end, edits, is_end=True)))
            found = findings(subject_of(mutant, path, preprocessed=is_preprocessed), code)
            # Of nothing, what stands after it is shown.
            assert {(each.start, each.end if mutant[each.start] not in ",)" else each.start) for each in found} == due
            made += len(changes)
    assert made > least


def test_every_register_that_an_instance_forbids_is_found() -> None:
    number = 0
    for op in LINUX:
        for name in instance_names():
            for word, registers in load_instance(name, CATALOG).definitions[op.name].not_among.items():
                place = [parameter.name for parameter in op.parameters].index(word)
                for register in registers:
                    arguments = plain(op)
                    arguments[place] = register
                    text = f"\t{op.name}({', '.join(arguments)})\n"
                    (found,) = check(text, "PV1", instances=(name,))
                    assert (found.code, found.instruction) == ("PV104", register)
                    number += 1
    assert number >= 80


# ---------------------------------------------------------------------------------- what is said


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "MOV_TO_IFA(r8, r8)",
            ("r8", 17, "xen", "MOV_TO_IFA: reg and clob must be different registers in instance xen"),
        ),
        ("BSW_1(r2, r16)", ("r16", 12, "xen", "BSW_1: clob1 must not be r16 in instance xen")),
        ("MOV_TO_IFA(f2, r8)", ("f2", 13, None, "MOV_TO_IFA, parameter reg: f2 is a floating-point register where")),
        ("(p6) COVER", ("(p6) COVER", 2, None, "COVER cannot stand under a predicate; branch around it")),
        (
            "MOV_FROM_IVR(r8 /* out */)",
            ("MOV_FROM_IVR(r8 /* out */)", 2, None, "MOV_FROM_IVR takes 2 arguments, not 1"),
        ),
        ("MOV_FROM_IVR(x, r9)", ("x", 15, "xen", "MOV_FROM_IVR: in instance xen it matters which register x is")),
        ("nop 0 COVER", ("COVER", 8, None, "COVER stands where no instruction can stand")),
    ],
)
def test_a_finding_names_its_argument_and_the_instance(line: str, expected: tuple[str, int, str | None, str]) -> None:
    (found,) = check(f"\t{line}\n", "PV1", instances=("native", "xen"))
    assert (found.instruction, found.column, found.instance) == expected[:3]
    assert found.message.startswith(expected[3])


def test_what_all_instances_in_question_mind_names_none(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "name: mine\ndescription: d\nextends: native\ndefines: MINE\nenvironment: trap\n"
        "ops:\n  MOV_TO_IFA: {template: mov cr.ifa = {{ reg }}, apart: [[reg, clob]]}\n".replace(
            "{{ reg }}", '"r2"'
        ).replace('template: mov cr.ifa = "r2"', "template: 'mov cr.ifa = {{ reg }}'")
    )
    for instances, named in (
        (("xen",), None),
        (("xen", str(path)), None),
        (("native", "xen", str(path)), "xen, mine"),
        (("native", str(path)), "mine"),
    ):
        (found,) = check("\tMOV_TO_IFA(r8, ret0)\n", "PV1", instances=instances)
        assert found.instance == named
        assert ("instance" in found.message) is (named is not None)
    assert check("\tMOV_TO_IFA(r8, r8)\n", "PV1", instances=("native",)) == []


def test_an_instance_minds_its_own_code_alone() -> None:
    text = "#ifdef {}\n\tBSW_1(r16, r17)\n\tMOV_FROM_IFA(p6)\n#endif\n"
    for symbol, instances, found in (
        ("__IA64_ASM_PARAVIRTUALIZED_NATIVE", ("native", "xen"), ["p6"]),
        ("__IA64_ASM_PARAVIRTUALIZED_NATIVE", ("xen",), []),
        ("__IA64_ASM_PARAVIRTUALIZED_NATIVE", (), []),
        ("__IA64_ASM_PARAVIRTUALIZED_XEN", ("native", "xen"), ["r16", "r17", "p6"]),
        ("__IA64_ASM_PARAVIRTUALIZED_XEN", ("native",), []),
    ):
        assert [d.instruction for d in check(text.format(symbol), "PV1", instances=instances)] == found


def test_a_macros_arguments_are_judged_where_it_is_invoked() -> None:
    text = "#define SET(r, c) MOV_TO_IFA(r, c)\n\tSET(r8, r9)\n\tSET(r8, r8)\n\tSET(p6, r8)\n\tSET(x, x)\n"
    found = check(text, "PV1", instances=("native", "xen"))
    where = "where SET is invoked on line"
    assert [(d.code, d.line, d.instruction, d.message.partition(where)[2]) for d in found] == [
        ("PV102", 1, "r", " 4"),
        ("PV103", 1, "c", " 3"),
        ("PV103", 1, "c", " 5"),
    ]


def test_a_parameter_of_another_macro_is_no_register() -> None:
    assert check("#define SET(r, c) MOV_TO_IFA(r, c)\n#define ALL(r8, r9) SET(r8, ret0) ; SET(r9, r9)\n", "PV102") == []


def test_a_name_over_two_lines_is_found_where_no_other_op_is_named() -> None:
    (found,) = check("\tCOV\\\nER\n", "PV105")
    assert (found.line, found.column, found.end_line, found.end_column) == (1, 2, 2, 3)
    assert check("\tCOV\\\nER\n", "PV105", preprocessed=True) == []


@pytest.mark.parametrize(
    "text",
    [
        "#define COVER() cover\n\tnop 0\n#undef RFI\n",
        "#define ITC_D(pred, reg, clob) ITC_D_AND(pred, reg) ITC_I(pred)\n",
        ".macro MOV_FROM_IVR reg, clob\n\tMOV_FROM_IFA(p6)\n.endm\n\tMOV_FROM_IVR r8, r9\n",
        "#define BSW_1(clob) bsw.1\n\tBSW_1(r16)\n",
        '// ITC_D(1)\n/* MOV_FROM_IFA() */\n\t.string "COVER(1) RFI foo"\n\t.global RFI, COVER\n',
        "#if 0\n\tCOVER(1)\n\tnop 0 RFI\n#endif\n",
    ],
)
def test_definitions_and_text_are_no_invocations(text: str) -> None:
    assert check(text, "PV1") == []


# ---------------------------------------------------------------------------------------- mending


@pytest.mark.parametrize(
    ("line", "mended"),
    [
        ("MOV_FROM_IFA r8", "MOV_FROM_IFA(r8)"),
        ("MOV_FROM_IVR r8, r9", "MOV_FROM_IVR(r8, r9)"),
        ("(p6) ITC_D(p0, r8, r9)", "ITC_D(p6, r8, r9)"),
        ("(p6)\tITC_I_AND_D(p0, p0, r8, r9)", "ITC_I_AND_D(p6, p6, r8, r9)"),
        ("ITC_D((p6), r8, r9)", "ITC_D(p6, r8, r9)"),
        ("MOV_FROM_IFA( ( r8 ) )", "MOV_FROM_IFA( r8 )"),
        ("MOV_FROM_IFA /* why */ r8", None),
        ("MOV_FROM_IVR r8", None),
        ("(p6) ITC_D(p7, r8, r9)", None),
        ("(p6) COVER", None),
        ("COVER(r8)", None),
        ("MOV_FROM_IFA((p6))", None),
        ("MOV_FROM_IFA((r0))", None),
        ("MOV_TO_IFA(r8, r8)", None),
    ],
)
def test_what_is_certain_is_mended(line: str, mended: str | None) -> None:
    text = f"1:\t{line} // a remark\n"
    (found,) = findings(subject_of(text), *ALL)
    assert (apply_edits(text, found.edits) if found.edits else None) == (mended and text.replace(line, mended))
    if mended:
        assert findings(subject_of(text.replace(line, mended)), *ALL) == []


# ------------------------------------------------------------------------------------- properties

UNSUITABLE = re.compile(r"in a bundle|in a bundle:|would split|as an argument of|:vararg|do not fit")
PIECES = (
    *("MOV_FROM_IFA", "COVER", "MOV_TO_IFA", "ITC_I", "BSW_1", "(", ")", ",", ",", ";", ";;", "\n", "\n\t", " ", "r8"),
    *("r9", "ret0", "r16", "p6", "(p6)", "p0", "reg", "\\r", "mov ", "#define X(a) ", "X(r8)\n", ".macro m r\n"),
    *("\n.endm\n", "\tm r8\n", "#if 1\n", "\n#endif\n", "MOV_TO_IFA(r8, ", "ITC_I(p0, r8, ", "MOV_FROM_IVR(reg, r8)"),
    *("{", "}", '"', "/*", "*/", "//", "\\\n", "__IA64_ASM_PARAVIRTUALIZED_XEN"),
)


@pytest.mark.slow
@settings(max_examples=examples(500))
@given(st.lists(st.sampled_from(PIECES), max_size=20), st.sampled_from(["native", "xen"]), st.booleans())
def test_the_rules_find_what_the_expander_refuses(pieces: list[str], name: str, is_preprocessed: bool) -> None:
    """And nothing else, but for what depends on the place, such as a bundle, and no argument."""
    subject = subject_of("".join(pieces), instances=(name,), preprocessed=is_preprocessed)
    found = findings(subject, *ALL)
    errors: list[str] = []
    try:
        expand(subject.document, CATALOG, load_instance(name, CATALOG))
    except ExpandErrors as several:
        errors = [str(error) for error in several.errors]
    assert len(errors) >= len(found)
    assert bool(found) is any(not UNSUITABLE.search(error) for error in errors)


@settings(max_examples=examples(300))
@given(st.lists(st.sampled_from(PIECES), max_size=40))
def test_spans_and_edits_lie_in_the_text(pieces: list[str]) -> None:
    text = "".join(pieces)
    for found in findings(subject_of(text), *ALL):
        assert 0 <= found.start < found.end <= len(text)
        with contextlib.suppress(ExpandErrors):
            apply_edits(text, found.edits)
