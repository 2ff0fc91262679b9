"""PV102: an argument of the wrong kind."""

from __future__ import annotations

from collections.abc import Iterator

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
        "\tITC_D(r6, r18, r19) // <--\n",
        "\tITC_D(p6, p7, r19) // <--\n",
        "\tMOV_FROM_IFA(r0) // <--\n",
        "\tMOV_FROM_IFA(7) // <--\n",
        "\tMOV_FROM_IFA(f8) // <--\n",
        "\tMOV_FROM_IFA(r128) // <--\n",
        "\tMOV_FROM_IVR(r8, ) // <--\n",
        "\tSSM_PSR_I(p6, p0, r8) // <--\n",
        "\tITC_D((p6), r18, r19) // <--\n",
        "\tMOV_TO_KR(CURENT, r8, r9, r10) // <--\n",
        "\tMOV_TO_KR(6, r8, r9, r10) // <--\n",
        "#define GET(r) \\\n\tMOV_FROM_IFA(r) // <--\n\tGET(p6)",
        "#define CLOB p6\n\tMOV_FROM_IVR(r8, CLOB) // <--",
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
