"""`pvasm init`: a configuration that is right for the tree, with comments, and what a check would find."""

from __future__ import annotations

import errno
import os
import re
import tomllib
from pathlib import Path

import pytest

from pvasm.adopt.settings_text import with_table
from pvasm.adopt.survey import survey
from pvasm.errors import PvasmError
from tests.cli.command import pvasm

LINUX = {
    "Makefile": "# SPDX\nVERSION = 3\nPATCHLEVEL = 12\n",
    "arch/ia64/kernel/ivt.S": "\tMOV_FROM_IFA(r16) ;;\n\tmov r17 = cr.isr\n",
    "arch/ia64/kernel/entry.S": "\tRFI\n",
    "arch/ia64/kernel/head.S": "\tmov cr.iva = r2\n\trfi\n",
    "arch/ia64/lib/flush.S": "\tfc r3\n",
    "arch/ia64/kvm/vmm_ivt.S": "\tmov r1 = cr.ifa\n",
    "arch/ia64/include/asm/native/inst.h": "#define RFI rfi\n# define COVER \\\n\tcover\n.macro BSW_0 a b c\n.endm\n",
    "arch/ia64/include/asm/xen/inst.h": "#define RFI XEN_RFI\n",
    "arch/ia64/include/asm/other.h": "/* RFI */\n#define XEN_RFI break 1\n",
    "include/linux/kconfig.h": "",
}


