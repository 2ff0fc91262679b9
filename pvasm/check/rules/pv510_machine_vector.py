"""PV510: a machine vector whose functions do not work in the instance's environment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, get_args

from pvasm.check.example import Flagged
from pvasm.check.finding import InstanceFinding
from pvasm.check.rule import InstanceRule

if TYPE_CHECKING:
    from pvasm.check.instance_subject import InstanceSubject


class MachineVectorForOtherEnvironment(InstanceRule):
    """The machine vector's functions lie above the instance's, and are called without looking: Xen's send interrupts by
    hypercalls, which a machine does not have; those of a machine write to its interrupt controller, which no guest of
    Xen has.

    Name the vector of the platform that the kernel sees. A fully virtualized guest sees an emulated machine: its
    environment is hardware, and its vector that machine's. Nothing is said of a vector that does not travel with
    pvasm, and of an environment of one's own.
    """

    code = "PV510"
    title = "machine vector for another environment"
    severity = "error"
    invalid = (
        Flagged(
            "extends: xen\n«machine_vector: dig»\n",
            "the machine vector dig is for hardware and trap, and this runs on xen: its send_ipi is "
            "ia64_send_ipi; for xen there is xen",
        ),
        Flagged(
            "extends: native\n«machine_vector: xen»\n",
            "the machine vector xen is for xen, and this runs on hardware: its send_ipi is "
            "xen_platform_send_ipi; for hardware there are dig, dig_vtd, hpsim, hpzx1, hpzx1_swiotlb, sn2 "
            "and uv",
        ),
        Flagged(
            "«extends: xen»\nenvironment: trap\n",
            "the machine vector xen, taken over from xen, is for xen, and this runs on trap: its send_ipi is "
            "xen_platform_send_ipi; for trap there are dig, dig_vtd, hpsim, hpzx1, hpzx1_swiotlb, sn2 and uv",
        ),
    )
    valid = (
        "extends: xen\n",
        "extends: hvm\nmachine_vector: hpsim\n",
        "extends: trap\nmachine_vector: dig\n",
        "extends: native\nmachine_vector: sn2\n",
    )

    def check(self, subject: InstanceSubject) -> Iterator[InstanceFinding]:
        """The key that names the vector, or the instance that it is taken over from."""
        from pvasm.paravirt.instance import Environment
        from pvasm.paravirt.machine_vector import load_machine_vector, machine_vectors_for

        draft = subject.draft
        instance, catalog = draft.instance, draft.instance.catalog
        vector = load_machine_vector(instance.machine_vector or "", catalog)
        if vector is None or instance.environment not in get_args(Environment):
            return
        if instance.environment in vector.environments:
            return
        is_own = "machine_vector" in draft.root.value
        of = "" if is_own else f", taken over from {instance.extends},"
        *others, last = machine_vectors_for(instance.environment, catalog)
        fitting = f"are {', '.join(others)} and {last}" if others else f"is {last}"
        environment = instance.environment
        message = (
            f"the machine vector {vector.name}{of} is for {' and '.join(vector.environments)}, and this runs on "
            f"{environment}: its send_ipi is {vector.server('send_ipi', catalog)}; for {environment} there {fitting}"
        )
        yield InstanceFinding(draft.root.keys["machine_vector"] if is_own else draft.place_of_base, message)
