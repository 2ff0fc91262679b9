"""PV003: a privileged instruction with no op."""

from __future__ import annotations

from collections.abc import Iterator

from pvasm.check.code import find_exposures
from pvasm.check.exposure import described
from pvasm.check.finding import Finding
from pvasm.check.rule import Rule
from pvasm.check.subject import Subject


class PrivilegedInstructionWithoutOp(Rule):
    """A privileged instruction without an op still works where a hypervisor emulates it: slowly, but right.

    It is worth knowing of on a path that runs often, and in code that must run where nothing is emulated.
    """

    code = "PV003"
    title = "privileged instruction without an op"
    severity = "note"
    invalid = ("ptc.l r2, r3", "mov cr.dcr=r2", "itr.d dtr[r2]=r3", "mov rr[r2]=r3", "tpa r2=r3", "ssm psr.dfh")
    valid = ("mov r16=cr.ifa", "rfi", "nop 0", "mov r8=ar.itc")

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Every exposed instruction that is privileged and that no op replaces."""
        for exposure in subject.of(find_exposures):
            if exposure.sensitivity == "privileged" and not exposure.has_op:
                yield Finding(exposure.start, exposure.end, described(exposure, "privileged instruction"))
