"""docs/adopting.md on Linux 6.1's tree as it is: the configuration and the commands, word for word (acceptance 4)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import pvasm
from tests.corpus.build import Corpus
from tests.expand.test_corpus import corpus, sections
from tests.oracle import require_tool

__all__ = ["corpus"]

DOCUMENT = (Path(__file__).parents[2] / "docs/adopting.md").read_text()
FILES = ("entry", "fsys", "gate", "ivt")
ERRORS = [
    ("entry.S", 524, "PV002"),
    ("ivt.S", 1555, "PV301"),
    ("ivt.S", 1603, "PV301"),
    ("ivt.S", 1663, "PV301"),
    ("minstate.h", 11, "PV001"),
    ("minstate.h", 150, "PV002"),
    ("flush.S", 53, "PV001"),
    ("flush.S", 109, "PV001"),
]


@pytest.fixture(scope="module")
def tree(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree, as it is after `make prepare`: generated headers are where the kernel's build puts them."""
    folder = tmp_path_factory.mktemp("linux")
    source, generated = corpus.root / "tree", corpus.root / "built/gen"
    clone(source, folder)
    shutil.copytree(generated / "asm", folder / "arch/ia64/include/generated/asm")
    shutil.copytree(generated / "generated", folder / "include/generated")
    (folder / "pvasm.toml").write_text(blocks("toml")[0])
    return folder


def clone(source: Path, folder: Path) -> None:
    """The tree as Linux ships it."""
    for name in ("arch/ia64", "include"):
        shutil.copytree(source / name, folder / name, copy_function=link)
    link(str(source / "Makefile"), str(folder / "Makefile"))


def link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy(source, target)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", DOCUMENT, re.M | re.S)


def errors(output: str) -> list[tuple[str, int, str]]:
    found = re.findall(r"^(\S+):(\d+):\d+: (PV\d+) error", output, re.M)
    return [(Path(path).name, int(line), code) for path, line, code in found]


def test_from_a_clone_to_a_green_check(corpus: Corpus, tmp_path: Path) -> None:
    """Each command of the first section, with what it prints, and the file that the first of them writes."""
    clone(corpus.root / "tree", tmp_path)
    section = re.split(r"^## ", DOCUMENT, flags=re.M)[1]
    steps = re.findall(r"^\$ (.*)\n((?:(?!\$ |```).*\n)*)", section, re.M)
    assert len(steps) == 5
    for command, expected in steps:
        if not command.startswith("pvasm "):
            subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True)
            continue
        done = pvasm(*command.split()[1:], cwd=tmp_path, PVASM_CACHE_DIR=str(tmp_path / ".cache"))
        assert done.output == expected
        if command == "pvasm init":
            assert (tmp_path / "pvasm.toml").read_text() == blocks("toml")[0]
        assert done.status == (1 if "--output-format" in command else 0)  # the one that shows the errors


def test_a_check_finds_what_is_real_and_nothing_else(tree: Path) -> None:
    done = pvasm("check", cwd=tree)
    assert (done.status, done.errors) == (1, "")
    assert errors(done.output) == ERRORS
    assert set(re.findall(r"(PV\d+) (?:warning|note)", done.output)) == {"PV003"}


@pytest.mark.slow
def test_after_the_preprocessor_it_finds_the_same(tree: Path) -> None:
    """What stands in minstate.h shows where ivt.S uses it."""
    done = pvasm("check", "--cpp", cwd=tree)
    assert (done.status, done.errors) == (1, "")
    found = [each for each in errors(done.output) if each[:1] != ("ivt.S",) or each[2] == "PV301"]
    assert found == [each for each in ERRORS if each[0] != "minstate.h"]
    inside = {(line, code) for name, line, code in errors(done.output) if name == "ivt.S" and code != "PV301"}
    uses = (1524, 1543, 1570, 1597, 1629, 1662)
    assert inside == {(line, code) for line in uses for code in ("PV001", "PV002")}


