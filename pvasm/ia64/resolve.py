"""From a parsed instruction to the row of the table that it is, with its operands' values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from pvasm.ia64.effects import plan_of, reads_of, writes_of
from pvasm.ia64.operands import (
    MemoryOperand,
    Symbolic,
    Unknown,
    Value,
    describe,
)
from pvasm.ia64.registers import REGISTERS, Register
from pvasm.ia64.resources import Resource
from pvasm.ia64.scope import NoFormError, OperandError, Scope
from pvasm.ia64.spelling import expression_text, spell
from pvasm.ia64.table import (
    STEMS,
    Candidate,
    Form,
    OperandSpec,
    PlanItem,
    Spelling,
    candidates,
    real_candidates,
)
from pvasm.syntax.tree import Expression, Instruction, Memory, Name, Number


class Resolved:
    """An instruction as the table has it.

    `form` is the row, `mnemonic` its canonical name with completers, `fields` the encoding fields that these fix.
    `operands` are the real form's, outputs first; `predicate` is the qualifying predicate's number (0 when none is
    written), or None when it is not known. `alternatives` are further rows that the assembler may choose instead
    (`nop` in another unit).
    """

    __slots__ = ("_mnemonics", "fields", "form", "mnemonic", "operands", "predicate", "spelling")

    def __init__(
        self,
        spelling: Spelling,
        operands: tuple[Value, ...],
        predicate: int | None,
        mnemonics: tuple[str, ...] = (),
    ) -> None:
        self.spelling = spelling
        self.form: Form = spelling.form
        self.mnemonic: str = spelling.mnemonic
        self.fields: dict[str, int] = spelling.fields
        self.operands = operands
        self.predicate = predicate
        self._mnemonics = mnemonics

    def __repr__(self) -> str:
        return f"<{self.form.format} {self.full_text}>"

    @property
    def privileged(self) -> bool:
        """Whether it faults above privilege level 0."""
        return self.form.privileged

    @property
    def sensitive(self) -> bool:
        """Whether it does otherwise, without a fault, above privilege level 0."""
        return self.form.sensitive

    @property
    def level_dependent(self) -> bool:
        """Whether it reads or changes the privilege level, or answers by it."""
        return self.form.level_dependent

    @property
    def outputs(self) -> tuple[Value, ...]:
        """The operands left of the `=`."""
        return self.operands[: len(self.form.outputs)]

    @property
    def inputs(self) -> tuple[Value, ...]:
        """The operands right of the `=`, or all when there is none."""
        return self.operands[len(self.form.outputs) :]

    @property
    def alternatives(self) -> tuple[Resolved, ...]:
        """The same in other execution units, where the source leaves the choice to the assembler."""
        spellings = (_spelling(mnemonic, self.operands) for mnemonic in self._mnemonics[1:])
        return tuple(Resolved(each, self.operands, self.predicate) for each in spellings if each is not None)

    @property
    def reads(self) -> frozenset[Resource]:
        """The registers and resources read, explicitly and implicitly, the qualifying predicate included.

        Registers that are constants (r0, f0, f1, p0) are left out, and so is what is not known.
        """
        return reads_of(plan_of(self.spelling), self.operands, self.predicate)

    @property
    def writes(self) -> frozenset[Resource]:
        """The registers and resources written; constants and what is not known are left out, as in `reads`."""
        return writes_of(plan_of(self.spelling), self.operands)

    @property
    def clears_when_false(self) -> bool:
        """Whether it writes its predicate outputs (clears them) even when its qualifying predicate is false."""
        return self.form.clears_when_false or ".unc" in self.mnemonic

    @property
    def text(self) -> str:
        """The instruction as objdump prints it, without its predicate; symbols stay as in the source."""
        return spell(self.mnemonic, self.form, self.operands, self.predicate)

    @property
    def full_text(self) -> str:
        """`text` after the predicate, if there is one: `(p06) mov r8=r9`."""
        if self.predicate is None:
            return f"(p?) {self.text}"
        return f"(p{self.predicate:02}) {self.text}" if self.predicate else self.text


# ---------------------------------------------------------------------------------------- matching

_Key = tuple[str, int, bool, tuple[str, ...]]
_BY_SHAPE: dict[_Key, tuple[Candidate, ...]] = {}
_REAL_BY_SHAPE: dict[tuple[str, tuple[str, ...]], tuple[Candidate, ...]] = {}


def _shape(value: Value) -> str:
    """The class of operand that a value is, in the table's terms; `?` fits anything."""
    if isinstance(value, Register):
        return value.file
    if isinstance(value, int | Symbolic):
        return "i"
    if isinstance(value, Unknown):
        return value.file or "?"
    if isinstance(value, MemoryOperand):
        return "[]"
    return f"{value.file}[]"


def _fit(specs: Sequence[OperandSpec], shapes: Sequence[str]) -> bool:
    return len(specs) == len(shapes) and all(
        shape in ("?", spec.shape) for spec, shape in zip(specs, shapes, strict=True)
    )


