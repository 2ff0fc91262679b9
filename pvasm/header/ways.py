"""Every way through a macro that asks which registers its arguments are, and what comes of each.

Whoever runs the macro with `Answers` in the place of the registers is told one way; `every_way` runs it for all that
are possible.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

MOST_WAYS: Final = 512

# Whether a parameter is the same register as another parameter, or as a register, which is written `%r8`.
Question = tuple[str, str]


class Way(NamedTuple):
    """One way: the questions in the order in which they were asked, with the answers, and the lines that come of it.

    `lines` is None where the macro refuses its arguments.
    """

    answers: tuple[tuple[Question, bool], ...]
    lines: tuple[str, ...] | None


class TooManyWaysError(Exception):
    """There are more than MOST_WAYS ways through a macro."""


class Answers:
    """The answers of one way: those told beforehand, then `yes` to whatever does not follow from earlier answers."""

    def __init__(self, told: Sequence[bool]) -> None:
        self._told = told
        self.given: list[tuple[Question, bool]] = []

    def same(self, parameter: str, other: str) -> bool:
        """The answer to a question."""
        implied = self._implied(parameter, other)
        if implied is not None:
            return implied
        answer = self._told[len(self.given)] if len(self.given) < len(self._told) else True
        self.given.append(((parameter, other), answer))
        return answer

    def _implied(self, one: str, other: str) -> bool | None:
        """What earlier answers say of a question; None if nothing."""
        left, right = equal_to(one, self.given), equal_to(other, self.given)
        if other in left:
            return True
        if any(word.startswith("%") for word in left) and any(word.startswith("%") for word in right):
            return False  # each is a register, and they are not the same
        for (first, second), answer in self.given:
            if not answer and ((first in left and second in right) or (second in left and first in right)):
                return False
        return None


def equal_to(name: str, answers: Sequence[tuple[Question, bool]]) -> set[str]:
    """All names of what is, by these answers, the same register: the name itself among them."""
    found = {name}
    equal = [pair for pair, answer in answers if answer]
    for _ in equal:
        for pair in equal:
            if not found.isdisjoint(pair):
                found.update(pair)
    return found


def every_way(run: Callable[[Answers], tuple[str, ...] | None]) -> list[Way]:
    """All ways through `run`, in order: the first is where all answers are yes. Raises TooManyWaysError."""
    ways: list[Way] = []
    told: list[bool] = []
    while len(ways) < MOST_WAYS:
        answers = Answers(told)
        lines = run(answers)
        ways.append(Way(tuple(answers.given), lines))
        told = [answer for _, answer in answers.given]
        while told and not told[-1]:
            told.pop()
        if not told:
            return ways
        told[-1] = False
    raise TooManyWaysError
