"""PV108: an op that is made of a constant, in preprocessed text that does not show what the constant is."""

from __future__ import annotations

from collections.abc import Iterator

from pvasm.check.example import Flagged
from pvasm.check.finding import Finding
from pvasm.check.rule import Rule
from pvasm.check.subject import Subject


class ConstantNotSeen(Rule):
    """Some ops are made of a constant of the source: `SSM_PSR_IC_AND_DEFAULT_BITS_AND_SRLZ_I` of `PSR_DEFAULT_BITS`.

    `gcc -E` takes the definitions of macros out of its text, and with them what the source makes of the constant:
    the expander refuses such a text. `gcc -E -dD` leaves them in. `pvasm check --cpp`, and `pvasm cc`, see to it
    themselves.
    """

    code = "PV108"
    title = "constant that an op is made of, and that does not show"
    severity = "error"
    invalid = (
        Flagged(
            '# 2 "a.S"\n\t«SSM_PSR_IC_AND_DEFAULT_BITS_AND_SRLZ_I(r14, r15)»\n',
            "SSM_PSR_IC_AND_DEFAULT_BITS_AND_SRLZ_I: what the source makes of PSR_DEFAULT_BITS does not show "
            "in this text; preprocess with -dD (gcc -E -dD)",
        ),
    )
    valid = (
        "\tSSM_PSR_IC_AND_DEFAULT_BITS_AND_SRLZ_I(r14, r15)\n",
        '# 2 "a.S"\n\tMOV_FROM_IFA(r14)\n',
        '# 2 "a.S"\n#define PSR_DEFAULT_BITS 0\n\tSSM_PSR_IC_AND_DEFAULT_BITS_AND_SRLZ_I(r14, r15)\n',
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Every such invocation in text that somebody else has preprocessed."""
        if not subject.document.preprocessed or subject.sources is not None or not subject.names_an_op:
            return
        from pvasm.expand.expander import Reading
        from pvasm.expand.variants import uses_of_unseen_constants

        reading = Reading(subject.document, subject.catalog)
        told = {
            (found.start, found.end, message): None
            for instance in subject.instances
            for found, message in uses_of_unseen_constants(reading, instance)
        }
        for start, end, message in sorted(told):
            yield Finding(start, end, message)
