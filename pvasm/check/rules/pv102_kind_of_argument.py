"""PV102: an argument of the wrong kind."""

from __future__ import annotations

from collections.abc import Iterator

from pvasm.check.example import Flagged
from pvasm.check.finding import Finding
from pvasm.check.misuses import find_misuses
from pvasm.check.rule import Rule
from pvasm.check.subject import Subject


class WrongKindOfArgument(Rule):
    """Each parameter of an op takes a general register, a predicate register, or the name of a kernel register.

    What is written or clobbered must be a register that can be: not r0, not p0, no number. Where a header's name or a
    macro's parameter stands, any kind may come of it; it is looked at where the file itself says what it stands for.
    """

    code = "PV102"
    title = "argument of the wrong kind"
    severity = "error"
    in_mixed_headers = False
    invalid = (
        Flagged(
            "\tITC_D(«r6», r18, r19)\n",
            "ITC_D, parameter pred: r6 is a general register where a predicate register is due",
        ),
        Flagged(
            "\tITC_D(p6, «p7», r19)\n",
            "ITC_D, parameter reg: p7 is a predicate register where a general register is due",
        ),
        Flagged(
            "\tMOV_FROM_IFA(«r0»)\n",
            "MOV_FROM_IFA, parameter reg: r0 cannot be written; a general register to write to is due",
        ),
        Flagged(
            "\tMOV_FROM_IFA(«7»)\n",
            "MOV_FROM_IFA, parameter reg: 7 is a number where a general register to write to is due",
        ),
        Flagged(
            "\tMOV_FROM_IFA(«f8»)\n",
            "MOV_FROM_IFA, parameter reg: f8 is a floating-point register where a general register to write to is due",
        ),
        Flagged(
            "\tMOV_FROM_IFA(«r128»)\n",
            "MOV_FROM_IFA, parameter reg: r128 is no register that there is where a general register to "
            "write to is due",
        ),
        Flagged(
            "\tMOV_FROM_IVR(r8, «)»\n",
            "MOV_FROM_IVR, parameter clob: nothing is given where a general register to clobber is due",
        ),
        Flagged(
            "\tSSM_PSR_I(p6, «p0», r8)\n",
            "SSM_PSR_I, parameter pred_clob: p0 cannot be written; a predicate register to clobber is due",
        ),
        Flagged(
            "\tITC_D(«(p6)», r18, r19)\n",
            "ITC_D, parameter pred: write p6 without parentheses",
            fixed="\tITC_D(p6, r18, r19)\n",
        ),
        Flagged(
            "\tMOV_TO_KR(«CURENT», r8, r9, r10)\n",
            "MOV_TO_KR, parameter kr: CURENT is no kernel register; known are IO_BASE, TSSD, PER_CPU_DATA, "
            "CURRENT_STACK, FPU_OWNER, CURRENT, PT_BASE",
        ),
        Flagged(
            "\tMOV_TO_KR(«6», r8, r9, r10)\n",
            "MOV_TO_KR, parameter kr: 6 is no kernel register; known are IO_BASE, TSSD, PER_CPU_DATA, "
            "CURRENT_STACK, FPU_OWNER, CURRENT, PT_BASE",
        ),
        Flagged(
            "#define GET(r) \\\n\tMOV_FROM_IFA(«r»)\n\tGET(p6)",
            "MOV_FROM_IFA, parameter reg: p6 is a predicate register where a general register to write to is "
            "due where GET is invoked on line 3",
        ),
        Flagged(
            "#define CLOB p6\n\tMOV_FROM_IVR(r8, «CLOB»)",
            "MOV_FROM_IVR, parameter clob: CLOB is a predicate register where a general register to clobber is due",
        ),
    )
    valid = (
        "ITC_D(p0, r0, r19)",
        "ITC_D(pUser, in0, loc0)",
        "MOV_FROM_IFA(FAULT_REGISTER)",
        "MOV_FROM_IFA(sp)",
        "MOV_TO_KR(CURRENT, r8, r9, r10)",
        ".macro get r\n\tMOV_FROM_IFA(\\r)\n.endm\n\tget r8",
        "#define SET(name) MOV_TO_KR(name, r8, r9, r10)",
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Every argument that is of the wrong kind."""
        for misuse in subject.of(find_misuses):
            if misuse.fault == "kind":
                yield misuse.finding
