"""What a rule yields: where in the document something is wrong, and what to do about it."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from pvasm.text import Edit

Severity = Literal["error", "warning", "note"]

NOT_FIXED = "not fixed: "
"""What the line of a finding's details begins with that says why it is not fixed."""


class Related(Struct, frozen=True):
    """A place in the document that a finding has to do with as well, and what there is to say of it."""

    start: int
    end: int
    message: str


class Finding(Struct, frozen=True):
    """A finding about a document: the span in its text, and the message.

    `instance` names the instance in which it is so, if it is not so in all. `details` are lines to show below the
    source line: what an op becomes there, the path that leads to a read. `edits` of the document's text fix it;
    they are made all or none. `related` are the other places that it is about, in the order in which they matter.
    """

    start: int
    end: int
    message: str
    instance: str | None = None
    details: tuple[str, ...] = ()
    edits: tuple[Edit, ...] = ()
    related: tuple[Related, ...] = ()


class InstanceFinding(Struct, frozen=True):
    """A finding about an instance file: the place in it (line and column, from 1), and the message.

    `details` are lines to show below: what an op becomes.
    """

    place: tuple[int, int]
    message: str
    details: tuple[str, ...] = ()
