"""PV201: a register or other resource is read in the instruction group that writes it."""

from __future__ import annotations

from collections.abc import Iterator

from pvasm.check.example import Flagged
from pvasm.check.finding import Finding
from pvasm.check.groups import find_violations
from pvasm.check.rule import Rule
from pvasm.check.subject import Subject


class ReadAfterWrite(Rule):
    """The instructions of a group run as if at once, so none may read what another writes (RAW).

    What such an instruction reads is undefined; processors differ. So it is for every resource of the architecture:
    registers, the fields of psr and ar.fpsr, the indexed files, translations, the current frame. Every variant is
    looked at: what stands in the source, with each instance's expansions in the place of the ops. Predicates that are
    known to exclude each other are respected, and so are the exceptions of the architecture (a branch may read a
    predicate that a compare of its group writes). GNU as warns of the same in explicit mode; in automatic mode
    (`.auto`) it puts the stop in. Put a stop between, and a serialization where one is due. (SDM vol. 1, 3.4; vol. 3,
    5.3.)
    """

    code = "PV201"
    title = "register or resource read in the group that writes it"
    severity = "error"
    follows_flow = True
    in_mixed_headers = False
    invalid = (
        Flagged(
            "\tmov r8 = r9\n\t«add r10 = r8, r11» ;;",
            "`add r10 = r8, r11' reads r8, which `mov r8 = r9' writes in the same group; a stop (;;) is due between",
        ),
        Flagged(
            "\tcmp.eq p6, p7 = r8, r9\n«(p6)\tmov r10 = r11» ;;",
            "`(p6) mov r10 = r11' reads p6, which `cmp.eq p6, p7 = r8, r9' writes in the same group; a stop "
            "(;;) is due between",
        ),
        Flagged(
            "\tmov r8 = r9\n\t«MOV_TO_IFA(r8, r10)» ;;",
            "`mov cr.ifa = r8' reads r8, which `mov r8 = r9' writes in the same group; a stop (;;) is due "
            "between [native, trap]",
        ),
        Flagged(
            "\t«MOV_FROM_IFA(r8)»\n\tadd r9 = r8, r10 ;;",
            "`add r9 = r8, r10' reads r8, which `mov r8 = cr.ifa' writes in the same group; a stop (;;) is "
            "due between [native, trap, xen]",
        ),
        Flagged(
            "\tmov ar.lc = r8\n\t«mov r9 = ar.lc» ;;",
            "`mov r9 = ar.lc' reads AR[LC], which `mov ar.lc = r8' writes in the same group; a stop (;;) is "
            "due between",
        ),
        Flagged(
            "\tssm psr.i\n\t«mov r8 = psr» ;;",
            "`mov r8 = psr' reads PSR.i, which `ssm psr.i' writes in the same group; a stop (;;) is due between",
        ),
        Flagged(
            "\tmov rr[r8] = r9\n\t«mov r10 = rr[r11]» ;;",
            "`mov r10 = rr[r11]' reads RR#, which `mov rr[r8] = r9' writes in the same group; a stop (;;) is "
            "due between",
        ),
        Flagged(
            "\trsm psr.dt\n\t«ld8 r8 = [r9]» ;;",
            "`ld8 r8 = [r9]' reads PSR.dt, which `rsm psr.dt' writes in the same group; srlz.d is due between",
        ),
    )
    valid = (
        "mov r8 = r9 ;;\n\tadd r10 = r8, r11 ;;",
        "cmp.eq p6, p7 = r8, r9\n(p6)\tbr.cond.sptk 1f ;;\n1:",
        "cmp.eq p6, p7 = r8, r9 ;;\n(p6)\tmov r8 = r9\n(p7)\tadd r10 = r8, r11 ;;",
        "mov r8 = r9\n#ifdef A\n\t;;\n\tadd r10 = r8, r11\n#else\n\tnop 0\n#endif\n\t;;",
        "MOV_FROM_IFA(r8) ;;\n\tadd r9 = r8, r10 ;;",
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Every register that is read in the group in which it is written before."""
        for found in subject.of(find_violations):
            if found.kind == "RAW":
                message = f"{found.later} reads {found.resource}, which {found.earlier} writes in the same group"
                yield found.finding(f"{message}; {found.due}")
