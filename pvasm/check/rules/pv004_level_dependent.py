"""PV004: an instruction whose effect depends on the privilege level."""

from __future__ import annotations

from collections.abc import Iterator

from pvasm.check.code import find_exposures
from pvasm.check.example import Flagged
from pvasm.check.exposure import code_of, described
from pvasm.check.finding import Finding
from pvasm.check.rule import Rule
from pvasm.check.subject import Subject


class LevelDependentInstruction(Rule):
    """Some instructions read, change or answer by the privilege level, and are right all the same in most places.

    `probe` answers for the level that it is asked about, `epc` changes the level, `sum`, `rum` and moves of
    `psr.um` touch what a guest may touch, `mov ar.rsc =` silently raises the level of the register stack's stores,
    the kernel registers are readable everywhere. Worth a look where a kernel is ported to another privilege level;
    off unless selected.
    """

    code = "PV004"
    title = "level-dependent instruction"
    severity = "note"
    on_by_default = False
    invalid = (
        Flagged(
            "«probe.r r2=r3,0»",
            "what this does depends on the privilege level: see that it is right above level 0, too",
        ),
        Flagged("«epc»", "what this does depends on the privilege level: see that it is right above level 0, too"),
        Flagged(
            "«sum psr.up»", "what this does depends on the privilege level: see that it is right above level 0, too"
        ),
        Flagged(
            "«rum psr.up»", "what this does depends on the privilege level: see that it is right above level 0, too"
        ),
        Flagged(
            "«mov psr.um=r2»", "what this does depends on the privilege level: see that it is right above level 0, too"
        ),
        Flagged(
            "«mov r2=psr.um»", "what this does depends on the privilege level: see that it is right above level 0, too"
        ),
        Flagged(
            "«mov ar.rsc=0»", "what this does depends on the privilege level: see that it is right above level 0, too"
        ),
        Flagged(
            "«mov r2=ar.k6»", "what this does depends on the privilege level: see that it is right above level 0, too"
        ),
    )
    valid = ("mov r2=ar.rsc", "mov ar.k6=r2", "mov r2=psr", "nop 0")

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Every exposed instruction that is level-dependent."""
        for exposure in subject.of(find_exposures):
            if code_of(exposure) == self.code:
                yield Finding(exposure.start, exposure.end, described(exposure))
