"""PV911: an instruction that there is not."""

from __future__ import annotations

from collections.abc import Iterator

from pvasm.check.code import Code
from pvasm.check.example import Flagged
from pvasm.check.finding import Finding
from pvasm.check.rule import Rule
from pvasm.check.subject import Subject


class UnknownInstruction(Rule):
    """A statement's name is that of an instruction, a macro or a directive; the assembler refuses any other.

    pvasm does not know what such a statement reads and writes, so it may hide what other rules look for. After the C
    preprocessor there is no doubt. Raw source is flagged where it includes no header that may define a macro, and where
    one slip of the finger makes the name of an instruction's; elsewhere an unknown name is left alone.
    """

    code = "PV911"
    title = "no such instruction"
    severity = "error"
    in_mixed_headers = False
    invalid = (
        Flagged("«mvo» r8=r9", "there is no instruction `mvo': did you mean `mov'?"),
        Flagged("«ld9» r8=[r9]", "there is no instruction `ld9': did you mean `ld8'?"),
        Flagged("(p6) «adds3» r8=1, r9", "there is no instruction `adds3': did you mean `adds'?"),
        Flagged("«ld8.foo» r8=[r9]", "there is no instruction `ld8.foo'"),
    )
    valid = (
        "mov r8=r9",
        "MOV r8=r9",
        "SAVE_MIN r8, r9",
        "data8 5",
        ".macro mvo a:vararg\n\tmov \\a\n\t.endm\n\tmvo r8=r9",
        "#define mvo mov\n\tmvo r8=r9",
        "#include <asm/macros.h>\n\tmvo r8=r9",
        ".if 0\n\tmvo r8=r9\n\t.endif",
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Every such statement."""
        for found in subject.of(Code).names.instructions:
            yield Finding(found.start, found.end, found.message)
