"""An instruction: a row of the table with its operands' values, wherever it was written or read."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from pvasm.isa.effects import plan_of, reads_of, writes_of
from pvasm.isa.operands import Value, shape_of
from pvasm.isa.resources import Resource
from pvasm.isa.spelling import spell
from pvasm.isa.table import Candidate, Form, OperandSpec, Spelling, real_candidates


class Instruction(Struct, frozen=True, eq=False):
    """An instruction as the table has it: a value; two that mean the same are equal. `instruction_of` makes one.

    `form` is the row, `mnemonic` its canonical name with completers, `fields` the encoding fields that these fix.
    `operands` are the real form's, outputs first; `predicate` is the qualifying predicate's number (0 when none is
    written), or None when it is not known. `others` are mnemonics of further rows that the assembler may choose instead
    (`nop` in another unit).
    """

    spelling: Spelling
    operands: tuple[Value, ...]
    predicate: int | None
    others: tuple[str, ...]
    form: Form
    mnemonic: str
    fields: dict[str, int]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Instruction) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[str, str, tuple[Value, ...], int | None]:
        return self.form.id, self.mnemonic, self.operands, self.predicate

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
    def alternatives(self) -> tuple[Instruction, ...]:
        """The same in other execution units, where the source leaves the choice to the assembler."""
        rows = (row_of(mnemonic, self.operands) for mnemonic in self.others)
        return tuple(instruction_of(each, self.operands, self.predicate) for each in rows if each is not None)

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


def instruction_of(
    spelling: Spelling, operands: tuple[Value, ...], predicate: int | None, others: tuple[str, ...] = ()
) -> Instruction:
    """The instruction that a row is with these operands."""
    return Instruction(spelling, operands, predicate, others, spelling.form, spelling.mnemonic, spelling.fields)


_ROWS: dict[tuple[str, tuple[str, ...]], tuple[Candidate, ...]] = {}
_MOST_ROWS = 20_000


def fit(specs: Sequence[OperandSpec], shapes: Sequence[str]) -> bool:
    """Whether operands of these shapes may stand where the table has `specs`."""
    return len(specs) == len(shapes) and all(
        shape in ("?", spec.shape) for spec, shape in zip(specs, shapes, strict=True)
    )


def accept(specs: Sequence[OperandSpec], values: Sequence[Value]) -> bool:
    """Whether operands that fit are those that may stand there."""
    for spec, value in zip(specs, values, strict=True):  # noqa: SIM110 (called for each operand that is read)
        if not spec.accepts(value):
            return False
    return True


def row_of(mnemonic: str, values: tuple[Value, ...]) -> Spelling | None:
    """The row that a real mnemonic with these operands is; None if there is none."""
    for candidate in rows_that_fit(mnemonic, tuple(map(shape_of, values))):
        if accept(candidate.operands, values):
            return candidate.spelling
    return None


def rows_that_fit(mnemonic: str, shapes: tuple[str, ...]) -> tuple[Candidate, ...]:
    """The rows that a real mnemonic with operands of some shapes may be: the first that takes the operands, it is."""
    found = _ROWS.get((mnemonic, shapes))
    if found is None:
        found = tuple(item for item in real_candidates(mnemonic) if fit(item.operands, shapes))
        if len(_ROWS) > _MOST_ROWS:
            _ROWS.clear()
        _ROWS[mnemonic, shapes] = found
    return found
