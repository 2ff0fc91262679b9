"""Instructions into bundles: by the template that is named, or into any that holds them in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import combinations

from msgspec import Struct

from pvasm.asm.slots import SLOTS_OF
from pvasm.isa.bundle import TEMPLATES, Template
from pvasm.isa.instruction import Instruction


class Packed(Struct, frozen=True):
    """A template's number, and the slot of each instruction; the other slots hold nops."""

    template: int
    slots: tuple[int, ...]


class Placed(Struct):
    """An instruction, whether a stop follows it, and what it came from (a number of the caller's)."""

    instruction: Instruction
    origin: int
    stop: bool = False

    @property
    def units(self) -> frozenset[str]:
        """The units that it may be executed by: more than one where the assembler may choose."""
        forms = (self.instruction.form, *(each.form for each in self.instruction.alternatives))
        return frozenset(form.unit for form in forms)

    def for_slot(self, unit: str) -> Instruction:
        """The instruction as it is in a slot of a kind; a long one is asked for by its slot L."""
        for each in (self.instruction, *self.instruction.alternatives):
            if unit in SLOTS_OF[each.form.unit]:
                return each
        raise ValueError(f"{self.instruction!r} in a slot {unit}")


def packed(instructions: Sequence[Placed], units: str | None = None) -> Packed | None:
    """How one bundle holds some instructions; None if none does.

    `units` are those of the template that is named (`mii`). A stop stands where one is asked for, and nowhere else.
    """
    key = tuple((each.units, each.stop, each.instruction.form.slot_2) for each in instructions)
    return _packed(key, units)


_Need = tuple[frozenset[str], bool, bool]
"""Of an instruction: its units, whether a stop follows, and whether it must be last in its bundle."""


@cache
def _packed(instructions: tuple[_Need, ...], units: str | None) -> Packed | None:
    for number, template in TEMPLATES.items():
        if units is None or template.units == units.upper():
            slots = next(_ways(instructions, template), None)
            if slots is not None:
                return Packed(number, slots)
    return None


def _ways(instructions: tuple[_Need, ...], template: Template) -> Iterator[tuple[int, ...]]:
    """The slots of a template that take the instructions, in every way, with stops where they are asked for."""
    kinds = template.units.removesuffix("X")  # a long instruction takes the slots L and X, and is in the first
    end = len(kinds)
    stops = [min(stop, end - 1) for stop in template.stops]
    for slots in combinations(range(end), len(instructions)):
        bounds = zip((0, *slots), (*slots, end), strict=True)
        found = [any(start <= stop < until for stop in stops) for start, until in bounds]
        wanted = [False, *(stop for _, stop, _ in instructions)]
        fits = all(
            any(kinds[slot] in SLOTS_OF[unit] for unit in units) and (not is_last or slot == end - 1)
            for slot, (units, _, is_last) in zip(slots, instructions, strict=True)
        )
        if fits and found == wanted:
            yield slots
