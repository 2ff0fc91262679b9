"""How an instruction minds the privilege level that it runs at, as far as its text tells.

In raw source an operand may be a macro that could stand for anything. An instruction is then of a class only if
every way to read it is: `mov cr.ifa = REG` is privileged, `mov r8 = SOMETHING` may be or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final, Literal

from pvasm.asm.resolve import operand_values, readings
from pvasm.asm.scope import Scope
from pvasm.isa.operands import Value, shape_of
from pvasm.isa.table import MARKED_STEMS, Candidate, Form, candidates, mnemonics, real_candidates
from pvasm.syntax.tree import Instruction

Sensitivity = Literal["sensitive", "privileged", "level-dependent"]


def sensitivity(instruction: Instruction, scope: Scope) -> Sensitivity | None:
    """The class of an instruction; None for one that minds no level, or that may be read in ways that differ.

    Raises OperandError as `resolve` does, but only for an instruction whose mnemonic some marked row has.
    """
    mnemonic = instruction.mnemonic
    if mnemonic.partition(".")[0] not in MARKED_STEMS:
        return None
    values = operand_values(instruction, scope)
    key = id(instruction), values
    known = _KNOWN.get(key)
    if known is not None and known[0] is instruction:
        return known[1]
    is_free = tuple(map(shape_of, values)) in _free_sorts(mnemonic)
    found = None if is_free else _common(readings(instruction, values))
    if len(_KNOWN) > _MOST_KNOWN:
        _KNOWN.clear()
    _KNOWN[key] = instruction, found
    return found


# What has been asked, by the id of the instruction, which is held there, and its operands' values.
_KNOWN: dict[tuple[int, tuple[Value, ...]], tuple[Instruction, Sensitivity | None]] = {}
_MOST_KNOWN: Final = 20_000


@lru_cache(maxsize=1024)
def _free_sorts(mnemonic: str) -> frozenset[tuple[str, ...]]:
    """The sorts of operands with which an instruction minds no level, whichever they are: a `mov` of registers."""
    free: set[tuple[str, ...]] = set()
    marked: set[tuple[str, ...]] = set()
    for reading in candidates(mnemonic):
        minds = any(class_of(form) for form in _forms(reading))
        (marked if minds else free).add(reading.sorts)
    return frozenset(free - marked)


@lru_cache(maxsize=1024)
def mnemonic_sensitivity(mnemonic: str) -> Sensitivity | None:
    """The class that a mnemonic has with any operands.

    Where its completers make no sense, that of all it could be meant for.
    """
    stem = mnemonic.partition(".")[0]
    if stem not in MARKED_STEMS:
        return None
    readings_of_it = candidates(mnemonic) or [reading for found in mnemonics(stem).values() for reading in found]
    return _common(form for reading in readings_of_it for form in _forms(reading))


def _forms(reading: Candidate) -> Iterator[Form]:
    """The rows that a way to read an instruction may come to."""
    if reading.spelling is not None:
        yield reading.spelling.form
    for mnemonic in reading.reals:
        for real in real_candidates(mnemonic):
            if real.spelling is not None:
                yield real.spelling.form


def _common(forms: Iterable[Form]) -> Sensitivity | None:
    classes = {class_of(form) for form in forms}
    return classes.pop() if len(classes) == 1 else None


def class_of(form: Form) -> Sensitivity | None:
    """The class that a row of the table has: the one account, for text and for what is decoded alike."""
    if form.privileged:
        return "privileged"
    if form.sensitive:
        return "sensitive"
    return "level-dependent" if form.level_dependent else None
