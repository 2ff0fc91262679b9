"""Operands that the assembler refuses: out of their field's range, or of a sort that the instruction does not take."""

from __future__ import annotations

from collections.abc import Iterator

from pvasm.asm.scope import NoFormError
from pvasm.check.code import Code
from pvasm.check.finding import Finding
from pvasm.check.subject import Subject


def refused_operands(subject: Subject) -> Iterator[Finding]:
    """A finding for each operand that cannot stand where it does, as far as all that it depends on is known.

    Mnemonics and registers that there are not are left to those who look for them.
    """
    told = {(name.start, name.end) for name in subject.of(Code).names.registers}
    for found in sorted(subject.of(Code).program.refusals, key=lambda found: (found.start, found.end)):
        error, place = found.error, (found.start, found.end)
        if isinstance(error, NoFormError) or not error.certain or place in told:
            continue
        if not subject.concerns(found.conditions):
            continue
        told.add(place)
        made = f"this makes `{' '.join(found.made.split())}': " if found.made else ""
        yield Finding(*place, f"{made}{error.message}")
