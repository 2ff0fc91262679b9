"""A corpus of real IA-64 assembly, and the truth about every instruction in it.

Linux 6.1 is the last long-term series with `arch/ia64`. Its 28 assembly files use plain privileged instructions (the
paravirtualization macros went in 2015), so all that a checker should find is in there. The text comes from Debian's
package linux-source-6.1 and stays in a cache folder; nothing of it belongs in this repository. GNU binutils say what
each file means: which instruction stands in which slot, its bits, and the line of the source that it came from.

    python tests/corpus/build.py        builds it, or says at once that it is there

The folder is $PVASM_CORPUS, or else pvasm-corpus in $XDG_CACHE_HOME or ~/.cache:

    tree/           arch/ia64, the headers, and Kbuild's scripts, as Debian ships them
    built/gen/      the generated headers that the assembly includes
    built/NAME.s    each file after the C preprocessor, with line markers
    built/NAME.o    the same, assembled in explicit mode, with line numbers
    built/truth.json

Both folders appear whole or not at all. A second run finds them and is done; a new version of this file makes `built`
again, without another download. Root is needed only where a tool is missing or apt has no package lists.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import msgspec

PACKAGE = "linux-source-6.1"
TOOLS = ("gcc", "ia64-linux-gnu-as", "ia64-linux-gnu-objdump", "ia64-linux-gnu-addr2line")
DOWNLOAD_TOOLS = ("apt-get", "dpkg-deb", "tar", "xz")
WANTED = ("arch/ia64", "include", "scripts", "Makefile", "Kbuild")
SOURCE_FOLDERS = ("arch/ia64/kernel", "arch/ia64/lib")


class CorpusError(Exception):
    """The corpus could not be built; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """One slot of a bundle (a long instruction counts once, in slot 1)."""

    section: str
    address: int  # of the bundle, in its section
    slot: int
    template: str  # "MII", "MLX", ...
    predicate: str  # "p0" where none is written
    text: str  # as objdump writes it, without predicate and stop
    bits: int  # the 41 bits of the slot; of a long instruction, those of slot 2
    long_bits: int | None  # of a long instruction, the 41 bits of slot 1
    relocated: bool  # the linker still has to fill in a field: `bits` holds what the object file has
    source: str | None  # the file and line it was written on, relative to the folder `built`; a macro's are those of
    line: int  # its use. None and 0 for the nops that the assembler put before the first instruction of a section
    in_own_text: bool  # the mnemonic itself stands in that line, and no macro from elsewhere brought it

    @property
    def mnemonic(self) -> str:
        """The first word, without completers."""
        return re.split(r"[.\s]", self.text, maxsplit=1)[0]


@dataclass(frozen=True, slots=True)
class CorpusFile:
    """One assembly file, in the three forms it takes on its way to an object file."""

    name: str
    raw: Path
    preprocessed: Path
    object: Path
    instructions: tuple[Instruction, ...]


@dataclass(frozen=True, slots=True)
class Corpus:
    """All the files, and what it takes to preprocess one of them."""

    root: Path
    files: tuple[CorpusFile, ...]

    @property
    def include_flags(self) -> list[str]:
        """`-D`, `-I` and `-include`, in the way of gcc, with absolute paths."""
        built = self.root / "built"
        return [
            *(f"-D{name}" for name in DEFINED),
            *(f"-I{(built / folder).resolve()}" for folder in INCLUDED),
            "-include",
            str((built / FORCED_INCLUDE).resolve()),
        ]

    @property
    def cpp_flags(self) -> list[str]:
        """What `gcc -E` needs for a raw file."""
        return [*LANGUAGE, *self.include_flags]


LANGUAGE = ("-undef", "-nostdinc", "-x", "assembler-with-cpp")
DEFINED = ("__ia64__", "__LP64__", "__ELF__", "__KERNEL__", "__ASSEMBLY__")
INCLUDED = (  # relative to the folder in which gcc runs, so that line markers do not name a temporary folder
    "gen",
    "gen/generated",
    "../tree/arch/ia64/include",
    "../tree/arch/ia64/include/uapi",
    "../tree/include",
    "../tree/include/uapi",
    "../tree/arch/ia64/kernel",
    "../tree/arch/ia64/lib",
)
FORCED_INCLUDE = "../tree/include/linux/kconfig.h"


