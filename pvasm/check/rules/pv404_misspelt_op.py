"""PV404: a name that is nearly an op's."""

from __future__ import annotations

from collections.abc import Iterator

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
        "MOV_FORM_IFA(r16)",
        "MOV_FROM_IFFA(r16)",
        "mov_from_ifa(r16)",
        "MOVFROM_IFA(r16)",
        "SSM_PSR_IC_AND_SRLZ_I(r8, r9)",
        "RSM_PSR_IC_I(r8, r9, r10)",
        "BSW1(r8, r9)",
        "COVRE",
        "ITC_DD(p0, r18, r19)",
        "#define GET(r) \\\n\tMOV_FROM_IIIP(r) // <--",
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
