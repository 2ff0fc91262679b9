"""Dependency violations in variants: the same registers on the same lines as GNU as in explicit mode."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

from pvasm.check.subject import Subject
from pvasm.expand import expand
from pvasm.ia64.registers import REGISTERS
from pvasm.paravirt.environments import instance_names, known_macros
from pvasm.paravirt.instance import load_instance
from pvasm.syntax.document import read_document
from pvasm.text import read_text
from tests.check.checking import PARSER, check
from tests.corpus.build import Corpus
from tests.expand.test_corpus import CATALOG, WITH_OPS, corpus, preprocessed
from tests.oracle import require_tool

__all__ = ["corpus"]

Found = set[tuple[int, str, str]]  # line of the text, kind, register

_WARNING = re.compile(
    r":(?P<line>\d+): Warning: Use of .* (?:violates|may violate) (?P<kind>RAW|WAW) dependency '(?P<name>[^']*)' \((?P<class>\w+)\)"
    r"(?:, specific resource number is (?P<number>\d+))?"
)
_FILES = {"GR": "r", "FR": "f", "PR": "p", "BR": "b", "AR": "ar", "CR": "cr"}


def by_as(text: str, folder: Path) -> Found:
    """What GNU as says of the general, floating, predicate, branch, application and control registers."""
    source = folder / "t.s"
    source.write_text(re.sub(r"^#.*$", "", text, flags=re.MULTILINE))
    command = [require_tool("ia64-linux-gnu-as"), "-x", "-o", str(folder / "t.o"), str(source)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    found: Found = set()
    for warning in _WARNING.finditer(said):
        name, number = warning["name"], warning["number"]
        exact = re.match(r"(AR|CR)\[(\w+)\]", name)
        if exact:
            prefix = exact[1].lower()
            register = REGISTERS.get(f"{prefix}.{exact[2].lower()}") or REGISTERS[f"{prefix}{number or exact[2][1:]}"]
            found.add((int(warning["line"]), warning["kind"], register.text))
        elif name[:2] in _FILES and number is not None:
            found.add((int(warning["line"]), warning["kind"], f"{_FILES[name[:2]]}{number}"))
        elif re.fullmatch(r"PR63|PR\[?63\]?", name):
            found.add((int(warning["line"]), warning["kind"], "p63"))
    return found


def by_us(text: str) -> Found:
    document = read_document(PARSER, re.sub(r"^#.*$", "", text, flags=re.MULTILINE), "t.s", preprocessed=True)
    subject = Subject(document, CATALOG, known_macros(), ("native",))
    return {
        (document.place(found.start).line, found.kind, found.resource)
        for found in subject.violations
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
        assert by_us(text) == by_as(text, tmp_path), name


@pytest.mark.parametrize("step", [5, 11, 23])
def test_without_some_stops_too(step: int, corpus: Corpus, tmp_path: Path) -> None:
    number = 0
    for name, text in variants(corpus).items():
        mutant = without_stops(text, step)
        expected = by_as(mutant, tmp_path)
        # as takes a spill that `.mem.offset` tells the bit of for one that does not touch what `mov = ar.unat` reads.
        assert {each for each in by_us(mutant) ^ expected if each[2] != "ar.unat"} == set(), name
        number += len(expected)
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
    in_native = [d for d in found if d.instance == "native"]
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
