"""PV505: a template whose groups run together with those around the op, or that becomes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pvasm.check.example import Flagged
from pvasm.check.finding import InstanceFinding
from pvasm.check.rule import InstanceRule

if TYPE_CHECKING:
    from pvasm.check.instance_subject import InstanceSubject


class StopMissing(InstanceRule):
    """An op stands in an instruction group with others, which mind what its own instruction reads and writes: no more.

    So a template that reads or writes something else in its first group (a clobber, say, that the instruction before
    may write as well) starts with a stop, and one that writes something else in its last group ends with one. Where the
    instructions that the op replaces have a stop between them or end a group, source relies on it: the template has
    one, too. A stop next to a stop of the source is left out, and costs nothing. A template that becomes nothing
    at all is right for an op that has no inputs and outputs alone.
    """

    code = "PV505"
    title = "stop missing in a template, or template that becomes nothing"
    severity = "warning"
    invalid = (
        Flagged(
            "extends: xen\n"
            "ops:\n"
            "  RSM_PSR_IC:\n"
            "    template: |\n"
            "      «mov {{ clob }} = {{ XSI_PSR_IC }} ;;»\n"
            "      st4 [{{ clob }}] = r0\n",
            "RSM_PSR_IC: `mov r20 = 0xfffffffffff04c10' writes clob (r20) in the group of the instructions "
            "before the op: start with a stop (with clob = r20)",
        ),
        Flagged(
            "extends: xen\nops:\n  COVER:\n    template: |\n      «break {{ HYPER_COVER }}»\n",
            "COVER: does not end with a stop; `cover' is the last of its group",
        ),
        Flagged(
            'extends: xen\nops:\n  «MOV_FROM_IFA:»\n    template: ""\n',
            "MOV_FROM_IFA: becomes nothing, though it has reg (with reg = r20)",
        ),
    )
    valid = (
        "extends: xen\n"
        "ops:\n"
        "  RSM_PSR_IC:\n"
        "    template: |\n"
        "      ;;\n"
        "      mov {{ clob }} = {{ XSI_PSR_IC }} ;;\n"
        "      st4 [{{ clob }}] = r0\n",
        "extends: native\nops:\n  COVER: {template: cover}\n",
        'extends: native\nops:\n  RSM_PSR_DT: {template: ""}\n',
    )

    def check(self, subject: InstanceSubject) -> Iterator[InstanceFinding]:
        """Every stop that is missing, and every template that becomes nothing and must not."""
        yield from subject.of_kinds(("stop", "empty"))
