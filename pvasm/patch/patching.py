"""Putting an instance's code in its places, ahead of time: what a kernel does at boot.

In a linked image bytes change in place and nothing else. In a relocatable object the relocations move with the code
(`object_changes.py`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from pvasm.errors import PvasmError
from pvasm.isa.bundle import SIZE, Bundle
from pvasm.isa.encoding import EncodingError, decode
from pvasm.objects.elf_file import ElfFile, Relocation, elf_file_of
from pvasm.objects.long_branches import aimed_bundle, aimed_with_room
from pvasm.objects.relocations import patched_bundle, relocated_operand
from pvasm.patch.object_changes import Entry, ObjectChanges, branch_relocation, original
from pvasm.patch.object_records import SiteRecords, read_sites
from pvasm.patch.records import INDIRECT, NAMES, NATIVE, Place, Record, filling
from pvasm.suggestions import near


class Sites(Struct, frozen=True):
    """The sites of a file, in order of their places, and by site whose code stands there."""

    file: ElfFile
    sites: list[SiteRecords]
    states: list[str]
    said: Callable[[Place], str]
    """A place as people name it: a symbol before it, and how far."""


def sites_of(data: bytes, path: str) -> Sites:
    """The sites of a file, with whose code stands there: `native` where several have the same.

    Raises PvasmError for records that are not right, and for a site that holds none of its codes.
    """
    file = elf_file_of(data, path)
    sites = read_sites(file)
    codes = _Codes(file)
    return Sites(file, sites, [codes.state(site) for site in sites], codes.said)


class StandingCode:
    """Whose code stands at a file's sites, and how their places are named."""

    def __init__(self, file: ElfFile) -> None:
        self._codes = _Codes(file)
        self.said = self._codes.said

    def record_at(self, site: SiteRecords) -> Record | None:
        """The record whose code a site holds; None if it holds none of its codes."""
        try:
            return site.records[self._codes.state(site)]
        except PvasmError:
            return None

    def target_of(self, place: Place) -> Place | None:
        """Where the branch goes that a bundle ends with, in its own section; None if it goes nowhere there."""
        last = None
        for slot, where in _targets(self._codes.at(place, SIZE), place.offset):
            found = self._codes.tables.get(place.section, {}).get(place.offset + slot)
            if found is None:
                last = Place(place.section, where)
            elif found[1] == place.section:
                last = Place(place.section, found[2])
        return last


def patched(data: bytes, path: str, instance: str) -> bytes:
    """The file with an instance's code at each site that has a record for it, and native code at the others.

    Raises PvasmError with a place for what cannot be: records that are not right, a site that holds none of its codes,
    a branch out of reach, an instance that the file knows nothing of.
    """
    return _Patching(original(data, path), path).for_instance(instance)


def instances_of(file: ElfFile, sites: Sequence[SiteRecords]) -> list[str]:
    """The instances that a file knows, the native one first: some may have native code everywhere."""
    names = {name for site in sites for name in site.records}
    section = file.section_named(NAMES)
    if section is not None:
        names.update(each.decode("ascii") for each in bytes(section.data).split(b"\0") if each and each.isascii())
    return [NATIVE, *sorted(names - {NATIVE})]


