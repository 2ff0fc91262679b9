"""Between the C preprocessor and the assembler: `gcc -E foo.S | pvasm expand -i xen - | as`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pvasm.paravirt.shipped import instance_names
from tests.oracle import require_tool

HEADER = "#define GET(reg) MOV_FROM_IFA(reg) ; MOV_FROM_IVR(reg, r9)\n#define WHERE r20\n"
SOURCE = """#include "get.h"
start:	MOV_FROM_IVR(WHERE, r9)
	SSM_PSR_IC_AND_SRLZ_D(r14, r15)
	WRONG_1
#ifdef NEVER
	BSW_1(r2, r3)
#endif
	BSW_1(r2,
		r3)
	WRONG_2
	GET(WHERE)
	WRONG_3
	MOV_TO_KR(CURRENT, r3, r8, r9) ;; MOV_FROM_ITC(p0, p6, r21, r22)
	WRONG_4
"""


@pytest.mark.parametrize("instance", instance_names())
def test_the_assembler_names_the_lines_that_a_person_edits(instance: str, tmp_path: Path) -> None:
    (tmp_path / "get.h").write_text(HEADER)
    (tmp_path / "foo.S").write_text(SOURCE)
    gcc = [require_tool("gcc"), "-E", "foo.S"]
    text = subprocess.run(gcc, cwd=tmp_path, capture_output=True, check=True).stdout
    pvasm = [sys.executable, "-m", "pvasm", "expand", "-i", instance, "-"]
    variant = subprocess.run(pvasm, cwd=tmp_path, input=text, capture_output=True, check=True).stdout
    assembler = [require_tool("ia64-linux-gnu-as"), "-x", "-o", "foo.o", "-"]
    done = subprocess.run(assembler, cwd=tmp_path, input=variant, capture_output=True, check=False)
    said = re.findall(r"foo\.S:(\d+): Error: Unknown opcode `wrong_(\d)'", done.stderr.decode())
    lines = SOURCE.splitlines()
    assert said == [(str(lines.index(f"\tWRONG_{number}") + 1), str(number)) for number in (1, 2, 3, 4)]
    assert done.stderr.decode().count("Error") == 4
