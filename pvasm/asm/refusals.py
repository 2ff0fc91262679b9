"""Why an instruction is refused, and what would be right, for whoever wrote it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from pvasm.asm.scope import NoFormError, OperandError
from pvasm.isa.operands import IndexedRegister, MemoryOperand, Unknown, Value, shape_of, signed64
from pvasm.isa.registers import FILE_NOUNS, Register, registers_noun
from pvasm.isa.table import STEMS, Candidate, OperandSpec, candidates
from pvasm.syntax.tree import Expression, Instruction, Number, Unary

# How many classes of operands a message names.
_MOST_NOUNS: Final = 4

# The completers that name the execution unit, and the units (SDM vol. 3, mov ar: each application register is of one).
_UNITS: Final = {"m": "M", "i": "I", "f": "F", "b": "B", "x": "X"}

_LARGEST_FRAME: Final = 96  # registers: r32 to r127


def refusal(instruction: Instruction, values: tuple[Value, ...]) -> OperandError:
    """What is wrong with an instruction that no candidate fits, told of the candidate that comes nearest."""
    mnemonic = instruction.mnemonic
    known = candidates(mnemonic)
    if not known:
        return _no_such_form(instruction)
    counts = (len(instruction.outputs), len(instruction.inputs))
    same = [item for item in known if (len(item.outputs), len(item.inputs)) == counts]
    if not same:
        said = f"`{mnemonic}' takes {_wanted_and_found(known, *counts, instruction.has_equals)}"
        certain = Unknown() not in values
        return OperandError(said, instruction.mnemonic_start, instruction.end, certain=certain)
    nearest = max(same, key=lambda item: _nearness(item, values))
    place, spec = next(_bad(nearest, values), (0, None))
    if spec is None:
        said = f"the operands of `{mnemonic}' do not fit together"
        if mnemonic == "alloc":
            said = f"{said}: {_frame_fault(values)}"
        return OperandError(said, instruction.mnemonic_start, instruction.end)
    node = (*instruction.outputs, *instruction.inputs)[place]
    value = values[place]
    said = _other_unit(instruction, values, value) or (
        f"operand {place + 1} of `{mnemonic}' must be "
        f"{_wanted(_specs_at(place, spec, same, values))}{_instead(node, value)}"
    )
    return OperandError(said, node.start, node.end)


def _no_such_form(instruction: Instruction) -> NoFormError:
    mnemonic = instruction.mnemonic
    stem, _, completers = mnemonic.partition(".")
    with_them = f"with the completers `.{completers}'" if completers else "without completers"
    said = f"`{stem}' has no form {with_them}" if stem in STEMS else f"there is no instruction `{stem}'"
    return NoFormError(said, instruction.mnemonic_start, instruction.mnemonic_start + len(mnemonic))


# ------------------------------------------------------------------------------ how many operands


def _wanted_and_found(known: Sequence[Candidate], left: int, right: int, has_equals: bool) -> str:
    """How many operands a mnemonic takes, and how many there are: "1 output and 1 or 2 inputs, not 1 and 3"."""
    counts = sorted({(item.has_equals, len(item.outputs), len(item.inputs)) for item in known})
    groups = groupby(counts, key=lambda each: each[:2])
    wanted = " or ".join(_sides(equals, outputs, [each[2] for each in of]) for (equals, outputs), of in groups)
    if {equals for equals, _, _ in counts} != {has_equals}:
        without = "" if has_equals else " without `='"
        return f"{wanted}, not {_sides(has_equals, left, [right])}{without}"
    return f"{wanted}, not {f'{left} and {right}' if has_equals else right}"


def _sides(has_equals: bool, left: int, rights: Sequence[int]) -> str:
    number = " or ".join(map(str, rights))
    plural = "s" * (rights[-1] != 1)
    return f"{left} output{'s' * (left != 1)} and {number} input{plural}" if has_equals else f"{number} operand{plural}"


# ---------------------------------------------------------------------------- what an operand is


def _nearness(candidate: Candidate, values: tuple[Value, ...]) -> tuple[int, int]:
    """How near the operands are to what the candidate takes: how many are right from the left, and of the class."""
    first, _ = next(_bad(candidate, values), (len(values), None))
    shapes = (shape_of(value) in ("?", spec.shape) for spec, value in zip(candidate.operands, values, strict=True))
    return first, sum(shapes)


def _bad(candidate: Candidate, values: tuple[Value, ...]) -> Iterator[tuple[int, OperandSpec]]:
    for place, (spec, value) in enumerate(zip(candidate.operands, values, strict=True)):
        if shape_of(value) not in ("?", spec.shape) or not spec.accepts(value):
            yield place, spec


def _specs_at(
    place: int, nearest: OperandSpec, same: Sequence[Candidate], values: tuple[Value, ...]
) -> list[OperandSpec]:
    """What the operand may be, the nearest first: of those candidates that take all that is left of it."""
    specs = [nearest]
    for item in same:
        first = next(_bad(item, values), None)
        if first is not None and first[0] == place:
            specs.append(first[1])
    # If something of the operand's own class could stand there, that is what was meant.
    shape = shape_of(values[place])
    return [one for one in specs if one.shape == shape] or specs


def _wanted(specs: Sequence[OperandSpec]) -> str:
    """What an operand must be, in words: registers of a file together, and no range that is within another."""
    numbers: dict[str, set[int]] = {}
    for spec in specs:
        numbers.setdefault(spec.shape, set()).update(spec.numbers)
    nouns: dict[str, None] = {}
    for spec in specs:
        if numbers[spec.shape]:
            nouns[registers_noun(spec.shape, numbers[spec.shape])] = None
        elif not any(_is_within(spec, other) for other in specs):
            nouns[spec.noun] = None
    return " or ".join([*nouns][:_MOST_NOUNS])


def _is_within(one: OperandSpec, other: OperandSpec) -> bool:
    """Whether an operand takes a part of the integers that another takes, and no others."""
    inner, outer = one.kind, other.kind
    if inner is None or outer is None or inner.shape != "i" or outer.shape != "i" or outer.choices:
        return False
    bounds = (min(inner.choices), max(inner.choices)) if inner.choices else (inner.low, inner.high)
    return outer.low <= bounds[0] <= bounds[1] <= outer.high and bounds != (outer.low, outer.high)


def _instead(node: Expression, value: Value) -> str:
    """What there is instead, as the end of the sentence: `; `f3' is a floating-point register`, or `, not 8192`."""
    text = str(node)
    if isinstance(value, int):
        written = isinstance(node, Number) or (isinstance(node, Unary) and isinstance(node.operand, Number))
        return f", not {text}" if written else f"; `{text}' is {signed64(value)}"
    if isinstance(value, Register):
        noun = FILE_NOUNS.get(value.file, value.file)
        return f", not {noun}" if noun.startswith(text) else f"; `{text}' is {noun}"
    if isinstance(value, MemoryOperand):
        return f"; `{text}' is a memory operand"
    return (
        f"; `{text}' is {'a register of the file ' + value.file if isinstance(value, IndexedRegister) else 'a symbol'}"
    )


