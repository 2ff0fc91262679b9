"""Which symbols of an instance's tables a kernel's objects define."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pvasm.objects.archive import ARCHIVE_MAGIC, all_members
from pvasm.objects.elf_file import ABSOLUTE, COMMON, MAX_OBJECT_BYTES, ElfFile, elf_file_of
from pvasm.tables.filled_tables import FilledTables
from pvasm.text import read_bytes, shown_name

_LINKED = frozenset(("global", "weak"))


def missing(tables: FilledTables, paths: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """The members whose symbol no object defines for others, with the symbol, and what is so of it in the objects.

    A path may be an archive's: then all its members count. Raises PvasmError for what is no object for IA-64.
    """
    defined: set[str] = set()
    local: set[str] = set()
    for path in paths:
        for file in _objects(path):
            for symbol in file.symbols:
                if symbol.is_defined or symbol.section in (ABSOLUTE, COMMON):
                    (defined if symbol.binding in _LINKED else local).add(symbol.name)
    for slot in tables.slots:
        if slot.symbol is not None and slot.symbol not in defined:
            yield slot.path, slot.symbol, "is local (static) in" if slot.symbol in local else "is not defined in"


def _objects(path: str) -> Iterator[ElfFile]:
    """The object of a path, or the members of the archive."""
    data = read_bytes(path, MAX_OBJECT_BYTES)
    name = shown_name(path)
    if not data.startswith(ARCHIVE_MAGIC):
        yield elf_file_of(data, name)
        return
    for member, content in all_members(data, name):
        yield elf_file_of(bytes(content), f"{name}({member})")