def folder() -> Path:
    """Where the corpus is, or will be."""
    if chosen := os.environ.get("PVASM_CORPUS"):
        return Path(chosen).expanduser().resolve()
    cache_home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache_home).expanduser().resolve() / "pvasm-corpus"


def available() -> str | None:
    """Why the corpus cannot be had on this machine, in a few words; None where it can (or is there already)."""
    if not sys.platform.startswith("linux"):
        return "the corpus is built with Debian's tools, on Linux"
    needed = TOOLS if _has_tree(folder()) else (*TOOLS, *DOWNLOAD_TOOLS)
    missing = [tool for tool in needed if shutil.which(tool) is None]
    return f"the corpus needs {', '.join(missing)}" if missing else None


@cache
def corpus() -> Corpus:
    """The corpus, built if it is not there yet (a minute; then at once).

    Raises CorpusError when a tool or the package cannot be had.
    """
    if reason := available():
        raise CorpusError(reason)
    root = folder()
    root.mkdir(parents=True, exist_ok=True)
    with _lock(root):
        _sweep(root)
        if not _has_tree(root):
            _download_tree(root)
        if _stamp(root) != _version():
            _build(root)
    return _load(root)


# ---- from one state of the folder to the next, whole or not at all


def _version() -> str:
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()


def _stamp(root: Path) -> str:
    try:
        return (root / "built" / "version").read_text()
    except OSError:
        return ""


@contextlib.contextmanager
def _lock(root: Path) -> Iterator[None]:
    """One builder at a time: test runners start several processes."""
    with (root / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _sweep(root: Path) -> None:
    """Remove what killed runs left. Only under the lock: nobody else is at work."""
    for pattern in (".download-*", ".unfinished-*", ".new-*"):
        for leftover in root.glob(pattern):
            shutil.rmtree(leftover, ignore_errors=True)


@contextlib.contextmanager
def _staged(target: Path) -> Iterator[Path]:
    """A folder to fill beside `target`, that takes its name when all went well."""
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".unfinished-") as outer:
        fresh = target.parent / f".new-{target.name}"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        try:
            yield fresh
            if target.exists():
                target.rename(Path(outer) / "old")
            fresh.rename(target)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


def _run(*command: str | Path, cwd: Path | None = None, stdin: str | None = None) -> str:
    done = subprocess.run([str(word) for word in command], cwd=cwd, input=stdin, text=True, capture_output=True)
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if "rror" in line] or ["no message"]
        raise CorpusError(f"{command[0]} {command[1]} failed: {errors[0]}")
    return done.stdout


# ---- the source text


def _has_tree(root: Path) -> bool:
    """Whether all that is wanted is there: an earlier version of this file wanted less."""
    return all((root / "tree" / name).exists() for name in WANTED)


def _download_tree(root: Path) -> None:
    with tempfile.TemporaryDirectory(dir=root, prefix=".download-") as name:
        scratch = Path(name)
        try:
            _run("apt-get", "download", PACKAGE, cwd=scratch)
        except CorpusError:
            _run("apt-get", "update")
            _run("apt-get", "download", PACKAGE, cwd=scratch)
        (package,) = scratch.glob(f"{PACKAGE}*.deb")
        _run("dpkg-deb", "-x", package, scratch / "unpacked")
        archive = scratch / "unpacked/usr/src" / f"{PACKAGE}.tar.xz"
        members = [f"{PACKAGE}/{member}" for member in WANTED]
        with _staged(root / "tree") as tree:
            _run("tar", "-xf", archive, "-C", tree, "--strip-components=1", *members)


def _sources(tree: Path) -> list[Path]:
    """The assembly files; not the linker scripts, nor gate-data.S, which only includes a binary."""
    found = [path for where in SOURCE_FOLDERS for path in (tree / where).glob("*.S")]
    return sorted(path for path in found if not path.name.endswith(".lds.S") and path.name != "gate-data.S")


# ---- the generated headers

