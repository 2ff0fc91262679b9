"""PV202: a register or other resource is written twice in an instruction group."""

from __future__ import annotations

from collections.abc import Iterator

from pvasm.check.example import Flagged
from pvasm.check.finding import Finding
from pvasm.check.groups import find_violations
from pvasm.check.rule import Rule
from pvasm.check.subject import Subject


class WriteAfterWrite(Rule):
    """The instructions of a group run as if at once: of two that write one resource, either may be the last (WAW).

    So it is for every resource: registers, the fields of psr and ar.fpsr, the indexed files, translations. Every
    variant is looked at: what stands in the source, with each instance's expansions in the place of the ops.
    Predicates that are known to exclude each other are respected, and so are the exceptions of the architecture
    (parallel compares of one type may write the same predicate). GNU as warns of the same in explicit mode; in
    automatic mode (`.auto`) it puts the stop in. Put a stop between, and a serialization where one is due. (SDM vol. 1,
    3.4; vol. 3, 5.3.)
    """

    code = "PV202"
    title = "register or resource written twice in a group"
    severity = "error"
    follows_flow = True
    in_mixed_headers = False
    invalid = (
        Flagged(
            "\tmov r8 = r9\n\t«mov r8 = r10» ;;",
            "`mov r8 = r10' writes r8, as `mov r8 = r9' does in the same group; a stop (;;) is due between",
        ),
        Flagged(
            "\tMOV_FROM_IFA(r8)\n\t«MOV_FROM_ISR(r8)» ;;",
            "`mov r8 = cr.isr' writes r8, as `mov r8 = cr.ifa' does in the same group; a stop (;;) is due "
            "between [native, trap, xen]",
        ),
        Flagged(
            "(p6)\tmov r8 = r9\n«(p8)\tmov r8 = r10» ;;",
            "`(p8) mov r8 = r10' writes r8, as `(p6) mov r8 = r9' does in the same group; a stop (;;) is due between",
        ),
        Flagged(
            "\trsm psr.ic\n\t«ssm psr.ic» ;;",
            "`ssm psr.ic' writes PSR.ic, as `rsm psr.ic' does in the same group; a stop (;;) is due between",
        ),
    )
    valid = (
        "mov r8 = r9 ;;\n\tmov r8 = r10 ;;",
        "cmp.eq p6, p7 = r8, r9 ;;\n(p6)\tmov r8 = r9\n(p7)\tmov r8 = r10 ;;",
        '.pred.rel "mutex", p6, p8\n(p6)\tmov r8 = r9\n(p8)\tmov r8 = r10 ;;',
        "cmp.eq.or p6, p7 = r8, r9\n\tcmp.eq.or p6, p7 = r8, r10 ;;",
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Every register that is written twice in a group."""
        for found in subject.of(find_violations):
            if found.kind == "WAW":
                message = f"{found.later} writes {found.resource}, as {found.earlier} does in the same group"
                yield found.finding(f"{message}; {found.due}")
