"""What a rule is about: its documentation and its examples, for people and for programs."""

from __future__ import annotations

import json
import textwrap
from bisect import bisect_right
from collections.abc import Iterable

from pvasm.check.example import Flagged
from pvasm.check.rule import InstanceRule, Rule, documentation

AnyRule = Rule | InstanceRule


def render_list(rules: Iterable[AnyRule]) -> str:
    """A line a rule."""
    return "".join(f"{rule.code}  {_level(rule):<14}  {rule.title}\n" for rule in rules)


def render(rule: AnyRule) -> str:
    """All that there is to say of a rule, in lines."""
    parts = [
        f"{rule.code}: {rule.title} ({_level(rule)})",
        textwrap.indent(documentation(rule), "    "),
        "  Flagged:",
        *flagged(rule),
        "  Not flagged:",
        *not_flagged(rule),
    ]
    return "\n\n".join(parts) + "\n"


def flagged(rule: AnyRule) -> list[str]:
    """The examples that a rule flags, each with what is said of it, and what `--fix` makes of it."""
    return [_flagged(example) for example in rule.invalid]


def not_flagged(rule: AnyRule) -> list[str]:
    """The examples that a rule leaves alone."""
    return [_example(example) for example in rule.valid]


def _level(rule: AnyRule) -> str:
    return rule.severity if rule.on_by_default else f"{rule.severity}, off"


def _flagged(example: Flagged) -> str:
    """The code, with what is flagged underlined and what is said of it below; then what `--fix` makes of it."""
    fixed = "" if example.fixed is None else f"\n\n    --fix:\n{_example(example.fixed)}"
    return f"{_indented(underlined(example))}{fixed}"


def underlined(example: Flagged) -> str:
    """The code, with what is flagged underlined and what is said of it below."""
    lines = example.text.split("\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    below: dict[int, list[str]] = {}
    for (start, end), message in zip(example.spans, example.messages, strict=True):
        number = bisect_right(starts, start) - 1
        line, at = lines[number], start - starts[number]
        width = min(end, starts[number] + len(line)) - start
        blank = "".join("\t" if character == "\t" else " " for character in line[:at])
        below.setdefault(number, []).extend((f"{blank}^{'~' * (width - 1)}", f"{blank}{message}"))
    return aligned("\n".join(part for number, line in enumerate(lines) for part in (line, *below.get(number, ()))))


def _example(text: str) -> str:
    return _indented(aligned(text))


def _indented(text: str) -> str:
    return textwrap.indent(text, "        ")


def aligned(text: str) -> str:
    """Code as it is shown: lines under one another, without what is common to them at the left, and without tabs."""
    first, *others = text.split("\n")
    is_assembly = any("\t" in line for line in others)
    if is_assembly and "\t" not in first and not first.startswith("#"):
        first = f"\t{first}"  # it goes without its indentation
    return textwrap.dedent("\n".join((first, *others)).expandtabs()).rstrip("\n")


def _json(example: Flagged) -> dict[str, object]:
    findings = [
        {"start": start, "end": end, "message": message}
        for (start, end), message in zip(example.spans, example.messages, strict=True)
    ]
    return {"code": example.text, "findings": findings, "fixed": example.fixed}


def render_json(rules: Iterable[AnyRule]) -> str:
    """A JSON object a rule, a line each. Findings in examples stand where characters of the code do, from 0."""
    return "".join(
        json.dumps(
            {
                "code": rule.code,
                "title": rule.title,
                "severity": rule.severity,
                "on_by_default": rule.on_by_default,
                "documentation": documentation(rule),
                "invalid": [_json(example) for example in rule.invalid],
                "valid": rule.valid,
            }
        )
        + "\n"
        for rule in rules
    )
