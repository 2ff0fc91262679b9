"""What is known of predicates at a point of a straight line of code: which exclude and which imply one another.

What compares establish and later writes take away follows GNU as, whose user's guide describes `.pred.rel`. Each label
starts a *path*, the code as entered there: what was known before the label does not hold on it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

ALL: Final = (1 << 64) - 1
ROTATING: Final = ALL & ~0xFFFF

# How much is remembered, and followed up at once: more than real code has, and little enough for hostile code.
_MOST_EXCLUSIONS: Final = 64
_MOST_IMPLICATIONS: Final = 32
_MOST_CONCLUSIONS: Final = 64


def mask_of(predicates: Iterable[int]) -> int:
    """The predicates as bits; p0 is left out, for it is in no relation."""
    mask = 0
    for predicate in predicates:
        mask |= 1 << predicate
    return mask & ALL & ~1


class Relations:
    """The relations that hold between predicates. A set of predicates is a mask of bits.

    `_apart` has sets of which at most one is true, with the last path on which that was established. `_implied` has for
    (p, q), where p implies q, that path, and the last path on which a branch under q was passed (-1 for none): there,
    p is false.
    """

    __slots__ = ("_apart", "_implied", "path")

    def __init__(self) -> None:
        self.path = 0
        self._apart: dict[int, int] = {}
        self._implied: dict[tuple[int, int], tuple[int, int]] = {}

    def copy(self) -> Relations:
        """The same knowledge, to be carried on independently."""
        new = Relations()
        new.path = self.path
        new._apart = self._apart.copy()
        new._implied = self._implied.copy()
        return new

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known."""
        return not self._apart and not self._implied

    def exclusive(self, one: int, other: int, path: int) -> bool:
        """Whether two predicates are known to exclude each other, also where the code is entered at `path`."""
        if one == other or not self._apart:
            return False
        both = 1 << one | 1 << other
        return any(at >= path and mask & both == both for mask, at in self._apart.items())

    def branched_away(self, predicate: int, path: int) -> bool:
        """Whether a branch was taken if the predicate is true: what it qualifies is then not reached."""
        return any(source == predicate and at >= path for (source, _), (_, at) in self._implied.items())

    def exclude(self, mask: int) -> None:
        """At most one of the predicates is true."""
        self._apart[mask] = self.path
        if len(self._apart) > _MOST_EXCLUSIONS:
            del self._apart[next(iter(self._apart))]

    def imply(self, source: int, target: int) -> None:
        """`target` is true whenever `source` is, with all that follows from it and what is known."""
        todo = [(source, target)]
        for _ in range(_MOST_CONCLUSIONS):
            if not todo:
                break
            pair = one, other = todo.pop()
            known, passed = self._implied.get(pair, (-1, -1))
            if one == other or not one or not other or known == self.path:
                continue
            if known < 0 and len(self._implied) >= _MOST_IMPLICATIONS:
                return
            self._implied[pair] = (self.path, passed)
            todo += [(one, last) for first, last in self._implied if first == other]
            todo += [(first, other) for first, last in self._implied if last == one]
            for mask in [mask for mask in self._apart if mask >> other & 1]:
                self.exclude(mask & ~(1 << other) | 1 << one)

    def branch(self, predicate: int) -> list[int]:
        """A branch under the predicate is passed; returns the predicates that are then false as well."""
        sources = [source for source, target in self._implied if target == predicate]
        for source in sources:
            at, _ = self._implied[source, predicate]
            self._implied[source, predicate] = (at, at)
        return sources

    def forget(self, mask: int) -> None:
        """The predicates are written: nothing is known of them any more."""
        self.forget_exclusion(mask)
        self.forget_implication(mask, mask)

    def forget_exclusion(self, mask: int) -> None:
        """No set with one of the predicates excludes any more."""
        if self._apart:
            self._apart = {each: path for each, path in self._apart.items() if not each & mask}

    def forget_implication(self, sources: int, targets: int) -> None:
        """No predicate of the one set implies another any more, nor does any imply one of the other set."""
        if self._implied:
            self._implied = {
                pair: at for pair, at in self._implied.items() if not (sources >> pair[0] & 1 or targets >> pair[1] & 1)
            }

    def compare(self, first: int, second: int, parallel: str, qualified: int | None, always: bool) -> None:
        """A compare writes two predicates, `qualified` by a predicate (0 for none, None for one that is not known).

        `parallel` is `and`, `or` or `or.andcm` for a parallel one; `always` says that it writes them (false) even if
        its qualifying predicate is false.
        """
        both = mask_of((first, second))
        if not both:
            return
        if parallel == "or.andcm":  # one may become true as the other becomes false: complements stay complements
            self.forget_implication(both, both)
        elif parallel == "and":
            self.forget_implication(0, both)
        elif parallel == "or":
            self.forget_exclusion(both)
            self.forget_implication(both, 0)
        else:
            self.forget_implication(both, both)
            if not first or not second:
                self.forget_exclusion(both)
            elif not self._renew(both) and (qualified == 0 or always):
                self.exclude(both)
            if qualified and always:
                for predicate in filter(None, (first, second)):
                    self.imply(predicate, qualified)

    def _renew(self, both: int) -> bool:
        """Take two predicates out of all sets but the one that is just them; tell whether they still exclude.

        Under a predicate, a compare that writes both of a set either leaves the set as it was or makes it hold anew.
        """
        kept = within = False
        for mask, path in list(self._apart.items()):
            if not mask & both:
                continue
            if mask == both and path == self.path:
                kept = True
                continue
            del self._apart[mask]
            if path == self.path:
                within = within or mask & both == both
                rest = mask & ~both
                if rest & (rest - 1):
                    self._apart[rest] = path
        if within and not kept:
            self.exclude(both)
        return kept or within
