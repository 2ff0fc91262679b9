"""The meaning of IA-64 instructions: registers, the instruction table, what an instruction reads and writes.

The table is text, in `instructions/`; everything else asks it. The names here are imported when they are first asked
for: who needs registers alone need not read the table.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pvasm.ia64.mnemonics import is_mnemonic
    from pvasm.ia64.operands import IndexedRegister, MemoryOperand, Symbolic, Unknown, Value
    from pvasm.ia64.registers import Register
    from pvasm.ia64.resolve import Resolved
    from pvasm.ia64.resources import Resource
    from pvasm.ia64.scope import OperandError, Scope
    from pvasm.ia64.table import Form

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
]

_MODULES = {
    **dict.fromkeys(("IndexedRegister", "MemoryOperand", "Symbolic", "Unknown", "Value"), "operands"),
    **dict.fromkeys(("OperandError", "Scope"), "scope"),
    "Form": "table",
    "is_mnemonic": "mnemonics",
    "Register": "registers",
    "Resolved": "resolve",
    "Resource": "resources",
}


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(name)
    return getattr(import_module(f"pvasm.ia64.{module}"), name)
