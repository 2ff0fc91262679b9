"""What the instances say of the C preprocessor's macros: whose code a conditional keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pvasm.paravirt.catalog import Catalog


def known_macros(catalog: Catalog, names: Sequence[str]) -> dict[str, bool]:
    """What is known of the macros when a file is compiled for the instances called `names`.

    Without names, for all instances but those of bare hardware.

    Raises PvasmError for an unknown or invalid instance.
    """
    from pvasm.paravirt.instance import instance_names, load_instance

    known = {"__ASSEMBLY__": True, "__ASSEMBLER__": True, "__ia64__": True}
    every = [load_instance(name) for name in instance_names()]
    chosen = [load_instance(name) for name in names]
    if chosen:
        for instance in (*every, *chosen):
            known[instance.defines] = False
        for instance in chosen:
            # With several instances in question, each of their macros may be defined or not.
            known.pop(instance.defines, None)
            if len(chosen) == 1:
                known[instance.defines] = True
        return known
    for instance in every:
        if instance.environment == "hardware":
            known[instance.defines] = False
    return known
