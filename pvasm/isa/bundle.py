"""Bundles: 16 bytes that hold a template and three slots (SDM vol. 1, 3.3, and vol. 3, 4.1)."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

SIZE: Final = 16
"""Bytes of a bundle."""

SLOT_BITS: Final = 41
_SLOT: Final = (1 << SLOT_BITS) - 1


class Template(Struct, frozen=True):
    """A template: the kinds of its slots, and the slots that a stop follows."""

    units: str
    stops: tuple[int, ...]


def _template(text: str) -> Template:
    """Of `M_MI_`, where `_` is a stop: the units MMI, with stops behind the slots 0 and 2."""
    stops: list[int] = []
    units = ""
    for letter in text:
        if letter == "_":
            stops.append(len(units) - 1)
        else:
            units += letter
    return Template(units, tuple(stops))


TEMPLATES: Final[dict[int, Template]] = {
    code + bool(end): _template(text + end)
    for code, text in {
        0x00: "MII",
        0x02: "MI_I",
        0x04: "MLX",
        0x08: "MMI",
        0x0A: "M_MI",
        0x0C: "MFI",
        0x0E: "MMF",
        0x10: "MIB",
        0x12: "MBB",
        0x16: "BBB",
        0x18: "MMB",
        0x1C: "MFB",
    }.items()
    for end in ("", "_")
}
"""The templates by the five bits of their field (SDM vol. 1, table 3-10); what is not here is reserved."""


class Bundle(Struct, frozen=True):
    """A bundle: the five bits of its template, and the bits of its slots."""

    template: int
    slots: tuple[int, int, int]

    @classmethod
    def of(cls, code: bytes) -> Bundle:
        """The bundle that 16 bytes are, little-endian as instructions are always. Raises ValueError for fewer."""
        if len(code) != SIZE:
            raise ValueError(f"a bundle is {SIZE} bytes, and not {len(code)}")
        bits = int.from_bytes(code, "little")
        return cls(bits & 31, (bits >> 5 & _SLOT, bits >> 46 & _SLOT, bits >> 87))

    def to_bytes(self) -> bytes:
        """The 16 bytes."""
        first, second, third = self.slots
        return (self.template | first << 5 | second << 46 | third << 87).to_bytes(SIZE, "little")

    @property
    def stops(self) -> frozenset[int]:
        """The slots of the instructions that a stop follows, as `instructions` numbers them."""
        return _STOPS.get(self.template, frozenset())

    def instructions(self) -> list[tuple[int, str, int]]:
        """Its instructions: slot, unit (`M I F B X`), and bits, a long one's as `encode` gives them.

        A long instruction is in slot 2 with half of it in slot 1; it is executed as slot 1 (SDM vol. 3, 4.8).
        Empty for a reserved template.
        """
        template = TEMPLATES.get(self.template)
        if template is None:
            return []
        first, second, third = self.slots
        if template.units == "MLX":
            return [(0, "M", first), (1, "X", third | second << SLOT_BITS)]
        units = template.units
        return [(0, units[0], first), (1, units[1], second), (2, units[2], third)]


_STOPS: Final = {
    number: frozenset(min(stop, 1 if template.units == "MLX" else 2) for stop in template.stops)
    for number, template in TEMPLATES.items()
}