class _Codes:
    """What sites hold, and what they would hold."""

    def __init__(self, file: ElfFile) -> None:
        self.file = file
        self.names: dict[int, list[tuple[int, str]]] = {}  # made for the first place that is said
        self.tables = {
            number: {each.offset: (each.kind, *self._named(each)) for each in entries}
            for number, entries in (file.relocations.items() if file.is_relocatable else ())
        }

    def _named(self, relocation: Relocation) -> tuple[int | str, int]:
        """What a relocation is about: a section or a name, and what is added."""
        symbol = relocation.symbol
        if symbol.is_defined:
            return symbol.section, self.file.offset_of(symbol) + relocation.addend
        return symbol.name, relocation.addend

    def address(self, place: Place) -> int:
        """Where a place is: of an object, in its section."""
        return place.offset + (0 if self.file.is_relocatable else self.file.sections[place.section].address)

    def at(self, place: Place, length: int) -> bytes:
        return bytes(self.file.sections[place.section].data[place.offset : place.offset + length])

    def said(self, place: Place) -> str:
        """A place as messages name it."""
        if not self.names:
            self.names = _symbols(self.file)
        before = self.names.get(place.section, [])
        at = bisect_right(before, place.offset, key=lambda each: each[0])
        value, name = before[at - 1] if at else (0, self.file.sections[place.section].name)
        return name if value == place.offset else f"{name}+{place.offset - value:#x}"

    def error(self, place: Place, message: str) -> PvasmError:
        return PvasmError(f"{self.said(place)}: {message}", self.file.path)

    def state(self, site: SiteRecords) -> str:
        """The instance whose code a site holds, by what relocations fill in as well if that tells."""
        now = self.at(site.place, site.length)
        names = (NATIVE, *sorted(site.records.keys() - {NATIVE}))
        standing = [name for name in names if self._stands(site, site.records[name], now)]
        if not standing:
            raise self.error(
                site.place, "what stands here is no instance's code: has it been changed by something else?"
            )
        alike = [name for name in standing if self._is_filled_alike(site, site.records[name], now)]
        return (alike or standing)[0]

    def _stands(self, site: SiteRecords, record: Record, now: bytes) -> bool:
        """Whether a site holds the code of a record, the fields that relocations fill in aside."""
        try:
            made = self.code(site, record)
        except PvasmError:
            return False
        now = now[: len(made)]
        if not self.file.is_relocatable:
            return made == now
        return _without_fields(made) == _without_fields(now)

    def _is_filled_alike(self, site: SiteRecords, record: Record, now: bytes) -> bool:
        """Whether fields are the same where no relocation fills them in, and relocations where there are two."""
        if not self.file.is_relocatable:
            return True
        here = self._relocations(site.place, site.length)
        there = self._relocations(record.replacement, record.replacement_length)
        if any(here[at] != there[at] for at in here.keys() & there.keys()):
            return False
        made = self.code(site, record)
        for offset in range(0, len(made), SIZE):
            pieces = (Bundle.of(code[offset : offset + SIZE]).instructions() for code in (made, now))
            for mine, other in zip(*pieces, strict=True):
                filled = {offset + each for each in ((1, 2) if mine[1] == "X" else (mine[0],))}
                if mine != other and not filled & (here.keys() | there.keys()):
                    return False
        return True

    def _relocations(self, place: Place, length: int) -> dict[int, tuple[int, int | str, int]]:
        """The types of the relocations at a place, and what they are about, by their distance from it."""
        entries = self.tables.get(place.section, {})
        return {
            at: entries[place.offset + at]
            for offset in range(0, length, SIZE)
            for at in range(offset, offset + 3)
            if place.offset + at in entries
        }

    def code(self, site: SiteRecords, record: Record) -> bytes:
        """What a site holds with the code of a record; behind a branch stays what stands there.

        Raises PvasmError for what is out of reach.
        """
        code = self._moved(record, site)
        return code if record.is_branch else code + filling(site.length - len(code))

    def _moved(self, record: Record, site: SiteRecords) -> bytes:
        """The replacement of a record as it is at a site: what is named by its distance is where it was.

        A branch that would not reach is a long one there, in a bundle of its own if it must and the site has room.
        """
        to = site.place
        code = self.at(record.replacement, record.replacement_length)
        start, target = self.address(record.replacement), self.address(to)
        if self.file.is_relocatable and record.replacement.section != to.section:
            return code  # relocations say where it goes
        made = b""
        for offset in range(0, len(code), SIZE):
            bundle = code[offset : offset + SIZE]
            has_room = offset + SIZE == len(code) < site.length and not record.is_branch
            for slot, where in _targets(bundle, start + offset):
                if not start <= where < start + len(code):
                    aim = aimed_with_room if has_room else aimed_bundle
                    try:
                        bundle = aim(bundle, slot, target + offset, where)
                    except EncodingError as error:
                        raise self.error(to, f"the code for {record.instance}: {error}") from None
            made += bundle
        return made


