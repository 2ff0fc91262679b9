"""PV104: a register that an instance does not take."""

from __future__ import annotations

from collections.abc import Iterator

from pvasm.check.example import Flagged
from pvasm.check.finding import Finding
from pvasm.check.misuses import find_misuses
from pvasm.check.rule import Rule
from pvasm.check.subject import Subject


class ForbiddenRegister(Rule):
    """An instance may rule out registers for a parameter (`not_among` in its file), as others may not.

    So a switch of register banks that saves r16-r31 in memory cannot use one of them as its pointer.
    """

    code = "PV104"
    title = "register that an instance does not take"
    severity = "error"
    in_mixed_headers = False
    invalid = (
        Flagged("\tBSW_0(r2, «r16», r3)\n", "BSW_0: clob1 must not be r16 in instance xen [xen]"),
        Flagged("\tBSW_1(«r31», r2)\n", "BSW_1: clob0 must not be r31 in instance xen [xen]"),
        Flagged("#define TEMP r17\n\tBSW_1(r2, «TEMP»)", "BSW_1: clob1 must not be TEMP in instance xen [xen]"),
    )
    valid = (
        "BSW_0(r2, r3, r14)",
        "BSW_1(r2, r32)",
        "MOV_FROM_IFA(r16)",
        "#ifdef __IA64_ASM_PARAVIRTUALIZED_NATIVE\n\tBSW_1(r16, r17)\n#endif",
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Every argument that an instance forbids."""
        for misuse in subject.of(find_misuses):
            if misuse.fault == "not_among":
                yield misuse.finding
