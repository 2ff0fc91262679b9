"""The error that a person must act on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

IF_KILLED = ": if memory ran out, --jobs 1 takes less"
"""What is said further of a process that a signal has ended."""


class PvasmError(Exception):
    """Something is wrong with what pvasm was given; the message is one line, for the person who must act.

    `str()` of it is `path:line:column: message` with as much of the place as is known. Lines and columns count from 1.
    """

    def __init__(
        self, message: str, path: str | None = None, line: int | None = None, column: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = " ".join(message.split())
        self.path = path
        self.line = line
        self.column = column

    def __str__(self) -> str:
        place = [str(part) or "''" for part in (self.path, self.line, self.column) if part is not None]
        return ": ".join([":".join(place), self.message]) if place else self.message


class ErrorsWithRemedy(PvasmError):  # noqa: N818  (it is several)
    """Several errors, and what to do about all of them; the message is that of the first."""

    def __init__(self, errors: Sequence[PvasmError], remedy: str) -> None:
        first = errors[0]
        super().__init__(first.message, first.path, first.line, first.column)
        self.errors = tuple(errors)
        self.remedy = remedy


_NAMED_AT_MOST: Final = 8


class UndefinedSymbols(PvasmError):  # noqa: N818  (it is several)
    """Symbols that are used, and that nothing defines: `places` has each name, and the error at its first place.

    The message is that of the first one, with the names of the others, or how many they are.
    """

    def __init__(self, places: dict[str, PvasmError]) -> None:
        first = next(iter(places.values()))
        names = [f"`{name}'" for name in list(places)[1:]]
        more = f" and {len(names) + 1 - _NAMED_AT_MOST} more" if len(names) >= _NAMED_AT_MOST else ""
        said = f", nor {', '.join(names[: _NAMED_AT_MOST - 1])}{more}" if names else ""
        super().__init__(first.message + said, first.path, first.line, first.column)
        self.places = places
