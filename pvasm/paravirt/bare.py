"""Which sensitive instructions stay in the ops of an instance: a guest runs them, and no hypervisor sees it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pvasm.asm.scope import OperandError, Scope
from pvasm.asm.sensitivity import sensitivity
from pvasm.errors import PvasmError
from pvasm.paravirt.arguments import RegisterNotKnownError
from pvasm.paravirt.choices import plain_choice
from pvasm.paravirt.instance import Instance
from pvasm.syntax import tree


class BareInstruction(NamedTuple):
    """A sensitive instruction in what an op becomes."""

    op: str
    text: str


def bare_instructions(instance: Instance) -> Iterator[BareInstruction]:
    """The first sensitive instruction of each op in what an instance makes of it, with plain arguments.

    One that is privileged faults where it is not permitted; a sensitive one goes on, with the machine's own state.
    """
    scope = Scope(lenient=True)
    for op in instance.catalog.ops.values():
        definition = instance.definitions[op.name]
        arguments = plain_choice(op, definition, set(), list(instance.catalog.kernel_registers), 0)
        if arguments is None:
            continue
        try:
            expansion = instance.expand(op, arguments)
        except (PvasmError, RegisterNotKnownError):
            continue  # other rules tell
        for statement in expansion.statements:
            if isinstance(statement.syntax, tree.Instruction) and _is_sensitive(statement.syntax, scope):
                yield BareInstruction(op.name, statement.text.strip())
                break


def _is_sensitive(instruction: tree.Instruction, scope: Scope) -> bool:
    try:
        return sensitivity(instruction, scope) == "sensitive"
    except OperandError:
        return False
