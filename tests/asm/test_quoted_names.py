"""Names in quotes: GNU as takes any text for a symbol's name, and `"r8"` for r8 (as manual, "Symbol Names")."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from pvasm.asm.resolve import resolve
from pvasm.asm.scope import OperandError, Scope
from tests.check.checking import check
from tests.isa.assembly import instruction
from tests.oracle import require_tool

# Assembled by GNU as without a word, and by us.
SOUND = """
    .global "a b", "c;d"
    .proc "a b"
    "a b": nop 0
    "c;d": "e//f": nop 0
    "g:h":: nop 0
    br.call.sptk b0 = "a b"
    (p6) br.cond.sptk "c;d"
    addl r8 = @ltoff("a b"), r1
    movl r9 = "a b" + 8
    ld8.mov r10 = [r11], "a b"
    "q" = r12
    mov r13 = q
    .set "u v", r14
    mov r15 = "u v"
    mov "r16" = r17
    data8 "a b", "c;d"
    .size "a b", . - "a b"
    .endp "a b"
"""


def test_what_gnu_as_takes_is_a_statement(tmp_path: Path) -> None:
    source = tmp_path / "in.s"
    source.write_text(SOUND)
    command = [require_tool("ia64-linux-gnu-as"), str(source), "-o", str(tmp_path / "out.o")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stderr == ""
    for preprocessed in (False, True):
        assert check(SOUND, preprocessed=preprocessed) == []


@pytest.mark.parametrize("text", ['mov r8 = "r9"', 'mov "r8" = r9', '("p6") add r8 = "r9", r10', 'br.ret.sptk "b0"'])
def test_a_register_in_quotes_is_the_register(text: str) -> None:
    assert resolve(instruction(text), Scope()).text == resolve(instruction(text.replace('"', "")), Scope()).text


def test_a_register_is_no_label_because_of_quotes() -> None:
    with pytest.raises(OperandError, match=re.escape('`"r9"\' is a general register')):
        resolve(instruction('br.cond.sptk "r9"'), Scope())


# The source, and where what is found.
FOUND = [
    ('"a;b": mov r8 = cr.ifa', [(1, 8, "PV002")]),
    ('"x//y": "z": fc r8', [(1, 14, "PV001")]),
    ('mov r8 = "ar.itc"', [(1, 1, "PV001")]),
    ('"clk" = ar.itc\nmov r8 = clk', [(2, 1, "PV001")]),
    ('.set "c l k", cr.ifa\nmov r8 = "c l k"', [(2, 1, "PV002")]),
    ('.macro get x\nmov r8 = "\\x"\n.endm\nget ar.itc', [(4, 1, "PV001")]),
    ('"w x" = 1\n.ifdef "w x"\nfc r8\n.else\nfc r9\n.endif', [(3, 1, "PV001")]),
    ('#define foo ar.itc\nmov r8 = "foo"', []),  # to the C preprocessor a string
    ('ITC_D(p0, r19, r18)\nbr.cond.sptk "a b"\n"a b": add r3 = r18, r0', [(1, 16, "PV301")]),
    (
        'movl r3 = "f n" ;;\nmov b6 = r3 ;;\nITC_D(p0, r19, r18) ;;\nbr.call.sptk b0 = b6\nbr.ret.sptk b0\n'
        '"f n": add r3 = r18, r0\nbr.ret.sptk b0',
        [(3, 16, "PV301")],
    ),
]


@pytest.mark.parametrize(("text", "due"), FOUND)
def test_what_stands_behind_or_in_quotes_is_read(text: str, due: list[tuple[int, int, str]]) -> None:
    assert [(each.line, each.column, each.code) for each in check(text)] == due
