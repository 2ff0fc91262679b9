"""PV204: an instruction in the wrong place of its instruction group."""

from __future__ import annotations

from collections.abc import Iterator

from pvasm.check.example import Flagged
from pvasm.check.finding import Finding
from pvasm.check.groups import find_violations
from pvasm.check.rule import Rule
from pvasm.check.subject import Subject


class Position(Rule):
    """Some instructions must be the first or the last of their group.

    `alloc` must be the first; `cover`, `rfi`, `bsw`, `itc` and others the last: elsewhere, what the processor does is
    undefined. GNU as puts the stop there by itself, and hand-written code relies on that; so this is off unless
    selected, for code that other assemblers read. Every instance's variant is looked at. Put a stop between. (SDM vol.
    3, the pages of these instructions.)
    """

    code = "PV204"
    title = "instruction in the wrong place of its group"
    severity = "note"
    follows_flow = True
    on_by_default = False
    in_mixed_headers = False
    invalid = (
        Flagged(
            "\tmov r8 = r9\n\t«alloc r10 = ar.pfs, 0, 0, 0, 0» ;;",
            "`alloc r10 = ar.pfs, 0, 0, 0, 0' must be the first of its group; `mov r8 = r9' stands before "
            "it: a stop (;;) is due between",
        ),
        Flagged(
            "\t«cover»\n\tmov r8 = r9 ;;",
            "`cover' must be the last of its group; `mov r8 = r9' stands after it: a stop (;;) is due between",
        ),
        Flagged(
            "\t«COVER»\n\tmov r8 = r9 ;;",
            "`cover' must be the last of its group; `mov r8 = r9' stands after it: a stop (;;) is due between [native]",
        ),
        Flagged(
            "\t«RFI»\n\tmov r8 = r9 ;;",
            "`rfi' must be the last of its group; `mov r8 = r9' stands after it: a stop (;;) is due between "
            "[native, trap]",
        ),
    )
    valid = (
        "mov r8 = r9 ;;\n\talloc r10 = ar.pfs, 0, 0, 0, 0 ;;",
        "cover ;;\n\tmov r8 = r9 ;;",
        "COVER\n\t;;\n\tmov r8 = r9 ;;",
        ";;\n\talloc r10 = ar.pfs, 0, 0, 0, 0\n\tmov r8 = r9 ;;",
        "rfi\n\t;;",
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Every instruction that stands elsewhere than it must."""
        for found in subject.of(find_violations):
            if found.kind == "position":
                is_first = found.resource == "first"
                what, other = (found.later, found.earlier) if is_first else (found.earlier, found.later)
                side = "before" if is_first else "after"
                message = f"{what} must be the {found.resource} of its group; {other} stands {side} it"
                yield found.finding(f"{message}: a stop (;;) is due between")
