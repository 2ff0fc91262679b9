"""The ops that a document invokes, as far as they concern the instances in question."""

from __future__ import annotations

from msgspec import Struct

from pvasm.check.subject import Subject
from pvasm.expand.definitions import Definitions
from pvasm.expand.invocations import Given, Hidden, Invocation
from pvasm.expand.made_invocations import find_invocations
from pvasm.paravirt.catalog import Op
from pvasm.paravirt.environments import known_macros


class Invocations(Struct, frozen=True):
    """The invocations of ops, and their names where no invocation can stand; both in the order of the text.

    What stands in an instance's own definition of an op is not among them, nor the invocations of a macro that the
    document defines under the name of an op, but with other parameters.
    """

    known: tuple[Invocation, ...] = ()
    hidden: tuple[Hidden, ...] = ()


def invocations_of(subject: Subject) -> Invocations:
    """The invocations in a document, in whatever code."""
    if not subject.may_name_an_op:
        return Invocations()
    document, ops = subject.document, subject.catalog.ops
    definitions = subject.definitions(subject.known)
    known, hidden = find_invocations(document, ops, definitions)
    if any(each.is_ambiguous for each in hidden):
        known, hidden = _by_instance(subject)
    statements = document.statements
    others = {op.name for op in ops.values() if _is_another(op, definitions)}
    return Invocations(
        tuple(each for each in known if each.name not in others and statements[each.statement].macro not in ops),
        tuple(each for each in hidden if each.name not in others and statements[each.statement].macro not in ops),
    )


def _by_instance(subject: Subject) -> tuple[list[Invocation], list[Hidden]]:
    """The invocations and hidden names of any instance: what is not clear for all together may be for each."""
    document, ops = subject.document, subject.catalog.ops
    known: dict[tuple[int, int, str, tuple[Given, ...]], Invocation] = {}
    hidden: dict[Hidden, None] = {}
    for instance in subject.instances:
        definitions = subject.definitions(known_macros([instance]))
        found, names = find_invocations(document, ops, definitions)
        compiled = {index for index, each in enumerate(document.statements) if definitions.is_compiled(each)}
        for each in found:
            if each.statement in compiled:
                known[each.start, each.end, each.name, each.given] = each
        hidden.update((each, None) for each in names if each.statement in compiled)
    return sorted(known.values(), key=lambda each: each.start), sorted(hidden, key=lambda each: each.start)


def _is_another(op: Op, definitions: Definitions) -> bool:
    """Whether a document defines a macro with an op's name that is not the op."""
    if op.name in definitions.gas_macros:
        return True
    if op.name not in definitions.cpp_macros:
        return False
    numbers = {len(define.parameters or ()) for define in definitions.defines if define.name == op.name}
    return len(op.parameters) not in numbers
