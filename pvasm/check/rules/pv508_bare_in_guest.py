"""PV508: a sensitive instruction that stays in an op of a guest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pvasm.check.example import Flagged
from pvasm.check.finding import InstanceFinding
from pvasm.check.rule import InstanceRule

if TYPE_CHECKING:
    from pvasm.check.instance_subject import InstanceSubject


class BareInGuest(InstanceRule):
    """In a guest, what is privileged faults, and the hypervisor emulates it; a sensitive instruction (`thash`, `cover`,
    `fc`) goes on with the machine's own state, and nobody notices.

    Give the op a template. Where the instruction is right all the same, say why: `bare: {MOV_FROM_ITC: psr.si is 1}`;
    an instance that extends this one takes the reason over.
    """

    code = "PV508"
    title = "sensitive instruction that stays in an op of a guest"
    severity = "error"
    invalid = (
        Flagged(
            "extends: trap\nops:\n  «COVER:»\n    template: cover\n",
            "COVER: the sensitive instruction `cover' stays bare, and does not fault in a guest: give a "
            "template, or say why under `bare'",
        ),
        Flagged(
            "extends: trap\nops:\n  «THASH:»\n    template: ({{ pred }}) thash {{ reg }} = {{ address }}\n",
            "THASH: the sensitive instruction `(p6) thash r20 = r21' stays bare, and does not fault in a "
            "guest: give a template, or say why under `bare'",
        ),
    )
    valid = (
        "extends: native\n",
        "extends: trap\n",
        "extends: trap\nops:\n  COVER: {template: cover}\nbare:\n  COVER: psr.ic is 1 whenever we do this\n",
    )

    def check(self, subject: InstanceSubject) -> Iterator[InstanceFinding]:
        """Every op with one, at the op, or where the file says where it comes from."""
        draft = subject.draft
        if draft.missing or draft.instance.environment == "hardware":
            return
        from pvasm.paravirt.bare import bare_instructions

        for op, text in bare_instructions(draft.instance):
            if op in draft.bare:
                continue
            is_own = op in draft.own
            of = "" if is_own or draft.instance.extends is None else f", taken over from {draft.instance.extends},"
            place = draft.root.value["ops"].keys[op] if is_own else draft.place_of_base
            message = f"{op}: the sensitive instruction `{text}'{of} stays bare, and does not fault in a guest"
            yield InstanceFinding(place, f"{message}: give a template, or say why under `bare'")
