"""What a template makes of every case in which its arguments are the same registers, worked out beforehand.

A template may ask whether an argument is a certain register, or the same as another. `decide` renders it once for each
way to answer that makes sense, so that nothing of the template language is left: a tree of questions, with lines at its
ends. The lines have holes where arguments, numbers of kernel registers and constants of the catalog stand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from pvasm.errors import PvasmError
from pvasm.paravirt.arguments import TemplateArgument, operand
from pvasm.paravirt.catalog import Catalog, Op
from pvasm.paravirt.decision_paths import Answers, DecisionPath, Question, TooManyPathsError, every_path
from pvasm.paravirt.expansion import Expansion
from pvasm.paravirt.template import Rendered, Template
from pvasm.paravirt.yaml_nodes import Node
from pvasm.regex import regex

MOST_ENDS: Final = 256

_OPEN, _CLOSE = "\x01", "\x02"  # no text can hold them itself
_HOLE = regex(f"{_OPEN}([^{_OPEN}{_CLOSE}]*){_CLOSE}")


class Lines(Struct, frozen=True, eq=False):
    """An end of a tree: the lines, with holes, and the lines of the template that they come from (from 1).

    Ends are equal if their lines are.
    """

    lines: tuple[str, ...]
    numbers: tuple[int, ...]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Lines) and self.lines == other.lines

    def __hash__(self) -> int:
        return hash(self.lines)

    def filled(self, fill: Callable[[str], str]) -> Expansion:
        """The lines with `fill(name)` in each hole.

        The name is a parameter's, a constant's, or for the number of a kernel register `PARAMETER.number`.
        """
        lines = tuple(_HOLE.sub(lambda found: fill(found[1]), line) for line in self.lines)
        return Expansion(lines, self.numbers, len(lines))


class Choice(Struct, frozen=True):
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


def replaced_template(catalog: Catalog, op: Op) -> Template:
    """The template of an op that is what it replaces."""
    names = [*(parameter.name for parameter in op.parameters), *catalog.constants]
    node = Node(catalog.template(op), op.line, 1, {})
    return Template(node, catalog.path, f"ops.{op.name}.replaces", names)


def decide(template: Template, op: Op, catalog: Catalog, constants: Mapping[str, Any]) -> Decision | None:
    """The decisions of an op's template, where the instance's constants are these.

    None for a template that does more with its values than print and compare them, that has more than MOST_ENDS ends,
    or asks more than it takes to tell a few registers apart. Raises PvasmError for a template that cannot be compiled.
    """
    template.compile()

    def render(answers: Answers) -> Rendered:
        values: dict[str, Any] = {name: _Hole(name) for name in catalog.constants}
        values.update(constants)
        values.update((parameter.name, _Argument(parameter.name, answers)) for parameter in op.parameters)
        return template.render(values)

    try:
        return _tree(every_path(render, MOST_ENDS), 0)
    except (PvasmError, _UnsuitableError, TooManyPathsError):
        return None


def _tree(paths: Sequence[DecisionPath[Rendered]], depth: int) -> Decision:
    """The tree of paths that have their first answers, `depth` of them, in common."""
    answers, rendered = paths[0]
    if len(answers) == depth:
        return Lines(rendered.lines, rendered.numbers)
    yes = [path for path in paths if path.answers[depth][1]]
    no = [path for path in paths if not path.answers[depth][1]]
    return Choice(answers[depth][0], _tree(yes, depth + 1), _tree(no, depth + 1))


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


class _Argument(TemplateArgument):
    """An argument that is not known: it prints as a hole, and its comparisons are questions."""

    __slots__ = ("_answers", "_name")
    __hash__ = None

    def __init__(self, name: str, answers: Answers) -> None:
        super().__init__(operand(name), {})
        self._name = name
        self._answers = answers

    def __str__(self) -> str:
        return f"{_OPEN}{self._name}{_CLOSE}"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, _Argument):
            if other._name == self._name:
                return True
            return self._answers.same(*sorted((self._name, other._name)))
        if not isinstance(other, str):
            return False
        register = operand(other).register
        if register is None:
            raise _UnsuitableError
        return self._answers.same(self._name, f"%{register}")

    @property
    def number(self) -> Any:
        return _Hole(f"{self._name}.number")
