"""The error that a person must act on."""

from __future__ import annotations


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
        place = [str(part) for part in (self.path, self.line, self.column) if part is not None]
        return ": ".join([":".join(place), self.message]) if place else self.message
