"""PV203: a register is written in an instruction group in which it must not have been read."""

from __future__ import annotations

from collections.abc import Iterator

from pvasm.check.example import Flagged
from pvasm.check.finding import Finding
from pvasm.check.groups import find_violations
from pvasm.check.rule import Rule
from pvasm.check.subject import Subject


class WriteAfterRead(Rule):
    """A register may be written in the group that reads it before: the old value is read. There is one exception.

    A modulo-scheduled loop branch (`br.ctop`, `br.wtop`, ...) writes p63, and no branch before it in its group may
    read p63. Put a stop between. (SDM vol. 1, 3.4.)
    """

    code = "PV203"
    title = "register written in a group that must not read it before"
    severity = "error"
    follows_flow = True
    in_mixed_headers = False
    invalid = (
        Flagged(
            "1:\n(p63)\tbr.cond.sptk 1b\n\t«br.ctop.sptk 1b» ;;",
            "`br.ctop.sptk 1b' writes PR63, which `(p63) br.cond.sptk 1b' reads in the same group; a stop "
            "(;;) is due between",
        ),
    )
    valid = (
        "mov r9 = r8\n\tmov r8 = r10 ;;",
        "1:\n(p63)\tbr.cond.sptk 1b ;;\n\tbr.ctop.sptk 1b ;;",
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Every register that is written after a read that forbids it."""
        for found in subject.of(find_violations):
            if found.kind == "WAR":
                message = f"{found.later} writes {found.resource}, which {found.earlier} reads in the same group"
                yield found.finding(f"{message}; {found.due}")
