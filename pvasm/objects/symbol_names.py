"""How the names of symbols and sections are written in assembly."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pvasm.objects.elf_file import COMMON, ElfFile, Section, Symbol
from pvasm.regex import regex

_PLAIN: Final = regex(r"[A-Za-z_.$][A-Za-z0-9_.$]*")
_PLAIN_SECTION: Final = regex(r"[A-Za-z_.$][A-Za-z0-9_.$+-]*")
_QUOTABLE: Final = regex(r"[^\"\\\x00-\x1f\x7f\ud800-\udfff]+")
_GENERATED: Final = regex(r"\.L[0-9a-f]+(_[0-9a-f]+)?")


class SymbolNames:
    """The names of a file's symbols, as far as assembly can say them: two local symbols may have one name."""

    def __init__(self, file: ElfFile) -> None:
        self._own: dict[int, str] = {}  # by identity of the symbol
        self.unsaid: list[Symbol] = []
        taken: set[str] = set()
        for symbol in _in_order(file.symbols):
            if symbol.name in taken or not _can_be_said(symbol.name):
                self.unsaid.append(symbol)
            else:
                taken.add(symbol.name)
                self._own[id(symbol)] = symbol.name

    def is_said(self, symbol: Symbol) -> bool:
        """Whether assembly can name the symbol."""
        return id(symbol) in self._own

    def definition(self, symbol: Symbol) -> str:
        """The name as a label has it."""
        name = self._own[id(symbol)]
        return quoted(name)

    def reference(self, symbol: Symbol) -> str:
        """The name as an operand has it: with a `#`, so that none is taken for a register."""
        name = self._own[id(symbol)]
        return f"{name}#" if _PLAIN.fullmatch(name) else f'"{name}"'


def _in_order(symbols: Iterable[Symbol]) -> list[Symbol]:
    """The symbols with names of their own, the global ones first: these must keep theirs."""
    named = [each for each in symbols if each.name and each.kind not in ("section", "file")]
    return sorted(named, key=lambda each: (each.binding == "local", not each.is_defined and each.section != COMMON))


def _can_be_said(name: str) -> bool:
    return can_be_quoted(name) and not _GENERATED.fullmatch(name)


def can_be_quoted(name: str) -> bool:
    """Whether a name can be said, in quotes if need be."""
    return bool(_QUOTABLE.fullmatch(name))


def quoted(name: str) -> str:
    """A name that can be said, in quotes if it needs them."""
    return name if _PLAIN.fullmatch(name) else f'"{name}"'


def section_name(section: Section) -> str:
    """The name of a section as a directive has it; one of ours for a name that cannot be said."""
    if _PLAIN_SECTION.fullmatch(section.name):
        return section.name
    return f'"{section.name}"' if can_be_quoted(section.name) else f".unnamed_{section.index}"
