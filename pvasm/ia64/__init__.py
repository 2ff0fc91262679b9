"""The meaning of IA-64 instructions: registers, the instruction table, what an instruction reads and writes.

The table is text, in `instructions/`; everything else asks it.
"""

from pvasm.ia64.operands import IndexedRegister, MemoryOperand, Symbolic, Unknown, Value
from pvasm.ia64.registers import Register
from pvasm.ia64.resolve import Resolved, resolve
from pvasm.ia64.resources import Resource
from pvasm.ia64.scope import OperandError, Scope
from pvasm.ia64.table import Form, is_mnemonic

__all__ = [
    "Form",
    "IndexedRegister",
    "MemoryOperand",
    "OperandError",
    "Register",
    "Resolved",
    "Resource",
    "Scope",
    "Symbolic",
    "Unknown",
    "Value",
    "is_mnemonic",
    "resolve",
]
