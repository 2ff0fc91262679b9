"""PV407: an op in code that runs at user level."""

from __future__ import annotations

from collections.abc import Iterator

from pvasm.check.example import Flagged
from pvasm.check.finding import Finding
from pvasm.check.op_uses import invocations_of
from pvasm.check.rule import Rule
from pvasm.check.subject import Subject


class OpAtUserLevel(Rule):
    """An op may become a call that the hypervisor takes from the kernel alone, or touch memory of the kernel's.

    At user level (the signal trampoline, say) the instruction itself is right: no hypervisor minds it there.
    """

    code = "PV407"
    title = "op in code that runs at user level"
    severity = "error"
    in_mixed_headers = False
    invalid = (
        Flagged(
            '\t.section .gate.text, "ax"\n\t«COVER»\n',
            "COVER in code that runs at user level (section .gate.text): write the instruction",
        ),
        Flagged(
            "// pvasm: user-level begin\n\t«COVER»\n// pvasm: user-level end",
            "COVER in code that runs at user level (a comment in line 1): write the instruction",
        ),
        Flagged(
            "GLOBAL_ENTRY(__kernel_sigtramp)\n\t«COVER»\nEND(__kernel_sigtramp)",
            "COVER in code that runs at user level (symbol __kernel_sigtramp): write the instruction",
        ),
    )
    valid = (
        '\t.section .gate.text, "ax"\n\tcover\n',
        '\t.section .gate.text, "ax"\n\tepc\n\t;;\n\tRSM_PSR_I(p0, r18, r19)\n',
        "GLOBAL_ENTRY(__kernel_sigtramp)\nEND(__kernel_sigtramp)\n\tCOVER",
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Every invocation of an op there."""
        if not subject.of(invocations_of).known:
            return
        from pvasm.check.code import Code

        levels = subject.of(Code).levels
        for found in subject.of(invocations_of).known:
            reason = levels.reason(found.statement)
            if reason:
                message = f"{found.name} in code that runs at user level ({reason}): write the instruction"
                yield Finding(found.start, found.end, message)
