"""Register files, register names, and the fields of the processor status register.

Numbers and names: SDM vol. 1, 3.1 (application registers) and vol. 2, 3.3 (control registers and the processor
status register); the conventional names (`sp`, `ret0`) are those of the software conventions, as GNU as knows them.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple


class Register(NamedTuple):
    """One register.

    `file` is `r f p b ar cr dahr`, or for a register alone of its sort its name: `ip pr pr.rot psr psr.l psr.um`.
    """

    file: str
    number: int

    @property
    def text(self) -> str:
        """The name that disassemblers print."""
        return NAMES.get(self) or f"{self.file}{self.number}"


APPLICATION: Final = {
    **{f"k{number}": number for number in range(8)},
    "rsc": 16,
    "bsp": 17,
    "bspstore": 18,
    "rnat": 19,
    "fcr": 21,
    "eflag": 24,
    "csd": 25,
    "ssd": 26,
    "cflg": 27,
    "fsr": 28,
    "fir": 29,
    "fdr": 30,
    "ccv": 32,
    "unat": 36,
    "fpsr": 40,
    "itc": 44,
    "ruc": 45,
    "pfs": 64,
    "lc": 65,
    "ec": 66,
}

CONTROL: Final = {
    "dcr": 0,
    "itm": 1,
    "iva": 2,
    "pta": 8,
    "gpta": 9,
    "ipsr": 16,
    "isr": 17,
    "iip": 19,
    "ifa": 20,
    "itir": 21,
    "iipa": 22,
    "ifs": 23,
    "iim": 24,
    "iha": 25,
    "iib0": 26,
    "iib1": 27,
    "lid": 64,
    "ivr": 65,
    "tpr": 66,
    "eoi": 67,
    "irr0": 68,
    "irr1": 69,
    "irr2": 70,
    "irr3": 71,
    "itv": 72,
    "pmv": 73,
    "cmcv": 74,
    "lrr0": 80,
    "lrr1": 81,
}

# Indexed files: `cpuid[r3]` (SDM vol. 2, 3.3; itr and dtr only as the target of an insertion).
INDEXED: Final = frozenset({"cpuid", "dahr", "dbr", "dtr", "ibr", "itr", "msr", "pkr", "pmc", "pmd", "rr"})

# The first bit and the width of each field (SDM vol. 2, table 3-2).
PSR_FIELDS: Final = {
    "be": (1, 1),
    "up": (2, 1),
    "ac": (3, 1),
    "mfl": (4, 1),
    "mfh": (5, 1),
    "ic": (13, 1),
    "i": (14, 1),
    "pk": (15, 1),
    "dt": (17, 1),
    "dfl": (18, 1),
    "dfh": (19, 1),
    "sp": (20, 1),
    "pp": (21, 1),
    "di": (22, 1),
    "si": (23, 1),
    "db": (24, 1),
    "lp": (25, 1),
    "tb": (26, 1),
    "rt": (27, 1),
    "cpl": (32, 2),
    "is": (34, 1),
    "mc": (35, 1),
    "it": (36, 1),
    "id": (37, 1),
    "da": (38, 1),
    "dd": (39, 1),
    "ss": (40, 1),
    "ri": (41, 2),
    "ed": (43, 1),
    "bn": (44, 1),
    "ia": (45, 1),
    "vm": (46, 1),
}

# What `psr.ic` is worth in an expression: the field's mask. GNU as has no names for these four.
PSR_MASKS: Final = {
    f"psr.{name}": 1 << low for name, (low, _) in PSR_FIELDS.items() if name not in ("cpl", "ri", "ia", "vm")
}

FIRST_STACKED: Final = 32
"""The general registers from this one on are the register stack's (SDM vol. 1, 3.1.2)."""

FIRST_ROTATING: Final = {"r": FIRST_STACKED, "f": 32, "p": 16}
"""By file, the registers from this one on may rotate (SDM vol. 1, 4.5.1)."""

_COUNTS: Final = {"r": 128, "f": 128, "p": 64, "b": 8, "ar": 128, "cr": 128, "dahr": 8}


def register_count(file: str) -> int:
    """How many registers a file has; 1 for a register alone of its sort."""
    return _COUNTS.get(file, 1)


FILE_NOUNS: Final = {
    "r": "a general register",
    "f": "a floating-point register",
    "p": "a predicate register",
    "b": "a branch register",
    "ar": "an application register",
    "cr": "a control register",
    "ip": "ip",
    "pr": "pr, the predicate registers",
    "pr.rot": "pr.rot, the rotating predicate registers",
    "psr": "the processor status register",
    "psr.l": "the low half of the processor status register (psr.l)",
    "psr.um": "the user mask (psr.um)",
    "dahr": "a data access hint register",
}


def registers_noun(file: str, numbers: Collection[int]) -> str:
    """The registers of a file that have these numbers, in words: "a general register from r0 to r3", or "ar.pfs"."""
    if len(numbers) == register_count(file):
        return FILE_NOUNS.get(file, file)
    ordered = sorted(numbers)
    starts = [number for number in ordered if number - 1 not in numbers]
    ends = [number for number in ordered if number + 1 not in numbers]
    pairs = [(Register(file, first).text, Register(file, last).text) for first, last in zip(starts, ends, strict=True)]
    if len(pairs) == 1 and len(ordered) > 1:
        return f"{FILE_NOUNS.get(file, file)} from {pairs[0][0]} to {pairs[0][1]}"
    texts = [first if first == last else f"{first} to {last}" for first, last in pairs]
    return texts[0] if len(ordered) == 1 else f"{FILE_NOUNS.get(file, file)} ({', '.join(texts)})"


def _names() -> dict[str, Register]:
    names: dict[str, Register] = {}
    for file, count in _COUNTS.items():
        names.update((f"{file}{number}", Register(file, number)) for number in range(count))
    names.update((f"ar.{name}", Register("ar", number)) for name, number in APPLICATION.items())
    names.update((f"cr.{name}", Register("cr", number)) for name, number in CONTROL.items())
    names.update((name, Register(name, 0)) for name in ("ip", "pr", "pr.rot", "psr", "psr.l", "psr.um"))
    names.update({"gp": Register("r", 1), "sp": Register("r", 12), "tp": Register("r", 13), "rp": Register("b", 0)})
    names.update((f"ret{number}", Register("r", 8 + number)) for number in range(4))
    names.update((f"{name}{number}", Register("f", 8 + number)) for name in ("farg", "fret") for number in range(8))
    return names


# Every name that means the same register everywhere. Case matters, as it does to GNU as.
REGISTERS: Final = _names()

# Where a register has a name better than its file and number.
NAMES: Final = {
    **{Register("ar", number): f"ar.{name}" for name, number in APPLICATION.items()},
    **{Register("cr", number): f"cr.{name}" for name, number in CONTROL.items()},
    **{Register(name, 0): name for name in ("ip", "pr", "pr.rot", "psr", "psr.l", "psr.um")},
}
