"""Whether patched code is what compiling for the instance alone gives: the same instructions in the same order.

Both objects are read as streams of instructions: nops left out, code elsewhere put where a branch leads to it, targets
as places in the stream. Groups may end earlier in patched code, never later.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from pvasm.errors import PvasmError
from pvasm.isa.bundle import SIZE, Bundle
from pvasm.isa.encoding import decode
from pvasm.isa.instruction import Instruction
from pvasm.objects.elf_file import ElfFile, Relocation
from pvasm.objects.object_code import is_filler
from pvasm.objects.relocations import relocated_operand, type_of
from pvasm.patch.object_records import SiteRecords
from pvasm.patch.records import REPLACEMENTS, Place, Record

_Target = tuple[str, int]
"""Where an instruction goes, or what it names: a section's name and an offset, or a symbol and what is added to it."""


class _Item(Struct):
    """An instruction of a stream: what it is but for `targets`, where it stands, and whether its group ends with it."""

    what: object
    text: str
    targets: list[_Target]
    place: Place
    stop: bool


class Unlike(Struct, frozen=True):
    """The first difference: the place in the patched object, and what stands there and in the other.

    `in_stop` where it is that a group ends earlier in the other, and nothing else.
    """

    place: Place | None
    patched: str
    alone: str
    in_stop: bool = False


def difference(
    patched: ElfFile,
    sites: Sequence[tuple[SiteRecords, Record]],
    alone: ElfFile,
    renamed: Mapping[str, str] = {},
) -> Unlike | None:
    """The first difference between a patched object, each site with its record, and that of an instance alone.

    `renamed` has names of native functions by those of the instance. Raises PvasmError for a linked image, whose code
    has other places, and for an object without code to compare with.
    """
    for file in (patched, alone):
        if not file.is_relocatable:
            raise PvasmError("is linked: only relocatable objects can be compared", file.path)
    mine, other = _Stream(patched, sites, renamed), _Stream(alone, (), renamed)
    if mine.items and not other.items:
        raise PvasmError("has no code to compare with: was there anything in its source?", alone.path)
    # Where code differs in length, all branches over it go to other places: what they go over comes first.
    for places_too in (False, True):
        for here, there in zip(mine.items, other.items, strict=False):
            wanted, found = mine.targets(here, places_too), other.targets(there, places_too)
            if here.what != there.what or wanted != found:
                if here.text != there.text:
                    return Unlike(here.place, here.text, there.text)
                return Unlike(here.place, f"{here.text} (to {_named(here)})", f"{there.text} (to {_named(there)})")
            if there.stop and not here.stop:
                return Unlike(here.place, here.text, f"{there.text} ;;", in_stop=True)
        if len(mine.items) != len(other.items):
            break
    if len(mine.items) > len(other.items):
        rest = mine.items[len(other.items)]
        return Unlike(rest.place, rest.text, "nothing")
    if len(mine.items) < len(other.items):
        return Unlike(None, "nothing", other.items[len(mine.items)].text)
    return None


def _named(item: _Item) -> str:
    """What an instruction names."""
    return ", ".join(f"{name}+{at:#x}" if at else name for name, at in item.targets) or "nothing"


_UNCONDITIONAL: Final = ("br.cond.", "br.few ", "br.many ", "brl.cond.", "brl.few ", "brl.many ")


