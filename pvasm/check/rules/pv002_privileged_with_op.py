"""PV002: a privileged instruction for which an op exists."""

from __future__ import annotations

from collections.abc import Iterator

from pvasm.check.code import find_exposures
from pvasm.check.direct_use import reported
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
    invalid = ("mov r16=cr.ifa", "(p6) itc.d r18", "rfi", "bsw.1", "ssm psr.i", "rsm psr.i | psr.ic", "mov ar.k6=r13")
    valid = ("MOV_FROM_IFA(r16)", "ITC_D(p6, r18, r19)", "RFI", "ptc.l r2, r3", "mov cr.dcr=r2", "mov r3=ar.k6")

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Every exposed instruction that is privileged and that some op replaces."""
        for exposure in subject.of(find_exposures):
            if exposure.sensitivity == "privileged" and exposure.has_op:
                yield reported(subject, exposure, "privileged instruction")