def _accepts(spec: OperandSpec, value: Value) -> bool:
    """Whether the value, of the right shape, is one that the operand can take."""
    if isinstance(value, Register) and spec.literal is not None:
        return spec.literal == value
    if isinstance(value, int | Register) and spec.kind is not None:
        return spec.kind.accepts(value)
    return spec.kind is None or spec.kind.accepts(value)


def _fitting(mnemonic: str, outputs: int, has_equals: bool, shapes: tuple[str, ...]) -> tuple[Candidate, ...]:
    key = (mnemonic, outputs, has_equals, shapes)
    found = _BY_SHAPE.get(key)
    if found is None:
        found = tuple(
            candidate
            for candidate in candidates(mnemonic)
            if candidate.has_equals == has_equals
            and len(candidate.outputs) == outputs
            and _fit(candidate.operands, shapes)
        )
        if "?" in shapes:
            found = _likeliest_first(found)
        if len(_BY_SHAPE) > 20_000:
            _BY_SHAPE.clear()
        _BY_SHAPE[key] = found
    return found


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


def _planned(item: PlanItem, values: Sequence[Value]) -> Value:
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


def _spelling(mnemonic: str, values: tuple[Value, ...]) -> Spelling | None:
    """The row that a pseudo-op's real mnemonic and operands come to."""
    shapes = tuple(map(_shape, values))
    found = _REAL_BY_SHAPE.get((mnemonic, shapes))
    if found is None:
        found = tuple(item for item in real_candidates(mnemonic) if _fit(item.operands, shapes))
        if len(_REAL_BY_SHAPE) > 20_000:
            _REAL_BY_SHAPE.clear()
        _REAL_BY_SHAPE[mnemonic, shapes] = found
    for candidate in found:
        if all(_accepts(spec, value) for spec, value in zip(candidate.operands, values, strict=True)):
            return candidate.spelling
    return None


def resolve(instruction: Instruction, scope: Scope) -> Resolved:
    """The row that the instruction is, with its operands' values.

    Raises `OperandError` for a mnemonic or completer that there is not, too many or too few operands, an operand of the
    wrong sort or out of range, and a predicate that is none.
    """
    known = _FIXED.get(id(instruction))
    if known is not None and known[0] is instruction:
        return known[1]
    found = _resolved(instruction, scope)
    if _is_fixed(instruction):
        if len(_FIXED) > _MOST_FIXED:
            _FIXED.clear()
        _FIXED[id(instruction)] = instruction, found
    return found


# What instructions are that mean the same wherever they stand; the parser has one for each text.
_FIXED: dict[int, tuple[Instruction, Resolved]] = {}
_MOST_FIXED: Final = 20_000


def _is_fixed(instruction: Instruction) -> bool:
    """Whether all operands are registers and numbers, which no scope makes anything else of."""
    operands = instruction.outputs + instruction.inputs
    predicate = () if instruction.predicate is None else (instruction.predicate,)
    return instruction.mnemonic != "alloc" and all(map(_is_literal, operands + predicate))


def _is_literal(operand: Expression) -> bool:
    if isinstance(operand, Memory):
        operand = operand.address
    return isinstance(operand, Number) or (
        isinstance(operand, Name) and operand.text in REGISTERS and not operand.is_symbol
    )


def _resolved(instruction: Instruction, scope: Scope) -> Resolved:
    values = _values(instruction, scope)
    for candidate, spelling, operands in _matches(instruction, values):
        predicate = _predicate(instruction, scope) if instruction.predicate is not None else 0
        if predicate and spelling.form.unpredicated:
            raise _unpredicated(instruction)
        return Resolved(spelling, operands, predicate, candidate.reals)
    raise _refusal(instruction, scope, values)


_SOME_APPLICATION_REGISTER: Final = Unknown("ar")


def readings(instruction: Instruction, scope: Scope) -> list[Form]:
    """Every row that the instruction may be, as far as its operands tell; several where what some are is not known.

    Among candidates that take operands of the same sorts the first is meant, as in `resolve`. Raises `OperandError`
    where there is none.
    """
    values = _values(instruction, scope)
    matches = [(candidate.sorts, spelling.form) for candidate, spelling, _ in _matches(instruction, values)]
    if not matches:
        raise _refusal(instruction, scope, values)
    if _SOME_APPLICATION_REGISTER in values:  # of a sort, and yet the row depends on which
        return [form for _, form in matches]
    return list(dict(reversed(matches)).values())


def operand_sorts(instruction: Instruction, scope: Scope) -> tuple[str, ...]:
    """What class of value each operand is, in the table's terms; `?` where nothing tells. Raises `OperandError`."""
    return tuple(map(_shape, _values(instruction, scope)))


def _matches(
    instruction: Instruction, values: tuple[Value, ...]
) -> Iterator[tuple[Candidate, Spelling, tuple[Value, ...]]]:
    """The ways to read the instruction that its operands allow: each with its row and the row's operands."""
    shapes = tuple(map(_shape, values))
    for candidate in _fitting(instruction.mnemonic, len(instruction.outputs), instruction.has_equals, shapes):
        if all(_accepts(spec, value) for spec, value in zip(candidate.operands, values, strict=True)):
            plan = candidate.plan
            operands = values if plan is None else tuple(_planned(item, values) for item in plan)
            spelling = candidate.spelling or _spelling(candidate.reals[0], operands)
            if spelling is not None and not (spelling.form.sizes_frame and _oversized(operands)):
                yield candidate, spelling, operands


