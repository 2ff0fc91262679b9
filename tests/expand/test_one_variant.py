"""What is checked is what is written: the graph that the checker looks at has the statements of the written variant."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from pvasm.check.code import Code
from pvasm.check.subject import Subject
from pvasm.expand import expand
from pvasm.expand.program import Graph
from pvasm.paravirt.environments import known_macros
from pvasm.paravirt.loading import load_catalog, load_instance
from pvasm.paravirt.shipped import instance_names
from pvasm.syntax.document import read_document
from tests.corpus.build import Corpus
from tests.fix.fixing import PARSER, mended
from tests.samples.pipeline import CLEAN
from tests.slow import few

CATALOG = load_catalog()
WITH_OPS = ("entry", "fsys", "gate", "ivt")


def statements(graph: Graph, renames: Mapping[str, str]) -> list[tuple[str, str]]:
    """The steps of a graph in order, without where they stand; stops that stand side by side are one."""
    found: list[tuple[str, str]] = []
    for node in graph.nodes:
        text = f"{node.name} {[each.strip() for each in node.arguments]}" if node.name else node.text
        if node.resolved is not None:
            predicate = f"({node.predicate}) " if node.predicate else ""
            text = f"{predicate}{node.resolved.form.mnemonic} {node.resolved.operands}"
        step = (node.kind, re.sub(r"[\w.$]+", lambda word: renames.get(word[0], word[0]), text))
        if step[0] == "end" or (step[0] == "stop" and found and found[-1][0] == "stop"):
            continue  # the end of a macro's body; what an op that returns from an interruption ends
        found.append(step)
    return found


def graph_of(
    text: str, path: str, instance: str | None, environment: str, configuration: Mapping[str, bool] | None = None
) -> Graph:
    """The graph of a text where `environment` is compiled for, with an instance's expansions or with ops as such."""
    known = {**known_macros([load_instance(environment)]), **(configuration or {})}
    document = read_document(PARSER, text, path)
    subject = Subject(document, CATALOG, known, (environment,))
    return subject.of(Code).program.graph(known, None if instance is None else load_instance(instance))


def both(
    text: str, path: str, name: str, configuration: Mapping[str, bool] | None = None
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """The steps that are checked for an instance, and those of the variant that is written."""
    instance = load_instance(name)
    written = expand(read_document(PARSER, text, path), CATALOG, instance)
    checked = statements(graph_of(text, path, name, name, configuration), instance.renames)
    return checked, statements(graph_of(written, path, None, name, configuration), {})


def assert_same(checked: Sequence[tuple[str, str]], written: Sequence[tuple[str, str]]) -> None:
    for place, (left, right) in enumerate(zip(checked, written, strict=False)):
        assert left == right, (checked[max(place - 3, 0) : place + 3], written[max(place - 3, 0) : place + 3])
    assert len(checked) == len(written)


@pytest.mark.parametrize("name", instance_names())
@pytest.mark.parametrize("source", CLEAN, ids=lambda path: path.stem)
def test_of_the_samples(source: Path, name: str) -> None:
    assert_same(*both(source.read_text(), str(source), name))


@pytest.mark.parametrize("name", [*few(instance_names(), "xen")])
@pytest.mark.parametrize("stem", [*few(WITH_OPS, "fsys")])
def test_of_real_code(corpus: Corpus, stem: str, name: str) -> None:
    (file,) = (file for file in corpus.files if file.name == stem)
    directories = [flag.removeprefix("-I") for flag in corpus.include_flags if flag.startswith("-I")]
    text = mended(file.raw.read_text(), str(file.raw), directories).text
    assert_same(*both(text, str(file.raw), name))


@pytest.mark.parametrize("name", instance_names())
@pytest.mark.parametrize(
    "text",
    [
        "rIVR = r8\n\tMOV_FROM_IVR(rIVR, r9)\n",  # M19
        "\talloc r2=ar.pfs,2,3,1,0\n\tMOV_FROM_IVR(in1, loc2)\n",
        ".equ rA, r8\nrB = rA\n\tMOV_FROM_IVR(rB, r9)\n",
        "rIVR=(r8)\n\tMOV_FROM_IVR(rIVR, r9)\n",
        "pX = p6\n\tTHASH(pX, r16, r17, r18)\n",
        ".set rIVR, ret0\n\tMOV_FROM_IVR(rIVR, r9)\n",
        "#define rIVR r8\n#define rCLOB r9\n\tMOV_FROM_IVR(rIVR, rCLOB)\n",
        "\tMOV_FROM_IVR(in0, loc1)\n",
        "\tMOV_FROM_IVR(r8 /* the vector */, r9)\n",
        "#define PSR_DEFAULT_BITS psr.ac\n\tSSM_PSR_IC_AND_DEFAULT_BITS_AND_SRLZ_I(r2, r3)\n",
        "#define M(a, b) MOV_FROM_IFA(a) ; MOV_TO_IFA(a, b)\n\tM(r8, r9)\n",
        "rA = r8\n#define M(a, b) MOV_FROM_IFA(a) ; MOV_TO_IFA(a, b)\n\tM(rA, r9)\n",
        ".macro m a, b\n\tMOV_FROM_IFA(\\a)\n\tMOV_TO_IFA(\\a, \\b)\n.endm\n\tm r8, r9\n",
        "\tITC_I(p6, r8, r9)\n\t;;\n\tMOV_FROM_IFA(r16) MOV_FROM_ISR(r17) ; nop 0\n",
        "\tMOV_TO_KR(CURRENT, r20, r8, r9)\n",
        "\tCOVER\n\tRFI\n",
        '# 1 "a.S"\n#define PSR_DEFAULT_BITS psr.ac\n\tSSM_PSR_IC_AND_DEFAULT_BITS_AND_SRLZ_I(r2, r3)\n',
    ],
)
def test_of_small_pieces(text: str, name: str) -> None:
    assert_same(*both(text, "a.S", name))
    nodes = graph_of(text, "a.S", name, name).nodes
    assert not [node.text for node in nodes if node.kind == "opaque" and node.op is not None and node.macro is None]


@pytest.mark.parametrize("name", ["native", "trap", "hvm"])
@pytest.mark.parametrize("setting", ["{} = {}\n", ".set {}, {}\n"])
def test_a_name_means_what_it_was_set_to_last(setting: str, name: str) -> None:
    """M19: not what it is set to further down. Where it matters which register it is, the expander asks for it."""
    invocation = "\tMOV_FROM_IVR(rIVR, r9) ;;\n"
    text = setting.format("rIVR", "r8") + invocation + setting.format("rIVR", "r10") + invocation
    checked, written = both(text, "a.S", name)
    assert_same(checked, written)
    moves = [text for kind, text in checked if kind == "instruction"]
    assert [f"file='r', number={number}" in move for move, number in zip(moves, (8, 10), strict=True)] == [True, True]


@pytest.mark.parametrize("is_defined", [True, False])
@pytest.mark.parametrize("name", instance_names())
def test_a_name_means_what_the_configuration_says(name: str, is_defined: bool) -> None:
    text = "#ifdef CONFIG_A\n#define C r9\n#else\n#define C r10\n#endif\n\tMOV_FROM_IFA(C)\n"
    checked, written = both(text, "a.S", name, {"CONFIG_A": is_defined})
    register = "number=9)" if is_defined else "number=10)"
    assert_same(checked, written)
    assert any(register in text for _, text in checked)
