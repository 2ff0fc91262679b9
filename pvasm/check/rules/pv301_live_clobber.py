"""PV301: a clobber that is live."""

from __future__ import annotations

from collections.abc import Iterator

from pvasm.check.clobbers import Clobbers
from pvasm.check.example import Flagged
from pvasm.check.finding import Finding
from pvasm.check.rule import Rule
from pvasm.check.subject import Subject


class LiveClobber(Rule):
    """An op may overwrite its clobbers, or not: code must not need the values that they had before it.

    On bare hardware most ops leave their clobbers alone, so a value that is still needed survives there; under a
    hypervisor it is gone. The finding shows the path from the op to the instruction that reads the register: over
    branches, past writes that are predicated and may not happen, into helpers of the same file and back. Local and
    input registers live through calls. Unknown code ends a path. An instruction whose result does not depend on the
    register (`xor r17=r17,r17`) is no read; the op must then leave no NaT there, and those of pvasm do not.

    A register may also be live by the software conventions (Itanium Software Conventions and Runtime Architecture
    Guide, register usage), where control leaves the file: sp, gp and tp; a preserved register (r4-r7, p1-p5, p16-p63)
    that is not saved before or not put back; a result (r8-r11) or argument (`out0`) that was set before the op and
    that nothing else reads; after an interruption, a register of the interrupted code that is not saved. Where code
    that is not known comes before the op, nothing is said of conventions, and what a function writes of its own accord
    is taken for its own. Clobber another register, or read the value before.
    """

    code = "PV301"
    title = "clobber that is live"
    severity = "error"
    follows_flow = True
    in_mixed_headers = False
    invalid = (
        Flagged(
            "\tmov r8 = 1 ;;\n\tITC_D(p0, r18, «r8») ;;\n\tadd r9 = r8, r10 ;;",
            "ITC_D clobbers r8, which is live: read at line 3; give it another register",
        ),
        Flagged(
            "\tSSM_PSR_I(p0, «p6», r14) ;;\n(p6)\tmov r9 = r10 ;;",
            "SSM_PSR_I clobbers p6, which is live: read at line 2; give it another register",
        ),
        Flagged(
            "\tITC_D(p0, r18, «r19») ;;\n(p6)\tbr.cond.sptk 1f\n\tmov r19 = 0 ;;\n1:\tadd r9 = r19, r10 ;;",
            "ITC_D clobbers r19, which is live: read at line 4; give it another register",
        ),
        Flagged(
            "1:\tadd r9 = r19, r10 ;;\n\tITC_D(p0, r18, «r19») ;;\n(p6)\tbr.cond.sptk 1b ;;",
            "ITC_D clobbers r19, which is live: read at line 1; give it another register",
        ),
        Flagged(
            "\tITC_D(p0, r18, «r19») ;;\n(p6)\tmov r19 = 0 ;;\n\tadd r9 = r19, r10 ;;",
            "ITC_D clobbers r19, which is live: read at line 3; give it another register",
        ),
        Flagged(
            "\tITC_D(p0, r18, «r19») ;;\n\tMOV_TO_IFA(r19, r20)",
            "ITC_D clobbers r19, which is live: read at line 2; give it another register",
        ),
    )
    valid = (
        "ITC_D(p0, r18, r19) ;;\n\tmov r19 = 0 ;;\n\tadd r9 = r19, r10 ;;",
        "ITC_D(p0, r18, r19) ;;\n(p6)\tmov r19 = 0 ;;\n(p6)\tadd r9 = r19, r10 ;;",
        "ITC_D(p0, r18, r19) ;;\n\tbr.ret.sptk rp\n\tadd r9 = r19, r10 ;;",
        "ITC_D(p0, r18, r19) ;;\n\tRFI\n\tadd r9 = r19, r10 ;;",
        "ITC_D(p0, r18, r19) ;;\n\tSAVE_ALL\n\tadd r9 = r19, r10 ;;",
        "cmp.eq p6, p7 = r8, r9\n\tITC_D(p0, r18, r19) ;;\n(p6)\tmov r19 = 0\n(p7)\tmov r19 = 1 ;;\n\tmov r9 = r19 ;;",
        "ITC_D(p0, r18, r19) ;;\n#ifdef A\n\tmov r19 = 0 ;;\n#else\n\tmov r19 = 1 ;;\n#endif\n\tadd r9 = r19, r10 ;;",
        "ITC_D(p0, r18, r19) ;;\n(p6)\tmov r19 = 0 ;;\n(p6)\tcmp.eq.unc p6, p7 = r8, r9 ;;\n(p6)\tmov r9 = r19 ;;",
        "1:\tmov r9 = r19 ;;\n\tITC_D(p0, r18, r19) ;;\n(p6)\tmov r19 = 0 ;;\n(p6)\tbr.cond.sptk 1b ;;",
        "THASH(p0, r19, r18, r20) ;;\n\tadd r9 = r19, r10 ;;",
        "ITC_D(p0, r18, r17) ;;\n\txor r17 = r17, r17 ;;\n\tadd r9 = r17, r10 ;;",
        "alloc loc0 = ar.pfs, 1, 4, 1, 0 ;;\n\tITC_D(p0, r18, out0) ;;\n\tbr.call.sptk.many rp = f ;;\n\tmov r8 = out0",
        "mov loc1 = r4 ;;\n\tITC_D(p0, r18, r4) ;;\n\tmov r4 = loc1 ;;\n\tbr.ret.sptk.many rp",
        "SAVE_ALL\n\tITC_D(p0, r18, r12) ;;",
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Every clobber that is live, but for those that the op's own group reads."""
        for found in subject.of(Clobbers).live:
            if not found.in_group:
                message = f"{found.op} clobbers {found.text}, which is live: {found.why}; give it another register"
                yield Finding(found.start, found.end, message, details=found.path, related=found.related)
