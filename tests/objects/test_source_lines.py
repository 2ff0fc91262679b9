"""Lines of sources in objects, against addr2line; and line programs that are not what they seem."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest

from pvasm.errors import PvasmError
from pvasm.objects.elf_file import ElfFile, read_elf_file
from pvasm.objects.linking import Linking
from pvasm.objects.source_lines import SourceLines, _DamagedError, sequences
from tests.objects.assembling import EVERY_OPERATOR
from tests.oracle import require_tool


@pytest.mark.parametrize("version", [2, 3, 4, 5])
def test_every_version_says_what_addr2line_says(tmp_path: Path, version: int) -> None:
    source, made = tmp_path / "a.s", tmp_path / "a.o"
    source.write_text(EVERY_OPERATOR)
    command = [require_tool("ia64-linux-gnu-as"), f"-gdwarf-{version}", "-o", str(made), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    file = read_elf_file(made)
    linking = Linking(file, 0x10000, {})
    start = linking.addresses[next(each.index for each in file.sections if each.name == ".text")]
    entries = SourceLines(file, linking).in_order()
    assert len(entries) > 30
    addresses = [hex(at - start) for at, _, _ in entries]
    said = subprocess.run(
        [require_tool("ia64-linux-gnu-addr2line"), "-e", str(made), *addresses],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    ours = [f"{Path(name).name}:{line}" for _, name, line in entries]
    # Where two lines begin at one address, addr2line tells of the last.
    last = dict(zip(addresses, ours, strict=True))
    assert [Path(each.split(" (")[0]).name for each in said] == [last[at] for at in addresses]


def program(body: bytes, *, version: int = 2, unit: int = 1, line_range: int = 14, tables: bytes = b"\0\0") -> bytes:
    """A line program with a header of ten opcodes."""
    fields = struct.pack("<BBbBB", unit, 1, -5, line_range, 10) + bytes((0, 1, 1, 1, 1, 0, 0, 0, 1))
    if version >= 4:
        fields = fields[:1] + b"\1" + fields[1:]
    header = fields + tables
    start = struct.pack("<H", version) + (b"\x08\0" if version == 5 else b"") + struct.pack("<I", len(header))
    return struct.pack("<I", len(start + header + body)) + start + header + body


ROW, END = b"\1", b"\0\1\1"


def test_a_program_makes_rows() -> None:
    (rows,) = sequences(program(b"\0\x09\2" + bytes(8) + ROW + b"\2\x20" + ROW + END), {}, "little")
    assert [(each.address, each.line, each.ends) for each in rows] == [(0, 1, False), (32, 1, False), (32, 1, True)]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (program(ROW, version=9), "line information of version 9: 2 to 5 are read"),
        (program(ROW)[:-1], "a program of 0x17 bytes, which there are not"),
        (program(b"\0\x50\1"), "cut off"),
        (program(b"\2" + b"\xff" * 12), "a number of more than 64 bits"),
        (program(ROW, line_range=0), "no lines, or no opcodes, in the header"),
        (program(ROW + b"\2\x20" + ROW + b"\0\x09\2" + bytes(8) + ROW), "addresses go back within a sequence"),
        # Counts that nothing in the file is for.
        (program(ROW, version=5, tables=b"\0" + b"\xff" * 9 + b"\1"), "a table of 18446744073709551615 entries"),
        (program(ROW, version=5, tables=b"\1\1\x21" + b"\xff\xff\xff\x7f"), "the form 0x21 is not known in a table"),
        (program(ROW, version=5, tables=b"\1\1\x08" + b"\xff\xff\xff\x7f"), "a string without an end"),
        (program(ROW, tables=b"f" * 500 + b"\0\0" + b"n\0\1\0\0" * 500 + b"\0"), "more names of files than"),
        (struct.pack("<I", 0xFFFFFFFF) + b"\xff" * 8, "a program of 0xffffffffffffffff bytes, which there are not"),
    ],
)  # fmt: skip
def test_what_is_damaged_is_said(data: bytes, message: str) -> None:
    with pytest.raises(_DamagedError, match=message):
        list(sequences(data, {}, "little"))


def test_lines_of_what_is_no_code_take_no_room(tmp_path: Path) -> None:
    """A row that goes from the code's last bundle to the end of the address space; the same code a thousand times."""
    body = (b"\0\x09\2" + bytes(8) + ROW + b"\2" + b"\xff" * 8 + b"\x7f" + ROW + END) * 1000
    file = with_lines(tmp_path, program(body))
    with pytest.raises(PvasmError, match="the line information is larger than its code: not read"):
        SourceLines(file, Linking(file, 0, {}))
    file = with_lines(tmp_path, program(body[: len(body) // 100]))
    assert {at for at, _, _ in SourceLines(file, Linking(file, 0, {})).in_order()} == set(range(0, 0x1010, 16))


def with_lines(folder: Path, lines: bytes) -> ElfFile:
    """An object with code and a section of lines, without relocations."""
    source, made = folder / "a.s", folder / "a.o"
    data = ", ".join(map(str, lines))
    source.write_text(f' .text\n .skip 0x1000\n nop 0\n .section .debug_line,"",@progbits\n data1 {data}\n')
    subprocess.run([require_tool("ia64-linux-gnu-as"), "-o", str(made), str(source)], check=True, capture_output=True)
    return read_elf_file(made)
