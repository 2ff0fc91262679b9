"""Whatever the text, nothing breaks: no exception but our own, no byte lost, the same answer twice."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pvasm.check.engine import Selection, run
from pvasm.check.subject import Subject
from pvasm.data import samples_directory
from pvasm.expand import ExpandErrors, expand
from pvasm.isa.mnemonics import is_mnemonic
from pvasm.paravirt.environments import known_macros
from pvasm.paravirt.instance import Instance
from pvasm.paravirt.loading import load_catalog, load_instance
from pvasm.paravirt.shipped import instance_names
from pvasm.report import json, statements
from pvasm.report import plain_text as text
from pvasm.syntax.document import read_document
from pvasm.syntax.parser import Parser
from pvasm.text import decode, encode
from tests.corpus.build import CorpusError, available, corpus
from tests.slow import examples

CATALOG = load_catalog()
INSTANCES = [load_instance(name) for name in instance_names()]
KNOWN = known_macros()
RULES = Selection(("PV",)).rules()
SAMPLES = [decode(path.read_bytes()) for path in sorted(samples_directory().rglob("*.S"))]

PIECES = [
    *";:{}()[],=#@$",
    *("\n", ";;", "\\", '"', "'", "/*", "*/", "//", "\r", "\t", "\0", "\udcff", "\\\n", "##"),
    *("#if X", "#endif", "#else", "#define A(x) x", ".macro m", ".endm", "mov r1=cr.ifa", "(p6)", "COVER", "RFI"),
    *("MOV_FROM_IFA(r16)", "SSM_PSR_I(p0, p8, r14)", "THASH(", "MOV_TO_KR(CURRENT, r1, r2, r3)", "fc r3", ".mib"),
]


@cache
def real_code() -> list[str]:
    """The samples and, where it can be had, the corpus: Linux's files as they are."""
    try:
        files = () if available() else corpus().files
    except CorpusError:
        files = ()
    return [*SAMPLES, *(decode(file.raw.read_bytes()) for file in files)]


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A piece of real code with pieces cut out, put in, doubled and swapped."""
    sample = real_code()[draw(st.integers(0, 1 << 20)) % len(real_code())]
    start = draw(st.integers(0, len(sample)))
    source = sample[start : start + draw(st.integers(0, 1500))]
    for _ in range(draw(st.integers(0, 8))):
        at = draw(st.integers(0, len(source)))
        end = min(len(source), at + draw(st.integers(0, 20)))
        source = source[:at] + draw(st.sampled_from(["", source[at:end] * 2, *PIECES])) + source[end:]
    return source


TEXTS = mutated() | st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=40).map(" ".join)


@pytest.mark.slow
@given(TEXTS, st.booleans())
@settings(max_examples=examples(400))
def test_parse_and_check(source: str, preprocessed: bool) -> None:
    document = read_document(Parser(is_mnemonic), source, "a.S", preprocessed=preprocessed)
    assert document.text == source
    found = run(Subject(document, CATALOG, KNOWN, ("native", "xen")), RULES)
    for diagnostic in found:
        encode(text.render(diagnostic))
        json.render(diagnostic).encode()
        if not document.statements or not preprocessed:
            assert diagnostic.instruction in source
    for render in (statements.render_tree, statements.render_json):
        assert len(list(render(document))) == len(document.statements)
    again = read_document(Parser(is_mnemonic), source, "a.S", preprocessed=preprocessed)
    assert run(Subject(again, CATALOG, KNOWN, ("native", "xen")), RULES) == found


@given(TEXTS, st.booleans(), st.sampled_from(INSTANCES), st.booleans())
@settings(max_examples=examples(400))
def test_expand(source: str, preprocessed: bool, instance: Instance, line_markers: bool) -> None:
    document = read_document(Parser(is_mnemonic), source, "a.S", preprocessed=preprocessed)
    try:
        variant = expand(document, CATALOG, instance, line_markers=line_markers)
    except ExpandErrors:
        return
    if not line_markers and not any(name in source for name in (*CATALOG.ops, *instance.renames)):
        assert variant == source
