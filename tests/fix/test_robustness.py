"""Whatever the file, mending it breaks nothing: no exception, no byte lost, nothing left to mend."""

from __future__ import annotations

import difflib
import random
from functools import cache
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pvasm.check.engine import Selection, run
from pvasm.check.subject import Subject
from pvasm.fix import fix
from pvasm.paravirt.environments import known_macros
from pvasm.paravirt.loading import load_catalog
from pvasm.paravirt.shipped import instance_names
from pvasm.syntax import tree
from pvasm.syntax.document import read_document
from tests.fix.fixing import CODES, PARSER, mended, subject
from tests.isa.assembly import legal_texts, readings, written
from tests.slow import examples
from tests.test_robustness import SAMPLES, TEXTS

CATALOG = load_catalog()
KNOWN = known_macros()
RULES = Selection(("PV",)).rules()


@cache
def statements() -> list[str]:
    """Instructions of every row of the table, with operands that they can take."""
    chance = random.Random(3)
    found = []
    for mnemonic, candidate in readings():
        operands = [chance.choice(legal_texts(spec, chance)) for spec in candidate.operands]
        found.append(written(mnemonic, candidate, operands))
    return found


AROUND = [";;", ";;", ";;", "here:", "start:", "br.cond.sptk here", "(p6) br.cond.sptk start", "br.ret.sptk rp", "rfi"]
GUARDED = ["#ifdef A", "#else", "#endif", '.pred.rel "mutex", p6, p7', "ITC_D(p6, r8, r9)", "ssm psr.i", "MACRO(r8)"]
LINES = st.sampled_from(AROUND + GUARDED) | st.integers(0, 1 << 30).map(
    lambda number: statements()[number % len(statements())]
)
FILES = st.lists(LINES, max_size=60).map(lambda lines: "".join(f"\t{line}\n" for line in lines))


@pytest.mark.slow
@given(FILES, st.booleans())
@settings(max_examples=examples(300), deadline=10_000)
def test_all_rules_look_at_any_instructions(source: str, preprocessed: bool) -> None:
    document = read_document(PARSER, source, "a.S", preprocessed=preprocessed)
    found = run(Subject(document, CATALOG, KNOWN, tuple(instance_names())), RULES)
    again = read_document(PARSER, source, "a.S", preprocessed=preprocessed)
    assert run(Subject(again, CATALOG, KNOWN, tuple(instance_names())), RULES) == found


@pytest.mark.slow
@given(FILES | TEXTS)
@settings(max_examples=examples(300), deadline=10_000)
def test_mending(source: str) -> None:
    fixed = mended(source)
    assert mended(fixed.text).text == fixed.text
    before, after = subject(source).document, subject(fixed.text).document
    assert _unparsed(after.statements) <= _unparsed(before.statements)
    assert len(after.problems) == len(before.problems)
    # Only what was found has changed: each line without a finding is there, in its order.
    found = run(subject(source), Selection(CODES).rules())
    touched = {line for each in found for line in range(each.line, each.end_line + 1)}
    kept = [line for number, line in enumerate(source.split("\n"), 1) if number not in touched]
    remaining = iter(fixed.text.split("\n"))
    for line in kept:
        if line.strip() not in ("", ";;"):
            assert line in remaining


def _unparsed(found: list[tree.Statement]) -> int:
    return sum(isinstance(statement.syntax, tree.Unparsed) for statement in found)


@pytest.mark.slow
def test_a_mended_sample_differs_where_it_was_broken_alone() -> None:
    for sample in SAMPLES:
        fixed = fix(sample, subject, Selection(CODES).rules())
        changes = [
            line
            for line in islice(difflib.unified_diff(sample.split("\n"), fixed.text.split("\n"), n=0), 2, None)
            if line.startswith("-")
        ]
        found = run(subject(sample), Selection(CODES).rules())
        lines = sample.split("\n")
        broken = {line for each in found for line in lines[each.line - 1 : each.end_line]}
        assert {line[1:] for line in changes} <= broken | {"\t;;", "\t;;\t"}
