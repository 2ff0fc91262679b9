"""PV105: the name of an op that would be left as it is."""

from __future__ import annotations

from collections.abc import Iterator

from pvasm.check.example import Flagged
from pvasm.check.finding import Finding
from pvasm.check.op_uses import invocations_of
from pvasm.check.rule import Rule
from pvasm.check.subject import Subject


class OpLeftAsItIs(Rule):
    """An op stands where an instruction may stand. Elsewhere nothing puts instructions in its place.

    GNU as takes mnemonics in any case: a `COVER` or `RFI` that is left is assembled as the bare instruction, and no
    message tells. So an op's name must be an invocation or something that is clearly none: a label, a symbol, the
    parameter of a macro.
    """

    code = "PV105"
    title = "name of an op that would stay as it is"
    severity = "error"
    in_mixed_headers = False
    invalid = (
        Flagged(
            "\tmov r1 = «MOV_FROM_IFA»(r2)\n",
            "MOV_FROM_IFA stands where no instruction can stand; an op is a statement of its own",
        ),
        Flagged(
            "\tMOV_FROM_IFA(«THASH»(r2))\n",
            "THASH stands where no instruction can stand; an op is a statement of its own",
        ),
        Flagged(
            "\tFOO(nop 0 «COVER»)\n",
            "COVER is one word among others, and would stay as it is; an op is a statement of its own: write "
            "`;' between",
        ),
        Flagged(
            "«RFI» foo",
            "RFI is followed by what is no argument of it; an op is a statement of its own: write RFI, and "
            "`;' after it",
        ),
        Flagged("\tnop 0 «COVER»\n", "COVER stands where no instruction can stand; an op is a statement of its own"),
        Flagged(
            "\t.ifc x, «RFI»\n", "RFI would stay as it is in the arguments of .ifc; an op is a statement of its own"
        ),
    )
    valid = (
        "nop 0 ; COVER",
        "FOO(nop 0 ; COVER)",
        "COVER:",
        "br.call.sptk.many rp = RFI",
        ".global COVER",
        "#undef RFI",
        "#define DO_SAVE_MIN(COVER, SAVE_IFS) COVER ; SAVE_IFS",
        '.string "mov r1 = COVER"',
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Every name of an op where no invocation can stand."""
        statements = subject.document.statements
        for found in subject.of(invocations_of).hidden:
            if subject.concerns(statements[found.statement].conditions):
                yield Finding(found.start, found.end, f"{found.name} {found.message}")
