"""PV511: a machine vector that no file tells of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pvasm.check.example import Flagged
from pvasm.check.finding import InstanceFinding
from pvasm.check.rule import InstanceRule

if TYPE_CHECKING:
    from pvasm.check.instance_subject import InstanceSubject


class UnknownMachineVector(InstanceRule):
    """Which functions a machine vector serves, and where they work, its file in `instances/machvecs` says. Of a name
    that has none nothing can be said: neither `pvasm instance show` nor PV510 looks at it. It is either misspelt, or
    the vector of a platform of your own.

    If it is your own, see for yourself that its functions work in the instance's environment, and ignore this code
    (`per-file-ignores`).
    """

    code = "PV511"
    title = "machine vector that no file tells of"
    severity = "note"
    invalid = (
        Flagged(
            "extends: xen\n«machine_vector: xne»\n",
            "no file tells of a machine vector xne (did you mean xen?); there are dig, dig_vtd, hpsim, hpzx1, "
            "hpzx1_swiotlb, sn2, uv, xen. If it is one of your own, what its functions need is yours to see",
        ),
        Flagged(
            "extends: native\n«machine_vector: mine»\n",
            "no file tells of a machine vector mine; there are dig, dig_vtd, hpsim, hpzx1, hpzx1_swiotlb, sn2, uv, "
            "xen. If it is one of your own, what its functions need is yours to see",
        ),
    )
    valid = (
        "extends: native\n",
        "extends: xen\n",
        "extends: hvm\nmachine_vector: hpsim\n",
    )

    def check(self, subject: InstanceSubject) -> Iterator[InstanceFinding]:
        """The key that names the vector: of one that is taken over, the base's own file is told."""
        from pvasm.paravirt.machine_vector import machine_vector_names
        from pvasm.suggestions import near

        draft = subject.draft
        name, known = draft.instance.machine_vector, machine_vector_names()
        if name is None or name in known or "machine_vector" not in draft.root.value:
            return
        message = (
            f"no file tells of a machine vector {name}{near(name, known)}; there are {', '.join(known)}. If it is one "
            "of your own, what its functions need is yours to see"
        )
        yield InstanceFinding(draft.root.keys["machine_vector"], message)
