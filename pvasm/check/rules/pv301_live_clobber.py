"""PV301: a clobber that is still needed."""

from __future__ import annotations

from collections.abc import Iterator

from pvasm.check.rule import Finding, Rule
from pvasm.check.subject import Subject


class LiveClobber(Rule):
    """What is handed over as a clobber is given away: an instance may overwrite it, or not.

    On bare hardware most ops leave their clobbers alone, so a value that is still needed survives there; under a
    hypervisor it is gone. The finding shows the way from the op to the instruction that reads the old value: over
    branches, and past writes that are predicated and may not happen. Calls, returns and code that is not in the file
    end a way. Give another register away, or read the value before.
    """

    code = "PV301"
    title = "clobber whose old value is read later"
    severity = "error"
    in_mixed_headers = False
    invalid = (
        "\tmov r8 = 1 ;;\n\tITC_D(p0, r18, r8) ;; // <--\n\tadd r9 = r8, r10 ;;",
        "\tSSM_PSR_I(p0, p6, r14) ;; // <--\n(p6)\tmov r9 = r10 ;;",
        "\tITC_D(p0, r18, r19) ;; // <--\n(p6)\tbr.cond.sptk 1f\n\tmov r19 = 0 ;;\n1:\tadd r9 = r19, r10 ;;",
        "1:\tadd r9 = r19, r10 ;;\n\tITC_D(p0, r18, r19) ;; // <--\n(p6)\tbr.cond.sptk 1b ;;",
        "\tITC_D(p0, r18, r19) ;; // <--\n(p6)\tmov r19 = 0 ;;\n\tadd r9 = r19, r10 ;;",
        "\tITC_D(p0, r18, r19) ;; // <--\n\tMOV_TO_IFA(r19, r20)",
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
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Every clobber from which a way leads to a read in a later group."""
        for found in subject.live_clobbers:
            if not found.in_group:
                message = f"{found.op} clobbers {found.text}, which is live: {found.why}"
                yield Finding(found.start, found.end, message, details=found.path)
