"""PV501: an op that an instance does not define."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pvasm.check.example import Flagged
from pvasm.check.finding import InstanceFinding
from pvasm.check.rule import InstanceRule
from pvasm.paravirt.instance_file import undefined

if TYPE_CHECKING:
    from pvasm.check.instance_subject import InstanceSubject


class MissingOp(InstanceRule):
    """Every instance defines every op of the catalog: source that uses an op must compile for each of them.

    Give the op a template, take it over from another instance (`extends`), or say `otherwise: replaces`: then what has
    no definition is the instruction itself. Such an instance cannot be used; its other templates are checked all the
    same.
    """

    code = "PV501"
    title = "op without a definition"
    severity = "error"
    invalid = (
        Flagged(
            "environment: trap\ndefines: MINE\n«ops:»\n  RFI: {template: rfi}\n",
            "no definition of MOV_FROM_IFA, MOV_FROM_ITIR, MOV_FROM_ISR, MOV_FROM_IHA, MOV_FROM_IIM, "
            "MOV_FROM_IIP, MOV_FROM_IPSR, MOV_FROM_IVR, MOV_FROM_PSR, MOV_FROM_ITC, MOV_TO_IFA, MOV_TO_IIP, "
            "MOV_TO_ITIR, MOV_TO_IHA, MOV_TO_IPSR, MOV_TO_IFS, MOV_TO_KR, ITC_I, ITC_D, ITC_I_AND_D, THASH, "
            "SSM_PSR_IC_AND_DEFAULT_BITS_AND_SRLZ_I, SSM_PSR_IC_AND_SRLZ_D, RSM_PSR_IC, SSM_PSR_I, "
            "RSM_PSR_I, RSM_PSR_I_IC, RSM_PSR_DT, RSM_PSR_BE_I, SSM_PSR_DT_AND_SRLZ_I, BSW_0, BSW_1, COVER, "
            "TTAG, FC, FC_I, MOV_FROM_CPUID, MOV_FROM_PMD, MOV_FROM_EFLAG, MOV_TO_EFLAG, PTC_GA, ITR_D, "
            "MOV_FROM_RR, MOV_TO_RR, MOV_FROM_TPR, MOV_TO_TPR, MOV_TO_EOI, MOV_FROM_ITM, MOV_TO_ITM, "
            "MOV_FROM_RUC, MOV_FROM_IFS, MOV_FROM_IIPA, MOV_FROM_DCR, MOV_FROM_IVA, MOV_FROM_PTA, "
            "RSM_PSR_BE: give templates, or say `extends' or `otherwise'",
        ),
    )
    valid = (
        "extends: native\nops:\n  RFI: {template: rfi}\n",
        "environment: hardware\ndefines: MINE\notherwise: replaces\n",
    )

    def check(self, subject: InstanceSubject) -> Iterator[InstanceFinding]:
        """All that are missing, in one finding."""
        missing = subject.draft.missing
        if missing:
            yield InstanceFinding(subject.draft.place_of_ops, undefined(missing))
