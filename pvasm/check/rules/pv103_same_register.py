"""PV103: one register for two parameters that an instance needs apart."""

from __future__ import annotations

from collections.abc import Iterator

from pvasm.check.example import Flagged
from pvasm.check.finding import Finding
from pvasm.check.misuses import find_misuses
from pvasm.check.rule import Rule
from pvasm.check.subject import Subject


class SameRegisterTwice(Rule):
    """An instance may write a clobber before it reads an input, or use two clobbers at a time.

    On bare hardware most ops are one instruction that leaves its clobbers alone, so the same register in two places
    does no harm there, and a wrong value elsewhere. Which parameters must be apart is part of the instance
    (`apart` in its file). Different names of one register (`ret0` and `r8`) are the same register.
    """

    code = "PV103"
    title = "same register for parameters that must be apart"
    severity = "error"
    in_mixed_headers = False
    invalid = (
        Flagged(
            "\tMOV_TO_IFA(r8, «r8»)\n",
            "MOV_TO_IFA: reg and clob must be different registers in instance xen; both are r8 [xen]",
        ),
        Flagged(
            "\tMOV_FROM_IVR(r8, «ret0»)\n",
            "MOV_FROM_IVR: reg and clob must be different registers in instance xen; both are ret0 [xen]",
        ),
        Flagged(
            "\tMOV_TO_KR(CURRENT, r8, r9, «r9»)\n",
            "MOV_TO_KR: clob0 and clob1 must be different registers in instance xen; both are r9 [xen]",
        ),
        Flagged(
            "\tTHASH(p0, r8, r9, «r9»)\n",
            "THASH: address and clob must be different registers in instances trap and xen; both are r9 [trap, xen]",
        ),
        Flagged(
            "#define TEMP r18\n\tITC_D(p0, r18, «TEMP»)",
            "ITC_D: reg and clob must be different registers in instance xen; both are TEMP [xen]",
        ),
        Flagged(
            "#define SET(r, c) \\\n\tMOV_TO_IFA(r, «c»)\n\tSET(r8, r9)\n\tSET(r9, r9)",
            "MOV_TO_IFA: reg and clob must be different registers in instance xen; both are r9 where SET is "
            "invoked on line 4 [xen]",
        ),
        Flagged(
            "#define SET(r) \\\n\tMOV_TO_IFA(r, «r»)",
            "MOV_TO_IFA: reg and clob must be different registers in instance xen; both are r [xen]",
        ),
    )
    valid = (
        "MOV_TO_IFA(r8, r9)",
        "THASH(p0, r8, r8, r9)",
        "SSM_PSR_I(p6, p6, r14)",
        "RSM_PSR_I(p0, r8, r9)",
        "#define SET(r, c) MOV_TO_IFA(r, c)\n\tSET(r8, r9)",
        "#ifdef __IA64_ASM_PARAVIRTUALIZED_NATIVE\n\tMOV_TO_IFA(r8, r8)\n#endif",
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Every argument that is the same register as another, against what an instance needs."""
        for misuse in subject.of(find_misuses):
            if misuse.fault == "apart":
                yield misuse.finding
