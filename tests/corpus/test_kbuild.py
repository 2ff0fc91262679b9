"""Linux 6.1's assembly built by Linux's own Kbuild, with `pvasm cc` as its compiler, as docs/build.md says.

There is no gcc for IA-64: binutils make the objects, so Kbuild is told to go on where C is due, and what its build
would make of C beforehand (headers, the configuration) is the corpus's.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import pvasm
from tests.corpus.build import CONFIGURED, Corpus
from tests.corpus.test_adopting import ERRORS, errors, link
from tests.expand.test_corpus import corpus, sections
from tests.oracle import require_tool

__all__ = ["corpus"]

pytestmark = pytest.mark.slow

DOCUMENT = (Path(__file__).parents[2] / "docs/build.md").read_text()
KERNEL = (
    *("efi_stub", "entry", "fsys", "gate", "gate-data", "head", "ivt", "mca_asm", "mca_drv_asm", "pal"),
    *("relocate_kernel", "gate-dummy", "gate-syms"),
)
LIB = (
    *("clear_page", "clear_user", "copy_page_mck", "do_csum", "flush", "ip_fast_csum", "memcpy_mck", "memset"),
    *("strlen", "strncpy_from_user", "strnlen_user", "xor"),
    *(f"__{u}{what}{size}i3" for u in ("", "u") for what in ("div", "mod") for size in "sd"),
)
WITH_OPS = ("entry", "fsys", "gate", "ivt")


def step_by_step(tree: Path, instance: str, name: str) -> Path:
    """The object by gcc -E, the flags in Kbuild's record word for word, and GNU as; for bare hardware without pvasm."""
    record = (tree / f"arch/ia64/kernel/.{name}.o.cmd").read_text().splitlines()[0]
    flags = " ".join(re.findall(r" (-(?:[ID]|nostdinc|include )\S*)", record))
    first = "" if instance == "native" else f"pvasm cc -i {instance} --op-header asm/native/inst.h -- "
    command = f"{first}gcc -E -undef -D__ia64__ {flags} -D__IA64_ASM_PARAVIRTUALIZED_{instance.upper()}"
    script = f"{command} arch/ia64/kernel/{name}.S | ia64-linux-gnu-as -x -mconstant-gp -o {name}-{instance}.o -"
    environment = {**os.environ, "PATH": f"{tree}/bin:{os.environ['PATH']}"}
    subprocess.run(["sh", "-c", script], cwd=tree, env=environment, check=True, capture_output=True)
    return tree / f"{name}-{instance}.o"


def kbuild(tree: Path, instance: str) -> str:
    """What the commands of the document say, for an instance."""
    section = DOCUMENT.split("## Linux, by its own Kbuild\n")[1]
    (script,) = re.findall(r"^```sh\n(.*?)^```", section.partition("\n## ")[0], re.M | re.S)
    environment = {**os.environ, "PATH": f"{tree}/bin:{os.environ['PATH']}", "LC_ALL": "C", "MAKEFLAGS": ""}
    command = ["sh", "-c", script.replace("-i xen", f"-i {instance}")]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    lines = [line for line in done.stderr.splitlines() if "rror" in line]
    strange = [line for line in lines if "is C, and what was given" not in line and not line.startswith("make")]
    assert not strange, strange
    return done.stdout


@pytest.fixture(scope="module")
def tree(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree, configured, with what its build makes before it comes to assembly."""
    require_tool("make")
    folder = tmp_path_factory.mktemp("kbuild")
    shutil.copytree(corpus.root / "tree", folder, symlinks=True, copy_function=link, dirs_exist_ok=True)
    generated = corpus.root / "built/gen"
    shutil.copytree(generated / "asm", folder / "arch/ia64/include/generated/asm")
    shutil.copytree(generated / "generated", folder / "include/generated")
    config = "".join(f"CONFIG_{name}={'y' if value == 1 else value}\n" for name, value in CONFIGURED.items())
    (folder / ".config").write_text(config)
    (folder / "include/config").mkdir(exist_ok=True)
    (folder / "include/config/auto.conf.cmd").touch()
    (folder / "include/config/auto.conf").write_text(config)
    (folder / "include/generated/autoconf.h").touch()
    (folder / "bin").mkdir()
    command = folder / "bin/pvasm"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m pvasm "$@"\n')
    command.chmod(0o755)
    return folder


def test_kbuild_makes_the_variants(corpus: Corpus, tree: Path) -> None:
    expected = {
        *(f"kernel/{name}.o" for name in KERNEL),
        *(f"lib/{name}.o" for name in LIB),
    }
    for instance in ("native", "xen"):
        assert "  AS      arch/ia64/kernel/ivt.o\n" in kbuild(tree, instance)  # anew, where the command is another
        made = {str(path.relative_to(tree / "arch/ia64")) for path in (tree / "arch/ia64").rglob("*.o")}
        assert made == expected
        assert (tree / "arch/ia64/kernel/gate.so").read_bytes().startswith(b"\x7fELF")
        for name in (*WITH_OPS, "head"):
            assert sections(tree / f"arch/ia64/kernel/{name}.o") == sections(step_by_step(tree, instance, name)), name
    assert "  AS  " not in kbuild(tree, "xen")  # nothing is due


def test_what_kbuild_has_written_is_what_a_check_needs(tree: Path) -> None:
    if not (tree / "arch/ia64/kernel/.ivt.o.cmd").exists():
        kbuild(tree, "xen")
    assert pvasm("init", cwd=tree).status == 0
    done = pvasm("check", "--build", ".", *(f"arch/ia64/kernel/{name}.S" for name in WITH_OPS), cwd=tree)
    assert (done.status, done.errors) == (1, "")
    found = [each for each in errors(done.output) if each[0] != "ivt.S" or each[2] == "PV301"]
    assert found == [each for each in ERRORS if each[0] in ("entry.S", "ivt.S")]
