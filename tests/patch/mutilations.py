"""Mutilated records and code: patching refuses them with a PvasmError, or does what the records say and undoes it.

`python -m tests.patch.mutilations [--count N] [--seed S]` makes so many files of a few sound ones, a seed each. It
prints what raised anything else or could not be undone, and exits with 1 then.
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
from pathlib import Path

from pvasm.errors import PvasmError
from pvasm.objects.elf_file import ElfFile, elf_file_of
from pvasm.objects.function_code import functions_of
from pvasm.paravirt.patterns import Patterns
from pvasm.patch.linux_patching import linux_patched
from pvasm.patch.linux_records import SECTIONS, has_linux_records
from pvasm.patch.object_changes import original
from pvasm.patch.op_origins import OpOrigins
from pvasm.patch.patching import patched, sites_of
from pvasm.patch.records import NAMES, RECORDS, REPLACEMENTS, WORDS
from tests.objects.mutations import EXTREMES, damaged
from tests.oracle import require_tool
from tests.patch.made import CATALOG, SAMPLES, assembled, single, unlike
from tests.patch.test_at_boot import linked
from tests.patch.test_linux_records import BRANCH, SLOTS
from tests.tables.called import code, functions, instance, table
from tests.tables.called import made as linux_calls

REFUSED = "refused"
PATTERNS = Patterns(CATALOG)
LEAVE_KERNEL = ("--defsym=xen_leave_kernel=0x200000",)


def sound_files(folder: Path) -> list[bytes]:
    """Objects, one of them patched, and images."""
    made = assembled(single(SAMPLES / "exit.S", ("native", "xen", "trap")).text, folder / "exit.o")
    images = [linked(folder, room, "xen") for room in ("slots", "exact")]
    text = code(linux_calls(folder, records="linux")) + functions() + table("native") + f"\t.text\n{SLOTS}{BRANCH}"
    linux = assembled(text.replace("_start", "start", 2), folder / "linux.o")
    command = [require_tool("ia64-linux-gnu-ld"), "-e", "0", "-Ttext", "0x100000", *LEAVE_KERNEL]
    subprocess.run([*command, "-o", "linux", "linux.o"], cwd=folder, check=True)
    linked_linux = (folder / "linux").read_bytes()
    return [made, patched(made, "exit.o", "xen"), *images, patched(images[0], "image", "xen"), linux, linked_linux]


def mutilated(sound: bytes, chance: random.Random) -> bytes:
    """A file with something changed: mostly in records, in what they name, or at sites."""
    if not chance.randrange(4):
        return damaged(sound, chance)
    data = bytearray(sound)
    file = elf_file_of(sound, "sound")
    is_ours = not has_linux_records(file)
    for _ in range(chance.choice((1, 1, 1, 2, 5))):
        names = (RECORDS, RECORDS, RECORDS, NAMES, REPLACEMENTS, "site") if is_ours else (*SECTIONS, ".text")
        name = chance.choice(names)
        if name == "site":
            site = chance.choice(sites_of(sound, "sound").sites)
            section, start, size = file.sections[site.place.section], site.place.offset, site.length
        else:
            found = file.section_named(name)
            assert found is not None
            section, start, size = found, 0, found.size
        at = section.offset + start + chance.randrange(size)
        if name == RECORDS and chance.randrange(2):
            word = section.offset + chance.randrange(size // 4) * 4
            old = struct.unpack_from("<I", data, word)[0]
            new = chance.choice((*EXTREMES, old + 16, old - 16, old + 1, old ^ 1 << chance.randrange(32)))
            struct.pack_into("<I", data, word, new & 0xFFFF_FFFF)
        elif name == RECORDS and chance.randrange(2):
            one, other = (section.offset + chance.randrange(size // WORDS.size) * WORDS.size for _ in range(2))
            data[one : one + WORDS.size] = data[other : other + WORDS.size]
        else:
            data[at] ^= 1 << chance.randrange(8)
    return bytes(data)


def wrong(data: bytes, *, by_op: bool = True) -> str | None:
    """What came of patching a file, and of reading it op by op: REFUSED, None if it is right, else what is wrong."""
    try:
        file = elf_file_of(data, "file")
        is_linux = has_linux_records(file)
        if by_op:
            lines = sum(len(each.lines) for each in functions_of(file, OpOrigins(file, PATTERNS)))
            if lines > len(data):
                return f"{lines} lines of functions"
        found = wrong_by_linux(data, file) if is_linux else wrong_by_ours(data)
    except PvasmError as error:
        return REFUSED if str(error).startswith("file: ") else f"no file named: {error}"
    except Exception:
        return traceback.format_exc()
    return found


def wrong_by_linux(data: bytes, file: ElfFile) -> str | None:
    """What is wrong with what Linux's records do: an image changes in code alone, an object can be had again."""
    made, _ = linux_patched(data, "file", instance("xen"))
    if file.is_relocatable:
        return None if original(made, "file") == original(data, "file") else "the object is lost"
    code = [(each.offset, each.offset + len(each.data)) for each in file.sections if each.is_code]
    changed = [at for at, (old, new) in enumerate(zip(data, made, strict=True)) if old != new]
    outside = [at for at in changed if not any(start <= at < end for start, end in code)]
    return f"changed what is no code: {outside[:9]}" if outside else None


def wrong_by_ours(data: bytes) -> str | None:
    """What is wrong with what records of alternatives do."""
    made = patched(data, "file", "xen")
    back = patched(made, "file", "native")
    before = patched(data, "file", "native")
    if elf_file_of(made, "file").is_relocatable:
        unlike(made, back, "xen")  # whatever it finds
    if back != before:
        return "native code did not come back"
    found = sites_of(made, "file")
    states = {state for site, state in zip(found.sites, found.states, strict=True) if "xen" in site.records}
    is_image = not elf_file_of(made, "file").is_relocatable
    if is_image and len(made) != len(data):
        return "an image changed its length"
    # What was behind the file may be lost: then native code is put in like another instance's.
    is_whole = set(sites_of(original(data, "file"), "file").states) == {"native"}
    if is_whole and original(back, "file") != back:
        return "something is left behind the file"
    return None if states <= {"xen", "native", "trap"} else str(states)


def main(words: Sequence[str]) -> int:
    """Tries as many files as asked for, and tells what went wrong."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(words)
    failures = refused = 0
    with tempfile.TemporaryDirectory() as folder:
        sound = sound_files(Path(folder))
        for seed in range(options.seed, options.seed + options.count):
            chance = random.Random(seed)
            data = mutilated(chance.choice(sound), chance)
            said = wrong(data, by_op=seed % 4 == 0)
            refused += said == REFUSED
            if said not in (None, REFUSED):
                failures += 1
                print(f"seed {seed}: {said}", flush=True)
    print(f"{options.count} files: {refused} refused, {failures} wrong")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
