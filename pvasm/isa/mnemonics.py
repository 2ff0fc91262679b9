"""Which words are mnemonics, kept apart from the instruction table: who reads statements need not read its rows."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from pvasm.compiled import compiled

_FOLDER = os.path.join(os.path.dirname(os.path.realpath(__file__)), "instructions")


def is_mnemonic(name: str) -> bool:
    """Whether the name, up to its first dot and in any case, is that of an instruction or pseudo-op."""
    return name.partition(".")[0].lower() in stems()


@cache
def stems() -> frozenset[str]:
    """Every mnemonic of the table up to its first dot."""
    first, *others = (os.path.join(_FOLDER, name) for name in sorted(os.listdir(_FOLDER)) if name.endswith(".txt"))
    made_by = ("isa/mnemonics.py", "isa/table.py", *others)
    return frozenset(compiled(first, _read, made_by=made_by, kind="stems"))


def _read(_: str) -> Any:
    from pvasm.isa.table import STEMS

    return sorted(STEMS)