def _values(instruction: Instruction, scope: Scope) -> tuple[Value, ...]:
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


def _predicate(instruction: Instruction, scope: Scope) -> int | None:
    assert instruction.predicate is not None
    value = scope.evaluate(instruction.predicate)
    if isinstance(value, Register) and value.file == "p":
        return value.number
    if isinstance(value, Unknown) and value.file in (None, "p"):
        return None
    node = instruction.predicate
    raise OperandError("the qualifying predicate must be a predicate register", node.start, node.end)


def _unpredicated(instruction: Instruction) -> OperandError:
    node = instruction.predicate
    assert node is not None
    return OperandError(f"`{instruction.mnemonic}' cannot have a qualifying predicate", node.start, node.end)


# ---------------------------------------------------------------------------------------- refusals

# How many sorts of operands a message names.
_MOST_SORTS: Final = 4
_LARGEST_FRAME: Final = 96  # registers: r32 to r127


def _refusal(instruction: Instruction, scope: Scope, values: tuple[Value, ...]) -> OperandError:
    """What is wrong with an instruction that no candidate fits, told of the candidate that comes nearest."""
    mnemonic = instruction.mnemonic
    end = instruction.mnemonic_start + len(mnemonic)
    readings = candidates(mnemonic)
    if not readings:
        stem, _, completers = mnemonic.partition(".")
        if stem in STEMS:
            with_them = f"with the completers `.{completers}'" if completers else "without completers"
            said = f"`{stem}' has no form {with_them}"
        else:
            said = f"there is no instruction `{stem}'"
        return NoFormError(said, instruction.mnemonic_start, end)
    counts = (len(instruction.outputs), len(instruction.inputs))
    same = [item for item in readings if (len(item.outputs), len(item.inputs)) == counts]
    if not same:
        wanted = sorted({(len(item.outputs), len(item.inputs)) for item in readings})
        said = " or ".join(
            f"{right} operand{'s' * (right != 1)}" if not left else f"{left} = {right} operands"
            for left, right in wanted
        )
        have = f"{counts[0]} = {counts[1]}" if instruction.has_equals else str(counts[1])
        said = f"`{mnemonic}' takes {said}, not {have}"
        certain = Unknown() not in values
        return OperandError(said, instruction.mnemonic_start, instruction.end, certain=certain)
    nearest = max(same, key=lambda item: _nearness(item, values))
    place, spec = next(_bad(nearest, values), (0, None))
    nodes: tuple[Expression, ...] = (*instruction.outputs, *instruction.inputs)
    if spec is None:
        said = f"the operands of `{mnemonic}' do not fit together"
        if mnemonic == "alloc":
            said = f"alloc: {_frame_fault(values)}"
        return OperandError(said, instruction.mnemonic_start, instruction.end)
    specs = [spec]
    for item in same:
        first = next(_bad(item, values), None)
        if first is not None and first[0] == place:
            specs.append(first[1])
    # If something of the operand's own sort could stand there, that is what was meant.
    specs = [one for one in specs if one.shape == _shape(values[place])] or specs
    bad = {one.noun for one in specs}
    nearest_noun = specs[0].noun
    node = nodes[place]
    text = expression_text(node)
    others = sorted(noun for noun in bad if not any(noun.startswith(f"{other} ") for other in bad))
    must = " or ".join([nearest_noun, *(noun for noun in others if noun != nearest_noun)][:_MOST_SORTS])
    said = f"operand {place + 1} of `{mnemonic}' must be {must}; {describe(values[place], text)}"
    return OperandError(said, node.start, node.end)


def _frame_fault(values: tuple[Value, ...]) -> str:
    """What is wrong with the sizes of an alloc's frame, each of which could be right in another (SDM vol. 3, alloc)."""
    *parts, rotating = (value if isinstance(value, int) else 0 for value in values[-4:])
    size = sum(parts)
    if size > _LARGEST_FRAME:
        return f"a frame has at most {_LARGEST_FRAME} registers, not {size}"
    if rotating % 8:
        return f"the number of rotating registers is a multiple of 8, not {rotating}"
    return f"a frame of {size} registers cannot have {rotating} rotating ones (GNU as warns, and makes it one of 0)"


def _nearness(candidate: Candidate, values: tuple[Value, ...]) -> tuple[int, int]:
    """How near the operands are to what the candidate takes: how many are right from the left, how many of the sort."""
    first, _ = next(_bad(candidate, values), (len(values), None))
    sorts = (_shape(value) in ("?", spec.shape) for spec, value in zip(candidate.operands, values, strict=True))
    return first, sum(sorts)


def _bad(candidate: Candidate, values: tuple[Value, ...]) -> Iterator[tuple[int, OperandSpec]]:
    for place, (spec, value) in enumerate(zip(candidate.operands, values, strict=True)):
        if _shape(value) not in ("?", spec.shape) or not _accepts(spec, value):
            yield place, spec
