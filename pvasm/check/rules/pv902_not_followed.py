"""PV902: code of which pvasm does not know what it makes."""

from __future__ import annotations

from collections.abc import Iterator

from pvasm.check.code import Code
from pvasm.check.example import Flagged
from pvasm.check.finding import Finding
from pvasm.check.rule import Rule
from pvasm.check.subject import Subject


class NotFollowed(Rule):
    """What a macro or a directive makes here is not looked into, so nothing is said about it.

    Macros are expanded as the C preprocessor and the assembler would, up to a bound for each file; a name with many
    definitions under different conditions, and files that `.include` reads, are not followed. Check what the
    preprocessor makes of the file as well: `--cpp`.
    """

    code = "PV902"
    title = "code that is not followed"
    severity = "note"
    in_mixed_headers = False
    invalid = (
        Flagged('«.include "macros.inc"»', 'not followed: what .include "macros.inc" brings is not read'),
        Flagged(
            "#define TWICE(a, b) mov a = b\n\t«TWICE(r8)»", "not followed: TWICE takes 2 arguments, and is given 1"
        ),
    )
    valid = (
        '#include "macros.h"',
        "#define TWICE(a, b) mov a = b\n\tTWICE(r8, r9)",
        ".macro twice a, b\n\tmov \\a = \\b\n.endm\n\ttwice r8, r9",
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Every place where something is not followed, each once."""
        statements = subject.document.statements
        for reason, index in subject.of(Code).search.gaps:
            yield Finding(statements[index].start, statements[index].end, f"not followed: {reason}")
