"""Under which conditions a definition counts: what `#if` around it says, against what `#if` around its use says.

A name may be defined in several arms of conditionals. At a place, each definition counts that may hold there; where
they differ, each is followed, under its own path condition.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Generic, TypeVar

from msgspec import Struct

from pvasm.regex import regex
from pvasm.syntax.cpp import Known, arm_taken, reachable
from pvasm.syntax.tree import Condition

Conditions = tuple[Condition, ...]
Meant = TypeVar("Meant")

MOST_MEANINGS: Final = 16
"""How many definitions of a name are told apart; of one with more, none is known."""

_MOST_REMEMBERED: Final = 20_000
_DEFINED: Final = regex(r"(?P<negated>!?)defined\((?P<name>\w+)\)")


class PathConditions:
    """Answers about conditions, given what is `known` of macros; conditions that ask of `changing` ones may differ."""

    def __init__(self, known: Known, changing: frozenset[str] = frozenset()) -> None:
        self.known = known
        self.changing = changing
        self._facts: dict[Conditions, Known] = {(): known}
        self._agree: dict[tuple[Conditions, Conditions], bool] = {}

    def can_hold(self, conditions: Conditions) -> bool:
        """Whether code under these conditions may be compiled at all."""
        return not conditions or reachable(conditions, self.known)

    def agree(self, here: Conditions, there: Conditions) -> bool:
        """Whether both may hold at once."""
        if not here or not there or here == there:
            return True
        key = here, there
        found = self._agree.get(key)
        if found is None:
            if len(self._agree) > _MOST_REMEMBERED:
                self._agree.clear()
            found = self._agree[key] = self._compatible(here, there)
        return found

    def _compatible(self, here: Conditions, there: Conditions) -> bool:
        arms = {condition.line: condition for condition in here}
        if any(arms.get(each.line, each) != each for each in there):
            return False  # two arms of one conditional
        return reachable(there, self.facts(here)) and reachable(here, self.facts(there))

    def implies(self, given: Conditions, wanted: Conditions) -> bool:
        """Whether `wanted` holds for sure where `given` does."""
        if not wanted or given[: len(wanted)] == wanted:
            return True
        facts = self.facts(given)
        return all(each in given or arm_taken(each, facts) is True for each in wanted)

    def facts(self, conditions: Conditions) -> Known:
        """What is known of macros where these conditions hold."""
        found = self._facts.get(conditions)
        if found is None:
            if len(self._facts) > _MOST_REMEMBERED:
                self._facts = {(): self.known}
            told = dict(self.known)
            for condition in conditions:
                told.update(self._told(condition.expression, True))
                for earlier in condition.earlier:
                    told.update(self._told(earlier, False))
            found = self._facts[conditions] = told
        return found

    def _told(self, expression: str, holds: bool) -> Iterator[tuple[str, bool]]:
        found = _DEFINED.fullmatch(expression)
        if found is not None and found["name"] not in self.changing:
            yield found["name"], holds is not bool(found["negated"])


class Meaning(Struct, Generic[Meant], frozen=True):
    """What a definition says that a name means, and under which conditions; None: it is not defined."""

    value: Meant | None
    conditions: Conditions


class Meanings(Generic[Meant]):
    """What names mean so far, by definitions in their order."""

    def __init__(self, paths: PathConditions) -> None:
        self.paths = paths
        self.table: dict[str, list[Meaning[Meant]]] = {}
        self.too_many: set[str] = set()

    def define(self, name: str, value: Meant | None, conditions: Conditions) -> None:
        """Let the name mean `value` from here on, where the conditions hold."""
        meaning = Meaning(value, conditions)
        if not conditions:
            self.too_many.discard(name)
            self.table[name] = [meaning]
            return
        before = self.table.get(name, [])
        kept = [each for each in before if not self.paths.implies(each.conditions, conditions)]
        if len(kept) >= MOST_MEANINGS:
            self.too_many.add(name)
            kept = kept[1:]
        self.table[name] = [*kept, meaning]

    def undefine(self, name: str, conditions: Conditions) -> None:
        """Let the name mean nothing from here on, where the conditions hold."""
        if name in self.table:
            if conditions:
                self.define(name, None, conditions)
            else:
                del self.table[name]
                self.too_many.discard(name)

    def of(self, name: str, conditions: Conditions) -> list[Meaning[Meant]]:
        """What the name may mean where the conditions hold: one that is sure, or each that is possible.

        The conditions of each are those of its definition that are not known to hold. Equal meanings are one.
        """
        meanings = self.table.get(name)
        if meanings is None:
            return [Meaning(None, ())]
        found: list[Meaning[Meant]] = []
        for meaning in reversed(meanings):
            if not self.paths.agree(conditions, meaning.conditions):
                continue
            if self.paths.implies(conditions, meaning.conditions):
                found.append(Meaning(meaning.value, ()))
                break
            extra = tuple(each for each in meaning.conditions if each not in conditions)
            found.append(Meaning(meaning.value, extra))
        else:
            if not _exhaustive([each.conditions for each in found]):
                found.append(Meaning(None, ()))
        values = [each.value for each in found]
        if all(value == values[0] for value in values[1:]):
            return [Meaning(values[0], ())]
        return found


def _exhaustive(alternatives: list[Conditions]) -> bool:
    """Whether some arms are all that a conditional has, the last being its `#else`."""
    arms = [each[0] for each in alternatives if len(each) == 1]
    for last in arms:
        if last.expression == "1" and last.earlier:
            lengths = {len(arm.earlier) for arm in arms if arm.line == last.line}
            if lengths == set(range(len(last.earlier) + 1)):
                return True
    return False
