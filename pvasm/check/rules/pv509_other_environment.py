"""PV509: an instance that extends one for another environment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pvasm.check.example import Flagged
from pvasm.check.finding import InstanceFinding
from pvasm.check.rule import InstanceRule

if TYPE_CHECKING:
    from pvasm.check.instance_subject import InstanceSubject


class OtherEnvironment(InstanceRule):
    """What an instance takes over was written for the environment of the one that it extends: bare hardware's ops
    are plain instructions, Xen's are calls that no other hypervisor has.

    Go through them with `pvasm instance show NAME`: give those that are wrong there a template, or extend an instance
    of the same environment.
    """

    code = "PV509"
    title = "definitions taken over from another environment"
    severity = "note"
    invalid = (
        Flagged(
            "«extends: native»\nenvironment: trap\n",
            "57 ops are those of native, which runs on hardware, and this on trap: see that they are right "
            "there, or give them templates",
        ),
        Flagged(
            "«extends: xen»\nenvironment: trap\n",
            "57 ops are those of xen, which runs on xen, and this on trap: see that they are right there, or "
            "give them templates",
        ),
    )
    valid = ("extends: xen\nenvironment: xen\n", "extends: native\n", "extends: trap\n")

    def check(self, subject: InstanceSubject) -> Iterator[InstanceFinding]:
        """The key that names the other instance, and how many ops are that one's."""
        draft = subject.draft
        environment, base = draft.instance.environment, draft.base_environment
        number = len(draft.instance.definitions) - len(draft.own)
        if base is None or base == environment or not number:
            return
        of = f"{number} ops are those of {draft.instance.extends}, which runs on {base}, and this on {environment}"
        message = f"{of}: see that they are right there, or give them templates"
        yield InstanceFinding(draft.place_of_base, message)
