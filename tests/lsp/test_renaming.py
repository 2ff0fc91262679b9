"""Renaming: what means the same afterwards, and why the rest is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from pvasm.lsp.names import CannotRenameError, renamed
from tests.lsp.open_text import marked, opened_text

LOOP = "lo|op:\tadds r18 = -1, r18 ;;\n\tbr.cond.sptk loop\n"


def after(folder: Path, marked_text: str, name: str) -> str:
    """The text once what is named at its `|` is called otherwise."""
    text, offset = marked(marked_text)
    for start, end in reversed(renamed(opened_text(folder, text), offset, name)):
        text = text[:start] + name + text[end:]
    return text


@pytest.mark.parametrize(
    ("text", "made"),
    [
        (LOOP, "again:\tadds r18 = -1, r18 ;;\n\tbr.cond.sptk again\n"),
        (
            'l|oop:\t.ascii "loop"\t// loop\n/* loop */ data8 loop#, @fptr(loop)\n',
            'again:\t.ascii "loop"\t// loop\n/* loop */ data8 again#, @fptr(again)\n',
        ),
        # GNU as takes the names of its macros in any case, from wherever one renames them.
        (".macro F|oo\n.endm\n\tFOO\n\tfoo\n", ".macro again\n.endm\n\tagain\n\tagain\n"),
        (".macro Foo\n.endm\n\tFOO\n\tf|oo\n", ".macro again\n.endm\n\tagain\n\tagain\n"),
        ("l|oop = 5\n\tadds r1 = loop, r2\n", "again = 5\n\tadds r1 = again, r2\n"),
        # What stands behind `@` is the assembler's own word.
        (
            "\t.type function, @function\nfunc|tion:\n\tdata8 @fptr(function)\n\t.size function, .-function\n",
            "\t.type again, @function\nagain:\n\tdata8 @fptr(again)\n\t.size again, .-again\n",
        ),
        ("re|v:\tmux1 r1 = r2, @rev\n\tbr.sptk rev\n", "again:\tmux1 r1 = r2, @rev\n\tbr.sptk again\n"),
        ("\t.type function, @again\nfunc|tion:\n", "\t.type again, @again\nagain:\n"),
        ("\t.set loop, 5\n\tadds r1 = lo|op, r2\n", "\t.set again, 5\n\tadds r1 = again, r2\n"),
    ],
)
def test_all_that_means_the_same(tmp_path: Path, text: str, made: str) -> None:
    assert after(tmp_path, text, "again") == made


@pytest.mark.parametrize(
    "name",
    [
        *("r16", "R16", "sp", "loc0", "in3", "out95", "psr.l", "cr.ifa", "rr", "dbr", "p6"),  # registers
        *("add", "ADD", "ld8.acq", "br"),  # instructions
        *(".text", ".Align", "data8"),  # directives
        *("MOV_FROM_IFA", "__ia64__", "__LINE__", "defined"),
    ],
)
def test_a_name_that_means_something(tmp_path: Path, name: str) -> None:
    with pytest.raises(CannotRenameError, match="means something already"):
        after(tmp_path, LOOP, name)


@pytest.mark.parametrize(
    "name", ["", "1x", "a b", "a-b", "x:", "x#", "@x", "x\ny", ".", "..", "$", "\N{GREEK CAPITAL LETTER OMEGA}"]
)
def test_what_is_no_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(CannotRenameError, match="is no name: letters, digits"):
        after(tmp_path, LOOP, name)


def test_the_name_that_it_has(tmp_path: Path) -> None:
    assert renamed(opened_text(tmp_path, LOOP.replace("|", "")), 2, "loop") == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (".macro Foo\n.endm\n.macro AGAIN\n.endm\n\tF|oo\n", "again means something already"),
        (".macro m again\n\tadd r1 = \\again, r2\n.endm\nl|oop:\tm r3\n", "again means something already"),
        (".macro m loop\n\tadd r1 = \\loop, r2\n.endm\nl|oop:\tm r3\n", r"a parameter of a macro as well, as \\loop"),
        (".macro m n\nlab_\\n:\n.endm\n\tm 1\n\tbr.cond.sptk lab|_1\n", "lab_1 is a name that a macro puts together"),
        ("#define L(x) x##_end:\nL(a)\n\tbr.cond.sptk a_|end\n", "a_end is a name that a macro puts together"),
        ('#include "uses.h"\nlo|op:\n\tGO\n', "loop stands in .*uses.h, too"),
        ('#include "uses.h"\nlo|op2:\n\tGO\n', None),
        ("\t.weak loop\nlo|op:\n", "loop is global"),
        ('\t.section loop, "ax"\n\t.text\nlo|op:\n', "loop is a section's name: GNU as takes both for one"),
        ('\t.section lo|op, "ax"\n\t.text\nloop:\n', "loop is a section's name"),
        ('lo|op:\n\t.pushsection "loop"\n\t.popsection\n', "loop is a section's name"),
        ('lo|op:\n\t.xdata4 "loop", 1\n', "loop is a section's name"),
        ('lo|op:\n\t.section "again"\n', "again means something already"),
        ("\t.section ag|ain\n", "again is no label or macro of this file"),
        ("loop:\n\t.type loop, @lo|op\n", "there is no name here that can be another"),
        ('#include "sections.h"\nlo|op2:\n', "loop2 is a section's name"),
        ("\t.globl a, loop\nlo|op:\n", "loop is global"),
    ],
)
def test_what_would_mean_something_else(tmp_path: Path, text: str, why: str | None) -> None:
    (tmp_path / "sections.h").write_text('\t.section "loop2", "a"\n\t.text\n')
    (tmp_path / "uses.h").write_text("/* again, loop2 */\n#define GO br.cond.sptk loop\n")
    if why is None:
        assert after(tmp_path, text, "again").count("again") == 1
        return
    with pytest.raises(CannotRenameError, match=why):
        after(tmp_path, text, "again")
