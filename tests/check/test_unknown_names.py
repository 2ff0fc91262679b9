"""Registers and instructions that there are not (PV910, PV911; M15), as written and in what macros make of them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.check.checking import check
from tests.oracle import require_tool


def _told(text: str, *codes: str, preprocessed: bool = False) -> list[tuple[str, int, str]]:
    found = check(text, *(codes or ("PV9", "PV003")), preprocessed=preprocessed)
    return [(diagnostic.code, diagnostic.line, diagnostic.message) for diagnostic in found]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("mov r8=cr.ifx\n", 1, "there is no register `cr.ifx': did you mean `cr.ifs'?"),
        ("mov cr.ipsrr=r8\n", 1, "there is no register `cr.ipsrr': did you mean `cr.ipsr'?"),
        ("mov r8=cr.IFA\n", 1, "there is no register `cr.IFA': did you mean `cr.ifa'?"),
        ("mov r8=AR.ITC\n", 1, "there is no register `AR.ITC': did you mean `ar.itc'?"),
        ("mov r8=psrr.um\n", 1, "there is no register `psrr.um': did you mean `psr.um'?"),
        ("mov r8=r128\n", 1, "there is no register `r128': the last one is r127"),
        ("fma f8=f9,f130,f1\n", 1, "there is no register `f130': the last one is f127"),
        ("mov b8=r9\n", 1, "there is no register `b8': the last one is b7"),
        ("(p64) mov r8=r9\n", 1, "there is no register `p64': the last one is p63"),
        ("mov cr128=r9\n", 1, "there is no register `cr128': the last one is cr127"),
        ("ld8 r8=[r200]\n", 1, "there is no register `r200': the last one is r127"),
        ("mov r8=pdm[r9]\n", 1, "there is no register file `pdm': did you mean `pmd'?"),
        ("mov dbbr[r8]=r9\n", 1, "there is no register file `dbbr': did you mean `dbr'?"),
        # By other names, and in what macros make.
        ("x = cr.ifx\n\tmov r8=x\n", 1, "there is no register `cr.ifx': did you mean `cr.ifs'?"),
        (".set x, ar.itx\n\tmov r8=x\n", 1, "there is no register `ar.itx': did you mean `ar.itc'?"),
        ("#define X cr.ifx\n\tmov r8=X\n", 2, "there is no register `cr.ifx': did you mean `cr.ifs'?"),
        ("#define G(r) mov r=cr.ifx\n\tG(r8)\n", 1, "there is no register `cr.ifx': did you mean `cr.ifs'?"),
        (
            ".irp a,ifx,ifa\n\tmov r8=cr.\\a ;;\n.endr\n",
            1,
            "this makes `mov r8=cr.ifx': there is no register `cr.ifx': did you mean `cr.ifs'?",
        ),
    ],
)
def test_registers(text: str, line: int, said: str) -> None:
    """Once each, and nothing says besides that such a move traps."""
    told = [each for each in _told(text) if not (each[0] == "PV003" and text.startswith(("x =", ".set")))]
    assert told == [("PV910", line, said)]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("mvo r8=r9\n", 1, "there is no instruction `mvo': did you mean `mov'?"),
        ("(p6) ld9 r8=[r9]\n", 1, "there is no instruction `ld9': did you mean `ld8'?"),
        ("MVO r8=r9\n", 1, "there is no instruction `MVO': did you mean `mov'?"),
        ("fadd.s9 f8=f9,f10\n", 1, "there is no instruction `fadd.s9'"),
        ("srlz.x\n", 1, "there is no instruction `srlz.x'"),
        ("{ .mii\n\tmvo r8=r9\n\tnop.i 0\n\tnop.i 0\n}\n", 2, "there is no instruction `mvo': did you mean `mov'?"),
        (".macro m r\n\tld9 \\r=[r9]\n.endm\n\tm r8\n", 2, "there is no instruction `ld9': did you mean `ld8'?"),
        (".rept 2\n\tmvo r8=r9 ;;\n.endr\n", 2, "there is no instruction `mvo': did you mean `mov'?"),
        ("#define MV mvo\n\tMV r8=r9\n", 1, "there is no instruction `mvo': did you mean `mov'?"),
        (".if 1\n\tmvo r8=r9\n.endif\n", 2, "there is no instruction `mvo': did you mean `mov'?"),
    ],
)
def test_instructions(text: str, line: int, said: str) -> None:
    assert _told(text) == [("PV911", line, said)]


@pytest.mark.parametrize(
    "text",
    [
        "#include <asm/macros.h>\n\tmvo r8=r9\n",
        "#include <asm/regs.h>\n\tmov r8=AR.ITC\n\tmov r9=pdm[r10]\n",
        ".if X\n\tmvo r8=r9\n.endif\n.if 0\n\tmvo r8=r9\n.endif\n",
        ".macro m\n.if X\n\tmvo r8=r9\n.endif\n.endm\n",
        "#define mvo mov\n\tmvo r8=r9\n",
        "#define ifx ifa\n\tmov r8=cr.ifx\n",
        "#define GET(ifx) mov r8=cr.ifx\n",
        "#define GET(b8) mov b8=r9\n",
        ".rotr pdm[2]\n\tmov r8=pdm[1]\n",
        "\tbr.call.sptk.many rp=b8\nb8:\tnop 0\n",
        "\t.global f128\n\tmovl r8=f128\n\taddl r9=@ltoff(f128),gp\n",
        "\tmov r8=cr16\n\tmov r8=ar127\n\tmov r8=cr.iib1\n",
        "\tmov r8=foo.bar\n",
    ],
)
def test_what_may_be_something_is_left_alone(text: str) -> None:
    assert _told(text, "PV910", "PV911") == []


_LINES = """\
mov r8=r128
mov r8=f128
mov r8=cr128
mov r8=cr.ifx
mov r8=ar.k8
mov r8=cr.IFA
mov r8=b8
mvo r8=r9
ld9 r8=[r9]
fadd.s9 f8=f9,f10
mov r8=r127
mov r8=cr127
mov r8=ar.k7
srlz.d
sllz r8=r9,3
movl r8=r128
"""


def test_gnu_as_takes_such_registers_for_symbols_and_knows_no_such_instruction(tmp_path: Path) -> None:
    """So says the symbol table; but for `movl`, which has a place for a symbol alone, nobody means one."""
    gnu_as, nm = require_tool("ia64-linux-gnu-as"), require_tool("ia64-linux-gnu-nm")
    source, made = tmp_path / "in.s", tmp_path / "out.o"
    source.write_text(_LINES)
    said = subprocess.run([gnu_as, str(source), "-o", str(made)], capture_output=True, text=True, check=False).stderr
    unknown = {int(line) for line in re.findall(r"in\.s:(\d+): Error: Unknown opcode", said)}
    found = check(_LINES, "PV910", "PV911", preprocessed=True)
    assert {each.line for each in found if each.code == "PV911"} == unknown
    lines = _LINES.splitlines()
    source.write_text("\n".join("" if number in unknown else line for number, line in enumerate(lines, 1)) + "\n")
    subprocess.run([gnu_as, str(source), "-o", str(made)], check=True)
    listed = subprocess.run([nm, "-u", str(made)], capture_output=True, text=True, check=True).stdout
    symbols = {line.split()[-1] for line in listed.splitlines()}
    assert {lines[each.line - 1].partition("=")[2] for each in found if each.code == "PV910"} == symbols
