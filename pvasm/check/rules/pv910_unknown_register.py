"""PV910: a register that there is not."""

from __future__ import annotations

from collections.abc import Iterator

from pvasm.check.code import Code
from pvasm.check.example import Flagged
from pvasm.check.finding import Finding
from pvasm.check.rule import Rule
from pvasm.check.subject import Subject


class UnknownRegister(Rule):
    """`cr.NAME`, `ar.NAME`, `psr.NAME`, and `r128` in a register's place are registers, or nothing that anybody means.

    GNU as takes a name that it does not know for a symbol: `mov r8 = cr.ifx` is assembled without a word as a move of
    that symbol's address, and what reads r8 goes wrong. A name that the file or one of its headers defines is left
    alone.
    """

    code = "PV910"
    title = "no such register"
    severity = "error"
    in_mixed_headers = False
    invalid = (
        Flagged("mov r8=«cr.ifx»", "there is no register `cr.ifx': did you mean `cr.ifs'?"),
        Flagged("mov «ar.ccvv»=r8", "there is no register `ar.ccvv': did you mean `ar.ccv'?"),
        Flagged("(p6) mov r8=«ar.itx»", "there is no register `ar.itx': did you mean `ar.itc'?"),
        Flagged("ssm «psr.icc»", "there is no register `psr.icc': did you mean `psr.ic'?"),
        Flagged("mov r8=«f128»", "there is no register `f128': the last one is f127"),
        Flagged(
            "(«p64») add r8=r9, «r128»",
            "there is no register `p64': the last one is p63",
            "there is no register `r128': the last one is r127",
        ),
        Flagged("ld8 r8=[«r200»]", "there is no register `r200': the last one is r127"),
    )
    valid = (
        "br.call.sptk.many rp=b8\n\tbr.ret.sptk rp\nb8:\tnop 0",
        "movl r8=f128",
        "#define LOAD(r128) ld8 r8=[r128]",
        "mov r8=cr.ifa",
        "mov r8=ar.itc",
        "ssm psr.ic | psr.i",
        "#define AR(n) mov r8=ar.n",
        "#define ifx ifa\n\tmov r8=cr.ifx",
        "cr.ifx = cr.ifa\n\tmov r8=cr.ifx",
        ".macro get r\n\tmov r8=ar.\\r\n\t.endm",
        "// mov r8=cr.ifx",
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Every operand of that form that is not a register."""
        for found in subject.of(Code).names.registers:
            yield Finding(found.start, found.end, found.message)
