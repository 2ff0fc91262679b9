"""What is proposed and told while one writes: completions where they make sense, and arguments."""

from __future__ import annotations

from pathlib import Path

import pytest

from pvasm.lsp.completions import completions, instance_completions
from pvasm.lsp.names import highlights
from pvasm.lsp.signatures import signature_at
from pvasm.paravirt.loading import load_catalog
from tests.lsp.open_text import marked, opened_text


def proposed(folder: Path, marked_text: str) -> set[str]:
    """The words that are proposed at the `|` of a text."""
    text, offset = marked(marked_text)
    return {each.word for each in completions(opened_text(folder, text), offset)[0]}


@pytest.mark.parametrize(
    ("text", "some", "none"),
    [
        ("\tmov r|", "r1 r127 gp cr.ifa ar.pfs", "mov MOV_FROM_IFA .align"),
        ("\tmov r1 = ar.|", "ar.k0 ar.itc", "mov"),
        ("\tmov r1 = rr|", "rr[", "mov"),
        ("\tRSM_PSR_I(p0, |", "r8 p6", "RSM_PSR_I"),
        ("(p6) |", "mov ld8.acq MOV_FROM_IFA", "r1"),
        ("(p|", "p6", "mov"),
        ("\t.al|", ".align .section", "r1"),
        ("\tdat|", "data8", "r1"),
        ("\tadd r1 = r2, r3 ;; |", "mov", "r1"),
        ("loop: |", "mov loop", "r1"),
        ("\tbr.cond.sptk |\nloop:\nvalue = 5\n", "loop value", "mov"),
        ("{ .|", ".mii .mfb", "mov .align"),
        (".macro m one, two=5\n\tadd r1 = \\|\n.endm\n", "one two", "m r1 mov"),
        (".macro m one\n.endm\n\tadd r1 = \\|\n", "", "one r1"),
        ("#define F |", "mov", "r1"),
        ("#define F(x) mov r|", "r1", "mov"),
        ("#ifdef F|\n#define FOO\n", "FOO", "r1 mov"),
        ("#inc|", "", "r1 mov"),
        ("\t// mov r|", "", "r1 mov"),
        ("\t/* |", "", "r1 mov"),
        ("/* a\n | */", "", "r1 mov"),
        ("/* a */ |", "mov", "r1"),
        ('\t.ascii "|', "", "r1 mov"),
        ('\t.ascii "a|"', "", "r1 mov"),
        ('\t.ascii "\\"|"', "", "r1 mov"),
        ('\t.ascii "a", |', "r1", "mov"),
    ],
)
def test_what_may_stand_there(tmp_path: Path, text: str, some: str, none: str) -> None:
    found = proposed(tmp_path, text)
    assert set(some.split()) <= found
    assert not set(none.split()) & found


def test_a_register_says_what_it_is_for(tmp_path: Path) -> None:
    found = {each.word: each.detail for each in completions(opened_text(tmp_path, "\tmov r"), 6)[0]}
    assert found["cr.isr"] == "the cause of the interruption"
    assert found["r4"] == "a general register, preserved across calls"
    assert found["ret0"] == "a general register, scratch, and for a result of functions"
    assert found["rp"] == "a branch register, where a call leaves the return address"


def test_instances_to_extend() -> None:
    found, start = instance_completions("extends: x", load_catalog(), 10)
    assert {"xen", "native"} <= {each.word for each in found}
    assert start == 9


@pytest.mark.parametrize(
    ("text", "label", "parameter", "about"),
    [
        ("\tMOV_FROM_IPSR(|", "MOV_FROM_IPSR(pred, reg)", 0, "a predicate register"),
        ("\tMOV_FROM_IPSR(p0, |r8)", "MOV_FROM_IPSR(pred, reg)", 1, "a general register to write to"),
        ("\tRSM_PSR_I(p0, F(1, 2), |)", "RSM_PSR_I(pred, clob0, clob1)", 2, "a general register to clobber"),
        ("#define F(x, y) x y\n\tMOV_FROM_IFA(F(1, |))", "F(x, y)", 1, ""),
        ("\tMOV_FROM_IFA (|", "MOV_FROM_IFA(reg)", 0, "a general register to write to"),
    ],
)
def test_arguments(tmp_path: Path, text: str, label: str, parameter: int, about: str) -> None:
    text, offset = marked(text)
    found = signature_at(opened_text(tmp_path, text), offset)
    assert found is not None
    assert (found.text, found.active) == (label, parameter)
    assert found.parameters[parameter][1] == about


@pytest.mark.parametrize(
    "text", ["\t// MOV_FROM_IFA(|", "\tMOV_FROM_IFA(r1)|", "(|", "\tfoo(|", '\t.ascii "COVER(|', "\tCOVER(|", "|"]
)
def test_no_arguments(tmp_path: Path, text: str) -> None:
    text, offset = marked(text)
    assert signature_at(opened_text(tmp_path, text), offset) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("\tadd r1 = g|p, r2 // gp\n\tmov r1 = r10\n", ["r1", "gp", "r1"]),
        ("lo|op:\tbr loop\n", ["loop", "loop"]),
        ("1:\tbr 1b\n1:\tbr 1|b\n", ["1", "1b"]),
        ("\tad|d r1 = r2, r3\n\tadd r4 = r5, r6\n", ["add", "add"]),
        ("// lo|op\nloop:\n", []),
    ],
)
def test_what_is_the_same(tmp_path: Path, text: str, found: list[str]) -> None:
    text, offset = marked(text)
    assert [text[start:end] for start, end in highlights(opened_text(tmp_path, text), offset)] == found
