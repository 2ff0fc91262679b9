"""PV601: an instruction under a predicate that nothing sets, beside a compare whose predicate nothing reads."""

from __future__ import annotations

from collections.abc import Iterator

from pvasm.check.example import Flagged
from pvasm.check.finding import Finding, Related
from pvasm.check.rule import Rule
from pvasm.check.subject import Subject
from pvasm.check.unset_predicates import UnsetPredicates


class UnsetPredicate(Rule):
    """A compare sets one predicate and the next instruction is under another: most likely one of the two is misspelt.

    Said only where both halves are certain: no path that is known leads from any write of the predicate to the
    instruction, no unknown code precedes, and nothing in the file reads a scratch predicate (p6-p15) that the compare
    shortly before sets. A predicate that the caller sets, by a convention of its own, is no finding by itself.
    Correct the one that is misspelt; where neither is, let the compare set p0.
    """

    code = "PV601"
    title = "predicate that nothing sets, beside one that nothing reads"
    severity = "note"
    follows_flow = True
    in_mixed_headers = False
    invalid = (
        Flagged(
            "\tcmp.eq p6, p7 = r16, r17 ;;\n(p6)\tmov r8 = r9\n«(p8)\tbr.cond.sptk 1f» ;;\n\tmov r8 = r10\n1:\tnop 0",
            "nothing sets p8, and nothing reads p7, which `cmp.eq p6, p7 = r16, r17' sets at line 1: is p7 meant here?",
        ),
        Flagged(
            "\ttbit.nz p7, p0 = r17, 8 ;;\n«(p6)\tmov r8 = r9»\n\tbr.ret.sptk rp",
            "nothing sets p6, and nothing reads p7, which `tbit.nz p7, p0 = r17, 8' sets at line 1: is p7 meant here?",
        ),
    )
    valid = (
        "cmp.eq p6, p7 = r16, r17 ;;\n(p6)\tmov r8 = r9\n(p7)\tmov r8 = r10",
        "cmp.eq p6, p7 = r16, r17 ;;\n(p6)\tmov r8 = r9\n(p8)\tmov r8 = r10\n(p7)\tmov r8 = r11",
        "mov pr = r31, -1 ;;\n\tcmp.eq p6, p7 = r16, r17 ;;\n(p8)\tmov r8 = r10",
        "SAVE_ALL\n\tcmp.eq p6, p7 = r16, r17 ;;\n(p8)\tmov r8 = r10",
        "cmp.eq p6, p7 = r16, r17 ;;\n(p8)\tmov r8 = r10\n\tUSE(p7)",
        "1:\tcmp.eq p6, p7 = r16, r17 ;;\n(p8)\tmov r8 = r10 ;;\n\tcmp.eq p8, p9 = r16, r17\n\tbr.cond.sptk 1b",
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Every instruction under such a predicate."""
        for found in subject.of(UnsetPredicates).found:
            line = subject.document.place(found.compare.start).line
            message = (
                f"nothing sets {found.predicate}, and nothing reads {found.unread}, which"
                f" `{' '.join(found.compare.text.split())}' sets at line {line}: is {found.unread} meant here?"
            )
            setter = Related(found.compare.start, found.compare.end, f"sets {found.unread}")
            yield Finding(found.node.start, found.node.end, message, related=(setter,))
