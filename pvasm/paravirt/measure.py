"""How long an expansion is."""

from __future__ import annotations

from typing import NamedTuple

from pvasm.isa.table import real_candidates
from pvasm.paravirt.expansion import Expansion
from pvasm.syntax import tree


class Size(NamedTuple):
    """How many instructions there are, and in how many instruction groups they stand."""

    instructions: int
    groups: int


def measure(expansion: Expansion) -> Size:
    """The size of an expansion, by its own statements: a group ends at a stop, and holds one instruction at least.

    It ends as well, as the assembler has it, after an instruction that must be the last of its group, and before one
    that must be the first. Names may stand where registers do. A `nop` that stands there counts, those that the
    assembler fills up with do not.
    """
    instructions = groups = 0
    is_open = False
    for statement in expansion.statements:
        if isinstance(statement.syntax, tree.Instruction):
            is_first, is_last = _position(statement.syntax.mnemonic)
            instructions += 1
            groups += is_first or not is_open
            is_open = not is_last
        elif isinstance(statement.syntax, tree.Stop):
            is_open = False
    return Size(instructions, groups)


def _position(mnemonic: str) -> tuple[bool, bool]:
    """Whether an instruction must be the first of its group, and the last."""
    forms = [candidate.spelling.form for candidate in real_candidates(mnemonic) if candidate.spelling is not None]
    return any(form.first_in_group for form in forms), any(form.last_in_group for form in forms)
