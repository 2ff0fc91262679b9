"""What the architecture leaves to a processor's model: how many registers, which sizes, what is there at all."""

from __future__ import annotations

from typing import Final

from msgspec import Struct, field

KILOBYTE_4: Final = 12
GIGABYTE_4: Final = 32


class Configuration(Struct, frozen=True):
    """A model. The default is the largest that the manual has room for where it counts, and small elsewhere.

    `cpuid` are the processor identification registers; the third byte of `cpuid[3]` and so on are for the reader to
    take as they are. `page_sizes` are the exponents of the sizes of pages (SDM vol. 2, 4.1.1.7).
    """

    cpuid: tuple[int, ...] = (
        int.from_bytes(b"GenuineI", "little"),
        int.from_bytes(b"ntel".ljust(8, b"\0"), "little"),
        0,
        0x20_0400_0004,  # family 0x20, model 4, the last register is cpuid[4]
        0x7 | 0xF << 32,
    )
    has_virtualization: bool = True
    page_sizes: frozenset[int] = frozenset([12, 13, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32])
    region_id_bits: int = 24
    key_bits: int = 24
    physical_bits: int = 50
    virtual_bits: int = 61
    """Of an address without its region's number."""
    unaligned_within: int = 0
    """With psr.ac 0, data that is not aligned is reached where it lies within that many bytes; 0: never."""
    alat_entries: int | None = 0
    """How many advanced loads the ALAT remembers; None: all. With 0, each check finds that its load did not hold."""
    ticks_per_instruction: int = 1
    """How much ar.itc advances with each instruction: time is deterministic. With 0 it stands still."""
    tags_from: int | None = None
    """The bit of an address from which a tag has all of them, below a region's id that begins at bit 40; but for those
    that are in the hash of the smallest table. None: a tag has the page's number, mixed with the region's id."""
    checks_branch: bool = True
    """Whether `chk` and `fchkf` branch to recovery code; else they are Speculative Operation faults (SDM 3:2, chk)."""
    has_bundle_registers: bool = True
    """Whether interruptions put the bundle into cr.iib0 and cr.iib1."""
    counts: dict[str, int] = field(
        default_factory=lambda: {
            "rr": 8,
            "pkr": 16,
            "dbr": 16,
            "ibr": 16,
            "pmc": 64,
            "pmd": 64,
            "msr": 0,
            "cpuid": 5,
            "dahr": 8,
            "dtr": 64,
            "itr": 64,
        }
    )
    """Registers of each indexed file."""
