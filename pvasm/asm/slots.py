"""How bundles take instructions, and whether they fit (SDM vol. 1, 3.3, table 3-10).

GNU as puts each instruction in the first slot behind the one before that is of its kind, and nops in the slots left
out. Where no template is named it takes the one that holds most of the first three instructions. Outside of braces an
instruction that does not fit begins the next bundle.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from pvasm.isa.bundle import TEMPLATES
from pvasm.syntax.tokens import BUNDLE_TEMPLATES

SLOTS: Final = 3

STOPS_INSIDE: Final = frozenset(
    (template.units.lower(), stop) for template in TEMPLATES.values() for stop in template.stops if stop < SLOTS - 1
)
"""Where a stop may stand within a bundle: its template, and the slot before the stop."""

SLOTS_OF: Final = {"A": "MI", "M": "M", "I": "I", "F": "F", "B": "B", "X": "L"}
"""The kinds of slot that each unit of an instruction form goes in; a long instruction takes the slots L and X."""


class Slotted(Struct, frozen=True):
    """An instruction of an explicit bundle, in what matters to its place.

    `units` are those of the rows that it may be (`A M I F B X`). `stop` says that one follows, `label` that one stands
    before, `template` is the one named before.
    """

    units: frozenset[str]
    first_in_group: bool = False
    last_in_group: bool = False
    slot_2: bool = False
    stop: bool = False
    label: bool = False
    template: str | None = None


class Misfit(Struct, frozen=True):
    """What does not fit in a bundle: the instruction's place in it, and why it does not, as the end of a sentence."""

    place: int
    reason: str


class Filling(Struct, frozen=True):
    """How a bundle takes instructions: its template, the slots that stops follow, and the slot of each that it has room
    for (L of a long one); what does not fit, if it does not take all.
    """

    template: str
    stops: frozenset[int]
    slots: tuple[int, ...]
    misfit: Misfit | None


def fill(instructions: Sequence[Slotted], *, explicit: bool = True, following: Sequence[Slotted] = ()) -> Filling:
    """How GNU as fills one bundle: with all of the instructions if it is `explicit`, else with the first few.

    What follows in a bundle of its own counts where it chooses a template.
    """
    return _Bundle(instructions, explicit, following).fill()


def first_misfit(instructions: Sequence[Slotted], *, explicit: bool = True) -> Misfit | None:
    """The first instruction of a bundle, of those between its braces, that has no slot in it; None if all have.

    With `explicit` false there are no braces, and only the first instruction need fit in the template before it.
    """
    if not instructions:
        return None
    misfit = fill(instructions, explicit=explicit).misfit
    return misfit if misfit is None or explicit or misfit.place == 0 else None


