"""PV406: a comment about user level that is wrong."""

from __future__ import annotations

from collections.abc import Iterator

from pvasm.check.example import Flagged
from pvasm.check.finding import Finding
from pvasm.check.rule import Rule
from pvasm.check.subject import Subject


class UserLevelRegion(Rule):
    """Comments say which code runs at user level, where a hypervisor asks nothing of it: from `pvasm: user-level
    begin` to `pvasm: user-level end`.

    A region that never ends counts for nothing: nobody knows how far it was to go. Write the other half, or take the
    comment away.
    """

    code = "PV406"
    title = "comment about user level without its other half"
    severity = "error"
    invalid = (
        Flagged(
            "\tnop 0\n\t// «pvasm: user-level begin»\n\tnop 0",
            "user level begins here and never ends: `pvasm: user-level end' is due behind it",
        ),
        Flagged(
            "\tnop 0\n\t// «pvasm: user-level end»\n\tnop 0",
            "user level ends here and has not begun: `pvasm: user-level begin' is due before",
        ),
        Flagged(
            "\tnop 0\n\t// «pvasm: user-level starts»\n\tnop 0",
            "is no mark: `pvasm: user-level begin' or `pvasm: user-level end' is due",
        ),
        Flagged(
            "// «pvasm: user-level begin»\n\tnop 0\n// pvasm: user-level begin\n\tnop 0\n// pvasm: user-level end",
            "user level begins here, and begins again before it ends: `pvasm: user-level end' is due behind it",
        ),
    )
    valid = (
        "// pvasm: user-level begin\n\tcover\n// pvasm: user-level end",
        '.string "pvasm: user-level begin"',
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Every such comment."""
        if "user-level" not in subject.document.text:
            return
        from pvasm.check.code_levels import open_regions

        for region in open_regions(subject):
            yield Finding(region.start, region.end, region.problem)
