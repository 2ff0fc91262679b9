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
        Flagged(
            "#define READ(r) MOV_FROM_IFA(r)\n\t.section .gate.text\n\t«READ(r8)»\n",
            "MOV_FROM_IFA in code that runs at user level (section .gate.text): write the instruction",
        ),
        Flagged(
            "\t.macro read r\n\tMOV_FROM_IFA(\\r)\n\t.endm\n\t.section .gate.text\n\t«read r8»\n",
            "MOV_FROM_IFA in code that runs at user level (section .gate.text): write the instruction",
        ),
    )
    valid = (
        "#define READ(r) MOV_FROM_IFA(r)\n\t.section .gate.text\n\tnop 0\n\t.text\n\tREAD(r8)\n",
        '\t.section .gate.text, "ax"\n\tcover\n',
        '\t.section .gate.text, "ax"\n\tepc\n\t;;\n\tRSM_PSR_I(p0, r18, r19)\n',
        "GLOBAL_ENTRY(__kernel_sigtramp)\nEND(__kernel_sigtramp)\n\tCOVER",
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Every invocation of an op there."""
        written = subject.of(invocations_of).known
        if not written and not subject.headers:
            return
        from pvasm.check.code import Code
        from pvasm.expand.program import Node

        code = subject.of(Code)
        places = {(found.start, found.end, found.name): found.statement for found in written}
        if code.levels.knows_user_level:
            for step in code.program.steps:
                if isinstance(step, Node) and step.inlined and step.op is not None:
                    places[step.start, step.end, step.op.name] = step.statement
        for (start, end, name), statement in places.items():
            reason = code.levels.reason(statement)
            if reason:
                yield Finding(start, end, f"{name} in code that runs at user level ({reason}): write the instruction")
