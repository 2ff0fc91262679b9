"""What a rule is, and which rules there are."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, ClassVar

from pvasm.check.codes import known_codes, modules
from pvasm.check.example import Flagged
from pvasm.check.finding import Finding, InstanceFinding, Severity

if TYPE_CHECKING:
    from pvasm.check.instance_subject import InstanceSubject
    from pvasm.check.subject import Subject
    from pvasm.check.suppression import Suppression


class Rule(ABC):
    """One rule: a subclass in a module of its own in pvasm/check/rules/. Its docstring is its documentation.

    `invalid` and `valid` are pieces of assembly that it must and must not flag, under its code alone; they are its
    tests. `python -m tests.check.examples CODE` writes what is said of them now.
    """

    code: ClassVar[str]
    title: ClassVar[str]
    severity: ClassVar[Severity]
    on_by_default: ClassVar[bool] = True
    in_mixed_headers: ClassVar[bool] = True  # whether to run on a header found in a folder, which may hold C as well
    follows_flow: ClassVar[bool] = False  # whether it asks how one instruction follows another
    invalid: ClassVar[tuple[Flagged, ...]]
    valid: ClassVar[tuple[str, ...]]

    @abstractmethod
    def check(self, subject: Subject) -> Iterator[Finding]:
        """What is wrong with the subject, in the order of its text."""

    def review(self, suppressions: Sequence[Suppression], checked: Collection[str]) -> Iterator[Finding]:
        """What is wrong with the suppressions in a text. Asked when all rules, of the codes `checked`, have looked.

        Each suppression knows by then what it has hidden. Most rules have nothing to say.
        """
        return iter(())


class InstanceRule(ABC):
    """One rule about instance files: a subclass in a module of its own, beside the others. Its docstring documents it.

    `invalid` and `valid` are instance files, without their names and descriptions, that it must and must not flag;
    they are its tests.
    """

    code: ClassVar[str]
    title: ClassVar[str]
    severity: ClassVar[Severity]
    on_by_default: ClassVar[bool] = True
    invalid: ClassVar[tuple[Flagged, ...]]
    valid: ClassVar[tuple[str, ...]]

    @abstractmethod
    def check(self, subject: InstanceSubject) -> Iterator[InstanceFinding]:
        """What is wrong with the instance."""


@cache
def all_rules() -> dict[str, Rule]:
    """Every rule by its code."""
    _import_all()
    return {rule.code: rule() for rule in sorted(Rule.__subclasses__(), key=lambda rule: rule.code)}


@cache
def all_instance_rules() -> dict[str, InstanceRule]:
    """Every rule about instance files by its code."""
    _import_all()
    return {rule.code: rule() for rule in sorted(InstanceRule.__subclasses__(), key=lambda rule: rule.code)}


def every_rule() -> dict[str, Rule | InstanceRule]:
    """The rules of both sorts by their codes, in order."""
    both: dict[str, Rule | InstanceRule] = {**all_rules(), **all_instance_rules()}
    return dict(sorted(both.items()))


@cache
def rule_of(code: str) -> Rule | InstanceRule:
    """The rule with this code, which is one that there is; no other is imported."""
    _import(code)
    classes: list[type[Rule] | type[InstanceRule]] = [*Rule.__subclasses__(), *InstanceRule.__subclasses__()]
    return next(each() for each in classes if each.code == code)


def documentation(rule: Rule | InstanceRule) -> str:
    """A rule's docstring, without its indentation."""
    from inspect import cleandoc

    return cleandoc(rule.__doc__ or "")


def _import_all() -> None:
    for code in known_codes():
        _import(code)


def _import(code: str) -> None:
    importlib.import_module(f"pvasm.check.rules.{modules()[code]}")
