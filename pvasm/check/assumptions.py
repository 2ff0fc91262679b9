"""What is assumed of cpp conditions on a path: code that contradicts what the path has met is not on it."""

from __future__ import annotations

from collections.abc import Iterator

from pvasm.expand.program import Graph
from pvasm.regex import regex
from pvasm.syntax import tree

Literals = frozenset[tuple[str, bool]]
"""Expressions of conditionals, and whether they hold on a path."""

_MAX_REMEMBERED = 20_000
_MAX_ASSUMED = 16  # conditions, on one path
_NAME = regex(r"[A-Za-z_]\w*")


class Assumptions:
    """The conditions of a graph's nodes that matter to paths: only those that several conditionals ask of."""

    def __init__(self, graph: Graph) -> None:
        askers: dict[str, set[int]] = {}
        for conditions in {node.conditions for node in graph.nodes}:
            for condition in conditions:
                for expression, _ in _literals(condition):
                    askers.setdefault(expression, set()).add(condition.line)
        self.repeated = frozenset(
            expression
            for expression, lines in askers.items()
            if len(lines) > 1 and graph.changing.isdisjoint(_NAME.findall(expression))
        )
        self._known: dict[tuple[Literals, tuple[tree.Condition, ...]], Literals | None] = {}

    def entered(self, assumed: Literals, conditions: tuple[tree.Condition, ...]) -> Literals | None:
        """What is assumed after code under these conditions; None if it is not compiled where that is assumed."""
        if not conditions:
            return assumed
        key = (assumed, conditions)
        if key not in self._known:
            if len(self._known) > _MAX_REMEMBERED:
                self._known.clear()
            self._known[key] = self._enter(assumed, conditions)
        return self._known[key]

    def _enter(self, assumed: Literals, conditions: tuple[tree.Condition, ...]) -> Literals | None:
        literals = {
            literal for condition in conditions for literal in _literals(condition) if literal[0] in self.repeated
        }
        if any((expression, not holds) in assumed for expression, holds in literals):
            return None
        return assumed | literals if len(assumed) < _MAX_ASSUMED else assumed


def _literals(condition: tree.Condition) -> Iterator[tuple[str, bool]]:
    """The expressions that a condition says something of, and what."""
    for expression, holds in ((condition.expression, True), *((each, False) for each in condition.earlier)):
        while expression.startswith("!") and (expression[1:].startswith("defined(") or expression[1:].isidentifier()):
            expression, holds = expression[1:], not holds
        if expression != "1":
            yield expression, holds
