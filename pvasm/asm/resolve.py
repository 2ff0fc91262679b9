"""From a parsed instruction to the row of the table that it is, with its operands' values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from msgspec import Struct

from pvasm.asm.refusals import refusal
from pvasm.asm.scope import OperandError, Scope
from pvasm.isa.instruction import Instruction, fit, instruction_of, row_of
from pvasm.isa.operands import (
    MemoryOperand,
    Unknown,
    Value,
    shape_of,
)
from pvasm.isa.registers import REGISTERS, Register
from pvasm.isa.table import (
    Candidate,
    Form,
    OperandSpec,
    PlanItem,
    Spelling,
    candidates,
)
from pvasm.syntax import tree
from pvasm.syntax.tree import Expression, Memory, Name, Number, Unary

# ---------------------------------------------------------------------------------------- matching

_Key = tuple[str, int, bool, tuple[str, ...]]
_BY_SHAPE: dict[_Key, Rows] = {}


class Rows(Struct, frozen=True):
    """The ways to read a mnemonic with operands of some shapes, each with what has to be looked at in their values."""

    ways: tuple[tuple[Candidate, tuple[tuple[int, OperandSpec], ...]], ...]

    def matching(self, values: tuple[Value, ...]) -> Iterator[tuple[Candidate, Spelling, tuple[Value, ...]]]:
        """The ways that these values allow: each with its row and the row's operands."""
        for candidate, looked_at in self.ways:
            for at, spec in looked_at:
                if not spec.accepts(values[at]):
                    break
            else:
                plan = candidate.plan
                operands = values if plan is None else tuple(planned(item, values) for item in plan)
                spelling = candidate.spelling or row_of(candidate.reals[0], operands)
                if spelling is not None and not (spelling.form.sizes_frame and _oversized(operands)):
                    yield candidate, spelling, operands


def _looked_at(candidate: Candidate, shapes: tuple[str, ...]) -> tuple[tuple[int, OperandSpec], ...]:
    """The operands of such shapes that a way to read a mnemonic does not take whatever they are."""
    pairs = enumerate(zip(candidate.operands, shapes, strict=True))
    return tuple((at, spec) for at, (spec, shape) in pairs if shape == "?" or not _takes_all(spec))


def _takes_all(spec: OperandSpec) -> bool:
    """Whether an operand may be any register of its file; there is no `[r3]` that an address may not be."""
    kind = spec.kind
    if spec.form == "memory":
        return True
    highest = _HIGHEST.get(kind.shape) if spec.form == "kind" and kind is not None else None
    return highest is not None and kind is not None and (kind.low, kind.high) == (0, highest) and not kind.excluded


_HIGHEST: Final = {file: max(each.number for each in REGISTERS.values() if each.file == file) for file in "rfpb"}


def rows_of_shapes(instruction: tree.Instruction, shapes: tuple[str, ...]) -> Rows:
    """The ways to read an instruction with operands of some shapes."""
    return _fitting(instruction.mnemonic, len(instruction.outputs), instruction.has_equals, shapes)


def _fitting(mnemonic: str, outputs: int, has_equals: bool, shapes: tuple[str, ...]) -> Rows:
    key = (mnemonic, outputs, has_equals, shapes)
    known = _BY_SHAPE.get(key)
    if known is None:
        found = tuple(
            candidate
            for candidate in candidates(mnemonic)
            if candidate.has_equals == has_equals
            and len(candidate.outputs) == outputs
            and fit(candidate.operands, shapes)
        )
        if "?" in shapes:
            found = _likeliest_first(found)
        if len(_BY_SHAPE) > 20_000:
            _BY_SHAPE.clear()
        known = _BY_SHAPE[key] = Rows(tuple((each, _looked_at(each, shapes)) for each in found))
    return known


