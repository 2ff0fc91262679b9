"""Ops that are invoked wrongly, for the instances in question."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from pvasm.check.finding import Finding
from pvasm.check.op_uses import invocations_of
from pvasm.check.subject import Subject
from pvasm.expand.argument_check import OF_INSTANCE, ArgumentCheck, Fault, Problem, takes_predicate
from pvasm.expand.contexts import Contexts
from pvasm.expand.invocations import Invocation
from pvasm.paravirt.arguments import mismatch
from pvasm.paravirt.catalog import Op
from pvasm.paravirt.environments import known_macros
from pvasm.regex import regex
from pvasm.text import Edit

_PREDICATE = regex(r"\([ \t]*(\w+)[ \t]*\)\s*")
_IN_PARENTHESES = regex(r"\([ \t]*(\w+)[ \t]*\)")


class Misuse(Struct, frozen=True):
    """A wrong invocation: of which sort, and what a rule yields about it."""

    fault: Fault
    finding: Finding


def find_misuses(subject: Subject) -> list[Misuse]:
    """What is wrong with the invocations of a document, in order.

    What all instances in question mind in the same way is one misuse that names none of them. What an instance does not
    compile is not judged for it.
    """
    return list(_Search(subject).misuses()) if subject.of(invocations_of).known else []


class _Search:
    """Judges the invocations of one document for several instances."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.document = subject.document
        self.ops = subject.catalog.ops
        self.sound = None
        if subject.earlier is not None:
            subject.earlier.is_about(subject.instances)
            self.sound = subject.earlier.sound
        self.checks = []
        for instance in subject.instances:
            definitions = subject.definitions(known_macros([instance]))
            self.checks.append(ArgumentCheck(Contexts(definitions, subject.catalog, instance)))

    def misuses(self) -> Iterator[Misuse]:
        statements = self.document.statements
        for found in self.subject.of(invocations_of).known:
            statement = statements[found.statement]
            if not self.subject.concerns(statement.conditions):
                continue
            compiling = [check for check in self.checks if check.definitions.is_compiled(statement)]
            minding: dict[Problem, list[str]] = {}
            for check in compiling:
                for problem in self._problems(check, found):
                    minding.setdefault(problem, []).append(check.instance.name)
            for problem, names in sorted(minding.items(), key=lambda item: item[0].offset):
                all_names = self.checks if problem.fault in OF_INSTANCE else compiling
                by_name = names if len(names) < len(all_names) else []
                start, end = _span(found, problem)
                edits = tuple(self._edits(found, problem)) if found.made is None else ()
                message, instance = problem.said(*by_name), ", ".join(by_name) or None
                yield Misuse(problem.fault, Finding(start, end, message, instance, edits=edits))

    def _problems(self, check: ArgumentCheck, found: Invocation) -> Sequence[Problem]:
        """What is wrong with an invocation for an instance; that nothing is, is kept for the next text."""
        key = None if self.sound is None else check.question(found)
        if key is not None and self.sound is not None and key in self.sound:
            return ()
        problems = list(check.problems(found))
        if not problems:
            unknown = check.unknown_to_template(found)
            problems = [] if unknown is None else [unknown]
        if key is not None and self.sound is not None and not problems:
            self.sound.add(key)
        return problems

    # -------------------------------------------------------------------------- where it is certain

    def _edits(self, found: Invocation, problem: Problem) -> Iterator[Edit]:
        """What fixes an invocation, where there is but one thing that can be meant."""
        op = self.ops[found.name]
        given = found.given
        if problem.fault == "kind" and problem.argument is not None:
            argument, parameter = given[problem.argument], op.parameters[problem.argument]
            inner = _IN_PARENTHESES.fullmatch(self.document.text, argument.offset, argument.end)
            known: Mapping[str, int] = self.subject.catalog.kernel_registers
            if inner and mismatch(inner[1], parameter.kind, parameter.use, known) is None:
                yield Edit(argument.offset, argument.end, inner[1])
        elif problem.fault == "form" and len(given) == len(op.parameters) and all(each.text for each in given):
            if problem.offset == found.predicate:
                yield from self._predicate_moved(op, found)
            elif given and not found.parenthesised and not found.followed:
                after_name = found.start + len(op.name)
                if not self.document.text[after_name : given[0].offset].strip(" \t"):
                    yield Edit(after_name, given[0].offset, "(")
                    yield Edit(given[-1].end, given[-1].end, ")")

    def _predicate_moved(self, op: Op, found: Invocation) -> Iterator[Edit]:
        """Moves the predicate before an op to where it belongs, if p0 is there."""
        assert found.predicate is not None
        before = _PREDICATE.fullmatch(self.document.text, found.predicate, found.start)
        places = [index for index, each in enumerate(op.parameters) if (each.kind, each.use) == ("predicate", "in")]
        if before and takes_predicate(op) and all(found.given[index].text == "p0" for index in places):
            yield Edit(found.predicate, found.start, "")
            for index in places:
                yield Edit(found.given[index].offset, found.given[index].end, before[1])


def _span(found: Invocation, problem: Problem) -> tuple[int, int]:
    """What a problem is about: an argument, or the invocation with the predicate before it."""
    if problem.argument is not None:
        return found.given[problem.argument].offset, found.given[problem.argument].end
    return problem.offset, found.end
