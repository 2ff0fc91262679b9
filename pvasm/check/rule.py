"""What a rule is, and which rules there are."""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, ClassVar, NamedTuple

if TYPE_CHECKING:
    from pvasm.check.diagnostic import Severity
    from pvasm.check.subject import Subject
    from pvasm.text import Edit


class Finding(NamedTuple):
    """What a rule yields: the span in the document's text, and the message.

    `instance` names the instance in which it is so, if it is not so in all. `details` are lines to show below the
    source line: what an op becomes there, the path that leads to a read. `edits` of the document's text mend it;
    they are made all or none.
    """

    start: int
    end: int
    message: str
    instance: str | None = None
    details: tuple[str, ...] = ()
    edits: tuple[Edit, ...] = ()


class Rule(ABC):
    """One rule: a subclass in a module of its own in pvasm/check/rules/. Its docstring is its documentation.

    `invalid` and `valid` are pieces of assembly that it must and must not flag, under its code alone; they are its
    tests. In an invalid one of several lines, `// <--` is at the end of each that is flagged.
    """

    code: ClassVar[str]
    title: ClassVar[str]
    severity: ClassVar[Severity]
    on_by_default: ClassVar[bool] = True
    in_mixed_headers: ClassVar[bool] = True  # whether to run on a header found in a folder, which may hold C as well
    invalid: ClassVar[tuple[str, ...]]
    valid: ClassVar[tuple[str, ...]]

    @abstractmethod
    def check(self, subject: Subject) -> Iterator[Finding]:
        """What is wrong with the subject, in the order of its text."""


@cache
def all_rules() -> dict[str, Rule]:
    """Every rule by its code."""
    from pvasm.check import rules

    found: dict[str, Rule] = {}
    for module in sorted(pkgutil.iter_modules(rules.__path__), key=lambda module: module.name):
        importlib.import_module(f"{rules.__name__}.{module.name}")
    for rule in Rule.__subclasses__():
        found[rule.code] = rule()
    return dict(sorted(found.items()))
