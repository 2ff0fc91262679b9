"""Which uses of a register may share a group, and what must stand between those that may not.

SDM vol. 1, 3.4 (instruction groups), and vol. 3, 5.3 (RAW, WAW and WAR dependencies, and their semantics).
"""

from __future__ import annotations

from typing import Final, Literal

from pvasm.isa.effects import FILES, ReadWay, WriteWay
from pvasm.isa.registers import Register
from pvasm.isa.resources import Resource

Needs = Literal["stop", "srlz.d", "srlz.i"]
"""What must stand between two uses: a stop; or a stop and a serialization, and after `srlz.i` another stop."""

LASTING: Final = frozenset({"move", "system", "insert", "purge", "service"})
"""The ways of writing of which others may learn only after a serialization."""

_PFS: Final = Register("ar", 64)
_IVA: Final = Register("cr", 2)
_EARLY: Final = frozenset({"early", "and", "or", "and, mixed", "or, mixed"})
_FREE_TWICE: Final = frozenset({"and", "or", "and, mixed", "or, mixed", "flags", "purge"})

# A second write of these waits as a read does (vol. 2, 5.8.3: cr.lid, cr.eoi; model-specific registers).
_SERIALIZED_WRITES: Final[frozenset[Resource]] = frozenset({Register("cr", 64), Register("cr", 67), "InService", "MSR"})

# Files of which even a move from one waits for a serialization.
_SERIALIZED_FILES: Final = frozenset({"MSR", "PKR"})

# Where a directive puts data or padding, or turns to another section, GNU as ends the bundle and its group.
_PADDING: Final = "align balign balignw balignl p2align p2alignw p2alignl skip space zero fill org"
_SECTIONS: Final = "section text data bss rodata sdata sbss previous pushsection popsection subsection"
_VALUES: Final = "byte 2byte 4byte 8byte hword short word long int quad octa single float double sleb128 uleb128"
_STRINGS: Final = "ascii asciz string incbin ident"
_ENDING: Final = frozenset(
    f".{name}" for names in (_PADDING, _SECTIONS, _VALUES, _STRINGS, "proc endp handlerdata") for name in names.split()
)
_DATA: Final = ("data", "real", "string")


def ends_group(directive: str) -> bool:
    """Whether the assembler ends a group where this directive (its name in lower case) stands."""
    return directive in _ENDING or directive.startswith(_DATA)


def may_read(resource: Resource, written: WriteWay, read: ReadWay) -> bool:
    """Whether a register may be read in the group in which it was written in that way."""
    if written == "service" and resource == "InService":
        return read != "move"  # what cr.eoi does to it is a write
    if written in _EARLY:
        return read == "branch" and (resource[0] in ("p", "b") or resource == _PFS)
    return written in ("check", "frame") or (written == "purge" and read == "purge")


def may_write(first: WriteWay, second: WriteWay) -> bool:
    """Whether a register may be written in these two ways in one group."""
    return first == second and first in _FREE_TWICE


def between_write_and_read(resource: Resource, written: WriteWay, read: ReadWay) -> Needs:
    """What must stand between a write and a read."""
    if written not in LASTING or written == "service" or (resource == "InService" and read != "move"):
        return "stop"
    if written == "system":
        return "stop" if read == "psr" else "srlz.d"
    if written != "move":  # translations: instruction fetch sees a change only after srlz.i
        if read in ("insert", "purge"):
            return "stop"
        return "srlz.i" if resource in ("ITC", "ITR") else "srlz.d"
    if isinstance(resource, Register):
        if read in ("insert", "rfi"):
            return "stop"
        return "srlz.i" if resource == _IVA else "srlz.d"
    return "stop" if read == "move" and resource in FILES - _SERIALIZED_FILES else "srlz.d"


def between_writes(resource: Resource) -> Needs:
    """What must stand between two writes."""
    return "srlz.d" if resource in _SERIALIZED_WRITES else "stop"
