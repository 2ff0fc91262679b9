"""Which line of which source the code of an object came from: DWARF's line programs (DWARF 2 to 5, 6.2).

pyelftools has a reader of these too. It takes each count in them for true, so that a damaged file may keep it busy
for ever; here each step of a program takes a byte at least, and what it makes is bounded by the code that there is.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Final, Literal

from msgspec import Struct

from pvasm.errors import PvasmError
from pvasm.isa.bundle import SIZE
from pvasm.objects.elf_file import ALLOC, COMPRESSED, ElfFile
from pvasm.objects.linking import Linking

_WORD: Final = (1 << 64) - 1
_ENTRIES_A_BUNDLE: Final = 16
_MOST_ROWS: Final = 1 << 22  # of a sequence
_NAMES_A_BYTE: Final = 64  # characters of names, of which folders are a part again and again
_PATH, _FOLDER = 1, 2  # DW_LNCT_path, DW_LNCT_directory_index


class Row(Struct, frozen=True):
    """From an address on: a file and a line; `ends` marks the address behind the last instruction of a sequence."""

    address: int
    file: str
    line: int
    ends: bool = False


class SourceLines:
    """The lines of a file whose sections stand where a `Linking` has put them."""

    def __init__(self, file: ElfFile, linking: Linking) -> None:
        """Reads `.debug_line`, if there is one. Raises PvasmError where it is damaged."""
        self.file = file
        self.code = sorted(
            (linking.addresses[each.index], linking.addresses[each.index] + each.size)
            for each in file.sections
            if each.is_code and each.flags & ALLOC
        )
        self.entries: list[tuple[int, str, int]] = []
        self.most = 1024 + _ENTRIES_A_BUNDLE * sum(end - start for start, end in self.code) // SIZE
        section = file.section_named(".debug_line")
        if section is None or not section.has_room:
            return
        strings = {name: file.section_named(name) for name in (".debug_str", ".debug_line_str")}
        if section.flags & COMPRESSED:
            raise PvasmError(".debug_line is compressed: not read (objcopy --decompress-debug-sections)", file.path)
        tables = {name: bytes(linking.bytes_of(found)) if found else b"" for name, found in strings.items()}
        try:
            for rows in sequences(bytes(linking.bytes_of(section)), tables, "big" if file.big_endian else "little"):
                self._take(rows)
        except _DamagedError as error:
            raise PvasmError(f"damaged: .debug_line+{error.offset:#x}: {error}", file.path) from None
        self.entries.sort(key=lambda entry: entry[0])

    def in_order(self) -> list[tuple[int, str, int]]:
        """As `Image.lines` has them: each address at which a line or a bundle begins, with its file and line."""
        return self.entries

    def between(self, start: int, end: int) -> list[tuple[int, str, int]]:
        """The entries from an address until another."""
        low = bisect_left(self.entries, start, key=lambda entry: entry[0])
        return self.entries[low : bisect_left(self.entries, end, key=lambda entry: entry[0])]

    def _take(self, rows: list[Row]) -> None:
        """Takes over what a sequence says of code that there is, a bundle at a time."""
        for row, after in pairwise(rows):
            if row.ends:
                continue
            place = bisect_right(self.code, row.address, key=lambda one: one[0]) - 1
            if place < 0 or row.address >= self.code[place][1]:
                continue
            end = min(after.address, self.code[place][1])
            at = row.address
            while at < end:
                self.entries.append((at, row.file, row.line))
                at = (at & ~(SIZE - 1)) + SIZE
                if len(self.entries) > self.most:
                    raise PvasmError("the line information is larger than its code: not read", self.file.path)


class _DamagedError(Exception):
    """Something in a line program that cannot be; `offset` is the place in the section."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


Order = Literal["little", "big"]


