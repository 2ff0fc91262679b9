"""F5: where code runs is told of the code itself, its macros and conditionals followed."""

from __future__ import annotations

import pytest

from pvasm.check.engine import Selection, run
from pvasm.check.subject import Subject
from pvasm.paravirt.environments import build_names, known_macros
from pvasm.paravirt.loading import load_catalog
from pvasm.syntax.document import read_document
from tests.check.checking import PARSER, check

SECTION = '.section .gate.text,"ax"'

# F5: what is done to sections and symbols is what the code does, macros and conditionals followed. The lines of PV001.
FOLLOWED = {
    "in a macro that nobody invokes": (f".macro gate\n{SECTION}\n.endm\ncover", [4]),
    "in a #define that nobody invokes": (f"#define GATE {SECTION}\ncover", [2]),
    "by a macro": (f".macro gate\n{SECTION}\n.endm\n.text\ngate\ncover\n.text\ncover", [8]),
    "by a #define": (f"#define G {SECTION}\n.text\nG\ncover\n.text\ncover", [6]),
    "by an argument": (".macro sec s\n.section \\s\n.endm\nsec .gate.text\ncover\nsec .text\ncover", [7]),
    "by an argument of a #define": ("#define SEC(s) .section s\nSEC(.gate.text)\ncover\nSEC(.text)\ncover", [5]),
    "within a macro": (f".macro both\n{SECTION}\ncover\n.text\ncover\n.endm\nboth", [5]),
    "by a label in a macro": (".macro t\n__kernel_sigtramp:\n.endm\ncover\nt\ncover", [4]),
    "by a label that a macro makes": ("#define L(x) x\nL(__kernel_sigtramp): cover\nfoo: cover", [3]),
    "by a function that a macro begins": (
        ".macro begin f\n.proc \\f\n\\f:\n.endm\nbegin __kernel_sigtramp\ncover\n.endp\ncover",
        [8],
    ),
    "by a quoted label": ('.proc "__kernel_sigtramp"\n"__kernel_sigtramp": cover\n.endp\ncover', [4]),
    "in one arm": (f"#ifdef A\n{SECTION}\n#endif\ncover", [4]),
    "in the last arm": (f"#ifdef A\n.text\n#else\n{SECTION}\n#endif\ncover", [6]),
    "in every arm": (f"#ifdef A\n{SECTION}\n#else\n{SECTION}\n#endif\ncover", []),
    "in an arm that is not compiled": (f"#if 0\n{SECTION}\n#endif\ncover", [4]),
    "in an arm that is": (f"#if 1\n{SECTION}\n#else\n.text\n#endif\ncover", []),
    "in an arm, for that": (f"#ifdef A\n{SECTION}\ncover\n#else\ncover\n#endif", [5]),
    "where the assembler skips it": (f".if 0\n{SECTION}\n.endif\ncover", [4]),
    "where the assembler may skip it": (f".if X\n{SECTION}\n.endif\ncover", [4]),
    "in a loop of no turns": (f".rept 0\n{SECTION}\n.endr\ncover", [4]),
    "epc in one arm": (f"{SECTION}\n#ifdef A\nepc\n#endif\ncover", [5]),
}


@pytest.mark.parametrize("name", FOLLOWED)
def test_sections_and_symbols_are_those_of_the_code(name: str) -> None:
    """F5."""
    text, lines = FOLLOWED[name]
    assert [each.line for each in check(text, "PV001")] == lines


def test_a_section_that_a_header_names() -> None:
    """F5."""
    catalog = load_catalog()
    header = f"#define GATE {SECTION}\n"
    document = read_document(PARSER, '#include "gate.h"\ncover\nGATE\ncover\n', "a.S")
    subject = Subject(document, catalog, known_macros([]), tuple(build_names()), included=(("gate.h", header),))
    assert [each.line for each in run(subject, Selection(("PV001",)).rules())] == [2]
