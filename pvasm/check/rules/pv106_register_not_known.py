"""PV106: a register that an instance must know, by a name that does not tell."""

from __future__ import annotations

from collections.abc import Iterator

from pvasm.check.example import Flagged
from pvasm.check.finding import Finding
from pvasm.check.misuses import find_misuses
from pvasm.check.rule import Rule
from pvasm.check.subject import Subject


class RegisterNotKnown(Rule):
    """What an instance makes of an op may depend on which registers the arguments are.

    A hyperprivop of Xen's takes its argument in r8: if that is the register given, nothing need be moved or kept. A
    name that a header defines, a parameter of a macro, or `loc0` do not tell which register they are, so the file as it
    stands cannot be expanded for that instance. After the C preprocessor it can, as a rule.
    """

    code = "PV106"
    title = "register that an instance must know and cannot"
    severity = "error"
    in_mixed_headers = False
    invalid = (
        Flagged(
            "\tMOV_FROM_IVR(«reg», r9)\n",
            "MOV_FROM_IVR: in instance xen it matters which register reg is, and its name does not tell; "
            "expand after the C preprocessor has run [xen]",
        ),
        Flagged(
            "\tMOV_TO_IFA(r34, «loc0»)\n",
            "MOV_TO_IFA: in instance xen it matters which register loc0 is, and its name does not tell; "
            "write it by its number, as r32 [xen]",
        ),
        Flagged(
            "#define GET(r) \\\n\tMOV_FROM_IVR(«r», r9)",
            "MOV_FROM_IVR: in instance xen it matters which register r is, and its name does not tell; "
            "expand after the C preprocessor has run [xen]",
        ),
    )
    valid = (
        "MOV_FROM_IVR(r34, r9)",
        "MOV_FROM_IFA(reg)",
        "MOV_FROM_IPSR(pUser, reg)",
        "#define reg r8\n\tMOV_FROM_IVR(reg, r9)",
        "MOV_FROM_IVR(in0, r9)",
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Every invocation that cannot be expanded for an instance because of a name."""
        for misuse in subject.of(find_misuses):
            if misuse.fault == "not_known":
                yield misuse.finding
