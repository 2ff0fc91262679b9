"""`pvasm cc` with a bare assembler, as Debian has no gcc for IA-64: preprocessed, expanded, assembled."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import Done, pvasm
from tests.oracle import require_tool

AS = "ia64-linux-gnu-as"
HEADER = "#define GET(reg) MOV_FROM_IFA(reg)\n"
SOURCE = """#include "get.h"
#ifndef __IA64_ASM_PARAVIRTUALIZED_XEN
	not for us
#endif
#define PSR_DEFAULT_BITS psr.ac
start:	GET(r20) ;;
	SSM_PSR_IC_AND_DEFAULT_BITS_AND_SRLZ_I(r3, r14) ;;
	mov r9 = VALUE
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    require_tool(AS)
    require_tool("gcc")
    (tmp_path / "include").mkdir()
    (tmp_path / "include/get.h").write_text(HEADER)
    (tmp_path / "a.S").write_text(SOURCE)
    return tmp_path


def cc(folder: Path, *arguments: str, stdin: bytes = b"") -> Done:
    return pvasm("cc", "-i", "xen", "--", AS, *arguments, cwd=folder, stdin=stdin)


def disassembled(path: Path) -> str:
    command = ["ia64-linux-gnu-objdump", "-d", "--no-show-raw-insn", path.name]
    lines = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, check=True).stdout.splitlines()
    return "\n".join(lines[2:])  # without the file's name


def test_the_object_is_that_of_the_three_steps(folder: Path) -> None:
    done = cc(folder, "-x", "-I", "include", "-DVALUE=7", "-o", "a.o", "a.S")
    assert (done.status, done.output, done.errors) == (0, "", "")
    steps = (
        "gcc -E -dD -undef -nostdinc -Iinclude -D__ASSEMBLY__ -D__IA64_ASM_PARAVIRTUALIZED_XEN -DVALUE=7 a.S"
        f" | {sys.executable} -m pvasm expand -i xen - | {AS} -x -o b.o -"
    )
    subprocess.run(steps, shell=True, cwd=folder, check=True)
    assert disassembled(folder / "a.o") == disassembled(folder / "b.o")


def test_options_of_the_assembler_go_through(folder: Path) -> None:
    (folder / "b.s").write_text(".ifdef HERE\n\tRFI\n.endif\n")
    assert cc(folder, "b.s", "--defsym", "HERE=1", "-mconstant-gp", "-ob.o").status == 0
    assert "break.m 0x1" in disassembled(folder / "b.o")
    assert cc(folder, "--version").output.startswith("GNU assembler")
    bad = cc(folder, "-mnonsense", "b.s", "-o", "b.o")
    assert bad.status == 1
    assert not (folder / "b.o").exists()


def test_standard_input(folder: Path) -> None:
    assert cc(folder, "-o", "c.o", "-", stdin=b"\tCOVER\n").status == 0
    assert "break.m 0x4" in disassembled(folder / "c.o")


def test_what_is_wrong_names_the_line_of_the_source(folder: Path) -> None:
    (folder / "d.o").write_text("old")
    (folder / "d.S").write_text("\tnop 0\n\tITC_D(p0, r8)\n")
    done = cc(folder, "d.S", "-o", "d.o")
    assert done.status == 1
    assert done.errors.startswith("d.S:2:2: error: ITC_D takes 3 arguments, not 2")
    assert not (folder / "d.o").exists()
    (folder / "d.S").write_text("\tnop 0\n\tmov r8 = b0, r9\n")
    assert "d.S:2: Error" in cc(folder, "d.S", "-o", "d.o").errors


def test_the_output_is_no_input(folder: Path) -> None:
    before = (folder / "a.S").read_text()
    done = cc(folder, "a.S", "-o", "./a.S")
    assert (done.status, done.error_lines) == (
        2,
        ["pvasm: error: ./a.S: the output would overwrite an input: name another file with -o"],
    )
    assert (folder / "a.S").read_text() == before


def test_a_dependency_file_names_headers_and_the_instance(folder: Path) -> None:
    assert cc(folder, "-Iinclude", "-DVALUE=7", "--MD", "a.d", "-o", "a.o", "a.S").status == 0
    text = (folder / "a.d").read_text()
    assert text.startswith("a.o:")
    assert all(name in text for name in ("a.S", "include/get.h", "instances/xen.yaml", "instances/ops.yaml"))


def test_text_without_definitions_that_an_op_needs(folder: Path) -> None:
    """What `gcc -E` without -dD has written does not say what the source makes of a constant."""
    for options in ([], ["-dD"]):
        command = [
            "gcc",
            "-E",
            *options,
            "-Iinclude",
            "-D__IA64_ASM_PARAVIRTUALIZED_XEN",
            "-DVALUE=7",
            "a.S",
            "-o",
            "a.s",
        ]
        subprocess.run(command, cwd=folder, check=True)
        done = cc(folder, "-o", "a.o", "a.s")
        told = "what the source makes of PSR_DEFAULT_BITS does not show in this text; preprocess with -dD (gcc -E -dD)"
        assert (done.status == 0) is bool(options)
        assert (told in done.errors) is not bool(options)


def test_what_a_build_tells_its_compiler(folder: Path) -> None:
    """As Kbuild calls `$(CC)`: options that GNU as does not know, a rule in `-Wp,`, a header with ops of its own."""
    (folder / "include/inst.h").write_text("#define RFI rfi\n")
    (folder / "b.S").write_text('#include <inst.h>\n#include "get.h"\n\tGET(r20) ;;\n\tRFI\n')
    flags = "-Wp,-MMD,.b.o.d -MP -nostdinc -isystem include -undef -D__ASSEMBLY__ -fno-PIE -O2 -Wall -pipe -Wa,-x,-g -c"
    alone = cc(folder, *flags.split(), "-o", "b.o", "b.S")
    assert (alone.status, alone.output) == (1, "")
    assert "include/inst.h defines ops itself (RFI)" in alone.errors
    assert "--op-header inst.h takes them away" in alone.errors
    done = pvasm("cc", "-i", "xen", "--op-header", "inst.h", "--", AS, *flags.split(), "-o", "b.o", "b.S", cwd=folder)
    assert (done.status, done.output, done.errors) == (0, "", "")
    assert "break.m 0x1" in disassembled(folder / "b.o")
    rule, *phony = (folder / ".b.o.d").read_text().replace("\\\n", "").splitlines()
    assert rule.startswith("b.o: ")
    names = rule.split()[1:]
    assert {"b.S", "include/get.h", "include/inst.h"} < set(names)
    assert not [name for name in names if "op-headers" in name]
    assert {f"{name}:" for name in names if name.startswith("include/")} < set(phony)


def test_the_text_alone(folder: Path) -> None:
    """F: builds ask `$(CC) -E` for the text, and for linker scripts, which have no ops."""
    (folder / "b.S").write_text("\tRFI\n")
    assert "break.m 0x1" in cc(folder, "-E", "-MD", "b.S").output
    assert not (folder / "a.out").exists()
    assert (folder / "b.d").read_text().startswith("-: ")
    (folder / "b.lds.S").write_text("#define RFI 1\nSECTIONS { . = RFI; RFI(x) }\n")
    done = cc(folder, "-E", "-P", "-D__ASSEMBLY__", "-o", "b.lds", "b.lds.S")
    assert (done.status, done.errors) == (0, "")
    assert (folder / "b.lds").read_text().strip() == "SECTIONS { . = 1; 1(x) }"
