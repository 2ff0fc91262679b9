"""A document's code, read once: what is exposed in it, and its steps for those who follow its flow."""

from __future__ import annotations

from pvasm.asm.elaborate import elaborate
from pvasm.check.exposure import Exposure, ExposureSearch
from pvasm.check.subject import Subject
from pvasm.expand.program import Program


class Code:
    """What looks on while a document is read, with what it has seen."""

    def __init__(self, subject: Subject) -> None:
        self.search = ExposureSearch(subject)
        self.program = Program(subject.document, subject.catalog, subject.headers)
        visitors = [self.search, self.program] if subject.follows_flow else [self.search]
        elaborate(subject.document, subject.headers, subject.scope(), subject.known, subject.names_kept, visitors)


def find_exposures(subject: Subject) -> list[Exposure]:
    """The sensitive, privileged and level-dependent instructions of a document, in order."""
    return subject.of(Code).search.exposures()
