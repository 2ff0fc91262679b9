"""Putting an instance's code at the sites of Linux's own records (`linux_records.py`).

What takes the place of a site is what the catalog has for the number of its type (`sites`), its ops expanded for the
instance. What an image had there before is not kept; an object can be had again as it was (`object_changes.py`).
"""

from __future__ import annotations

from collections.abc import Container, Sequence

from msgspec import Struct

from pvasm.isa.bundle import SIZE, TEMPLATES, Bundle
from pvasm.isa.encoding import EncodingError
from pvasm.objects.elf_file import ABSOLUTE, ElfFile, elf_file_of
from pvasm.objects.long_branches import aimed_bundle
from pvasm.objects.relocations import patched_bundle
from pvasm.paravirt.instance import Instance
from pvasm.patch.linux_code import laid_out, slot_bits
from pvasm.patch.linux_records import SLOTS, LinuxSite, linux_sites, site_error
from pvasm.patch.object_changes import Entry, ObjectChanges, branch_relocation
from pvasm.patch.records import filling
from pvasm.tables.call_sites import called_table, code_lines, sites_of_table


class LinuxCounts(Struct):
    """How many sites have an instance's code, how many branches go to its functions, and how many calls are left:
    those whose room is not enough, and of registers that the catalog has no code for.
    """

    sites: int = 0
    branches: int = 0
    left: int = 0


def linux_patched(data: bytes, path: str, instance: Instance) -> tuple[bytes, LinuxCounts]:
    """A file with an instance's code at the sites of Linux's records, and how much that is.

    Raises PvasmError as `linux_sites` does, and for a type that there is not, a branch out of reach, and a function
    that an image does not define; ExpandErrors for ops that the instance does not take as the catalog has them.
    """
    return _Patching(data, elf_file_of(data, path), instance).made()


class _Patching:
    """A file that is being patched."""

    def __init__(self, data: bytes, file: ElfFile, instance: Instance) -> None:
        self.file = file
        self.changes = ObjectChanges(data, file)
        self.instance = instance
        table = called_table(instance.catalog)
        self.types = {each.type: each for each in sites_of_table(table) if each.type is not None}
        self.by_register = [each.type for each in table.sites.values() if each.by_register is not None]
        self.branches = {
            facts.type: (other.name, member)
            for other in instance.catalog.tables.values()
            if other.convention is None
            for member, facts in other.sites.items()
        }
        self.counts = LinuxCounts()

    def made(self) -> tuple[bytes, LinuxCounts]:
        for site in linux_sites(self.file):
            if site.kind == "branches":
                self._branch(site)
            else:
                self._code(site)
        changes = self.changes
        return changes.written() if self.file.is_relocatable else bytes(changes.now), self.counts

    def _bundle(self, site: LinuxSite, offset: int) -> bytes:
        return self.changes.code_at(site.place(offset), SIZE)

    def _branch(self, site: LinuxSite) -> None:
        """Has a branch go to the instance's function."""
        if site.type not in self.branches:
            raise site_error(self.file, site, f"{site.type:#x} is the number of no branch")
        table, member = self.branches[site.type]
        name = self.instance.tables.get(table, {}).get(member)
        bundle, place, slot = self._bundle(site, site.start), site.place(site.start), site.start % SIZE
        entries: list[Entry] = []
        try:
            if self.file.is_relocatable and isinstance(name, str):
                made = patched_bundle(bundle, slot, 0, 0)
                at = next(each for each, _, _ in reversed(Bundle.of(bundle).instructions()) if each <= slot)
                info = self.changes.symbol_named(name) << 32 | branch_relocation(bundle, slot)
                entries = [*self._others(site, {at}), (place.offset + at, info, 0)]
            else:
                target = self._address(site, f"tables.{table}.{member}", name)
                made = aimed_bundle(bundle, slot, site.address & -SIZE, target)
        except EncodingError as error:
            raise site_error(self.file, site, f"the branch to {name}: {error}") from None
        self.changes.put(place, made, entries)
        self.counts.branches += 1

    def _address(self, site: LinuxSite, member: str, name: object) -> int:
        """Where a function of an image is."""
        named = [each for each in self.file.symbols if each.name == name]
        symbol = next((each for each in named if each.is_defined or each.section == ABSOLUTE), None)
        if symbol is None:
            raise site_error(self.file, site, f"{member} is {name}, which the image does not define")
        return symbol.value

    def _others(self, site: LinuxSite, slots: Container[int], offset: int | None = None) -> list[Entry]:
        """The relocations of a bundle in other slots than these."""
        found = self.changes.entries_at(site.place(site.start if offset is None else offset), SIZE)
        return [each for each in found if each[0] % SIZE not in slots]

    def _code(self, site: LinuxSite) -> None:
        """Puts the instance's code at a site, and nops behind it; leaves a call that has not enough room."""
        known = self.types.get(site.type)
        if known is None:
            if not any(0 <= site.type - first < 1 << 16 for first in self.by_register):
                raise site_error(self.file, site, f"{site.type:#x} is the number of no type")
            self.counts.left += 1
            return
        lines = code_lines(known, self.instance)
        assert lines is not None  # sites_of_table has only such
        done = self._bundles(site, lines) if site.kind == "bundles" else self._slots(site, lines)
        self.counts.sites += done
        self.counts.left += not done

    def _bundles(self, site: LinuxSite, lines: Sequence[str]) -> bool:
        code = laid_out(lines, site.address)
        room = site.end - site.start
        if len(code) > room:
            return False
        self.changes.put(site.place(site.start), code + filling(room - len(code)), ())
        return True

    def _slots(self, site: LinuxSite, lines: Sequence[str]) -> bool:
        """The same in slots of bundles whose templates stay: for code of one group, each of which fits its slot."""
        slots = [
            offset + slot
            for offset in range(site.start & -SIZE, site.end, SIZE)
            for slot in range(SLOTS)
            if site.start <= offset + slot < site.end
        ]
        code = [line.removesuffix(";;").strip() for line in lines]
        if len(code) > len(slots) or any(line.endswith(";;") for line in lines[:-1]):
            return False
        made: dict[int, dict[int, int]] = {}  # by bundle and slot
        for number, place in enumerate(slots):
            offset, slot = place & -SIZE, place % SIZE
            template = TEMPLATES.get(Bundle.of(self._bundle(site, offset)).template)
            if template is None or "L" in template.units:
                return False
            line = code[number] if number < len(code) else None
            bits = slot_bits(template.units, slot, line)
            if bits is None:
                return False
            made.setdefault(offset, {})[slot] = bits
        for offset, contents in made.items():
            old = Bundle.of(self._bundle(site, offset))
            first, second, third = (contents.get(slot, old.slots[slot]) for slot in range(SLOTS))
            bundle = Bundle(old.template, (first, second, third)).to_bytes()
            self.changes.put(site.place(offset), bundle, self._others(site, contents, offset))
        return True
