"""PV107: an op in an explicit bundle that an instance's expansion does not fit in."""

from __future__ import annotations

from collections.abc import Iterator

from pvasm.check.example import Flagged
from pvasm.check.finding import Finding
from pvasm.check.op_uses import invocations_of
from pvasm.check.rule import Rule
from pvasm.check.subject import Subject


class OpInBundle(Rule):
    """Between braces there is room for three instructions, and for a stop at certain places only.

    On bare hardware an op is one instruction and fits; what another instance makes of it is several, or ends with a
    stop. The expander refuses that. Take the braces away: the assembler finds the bundles itself. (SDM vol. 3, 3.3.)
    """

    code = "PV107"
    title = "op in an explicit bundle that its expansion does not fit in"
    severity = "error"
    in_mixed_headers = False
    invalid = (
        Flagged(
            "{ .mmi\n\t«MOV_FROM_ITIR(r19)»\n\tnop.m 0\n\tnop.i 0\n}",
            "MOV_FROM_ITIR becomes 2 instructions in instance xen, which do not fit in a bundle: take the "
            "braces away [xen]",
        ),
        Flagged(
            "{ .mib\n\tnop.m 0\n\tnop.i 0\n\t«BSW_0(r2, r3, r14)»\n}",
            "BSW_0 becomes 24 instructions in instance xen, which do not fit in a bundle: take the braces away [xen]",
        ),
    )
    valid = (
        "{ .mib\n\tnop.m 0\n\tnop.i 0\n\tRFI\n}",
        "{ .mmi\n\tnop.m 0\n\tnop.m 0\n\tnop.i 0\n}\n\tMOV_FROM_ITIR(r19)",
        "#ifdef __IA64_ASM_PARAVIRTUALIZED_NATIVE\n{ .mmi\n\tMOV_FROM_ITIR(r19)\n\tnop.m 0\n\tnop.i 0\n}\n#endif",
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Every op in a bundle that it does not fit in."""
        bundled = [found for found in subject.of(invocations_of).known if found.bundle is not None]
        if not bundled:
            return
        from pvasm.expand.expander import misfits

        told: dict[tuple[int, int, str], list[str]] = {}
        for instance in subject.instances:
            for found, message in misfits(subject.document, subject.catalog, instance, bundled):
                told.setdefault((found.start, found.end, message), []).append(instance.name)
        for (start, end, message), names in sorted(told.items()):
            yield Finding(start, end, message, instance=", ".join(names))
