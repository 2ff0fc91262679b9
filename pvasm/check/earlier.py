"""What checking earlier versions of a text has found out, for who checks the next: an editor, as somebody types."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from operator import is_
from typing import TYPE_CHECKING, Final

from pvasm.asm.rereading import Reading
from pvasm.check.stretches import Stretches

if TYPE_CHECKING:
    from pvasm.paravirt.instance import Instance

_MOST_SOUND: Final = 20_000


class Earlier:
    """What is known: the last `reading` of the code, and the `stretches` whose instruction groups were looked at.

    It is of one file, checked with the same settings each time.
    """

    def __init__(self) -> None:
        self.reading: Reading | None = None
        self.stretches = Stretches()
        self._sound: set[Hashable] = set()
        self._instances: Sequence[Instance] = ()

    def sound(self, instances: Sequence[Instance]) -> set[Hashable]:
        """Invocations of ops with which nothing is wrong for these instances, as who judges them tells them apart."""
        known = self._instances
        is_same = len(known) == len(instances) and all(map(is_, known, instances))  # a file may be another by now
        if not is_same or len(self._sound) > _MOST_SOUND:
            self._sound, self._instances = set(), instances
        return self._sound
