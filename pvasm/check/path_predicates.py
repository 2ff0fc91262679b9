"""What a path tells of predicates, for the search that follows one register along it.

A search holds a set of names: `p6` says that the register has been written again if p6 holds, `!p6` that p6 is false.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from pvasm.check.register_uses import Uses
from pvasm.expand.program import Node
from pvasm.isa.effects import plan_of
from pvasm.isa.registers import Register

Known = frozenset[str]

_MANY = 32  # predicates that an instruction writes: it is `mov pr =`, which puts back what was there


class PathPredicates:
    """The predicates of a graph, of which some are complements wherever they are written."""

    def __init__(self, nodes: Sequence[Node], uses: Sequence[Uses]) -> None:
        self._nodes = nodes
        self._uses = uses

    def is_off(self, known: Known, uses: Uses) -> bool:
        """Whether a node does nothing, as its predicate is known to be false."""
        return bool(known) and f"!{uses.predicate}" in known and not uses.sure

    def after_write(self, known: Known, index: int, register: Register) -> Known | None:
        """What is known behind a node; None if the register has been written again, whatever the predicates are."""
        uses = self._uses[index]
        if register in uses.done and uses.predicate:
            known |= {uses.predicate}
            if any({first, second} <= known for first, second in self._complements):
                return None
        if not known:
            return known
        overwritten = {each.text for each in uses.writes if each.file == "p"} if uses.predicates else set()
        known -= {f"!{name}" for name in overwritten}
        # `(p6) cmp.unc p6, p7 = ...`: both are true only if p6 was.
        resolved = self._nodes[index].resolved
        implied = uses.predicate in known and resolved is not None and resolved.clears_when_false
        return known | overwritten if implied else known - overwritten

    def after_branch(self, known: Known, predicate: str, taken: bool) -> Known | None:
        """What is known behind a branch under a predicate, taken or not; None if the register has been written then."""
        if not predicate:
            return known
        other = self._partners.get(predicate)
        if (predicate if taken else other) in known:
            return None
        if other is None:
            return known
        return known | {f"!{other}" if taken else f"!{predicate}"}

    @cached_property
    def _partners(self) -> dict[str, str]:
        """Of each predicate of a pair of which one holds, the other."""
        return {one: other for first, second in self._complements for one, other in ((first, second), (second, first))}

    @cached_property
    def _complements(self) -> set[tuple[str, str]]:
        """Pairs of predicates of which one holds wherever both have been written: those that no instruction splits.

        Any instruction that writes one of them writes both, and one true, the other false.
        """
        pairs: set[tuple[str, str]] = set()
        apart: set[str] = set()
        for node, uses in zip(self._nodes, self._uses, strict=True):
            if not uses.predicates:
                continue
            written = sorted(each.text for each in uses.writes if each.file == "p")
            if len(written) == 2 and _is_complementary(node):
                pairs.add((written[0], written[1]))
            elif len(written) < _MANY:
                apart.update(written)
        partners: dict[str, set[str]] = {}
        for first, second in pairs:
            partners.setdefault(first, set()).add(second)
            partners.setdefault(second, set()).add(first)
        return {
            pair for pair in pairs if not apart.intersection(pair) and all(len(partners[name]) == 1 for name in pair)
        }


def _is_complementary(node: Node) -> bool:
    """Whether an instruction that writes two predicates makes one of them true: an unconditional compare or test."""
    if node.resolved is None:
        return False
    plan = plan_of(node.resolved.spelling)
    return node.resolved.predicate == 0 and len(plan.predicates) == 2 and not plan.parallel
