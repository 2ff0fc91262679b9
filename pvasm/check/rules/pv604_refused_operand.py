"""PV604: an operand that its instruction cannot take."""

from __future__ import annotations

from collections.abc import Iterator

from pvasm.check.example import Flagged
from pvasm.check.finding import Finding
from pvasm.check.refused_operands import refused_operands
from pvasm.check.rule import Rule
from pvasm.check.subject import Subject


class RefusedOperand(Rule):
    """An immediate that its field cannot hold, or an operand of a sort that the instruction has no place for.

    The assembler refuses it. In code that is compiled for one configuration only, that may come to light late. An
    operand with a name that is not known here, such as a constant of a header that is not seen, is left alone.
    (SDM vol. 3, chapter 2, and 4.1 for the fields.)
    """

    code = "PV604"
    title = "operand that its instruction cannot take"
    severity = "note"
    follows_flow = True
    in_mixed_headers = False
    invalid = (
        Flagged("adds r8 = «8192», r9", "operand 2 of `adds' must be an integer from -8192 to 8191, not 8192"),
        Flagged("movl r8 = «0x10000000000000000»", "an integer has at most 64 bits: 0x10000000000000000"),
        Flagged("shl r8 = r9, «-1»", "operand 3 of `shl' must be an integer from 0 to 63, not -1"),
        Flagged(
            "fetchadd8.acq r8 = [r9], «2»",
            "operand 3 of `fetchadd8.acq' must be one of -16, -8, -4, -1, 1, 4, 8 and 16, not 2",
        ),
        Flagged(
            "alloc r2 = ar.pfs, 1, 2, 1, 0 ;;\n\tmov r8 = «loc2»",
            "`loc2' is beyond the frame: the frame has 2 local registers",
        ),
        Flagged(
            "mov.i r8 = «ar.k0»",
            "`mov.i' cannot have ar.k0, which only the M unit has: write `mov.m', or `mov' for the assembler to choose",
        ),
        Flagged(
            "#define SIZE 9000\n\tadds r8 = «SIZE», r9",
            "operand 2 of `adds' must be an integer from -8192 to 8191; `SIZE' is 9000",
        ),
        Flagged(
            ".macro get n\n\tadds r8 = \\n, r9\n\t.endm\n\tget «9000»",
            "operand 2 of `adds' must be an integer from -8192 to 8191, not 9000",
        ),
    )
    valid = (
        "adds r8 = 8191, r9",
        "adds r8 = SIZE_OF_A_HEADER + 8192, r9",
        "movl r8 = 0xffffffffffffffff",
        "alloc r2 = ar.pfs, 1, 2, 1, 0 ;;\n\tmov r8 = loc1",
        "alloc r2 = ar.pfs, 1, 2, 1, 0 ;;\n\tSAVE_ALL\n\tmov r8 = loc2",
        "#ifdef A\n\talloc r2 = ar.pfs, 1, 2, 1, 0 ;;\n#endif\n\tmov r8 = loc2",
        "add r8 = OPERANDS",
        "#define GET(n) adds r8 = n, r9",
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Every such operand."""
        return refused_operands(subject)
