"""PV005: C's native intrinsic called where the paravirtualized one is meant."""

from __future__ import annotations

from collections.abc import Iterator

from pvasm.check.code import Code
from pvasm.check.example import Flagged
from pvasm.check.finding import Finding
from pvasm.check.rule import Rule
from pvasm.check.subject import Subject
from pvasm.syntax import tree


class NativeIntrinsic(Rule):
    """C does not name instructions: it calls intrinsics, and these are paravirtualized (asm/intrinsics.h).

    `ia64_getreg`, `ia64_fc` and their like are what the kernel's hypervisor makes of them; `ia64_native_getreg` is the
    instruction, whatever the kernel runs on. Call the former. Where the native one is right, since the code is a
    hypervisor's own or for bare hardware alone, name the file in `bare-hardware`, or say so in a comment. In the
    definitions of the intrinsics themselves (`ia64_native_...`, `paravirt_...`) nothing is asked.
    """

    code = "PV005"
    title = "native intrinsic called in C"
    severity = "error"
    invalid = (
        Flagged(
            "«ia64_native_getreg»(_IA64_REG_AR_ITC)",
            "the instruction itself, whatever the kernel runs on: call ia64_getreg",
        ),
        Flagged("«ia64_native_fc»(address)", "the instruction itself, whatever the kernel runs on: call ia64_fc"),
        Flagged("«ia64_native_ssm»(IA64_PSR_I)", "the instruction itself, whatever the kernel runs on: call ia64_ssm"),
    )
    valid = ("ia64_getreg(_IA64_REG_AR_ITC)", "ia64_native_sched_clock()", "ia64_srlz_d()")

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Every call of a native intrinsic, but for headers read as assembly, where it may be a declaration."""
        if not subject.named:
            return
        instead = {each.native: name for name, each in subject.catalog.intrinsics.items()}
        for number, statement in enumerate(subject.document.statements):
            call = statement.syntax
            if not (isinstance(call, tree.MacroCall) and call.name in instead):
                continue
            if subject.concerns_guests(statement.conditions) and subject.of(Code).levels.at(number) == "kernel":
                start = statement.origin + call.name_start
                message = f"the instruction itself, whatever the kernel runs on: call {instead[call.name]}"
                yield Finding(start, start + len(call.name), message)
