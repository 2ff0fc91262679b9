"""PV003: a privileged instruction with no op."""

from __future__ import annotations

from collections.abc import Iterator

from pvasm.check.code import Code, find_exposures
from pvasm.check.example import Flagged
from pvasm.check.exposure import code_of, described
from pvasm.check.finding import Finding
from pvasm.check.rule import Rule
from pvasm.check.subject import Subject


class PrivilegedInstructionWithoutOp(Rule):
    """A privileged instruction without an op still works where a hypervisor emulates it: slowly, but right.

    It is worth knowing of on a path that runs often, and in code that must run where nothing is emulated: move it off
    such a path, or call a function of the kernel's that each instance has its own of. Elsewhere it may stay; `ignore`
    in the configuration, or a suppression, says that somebody has looked.
    """

    code = "PV003"
    title = "privileged instruction without an op"
    severity = "note"
    invalid = (
        Flagged("«ptc.l r2, r3»", "privileged instruction used directly; no op replaces it, so it traps in a guest"),
        Flagged("«mov cr.dcr=r2»", "privileged instruction used directly; no op replaces it, so it traps in a guest"),
        Flagged(
            "«itr.d dtr[r2]=r3»",
            "privileged instruction used directly; Linux has no op for it, so it traps in a guest: ITR_D of "
            "the extension would do (--extension)",
        ),
        Flagged(
            "«mov rr[r2]=r3»",
            "privileged instruction used directly; Linux has no op for it, so it traps in a guest: MOV_TO_RR "
            "of the extension would do (--extension)",
        ),
        Flagged("«tpa r2=r3»", "privileged instruction used directly; no op replaces it, so it traps in a guest"),
        Flagged("«ssm psr.dfh»", "privileged instruction used directly; no op replaces it, so it traps in a guest"),
    )
    valid = ("mov r8=cr.ifx", "mov r16=cr.ifa", "rfi", "nop 0", "mov r8=ar.itc")

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Every exposed instruction that is privileged and that no op replaces."""
        nothing = subject.of(Code).names.registers  # `mov r8 = cr.ifx' traps nowhere: it is a move of a symbol
        for exposure in subject.of(find_exposures):
            if any(exposure.start <= name.start and name.end <= exposure.end for name in nothing):
                continue
            if code_of(exposure) == self.code:
                yield Finding(exposure.start, exposure.end, described(exposure, subject.intrinsics))
