"""PV302: a clobber that the op's own group still needs."""

from __future__ import annotations

from collections.abc import Iterator

from pvasm.check.clobbers import Clobbers
from pvasm.check.example import Flagged
from pvasm.check.finding import Finding
from pvasm.check.rule import Rule
from pvasm.check.subject import Subject


class ClobberNeededInGroup(Rule):
    """The instructions of a group run as if at once: one that stands after an op reads what was there before it.

    So it is on bare hardware, where the op is one instruction that leaves its clobbers alone. An instance's expansion
    is several, often with stops between them, and then the instruction reads what the expansion has left in the
    clobber. Read the value before the op, or clobber another register. A taken branch ends a group (SDM vol. 1, 3.3):
    what is read behind one is PV301's.
    """

    code = "PV302"
    title = "clobber that the same instruction group still reads"
    severity = "error"
    follows_flow = True
    in_mixed_headers = False
    invalid = (
        Flagged(
            "\tITC_D(p0, r18, «r19»)\n\tadd r9 = r19, r10 ;;",
            "ITC_D clobbers r19, which is live: read at line 2, in the same instruction group; give it "
            "another register, or read this one before",
        ),
        Flagged(
            "\tSSM_PSR_I(p0, «p6», r14)\n(p6)\tmov r9 = r10 ;;",
            "SSM_PSR_I clobbers p6, which is live: read at line 2, in the same instruction group; give it "
            "another register, or read this one before",
        ),
        Flagged(
            "\tMOV_TO_IFA(r16, «r17»)\n\tMOV_TO_ITIR(p0, r17, r18) ;;",
            "MOV_TO_IFA clobbers r17, which is live: read at line 2, in the same instruction group; give it "
            "another register, or read this one before",
        ),
    )
    valid = (
        "add r9 = r19, r10\n\tITC_D(p0, r18, r19) ;;",
        "ITC_D(p0, r18, r19)\n\tmov r19 = r10 ;;\n\tadd r9 = r19, r10 ;;",
        "ITC_D(p0, r18, r19)\n\tadd r9 = r18, r10 ;;",
        "ITC_D(p0, r18, r19)\n(p6)\tbr.cond.sptk 1f\n\tbr.ret.sptk rp\n1:\tadd r9 = r19, r10 ;;",
        "ITC_D(p0, r18, r19)\n\t.align 16\n\tadd r9 = r19, r10 ;;",
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Every clobber that is read before the next stop."""
        for found in subject.of(Clobbers).live:
            if found.in_group:
                message = f"{found.op} clobbers {found.text}, which is live: {found.why}, in the same instruction group"
                advice = "give it another register, or read this one before"
                message = f"{message}; {advice}"
                yield Finding(found.start, found.end, message, details=found.path, related=found.related)