class _Patching:
    """A file that is being patched."""

    def __init__(self, data: bytes, path: str) -> None:
        self.data = bytearray(data)
        self.path = path
        self.file = elf_file_of(data, path)
        self.sites = read_sites(self.file)
        self.codes = _Codes(self.file)

    def for_instance(self, instance: str) -> bytes:
        names = instances_of(self.file, self.sites)
        if instance not in names:
            said = f"has no code for {instance}: it has that of {', '.join(names)}{near(instance, names)}"
            raise PvasmError(said, self.path)
        states = [self.codes.state(site) for site in self.sites]  # nothing is written over what is not known
        chosen = [site.records.get(instance, site.records[NATIVE]) for site in self.sites]
        if self.file.is_relocatable:
            # Other tools keep a patched object's code, but not what is behind the file: native code is put back, too.
            changed = [
                (site, each)
                for site, each, state in zip(self.sites, chosen, states, strict=True)
                if each.instance != state or state not in (NATIVE, INDIRECT)
            ]
            return _Relocating(self.data, self.file, self.codes).with_codes(changed) if changed else bytes(self.data)
        for site, record in zip(self.sites, chosen, strict=True):
            self._put(site.place, self.codes.code(site, record))
        return bytes(self.data)

    def _put(self, place: Place, code: bytes) -> None:
        at = self.file.sections[place.section].offset + place.offset
        self.data[at : at + len(code)] = code


class _Relocating:
    """A relocatable object whose relocations move with its code."""

    def __init__(self, data: bytes | bytearray, file: ElfFile, codes: _Codes) -> None:
        self.codes = codes
        self.changes = ObjectChanges(bytes(data), file)

    def with_codes(self, changed: Sequence[tuple[SiteRecords, Record]]) -> bytes:
        """The file with the code of some records at their sites."""
        for site, record in changed:
            code, moved = self._moved(record, self.codes.code(site, record), site.place)
            self.changes.put(site.place, code, moved)
        return self.changes.written()

    def _moved(self, record: Record, code: bytes, to: Place) -> tuple[bytes, list[Entry]]:
        """The code of a record for another place, and the relocations that it has there."""
        start, end = record.replacement.offset, record.replacement.offset + record.replacement_length
        base = (
            to.offset if record.replacement.section == to.section else start
        )  # where `code` has its branches count from
        own = self.changes.entries_at(record.replacement, record.replacement_length)
        moved = [(offset - start + to.offset, info, addend) for offset, info, addend in own]
        placed = {offset for offset, _, _ in moved}
        made = b""
        for offset in range(0, len(code), SIZE):
            bundle = code[offset : offset + SIZE]
            for slot, where in _targets(bundle, base + offset):
                place = to.offset + offset + slot
                is_inside = base <= where < base + end - start
                if place in placed or (is_inside and offset < record.replacement_length):
                    continue
                number = self.changes.symbol_of_section(record.replacement.section)
                moved.append((place, number << 32 | branch_relocation(bundle, slot), where))
                bundle = patched_bundle(bundle, slot, 0, 0)
            made += bundle
        return made, moved


def _symbols(file: ElfFile) -> dict[int, list[tuple[int, str]]]:
    """The symbols of each section in their order, with their offsets."""
    found: dict[int, list[tuple[int, str]]] = {}
    for each in file.symbols:
        if each.is_defined and each.name and each.kind != "section":
            found.setdefault(each.section, []).append((file.offset_of(each), each.name))
    return {section: sorted(names) for section, names in found.items()}


def _targets(bundle: bytes, address: int) -> Iterator[tuple[int, int]]:
    """The slots of a bundle whose instructions go to a place by its distance, each with the place."""
    for slot, unit, bits in Bundle.of(bundle).instructions():
        instruction = decode(bits, unit, address)
        place = relocated_operand(instruction) if instruction is not None else None
        if instruction is None or place is None:
            continue
        kind, value = instruction.form.operands[place].kind, instruction.operands[place]
        if kind is not None and kind.is_target and isinstance(value, int):
            yield slot, value


def _without_fields(code: bytes) -> list[object]:
    """Code without what relocations may fill in."""
    found: list[object] = []
    for offset in range(0, len(code), SIZE):
        bundle = Bundle.of(code[offset : offset + SIZE])
        found.append(bundle.template)
        for slot, unit, bits in bundle.instructions():
            instruction = decode(bits, unit)
            place = relocated_operand(instruction) if instruction is not None else None
            if instruction is None or place is None:
                found.append(bits)
            else:
                operands = [each for at, each in enumerate(instruction.operands) if at != place]
                found.append((slot, instruction.spelling, operands, instruction.predicate))
    return found
