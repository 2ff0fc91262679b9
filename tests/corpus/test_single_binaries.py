"""Linux 6.1's ivt.S, entry.S and fsys.S as single binaries: native code costs nothing (docs/single-binary.md)."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from pvasm.asm.reading import assembly_parser
from pvasm.expand.expander import expand
from pvasm.expand.op_headers import overlays
from pvasm.objects.elf_file import elf_file_of
from pvasm.paravirt.loading import load_instance
from pvasm.patch.patching import patched, sites_of
from pvasm.patch.single_binary import ROOMS, Room
from pvasm.syntax.document import read_document
from pvasm.syntax.run_cpp import preprocess
from tests.cli.command import pvasm
from tests.corpus.test_adopting import blocks, corpus, tree
from tests.oracle import require_tool
from tests.patch.made import CATALOG, code_of, object_of, unlike

__all__ = ["corpus", "tree"]

pytestmark = pytest.mark.slow
SETTINGS = tomllib.loads(blocks("toml")[0])
NAMES = ("native", "xen", "trap")
# Sites, and the bundles that are added where all that can be is replaced in its place.
COUNTS = {"ivt": (90, 105), "entry": (19, 40), "fsys": (5, 15)}


def options() -> list[str]:
    """What docs/adopting.md has the configuration tell the preprocessor."""
    given = [f"-I{name}" for name in SETTINGS["include-dirs"]] + [f"-D{name}" for name in SETTINGS["defines"]]
    for name in SETTINGS["includes"]:
        given += ["-include", name]
    for name in SETTINGS["op-headers"]:
        given += ["--op-header", name]
    return given


def apart(source: str, name: str, target: Path) -> bytes:
    """The object of an instance alone, of the same text without the header of ops."""
    instance = load_instance(name, CATALOG)
    text = preprocess(
        source,
        include_directories=SETTINGS["include-dirs"],
        defines=[*SETTINGS["defines"], instance.defines],
        includes=SETTINGS["includes"],
        flags=("-dD",),
        overlays=overlays(SETTINGS["op-headers"], CATALOG),
    )
    document = read_document(assembly_parser(), text, source, preprocessed=True)
    return object_of(expand(document, CATALOG, instance, line_markers=True), target)[0]


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("file", COUNTS)
def test_native_code_costs_nothing(file: str, room: Room, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_tool("ia64-linux-gnu-as")
    monkeypatch.chdir(tree)
    source = f"arch/ia64/kernel/{file}.S"
    done = pvasm("expand", "--single-binary", ",".join(NAMES), source, "--room", room, *options(), "-o", "single.s")
    assert (done.status, done.errors) == (0, "")
    sites, added = COUNTS[file]
    bundles, more = map(
        int, re.findall(rf"^{sites} sites; (\d+) bundles of native code, (\d+) added$", done.output, re.M)[0]
    )
    assert more == (0 if room == "slots" else added)
    assert more < 0.25 * bundles
    data, warnings = object_of((tree / "single.s").read_text(), tree / "single.o")
    assert len(sites_of(data, "single.o").sites) == sites
    for name in NAMES:
        alone = apart(source, name, tree / "alone.o")
        for_instance = patched(data, "single.o", name)
        assert unlike(for_instance, alone, name) is None
        assert patched(for_instance, "single.o", "native") == data
        if name == "native" and room == "slots":
            assert code_of(elf_file_of(data, "single")) == code_of(elf_file_of(alone, "alone"))
    # The assembler warns of a load after `itc' in ivt.S, whatever is made of it.
    assert len(warnings) <= 52 if file == "ivt" else warnings == []
