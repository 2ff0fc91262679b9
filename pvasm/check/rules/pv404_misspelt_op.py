"""PV404: a name that is nearly an op's."""

from __future__ import annotations

from collections.abc import Iterator

from pvasm.check.example import Flagged
from pvasm.check.finding import Finding
from pvasm.check.rule import Rule
from pvasm.check.subject import Subject


class MisspeltOp(Rule):
    """No instance knows a misspelt op, so it stays as it is; where a macro is tried for it, nobody knows which.

    A name counts as misspelt if it is an op's but for a slip or two, has as many arguments, and is neither an op nor a
    mnemonic nor a macro that the file defines. The name of another register (`MOV_FROM_IVA`) is no slip.
    """

    code = "PV404"
    title = "misspelt op"
    severity = "error"
    in_mixed_headers = False
    invalid = (
        Flagged("«MOV_FORM_IFA»(r16)", "nothing defines MOV_FORM_IFA: is MOV_FROM_IFA(reg) meant?"),
        Flagged("«MOV_FROM_IFFA»(r16)", "nothing defines MOV_FROM_IFFA: is MOV_FROM_IFA(reg) meant?"),
        Flagged("«mov_from_ifa»(r16)", "nothing defines mov_from_ifa: is MOV_FROM_IFA(reg) meant?"),
        Flagged("«MOVFROM_IFA»(r16)", "nothing defines MOVFROM_IFA: is MOV_FROM_IFA(reg) meant?"),
        Flagged(
            "«SSM_PSR_IC_AND_SRLZ_I»(r8, r9)",
            "nothing defines SSM_PSR_IC_AND_SRLZ_I: is SSM_PSR_IC_AND_SRLZ_D(clob0, clob1) meant?",
        ),
        Flagged(
            "«RSM_PSR_IC_I»(r8, r9, r10)", "nothing defines RSM_PSR_IC_I: is RSM_PSR_I_IC(clob0, clob1, clob2) meant?"
        ),
        Flagged("«BSW1»(r8, r9)", "nothing defines BSW1: is BSW_1(clob0, clob1) meant?"),
        Flagged("«COVRE»", "nothing defines COVRE: is COVER meant?"),
        Flagged("«ITC_DD»(p0, r18, r19)", "nothing defines ITC_DD: is ITC_D(pred, reg, clob) meant?"),
        Flagged(
            "#define GET(r) \\\n\t«MOV_FROM_IIIP»(r)", "nothing defines MOV_FROM_IIIP: is MOV_FROM_IIP(reg) meant?"
        ),
    )
    valid = (
        "MOV_FROM_IFA(r16)",
        "MOV_FROM_IVA(r16)",
        "SAVE_IFS(r16)",
        "BSW_2(r8, r9)",
        "COVERS_ALL",
        "ITC_INIT(p0, r18, r19)",
        "#define MOV_FROM_IFB(reg) nop 0\n\tMOV_FROM_IFB(r16)",
        ".macro COVERR\n\tnop 0\n.endm\n\tCOVERR",
        "MOV_FORM_IFA(r16, r17, r18)",
        "#define X(COVRE) COVRE",
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Every invocation of a name that is nearly an op's."""
        from pvasm.check.misspelling import find_misspellings

        for found in find_misspellings(subject):
            message = f"nothing defines {found.name}: is {found.op.signature} meant?"
            yield Finding(found.start, found.end, message)