def made(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_a_linux_tree(tmp_path: Path) -> None:
    made(tmp_path, LINUX)
    done = pvasm("init", cwd=tmp_path)
    assert done.status == 0
    assert "part of" not in done.errors
    assert done.output.splitlines() == [
        "pvasm.toml: Linux 3.12",
        "  paths: arch/ia64",
        "  op-headers: asm/native/inst.h (3 ops), asm/xen/inst.h (1 ops)",
        "  bare-hardware: 2 entries, each with its reason beside it",
        "  include-dirs: 5 folders, 3 of which the kernel's build has yet to make",
        "with it, `pvasm check' finds:",
        "     1  PV001  error    sensitive instruction used directly",
        "     1  PV002  error    privileged instruction used where an op exists",
        "2 errors in 7 files",  # five sources, and two headers with code of ops
    ]
    text = (tmp_path / "pvasm.toml").read_text()
    assert tomllib.loads(text) == {
        "paths": ["arch/ia64"],
        "bare-hardware": ["arch/ia64/kernel/head.S", "arch/ia64/kvm/*"],
        "op-headers": ["asm/native/inst.h", "asm/xen/inst.h"],
        "include-dirs": [
            "arch/ia64/include",
            "arch/ia64/include/generated",
            "include",
            "arch/ia64/include/generated/uapi",
            "include/generated/uapi",
        ],
        "defines": ["__KERNEL__", "__LP64__", "__ELF__"],
        "includes": ["include/linux/kconfig.h"],
    }
    assert '"arch/ia64/kernel/head.S",  # boots the machine\n' in text
    assert '\n#   "arch/ia64/lib/flush.S",\n' in text  # and not ivt.S, which has an op
    assert "#   " + '"arch/ia64/kernel/ivt.S"' not in text
    checked = pvasm("check", "--statistics", cwd=tmp_path)
    assert (checked.status, checked.output.splitlines()) == (1, done.output.splitlines()[6:])


@pytest.mark.parametrize(("folder", "top"), [("arch/ia64", "../.."), ("arch/ia64/kernel", "../../..")])
def test_a_part_of_a_linux_tree(tmp_path: Path, folder: str, top: str) -> None:
    made(tmp_path, LINUX)
    done = pvasm("init", cwd=tmp_path / folder)
    assert done.status == 0
    assert done.output.startswith("pvasm.toml: a tree with assembly\n")
    assert done.errors.splitlines()[0] == (
        "pvasm: note: .: it is a part of a Linux tree, of whose headers and code for bare hardware "
        f"`pvasm init {top}' knows"
    )


def test_every_key_in_a_comment_is_one(tmp_path: Path) -> None:
    made(tmp_path, LINUX)
    pvasm("init", cwd=tmp_path)
    text = (tmp_path / "pvasm.toml").read_text()
    (tmp_path / "pvasm.toml").write_text(re.sub(r"^# ([a-z-]+ = )", r"\1", text, flags=re.M))
    (tmp_path / "include/generated").mkdir()
    (tmp_path / "pvasm-baseline.json").write_text('{"version": 1, "findings": []}')
    done = pvasm("check", "--no-cpp", cwd=tmp_path)
    assert "pvasm.toml" not in done.errors, done.errors


def test_a_baseline_makes_it_green(tmp_path: Path) -> None:
    made(tmp_path, LINUX)
    pvasm("init", tmp_path, cwd=tmp_path.parent)
    config = tmp_path / "pvasm.toml"
    assert pvasm("check", "--write-baseline", "pvasm-baseline.json", cwd=tmp_path).status == 0
    config.write_text(config.read_text().replace("# baseline", "baseline"))
    assert pvasm("check", cwd=tmp_path).status == 0


def test_another_tree(tmp_path: Path) -> None:
    made(
        tmp_path,
        {
            "boot/a.S": '#include <asm/ops.h>\n#include <asm/z.h>\n#include "b.h"\n\tRFI\n\tmov r1 = cr.ivr\n',
            "boot/b.h": "",
            "hdr/asm/ops.h": "#define RFI rfi\n",
            "hdr/asm/z.h": "",
            "other/asm/z.h": "",
            ".hidden/asm/ops.h": "#define RFI rfi\n",
        },
    )
    done = pvasm("init", "x", cwd=made(tmp_path.parent, {}))
    assert (done.status, done.error_lines) == (2, ["pvasm: error: x: no such folder"])
    done = pvasm("init", cwd=tmp_path)
    assert done.status == 0
    written = tomllib.loads((tmp_path / "pvasm.toml").read_text())
    assert written == {"paths": ["."], "op-headers": ["asm/ops.h"], "include-dirs": ["hdr"]}
    assert pvasm("init", "hdr", cwd=tmp_path).error_lines == [
        "pvasm: error: hdr: no assembly is below it (.S, .s, .sx): run `pvasm init' at the top of the tree, "
        "or name that folder"
    ]


SEVERAL = {
    "sys/ia64/ia64/exception.S": "#include <machine/asm.h>\n#include <sys/x.h>\n\tmov r16 = cr.ifa\n",
    "sys/ia64/include/asm.h": "#define ENTRY(x) x:\n",
    "lib/libc/ia64/string/bcopy.S": "\tbr.ret.sptk.many rp\n",
    "sys/boot/include/ia64/types.h": "typedef int x;\n",  # no assembly: a check would complain of the folder
    "sys/amd64/amd64/exception.S": "\tpushq %rax\n\tmovl $'x, %eax\n#if\n",
    "sys/amd64/ia64/odd.S": "\tpushq %rax\n",
    "sys/sys/x.h": "",
    "kern/shared.S": "\tnop\n",
}


def test_a_tree_of_several_architectures(tmp_path: Path) -> None:
    """What is no IA-64 was read as if it were: of FreeBSD 9, 3700 lines that are no statements."""
    made(tmp_path, SEVERAL)
    done = pvasm("init", cwd=tmp_path)
    assert (done.status, done.output.splitlines()) == (
        0,
        [
            "pvasm.toml: a tree of several architectures",
            "  paths: lib/libc/ia64, sys/ia64",
            "  left out: 3 sources, other architectures', or in folders that do not say whose",
            "  op-headers: none seen",
            "  bare-hardware: none seen",
            "  include-dirs: 1 folder",
            "with it, `pvasm check' finds:",
            "     1  PV002  error    privileged instruction used where an op exists",
            "1 error in 2 files",
        ],
    )
    text = (tmp_path / "pvasm.toml").read_text()
    assert tomllib.loads(text) == {"paths": ["lib/libc/ia64", "sys/ia64"], "include-dirs": ["sys"]}
    assert "# Left out: other architectures' sources, or in folders that do not say whose (3).\n" in text


@pytest.mark.parametrize("other", ["arch/m68k/a.h", "arch/other/a.S"])
def test_a_folder_of_ia64_alone_leaves_nothing_out(tmp_path: Path, other: str) -> None:
    made(tmp_path, {"arch/ia64/a.S": "\tnop 0\n", other: "\tnop 0\n"})
    assert pvasm("init", cwd=tmp_path).output.splitlines()[:2] == ["pvasm.toml: a tree with assembly", "  paths: ."]


def test_headers_of_a_folder_that_a_build_makes_a_link_to(tmp_path: Path) -> None:
    """As Xen had it: `include/asm` is a link to `include/asm-ia64` once something is built."""
    files = {
        "xen/arch/ia64/ivt.S": "#include <asm/ops.h>\n\tRFI\n",
        "xen/include/asm-ia64/ops.h": "#define RFI rfi\n",
        "xen/include/asm-x86/ops.h": "#define COVER nop\n",
        "xen/arch/x86/entry.S": "\tpushq %rax\n",
    }
    pvasm("init", cwd=made(tmp_path, files))
    assert tomllib.loads((tmp_path / "pvasm.toml").read_text()) == {
        "paths": ["xen/arch/ia64", "xen/include/asm-ia64"],
        "op-headers": ["asm/ops.h"],
        "include-dirs": ["xen/include"],
    }


def test_a_linux_tree_of_old(tmp_path: Path) -> None:
    files = {
        "Makefile": "VERSION = 2\nPATCHLEVEL = 6\n",
        "arch/ia64/kernel/ivt.S": "\tmov r17 = cr.isr\n",
        "arch/ia64/kernel/entry.S": "\tnop 0\n",
        "arch/ia64/kernel/head.S": "\trfi\n",
        "arch/m68k/kernel/entry.S": "\tmovel %d0,%d1\n",
        "include/asm-ia64/asmmacro.h": "#define NOP nop 0\n",
        "include/asm-ia64/mca_asm.h": "#define LEAVE rfi\n",
        "include/asm-m68k/traps.h": "#define COVER 1\n",
    }
    assert pvasm("init", cwd=made(tmp_path, files)).output.splitlines()[:5] == [
        "pvasm.toml: Linux 2.6",
        "  paths: arch/ia64, include/asm-ia64",
        "  op-headers: none seen",
        "  bare-hardware: 2 entries, each with its reason beside it",
        "  include-dirs: 1 folder",
    ]


def test_nothing_is_written_over_without_being_told(tmp_path: Path) -> None:
    made(tmp_path, {**LINUX, "pvasm.toml": "jobs = 1\n"})
    done = pvasm("init", cwd=tmp_path)
    assert (done.status, done.output) == (2, "")
    assert done.error_lines == ["pvasm: error: pvasm.toml: there is one already: --force writes over it"]
    assert (tmp_path / "pvasm.toml").read_text() == "jobs = 1\n"
    assert pvasm("init", "--force", cwd=tmp_path).status == 0
    first = (tmp_path / "pvasm.toml").read_text()
    assert "jobs" not in first
    assert pvasm("init", "--force", cwd=tmp_path).status == 0
    assert (tmp_path / "pvasm.toml").read_text() == first


def test_a_link_that_leads_out_is_not_followed(tmp_path: Path) -> None:
    tree = made(tmp_path / "tree", LINUX)
    (tmp_path / "victim").write_text("keep")
    (tree / "pvasm.toml").symlink_to(tmp_path / "victim")
    done = pvasm("init", "--force", cwd=tree)
    assert done.status == 2
    assert "leads out of its folder by a link: not written" in done.errors
    assert (tmp_path / "victim").read_text() == "keep"


PROJECT = '[project]\nname = "x"  # kept\n\n[tool.ruff]\nline-length = 1\n'


def test_a_project_file_gets_the_table(tmp_path: Path) -> None:
    made(tmp_path, {**LINUX, "pyproject.toml": PROJECT})
    done = pvasm("init", cwd=tmp_path)
    assert (done.status, done.output.splitlines()[0]) == (0, "pyproject.toml: Linux 3.12")
    text = (tmp_path / "pyproject.toml").read_text()
    assert text.startswith(f"{PROJECT}\n[tool.pvasm]\n# ")
    assert tomllib.loads(text)["tool"]["pvasm"]["paths"] == ["arch/ia64"]
    assert not (tmp_path / "pvasm.toml").exists()
    assert pvasm("check", cwd=tmp_path).output.splitlines()[-1] == "2 errors in 7 files"
    again = pvasm("init", cwd=tmp_path)
    assert again.error_lines == [
        "pvasm: error: pyproject.toml: has a table [tool.pvasm] already: --force writes another in its place"
    ]
    assert pvasm("init", "--force", cwd=tmp_path).status == 0
    assert (tmp_path / "pyproject.toml").read_text() == text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "[tool.pvasm]\nNEW\n"),
        ("a = 1", "a = 1\n\n[tool.pvasm]\nNEW\n"),
        (
            "[tool.pvasm]\njobs = 1\n[tool.pvasm.severity]\nPV0 = 'off'\n[z]\nb = 2\n",
            "[z]\nb = 2\n\n[tool.pvasm]\nNEW\n",
        ),
        ("[ tool . 'pvasm' ]\njobs = 1\n[[z]]\n", "[[z]]\n\n[tool.pvasm]\nNEW\n"),
    ],
)
def test_a_table_in_the_place_of_another(before: str, after: str) -> None:
    assert with_table(before, "p", "jobs = 2\n", replaces=True) == after.replace("NEW", "jobs = 2")


