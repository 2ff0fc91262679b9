"""Which instructions copy a register."""

from __future__ import annotations

from typing import Final

from pvasm.isa.instruction import Instruction
from pvasm.isa.registers import Register
from pvasm.isa.resources import CONSTANTS

# adds r1 = 0, r3; mov b1 = r2; mov r1 = b2 (SDM vol. 3, table 4-9 and the instructions' pages).
_COPYING: Final = frozenset({"A4 adds", "I21 mov", "I21 mov.ret", "I22 mov"})


def copied(resolved: Instruction) -> Register | None:
    """The register whose value an instruction copies, changed in nothing; None for any other instruction."""
    form = resolved.form
    if f"{form.format} {form.mnemonic.partition('<')[0]}" not in _COPYING:
        return None
    registers = [each for each in resolved.inputs if isinstance(each, Register)]
    if form.format == "A4" and resolved.inputs[0] != 0:
        return None
    return registers[0] if len(registers) == 1 and registers[0] not in CONSTANTS else None
