"""PV503: a template that touches a register that it was not given."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pvasm.check.example import Flagged
from pvasm.check.finding import InstanceFinding
from pvasm.check.rule import InstanceRule

if TYPE_CHECKING:
    from pvasm.check.instance_subject import InstanceSubject


class RegisterNotGiven(InstanceRule):
    """A template may write its op's outputs and clobbers, and what the instruction writes that the op replaces.

    It may read the op's inputs, and what that instruction reads. Any other register is the caller's: a template that
    needs one keeps its value in a clobber, or in memory, and puts it back on every way. What an instruction writes
    beside its result counts (a post-increment, `ar.unat` of a spill), and so does what a call of the hypervisor takes
    and gives: the instance describes that under `calls`. The template is tried with many arguments; those of the
    message show it.
    """

    code = "PV503"
    title = "template touches a register that it was not given"
    severity = "error"
    invalid = (
        Flagged(
            "extends: xen\n"
            "ops:\n"
            "  MOV_FROM_IVR:\n"
            "    template: |\n"
            "      ;;\n"
            "      «break {{ HYPER_GET_IVR }} ;;»\n"
            "      mov {{ reg }} = r8 ;;\n",
            "MOV_FROM_IVR: writes r8, which it was not given: keep its value in a clobber, and put it back "
            "(with reg = r20, clob = r21)",
        ),
        Flagged(
            "extends: native\nops:\n  MOV_FROM_IFA:\n    template: |\n      «mov {{ reg }} = cr.iip»\n",
            "MOV_FROM_IFA: gives reg (r20) the old value of cr.iip, which is not what the op is about (with reg = r20)",
        ),
    )
    valid = (
        "extends: xen\n"
        "ops:\n"
        "  MOV_FROM_IVR:\n"
        "    apart: [[reg, clob]]\n"
        "    not_among: {reg: [r8], clob: [r8]}\n"
        "    template: |\n"
        "      ;;\n"
        "      mov {{ clob }} = r8\n"
        "      break {{ HYPER_GET_IVR }} ;;\n"
        "      mov {{ reg }} = r8\n"
        "      mov r8 = {{ clob }} ;;\n",
    )

    def check(self, subject: InstanceSubject) -> Iterator[InstanceFinding]:
        """Every line that does."""
        yield from subject.of_kinds(("written", "read", "call"))
