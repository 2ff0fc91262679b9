"""PV003: a privileged instruction with no op."""

from __future__ import annotations

from collections.abc import Iterator

from pvasm.check.code import find_exposures
from pvasm.check.example import Flagged
from pvasm.check.exposure import described
from pvasm.check.finding import Finding
from pvasm.check.rule import Rule
from pvasm.check.subject import Subject
from pvasm.check.unknown_names import unknown_registers


class PrivilegedInstructionWithoutOp(Rule):
    """A privileged instruction without an op still works where a hypervisor emulates it: slowly, but right.

    It is worth knowing of on a path that runs often, and in code that must run where nothing is emulated.
    """

    code = "PV003"
    title = "privileged instruction without an op"
    severity = "note"
    invalid = (
        Flagged("«ptc.l r2, r3»", "privileged instruction used directly; the catalog has no op for it, and it traps"),
        Flagged("«mov cr.dcr=r2»", "privileged instruction used directly; the catalog has no op for it, and it traps"),
        Flagged(
            "«itr.d dtr[r2]=r3»",
            "privileged instruction used directly; Linux has no op for it, and it traps (the extension has "
            "ITR_D: --extension)",
        ),
        Flagged(
            "«mov rr[r2]=r3»",
            "privileged instruction used directly; Linux has no op for it, and it traps (the extension has "
            "MOV_TO_RR: --extension)",
        ),
        Flagged("«tpa r2=r3»", "privileged instruction used directly; the catalog has no op for it, and it traps"),
        Flagged("«ssm psr.dfh»", "privileged instruction used directly; the catalog has no op for it, and it traps"),
    )
    valid = ("mov r16=cr.ifa", "rfi", "nop 0", "mov r8=ar.itc", "mov r8=cr.ifx")

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Every exposed instruction that is privileged and that no op replaces, unless a register is none (PV910)."""
        unknown = [name.start for name in unknown_registers(subject)]
        for exposure in subject.of(find_exposures):
            if exposure.sensitivity != "privileged" or exposure.has_op:
                continue
            if not any(exposure.start <= start < exposure.end for start in unknown):
                yield Finding(exposure.start, exposure.end, described(exposure, "privileged instruction"))
