"""PV901: text that is no statement of IA-64 assembly."""

from __future__ import annotations

from collections.abc import Iterator

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
    valid = ("mov r1 = r2", "some_macro a b c", "#define LIMIT (1 << 3)", ".section .text")

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Every statement that is Unparsed, but in the body of a `#define`, which need not be a statement."""
        for statement in subject.document.statements:
            syntax = statement.syntax
            if isinstance(syntax, tree.Unparsed) and not statement.in_define and subject.concerns(statement.conditions):
                yield Finding(statement.start, statement.end, f"not a statement: {syntax.reason}")
