"""PV602: a local of the register stack frame that is read before anything sets it."""

from __future__ import annotations

from collections.abc import Iterator

from pvasm.check.example import Flagged
from pvasm.check.finding import Finding
from pvasm.check.rule import Rule
from pvasm.check.subject import Subject
from pvasm.check.unset_locals import UnsetLocals


class UnsetLocalRead(Rule):
    """Behind the `alloc` at the head of a function its locals hold nothing that anybody means.

    Said of registers that are written as `loc0` and the like, where no path that is known sets the register between
    the `alloc` and its read, the frame has no rotating part, and no unknown code stands between. Inputs, outputs and
    static registers are left alone: what a caller passes in them may be by a convention of its own.
    Set the register first, or read the one that is meant.
    """

    code = "PV602"
    title = "local that is read before anything sets it"
    severity = "note"
    follows_flow = True
    in_mixed_headers = False
    invalid = (
        Flagged(
            "f:\talloc loc0 = ar.pfs, 1, 3, 0, 0 ;;\n\tmov loc1 = in0 ;;\n\t«add r8 = loc1, loc2»\n\tbr.ret.sptk rp",
            "nothing sets loc2 between the alloc and this: is another meant?",
        ),
        Flagged(
            "f:\talloc loc0 = ar.pfs, 0, 2, 0, 0\n"
            "(p6)\tbr.cond.sptk 1f ;;\n"
            "\t«mov r8 = loc1»\n"
            "1:\tmov loc1 = r9 ;;\n"
            "\tmov r8 = loc1\n"
            "\tbr.ret.sptk rp",
            "nothing sets loc1 between the alloc and this: is another meant?",
        ),
    )
    valid = (
        "f:\talloc loc0 = ar.pfs, 1, 3, 0, 0 ;;\n\tmov loc1 = rp ;;\n\tmov rp = loc1\n\tmov ar.pfs = loc0",
        "f:\talloc loc0 = ar.pfs, 0, 2, 0, 0\n(p6)\tmov loc1 = r9 ;;\n(p6)\tmov r8 = loc1",
        "f:\talloc loc0 = ar.pfs, 0, 8, 0, 8\n\tmov r8 = loc1",
        "f:\talloc loc0 = ar.pfs, 0, 2, 0, 0\n\tSAVE_ALL\n\tmov r8 = loc1",
        "f:\talloc loc0 = ar.pfs, 0, 2, 0, 0\ng:\tmov r8 = loc1",
        "f:\talloc loc0 = ar.pfs, 0, 2, 0, 0\n\tmov loc1 = r9\n\tbr.sptk 2f\n3:\tmov r8 = loc1\n2:\tbr.sptk 3b",
        "f:\talloc loc0 = ar.pfs, 0, 2, 0, 0 ;;\n\txor loc1 = loc1, loc1",
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Every such read."""
        for found in subject.of(UnsetLocals).found:
            node = found.node
            yield Finding(
                node.start, node.end, f"nothing sets {found.local} between the alloc and this: is another meant?"
            )
