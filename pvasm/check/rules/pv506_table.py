"""PV506: a C table with a member that must be set and is not, or that is what C cannot take for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pvasm.check.example import Flagged
from pvasm.check.finding import InstanceFinding
from pvasm.check.rule import InstanceRule
from pvasm.errors import PvasmError

if TYPE_CHECKING:
    from pvasm.check.instance_subject import InstanceSubject


class TableMemberNotSet(InstanceRule):
    """The kernel calls most members of its tables without looking: a null one is a jump to address 0, early in boot.

    An instance that fills a table under `tables` fills it whole, with what it takes over from the instance that it
    extends. The catalog says which members may be null, which means that there is nothing to do, and of which C type
    each is: `pvasm tables` writes the tables in C.
    """

    code = "PV506"
    title = "member of a C table that is not set, or not as C has it"
    severity = "error"
    invalid = (
        Flagged(
            "extends: xen\ntables:\n  pv_irq_ops:\n    «resend_irq: null»\n",
            "pv_irq_ops.resend_irq must not be null: give it what the kernel uses without looking",
        ),
        Flagged(
            "environment: trap\n"
            "defines: MINE\n"
            "otherwise: replaces\n"
            "tables:\n"
            "  «pv_fsys_data:»\n"
            "    fsyscall_table: my_fsyscall_table\n",
            "pv_fsys_data does not set fsys_bubble_down: give it what the kernel uses without looking",
        ),
        Flagged(
            "extends: xen\ntables:\n  pv_time_ops:\n    «sched_clock: my-sched-clock»\n",
            "pv_time_ops.sched_clock must be the name of a C function, and is 'my-sched-clock'",
        ),
        Flagged(
            "extends: xen\ntables:\n  pv_info:\n    «kernel_rpl: -1»\n",
            "pv_info.kernel_rpl must be from 0 to 4294967295, and is -1",
        ),
        Flagged(
            "extends: xen\ntables:\n  pv_init_ops:\n    banner: «pv_info»\n",
            "pv_init_ops.banner: pv_info is the name of a table",
        ),
    )
    valid = (
        "extends: xen\ntables:\n  pv_info: {kernel_rpl: 1, name: a hypervisor of my own}\n",
        "extends: xen\ntables:\n  pv_irq_ops:\n    resend_irq: my_resend_irq\n",
        "extends: native\ntables:\n  pv_init_ops: {banner: null}\n",
    )

    def check(self, subject: InstanceSubject) -> Iterator[InstanceFinding]:
        """The members that are null, and for each table in the file those that are missing."""
        from pvasm.tables.filled_tables import refuse_values

        instance, root = subject.draft.instance, subject.draft.root
        tables = root.value.get("tables")
        is_right = True
        for table, node in {} if tables is None else tables.value.items():
            members, values = instance.catalog.tables[table].members, instance.tables[table]
            unset = [name for name, member in members.items() if values.get(name) is None and not member.may_be_null]
            for name in (name for name in unset if name in node.value):
                message = f"{table}.{name} must not be null: give it what the kernel uses without looking"
                yield InstanceFinding(node.keys[name], message)
            missing = [name for name in unset if name not in node.value]
            if missing:
                message = f"{table} does not set {', '.join(missing)}: give it what the kernel uses without looking"
                yield InstanceFinding(tables.keys[table], message)
            for name in node.value:
                value = values[name]
                due = None if value is None else members[name].flaw(value)
                if due is not None:
                    is_right = False
                    yield InstanceFinding(node.keys[name], f"{table}.{name} must be {due}, and is {value!r}")
        if tables is not None and is_right:
            try:
                refuse_values(instance)
            except PvasmError as error:
                place = (error.line, error.column)
                if place[0] is not None and place[1] is not None:
                    yield InstanceFinding((place[0], place[1]), error.message.removeprefix("tables."))
