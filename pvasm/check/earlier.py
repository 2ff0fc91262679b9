"""What checking earlier versions of a text has found out, for who checks the next: an editor, as somebody types."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence, Set
from operator import is_
from typing import TYPE_CHECKING, Final, NamedTuple

from pvasm.asm.rereading import ReadingLog
from pvasm.check.stretches import Stretches

if TYPE_CHECKING:
    from pvasm.paravirt.instance import Instance
    from pvasm.syntax.document import Document
    from pvasm.text import Edit

_MOST_SOUND: Final = 20_000


class Tried(NamedTuple):
    """The edits that findings in a document brought; for those that cannot be made, by their first places, why."""

    document: Document
    proposed: Sequence[tuple[Edit, ...]]
    kept: Set[tuple[Edit, ...]]
    refused: Mapping[int, str]


class Earlier:
    """What is known: the last `reading` of the code, and the `stretches` whose instruction groups were looked at.

    `tried` are the edits that its last text's findings brought. It is of one file, with the same settings each time.
    """

    def __init__(self) -> None:
        self.reading: ReadingLog | None = None
        self.stretches = Stretches()
        self.tried: Tried | None = None
        self._sound: set[Hashable] = set()
        self._instances: Sequence[Instance] = ()

    def is_about(self, instances: Sequence[Instance]) -> None:
        """What was said of others is forgotten: the file of one may be another by now."""
        known = self._instances
        if len(known) != len(instances) or not all(map(is_, known, instances)):
            self._instances, self._sound, self.tried = instances, set(), None

    @property
    def sound(self) -> set[Hashable]:
        """Invocations of ops with which nothing is wrong for the instances, as who judges them tells them apart."""
        if len(self._sound) > _MOST_SOUND:
            self._sound = set()
        return self._sound
