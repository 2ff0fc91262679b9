"""PV001: a sensitive instruction used directly."""

from __future__ import annotations

from collections.abc import Iterator

from pvasm.check.code import find_exposures
from pvasm.check.direct_use import reported
from pvasm.check.example import Flagged
from pvasm.check.exposure import code_of
from pvasm.check.finding import Finding
from pvasm.check.rule import Rule
from pvasm.check.subject import Subject


class SensitiveInstruction(Rule):
    """A sensitive instruction behaves otherwise, without a fault, when the kernel does not run at privilege level 0.

    A hypervisor cannot notice: the guest goes on with a wrong value. `thash` and `ttag` answer for the real page
    table, `fc` and `cover` act on the real machine, `mov r1 = cpuid[r3]`, `mov r1 = pmd[r3]` and `mov r1 = ar.itc`
    read it, `mov ar.eflag = r2` changes it. Write the op instead. Code that only bare hardware runs stands under
    `#ifdef __IA64_ASM_PARAVIRTUALIZED_NATIVE`. (SDM vol. 2, 11.7 and the pages of these instructions in vol. 3.)
    """

    code = "PV001"
    title = "sensitive instruction used directly"
    severity = "error"
    invalid = (
        Flagged(
            "«thash r17=r16»",
            "sensitive instruction used directly: use THASH(p0, r17, r16, clob), where clob is a general "
            "register to clobber",
        ),
        Flagged(
            "«(p6) ttag r3=r4»",
            "sensitive instruction used directly; Linux has no op for it: TTAG of the extension would do (--extension)",
        ),
        Flagged("«cover»", "sensitive instruction used directly: use COVER", fixed="COVER"),
        Flagged(
            "«fc r3»",
            "sensitive instruction used directly; Linux has no op for it: FC of the extension would do (--extension)",
        ),
        Flagged(
            "«fc.i r3»",
            "sensitive instruction used directly; Linux has no op for it: FC_I of the extension would do (--extension)",
        ),
        Flagged(
            "«mov r8=cpuid[r9]»",
            "sensitive instruction used directly; Linux has no op for it: MOV_FROM_CPUID of the extension "
            "would do (--extension)",
        ),
        Flagged(
            "«mov r8=pmd[r9]»",
            "sensitive instruction used directly; Linux has no op for it: MOV_FROM_PMD of the extension "
            "would do (--extension)",
        ),
        Flagged(
            "«mov r8=ar.itc»",
            "sensitive instruction used directly: use MOV_FROM_ITC(p0, pred_clob, r8, clob), where pred_clob "
            "is a predicate register to clobber, clob is a general register to clobber",
        ),
        Flagged(
            "«mov.m r8=ar44»",
            "sensitive instruction used directly: use MOV_FROM_ITC(p0, pred_clob, r8, clob), where pred_clob "
            "is a predicate register to clobber, clob is a general register to clobber",
        ),
        Flagged(
            "«mov ar.eflag=r8»",
            "sensitive instruction used directly; Linux has no op for it: MOV_TO_EFLAG of the extension "
            "would do (--extension)",
        ),
    )
    valid = (
        "THASH(p0, r17, r16, r18)",
        "COVER",
        "nop 0 // fc r3",
        '.string "cover"',
        "mov r8=ar.eflag",
        "mov ar.ccv=r8",
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Every exposed instruction that is sensitive."""
        for exposure in subject.of(find_exposures):
            if code_of(exposure) == self.code:
                yield reported(subject, exposure)
