"""What rules about instances look at: one file, and how its templates break their contracts."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from typing import Final

from msgspec import Struct, field

from pvasm.check.finding import InstanceFinding
from pvasm.errors import PvasmError
from pvasm.paravirt.contract import violations
from pvasm.paravirt.instance_file import Draft
from pvasm.paravirt.trial import Kind, Violation
from pvasm.paravirt.trial_run import Budget

# How many lines of expansions are run for a whole file (Xen's take 2,400), and for an op where these are used up.
_MOST_STEPS: Final = 200_000
_FEWEST_STEPS: Final = 2_000


class InstanceSubject(Struct, dict=True):
    """An instance file under the eyes of the rules. `errors` collects what keeps them from looking at all of it."""

    draft: Draft
    errors: list[PvasmError] = field(default_factory=list)

    @cached_property
    def violations(self) -> list[Violation]:
        """How the templates that stand in the file break their ops' contracts."""
        instance = self.draft.instance
        found: list[Violation] = []
        left = _MOST_STEPS
        for name in self.draft.own:
            steps = max(_FEWEST_STEPS, min(left, _MOST_STEPS // 5))
            budget = Budget(steps)
            try:
                found += violations(instance, instance.catalog.ops[name], budget)
            except PvasmError as error:
                self.errors.append(error)
            left -= steps - budget.left
        return found

    def of_kinds(self, kinds: Collection[Kind]) -> list[InstanceFinding]:
        """The violations of some kinds, as findings: each at its line in the template, or at the op."""
        return [self._finding(violation) for violation in self.violations if violation.kind in kinds]

    def _finding(self, violation: Violation) -> InstanceFinding:
        draft = self.draft
        place = draft.root.value["ops"].keys[violation.op.name]
        template = draft.instance.definitions[violation.op.name].template
        if violation.line is not None and template is not None:
            place = template.place(violation.line)
        choice = f" (with {violation.choice})" if violation.choice else ""
        return InstanceFinding(place, f"{violation.op.name}: {violation.message}{choice}", violation.lines)
