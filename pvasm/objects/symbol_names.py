"""How the symbols of an object are written in assembly."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pvasm.objects.elf_file import COMMON, ElfFile, Symbol
from pvasm.regex import regex

_PLAIN: Final = regex(r"[A-Za-z_.$][A-Za-z0-9_.$]*")
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
        return name if _PLAIN.fullmatch(name) else f'"{name}"'

    def reference(self, symbol: Symbol) -> str:
        """The name as an operand has it: with a `#`, so that none is taken for a register."""
        name = self._own[id(symbol)]
        return f"{name}#" if _PLAIN.fullmatch(name) else f'"{name}"'


def _in_order(symbols: Iterable[Symbol]) -> list[Symbol]:
    """The symbols with names of their own, the global ones first: these must keep theirs."""
    named = [each for each in symbols if each.name and each.kind not in ("section", "file")]
    return sorted(named, key=lambda each: (each.binding == "local", not each.is_defined and each.section != COMMON))


def _can_be_said(name: str) -> bool:
    return bool(_QUOTABLE.fullmatch(name)) and not _GENERATED.fullmatch(name)
