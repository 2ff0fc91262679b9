"""PV401: an op in code for bare hardware alone."""

from __future__ import annotations

from collections.abc import Iterator

from pvasm.check.example import Flagged
from pvasm.check.finding import Finding
from pvasm.check.op_uses import invocations_of
from pvasm.check.rule import Rule
from pvasm.check.subject import Subject


class OpInNativeCode(Rule):
    """Code under `#ifdef __IA64_ASM_PARAVIRTUALIZED_NATIVE` is compiled for bare hardware and may use any instruction.

    An op there is its instruction and nothing else, so it does no harm; but it says that the code is meant for every
    instance, which it is not. Either the condition is in the wrong place, or the op is.
    """

    code = "PV401"
    title = "op in code for bare hardware alone"
    severity = "warning"
    in_mixed_headers = False
    invalid = (
        Flagged(
            "#ifdef __IA64_ASM_PARAVIRTUALIZED_NATIVE\n\t«MOV_FROM_IFA(r16)»\n#endif",
            "MOV_FROM_IFA in code that is compiled for bare hardware alone: write the instruction",
        ),
        Flagged(
            "#if defined(__IA64_ASM_PARAVIRTUALIZED_NATIVE) && defined(CONFIG_SMP)\n\t«COVER»\n#endif",
            "COVER in code that is compiled for bare hardware alone: write the instruction",
        ),
        Flagged(
            "#ifndef __IA64_ASM_PARAVIRTUALIZED_NATIVE\n\tnop 0\n#else\n\t«COVER»\n#endif",
            "COVER in code that is compiled for bare hardware alone: write the instruction",
        ),
    )
    valid = (
        "#ifdef __IA64_ASM_PARAVIRTUALIZED_NATIVE\n\tmov r16 = cr.ifa\n#else\n\tMOV_FROM_IFA(r16)\n#endif",
        "#ifndef __IA64_ASM_PARAVIRTUALIZED_NATIVE\n\tCOVER\n#endif",
        "#ifdef CONFIG_SMP\n\tCOVER\n#endif",
        "#ifdef __IA64_ASM_PARAVIRTUALIZED_NATIVE\n#define COVER cover\n#endif",
        "#if 0 && defined(__IA64_ASM_PARAVIRTUALIZED_NATIVE)\n\tCOVER\n#endif",
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Every invocation of an op that no other instance compiles."""
        if not subject.of(invocations_of).known:
            return
        from pvasm.check.native_only import NativeOnly

        native = NativeOnly()
        for found in subject.of(invocations_of).known:
            if native.holds(subject.document.statements[found.statement].conditions):
                message = f"{found.name} in code that is compiled for bare hardware alone: write the instruction"
                yield Finding(found.start, found.end, message)
