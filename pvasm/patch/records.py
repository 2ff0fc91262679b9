"""Records of alternatives: which code stands where, and what takes its place for an instance.

A record is six words of 32 bits, little-endian. Those that name a place hold its distance from themselves, so that an
image may be loaded anywhere:

| word | what it says |
| --- | --- |
| 0 | where the site is |
| 1 | its length in bytes: whole bundles |
| 2 | where the instance's name is: characters and a 0 |
| 3 | where the replacement is |
| 4 | its length in bytes, at most that of the site |
| 5 | flags: `BRANCH`, `COPY`, `CALL` |

A site has a record an instance whose code differs, and one for the native code, whose replacement is a copy of what
stands there. Where the replacement is shorter than the site, the rest is filled with bundles of nops (`filling`), the
last of which ends the group, as the assembler would have it where no instruction follows; but behind a
`BRANCH`, a bundle that goes to code elsewhere, what stands there stays: control does not come to it. With `CALL`, the
replacement's last bundle goes to code elsewhere. Both do it in slot 2, or by `brl`: patch.S moves no other branch.
"""

from __future__ import annotations

import struct
from typing import Final, Literal, NamedTuple

from msgspec import Struct

from pvasm.isa.bundle import SIZE
from pvasm.isa.encoding import padding_bundle

RecordKind = Literal["pvasm", "linux"]
"""Which records sites have: with what takes their place, or Linux's, which have the number of a type."""

RECORDS: Final = ".pv_alternatives"
REPLACEMENTS: Final = ".pv_replacements"
NAMES: Final = ".pv_names"

WORDS: Final = struct.Struct("<iIiiII")
"""A record as it stands in its section."""

SITE, NAME, REPLACEMENT = 0, 8, 12
"""Where in a record the words stand that name places."""

BRANCH: Final = 1
COPY: Final = 2
"""The replacement is a copy of native code: what goes to places by their distance must be set right where it is put."""
CALL: Final = 4

NATIVE: Final = "native"

INDIRECT: Final = "indirect"
"""The name that records have for a call through a table, which is nobody's code."""


class Place(NamedTuple):
    """A place in an object file: the number of a section, and the offset in it."""

    section: int
    offset: int


class Record(Struct, frozen=True):
    """What takes the place of a site's code for an instance; `number` is the record's, from 0 on, as they stand."""

    number: int
    site: Place
    length: int
    instance: str
    replacement: Place
    replacement_length: int
    flags: int

    @property
    def is_branch(self) -> bool:
        """Whether a branch to code elsewhere takes the place of the site's first bundle."""
        return bool(self.flags & BRANCH)


def filling(length: int) -> bytes:
    """The nops that fill some bytes of a site, a multiple of a bundle's."""
    return padding_bundle() * (length // SIZE - 1) + padding_bundle(stop=True) if length else b""


def filling_text(length: int) -> list[str]:
    """The same as assembly, a line a bundle."""
    number = length // SIZE
    return [f"{{ .mmi ; nop.m 0 ; nop.m 0 ; nop.i 0{' ;;' * (each == number)} }}" for each in range(1, number + 1)]


def written(site: str, end: str, name: str, replacement: str, replacement_end: str, flags: int) -> str:
    """A record as assembly: the labels of its places, and the flags."""
    words = (
        f"{site} - .",
        f"{end} - ({site})",
        f"{name} - .",
        f"{replacement} - .",
        f"{replacement_end} - {replacement}",
        str(flags),
    )
    return "".join(f"\tdata4 {word}\n" for word in words)
