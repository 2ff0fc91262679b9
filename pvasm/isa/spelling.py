"""An instruction's canonical text, in the style of objdump."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pvasm.isa.operands import IndexedRegister, MemoryOperand, Symbolic, Unknown, Value
from pvasm.isa.registers import Register
from pvasm.isa.table import Form, OperandSpec, PlanItem, Shown, shown

_WORD: Final = (1 << 64) - 1
_MUX: Final = {0: "@brcst", 8: "@mix", 9: "@shuf", 10: "@alt", 11: "@rev"}


def _register(register: Register | Unknown) -> str:
    return register.text if isinstance(register, Register) else "?"


def _operand(spec: OperandSpec, value: Value) -> str:
    if isinstance(value, int) and spec.kind is not None:
        if spec.kind.name == "mbtype4" and value in _MUX:
            return _MUX[value]
        number = spec.kind.normal(value)
        return f"{number & _WORD:#x}" if spec.kind.hexadecimal else str(number)
    if isinstance(value, MemoryOperand):
        return f"[{_register(value.base)}]"
    if isinstance(value, IndexedRegister):
        return f"{value.file}[{_register(value.index)}]"
    if isinstance(value, Symbolic):
        return str(value.expression)
    return _register(value) if isinstance(value, Register | Unknown) else str(value)


def _joined(mnemonic: str, outputs: Sequence[str], inputs: Sequence[str]) -> str:
    if not inputs and not outputs:
        return mnemonic
    left = f"{','.join(outputs)}=" if outputs else ""
    return f"{mnemonic} {left}{','.join(inputs)}"


def _bind(item: PlanItem, value: Value, bound: dict[int, Value]) -> bool:
    """Let an operand of the real form say what the pseudo-op's operands are; False where it cannot be this one."""
    if isinstance(item, Register):
        return value == item
    if isinstance(item, int):
        return bound.setdefault(item, value) == value
    constant, terms = item
    if not isinstance(value, int):
        return False
    if not terms:
        return value == constant
    ((sign, index),) = terms
    return bound.setdefault(index, sign * (value - constant)) == sign * (value - constant)


def _as_pseudo(pseudo: Shown, operands: Sequence[Value]) -> str | None:
    candidate = pseudo.candidate
    assert candidate.plan is not None
    bound: dict[int, Value] = {}
    if len(candidate.plan) != len(operands):
        return None
    for item, value in zip(candidate.plan, operands, strict=True):
        if not _bind(item, value, bound):
            return None
    specs = candidate.operands
    for index, spec in enumerate(specs):
        value = bound[index]
        if spec.shape != (value.file if isinstance(value, Register) else "i"):
            return None
    texts = [_operand(spec, bound[index]) for index, spec in enumerate(specs)]
    split = len(candidate.outputs)
    return _joined(pseudo.mnemonic, texts[:split], texts[split:])


def spell(mnemonic: str, form: Form, operands: Sequence[Value], predicate: int | None) -> str:
    """The instruction as objdump prints it, without its predicate: by a pseudo-op's name where one is preferred."""
    for pseudo in shown(mnemonic):
        if not (pseudo.only_unpredicated and predicate != 0):
            text = _as_pseudo(pseudo, operands)
            if text is not None:
                return text
    texts = [_operand(spec, value) for spec, value in zip(form.operands, operands, strict=True)]
    split = len(form.outputs)
    return _joined(mnemonic, texts[:split], texts[split:])
