"""Directives that begin the sections of an object."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pvasm.objects.elf_file import (
    ALLOC,
    COMPRESSED,
    EXCLUDE,
    EXECUTE,
    GROUP,
    LINK_ORDER,
    MERGE,
    NO_RECOVERY,
    SHORT,
    STRINGS,
    TLS,
    WRITE,
    ElfFile,
    Section,
)
from pvasm.objects.symbol_names import quoted, section_name

_FLAGS: Final = {
    ALLOC: "a",
    WRITE: "w",
    EXECUTE: "x",
    EXCLUDE: "e",
    MERGE: "M",
    STRINGS: "S",
    TLS: "T",
    SHORT: "s",
    LINK_ORDER: "o",
    GROUP: "G",
}
_TYPES: Final = {
    "SHT_PROGBITS": "progbits",
    "SHT_NOBITS": "nobits",
    "SHT_NOTE": "note",
    "SHT_INIT_ARRAY": "init_array",
    "SHT_FINI_ARRAY": "fini_array",
    "SHT_PREINIT_ARRAY": "preinit_array",
    0x7000_0001: "unwind",
}
_STANDARD: Final = {".text": ALLOC | EXECUTE, ".data": ALLOC | WRITE, ".bss": ALLOC | WRITE}


class SectionHeadings:
    """Begins one section after the other; of those that have one name each is told from the others."""

    def __init__(self, file: ElfFile) -> None:
        self.file = file
        self.begun: set[str] = set()  # names

    def lines(self, section: Section) -> Iterator[str]:
        """The directive that begins a section, and comments on what it does not say."""
        flags = "".join(letter for flag, letter in _FLAGS.items() if section.flags & flag)
        unsaid = section.flags & ~(sum(_FLAGS) | COMPRESSED)
        said = section.name in _STANDARD and section.name not in self.begun
        kind = "SHT_NOBITS" if section.name == ".bss" else "SHT_PROGBITS"
        if said and section.flags == _STANDARD[section.name] and section.kind == kind:
            yield f"\t{section.name}"
        else:
            yield f'\t.section {section_name(section)},"{flags}",@{_kind(section)}{self._more(section)}'
        self.begun.add(section.name)
        if section.flags & COMPRESSED:
            yield "// compressed: as it is, without the mark that says so"
        elif unsaid & ~NO_RECOVERY:
            yield f"// of the section's flags {unsaid:#x} cannot be said"
        if section.flags & NO_RECOVERY:
            yield "// of the section's flags SHF_IA_64_NORECOV cannot be said"

    def _more(self, section: Section) -> str:
        """What follows the type of a section: by its flags, and so that no other of its name is meant."""
        said = f",{section.entry_size}" if section.flags & MERGE else ""
        if section.flags & LINK_ORDER:
            sections = self.file.sections
            linked = sections[section.link] if 0 < section.link < len(sections) else section
            said += f",{section_name(linked)}"
        if section.flags & GROUP:
            said += f",{quoted(self.file.groups.get(section.index, 'group'))},comdat"
        elif section.name in self.begun:
            said += f",unique,{section.index}"
        return said


def _kind(section: Section) -> str:
    """The type of a section as the assembler has it."""
    return _TYPES.get(section.kind) or hex(_number_of(section.kind))


def _number_of(kind: str | int) -> int:
    """The number of a type of section that has a name."""
    from elftools.elf.enums import ENUM_SH_TYPE_BASE

    return kind if isinstance(kind, int) else int(ENUM_SH_TYPE_BASE.get(kind, 1))