class _Cursor:
    """Bytes that are read in order, from an offset to an end."""

    def __init__(self, data: bytes, offset: int, end: int, order: Order) -> None:
        self.data, self.offset, self.end, self.order = data, offset, end, order
        if end > len(data):
            raise self.wrong("ends behind its section")

    def wrong(self, message: str) -> _DamagedError:
        return _DamagedError(message, self.offset)

    def take(self, size: int) -> bytes:
        if size > self.end - self.offset:
            raise self.wrong("cut off")
        self.offset += size
        return self.data[self.offset - size : self.offset]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), self.order)

    def signed(self, size: int) -> int:
        return int.from_bytes(self.take(size), self.order, signed=True)

    def leb(self) -> int:
        """An unsigned LEB128 number."""
        value = shift = 0
        while True:
            (byte,) = self.take(1)
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
            if shift > 63:
                raise self.wrong("a number of more than 64 bits")

    def signed_leb(self) -> int:
        """A signed LEB128 number."""
        start = self.offset
        value = self.leb()
        bits = 7 * (self.offset - start)
        return value - (1 << bits) if value >> (bits - 1) & 1 else value

    def text(self) -> str:
        """A string that ends with a NUL."""
        end = self.data.find(b"\0", self.offset, self.end)
        if end < 0:
            raise self.wrong("a string without an end")
        found = self.data[self.offset : end]
        self.offset = end + 1
        return found.decode("utf-8", "surrogateescape")


def sequences(data: bytes, tables: dict[str, bytes], order: Order) -> Iterator[list[Row]]:
    """The sequences of rows of all programs in a section `.debug_line`; `tables` are the sections of strings."""
    offset = 0
    while offset < len(data):
        cursor = _Cursor(data, offset, len(data), order)
        size, wide = cursor.number(4), 4
        if size == 0xFFFF_FFFF:
            size, wide = cursor.number(8), 8
        if size > len(data) - cursor.offset:
            raise cursor.wrong(f"a program of {size:#x} bytes, which there are not")
        offset = cursor.offset + size
        yield from _Program(_Cursor(data, cursor.offset, offset, order), wide, tables).sequences()


