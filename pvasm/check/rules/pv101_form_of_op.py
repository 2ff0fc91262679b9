"""PV101: an op invoked in a form that it does not have."""

from __future__ import annotations

from collections.abc import Iterator

from pvasm.check.example import Flagged
from pvasm.check.finding import Finding
from pvasm.check.misuses import find_misuses
from pvasm.check.rule import Rule
from pvasm.check.subject import Subject


class WrongForm(Rule):
    """An op is written like a function: its name, and its arguments in parentheses, as many as the catalog says.

    The C preprocessor does not look at what the arguments are, and an instance for bare hardware makes no use of half
    of them, so a forgotten clobber shows late: as an error in a variant that is seldom built, or not at all. An op that
    is predicated takes the predicate as an argument, since it becomes several instructions; before the op a predicate
    would hold for the first of them alone. `pvasm instance show` lists the ops.
    """

    code = "PV101"
    title = "op with a wrong number of arguments, or a predicate before it"
    severity = "error"
    in_mixed_headers = False
    invalid = (
        Flagged("«MOV_FROM_IFA()»", "MOV_FROM_IFA takes 1 argument, not 0: MOV_FROM_IFA(reg)"),
        Flagged("«MOV_FROM_IVR(r8)»", "MOV_FROM_IVR takes 2 arguments, not 1: MOV_FROM_IVR(reg, clob)"),
        Flagged("«ITC_D(p6, r18, r19, r20)»", "ITC_D takes 3 arguments, not 4: ITC_D(pred, reg, clob)"),
        Flagged("«COVER(r8)»", "COVER takes 0 arguments, not 1: COVER"),
        Flagged(
            "«MOV_FROM_IFA r8»",
            "MOV_FROM_IFA needs its arguments in parentheses: MOV_FROM_IFA(reg)",
            fixed="MOV_FROM_IFA(r8)",
        ),
        Flagged("«(p6) COVER»", "COVER cannot stand under a predicate; branch around it"),
        Flagged(
            "«(p6) ITC_D(p0, r18, r19)»",
            "ITC_D cannot stand under a predicate; it takes its predicate as an argument: ITC_D(pred, reg, clob)",
            fixed="ITC_D(p6, r18, r19)",
        ),
        Flagged(
            "#define GET(r) \\\n\t«MOV_FROM_IVR(r)»", "MOV_FROM_IVR takes 2 arguments, not 1: MOV_FROM_IVR(reg, clob)"
        ),
        Flagged(
            "\tDO_SAVE_MIN(COVER, \\\n\t«MOV_FROM_IVR(r30)»,,)",
            "MOV_FROM_IVR takes 2 arguments, not 1: MOV_FROM_IVR(reg, clob)",
        ),
    )
    valid = (
        "MOV_FROM_IVR(r8, r9)",
        "MOV_FROM_IVR( /* out */ r8,\n r9)",
        "COVER",
        "RSM_PSR_DT()",
        "(p6) br.cond.sptk 1f",
        "#define MOV_FROM_IFA(reg) mov reg = cr.ifa",
        "#define COVER",
        ".macro MOV_FROM_IFA reg\n\tmov \\reg = cr.ifa\n.endm\n\tMOV_FROM_IFA r8",
        "#define ITC_D(reg) itc.d reg\n\tITC_D(r8)",
        "#if 0\n\tMOV_FROM_IVR(r8)\n#endif",
        '// MOV_FROM_IVR(r8)\n\t.string "MOV_FROM_IVR(r8)"',
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Every invocation whose form is wrong."""
        for misuse in subject.of(find_misuses):
            if misuse.fault == "form":
                yield misuse.finding
