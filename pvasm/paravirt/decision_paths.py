"""Every path through something that asks which registers its arguments are, and what comes of each.

Whoever runs it (a template, a macro) with `Answers` in the place of the registers follows one path; `every_path` runs
it for all that are possible.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

MOST_PATHS: Final = 512
_MOST_QUESTIONS: Final = 40_000  # on all paths together

Result = TypeVar("Result")


class Question(NamedTuple):
    """Whether a parameter is the same register as `other`: another parameter, or a register, which is written `%r8`."""

    parameter: str
    other: str


Answered = tuple[Question, bool]


class DecisionPath(NamedTuple, Generic[Result]):
    """One path: the questions in the order in which they were asked, with the answers, and what came of it."""

    answers: tuple[Answered, ...]
    result: Result


class TooManyPathsError(Exception):
    """There are more paths than somebody cares to follow, or more questions."""


class Answers:
    """The answers of one path: those told beforehand, then `yes` to whatever does not follow from earlier answers.

    More than `most` questions are too many.
    """

    def __init__(self, told: Sequence[bool], most: int = _MOST_QUESTIONS) -> None:
        self._told = told
        self.left = most
        self.given: list[Answered] = []

    def same(self, parameter: str, other: str) -> bool:
        """The answer to a question. Raises TooManyPathsError where there have been too many."""
        self.left -= 1
        if self.left < 0:
            raise TooManyPathsError
        implied = self._implied(parameter, other)
        if implied is not None:
            return implied
        answer = self._told[len(self.given)] if len(self.given) < len(self._told) else True
        self.given.append((Question(parameter, other), answer))
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


def equal_to(name: str, answers: Sequence[Answered]) -> set[str]:
    """All names of what is, by these answers, the same register: the name itself among them."""
    found = {name}
    equal = [pair for pair, answer in answers if answer]
    for _ in equal:
        for pair in equal:
            if not found.isdisjoint(pair):
                found.update(pair)
    return found


def every_path(run: Callable[[Answers], Result], most: int = MOST_PATHS) -> list[DecisionPath[Result]]:
    """All paths through `run`, in order: the first is where all answers are yes.

    Raises TooManyPathsError if there are more than `most`.
    """
    paths: list[DecisionPath[Result]] = []
    told: list[bool] = []
    left = _MOST_QUESTIONS
    while len(paths) < most:
        answers = Answers(told, left)
        result = run(answers)
        left = answers.left
        paths.append(DecisionPath(tuple(answers.given), result))
        told = [answer for _, answer in answers.given]
        while told and not told[-1]:
            told.pop()
        if not told:
            return paths
        told[-1] = False
    raise TooManyPathsError
