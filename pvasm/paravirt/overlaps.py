"""Where arguments that are special, or equal, make an expansion do otherwise than with arguments that are neither."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from pvasm.isa.registers import REGISTERS, Register
from pvasm.isa.semantics.data_flow import Value
from pvasm.paravirt.trial import Trial, Violation
from pvasm.paravirt.trial_run import Made, Outcome, Runs


def overlaps(plain: Trial, plain_runs: Runs, other: Trial, other_runs: Runs) -> Violation | None:
    """The first value that an expansion uses and that is not the one which the plain expansion uses there.

    A value counts as the same if it comes from the same parameter. Where the template says something else for these
    arguments, what calls take is compared, and nothing else.
    """
    same_shape = plain.shape == other.shape
    renamed = {
        REGISTERS[left]: REGISTERS[right]
        for left, right in zip(plain.arguments, other.arguments, strict=True)
        if left in REGISTERS and right in REGISTERS
    }
    predicates = sorted(set(plain.registers("in", "predicate")))
    by_truths = {tuple(truths.items()): outcomes for truths, outcomes in plain_runs}
    for truths, outcomes in other_runs:
        wanted = tuple((register, truths.get(renamed[register], True)) for register in predicates)
        for left, right in zip(by_truths.get(wanted, ()), outcomes, strict=False):
            problem = _first_difference(left, right, renamed, other, same_shape)
            if problem is not None:
                return other.violation("overlap", *problem)
    return None


def _first_difference(
    plain: Outcome,
    other: Outcome,
    renamed: Mapping[Register, Register],
    trial: Trial,
    same_shape: bool,
) -> tuple[int, str] | None:
    """The line of the first value that is another than it should be, and what is said of it."""
    left = [each for each in plain.observed if same_shape or each.what.startswith("break")]
    right = [each for each in other.observed if same_shape or each.what.startswith("break")]
    if [each.what for each in left] != [each.what for each in right]:
        return None
    for one, two in zip(left, right, strict=True):
        for wanted, got in zip(one.values, two.values, strict=False):
            due = _renamed(wanted, renamed)
            if not _alike(due, got):
                text = next((line.text for line in trial.lines if line.number == two.line), "")
                what = f"`{text}' uses {_described(got, trial)} instead of {_described(due, trial)}"
                return two.line, f"{what}: say `apart', or compare"
    return None


def _renamed(value: Value, renamed: Mapping[Register, Register]) -> Value:
    base = value.base
    if isinstance(base, Register) and base in renamed:
        new = renamed[base]
        return Value(None, value.offset) if new.number == 0 else replace(value, base=new)
    return value


def _alike(wanted: Value, got: Value) -> bool:
    """Whether two values may be the same: of what was made on the way, no more is known."""
    if isinstance(wanted.base, Made) and isinstance(got.base, Made):
        return True
    return wanted == got


def _described(value: Value, trial: Trial) -> str:
    if isinstance(value.base, Made):
        made = value.base.line
        text = next((line.text for line in trial.lines if line.number == made and line.resolved), "another line")
        return f"what `{text}' made"
    if value.base is None:
        return f"{value.offset:#x}"
    return f"the value of {trial.name(value.base)}"
