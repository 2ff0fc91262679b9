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
    from pvasm.paravirt.instance import instance_summaries, load_instance

    known = {"__ASSEMBLY__": True, "__ASSEMBLER__": True, "__ia64__": True}
    every = instance_summaries()
    if not names:
        return known | {summary.defines: False for summary in every if summary.environment == "hardware"}
    chosen = {load_instance(name, catalog).defines for name in names}
    known.update((summary.defines, False) for summary in every if summary.defines not in chosen)
    if len(chosen) == 1:  # with several instances in question, each of their macros may be defined or not
        known.update(dict.fromkeys(chosen, True))
    return known