def _likeliest_first(found: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """The order for operands that may be anything: what is most likely, and least to be warned of, first.

    Candidates that take operands of the same sorts stay in the table's order, which tells ar.itc from any other.
    """
    caution: dict[tuple[str, ...], int] = {}
    for candidate in found:
        form = candidate.spelling.form if candidate.spelling is not None else None
        marked = form is not None and (form.privileged or form.sensitive or form.level_dependent)
        rank = 0 if form is None else 1 + marked
        sorts = candidate.sorts
        caution[sorts] = min(rank, caution.get(sorts, rank))
    return tuple(sorted(found, key=lambda candidate: caution[candidate.sorts]))


def planned(item: PlanItem, values: Sequence[Value]) -> Value:
    """What an operand of a real form is, from those that are written."""
    if isinstance(item, int):
        return values[item]
    if isinstance(item, Register):
        return item
    constant, terms = item
    for sign, index in terms:
        value = values[index]
        if not isinstance(value, int):
            return value if constant == 0 and len(terms) == 1 and sign == 1 else Unknown()
        constant += sign * value
    return constant


def resolve(instruction: tree.Instruction, scope: Scope) -> Instruction:
    """The row that the instruction is, with its operands' values.

    Raises `OperandError` for a mnemonic or completer that there is not, too many or too few operands, an operand of the
    wrong sort or out of range, and a predicate that is none.
    """
    known = _FIXED.get(id(instruction))
    if known is not None and known[0] is instruction:
        return known[1]
    values = _fixed_values(instruction)
    if values is None:
        return _resolved(instruction, scope)
    found = _resolved_fixed(instruction, values, scope)
    if len(_FIXED) > _MOST_FIXED:
        _FIXED.clear()
    _FIXED[id(instruction)] = instruction, found
    return found


# What instructions are that mean the same wherever they stand; the parser has one for each text.
_FIXED: dict[int, tuple[tree.Instruction, Instruction]] = {}
_MOST_FIXED: Final = 20_000


def _fixed_values(instruction: tree.Instruction) -> tuple[Value, ...] | None:
    """The operands' values where all are registers and numbers, which no scope makes anything else of; else None."""
    if instruction.mnemonic == "alloc" or not (instruction.predicate is None or _is_register(instruction.predicate)):
        return None
    values: list[Value] = []
    for operand in instruction.outputs + instruction.inputs:
        value = literal_value(operand)
        if value is None:
            return None
        values.append(value)
    return tuple(values)


def literal_value(operand: Expression) -> Value | None:
    """What an operand is that means the same everywhere: a register, a number, `[r3]`, `-8`; None for any other."""
    read = _LITERALS.get(operand.__class__)
    return None if read is None else read(operand)


def _register(operand: Name) -> Register | None:
    return REGISTERS.get(operand.text) if not operand.is_symbol else None


def _number(operand: Number) -> int | None:
    return None if operand.value is None or operand.value > _WORD else operand.value


def _based(operand: Memory) -> MemoryOperand | None:
    return _BASES.get(operand.address.text) if _is_register(operand.address) else None  # type: ignore[union-attr]


def _negative(operand: Unary) -> int | None:
    """What `-8` is."""
    value = _number(operand.operand) if operand.operand.__class__ is Number else None
    return -value & _WORD if value is not None and operand.operator == "-" else None


_LITERALS: Final[dict[type, Callable[[Any], Value | None]]] = {
    Name: _register,
    Number: _number,
    Memory: _based,
    Unary: _negative,
}


def _is_register(operand: Expression) -> bool:
    return operand.__class__ is Name and operand.text in REGISTERS and not operand.is_symbol


_BASES: Final = {name: MemoryOperand(register) for name, register in REGISTERS.items() if register.file == "r"}
_WORD: Final = (1 << 64) - 1


def _resolved_fixed(instruction: tree.Instruction, values: tuple[Value, ...], scope: Scope) -> Instruction:
    """What an instruction is that means the same wherever it stands."""
    for candidate, spelling, operands in _matches(instruction, values):
        predicate = _predicate(instruction, scope) if instruction.predicate is not None else 0
        if predicate and spelling.form.unpredicated:
            raise _unpredicated(instruction)
        return instruction_of(spelling, operands, predicate, candidate.reals[1:])
    raise refusal(instruction, values)


def _resolved(instruction: tree.Instruction, scope: Scope) -> Instruction:
    values = operand_values(instruction, scope)
    match = _match(instruction, values)
    predicate = _predicate(instruction, scope) if instruction.predicate is not None else 0
    if predicate and match.spelling.form.unpredicated:
        raise _unpredicated(instruction)
    made = match.made.get(predicate)
    if made is None:
        made = match.made[predicate] = instruction_of(match.spelling, match.operands, predicate, match.others)
    return made


class _Match(Struct):
    """What an instruction is with some operands: its row, and the row's operands; by its predicate, all of it."""

    instruction: tree.Instruction
    spelling: Spelling
    operands: tuple[Value, ...]
    others: tuple[str, ...]
    made: dict[int | None, Instruction] = {}


# By the id of the instruction, which is held there, and its operands' values.
_MATCHED: dict[tuple[int, tuple[Value, ...]], _Match] = {}


def _match(instruction: tree.Instruction, values: tuple[Value, ...]) -> _Match:
    """What an instruction is with operands of these values. Raises `OperandError` if there is no such instruction."""
    key = id(instruction), values
    known = _MATCHED.get(key)
    if known is not None and known.instruction is instruction:
        return known
    for candidate, spelling, operands in _matches(instruction, values):
        if len(_MATCHED) > _MOST_FIXED:
            _MATCHED.clear()
        found = _MATCHED[key] = _Match(instruction, spelling, operands, candidate.reals[1:])
        return found
    raise refusal(instruction, values)


_SOME_APPLICATION_REGISTER: Final = Unknown("ar")


def readings(instruction: tree.Instruction, values: tuple[Value, ...]) -> list[Form]:
    """Every row that an instruction may be with operands of these values; several where what some are is not known.

    Among candidates that take operands of the same sorts the first is meant, as in `resolve`. Raises `OperandError`
    where there is none.
    """
    matches = [(candidate.sorts, spelling.form) for candidate, spelling, _ in _matches(instruction, values)]
    if not matches:
        raise refusal(instruction, values)
    if _SOME_APPLICATION_REGISTER in values:  # of a sort, and yet the row depends on which
        return [form for _, form in matches]
    return list(dict(reversed(matches)).values())


def _matches(
    instruction: tree.Instruction, values: tuple[Value, ...]
) -> Iterator[tuple[Candidate, Spelling, tuple[Value, ...]]]:
    """The ways to read the instruction that its operands allow: each with its row and the row's operands."""
    return rows_of_shapes(instruction, tuple(map(shape_of, values))).matching(values)


def operand_values(instruction: tree.Instruction, scope: Scope) -> tuple[Value, ...]:
    """The values of an instruction's operands. Raises `OperandError`."""
    operands = instruction.outputs + instruction.inputs
    if instruction.mnemonic != "alloc":
        return tuple([scope.evaluate(operand) for operand in operands])
    before = scope.frame, scope.frame_is_certain
    scope.allocate(instruction)  # `alloc loc1 = ...` means the new frame's loc1
    scope.frame_is_certain = scope.frame_is_certain and scope.frame is not None
    try:
        return tuple([scope.evaluate(operand) for operand in operands])
    finally:
        scope.frame, scope.frame_is_certain = before


def _oversized(operands: tuple[Value, ...]) -> bool:
    """Whether an alloc's frame is smaller than its locals or its rotating part (SDM vol. 3, alloc)."""
    _, _, size, local, rotating = operands
    return isinstance(size, int) and any(isinstance(part, int) and part > size for part in (local, rotating))


def _predicate(instruction: tree.Instruction, scope: Scope) -> int | None:
    assert instruction.predicate is not None
    value = scope.evaluate(instruction.predicate)
    if isinstance(value, Register) and value.file == "p":
        return value.number
    if isinstance(value, Unknown) and value.file in (None, "p"):
        return None
    node = instruction.predicate
    raise OperandError("the qualifying predicate must be a predicate register", node.start, node.end)


def _unpredicated(instruction: tree.Instruction) -> OperandError:
    node = instruction.predicate
    assert node is not None
    return OperandError(f"`{instruction.mnemonic}' cannot have a qualifying predicate", node.start, node.end)
