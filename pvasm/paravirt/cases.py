"""What an op becomes, case by case, over the names of its parameters: for people to read, and to compare."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from msgspec import Struct

from pvasm.paravirt.arguments import RegisterNotKnownError
from pvasm.paravirt.catalog import Op
from pvasm.paravirt.choices import plain_choice
from pvasm.paravirt.decision_paths import Question
from pvasm.paravirt.decisions import Lines, ends
from pvasm.paravirt.instance import Definition, Instance
from pvasm.paravirt.measure import Size, measure

Condition = tuple[Question, ...]
"""Questions that are all answered with yes; a register's name starts with `%`."""


class Case(Struct, frozen=True):
    """What an op becomes where one of the conditions holds, and none of an earlier case; without any, it always holds.

    Parameters stand in the lines by their names, the number of a kernel register as `{kr.number}`.
    """

    conditions: tuple[Condition, ...]
    lines: tuple[str, ...]
    size: Size


class Outline(Struct, frozen=True):
    """What an instance makes of an op, over the names of its parameters.

    `cases` is empty for a template that does more with its arguments than print and compare them. It is `template` then
    that tells, and `plain` is its size with arguments that are nothing special.
    """

    op: Op
    definition: Definition
    cases: tuple[Case, ...]
    template: str
    plain: Size

    @property
    def least(self) -> Size:
        """The fewest instructions that some case has, and the fewest groups."""
        sizes = [case.size for case in self.cases] or [self.plain]
        return Size(min(size.instructions for size in sizes), min(size.groups for size in sizes))

    @property
    def meaning(self) -> Any:
        """What is equal for outlines that are the same, with the same demands on their arguments."""
        definition = self.definition
        shown = self.cases or self.template
        return shown, self.plain, set(map(frozenset, definition.apart)), dict(definition.not_among)


def outline(instance: Instance, op: Op) -> Outline:
    """What an instance makes of an op. Raises PvasmError, with the place, for a template that is wrong."""
    definition = instance.definitions[op.name]
    template, decision = instance.template(op), instance.decision(op)
    if decision is None:
        try:
            plain = _plain_size(instance, op)
        except RegisterNotKnownError as error:
            raise template.error(f"it depends on whether an argument is {error.text}, which is no register") from None
        return Outline(op, definition, (), template.source, plain)
    possible = [(yes, lines) for yes, lines in _paths(ends(decision)) if _is_possible(op, definition, yes)]
    cases = tuple(_cases(op, possible))
    return Outline(op, definition, cases, template.source, cases[-1].size)


def _paths(found: Iterable[tuple[Any, Lines]]) -> Iterator[tuple[Condition, Lines]]:
    """Each end of a tree with the questions on the path to it that are answered with yes.

    The ends are in order, those of `yes` first: an end that is told by these alone holds where no earlier one does.
    """
    for answers, lines in found:
        yield tuple(question for question, said in answers if said), lines


def _is_possible(op: Op, definition: Definition, yes: Condition) -> bool:
    """Whether an op's arguments may be the same registers as these questions ask."""
    for group in _same(yes):
        parameters = [parameter for parameter in op.parameters if parameter.name in group]
        registers = {name[1:] for name in group if name.startswith("%")}
        if len({parameter.kind for parameter in parameters}) > 1:
            return False
        for parameter in parameters:
            file = "r" if parameter.kind == "general" else "p"
            if any(register[0] != file or not register[1:].isdecimal() for register in registers):
                return False
            if parameter.use != "in" and not registers.isdisjoint(("r0", "p0")):
                return False
            if not registers.isdisjoint(definition.not_among.get(parameter.name, ())):
                return False
        if any(len(group.intersection(apart)) > 1 for apart in definition.apart):
            return False
    return True


def _same(questions: Condition) -> list[set[str]]:
    """The names that are the same register where the answers are yes."""
    groups: list[set[str]] = []
    for question in questions:
        joined = set(question)
        for group in [group for group in groups if not group.isdisjoint(joined)]:
            joined |= group
            groups.remove(group)
        groups.append(joined)
    return groups


def _cases(op: Op, paths: Sequence[tuple[Condition, Lines]]) -> Iterator[Case]:
    """A case for each path, or for several that follow one another and have the same lines."""
    order = {parameter.name: place for place, parameter in enumerate(op.parameters)}

    def ordered(condition: frozenset[Question]) -> Condition:
        return tuple(sorted(condition, key=lambda question: (order[question.parameter], question.other)))

    for lines, group in groupby(paths, key=lambda path: path[1]):
        conditions = [frozenset(yes) for yes, _ in group]
        # What says more than another, and leads to the same, need not be said.
        plainest = [each for each in conditions if not any(other < each for other in conditions)]
        kept = () if frozenset() in plainest else tuple(map(ordered, dict.fromkeys(plainest)))
        yield Case(kept, lines.filled(_shown).lines, measure(lines.filled(_measured)))


def _shown(hole: str) -> str:
    return f"{{{hole}}}" if hole.endswith(".number") else hole


def _measured(hole: str) -> str:
    return "0" if hole.endswith(".number") else hole


def _plain_size(instance: Instance, op: Op) -> Size:
    """The size of an expansion with arguments that are nothing special; none, if it takes no such arguments."""
    definition = instance.definitions[op.name]
    registers = list(instance.catalog.kernel_registers)
    arguments = plain_choice(op, definition, (), registers)
    return Size(0, 0) if arguments is None else measure(instance.expand(op, arguments))
