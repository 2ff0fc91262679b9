"""PV901: text that is no statement of IA-64 assembly."""

from __future__ import annotations

from collections.abc import Iterator

from pvasm.check.code import Code
from pvasm.check.example import Flagged
from pvasm.check.finding import Finding
from pvasm.check.rule import Rule
from pvasm.check.subject import Subject
from pvasm.syntax import tree


class Unparsed(Rule):
    """Text that cannot be parsed cannot be checked, beyond a search of its words for sensitive mnemonics.

    GNU as would refuse it too. Where it would not, pvasm is at fault: please report it.
    """

    code = "PV901"
    title = "not a statement"
    severity = "error"
    in_mixed_headers = False
    invalid = (
        Flagged("«mov r1 == ,»", "not a statement: `,' where an operand is due"),
        Flagged("«add r1 = (r2»", "not a statement: the end of the statement where `)' is due"),
        Flagged("«= 5»", "not a statement: `=' where an operator or the end of the statement is due"),
    )
    valid = (
        "mov r1 = r2",
        "some_macro a b c",
        "#define LIMIT (1 << 3)",
        ".section .text",
        "#define IS =\n\tmov r1 IS r2",
        '.macro assign to\n\tmov r1 \\to\n.endm\n\tassign "= r2"',
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Every statement that is Unparsed, unless macros make one of it or a macro's arguments may."""
        made = subject.of(Code).search.reread
        for index, statement in enumerate(subject.document.statements):
            syntax = statement.syntax
            if not isinstance(syntax, tree.Unparsed) or made.get(index) or _waits_for_arguments(subject, statement):
                continue
            if subject.concerns(statement.conditions):
                yield Finding(statement.start, statement.end, f"not a statement: {syntax.reason}")


def _waits_for_arguments(subject: Subject, statement: tree.Statement) -> bool:
    """Whether a statement of a macro's body need not be one before its parameters have values."""
    if statement.in_define:
        return True
    if statement.macro is None:
        return False
    text = subject.document.source(statement)
    return "\\" in text or "&" in text or ".altmacro" in subject.document.text
