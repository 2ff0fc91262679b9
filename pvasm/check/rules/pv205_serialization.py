"""PV205: an instruction may come before the serialization that it needs."""

from __future__ import annotations

from collections.abc import Iterator

from pvasm.check.example import Flagged
from pvasm.check.finding import Finding
from pvasm.check.groups import find_violations
from pvasm.check.rule import Rule
from pvasm.check.subject import Subject


class MissingSerialization(Rule):
    """What is written through the system's registers is seen by other instructions only after a serialization.

    `srlz.d` makes loads and stores see it, `srlz.i` instruction fetch as well (after control registers, region and
    protection key registers, translations, `ssm` and `rsm`); `rfi` serializes, too. Without one, an instruction may or
    may not see the change. Kernels leave some out on purpose, where an `rfi` follows in any case or the change does
    not matter yet: a note. (SDM vol. 2, 3.2; vol. 3, 5.3.)
    """

    code = "PV205"
    title = "use before the serialization that is due"
    severity = "note"
    follows_flow = True
    in_mixed_headers = False
    invalid = (
        Flagged(
            "\titc.d r8 ;;\n\t«ld8 r9 = [r10]» ;;",
            "`ld8 r9 = [r10]' may not see DTC as `itc.d r8' leaves it: srlz.d is due between",
        ),
        Flagged(
            "\trsm psr.dt ;;\n\t«ld8 r9 = [r10]» ;;",
            "`ld8 r9 = [r10]' may not see PSR.dt as `rsm psr.dt' leaves it: srlz.d is due between",
        ),
    )
    valid = (
        "itc.d r8 ;;\n\tsrlz.d ;;\n\tld8 r9 = [r10] ;;",
        "rsm psr.dt ;;\n\tsrlz.d ;;\n\tld8 r9 = [r10] ;;",
        "itc.d r8 ;;\n\trfi ;;\n\tld8 r9 = [r10] ;;",
        "mov cr.ifa = r8 ;;\n\titc.d r9 ;;\n\trfi ;;",
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Every instruction that stands before the serialization which it needs."""
        for found in subject.of(find_violations):
            if found.kind == "serialization":
                message = f"{found.later} may not see {found.resource} as {found.earlier} leaves it: {found.due}"
                yield found.finding(message)
