"""Dependency violations in variants: the same registers on the same lines as GNU as in explicit mode."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

from pvasm.check.groups import find_violations
from pvasm.check.subject import Subject
from pvasm.expand import expand
from pvasm.paravirt.environments import known_macros
from pvasm.paravirt.loading import load_instance
from pvasm.paravirt.shipped import instance_names
from pvasm.syntax.document import read_document
from pvasm.text import read_text
from tests.check.checking import PARSER, check
from tests.corpus.build import Corpus
from tests.expand.test_corpus import CATALOG, WITH_OPS, corpus, preprocessed
from tests.ia64.dependency_oracle import Said, as_says, differences, we_say, without_markers

__all__ = ["corpus"]

Found = set[Said]
_REGISTER = re.compile(r"[rfpb]\d+|ar\.\w+|cr\.\w+|ar\d+|cr\d+")


def by_as(text: str, folder: Path) -> Found:
    """What GNU as says of general, floating, predicate, branch, application and control registers in a group."""
    return {
        said
        for said, heard in as_says(text, folder).items()
        if said[1] != "WAR" and _REGISTER.fullmatch(said[2]) and "stop" in heard.needs
    }


def by_the_engine(text: str) -> Found:
    """The same, by what stands in the text one after the other."""
    return {
        said
        for said, violations in we_say(text).items()
        if said[1] != "WAR" and _REGISTER.fullmatch(said[2]) and any(violation.same_group for violation in violations)
    }


def by_us(text: str) -> Found:
    """What the checker finds in the file."""
    document = read_document(PARSER, text, "t.s", preprocessed=True)
    subject = Subject(document, CATALOG, known_macros(), ("native",))
    return {
        (document.place(found.start).line, found.kind, found.resource)
        for found in subject.of(find_violations)
        if found.kind in ("RAW", "WAW")
    }


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


def test_the_corpus_has_what_as_finds(corpus: Corpus, tmp_path: Path) -> None:
    for name, text in variants(corpus).items():
        plain = without_markers(text)
        assert by_us(plain) == by_as(plain, tmp_path), name
        assert differences(plain, tmp_path) == [], name


def test_xen_has_no_more_than_native(corpus: Corpus) -> None:
    for name, text in variants(corpus).items():
        if name.endswith("-xen"):
            native = variants(corpus)[name.replace("-xen", "-native")]
            assert len(by_us(without_markers(text))) <= len(by_us(without_markers(native)))


@pytest.mark.parametrize("step", [5, 11, 23])
def test_without_some_stops_too(step: int, corpus: Corpus, tmp_path: Path) -> None:
    number = 0
    for name, text in variants(corpus).items():
        mutant = without_markers(without_stops(text, step))
        found = by_us(mutant)
        assert found == by_the_engine(mutant), name
        assert differences(mutant, tmp_path) == [], name
        number += len(found & by_as(mutant, tmp_path))
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