CONFIGURED: dict[str, int] = {
    **dict.fromkeys(("IA64", "64BIT", "SMP", "MCKINLEY", "IA64_PAGE_SIZE_16KB", "PGTABLE_3", "MMU", "MODULES"), 1),
    **dict.fromkeys(("KEXEC", "HUGETLB_PAGE", "VIRT_CPU_ACCOUNTING", "VIRT_CPU_ACCOUNTING_NATIVE"), 1),
    **dict.fromkeys(("IA64_MCA_RECOVERY", "IA64_GRANULE_16MB"), 1),
    "NR_CPUS": 64,
    "ARCH_FORCE_MAX_ORDER": 17,
    "HZ": 250,
    "IA64_L1_CACHE_SHIFT": 7,
    "NODES_SHIFT": 10,
}

# A C compiler for IA-64 would say where each field of a structure is. The offsets of the two structures that matter are
# computed; these constants are tested by the assembly; for the rest any value does that fits its instruction.
KNOWN_OFFSETS = {
    "CLONE_SETTLS_BIT": 19,
    "IA64_CLONE_VFORK": 0x4000,
    "IA64_CLONE_VM": 0x100,
    "IA64_CLKSRC_CYCLE_LAST_OFFSET": 64,
    "IA64_CLKSRC_MASK_OFFSET": 40,
    "IA64_CLKSRC_MMIO_OFFSET": 56,
    "IA64_CLKSRC_MULT_OFFSET": 48,
    "IA64_CLKSRC_SHIFT_OFFSET": 52,
    "IA64_GTOD_MONO_TIME_OFFSET": 24,
    "IA64_GTOD_SEQ_OFFSET": 0,
    "IA64_GTOD_WALL_TIME_OFFSET": 8,
    "IA64_ITC_JITTER_OFFSET": 0,
    "IA64_ITC_LASTCYCLE_OFFSET": 8,
    "IA64_TASK_SIZE": 4096,
    "IA64_THREAD_INFO_SIZE": 128,
    "IA64_TIMESPEC_TV_NSEC_OFFSET": 8,
    "IA64_UPID_SHIFT": 5,
}


@dataclass(frozen=True, slots=True)
class _Layout:
    offsets: dict[str, int]
    size: int


