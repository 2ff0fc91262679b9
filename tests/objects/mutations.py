"""Damaged objects: whatever stands in a file, reading it ends, with a PvasmError or with a result in proportion to it.

`python -m tests.objects.mutations [--count N] [--seed S]` makes so many files of a few sound ones, a seed each, reads
each, checks it, compares its functions, writes it as assembly and makes an image of it. It prints what raised anything
else, and exits with 1 then.
"""

from __future__ import annotations

import argparse
import random
import struct
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from pvasm.check.exposure import CODES
from pvasm.check.object_files import ObjectCheck
from pvasm.check.rule import all_rules
from pvasm.check.settings import AnswerSettings
from pvasm.errors import PvasmError
from pvasm.objects.archive import ARCHIVE_MAGIC, members
from pvasm.objects.disassembly import Wanted, disassembly
from pvasm.objects.elf_file import elf_file_of
from pvasm.objects.function_code import functions_of
from pvasm.objects.linking import Linking
from pvasm.objects.object_image import image_of_object
from pvasm.objects.source_lines import SourceLines
from pvasm.paravirt.loading import load_catalog
from pvasm.paravirt.patterns import Patterns
from pvasm.patch.op_origins import OpOrigins
from pvasm.report.object_diff import object_difference
from tests.objects.assembling import EVERY_OPERATOR, SENSITIVE, SYMBOLS
from tests.oracle import require_tool

EXTREMES = (0, 1, 2, 7, 8, 0x7F, 0xFF, 0xFFF0, 0xFFF1, 0xFFFF, 1 << 31, (1 << 32) - 1, 1 << 40, 1 << 63, (1 << 64) - 1)
LINES_A_BYTE = 4
PATTERNS = Patterns(load_catalog())


def sound_files(folder: Path) -> list[bytes]:
    """The files that are damaged: objects with and without lines of sources, and a program."""
    found = []
    for number, text in enumerate((EVERY_OPERATOR, SYMBOLS, SENSITIVE)):
        for flags in ([], ["-g"], ["-gdwarf-5"]):
            source, made = folder / f"{number}.s", folder / f"{number}.o"
            source.write_text(text)
            command = [require_tool("ia64-linux-gnu-as"), *flags, "-o", str(made), str(source)]
            subprocess.run(command, check=True, capture_output=True)
            found.append(made.read_bytes())
    archive = folder / "a.a"
    subprocess.run([require_tool("ia64-linux-gnu-ar"), "rc", archive, folder / "0.o", folder / "1.o"], check=True)
    found.append(archive.read_bytes())
    (folder / "p.s").write_text(
        " .global x, f\n .text\nf: addl r8=@ltoff(x),r1\n br.call.sptk b0=f\n .data\nx: data8 @fptr(f), x\n"
    )
    subprocess.run([require_tool("ia64-linux-gnu-as"), "-o", folder / "p.o", folder / "p.s"], check=True)
    for flags in (["-shared"], ["-e", "f"]):
        subprocess.run([require_tool("ia64-linux-gnu-ld"), *flags, "-o", folder / "p", folder / "p.o"], check=True)
        found.append((folder / "p").read_bytes())
    return found


def damaged(sound: bytes, chance: random.Random) -> bytes:
    """A file with a few things in it changed: numbers to extremes, bytes, parts moved, the end cut off."""
    data = bytearray(sound)
    (headers,) = struct.unpack_from("<Q", data, 40)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 16))):
        if not data:
            break
        # The header and the section headers are where most goes wrong.
        region = chance.choice(((0, 64), (headers, len(data)), (0, len(data)), (0, len(data))))
        at = chance.randrange(
            min(region[0], len(data) - 1), max(min(region[1], len(data)), min(region[0], len(data) - 1) + 1)
        )
        what = chance.randrange(6)
        size = chance.choice((1, 2, 4, 8))
        if what < 3:
            at -= at % size if chance.random() < 0.8 else 0
            data[at : at + size] = (chance.choice(EXTREMES) & (1 << 8 * size) - 1).to_bytes(size, "little")
        elif what == 3:
            data[at] ^= 1 << chance.randrange(8)
        elif what == 4:
            other = chance.randrange(len(data))
            length = chance.choice((1, 8, 24, 64))
            data[at : at + length] = data[other : other + length]
        elif chance.random() < 0.2:
            del data[at:]
        else:
            data[at : at + size] = chance.randbytes(size)
    return bytes(data)


@cache
def object_check() -> ObjectCheck:
    """What checks objects by all rules about instructions."""
    return ObjectCheck([all_rules()[code] for code in CODES], AnswerSettings(), load_catalog())


def checked(data: bytes) -> None:
    """Checks a file: what is found is in proportion to it, and an error has a reason and a name."""
    answer = object_check().check(data, "damaged.o")
    assert len(answer.diagnostics) <= 3 * len(data) // 16
    for error in (*answer.errors, *answer.notes):
        assert error.message
        assert error.path is not None
        assert error.path.startswith("damaged.o")
    assert answer.files or answer.errors or data.startswith(ARCHIVE_MAGIC)


def try_out(data: bytes) -> str:
    """Reads a file in all ways; says how it went: `read`, or the error's message. Raises whatever else is raised."""
    said = "read"
    checked(data)
    try:
        if data.startswith(ARCHIVE_MAGIC):
            data = bytes(members(data, "damaged.a").get("1.o", b""))
        file = elf_file_of(data, "damaged.o")
    except PvasmError as error:
        return error.message
    try:
        linking = Linking(file, 0x10000, {})
        lines = SourceLines(file, linking).between(0, 1 << 64)
        assert len(lines) <= 1024 + LINES_A_BYTE * len(data)
    except PvasmError as error:
        said = error.message
    functions = functions_of(file, OpOrigins(file, PATTERNS))
    assert sum(len(each.lines) for each in functions) <= LINES_A_BYTE * len(data), "the functions are out of proportion"
    named = (file.path, functions)
    assert object_difference(named, named).is_empty
    for count, line in enumerate(disassembly(file, Wanted(addresses=True))):
        assert count < 1000 + LINES_A_BYTE * len(data), "the text is out of proportion"
        assert "\n" not in line
    try:
        image_of_object(file, stubs={})
    except PvasmError as error:
        said = error.message
    return said


def failures(count: int, seed: int) -> list[str]:
    """What raised something other than PvasmError, of so many damaged files; the seeds from one on."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        sound = sound_files(Path(folder))
    for number in range(seed, seed + count):
        chance = random.Random(number)
        data = damaged(chance.choice(sound), chance)
        try:
            try_out(data)
        except Exception:
            found.append(f"seed {number}: {traceback.format_exc(limit=-3)}")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    found = failures(options.count, options.seed)
    print("\n".join(found[:20]))
    print(f"{options.count} files from seed {options.seed} on: {len(found)} raised what they may not")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
