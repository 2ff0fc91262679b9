"""What is said of a rule is all that its class says."""

from __future__ import annotations

import json

import pytest

from pvasm.check.rule import InstanceRule, Rule, every_rule
from pvasm.report import explanation

RULES = list(every_rule().values())


def squeezed(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_all_is_said(rule: Rule | InstanceRule) -> None:
    shown = explanation.render(rule)
    first, *_ = shown.splitlines()
    assert first.startswith(f"{rule.code}: {rule.title} ({rule.severity}")
    assert ("off" in first.rsplit("(", 1)[1]) is not rule.on_by_default
    assert squeezed(rule.__doc__ or "") in squeezed(shown)
    flagged, good = shown.split("\n  Not flagged:\n")
    for example in rule.invalid:
        for line in example.text.splitlines():
            assert squeezed(line) in squeezed(flagged)
        for message in example.messages:
            assert squeezed(message) in squeezed(flagged)
        assert example.fixed is None or squeezed(f"--fix: {example.fixed}") in squeezed(flagged)
    for text in rule.valid:
        assert squeezed(text) in squeezed(good)


def test_what_is_flagged_is_underlined() -> None:
    assert """
        (p6) ITC_D(p0, r18, r19)
        ^~~~~~~~~~~~~~~~~~~~~~~~
        ITC_D cannot stand under a predicate; it takes its predicate as an argument: ITC_D(pred, reg, clob)

    --fix:
        ITC_D(p6, r18, r19)
""" in explanation.render(every_rule()["PV101"])


def test_the_list_has_a_line_a_rule() -> None:
    lines = explanation.render_list(RULES).splitlines()
    assert [line.split()[0] for line in lines] == [rule.code for rule in RULES]
    assert all(line.endswith(rule.title) for line, rule in zip(lines, RULES, strict=True))


def test_json() -> None:
    rows = [json.loads(line) for line in explanation.render_json(RULES).splitlines()]
    assert [row["code"] for row in rows] == [rule.code for rule in RULES]
    assert [each["code"] for each in rows[0]["invalid"]] == [example.text for example in RULES[0].invalid]
    assert {
        "code": "cover",
        "findings": [{"start": 0, "end": 5, "message": "sensitive instruction used directly: use COVER"}],
        "fixed": "COVER",
    } in rows[0]["invalid"]