@pytest.mark.slow
def test_every_route_gives_the_same_bytes(tree: Path) -> None:
    require_tool("ia64-linux-gnu-as")
    (tree / "bin").mkdir()
    command = tree / "bin/pvasm"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m pvasm "$@"\n')
    command.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tree}/bin:{os.environ['PATH']}", "LC_ALL": "C"}
    script = "set -e\n" + "".join(blocks("sh"))
    done = subprocess.run(["sh", "-c", script], cwd=tree, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "rror" not in done.stderr
    for name in FILES:
        source, text, cc = (sections(tree / f"{name}-{route}.o") for route in ("source", "text", "cc"))
        assert source == text
        assert cc == text


WATCHED = ("dispatch_unaligned_handler", "non_syscall", "dispatch_illegal_op_fault")  # lines 1603, 1555, 1663


@pytest.mark.slow
def test_the_errors_go_wrong_where_it_says(tree: Path) -> None:
    """Each PV301 of ivt.S: Xen's variant saves another r24 than native's, which the user gets back."""
    if not (tree / "ivt.s").exists():
        test_every_route_gives_the_same_bytes(tree)
    scenario = blocks("yaml")[0]
    (tree / "r24.yaml").write_text(scenario)
    (block,) = (each for each in blocks("console") if each.startswith("$ pvasm compare"))
    command, _, told = block.removeprefix("$ pvasm ").partition("\n")
    done = pvasm(*command.split(), cwd=tree)
    assert (done.status, done.errors) == (1, "")
    assert done.output == told
    for entry in WATCHED:
        (tree / "r24.yaml").write_text(scenario.replace(WATCHED[0], entry))
        done = pvasm("compare", "ivt.s", "--scenario", "r24.yaml", "--instances", "native,xen", cwd=tree)
        assert "memory at 0x7ffeff58: " in done.output
        done = pvasm("simulate", "ivt.s", "-i", "native", "--scenario", "r24.yaml", cwd=tree)
        assert "memory at 0x7ffeff58 = 0x1111222233334444\n" in done.output


HANDLERS = """
entry: {entry}
file: ivt.s
stub_missing: true
registers:
  psr.ic: 0
  psr.bn: 0
  cr.ifa: {address}
  cr.iha: 0x30024688
  cr.itir: 0x38
  cr.isr: 0x400000000
  cr.ipsr: 0x101008022000
  cr.iip: 0x8000
  cr.pta: 0x30000050
  ar.k7: 0x31000000
  r16: {address}
  r30: 0x8000
memory:
  0x30024688: "e107670500000000"
  0x31000000: "0040003100000000"
  0x31004048: "0080003100000000"
  0x31008688: "e107670500000000"
"""
"""A page table of three levels from ar.k7 on, and a hashed one, that have the page of 0x12345678."""

REACHED = {
    **dict.fromkeys(("vhpt_miss", "itlb_miss", "dtlb_miss", "nested_dtlb_miss"), "0x12345678"),
    **dict.fromkeys(("dirty_bit", "iaccess_bit", "daccess_bit"), "0x12345678"),
    **dict.fromkeys(("alt_itlb_miss", "alt_dtlb_miss"), "0xe000000012345678"),  # the kernel's, mapped one to one
}


@pytest.mark.slow
def test_the_handlers_of_translations_do_the_same(tree: Path) -> None:
    """They run to their end, native, under Xen and where faults are emulated, and insert the same translations."""
    if not (tree / "ivt.s").exists():
        test_every_route_gives_the_same_bytes(tree)
    for entry, address in REACHED.items():
        scenario = HANDLERS.format(entry=entry, address=address)
        (tree / "handler.yaml").write_text(f"{scenario}expect: {{end: return}}\n")
        done = pvasm("test", "handler.yaml", cwd=tree)
        assert (done.status, done.errors) == (0, ""), done.output
        assert done.output.splitlines()[-1] == "3 runs, 0 failed."
