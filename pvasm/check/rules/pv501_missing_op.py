"""PV501: an op that an instance does not define."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pvasm.check.finding import InstanceFinding
from pvasm.check.rule import InstanceRule

if TYPE_CHECKING:
    from pvasm.check.instance_subject import InstanceSubject


class MissingOp(InstanceRule):
    """Every instance defines every op of the catalog: source that uses an op must compile for each of them.

    Give the op a template, take it over from another instance (`extends`), or say `otherwise: replaces`: then what has
    no definition is the instruction itself. Such an instance cannot be used; its other templates are checked all the
    same.
    """

    code = "PV501"
    title = "op without a definition"
    severity = "error"
    invalid = ("environment: trap\ndefines: MINE\nops: # <--\n  RFI: {template: rfi}\n",)
    valid = (
        "extends: native\nops:\n  RFI: {template: rfi}\n",
        "environment: trap\ndefines: MINE\notherwise: replaces\n",
    )

    def check(self, subject: InstanceSubject) -> Iterator[InstanceFinding]:
        """All that are missing, in one finding."""
        missing = subject.draft.missing
        if missing:
            yield InstanceFinding(subject.draft.place_of_ops, f"no definition of {', '.join(missing)}")
