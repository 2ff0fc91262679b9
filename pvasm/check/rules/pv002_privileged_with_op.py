"""PV002: a privileged instruction for which an op exists."""

from __future__ import annotations

from collections.abc import Iterator

from pvasm.check.code import find_exposures
from pvasm.check.direct_use import reported
from pvasm.check.example import Flagged
from pvasm.check.exposure import code_of
from pvasm.check.finding import Finding
from pvasm.check.rule import Rule
from pvasm.check.subject import Subject


class PrivilegedInstructionWithOp(Rule):
    """A privileged instruction faults above privilege level 0, so a hypervisor can emulate it, at the cost of a trap.

    Where the catalog has an op for it, that cost is known to matter, and the op avoids it. Write the op instead.
    """

    code = "PV002"
    title = "privileged instruction used where an op exists"
    severity = "error"
    invalid = (
        Flagged(
            "«mov r16=cr.ifa»", "privileged instruction used directly: use MOV_FROM_IFA(r16)", fixed="MOV_FROM_IFA(r16)"
        ),
        Flagged(
            "«(p6) itc.d r18»",
            "privileged instruction used directly: use ITC_D(p6, r18, clob), where clob is a general "
            "register to clobber",
        ),
        Flagged("«rfi»", "privileged instruction used directly: use RFI", fixed="RFI"),
        Flagged(
            "«bsw.1»",
            "privileged instruction used directly: use BSW_1(clob0, clob1), where clob0 and clob1 are "
            "general registers to clobber",
        ),
        Flagged(
            "«ssm psr.i»",
            "privileged instruction used directly: use SSM_PSR_I(p0, pred_clob, clob), where pred_clob is a "
            "predicate register to clobber, clob is a general register to clobber",
        ),
        Flagged(
            "«rsm psr.i | psr.ic»",
            "privileged instruction used directly: use RSM_PSR_I_IC(clob0, clob1, clob2), where clob0, clob1 "
            "and clob2 are general registers to clobber",
        ),
        Flagged(
            "«mov ar.k6=r13»",
            "privileged instruction used directly: use MOV_TO_KR(CURRENT, r13, clob0, clob1), where clob0 "
            "and clob1 are general registers to clobber",
        ),
    )
    valid = ("MOV_FROM_IFA(r16)", "ITC_D(p6, r18, r19)", "RFI", "ptc.l r2, r3", "mov cr.dcr=r2", "mov r3=ar.k6")

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Every exposed instruction that is privileged and that some op replaces."""
        for exposure in subject.of(find_exposures):
            if code_of(exposure) == self.code:
                yield reported(subject, exposure)
