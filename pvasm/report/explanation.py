"""What a rule is about: its documentation and its examples, for people and for programs."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable

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
        *(_example(example) for example in rule.invalid),
        "  Not flagged:",
        *(_example(example) for example in rule.valid),
    ]
    return "\n\n".join(parts) + "\n"


def _level(rule: AnyRule) -> str:
    return rule.severity if rule.on_by_default else f"{rule.severity}, off"


def _example(text: str) -> str:
    first, *others = text.split("\n")
    is_assembly = any("\t" in line for line in others)
    if is_assembly and "\t" not in first and not first.startswith("#"):
        first = f"\t{first}"  # it goes without its indentation
    return textwrap.indent(textwrap.dedent("\n".join((first, *others)).expandtabs()).rstrip("\n"), "        ")


def render_json(rules: Iterable[AnyRule]) -> str:
    """A JSON object a rule, a line each."""
    return "".join(
        json.dumps(
            {
                "code": rule.code,
                "title": rule.title,
                "severity": rule.severity,
                "on_by_default": rule.on_by_default,
                "documentation": documentation(rule),
                "invalid": rule.invalid,
                "valid": rule.valid,
            }
        )
        + "\n"
        for rule in rules
    )
