"""What a rule found, and where."""

from __future__ import annotations

from typing import NamedTuple

from pvasm.check.finding import Severity


class Diagnostic(NamedTuple):
    """One finding; lines and columns count from 1, the end is just after the last character.

    `instruction` is the source text that it is about, `source_line` the line it stands in (a piece of it, if it is very
    long), `source_column` where in that. `instance` names the instance in which it is so, if not in all; `details` are
    lines that tell more. `statement` is the text of the statement that it stands in, if it is about a part of one.
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

    @property
    def order(self) -> tuple[object, ...]:
        """What to sort by: the place, the code, and what tells findings at one place apart."""
        return (*self[:6], self.message, self.instance or "", self.details)
