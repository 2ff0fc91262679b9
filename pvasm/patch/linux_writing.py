"""Linux's own records in the text of a single binary (`linux_records.py` has what they are)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct, field

from pvasm.asm.layout import CodePlaces
from pvasm.isa.bundle import SIZE, TEMPLATES
from pvasm.patch.linux_code import slot_bits
from pvasm.patch.linux_records import BRANCHES, BUNDLES, INSTS, SLOTS
from pvasm.patch.sites import PREFIX


class LinuxCode(Struct, frozen=True):
    """Code that a record may stand for: the number of its type, and what it is for each instance."""

    type: int
    texts: Sequence[str]


class LinuxRecords(Struct):
    """The records of a source: the numbers of types by site, and by statement for slots and branches.

    `others` are the names that instances have for functions of the source that branches of other files go to.
    """

    bundles: dict[int, int] = field(default_factory=dict)
    slots: dict[int, LinuxCode] = field(default_factory=dict)
    branches: dict[int, int] = field(default_factory=dict)
    others: dict[str, Sequence[str]] = field(default_factory=dict)

    def counts(self) -> Counter[str]:
        """How many there are, by section."""
        found = {BUNDLES: len(self.bundles), INSTS: len(self.slots), BRANCHES: len(self.branches)}
        return Counter({name: count for name, count in found.items() if count})

    def tags(self) -> Iterator[tuple[int, str]]:
        """The statements that need a tag before them, with its name."""
        for at in (*self.slots, *self.branches):
            yield at, f"{PREFIX}slot_{at}"

    def misfits(self, places: CodePlaces) -> set[int]:
        """The statements for slots whose instructions do not fit in theirs, where these places are."""
        templates = {(each.section, each.offset): each.template for each in places.bundles}
        wrong: set[int] = set()
        for at, slot in self.slots.items():
            section, offset = places.labels[f"{PREFIX}slot_{at}"]
            units = TEMPLATES[templates[section, offset & -SIZE]].units
            number = offset % SIZE
            if "L" in units or any(
                slot_bits(units, number, text.removesuffix(";;").strip()) is None for text in slot.texts
            ):
                wrong.add(at)
        return wrong

    def written(self, places: CodePlaces, bundle_of: Mapping[str, str]) -> Iterator[str]:
        """The sections; `bundle_of` says where the bundles of sites begin."""
        if self.bundles:
            yield _section(BUNDLES)
        for number, type_ in self.bundles.items():
            ends = (bundle_of[f"{PREFIX}{number}{end}"] for end in ("", "_end"))
            yield f"\tdata8 {', '.join(ends)}, {type_:#x}\n"
        if self.slots:
            yield _section(INSTS)
        for at, slot in self.slots.items():
            name = f"{PREFIX}slot_{at}"
            following = 1 if places.labels[name][1] % SIZE < SLOTS - 1 else SIZE - SLOTS + 1
            yield f"\tdata8 {name}, {name} + {following}, {slot.type:#x}\n"
        if self.branches:
            yield _section(BRANCHES)
        for at, type_ in self.branches.items():
            yield f"\tdata8 {PREFIX}slot_{at}, {type_:#x}\n"
        for name, others in self.others.items():
            yield from (f"\t.weak {other}\n{other} = {name}\n" for other in others)


def _section(name: str) -> str:
    return f'\n\t.section {name}, "a", "progbits"\n\t.align 8\n'
