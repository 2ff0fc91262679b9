"""The registers that an instruction of an expansion reads and writes: those that hold a value, and no others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pvasm.isa.effects import base_of
from pvasm.isa.instruction import Instruction
from pvasm.isa.operands import Value
from pvasm.isa.registers import Register
from pvasm.isa.resources import Resource, whole

# Registers that the register stack engine keeps: instructions read and write them beside what they are about.
_ENGINE: Final = frozenset(Register("ar", number) for number in (16, 17, 18, 19))
_FILES: Final = ("r", "p", "b", "f", "ar")
_INDEXED: Final = frozenset({"RR", "PKR", "DBR", "IBR", "PMC", "PMD", "MSR"})


def register_effects(resolved: Instruction) -> tuple[frozenset[Resource], frozenset[Resource]]:
    """The registers that an instruction reads and writes, the ones that it names and the others that matter.

    Fields of the psr count as registers where they are written, and whole indexed files do.
    """
    named = frozenset(cell for register in _registers(resolved) for cell in whole(register))
    reads = frozenset(cell for cell in resolved.reads if cell in named or _matters(cell))
    return reads, frozenset(cell for cell in resolved.writes if is_cell(cell))


def _registers(resolved: Instruction) -> Iterator[Register]:
    """The registers among the operands, and those in brackets."""
    for value in resolved.operands:
        register = register_of(value)
        if register is not None:
            yield register


def register_of(value: Value) -> Register | None:
    """The register that an operand is, or has in brackets; None for any other operand."""
    base = base_of(value)
    return base if isinstance(base, Register) else None


def is_cell(resource: Resource) -> bool:
    """Whether a resource is something that holds a value: no cache, no memory, nothing of the stack engine's."""
    if isinstance(resource, Register):
        return True
    return resource == "CFM" or resource in _INDEXED or resource.startswith(("psr.", "fpsr."))


def _matters(resource: Resource) -> bool:
    """Whether an instruction that reads a resource without naming it depends on what code has put there."""
    return isinstance(resource, Register) and resource.file in _FILES and resource not in _ENGINE
