"""A document's code, read once: what is exposed in it, which names are nothing, its steps for who follows its flow."""

from __future__ import annotations

from pvasm.asm.elaborate import Repeater, Visitor, elaborate, elaborate_again
from pvasm.check.code_levels import CodeLevels
from pvasm.check.exposure import Exposure, ExposureSearch
from pvasm.check.subject import Subject
from pvasm.check.unknown_names import UnknownNames
from pvasm.expand.program import Program


class Code:
    """What looks on while a document is read, with what it has seen.

    The program is made along with the search if the subject says that somebody will ask for it, else when asked for.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        # Read once for all instances: which of them the code is compiled for, the conditions of its steps say.
        symbols = subject.build_symbols
        self._known = {name: value for name, value in subject.known.items() if len(symbols) == 1 or name not in symbols}
        self.levels = CodeLevels(subject, self._known)
        self.search = ExposureSearch(subject, self.levels)
        self.names = UnknownNames(subject)
        self._program = self._unread() if subject.follows_flow else None
        levels = [self.levels] if self.levels.follows else []
        program = [self._program] if self._program is not None else []
        self._read(*levels, self.search, self.names, *program)

    def _unread(self) -> Program:
        subject = self._subject
        return Program(subject.document, subject.catalog, subject.headers, subject.definitions)

    def _read(self, *visitors: Visitor) -> None:
        subject = self._subject
        earlier = subject.earlier
        repeaters = [each for each in visitors if isinstance(each, Repeater)]
        # Where code runs matters to all that is found in it, and is not told statement by statement.
        if earlier is not None and len(repeaters) == len(visitors) and not self.levels.knows_user_level:
            kept = subject.names_kept
            earlier.reading = elaborate_again(
                subject.document, subject.headers, subject.scope(), self._known, kept, repeaters, earlier.reading
            )
            return
        if earlier is not None:
            earlier.reading = None
        elaborate(subject.document, subject.headers, subject.scope(), self._known, subject.names_kept, visitors)

    @property
    def program(self) -> Program:
        """The document's steps, whichever instance it is compiled for."""
        if self._program is None:
            self._program = self._unread()
            self._read(self._program)
        return self._program


def find_exposures(subject: Subject) -> list[Exposure]:
    """The sensitive, privileged and level-dependent instructions of a document, in order."""
    return subject.of(Code).search.exposures()