@pytest.mark.parametrize(
    "text",
    [
        "[tool]\npvasm = {jobs = 1}\n",
        "[tool.pvasm]\njobs = 1\n[tool.z]\na = '''\n[tool.pvasm]\nb'''\n",
        "tool.pvasm.jobs = 1\n",
        "[tool",
    ],
)
def test_what_cannot_be_replaced_stays(text: str) -> None:
    with pytest.raises(PvasmError, match=r"^p: its table .* is not in lines of its own|^p:1: Expected"):
        with_table(text, "p", "jobs = 2\n", replaces=True)


def test_lines_of_a_project_file_end_as_its_own_do() -> None:
    assert with_table("a = 1\r\n\r\n", "p", "b = 2\n", replaces=False) == "a = 1\r\n\r\n[tool.pvasm]\r\nb = 2\r\n"


def test_what_it_writes_is_a_configuration_whatever_files_are_called(tmp_path: Path) -> None:
    odd = 'odd \x1b[31m\n"name'
    files = {
        "a.S": "#include <asm/ops\x1b.h>\n#include <asm/odd ops.h>\n\tRFI\n",
        "-x.S": "\trfi\n",
        f"{odd}.S": "\trfi\n",
    }
    made(tmp_path, {**files, **{f"{odd}/asm/{name}.h": "#define RFI rfi\n" for name in ("ops\x1b", "odd ops")}})
    (tmp_path / os.fsdecode(b"\xff.S")).write_text("\trfi\n")
    done = pvasm("init", cwd=tmp_path)
    assert (done.status, "\x1b" in done.output + done.errors) == (0, False)
    text = (tmp_path / "pvasm.toml").read_text()
    assert tomllib.loads(text) == {"paths": ["."], "include-dirs": [odd]}
    assert '#   "?.S",\n' in text
    assert pvasm("check", "--statistics", cwd=tmp_path).output.splitlines() == done.output.splitlines()[-2:]


def test_a_folder_that_cannot_be_looked_into_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: object) -> object:
        raise PermissionError(errno.EACCES, "Permission denied", folder)

    made(tmp_path, {"a/b.S": "\trfi\n"})
    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PvasmError, match="permission denied"):
        survey(str(tmp_path), {"RFI"})
