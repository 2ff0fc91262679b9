"""In which section code stands: what `.section`, `.text`, `.pushsection` and the like make of it."""

from __future__ import annotations

from collections.abc import Sequence

SECTION_DIRECTIVES = frozenset(
    f".{name}"
    for name in (
        *("section", "text", "data", "bss", "previous", "pushsection", "popsection", "subsection"),
        *("sbss", "sdata", "rodata", "comment", "init_array", "fini_array", "ia_64.unwind", "ia_64.unwind_info"),
    )
)


# Their first argument is a section's name; of IA-64's own, GNU as puts data into it, or gives it another name.
_NAMING = frozenset(
    f".{name}"
    for name in (
        *("section", "pushsection", "secalias", "xdata1", "xdata2", "xdata4", "xdata8", "xdata16"),
        *("xreal4", "xreal8", "xreal10", "xreal16", "xstring", "xstringz"),
    )
)

SectionPlace = tuple[str, str]
"""A section and its subsection."""


def named_section(directive: str, arguments: Sequence[str]) -> str | None:
    """The section that a directive names in its arguments; None for one that names none."""
    return arguments[0].strip(' "') if directive in _NAMING and arguments else None


class Sections:
    """The section that code goes to, the one before it, and those pushed (GNU as, ELF sections)."""

    def __init__(self) -> None:
        self.place: SectionPlace = (".text", "0")
        self.previous = self.place
        self.pushed: list[tuple[SectionPlace, SectionPlace]] = []

    @property
    def current(self) -> str:
        """The name of the section."""
        return self.place[0]

    def turn(self, directive: str, arguments: Sequence[str]) -> None:
        """Does what a directive says; one that is not of SECTION_DIRECTIVES changes nothing."""
        if directive == ".previous":
            self.place, self.previous = self.previous, self.place
        elif directive == ".popsection":
            if self.pushed:
                self.place, self.previous = self.pushed.pop()
        elif directive in SECTION_DIRECTIVES:
            if directive == ".pushsection":
                self.pushed.append((self.place, self.previous))
            words = [word.strip(' "') for word in arguments]
            self.previous = self.place
            self.place = self._named(directive, words)

    def _named(self, directive: str, words: Sequence[str]) -> SectionPlace:
        if directive in (".section", ".pushsection"):
            subsection = words[1] if directive == ".pushsection" and words[1:] and words[1].isdecimal() else "0"
            return words[0] if words else "", subsection
        subsection = words[0] if words else "0"
        return (self.current if directive == ".subsection" else directive), subsection

    def copy(self) -> Sections:
        """The same, to go on from separately."""
        other = Sections()
        other.place, other.previous, other.pushed = self.place, self.previous, self.pushed.copy()
        return other
