"""PV603: ar.bspstore or ar.rnat touched while the register stack engine may run ahead."""

from __future__ import annotations

from collections.abc import Iterator

from pvasm.check.example import Flagged
from pvasm.check.finding import Finding, Related
from pvasm.check.rse_mode import BusyAccesses
from pvasm.check.rule import Rule
from pvasm.check.subject import Subject


class RseMode(Rule):
    """While ar.rsc.mode is not 0, the register stack engine moves ar.bspstore and ar.rnat by itself.

    An access to one of them then takes an Illegal Operation fault (SDM vol. 2, 6.5.1; vol. 3, mov ar). Said only where
    every path that leads to the instruction has set a mode that is not 0 before, by `mov ar.rsc = number`, and no call
    or unknown code comes between. Write `mov ar.rsc = 0` before.
    """

    code = "PV603"
    title = "ar.bspstore or ar.rnat used while ar.rsc.mode is not 0"
    severity = "note"
    follows_flow = True
    in_mixed_headers = False
    invalid = (
        Flagged(
            "\tmov ar.rsc = 3 ;;\n\t«mov ar.bspstore = r16»\n\tnop 0",
            "ar.bspstore is used while ar.rsc.mode is 3 (set at line 1): that faults; write `mov ar.rsc = 0' before",
        ),
        Flagged(
            "\tmov ar.rsc = 0\n(p6)\tbr.cond.sptk 1f\n1:\tmov ar.rsc = 0xf ;;\n\t«mov r16 = ar.rnat»\n\tnop 0",
            "ar.rnat is used while ar.rsc.mode is 3 (set at line 3): that faults; write `mov ar.rsc = 0' before",
        ),
        Flagged(
            "(p6)\tmov ar.rsc = 3\n\tmov ar.rsc = 1 ;;\n\t«mov ar.rnat = r16»\n\tnop 0",
            "ar.rnat is used while ar.rsc.mode is 1 (set at line 2): that faults; write `mov ar.rsc = 0' before",
        ),
    )
    valid = (
        "mov ar.rsc = 0 ;;\n\tmov ar.bspstore = r16",
        "mov ar.bspstore = r16",
        "mov ar.rsc = 3 ;;\n\tbr.call.sptk rp = f ;;\n\tmov ar.bspstore = r16",
        "mov ar.rsc = r16 ;;\n\tmov ar.bspstore = r16",
        "(p6)\tmov ar.rsc = 3 ;;\n\tmov ar.bspstore = r16",
        "mov ar.rsc = 3\n(p6)\tmov ar.rsc = 0 ;;\n\tmov r16 = ar.rnat",
        "mov ar.rsc = 3 ;;\n1:\tmov r16 = ar.bspstore ;;\n\tmov ar.rsc = 0\n\tbr.cond.sptk 1b",
        "mov ar.rsc = 3 ;;\n\tmov r16 = ar.bsp",
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Every such access."""
        for found in subject.of(BusyAccesses).found:
            line = subject.document.place(found.setter.start).line
            message = f"{found.register} is used while ar.rsc.mode is {found.mode} (set at line {line}): that faults"
            setter = Related(found.setter.start, found.setter.end, f"sets ar.rsc.mode to {found.mode}")
            message += "; write `mov ar.rsc = 0' before"
            yield Finding(found.node.start, found.node.end, message, related=(setter,))