class _Bundle:
    """The slots of one bundle, being filled."""

    def __init__(self, instructions: Sequence[Slotted], explicit: bool, following: Sequence[Slotted]) -> None:
        self.instructions = instructions
        self.explicit = explicit
        self.given = instructions[0].template
        self.template = self.given or _best_template([*instructions, *following][:SLOTS])
        self.slot = 0
        self.stops: set[int] = set()
        self.is_behind_stop = False
        self.taken: list[int] = []

    def fill(self) -> Filling:
        misfit = self._first_misfit()
        if self.is_behind_stop:
            self.stops.add(SLOTS - 1)
        return Filling(self.template, frozenset(self.stops), tuple(self.taken), misfit)

    def _first_misfit(self) -> Misfit | None:
        for index, instruction in enumerate(self.instructions):
            is_full = self.slot >= SLOTS
            needs_stop = index > 0 and (self.is_behind_stop or instruction.first_in_group)
            reason = self._place(index, instruction, needs_stop=needs_stop)
            if reason is not None:
                return Misfit(index, "does not fit: there is no slot left in the bundle" if is_full else reason)
            self.is_behind_stop = (instruction.stop or instruction.last_in_group) and not self._brings_stop(instruction)
        return None

    def _place(self, index: int, instruction: Slotted, *, needs_stop: bool) -> str | None:
        """Puts an instruction in a slot, behind a stop if it needs one; why there is no such slot, if so."""
        if index and instruction.template is not None:
            return f"has the template .{instruction.template} before it, which must stand at the head of a bundle"
        reason = self._order(index, instruction)
        if reason is None and index and instruction.label:
            reason = "has a label before it, which can stand at the head of a bundle alone"
        if reason is None and needs_stop:
            reason = self._stop(instruction)
        if reason is not None:
            return reason
        while self.slot < SLOTS and not self._takes(instruction):
            self.slot += 1
        if self.slot >= SLOTS:
            return f"does not fit in {self._name()}: it needs {_slots(instruction)} there"
        self.taken.append(self.slot)
        if self._brings_stop(instruction):
            self.stops.add(self.slot)
        self.slot = SLOTS if "L" in self._kinds() else self.slot + 1
        return None

    def _order(self, index: int, instruction: Slotted) -> str | None:
        """Goes to the slot that an instruction must have; why it cannot, if so."""
        is_last = index + 1 == len(self.instructions)
        if instruction.slot_2 and "X" not in instruction.units:
            if self.explicit and not is_last:
                return "must be last in its bundle"
            self.slot = max(self.slot, SLOTS - 1)
        if self._brings_stop(instruction):
            if self.slot or (self.explicit and self.given not in (None, "mmi")):
                return "must be in slot 0 of a bundle .mmi, with the stop behind it"
            self.template = "mmi"
        elif instruction.last_in_group:
            if self.explicit and not is_last:
                return "must be last in its group, and so in its bundle"
            self.slot = max(self.slot, SLOTS - 1)
        return None

    @staticmethod
    def _brings_stop(instruction: Slotted) -> bool:
        """Whether it must be last in its group and is of the M unit: the stop is then behind slot 0."""
        return instruction.last_in_group and "M" in instruction.units

    def _stop(self, instruction: Slotted) -> str | None:
        """Has a stop stand before the next slot; why it cannot, if so."""
        before = self.slot - 1
        if self.given == "mii" and before == 0 and not instruction.first_in_group:
            before, self.slot = 1, 2  # a nop before the stop
        if self.given is None:
            kind = self._kinds(before)
            change = {(0, "M"): "mmi", (1, "I"): "mii"}.get((before, kind), self.template)
            self.template = change
        fits = (self.template, before) in STOPS_INSIDE and not (before == 1 and instruction.first_in_group)
        if fits:
            self.stops.add(before)
            self.is_behind_stop = False
        return None if fits else f"stands behind a stop, for which there is no place in {self._name()}"

    def _kinds(self, slot: int | None = None) -> str:
        """What kind a slot is of, that being filled if none is named."""
        number = self.slot if slot is None else slot
        return self.template[number].upper() if 0 <= number < SLOTS else ""

    def _takes(self, instruction: Slotted) -> bool:
        return any(self._kinds() in SLOTS_OF[unit] for unit in instruction.units)

    def _name(self) -> str:
        return f"the template .{self.given}" if self.given else "any template with what stands before it"


def _slots(instruction: Slotted) -> str:
    """The slots that an instruction can have, in words."""
    kinds = dict.fromkeys(kind for unit in sorted(instruction.units) for kind in SLOTS_OF[unit])
    return " or ".join(_SLOT_NOUNS[kind] for kind in kinds)


_SLOT_NOUNS: Final = {
    "M": "an M slot",
    "I": "an I slot",
    "F": "an F slot",
    "B": "a B slot",
    "L": "the slots L and X of .mlx",
}


def _best_template(instructions: Sequence[Slotted]) -> str:
    """The template that GNU as takes for the first instructions of a bundle: it holds most of them, the first first.

    What a label stands before does not count, nor what comes behind.
    """
    ends = (at for at, each in enumerate(instructions) if at and each.label)
    instructions = instructions[: next(ends, SLOTS)]
    return max(BUNDLE_TEMPLATES, key=lambda name: _goodness(name, instructions))


def _goodness(template: str, instructions: Sequence[Slotted]) -> int:
    """How well a template suits: a slot that is filled counts three, one behind the first with an M or I nop two."""
    goodness, waiting = 0, list(instructions)
    is_long = False  # whether the instruction in the slot before must be a long one
    for kind in template.upper():
        units = waiting[0].units if waiting else ()
        if len(units) > 1 or any(kind in SLOTS_OF[unit] for unit in units):  # where there is a choice, it is left open
            goodness += 3
            is_long = waiting.pop(0).units == {"X"}
        elif is_long:
            goodness += 3
        elif goodness and kind in "MI":
            goodness += 2
    return goodness