class _Program:
    """One line program (DWARF 5, 6.2.4)."""

    def __init__(self, cursor: _Cursor, wide: int, tables: dict[str, bytes]) -> None:
        self.cursor, self.wide, self.tables = cursor, wide, tables
        self.version = cursor.number(2)
        if not 2 <= self.version <= 5:
            raise cursor.wrong(f"line information of version {self.version}: 2 to 5 are read")
        if self.version == 5:
            cursor.take(2)  # the sizes of an address and of a segment selector
        length = cursor.number(wide)
        if length > cursor.end - cursor.offset:
            raise cursor.wrong(f"a header of {length:#x} bytes, which there are not")
        start = cursor.offset + length
        self.unit = cursor.number(1)
        if self.version >= 4:
            cursor.take(1)  # operations in an instruction: VLIW slots are in the address itself here
        cursor.take(1)
        self.line_base, self.line_range = cursor.signed(1), cursor.number(1)
        self.opcode_base = cursor.number(1)
        if not (self.line_range and self.opcode_base):
            raise cursor.wrong("no lines, or no opcodes, in the header")
        self.operands = cursor.take(self.opcode_base - 1)
        self.names_left = _NAMES_A_BYTE * (cursor.end - cursor.offset)
        self.files = self._names_5() if self.version == 5 else self._names()
        cursor.offset = start
        self.rows: list[Row] = []
        self._reset()

    def _reset(self) -> None:
        self.address, self.file, self.line = 0, 1, 1

    # --------------------------------------------------------------------------------------- names

    def _names(self) -> list[str]:
        """The files of versions 2 to 4, from 1 on."""
        cursor = self.cursor
        folders = [""]
        while (name := cursor.text()) != "":
            folders.append(name)
        files = [""]
        while (name := cursor.text()) != "":
            folder = cursor.leb()
            cursor.leb(), cursor.leb()
            files.append(self._joined(folders, folder, name))
        return files

    def _names_5(self) -> list[str]:
        """The files of version 5, from 0 on."""
        folders = [name for name, _ in self._table([("", 0)])]
        return [self._joined(folders, folder, name) if folder else name for name, folder in self._table([])]

    def _table(self, found: list[tuple[str, int]]) -> list[tuple[str, int]]:
        """A table of version 5: of each entry its path and the number of its folder."""
        cursor = self.cursor
        formats = [(cursor.leb(), cursor.leb()) for _ in range(cursor.number(1))]
        count = cursor.leb()
        if count and not formats:
            raise cursor.wrong(f"a table of {count} entries of nothing")
        found = []
        for _ in range(count):
            entry: dict[int, int | str] = {}
            for content, form in formats:
                read = _FORMS.get(form)
                if read is None:
                    raise cursor.wrong(f"the form {form:#x} is not known in a table of files")
                entry[content] = read(self)
            path, folder = entry.get(_PATH, ""), entry.get(_FOLDER, 0)
            found.append((str(path), folder if isinstance(folder, int) else 0))
        return found

    def string_of(self, table: str) -> str:
        """A string that stands in another section, at the offset that is read."""
        offset = self.cursor.number(self.wide)
        data = self.tables.get(table, b"")
        if offset >= len(data):
            raise self.cursor.wrong(f"a string at {offset:#x} of {table}, which is {len(data):#x} bytes")
        end = data.find(b"\0", offset, offset + 4096)
        return data[offset : end if end >= 0 else offset + 4096].decode("utf-8", "surrogateescape")

    def _joined(self, folders: list[str], folder: int, name: str) -> str:
        before = folders[folder] if folder < len(folders) else ""
        self.names_left -= len(before) + len(name)
        if self.names_left < 0:
            raise self.cursor.wrong("more names of files than a program has")
        return name if name.startswith("/") or not before else f"{before}/{name}"

    # ------------------------------------------------------------------------------------- running

    def sequences(self) -> Iterator[list[Row]]:
        """What the program makes: rows of ascending addresses, the last of them an end."""
        cursor = self.cursor
        while cursor.offset < cursor.end:
            opcode = cursor.number(1)
            if opcode >= self.opcode_base:
                step, lines = divmod(opcode - self.opcode_base, self.line_range)
                self._advance(step)
                self.line += self.line_base + lines
                self._row()
            elif opcode == 0:
                if self._extended():
                    yield self.rows
                    self.rows = []
                    self._reset()
            else:
                self._standard(opcode)

    def _advance(self, steps: int) -> None:
        self.address = self.address + steps * self.unit & _WORD

    def _row(self, *, ends: bool = False) -> None:
        if len(self.rows) > _MOST_ROWS:
            raise self.cursor.wrong(f"a sequence of more than {_MOST_ROWS} rows")
        if self.rows and self.address < self.rows[-1].address:
            raise self.cursor.wrong("addresses go back within a sequence")
        name = self.files[self.file] if self.file < len(self.files) else ""
        self.rows.append(Row(self.address, name, self.line, ends))

    def _standard(self, opcode: int) -> None:
        """The opcodes with numbers of their own (DWARF 5, 6.2.5.2); of others the operands are skipped."""
        cursor = self.cursor
        match opcode:
            case 1:
                self._row()
            case 2:
                self._advance(cursor.leb())
            case 3:
                self.line += cursor.signed_leb()
            case 4:
                self.file = cursor.leb()
            case 8:
                self._advance((255 - self.opcode_base) // self.line_range)
            case 9:
                self.address = self.address + cursor.number(2) & _WORD
            case _:
                for _ in range(self.operands[opcode - 1]):
                    cursor.leb()

    def _extended(self) -> bool:
        """An opcode with a length before it; whether it ends a sequence."""
        cursor = self.cursor
        size = cursor.leb()
        start = cursor.offset
        if size == 0:
            return False
        opcode = cursor.number(1)
        if size > cursor.end - start:
            raise cursor.wrong("cut off")
        if opcode == 1:
            self._row(ends=True)
        elif opcode == 2:
            self.address = cursor.number(min(size - 1, 8))
        elif opcode == 3:
            self.files.append(cursor.text())
        cursor.offset = start + size
        return opcode == 1


# The forms that a table of files may have (DWARF 5, 7.5.6).
_FORMS: Final[dict[int, Callable[[_Program], int | str]]] = {
    0x05: lambda program: program.cursor.number(2),
    0x06: lambda program: program.cursor.number(4),
    0x07: lambda program: program.cursor.number(8),
    0x08: lambda program: program.cursor.text(),
    0x09: lambda program: len(program.cursor.take(program.cursor.leb())),
    0x0B: lambda program: program.cursor.number(1),
    0x0E: lambda program: program.string_of(".debug_str"),
    0x0F: lambda program: program.cursor.leb(),
    0x1E: lambda program: program.cursor.number(16),
    0x1F: lambda program: program.string_of(".debug_line_str"),
}
