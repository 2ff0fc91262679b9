"""PV507: a template that does otherwise when two arguments are the same register."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pvasm.check.example import Flagged
from pvasm.check.finding import InstanceFinding
from pvasm.check.rule import InstanceRule

if TYPE_CHECKING:
    from pvasm.check.instance_subject import InstanceSubject


class ArgumentsOverlap(InstanceRule):
    """A caller may give an op one register for two parameters, or a register that the template itself uses.

    Then a line may read what another line of the template has written, and not what is meant: an address is stored
    instead of a value, or a call takes the wrong argument. Native code never shows it. Say under `apart` which
    parameters must be different registers, or under `not_among` which registers one must not be: then such an op is
    an error where it stands. Or have the template compare its arguments, and save what it needs first.
    """

    code = "PV507"
    title = "template goes wrong when arguments are the same register"
    severity = "error"
    invalid = (
        Flagged(
            "extends: xen\n"
            "ops:\n"
            "  MOV_TO_IFA:\n"
            "    template: |\n"
            "      ;;\n"
            "      mov {{ clob }} = {{ XSI_IFA }} ;;\n"
            "      «st8 [{{ clob }}] = {{ reg }}»\n",
            "MOV_TO_IFA: `st8 [r20] = r20' uses 0xfffffffffff048a0 instead of the value of reg and clob "
            "(r20): say `apart', or compare (with reg = r20, clob = r20)",
        ),
    )
    valid = (
        "extends: xen\n"
        "ops:\n"
        "  MOV_TO_IFA:\n"
        "    apart: [[reg, clob]]\n"
        "    template: |\n"
        "      ;;\n"
        "      mov {{ clob }} = {{ XSI_IFA }} ;;\n"
        "      st8 [{{ clob }}] = {{ reg }}\n",
    )

    def check(self, subject: InstanceSubject) -> Iterator[InstanceFinding]:
        """The lines that use another value than they do when all arguments are different."""
        yield from subject.of_kinds(["overlap"])
