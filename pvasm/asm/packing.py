"""Instructions into bundles, as GNU as puts them there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final

from msgspec import Struct

from pvasm.asm.slots import SLOTS, SLOTS_OF, Misfit, Slotted, fill
from pvasm.isa.bundle import TEMPLATES
from pvasm.isa.encoding import nop
from pvasm.isa.instruction import Instruction
from pvasm.isa.table import Form


class Packed(Struct, frozen=True):
    """A bundle's template by its number, and the slot of each instruction that it takes; other slots hold nops.

    `misfit` says what it does not take, and why, if it does not take all.
    """

    template: int
    slots: tuple[int, ...]
    misfit: Misfit | None = None


class Placed(Struct):
    """An instruction that is to be put in a bundle, and what it came from (a number of the caller's).

    `stop` says that one follows, `labels` are the numbers of those that stand before, `template` is the one named
    before (`mii`).
    """

    instruction: Instruction
    origin: int
    stop: bool = False
    labels: tuple[int, ...] = ()
    template: str | None = None

    @property
    def slotted(self) -> int:
        """The number of what matters to its place, in `_SLOTTED`: several units where the assembler may choose."""
        instruction = self.instruction
        others = tuple([each.form for each in instruction.alternatives]) if instruction.others else ()
        return number_of(instruction.form, others, self.stop, bool(self.labels), self.template)

    def for_slot(self, unit: str) -> Instruction:
        """The instruction as it is in a slot of a kind; a long one is asked for by its slot L."""
        if unit in SLOTS_OF[self.instruction.form.unit]:
            return self.instruction
        for each in self.instruction.alternatives:
            if unit in SLOTS_OF[each.form.unit]:
                return each
        raise ValueError(f"{self.instruction!r} in a slot {unit}")


@cache
def number_of(form: Form, others: tuple[Form, ...], stop: bool, label: bool, template: str | None) -> int:
    """The number of what matters to the place of an instruction; `others` are the forms that it may be besides."""
    units = frozenset([form.unit, *(each.unit for each in others)])
    slotted = Slotted(units, form.first_in_group, form.last_in_group, form.slot_2, stop, label, template)
    if slotted not in _SLOTTED:
        _SLOTTED.append(slotted)
    return _SLOTTED.index(slotted)


_SLOTTED: Final[list[Slotted]] = []  # each once, so that a number tells it


MOST: Final = SLOTS
"""How many instructions decide on a bundle."""


def packed(instructions: Sequence[Placed], *, explicit: bool, following: Sequence[Placed] = ()) -> Packed:
    """How a bundle takes instructions: all of those between braces if it is `explicit`, else the first of them.

    `following` are those between the next braces: they are in another bundle, but the template is chosen with them.
    """
    return packed_numbers(
        tuple([each.slotted for each in instructions]), explicit, tuple([each.slotted for each in following])
    )


@cache
def packed_numbers(instructions: tuple[int, ...], explicit: bool, following: tuple[int, ...]) -> Packed:
    """The same of instructions by their numbers."""
    filling = fill(
        [_SLOTTED[each] for each in instructions], explicit=explicit, following=[_SLOTTED[each] for each in following]
    )
    return Packed(_NUMBERS[filling.template.upper(), filling.stops], filling.slots, filling.misfit)


_NUMBERS: Final = {(each.units, frozenset(each.stops)): number for number, each in TEMPLATES.items()}


@cache
def nops(template: int) -> tuple[int, ...]:
    """The slots of a template with nops in them, but for an L slot."""
    return tuple(nop(unit) if unit != "L" else 0 for unit in TEMPLATES[template].units)
