"""Explicit bundles that instructions do not fit in (PV605): in macros, under conditions, with and without braces.

That the rule flags the bundles that GNU as refuses, `tests/asm/test_slots.py` compares.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.check.checking import check
from tests.oracle import require_tool


def _flagged(text: str, *, preprocessed: bool = False) -> list[int]:
    return [diagnostic.line for diagnostic in check(text, "PV605", preprocessed=preprocessed)]


# With the line at which GNU as refuses it, if it does.
@pytest.mark.parametrize(
    ("text", "refused"),
    [
        # Macros of the assembler put bundles together.
        (".macro pair a,b\n{ .mii\n\\a\n\\b\nnop.i 0\n}\n.endm\npair <nop.m 0>,<nop.i 0>\n", False),
        (".macro pair a:req,b:req\n{ .mfi\n\\a\n\\b\nnop.i 0\n}\n.endm\npair nop.m,nop.m\n", True),
        (".macro fill n\n.rept \\n\nnop.m 0\n.endr\n.endm\n{ .mmi\nfill 2\nnop.i 0\n}\n", False),
        (".macro fill n\n.rept \\n\nnop.m 0\n.endr\n.endm\n{ .mmi\nfill 3\nnop.i 0\n}\n", True),
        # A template counts without braces too, for the next instruction.
        (".mfi\nnop.m 0\nnop.m 0\nnop.m 0\n", False),
        (".mfi\nnop.b 0\n", True),
        (".mib\n{\nnop.m 0\nnop.f 0\n}\n", True),
        # What stands between the instructions of a bundle.
        ("{ .mmi\n.mem.offset 0,0\nst8.spill [r8]=r9\n.mem.offset 8,0\nst8.spill [r10]=r11\nnop.i 0\n}\n", False),
        ("{ .mmi\n[1:] nop.m 0\n[2:] nop.m 0\nnop.i 0\n}\n", False),
        ("{ .mmi\nnop.m 0\n.align 32\nnop.m 0\nnop.i 0\n}\n", True),
        ("{ .mii\nnop.m 0\n.section .data\n.text\nnop.i 0\nnop.i 0\n}\n", True),
        ("{ .mmi\nnop.m 0\nnop.m 0\nnop.i 0\n", True),
        ("{ .mmi\nnop.m 0\n{\nnop.m 0\nnop.i 0\n}\n", False),
        ("{ .mmi\nnop.m 0\nnop.m 0\nnop.i 0\n}\n}\nnop 0\n", False),
        ("{ .mlx\nnop.m 0\n}\nfoo: { .mlx\nmovl r8=foo\n}\n", False),
        # In automatic mode, asked for, no stop that is written counts.
        (".auto\n{ .mib\nnop.m 0 ;;\nnop.i 0\nnop.b 0\n}\n", False),
        (".auto\n{ .mib\nnop.m 0\nnop.f 0\nnop.b 0\n}\n", True),
        (".auto\n.explicit\n{ .mib\nnop.m 0 ;;\nnop.i 0\nnop.b 0\n}\n", True),
    ],
)
def test_as_gnu_as(text: str, refused: bool, tmp_path: Path) -> None:
    text = text.replace("pair nop.m,nop.m", 'pair "nop.m 0","nop.m 0"')
    text = text.replace("pair <nop.m 0>,<nop.i 0>", 'pair "nop.m 0","nop.i 0"')
    source = tmp_path / "in.s"
    source.write_text(text)
    command = [require_tool("ia64-linux-gnu-as"), str(source), "-o", str(tmp_path / "out.o")]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    assert bool(re.search(": Error:", said)) == refused, said
    assert bool(_flagged(text, preprocessed=True)) == refused
    assert bool(_flagged(text)) == refused


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        # Each arm of an `#if` may be the one that is compiled: what is in such a bundle is not known.
        (
            "{ .mii\n#ifdef A\n\tnop.m 0\n#else\n\tnop.i 0\n#endif\n\tnop.m 0\n\tnop.i 0\n}\n{ .mii\n\tnop.b 0\n}\n",
            [11],
        ),
        # So with what a header that is not seen may stand for, and with an op.
        ("{ .mii\n\tLOAD(r8)\n\tnop.m 0\n\tnop.m 0\n}\n", []),
        ("{ .mib\n\tnop.m 0\n\tMOV_FROM_IFA(r8)\n\tnop.m 0\n}\n", []),
        # A move of what is not known may be of any unit.
        ("{ .mib\n\tnop.m 0\n\tmov r8=THAT\n\tbr.ret.sptk rp\n}\n", []),
        ("{ .bbb\n\tmov FROM=THAT\n\tnop.b 0\n}\n", [2]),
        # What macros of the C preprocessor make.
        ("#define NOPS(u) nop.u 0 ; nop.u 0\n{ .mii\n\tnop.m 0\n\tNOPS(i)\n}\n{ .mib\n\tNOPS(i)\n}\n", [7]),
        ("#define BUNDLE(x) { .mib ; nop.m 0 ; x ; nop.b 0 }\n\tBUNDLE(nop.i 0)\n\tBUNDLE(nop.f 0)\n", [3]),
    ],
)
def test_what_is_known(text: str, lines: list[int]) -> None:
    assert _flagged(text) == lines
