"""Single binaries of sources, assembled by GNU as, and what is compiled for one instance alone."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from pvasm.asm.reading import assembly_parser
from pvasm.expand.expander import Reading, expand
from pvasm.objects.elf_file import ElfFile, elf_file_of
from pvasm.paravirt.loading import load_catalog, load_instance
from pvasm.patch.patching import sites_of
from pvasm.patch.single_binary import Room, SingleBinary, renamed_by
from pvasm.patch.source import CppSettings, single_binary_of_file
from pvasm.patch.verify import Unlike, difference
from pvasm.syntax.document import read_document
from pvasm.syntax.run_cpp import preprocess
from tests.oracle import require_tool

CATALOG = load_catalog()
SAMPLES = Path(__file__).parents[2] / "sample_S"
INCLUDES = (str(SAMPLES / "include"), str(SAMPLES / "guest"))
SOURCES = [*(SAMPLES / f"{name}.S" for name in ("exit", "fsys", "ivt", "switch_to")), SAMPLES / "guest" / "guest.S"]


def object_of(text: str, path: Path) -> tuple[bytes, list[str]]:
    """What GNU as makes of a text, and the lines of its warnings."""
    path.with_suffix(".s").write_text(text)
    command = [require_tool("ia64-linux-gnu-as"), "-x", "-o", str(path), str(path.with_suffix(".s"))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:1000]
    return path.read_bytes(), done.stderr.splitlines()


def assembled(text: str, path: Path) -> bytes:
    """What GNU as makes of a text; warnings of dependencies fail."""
    data, warnings = object_of(text, path)
    assert warnings[:20] == []
    return data


def single(source: Path, names: Sequence[str], room: Room = "slots") -> SingleBinary:
    """The single binary of a source."""
    return single_binary_of_file(str(source), names, room, CppSettings(INCLUDES))


def alone(source: Path, name: str) -> str:
    """A source for one instance, preprocessed and expanded."""
    instance = load_instance(name, CATALOG)
    text = preprocess(str(source), include_directories=INCLUDES, defines=[instance.defines], flags=("-dD",))
    document = read_document(assembly_parser(), text, str(source), preprocessed=True)
    return expand(document, CATALOG, instance, reading=Reading(document, CATALOG), line_markers=True)


def unlike(patched: bytes, other: bytes, name: str) -> Unlike | None:
    """Where patched code is not that of an instance alone."""
    sites = sites_of(patched, "patched")
    chosen = [(site, site.records[state]) for site, state in zip(sites.sites, sites.states, strict=True)]
    renamed = renamed_by(load_instance(name, CATALOG), load_instance("native", CATALOG))
    return difference(elf_file_of(patched, "patched"), chosen, elf_file_of(other, "alone"), renamed)


def code_of(file: ElfFile) -> dict[str, bytes]:
    """The code of a file but for replacements."""
    return {each.name: bytes(each.data) for each in file.sections if each.is_code and each.name[:4] != ".pv_"}
