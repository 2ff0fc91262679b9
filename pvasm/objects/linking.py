"""An ELF file in memory: a program's segments as they are, an object's sections placed, and relocations made."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Callable, Mapping
from typing import Final, Literal

from msgspec import Struct

from pvasm.asm.image import Image, Segment
from pvasm.errors import PvasmError, UndefinedSymbols
from pvasm.isa.bundle import SIZE
from pvasm.isa.encoding import EncodingError
from pvasm.isa.operands import signed64
from pvasm.objects.elf_file import ABSOLUTE, ALLOC, COMMON, UNDEFINED, ElfFile, Relocation, Section, Symbol
from pvasm.objects.relocations import Quantity, RelocationType, patched_bundle, type_of

_WORD: Final = (1 << 64) - 1
_MOST_BYTES: Final = 256 << 20
_SECTION_ALIGNMENT: Final = 16
_DT_PLTGOT: Final = 3  # on IA-64 the value of gp
_THREADS: Final = frozenset(("tprel", "ltoff_tprel", "dtpmod", "ltoff_dtpmod", "dtprel", "ltoff_dtprel"))


class Linking:
    """Gives the sections of an object addresses, and fills in what its relocations ask for."""

    def __init__(self, file: ElfFile, address: int, stubs: Mapping[str, int]) -> None:
        self.file = file
        self.stubs = stubs
        self.base = address if file.is_relocatable else 0
        self.commons: dict[str, int] = {}
        self.table: dict[tuple[str, int], int] = {}  # entries of the linkage table: what is kept there, and its address
        self.contents: list[int] = []
        self.addresses = {each.index: each.address for each in file.sections}
        end = (
            self._place(address) if file.is_relocatable else max((s.address + s.size for s in file.segments), default=0)
        )
        self.table_address = end + -end % SIZE
        self.gp = self.table_address if file.is_relocatable else self._gp()

    def _place(self, address: int) -> int:
        """Gives sections, and what is common, their addresses; returns where they end."""
        start = address
        for section in self.file.sections:
            if section.flags & ALLOC:
                address += -address % max(section.alignment, _SECTION_ALIGNMENT)
                self.addresses[section.index] = address
                address += section.size
                self._check_size(address - start)
        for symbol in self.file.symbols:
            if symbol.section == COMMON and symbol.name not in self.commons:
                address += -address % max(symbol.value, 1)
                self.commons[symbol.name] = address
                address += symbol.size
                self._check_size(address - start)
        return address

    def _check_size(self, size: int) -> None:
        if size > _MOST_BYTES:
            raise PvasmError(f"takes more memory than is simulated: {_MOST_BYTES:#x} bytes at most", self.file.path)

    def _gp(self) -> int:
        """The global pointer of a program, as it says itself; 0 for one that does not."""
        dynamic = self.file.section_named(".dynamic")
        if dynamic is not None:
            entries = struct.iter_unpack(self._order + "QQ", dynamic.data[: len(dynamic.data) & ~15])
            found = next((value for tag, value in entries if tag == _DT_PLTGOT), 0)
            if found:
                return int(found)
        descriptors = self.file.section_named(".opd")  # function descriptors: an entry point, and gp
        if descriptors is not None and len(descriptors.data) >= 16:
            return int(struct.unpack_from(self._order + "Q", descriptors.data, 8)[0])
        table = self.file.section_named(".got")
        return table.address if table is not None else 0

    @property
    def _order(self) -> str:
        return ">" if self.file.big_endian else "<"

    # ----------------------------------------------------------------------------------------- image

    def image(self) -> Image:
        """The image, without lines. Raises PvasmError for what cannot be linked, UndefinedSymbols among it."""
        self._refuse_undefined()
        segments = list(self._sections() if self.file.is_relocatable else self._program())
        if self.contents:
            words = bytearray(struct.pack(f"{self._order}{len(self.contents)}Q", *self.contents))
            segments.append(Segment(".got", self.table_address, words))
        symbols = dict(self.stubs)
        for symbol in sorted(self.file.symbols, key=lambda each: each.binding != "local"):
            if symbol.name and symbol.kind not in ("section", "file") and symbol.section != UNDEFINED:
                symbols[symbol.name] = self.address_of(symbol)
        entry = None if self.file.is_relocatable else self.file.entry
        return Image(segments, symbols, gp=self.gp, entry=entry, path=self.file.path)

    def _sections(self) -> list[Segment]:
        made = [
            Segment(each.name, self.addresses[each.index], self.bytes_of(each), each.is_code)
            for each in self.file.sections
            if each.flags & ALLOC and each.size
        ]
        if self.commons:
            first = min(self.commons.values())
            made.append(Segment("COMMON", first, bytearray(self.table_address - first)))
        return made

    def _program(self) -> list[Segment]:
        segments: list[Segment] = []
        total = 0
        for each in sorted(self.file.segments, key=lambda one: one.address):
            total += each.size
            self._check_size(total)
            if segments and each.address < segments[-1].address + len(segments[-1].data):
                raise PvasmError(f"damaged: two segments have the address {each.address:#x}", self.file.path)
            data = bytearray(each.data)
            data.extend(bytes(each.size - len(data)))
            segments.append(Segment(f"segment {len(segments)}", each.address, data, each.executable))
        for relocation in self.file.relocations.get(0, ()):
            place = bisect_right(segments, relocation.offset, key=lambda one: one.address) - 1
            found = segments[place] if place >= 0 else None
            if found is None or relocation.offset >= found.address + len(found.data):
                raise self._error("", relocation.offset, type_of(relocation.kind), "is outside of all segments")
            self._apply(relocation, found.data, found.address, "")
        return segments

    def _refuse_undefined(self) -> None:
        """Raises UndefinedSymbols if there are any."""
        missing: dict[str, PvasmError] = {}
        for section, relocations in self.file.relocations.items():
            if section and not self.file.sections[section].flags & ALLOC:
                continue
            for each in relocations:
                name = each.symbol.name
                is_open = each.symbol.section == UNDEFINED and each.symbol.binding != "weak" and name not in self.stubs
                if is_open and name not in missing and type_of(each.kind).quantity != "none":
                    where = f"{self.file.sections[section].name if section else ''}+{each.offset:#x}"
                    missing[name] = PvasmError(f"nothing defines `{name}' ({where})", self.file.path)
        if missing:
            raise UndefinedSymbols(missing)

    # -------------------------------------------------------------------------------------- sections

    def address_of(self, symbol: Symbol) -> int:
        """Where a symbol is; 0 for a weak one that nothing defines."""
        if symbol.section == UNDEFINED:
            return self.stubs.get(symbol.name, 0)
        if symbol.section == COMMON:
            return self.commons.get(symbol.name, 0)
        if symbol.section == ABSOLUTE or not self.file.is_relocatable:
            return symbol.value
        return self.addresses.get(symbol.section, 0) + symbol.value & _WORD

    def bytes_of(self, section: Section) -> bytearray:
        """The bytes of a section with its relocations made. Raises PvasmError for one that cannot be."""
        data = bytearray(section.data) if section.has_room else bytearray(section.size)
        if self.file.is_relocatable:
            for relocation in self.file.relocations.get(section.index, ()):
                self._apply(relocation, data, self.addresses[section.index], section.name)
        return data

    def _apply(self, relocation: Relocation, data: bytearray, start: int, name: str) -> None:
        """Fills in one relocation; `start` is the address of the first byte of `data`."""
        kind = type_of(relocation.kind)
        at = relocation.offset - (0 if self.file.is_relocatable else start)
        if kind.quantity == "mark" or kind.name == "R_IA64_NONE":
            return
        quantity = _QUANTITIES.get(kind.quantity)
        if quantity is None:
            reason = "needs threads, which are not simulated" if kind.quantity in _THREADS else "cannot be made here"
            raise self._error(name, relocation.offset, kind, reason)
        is_code = not kind.size
        at, size = (at & ~15, SIZE) if is_code else (at, kind.size)
        if at + size > len(data) or at < 0:
            raise self._error(name, relocation.offset, kind, "is outside of the section")
        target = self.address_of(relocation.symbol) + relocation.addend & _WORD
        value = quantity(self, _Place(target, start + at, relocation.symbol))
        if kind.size == 4 and not -(1 << 31) <= signed64(value) < 1 << 32:
            raise self._error(name, relocation.offset, kind, f"{value & _WORD:#x} does not fit in 4 bytes")
        if not is_code:
            words = [value, self.gp] if kind.size == SIZE else [value]
            order: Literal["big", "little"] = "big" if kind.big_endian else "little"
            width = min(kind.size, 8)
            data[at : at + size] = b"".join((word & (1 << 8 * width) - 1).to_bytes(width, order) for word in words)
            return
        try:
            data[at : at + size] = patched_bundle(bytes(data[at : at + size]), relocation.offset & 3, start + at, value)
        except EncodingError as error:
            raise self._error(name, relocation.offset, kind, str(error)) from None

    def _error(self, section: str, offset: int, kind: RelocationType, reason: str) -> PvasmError:
        where = f"{section}+{offset:#x}" if section else f"{offset:#x}"
        return PvasmError(f"the relocation {kind.name} at {where}: {reason}", self.file.path)

    def entry(self, kind: str, value: int) -> int:
        """The address of an entry of the linkage table: a word, or a function descriptor (entry point and gp)."""
        known = self.table.get((kind, value))
        if known is None:
            known = self.table[kind, value] = self.table_address + 8 * len(self.contents)
            self.contents += [value] if kind == "word" else [value, self.gp]
        return known

    def descriptor(self, target: int) -> int:
        """The address of the descriptor of a function."""
        return self.entry("descriptor", target)


class _Place(Struct, frozen=True):
    """What a relocation is about: the address meant, the place that is filled in, and the symbol."""

    target: int
    place: int
    symbol: Symbol


_QUANTITIES: Final[dict[Quantity, Callable[[Linking, _Place], int]]] = {
    "direct": lambda _, at: at.target,
    "branch": lambda _, at: at.target,
    "rel": lambda _, at: at.target,
    "ltv": lambda _, at: at.target,
    "iplt": lambda _, at: at.target,
    "gprel": lambda linking, at: at.target - linking.gp,
    "ltoff": lambda linking, at: linking.entry("word", at.target) - linking.gp,
    "fptr": lambda linking, at: linking.descriptor(at.target),
    "pltoff": lambda linking, at: linking.descriptor(at.target) - linking.gp,
    "ltoff_fptr": lambda linking, at: linking.entry("word", linking.descriptor(at.target)) - linking.gp,
    "pcrel": lambda _, at: at.target - at.place,
    "segrel": lambda linking, at: at.target - linking.base,
    "secrel": lambda linking, at: at.target - linking.addresses.get(at.symbol.section, 0),
}
