"""In which section code stands: what `.section`, `.text`, `.pushsection` and the like make of it."""

from __future__ import annotations

from collections.abc import Sequence

SECTION_DIRECTIVES = frozenset(
    (".section", ".text", ".data", ".bss", ".previous", ".pushsection", ".popsection", ".subsection")
)


class Sections:
    """The section that code goes to, the one before it, and those pushed (GNU as, ELF sections)."""

    def __init__(self) -> None:
        self.current = self.previous = ".text"
        self.pushed: list[tuple[str, str]] = []

    def turn(self, directive: str, arguments: Sequence[str]) -> None:
        """Does what a directive says; one that is not of SECTION_DIRECTIVES changes nothing."""
        if directive == ".previous":
            self.current, self.previous = self.previous, self.current
        elif directive == ".popsection":
            if self.pushed:
                self.current, self.previous = self.pushed.pop()
        elif directive in SECTION_DIRECTIVES and directive != ".subsection":
            if directive == ".pushsection":
                self.pushed.append((self.current, self.previous))
            self.previous = self.current
            named = directive in (".section", ".pushsection")
            self.current = arguments[0].strip(' "') if named and arguments else directive

    def copy(self) -> Sections:
        """The same, to go on from separately."""
        other = Sections()
        other.current, other.previous, other.pushed = self.current, self.previous, self.pushed.copy()
        return other
