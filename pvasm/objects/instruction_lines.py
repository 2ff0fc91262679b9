"""The line of a source that an instruction of an object came from, by its place."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Final

from pvasm.errors import PvasmError
from pvasm.isa.bundle import SIZE
from pvasm.objects.elf_file import ElfFile
from pvasm.objects.linking import Linking
from pvasm.objects.source_lines import SourceLines

_LINKING_ADDRESS: Final = 0x10000


class InstructionLines:
    """The lines of a file's instructions. Where they are damaged, or not read, there are none: `problem` says why."""

    def __init__(self, file: ElfFile) -> None:
        self.entries: Sequence[tuple[int, str, int]] = ()
        self.addresses: Mapping[int, int] = {}
        self.problem: PvasmError | None = None
        if file.section_named(".debug_line") is None:
            return
        try:
            linking = Linking(file, _LINKING_ADDRESS, {})
            self.entries = SourceLines(file, linking).in_order()
            self.addresses = linking.addresses
        except PvasmError as error:
            self.problem = error

    def at(self, section: int, offset: int) -> tuple[str, int] | None:
        """The file and line of the instruction at an offset with its slot in the low bits, as a bundle has them."""
        if not self.entries:
            return None
        address = self.addresses[section] + offset
        number = bisect_right(self.entries, address, key=lambda entry: entry[0]) - 1
        if number < 0 or self.entries[number][0] & -SIZE != address & -SIZE:
            return None
        _, name, line = self.entries[number]
        return (name, line) if name and line > 0 else None
