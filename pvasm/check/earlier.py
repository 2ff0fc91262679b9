"""What checking earlier versions of a text has found out, for who checks the next: an editor, as somebody types."""

from __future__ import annotations

from pvasm.asm.rereading import Reading
from pvasm.check.stretches import Stretches


class Earlier:
    """What is known: the last `reading` of the code, and the `stretches` whose instruction groups were looked at.

    It is of one file, checked with the same settings each time.
    """

    def __init__(self) -> None:
        self.reading: Reading | None = None
        self.stretches = Stretches()
