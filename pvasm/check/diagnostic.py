"""What a rule found, and where."""

from __future__ import annotations

from typing import NamedTuple

from pvasm.check.finding import Severity

_MAX_SHOWN = 400  # characters of a piece of source


class RelatedPlace(NamedTuple):
    """A place that a finding has to do with as well, and what there is to say of it; columns of 0 are not known."""

    path: str
    line: int
    column: int
    end_line: int
    end_column: int
    message: str


class Change(NamedTuple):
    """A part of a fix: in the file that was checked, what stands from one place to another gives way to a text."""

    path: str
    line: int
    column: int
    end_line: int
    end_column: int
    replacement: str


class Diagnostic(NamedTuple):
    """One finding; lines and columns count from 1, the end is just after the last character.

    `instruction` is the source text that it is about, `source_line` the line it stands in, `source_column` where in
    that. These are what is shown: of very long text they are a piece (`abridged`), so that many findings on a long line
    take no more memory than as many on short ones. `instance` names the instance in which it is so, if not in all;
    `details` are lines that tell more. `statement` is the text of the statement that it stands in, if it is about a
    part of one. In an object, `place` tells where: section and offset, slot, symbol; `address` sorts such places. Where
    no line of a source is known, `path` is the object's, and line and column are 0. `related` are other places that it
    is about; `changes`, made all or none, fix it: they are there if the settings ask for them (`fixes`).
    """

    path: str
    line: int
    column: int
    end_line: int
    end_column: int
    code: str
    severity: Severity
    message: str
    instruction: str
    source_line: str
    source_column: int
    instance: str | None = None
    details: tuple[str, ...] = ()
    statement: str = ""
    place: str = ""
    address: int = 0
    related: tuple[RelatedPlace, ...] = ()
    changes: tuple[Change, ...] = ()

    @property
    def where(self) -> str:
        """The place as messages begin with it, behind the path: line and column, or where in an object it is."""
        return f"{self.line}:{self.column}" if self.line or not self.place else self.place

    @property
    def order(self) -> tuple[object, ...]:
        """What to sort by: the place, the code, and what tells findings at one place apart."""
        return (
            *(*self[:5], self.address, self.code, self.message),
            *(self.instance or "", self.details, self.instruction, self.place),
        )


def abridged(text: str) -> str:
    """The text or, if it is very long, its beginning and a digest of all, which tells it from others."""
    if len(text) <= _MAX_SHOWN:
        return text
    from hashlib import sha256  # takes long to import, and is not often needed

    digest = sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return f"{text[:_MAX_SHOWN]} ... {digest}"
