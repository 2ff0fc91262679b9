"""Ops in assembly: what becomes of them, of constants, of places in messages, and what the outputs depend on."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from pvasm.paravirt.shipped import instance_names
from tests.cc.compiler import added, run, run_through, through
from tests.oracle import require_tool

HEADER = "#define GET(reg) MOV_FROM_IFA(reg)\n#define WHERE r20\n"
OPS = """#include "get.h"
#ifndef __IA64_ASM_PARAVIRTUALIZED_NATIVE
	not for us
#endif
start:	GET(WHERE)
	RSM_PSR_IC(r3)
	MOV_TO_KR(CURRENT, r3, r8, r9) ;;
	MOV_FROM_ITC(p0, p6,
		r21, r22)
"""
INSTRUCTIONS = """start:	mov r20 = cr.ifa
	rsm psr.ic
	mov ar.k6 = r3 ;;
	mov r21 = ar.itc
"""
OWN = """name: own
description: Xen, with a return of its own
extends: xen
ops:
  RFI:
    template: break 0x40 ;;
"""


def test_bare_hardware_gets_the_plain_instructions(compiler: str, tmp_path: Path) -> None:
    (tmp_path / "get.h").write_text(HEADER)
    (tmp_path / "a.S").write_text(OPS)
    (tmp_path / "b.S").write_text(INSTRUCTIONS)
    made = run_through("native", [compiler, "-c", "a.S"], tmp_path)
    assert (made.status, made.errors) == (0, "")
    assert made.files["a.o"] == run([compiler, "-c", "b.S"], tmp_path).files["b.o"]


def test_assembly_that_needs_no_preprocessing_is_expanded_too(compiler: str, tmp_path: Path) -> None:
    (tmp_path / "a.s").write_text("start:\tMOV_FROM_IFA(r20) // here\n\tBSW_1(r2, r3)\n")
    (tmp_path / "b.s").write_text("start:\tmov r20 = cr.ifa\n\tbsw.1\n")
    made = run_through("native", [compiler, "-c", "a.s", "-MD", "-MP"], tmp_path)
    assert made.files["a.o"] == run([compiler, "-c", "b.s"], tmp_path).files["b.o"]
    rule, *phony = made.files["a.d"].decode().replace("\\\n", "").splitlines()
    assert rule.split() == ["a.o:", "a.s", *added("native")]
    assert phony == [f"{path}:" for path in added("native")]


@pytest.mark.parametrize(
    "definition",
    [
        "",
        "#define PSR_DEFAULT_BITS 0",
        "#define PSR_DEFAULT_BITS psr.ac\n#undef PSR_DEFAULT_BITS\n#define PSR_DEFAULT_BITS (1 << 3)",
        "#define UL(x) (x)\n#define BIT 3\n#define AC (UL(1) << BIT)\n#define PSR_DEFAULT_BITS AC /* so */",
        "#define X(a, b) a ## b\n#define BE(x, ...) (1 << (x))\n#define PSR_DEFAULT_BITS (BE(X(0x, 1), z) | BE ((3)))",
    ],
)
def test_what_a_source_makes_of_a_constant_holds(definition: str, compiler: str, tmp_path: Path) -> None:
    end = "#ifndef PSR_DEFAULT_BITS\n#define PSR_DEFAULT_BITS psr.ac\n#endif\n"
    (tmp_path / "a.S").write_text(f"{definition}\n\tSSM_PSR_IC_AND_DEFAULT_BITS_AND_SRLZ_I(r2, r3)\n")
    (tmp_path / "b.S").write_text(f"{definition}\n{end}\tssm psr.ic | PSR_DEFAULT_BITS ;; srlz.i ;;\n")
    plain = run([compiler, "-c", "b.S"], tmp_path)
    assert (plain.status, plain.errors) == (0, "")
    made = run_through("native", [compiler, "-c", "a.S"], tmp_path)
    assert (made.status, made.errors) == (0, "")
    assert made.files["a.o"] == plain.files["b.o"]


@pytest.mark.parametrize("suffix", ["S", "s"])
def test_the_assembler_names_the_lines_that_a_person_edits(suffix: str, compiler: str, tmp_path: Path) -> None:
    text = "\tBSW_1(r2, r3)\n\tWRONG_1\n\tRSM_PSR_IC(r3)\n\n\tWRONG_2\n"
    (tmp_path / f"a.{suffix}").write_text(text)
    for instance in instance_names():
        made = run_through(instance, [compiler, "-c", f"a.{suffix}"], tmp_path)
        assert made.status == 1
        assert re.findall(rf"^a\.{suffix}:(\d+): Error", made.errors, re.MULTILINE) == ["2", "5"]
        assert made.files == {}


def test_errors_are_told_as_a_compiler_tells_them(compiler: str, tmp_path: Path) -> None:
    (tmp_path / "in.h").write_text("\n\tMOV_FROM_IFA(r1, r2)\n")
    (tmp_path / "a.S").write_text('\n\tRSM_PSR_IC()\n\n#include "in.h"\n')
    (tmp_path / "a.o").write_text("old")
    made = run_through("xen", [compiler, "-c", "a.S", "-MD"], tmp_path)
    assert made.status == 1
    lines = made.errors.splitlines()
    assert lines[0].startswith("a.S:2:2: error: RSM_PSR_IC takes 1 argument")
    assert lines[1].startswith("in.h:2:2: error: MOV_FROM_IFA takes 1 argument")
    assert len(lines) == 2
    assert not (tmp_path / "a.o").exists()
    assert list(made.files) == ["a.d"]  # as when the assembler finds something


@pytest.mark.parametrize("arguments", [["-c", "a.S", "-o", "out"], ["-E", "a.S", "-o", "out"]])
def test_no_output_stays_where_ops_are_wrong(arguments: list[str], compiler: str, tmp_path: Path) -> None:
    (tmp_path / "a.S").write_text("\tMOV_FROM_IFA()\n")
    (tmp_path / "out").write_text("old")
    assert run_through("xen", [compiler, *arguments], tmp_path).status == 1
    assert not (tmp_path / "out").exists()


def test_a_dependency_file_that_cannot_be_written_is_told(compiler: str, tmp_path: Path) -> None:
    (tmp_path / "a.S").write_text("\tRFI\n")
    made = run_through("xen", [compiler, "-c", "a.S", "-MD", "-MF", "nowhere/a.d"], tmp_path)
    assert (made.status, made.files) == (1, {})
    assert made.errors.startswith("nowhere/a.d: error: cannot be written")


def test_preprocessing_gives_the_expanded_text(compiler: str, tmp_path: Path) -> None:
    (tmp_path / "a.S").write_text("#define AT r16\n\tMOV_FROM_IFA(AT)\n")
    for where in ([], ["-o", "a.i"]):
        made = run_through("native", [compiler, "-E", "a.S", *where], tmp_path)
        text = made.files["a.i"].decode() if where else made.output
        assert text.startswith('# 0 "a.S"\n')
        assert text.splitlines()[-1].strip() == "mov r16 = cr.ifa"


def test_an_own_instance_s_file_is_among_what_an_object_depends_on(compiler: str, tmp_path: Path) -> None:
    (tmp_path / "my $own #1.yaml").write_text(OWN)
    (tmp_path / "a.S").write_text("\tRFI\n")
    command = shlex.join([*through("my $own #1.yaml", [compiler]), "-MMD", "-MP", "-c", "a.S"]).replace("$", "$$")
    (tmp_path / "Makefile").write_text(f"a.o: a.S\n\t{command} -o $@\n-include a.d\n")

    def builds() -> bool:
        done = subprocess.run([require_tool("make")], cwd=tmp_path, capture_output=True, text=True, check=True)
        return "is up to date" not in done.stdout

    def later(name: str) -> None:
        seconds = (tmp_path / "a.o").stat().st_mtime + 2
        os.utime(tmp_path / name, (seconds, seconds))
        os.utime(tmp_path / "a.o", (seconds - 1, seconds - 1))

    assert builds()
    assert not builds()
    later("my $own #1.yaml")
    assert builds()


@pytest.mark.parametrize("option", ["-M", "-MM"])
def test_rules_alone_name_the_instance_s_files(option: str, compiler: str, tmp_path: Path) -> None:
    (tmp_path / "a.S").write_text("\tRFI\n")
    words = run_through("xen", [compiler, option, "a.S"], tmp_path).output.replace("\\\n", "").split()
    assert words[:2] == ["a.o:", "a.S"]
    assert words[-len(added("xen")) :] == added("xen")


def test_a_launcher_runs_the_compiler(compiler: str, tmp_path: Path) -> None:
    (tmp_path / "ccache").write_text('#!/bin/sh\nexec "$@"\n')
    (tmp_path / "ccache").chmod(0o755)
    (tmp_path / "a.S").write_text("\tRFI\n")
    made = run_through("native", [str(tmp_path / "ccache"), compiler, "-c", "a.S"], tmp_path)
    assert (made.status, made.errors, list(made.files)) == (0, "", ["a.o"])


def test_a_constant_that_changes_between_ops_is_an_error(compiler: str, tmp_path: Path) -> None:
    op = "\tSSM_PSR_IC_AND_DEFAULT_BITS_AND_SRLZ_I(r2, r3)\n"
    first = f"\tCOVER\n#define PSR_DEFAULT_BITS psr.ac\n{op}"
    (tmp_path / "a.S").write_text(first)
    assert run_through("native", [compiler, "-c", "a.S"], tmp_path).status == 0
    (tmp_path / "a.S").write_text(f"{first}#undef PSR_DEFAULT_BITS\n#define PSR_DEFAULT_BITS psr.dfh\n{op}")
    done = run_through("native", [compiler, "-c", "a.S"], tmp_path)
    assert (done.status, "PSR_DEFAULT_BITS changes between ops" in done.errors) == (1, True)
