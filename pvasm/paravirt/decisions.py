"""What a template makes of every way that its arguments can be the same registers, worked out beforehand.

A template may ask whether an argument is a certain register, or the same as another. `decide` renders it once for each
way to answer that makes sense, so that nothing of the template language is left: a tree of questions, with lines at its
ends. The lines have holes where arguments, numbers of kernel registers and constants of the catalog stand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from pvasm.errors import PvasmError
from pvasm.paravirt.arguments import TemplateArgument, operand
from pvasm.paravirt.catalog import Catalog, Op
from pvasm.paravirt.template import Template

MOST_ENDS: Final = 256
_MOST_QUESTIONS: Final = 20_000  # that a template asks, all renderings together

_OPEN, _CLOSE = "\x01", "\x02"  # no text can hold them itself
_HOLE = re.compile(f"{_OPEN}([^{_CLOSE}]*){_CLOSE}")


class Question(NamedTuple):
    """Whether a parameter is the same register as `other`: another parameter, or a register by its name."""

    parameter: str
    other: str


class Lines(NamedTuple):
    """An end of a tree: the lines, with holes."""

    lines: tuple[str, ...]

    def filled(self, fill: Callable[[str], str]) -> tuple[str, ...]:
        """The lines with `fill(name)` in each hole.

        The name is a parameter's, a constant's, or for the number of a kernel register `PARAMETER.number`.
        """
        return tuple(_HOLE.sub(lambda found: fill(found[1]), line) for line in self.lines)


class Choice(NamedTuple):
    """A question, and what follows from either answer."""

    question: Question
    yes: Decision
    no: Decision


Decision = Lines | Choice


def ends(decision: Decision, answers: tuple[tuple[Question, bool], ...] = ()) -> Iterator[tuple[Any, Lines]]:
    """Each end of a tree, with the answers that lead to it, in order; `yes` comes first."""
    if isinstance(decision, Lines):
        yield answers, decision
    else:
        yield from ends(decision.yes, (*answers, (decision.question, True)))
        yield from ends(decision.no, (*answers, (decision.question, False)))


def decide(template: Template, op: Op, catalog: Catalog, constants: Mapping[str, Any]) -> Decision | None:
    """The decisions of an op's template, where the instance's constants are these.

    None for a template that does more with its values than print and compare them, that has more than MOST_ENDS ends,
    or asks more than it takes to tell a few registers apart. Raises PvasmError for a template that cannot be compiled.
    """
    template.compile()
    answered: list[tuple[Question, bool]] = []
    left = _MOST_QUESTIONS
    found: list[tuple[list[tuple[Question, bool]], Lines]] = []
    while True:
        asked = _Asked(answered, left)
        values: dict[str, Any] = {name: _Hole(name) for name in catalog.constants}
        values.update(constants)
        values.update((parameter.name, _Argument(parameter.name, asked)) for parameter in op.parameters)
        try:
            lines = template.render(values)
        except (PvasmError, _UnsuitableError):
            return None
        left = asked.left
        found.append((list(asked.answers), Lines(lines)))
        answered = asked.answers
        while answered and not answered[-1][1]:
            answered.pop()
        if not answered:
            return _tree(found, 0)
        if len(found) >= MOST_ENDS:
            return None
        answered[-1] = (answered[-1][0], False)


def _tree(found: Sequence[tuple[list[tuple[Question, bool]], Lines]], depth: int) -> Decision:
    """The tree of ways that have their first answers, `depth` of them, in common."""
    answers, lines = found[0]
    if len(answers) == depth:
        return lines
    question = answers[depth][0]
    yes = [way for way in found if way[0][depth][1]]
    no = [way for way in found if not way[0][depth][1]]
    return Choice(question, _tree(yes, depth + 1), _tree(no, depth + 1))


class _UnsuitableError(Exception):
    """A template uses a value in a way that no decision can stand for."""


class _Hole(str):
    """A value that may be printed, and nothing else."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    def __new__(cls, name: str) -> _Hole:
        return super().__new__(cls, f"{_OPEN}{name}{_CLOSE}")

    def __eq__(self, other: object) -> bool:
        raise _UnsuitableError

    def __ne__(self, other: object) -> bool:
        raise _UnsuitableError

    def __bool__(self) -> bool:
        raise _UnsuitableError


class _Asked:
    """Answers questions, of which there may be `left`: as it is told, then as follows from that, then `yes`."""

    def __init__(self, told: Sequence[tuple[Question, bool]], left: int) -> None:
        self.told = dict(told)
        self.left = left
        self.answers: list[tuple[Question, bool]] = []

    def answer(self, question: Question) -> bool:
        self.left -= 1
        if self.left < 0:
            raise _UnsuitableError
        implied = self._implied(question)
        if implied is not None:
            return implied
        said = self.told.get(question, True)
        self.answers.append((question, said))
        return said

    def _implied(self, question: Question) -> bool | None:
        """What earlier answers say of a question, if they do."""
        same = self._same_as(question.parameter)
        other = self._same_as(question.other)
        if question.other in same:
            return True
        if any(_is_register(left) and _is_register(right) for left in same for right in other):
            return False  # two registers of different names
        for (parameter, asked), said in self.answers:
            if not said and ((parameter in same and asked in other) or (parameter in other and asked in same)):
                return False
        return None

    def _same_as(self, name: str) -> set[str]:
        """What is known to be the same register as a parameter or register."""
        same = {name}
        grew = True
        while grew:
            grew = False
            for (parameter, other), said in self.answers:
                if said and (parameter in same) is not (other in same):
                    same |= {parameter, other}
                    grew = True
        return same


def _is_register(name: str) -> bool:
    return name.startswith("%")


class _Argument(TemplateArgument):
    """An argument that is not known: it prints as a hole, and its comparisons are questions."""

    __slots__ = ("_asked", "_name")
    __hash__ = None

    def __init__(self, name: str, asked: _Asked) -> None:
        super().__init__(operand(name), {})
        self._name = name
        self._asked = asked

    def __str__(self) -> str:
        return f"{_OPEN}{self._name}{_CLOSE}"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, _Argument):
            if other._name == self._name:
                return True
            return self._asked.answer(Question(*sorted((self._name, other._name))))
        if not isinstance(other, str):
            return False
        register = operand(other).register
        if register is None:
            raise _UnsuitableError
        return self._asked.answer(Question(self._name, f"%{register}"))

    @property
    def number(self) -> Any:
        return _Hole(f"{self._name}.number")
