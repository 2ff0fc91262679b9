"""Dependency violations in variants: the same resources on the same lines as GNU as in explicit mode."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

from pvasm.check.groups import find_violations
from pvasm.check.subject import Subject
from pvasm.expand import expand
from pvasm.ia64.dependencies import Violation
from pvasm.paravirt.environments import known_macros
from pvasm.paravirt.loading import load_instance
from pvasm.paravirt.shipped import instance_names
from pvasm.syntax.document import read_document
from pvasm.text import read_text
from tests.check.checking import PARSER, check
from tests.corpus.build import Corpus
from tests.expand.test_corpus import CATALOG, WITH_OPS, corpus, preprocessed
from tests.ia64.dependency_oracle import Said, as_says, differences, name_of, we_say, without_markers

__all__ = ["corpus"]


def by_the_checker(text: str) -> dict[Said, list[Violation]]:
    """What the checker finds in the file, of every resource, in a group and before a serialization."""
    document = read_document(PARSER, text, "t.s", preprocessed=True)
    subject = Subject(document, CATALOG, known_macros(), ("native",))
    found: dict[Said, list[Violation]] = {}
    for each in subject.of(find_violations):
        if isinstance(each.violation, Violation):
            first, second = (document.place(node.start).line for node in (each.first, each.second))
            said = (second, each.violation.kind, name_of(each.violation.resource))
            found.setdefault(said, []).append(each.violation._replace(first=first, second=second))
    return found


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


def test_the_corpus_has_what_as_finds(corpus: Corpus, tmp_path: Path) -> None:
    for name, text in variants(corpus).items():
        plain = without_markers(text)
        found = by_the_checker(plain)
        assert found.keys() == we_say(plain).keys(), name
        assert differences(plain, found, tmp_path) == [], name


def test_xen_has_no_more_in_groups_than_native(corpus: Corpus) -> None:
    for name, text in variants(corpus).items():
        if name.endswith("-xen"):
            native = variants(corpus)[name.replace("-xen", "-native")]
            assert in_a_group(without_markers(text)) <= in_a_group(without_markers(native))


@pytest.mark.parametrize("step", [5, 11, 23])
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
