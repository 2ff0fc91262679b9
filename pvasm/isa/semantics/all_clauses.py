"""The meaning of every form: this imports each family once, so that all clauses are registered."""

from pvasm.isa.semantics import (
    branches,
    compares,
    floating,
    floating_memory,
    floating_moves,
    frames,
    integer,
    memory,
    moves,
    parallel,
    speculation,
    system,
)
from pvasm.isa.semantics.operation import clauses, program_of

__all__ = [
    "branches",
    "clauses",
    "compares",
    "floating",
    "floating_memory",
    "floating_moves",
    "frames",
    "integer",
    "memory",
    "moves",
    "parallel",
    "program_of",
    "speculation",
    "system",
]
