"""The C preprocessor joins continued lines before it looks for words and directives (C11, 5.1.1.2, phase 2)."""

from __future__ import annotations

import subprocess

import pytest

from tests.asm.reading import seen
from tests.check.checking import check
from tests.oracle import require_tool

SOURCES = [
    "#def\\\nine X(y) fc y\nX(r8)\n",
    "#def\\  \n\\\r\nine X(y) fc y\nX(r8)\n",
    "#\\\ndefine FO\\\nO(x) fc x\nFOO(r9)\n#unde\\\nf FO\\\nO\n",
    "#i\\\nf 0\nnop 1\n#el\\\nse\nnop 2\n#en\\\ndif\n",
    "#ifde\\\nf FO\\\nO\nnop 1\n#else\nnop 2\n#endif\n",
    "#if def\\\nined(FOO) || FO\\\nO > 1\nnop 1\n#else\nnop 2\n#endif\n",
    "#define BAR(a\\\nb, c) mov ab = c\nBAR(r1, r2)\n",
    "#define BAR\\\n(a,\\\nb) mov a = b\nBAR(r1, r2)\n",
    "nop 0\\\n;; nop 1\n",
    " \\\n#define W fc r11\nW\n",
    "#define W \\\n\tfc r8 \\\n\nW\n",  # the last line of a body goes on, and nothing comes
    "#define W \\\r\n\tfc r8 ; \\\r\n\r\n#define V W\r\nV\r\nfc r9\r\n",
    "#define W(a) fc a /* one */ \\\n /* two */ \\\n\nW(r8) ; W(r9)\n",
    "nop 0 ; \\\n#define Z fc r12\nnop 1\n",  # the line before goes on: no directive
]


@pytest.mark.parametrize("text", SOURCES)
def test_what_lines_split_is_what_the_preprocessor_makes_of_it(text: str) -> None:
    command = [require_tool("gcc"), "-E", "-P", "-UFOO", "-x", "assembler-with-cpp", "-"]
    made = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout
    found, due = seen(text, {"FOO": False}), seen(made)
    assert found.instructions == due.instructions != []
    assert found.gaps == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("#def\\\nine X fc r8\nX\n", 2),
        ("#i\\\nf 0\nnop 0\n#endif\nfc r8\n", 5),
        ("#define X f\\\nc r8\nX\n", 1),
        (".mac\\\nro x\nfc r8\n.endm\n", 3),
    ],
)
def test_nothing_is_missed_for_that(text: str, line: int) -> None:
    assert [(each.line, each.code) for each in check(text, "PV001")] == [(line, "PV001")]