class _Stream:
    """The instructions of an object's sections in the order of their names, those of the replacements left out."""

    def __init__(self, file: ElfFile, sites: Sequence[tuple[SiteRecords, Record]], renamed: Mapping[str, str]) -> None:
        self.file = file
        self.renamed = renamed
        self.sites = {site.place: (site, record) for site, record in sites}
        self.copies = sorted({each.replacement for site, _ in sites for each in site.records.values()})
        self.relocations: dict[int, dict[int, Relocation]] = {}
        for number, entries in file.relocations.items():
            self.relocations[number] = {each.offset: each for each in entries}
        self.items: list[_Item] = []
        self.at: dict[tuple[str, int], int] = {}  # the item that a bundle begins with, by section and offset
        for section in sorted(file.sections, key=lambda each: each.name):
            if section.is_code and section.name != REPLACEMENTS:
                self._read(section.index)

    def targets(self, item: _Item, places_too: bool) -> list[object]:
        """What an instruction names, as in any such stream: a name, or the number of an item; unless `places_too`, one
        number for all.
        """
        return [
            target if number is None else number if places_too else -1
            for target in item.targets
            for number in (self.at.get(target),)
        ]

    def _read(self, number: int) -> None:
        section = self.file.sections[number]
        offset = 0
        while offset + SIZE <= len(section.data):
            site = self.sites.get(Place(number, offset))
            if site is None:
                self._bundle(Place(number, offset))
                offset += SIZE
                continue
            records, record = site
            self.at[section.name, offset] = len(self.items)
            if record.is_branch:
                self._elsewhere(Place(number, offset), (section.name, offset + records.length))
            else:
                for at in range(offset, offset + records.length, SIZE):
                    self._bundle(Place(number, at))
            offset += records.length
        self.at[section.name, offset] = len(self.items)

    def _elsewhere(self, place: Place, back: tuple[str, int]) -> None:
        """The code that the branch at a site leads to, up to the one that leads back: the last before what is next."""
        found = list(self._items(place))
        names = {each.name: each for each in self.file.sections if each.is_code}
        name, start = found[-1].targets[0] if found and found[-1].targets else ("", 0)
        section = names.get(name)
        # What no `pvasm expand` makes: it is nowhere, or is another site's already.
        if section is None or not 0 <= start < len(section.data) or (name, start) in self.at:
            return
        following = bisect_right(self.copies, Place(section.index, start))
        end = len(section.data)
        if following < len(self.copies) and self.copies[following].section == section.index:
            end = self.copies[following].offset
        for offset in range(start, end - SIZE + 1, SIZE):
            self.at.setdefault((name, offset), len(self.items))
            self.items += self._items(Place(section.index, offset))
        last = self.items[-1] if self.items else None
        if last is not None and last.place == Place(section.index, end - SIZE) and _leads_to(last, back):
            self.items.pop()
            self._end_group()

    def _end_group(self) -> None:
        if self.items:
            self.items[-1].stop = True

    def _bundle(self, place: Place) -> None:
        name = self.file.sections[place.section].name
        self.at[name, place.offset] = len(self.items)
        self.items += self._items(place)

    def _items(self, place: Place) -> Iterator[_Item]:
        """The instructions of a bundle but those that fill it."""
        section = self.file.sections[place.section]
        raw = bytes(section.data[place.offset : place.offset + SIZE])
        if not any(raw):
            return  # what `.org` leaves out
        bundle = Bundle.of(raw)
        waiting: list[_Item] = []
        for slot, unit, bits in bundle.instructions():
            instruction = decode(bits, unit, place.offset)
            if instruction is None:
                waiting.append(_Item(bits, f"{bits:#x}", [], place, False))
            elif not is_filler(instruction):
                waiting.append(self._item(instruction, place, slot))
            if slot in bundle.stops:
                if waiting:
                    waiting[-1].stop = True
                else:
                    self._end_group()
        yield from waiting

    def _item(self, instruction: Instruction, place: Place, slot: int) -> _Item:
        relocation = self.relocations.get(place.section, {}).get(place.offset + slot)
        quantity = "none" if relocation is None else type_of(relocation.kind).quantity
        filled = None if relocation is None or quantity == "mark" else relocated_operand(instruction)
        kept: list[object] = []
        targets: list[_Target] = []
        for at, (spec, value) in enumerate(zip(instruction.form.operands, instruction.operands, strict=True)):
            if relocation is not None and at == filled:
                targets.append(self._target(relocation))
            elif spec.kind is not None and spec.kind.is_target and isinstance(value, int):
                targets.append((self.file.sections[place.section].name, value))
            else:
                kept.append(value)
        # Where a branch goes is known with a relocation or without one.
        what = (_kind(instruction), kept, instruction.predicate, "none" if quantity == "branch" else quantity)
        return _Item(what, instruction.text, targets, place, False)

    def _target(self, found: Relocation) -> _Target:
        """What a relocation fills in an instruction."""
        symbol = found.symbol
        if symbol.is_defined and (
            symbol.kind == "section" or symbol.binding == "local" or self._is_code(symbol.section)
        ):
            return self.file.sections[symbol.section].name, symbol.value + found.addend
        return self.renamed.get(symbol.name, symbol.name), found.addend

    def _is_code(self, number: int) -> bool:
        return self.file.sections[number].is_code


def _leads_to(item: _Item, target: _Target) -> bool:
    """Whether control goes on at a target in any case."""
    return item.text.startswith(_UNCONDITIONAL) and item.targets == [target]


def _kind(instruction: Instruction) -> object:
    """What an instruction is; in which unit a `break` stands does not matter, unless it is a branch."""
    mnemonic = instruction.form.mnemonic
    return "break" if mnemonic.startswith("break.") and mnemonic[-1] in "mif" else instruction.spelling