def _other_unit(instruction: Instruction, values: tuple[Value, ...], value: Value) -> str | None:
    """What to say if the instruction is right for another execution unit than its completer names; else None."""
    stem, _, unit = instruction.mnemonic.rpartition(".")
    if unit not in _UNITS or not isinstance(value, Register):
        return None
    counts = (len(instruction.outputs), len(instruction.inputs))
    for other, name in _UNITS.items():
        for item in candidates(f"{stem}.{other}"):
            if (len(item.outputs), len(item.inputs)) == counts and next(_bad(item, values), None) is None:
                told = f"`{instruction.mnemonic}' cannot have {value.text}, which only the {name} unit has"
                return f"{told}: write `{stem}.{other}', or `{stem}' for the assembler to choose"
    return None


def _frame_fault(values: tuple[Value, ...]) -> str:
    """What is wrong with the sizes of an alloc's frame, each of which could be right in another (SDM vol. 3, alloc)."""
    *parts, rotating = (value if isinstance(value, int) else 0 for value in values[-4:])
    size = sum(parts)
    if size > _LARGEST_FRAME:
        return f"a frame has at most {_LARGEST_FRAME} registers, not {size}"
    if rotating % 8:
        return f"the number of rotating registers is a multiple of 8, not {rotating}"
    return f"a frame of {size} registers cannot have {rotating} rotating ones (GNU as warns, and makes it one of 0)"
