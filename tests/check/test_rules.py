"""Every rule flags what it says that it flags, and nothing of what it says that it does not."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from pvasm.check.engine import Selection
from pvasm.check.example import Flagged, marked
from pvasm.check.rule import Rule, all_rules
from pvasm.errors import PvasmError
from tests.check.checking import check
from tests.check.examples import tried

RULES = list(all_rules().values())
INVALID = [(rule, example) for rule in RULES for example in rule.invalid]
VALID = [(rule, text) for rule in RULES for text in rule.valid]


def names(cases: Iterable[tuple[Rule, Flagged | str]]) -> list[str]:
    return [f"{rule.code}: {each if isinstance(each, str) else each.text}" for rule, each in cases]


@pytest.mark.parametrize(("rule", "example"), INVALID, ids=names(INVALID))
def test_invalid(rule: Rule, example: Flagged) -> None:
    """Where, what is said, and what fixing makes of it. What is said now: `python -m tests.check.examples`."""
    found = tried(rule, example.text)
    assert (found.code, found.messages, found.fixed) == (example.code, example.messages, example.fixed)
    assert example.spans


@pytest.mark.parametrize(("rule", "example"), INVALID, ids=names(INVALID))
def test_invalid_after_the_c_preprocessor(rule: Rule, example: Flagged) -> None:
    if "#" in example.text:
        return  # speaks to the C preprocessor
    assert tried(rule, example.text, preprocessed=True).code == example.code


@pytest.mark.parametrize(("rule", "text"), VALID, ids=names(VALID))
def test_valid(rule: Rule, text: str) -> None:
    assert not check(f"\tnop 0\n\t{text}\n\tnop 0\n", rule.code)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_a_rule_is_documented(rule: Rule) -> None:
    assert rule.__doc__
    assert len(rule.__doc__) > 100
    assert rule.title
    assert rule.invalid
    assert rule.valid


def test_selection() -> None:
    assert [rule.code for rule in Selection().rules()] == [rule.code for rule in RULES if rule.on_by_default]
    assert [rule.code for rule in Selection(("PV004",)).rules()] == ["PV004"]
    assert [rule.code for rule in Selection(("PV00",), ("PV003",)).rules()] == ["PV001", "PV002", "PV004", "PV005"]
    with pytest.raises(PvasmError, match="PV999"):
        Selection(("PV999",)).rules()


def test_marks() -> None:
    example = Flagged("«a «b» c»«d»", "1", "2", "3")
    assert (example.text, example.spans) == ("a b cd", [(0, 5), (2, 3), (5, 6)])
    assert marked(example.text, example.spans) == example.code
    assert marked("ab", [(0, 2), (0, 2)]) == "««ab»»"
    for wrong in ("«a", "a»"):
        with pytest.raises(ValueError, match="without"):
            _ = Flagged(wrong, "1").spans
