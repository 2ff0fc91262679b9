"""PV502: a parameter that a template does not use, or a name that nothing declares."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pvasm.check.example import Flagged
from pvasm.check.finding import InstanceFinding
from pvasm.check.rule import InstanceRule

if TYPE_CHECKING:
    from pvasm.check.instance_subject import InstanceSubject


class ParameterNotUsed(InstanceRule):
    """What the caller hands over must have a meaning: an input is read, an output is named, a predicate decides.

    A template that does not name a parameter, whatever the arguments, has forgotten it or misspelt it; a clobber it may
    leave alone. An input may also be lost: the template overwrites its register before it uses the value, with some
    arguments at least. Names that are neither parameters of the op nor constants of the instance or the catalog, nor
    set in the template itself, are undeclared; so is an instruction that there is not.
    """

    code = "PV502"
    title = "parameter not used, or name not declared, in a template"
    severity = "error"
    invalid = (
        Flagged(
            "extends: xen\n"
            "ops:\n"
            "  «MOV_TO_IFA:»\n"
            "    template: |\n"
            "      ;;\n"
            "      mov {{ clob }} = {{ XSI_IFA }} ;;\n"
            "      st8 [{{ clob }}] = r0\n",
            "MOV_TO_IFA: does not use its parameter reg: is it forgotten, or misspelt? (with reg = r20, clob = r21)",
        ),
        Flagged(
            "extends: xen\n"
            "ops:\n"
            "  RSM_PSR_IC:\n"
            "    template: |\n"
            "      ;;\n"
            "      «mov {{ clobber }} = {{ XSI_PSR_IC }} ;;»\n"
            "      «st4 [{{ clobber }}] = r0»\n",
            "RSM_PSR_IC: clobber is undefined (did you mean clob?)",
            "RSM_PSR_IC: clobber is undefined (did you mean clob?)",
        ),
    )
    valid = (
        'extends: native\nops:\n  MOV_TO_IFA: {template: "mov cr.ifa = {{ reg }}"}\n',
        'extends: native\nconstants: {SLOT: 8}\nops:\n  RSM_PSR_DT: {template: "hint {{ SLOT }}"}\n',
    )

    def check(self, subject: InstanceSubject) -> Iterator[InstanceFinding]:
        """Every name that is not declared, and every parameter in or out that is not used."""
        yield from subject.of_kinds(("undeclared", "unused", "lost"))