def _layout(header: str, structure: str) -> _Layout:
    """Where the fields of a structure are: longs of 8 bytes, and floating-point registers of 16, aligned."""
    found = re.search(rf"struct {structure} \{{(.*?)\n\}};", header, re.S)
    if found is None:
        raise CorpusError(f"no struct {structure} in asm/ptrace.h")
    body = re.sub(r"/\*.*?\*/", "", found[1], flags=re.S)
    offsets, end = {}, 0
    for kind, field in re.findall(r"(unsigned long|struct ia64_fpreg)\s+(\w+);", body):
        size = 16 if kind.startswith("struct") else 8
        offsets[field] = -(-end // size) * size
        end = offsets[field] + size
    return _Layout(offsets, -(-end // 16) * 16)


def _offsets_header(tree: Path) -> str:
    header = (tree / "arch/ia64/include/uapi/asm/ptrace.h").read_text()
    layouts = {name: _layout(header, name) for name in ("pt_regs", "switch_stack")}
    source = (tree / "arch/ia64/kernel/asm-offsets.c").read_text()
    stand_ins = itertools.cycle(range(16, 16 * 49, 16))
    lines = []
    for name, expression in re.findall(r"DEFINE\((\w+),\s*(.*?)\);", source, re.S):
        computed = re.match(
            r"(offsetof|sizeof)\s*\(struct (pt_regs|switch_stack)(?:,\s*(\w+))?\)", " ".join(expression.split())
        )
        if computed:
            layout = layouts[computed[2]]
            value = layout.size if computed[1] == "sizeof" else layout.offsets[computed[3]]
        elif name in KNOWN_OFFSETS:
            value = KNOWN_OFFSETS[name]
        else:
            value = next(stand_ins)
        lines.append(f"#define {name} {value}\n")
    return "".join(lines)


def _generate_headers(tree: Path, gen: Path) -> None:
    (gen / "generated").mkdir(parents=True)
    (gen / "asm").mkdir()
    config = "".join(f"#define CONFIG_{name} {value}\n" for name, value in CONFIGURED.items())
    (gen / "generated/autoconf.h").write_text(config)
    (gen / "generated/asm-offsets.h").write_text(_offsets_header(tree))
    (gen / "generated/bounds.h").write_text("#define NR_PAGEFLAGS 24\n#define MAX_NR_ZONES 4\n")
    (gen / "generated/timeconst.h").touch()
    (gen / "generated/utsrelease.h").touch()
    _generate_syscall_headers(tree, gen / "asm")
    _wrap_generic_headers(tree, gen / "asm")


def _generate_syscall_headers(tree: Path, asm: Path) -> None:
    table = tree / "arch/ia64/kernel/syscalls/syscall.tbl"
    numbers, calls = asm / "unistd_64.h", asm / "syscall_table.h"
    _run("sh", tree / "scripts/syscallhdr.sh", "--emit-nr", "--abis", "common,64", table, numbers)
    _run("sh", tree / "scripts/syscalltbl.sh", "--abis", "common,64", table, calls)
    first = 1024  # IA-64 numbers its system calls from here; the table starts at 0
    shifted = re.sub(r"(#define __NR_\w+ )(\d+)", lambda m: f"{m[1]}{int(m[2]) + first}", numbers.read_text())
    numbers.write_text(shifted)


def _wrap_generic_headers(tree: Path, asm: Path) -> None:
    own = {path.name for sub in ("", "uapi/") for path in (tree / f"arch/ia64/include/{sub}asm").glob("*.h")}
    for generic in ("include/asm-generic", "include/uapi/asm-generic"):
        for path in (tree / generic).glob("*.h"):
            wrapper = asm / path.name
            if path.name not in own and not wrapper.exists():
                wrapper.write_text(f"#include <asm-generic/{path.name}>\n")


# ---- the truth


class _File(msgspec.Struct):
    name: str
    raw: str
    instructions: list[Instruction]


def _build(root: Path) -> None:
    tree = root / "tree"
    with _staged(root / "built") as built:
        _generate_headers(tree, built / "gen")
        files = [_build_file(tree, source, built) for source in _sources(tree)]
        (built / "truth.json").write_bytes(msgspec.json.encode(files))
        (built / "version").write_text(_version())


def _build_file(tree: Path, source: Path, built: Path) -> _File:
    raw = str(Path("../tree") / source.relative_to(tree))
    flags = [*LANGUAGE, *(f"-D{name}" for name in DEFINED), *(f"-I{where}" for where in INCLUDED)]
    text, binary = f"{source.stem}.s", f"{source.stem}.o"
    _run("gcc", "-E", *flags, "-include", FORCED_INCLUDE, raw, "-o", text, cwd=built)
    _run("ia64-linux-gnu-as", "-x", "-g", "-o", binary, text, cwd=built)
    instructions = _with_sources(built, binary, _disassemble(built, binary))
    return _File(source.stem, raw, instructions)


@dataclass(slots=True)
class _Bundle:
    """What objdump prints about sixteen bytes, as it comes in."""

    section: str
    address: int
    template: str
    content: bytes
    slots: list[tuple[int, str, str]]  # slot, predicate, text
    relocated: set[int]

    def instructions(self) -> Iterator[Instruction]:
        whole = int.from_bytes(self.content, "little")
        bits = [whole >> (5 + 41 * slot) & (1 << 41) - 1 for slot in range(3)]
        for slot, predicate, text in self.slots:
            is_long = self.template == "MLX" and slot == 1
            yield Instruction(
                section=self.section,
                address=self.address,
                slot=slot,
                template=self.template,
                predicate=predicate,
                text=text,
                bits=bits[2] if is_long else bits[slot],
                long_bits=bits[1] if is_long else None,
                relocated=slot in self.relocated or (is_long and 2 in self.relocated),
                source=None,
                line=0,
                in_own_text=False,
            )


SECTION = re.compile(r"Disassembly of section (.+):$")
SLOT = re.compile(
    r"\s*(?P<address>[0-9a-f]+):\t(?P<bytes>(?:[0-9a-f]{2} )+)\s*"
    r"(?:\[(?P<template>\w{3})\])?\s*(?:\((?P<predicate>p\d+)\)\s*)?(?P<text>\S.*?)?(?:;;)?\s*$"
)
RELOCATION = re.compile(r"\s+(?P<address>[0-9a-f]+): [A-Z]\w+\t")
SLOT_OF_OFFSET = {0: 0, 6: 1, 12: 2}


def _disassemble(built: Path, binary: str) -> list[Instruction]:
    section = ""
    bundles: list[_Bundle] = []
    for line in _run("ia64-linux-gnu-objdump", "-d", "-r", binary, cwd=built).splitlines():
        if heading := SECTION.match(line):
            section = heading[1]
        elif found := SLOT.match(line):
            address, content = int(found["address"], 16), bytes.fromhex(found["bytes"])
            slot = SLOT_OF_OFFSET[address % 16]
            if slot == 0:
                bundles.append(_Bundle(section, address, found["template"], b"", [], set()))
            bundles[-1].content += content
            if text := found["text"]:
                predicate = f"p{int(found['predicate'][1:])}" if found["predicate"] else "p0"
                bundles[-1].slots.append((slot, predicate, text))
        elif found := RELOCATION.match(line):
            bundles[-1].relocated.add(int(found["address"], 16) % 16)
    return [instruction for bundle in bundles for instruction in bundle.instructions()]


def _with_sources(built: Path, binary: str, instructions: Iterable[Instruction]) -> list[Instruction]:
    """The same, each with the line it was written on: the line table counts slots as addresses within a bundle."""
    by_section: dict[str, list[Instruction]] = {}
    for instruction in instructions:
        by_section.setdefault(instruction.section, []).append(instruction)
    placed = []
    for section, group in by_section.items():
        addresses = "".join(f"{i.address + i.slot:#x}\n" for i in group)
        answer = _run("ia64-linux-gnu-addr2line", "-j", section, "-e", binary, cwd=built, stdin=addresses)
        places = (_place(built, line) for line in answer.splitlines())
        placed += [_at(built, i, source, line) for i, (source, line) in zip(group, places, strict=True)]
    return placed


def _place(built: Path, answer: str) -> tuple[str | None, int]:
    """`../tree/arch/ia64/kernel/ivt.S`, 12 from what addr2line says."""
    path, _, line = answer.split(" (", maxsplit=1)[0].rpartition(":")
    if path == "??" or not line.isdigit():
        return None, 0
    return os.path.relpath(built / path, built), int(line)


def _at(built: Path, instruction: Instruction, source: str | None, line: int) -> Instruction:
    if source is None:
        return instruction
    written = re.search(rf"\b{re.escape(instruction.mnemonic)}\b", _code_line(built / source, line))
    return replace(instruction, source=source, line=line, in_own_text=written is not None)


def _code_line(path: Path, line: int) -> str:
    lines = _code_lines(path)
    return lines[line - 1] if 0 < line <= len(lines) else ""


@cache
def _code_lines(path: Path) -> list[str]:
    """The lines of a source file with comments blanked out."""
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    return re.sub(r"/\*.*?\*/|//[^\n]*", lambda m: re.sub(r"[^\n]", " ", m[0]), text, flags=re.S).split("\n")


def _load(root: Path) -> Corpus:
    built = root / "built"
    files = msgspec.json.decode((built / "truth.json").read_bytes(), type=list[_File])
    return Corpus(
        root=root,
        files=tuple(
            CorpusFile(
                name=file.name,
                raw=(built / file.raw).resolve(),
                preprocessed=built / f"{file.name}.s",
                object=built / f"{file.name}.o",
                instructions=tuple(file.instructions),
            )
            for file in files
        ),
    )


def main() -> int:
    """Build the corpus, and say where it is."""
    try:
        ready = corpus()
    except CorpusError as error:
        print(f"corpus: {error}", file=sys.stderr)
        return 1
    count = sum(len(file.instructions) for file in ready.files)
    print(f"{len(ready.files)} files, {count} instructions in {ready.root}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
