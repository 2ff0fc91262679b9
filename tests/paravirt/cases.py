"""Arguments for every op: the cases that the tests of the instances go through."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from pvasm.paravirt.catalog import Op
from pvasm.paravirt.instance import Instance
from pvasm.paravirt.loading import load_catalog

CATALOG = load_catalog()
OPS = list(CATALOG.ops.values())
LINUX = [op for op in OPS if not op.extension]  # those of Linux, which there are figures of
BANKED_SAFE = ("r2", "r3", "r9")
MANY = 3  # general registers: with more of them, there are enough cases without the odd names


def plain(op: Op) -> list[str]:
    """Arguments that are nothing special: r20.. (r2.. for the bank switches: they are about r16-r31), p6.., CURRENT."""
    general = iter(BANKED_SAFE if op.name.startswith("BSW") else ("r20", "r21", "r22", "r23"))
    predicates = iter(("p6", "p7", "p8"))
    kinds = {"general": general, "predicate": predicates, "kernel-register": iter(("CURRENT",))}
    return [next(kinds[parameter.kind]) for parameter in op.parameters]


def all_cases(op: Op, instance: Instance) -> Iterator[list[str]]:
    """Arguments of every kind that matters: r8, r9 and others in every place, p0, r0, and equal ones where allowed."""
    pools = {
        "general": ("r0", "r2", "r8", "r9", "ret2", "r14", "in0"),
        "predicate": ("p0", "p6", "p15"),
        "kernel-register": ("CURRENT", "IO_BASE"),
    }
    if sum(parameter.kind == "general" for parameter in op.parameters) > MANY:
        pools |= {"general": ("r0", "r2", "r8", "r9", "in0"), "predicate": ("p0", "p6")}
    choices = []
    for parameter in op.parameters:
        pool = pools[parameter.kind]
        choices.append([word for word in pool if word not in ("p0", "r0") or parameter.use == "in"])
    for arguments in itertools.product(*choices):
        if not list(instance.conflicts(op, arguments)):
            yield list(arguments)
