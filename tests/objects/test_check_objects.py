"""Objects are checked: what objdump shows of each is the truth."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest

from pvasm.check.diagnostic import Diagnostic
from pvasm.check.exposure import CODES
from pvasm.check.object_files import ObjectCheck
from pvasm.check.rule import all_rules
from pvasm.check.settings import AnswerSettings
from pvasm.paravirt.loading import load_catalog
from tests.corpus import build as corpus_build

# Of the manual (SDM 2, 11.7 and 3:2), by objdump's text, without a look at pvasm's table: what faults above level 0,
# what does otherwise without a fault, and what depends on the level.
PRIVILEGED = re.compile(
    r"(mov(\.m|\.i)? (cr\d+|cr\.\w+|psr\.l|rr\[|pkr\[|dbr\[|ibr\[|pmc\[|pmd\[|dtr\[|itr\[|dahr\[|ar\.k[0-7]|ar\.itc|ar\.ruc"
    r"|ar\.rsc_never|msr\[)\S*=\S+"
    r"|mov(\.m|\.i)? r\d+=(cr\.\w+|psr|rr\[\w+\]|pkr\[\w+\]|dbr\[\w+\]|ibr\[\w+\]|pmc\[\w+\]|msr\[\w+\])$"
    r"|(ssm|rsm|bsw\.[01]|rfi|itc\.[id]|itr\.[id]|ptc\.(l|g|ga|e)|ptr\.[id]|tpa|tak|halt|halt\.mf|vmsw\.[01])\b)"
)
SENSITIVE = re.compile(
    r"(cover|thash|ttag|fc|fc\.i)\b|mov r\d+=(cpuid\[|pmd\[)|mov(\.m)? (r\d+=ar\.(itc|ruc)|ar\.eflag=)"
)


def check(data: bytes, path: str = "a.o", *codes: str, settings: AnswerSettings = AnswerSettings()) -> list[Diagnostic]:  # noqa: B008
    """What is found in an object by the rules of these codes; by all about instructions, if none."""
    rules = [rule for code, rule in all_rules().items() if code in (codes or CODES)]
    answer = ObjectCheck(rules, settings, load_catalog()).check(data, path)
    assert not answer.errors
    return answer.diagnostics


PLACE = re.compile(r"(?P<section>\S+)\+(?P<offset>0x[0-9a-f]+), slot (?P<slot>\d)\)?$")
Where = tuple[str, int, int]


def where(diagnostic: Diagnostic) -> Where:
    """Section, offset of the bundle, slot."""
    found = PLACE.search(diagnostic.place.rpartition("(")[2])
    assert found is not None, diagnostic.place
    return found["section"], int(found["offset"], 16), int(found["slot"])


def expected_code(text: str) -> str | None:
    """What the manual makes of an instruction as objdump prints it: with an op or without, PV002 or PV003."""
    if PRIVILEGED.match(text):
        return "privileged"
    return "PV001" if SENSITIVE.match(text) else None


def kinds(diagnostics: Iterable[Diagnostic]) -> dict[Where, str]:
    return {where(each): "privileged" if each.code in ("PV002", "PV003") else each.code for each in diagnostics}


@pytest.fixture(scope="module")
def corpus() -> corpus_build.Corpus:
    if reason := corpus_build.available():
        pytest.skip(reason)
    return corpus_build.corpus()


# The signal trampoline's `cover`: at user level, where no hypervisor minds it (docs/configuration.md).
AT_USER_LEVEL = {("gate", ".text", 0x30, 2)}


def test_exactly_what_objdump_shows_of_the_corpus(corpus: corpus_build.Corpus) -> None:
    """Issue 12, acceptance 6: each instruction, with its kind, its file and line; none besides."""
    number = 0
    for file in corpus.files:
        data = file.object.read_bytes()
        found = check(data, "a.o", "PV001", "PV002", "PV003")
        truth = {
            (each.section, each.address, each.slot): (kind, each.source, each.line)
            for each in file.instructions
            if (kind := expected_code(each.text)) is not None
            and (file.name, each.section, each.address, each.slot) not in AT_USER_LEVEL
        }
        lines = {where(each): (each.path, each.line) for each in found}
        assert {at: (kind, *lines[at]) for at, kind in kinds(found).items()} == truth, file.name
        assert len(found) == len(truth)
        number += len(found)
    assert len(corpus.files) == 28
    assert number > 300
