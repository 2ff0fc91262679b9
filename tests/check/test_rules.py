"""Every rule flags what it says that it flags, and nothing of what it says that it does not."""

from __future__ import annotations

import pytest

from pvasm.check.engine import Selection
from pvasm.check.rule import Rule, all_rules
from pvasm.errors import PvasmError
from tests.check.checking import check

RULES = list(all_rules().values())
INVALID = [(rule, text) for rule in RULES for text in rule.invalid]
VALID = [(rule, text) for rule in RULES for text in rule.valid]


def names(cases: list[tuple[Rule, str]]) -> list[str]:
    return [f"{rule.code}: {text}" for rule, text in cases]


@pytest.mark.parametrize(("rule", "text"), INVALID, ids=names(INVALID))
@pytest.mark.parametrize("preprocessed", [False, True], ids=["raw", "preprocessed"])
def test_invalid(rule: Rule, text: str, preprocessed: bool) -> None:
    if "\n" in text:
        if preprocessed and "#" in text:
            return  # speaks to the C preprocessor
        lines = {d.line for d in check(text, rule.code, preprocessed=preprocessed)}
        assert lines == {number for number, line in enumerate(text.split("\n"), 1) if line.endswith("// <--")}
        return
    (found,) = check(f"\tnop 0\n\t{text} // a remark\n\tnop 0\n", rule.code, preprocessed=preprocessed)
    assert (found.code, found.severity) == (rule.code, rule.severity)
    assert (found.line, found.column) == (2, 2)
    assert text.startswith(found.instruction)


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
    assert [rule.code for rule in Selection(("PV00",), ("PV003",)).rules()] == ["PV001", "PV002", "PV004"]
    with pytest.raises(PvasmError, match="PV999"):
        Selection(("PV999",)).rules()
