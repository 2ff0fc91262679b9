"""PV605: an explicit bundle that its instructions do not fit in."""

from __future__ import annotations

from collections.abc import Iterator

from pvasm.check.example import Flagged
from pvasm.check.explicit_bundles import bundle_misfits
from pvasm.check.finding import Finding
from pvasm.check.rule import Rule
from pvasm.check.subject import Subject


class BundleTemplate(Rule):
    """Between braces stand at most three instructions, each in a slot that its template has for it.

    The template says what kind of unit each slot belongs to, and where within the bundle a stop may stand: behind slot
    0 of .mmi, behind slot 1 of .mii. A label stands before the first instruction alone; certain branches must be last.
    The assembler refuses other bundles: take the
    braces away, and it finds the bundles itself. (SDM vol. 1, 3.3, table 3-10.)
    """

    code = "PV605"
    title = "explicit bundle that its instructions do not fit in"
    severity = "note"
    follows_flow = True
    in_mixed_headers = False
    invalid = (
        Flagged(
            "{ .mii\n\tld8 r8 = [r9]\n\t«ld8 r10 = [r11]»\n\tnop.i 0\n}",
            "`ld8 r10 = [r11]' does not fit in the template .mii: it needs an M slot there",
        ),
        Flagged(
            "{ .mmi\n\tnop.m 0\n\tnop.m 0\n\tnop.i 0\n\t«nop.i 0»\n}",
            "`nop.i 0' does not fit: there is no slot left in the bundle",
        ),
        Flagged(
            "{ .mib\n\tnop.m 0 ;;\n\t«nop.i 0»\n\tnop.b 0\n}",
            "`nop.i 0' stands behind a stop, for which there is no place in the template .mib",
        ),
        Flagged(
            "{ .mlx\n\tnop.m 0\n\t«add r8 = r9, r10»\n}",
            "`add r8 = r9, r10' does not fit in the template .mlx: it needs an M slot or an I slot there",
        ),
        Flagged(
            "{ .mmi\n\tnop.m 0\n1:\t«nop.m 0»\n\tnop.i 0\n}",
            "`nop.m 0' has a label before it, which can stand at the head of a bundle alone",
        ),
        Flagged(
            "{ .bbb\n\t«br.ctop.sptk 1f»\n\tnop.b 0\n\tnop.b 0\n}\n1:\tnop 0",
            "`br.ctop.sptk 1f' must be last in its bundle",
        ),
        Flagged(
            "{ .mfi\n\t«nop.m 0»\n\tnop.f 0\n\tnop.i 0\n\t.align 32",
            "the bundle that begins here is still open at .align: `}' is missing",
        ),
    )
    valid = (
        "{ .mii\n\tld8 r8 = [r9]\n\tnop.i 0\n\tadd r10 = r8, r9 ;;\n}",
        "{ .mlx\n\tnop.m 0\n\tmovl r8 = 5\n}",
        "{ .mmi\n\tnop.m 0 ;;\n\tnop.m 0\n\tnop.i 0\n}",
        "{ .mii\n\tMACRO\n\tnop.m 0\n\tnop.m 0\n}",
        "{ .mfi\n#ifdef A\n\tnop.m 0\n#else\n\tnop.m 1\n#endif\n\tnop.f 0\n\tnop.i 0\n}",
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """The first instruction of each bundle that does not fit in it."""
        return bundle_misfits(subject)
