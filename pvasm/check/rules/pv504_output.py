"""PV504: a template that does not write its output, or does something where its predicate is false."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pvasm.check.example import Flagged
from pvasm.check.finding import InstanceFinding
from pvasm.check.rule import InstanceRule

if TYPE_CHECKING:
    from pvasm.check.instance_subject import InstanceSubject


class OutputNotWritten(InstanceRule):
    """Where an op is executed, its output is written, on whatever way through the template; where not, nothing happens.

    The second holds for every op with a predicate: where that is false, the output keeps its value, nothing is stored
    and the hypervisor is not called; clobbers may change. A switch of register banks has r16-r31 for its output: the
    bank that is left is saved with its NaT bits, the bank that is entered is filled.
    """

    code = "PV504"
    title = "output not written, or something done where the predicate is false"
    severity = "error"
    invalid = (
        Flagged(
            "extends: xen\n"
            "ops:\n"
            "  MOV_TO_IHA:\n"
            "    apart: [[reg, clob]]\n"
            "    template: |\n"
            "      ;;\n"
            "      ({{ pred }}) mov {{ clob }} = {{ XSI_IHA }} ;;\n"
            "      «st8 [{{ clob }}] = {{ reg }}»\n",
            "MOV_TO_IHA: `st8 [r21] = r20' stores though the predicate is false: predicate it, too (with "
            "pred = p6, reg = r20, clob = r21)",
        ),
        Flagged(
            "extends: xen\n"
            "ops:\n"
            "  «MOV_FROM_PSR:»\n"
            "    apart: [[reg, clob]]\n"
            "    template: |\n"
            "      ;;\n"
            "      ({{ pred }}) cmp.eq.unc p0, p0 = r0, {{ clob }}\n"
            "      ({{ pred }}) mov {{ clob }} = {{ reg }} ;;\n",
            "MOV_FROM_PSR: does not write reg (r20) (with pred = p6, reg = r20, clob = r21)",
        ),
    )
    valid = (
        "extends: xen\n"
        "ops:\n"
        "  MOV_TO_IHA:\n"
        "    apart: [[reg, clob]]\n"
        "    template: |\n"
        "      ;;\n"
        "      mov {{ clob }} = {{ XSI_IHA }} ;;\n"
        "      ({{ pred }}) st8 [{{ clob }}] = {{ reg }}\n",
    )

    def check(self, subject: InstanceSubject) -> Iterator[InstanceFinding]:
        """Every output that is not written, and every line that does something where nothing may happen."""
        yield from subject.of_kinds(("unwritten", "unexecuted", "bank"))
