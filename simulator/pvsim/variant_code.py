"""A variant's code, as the instructions that it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from pvasm.asm.image import Image
from pvasm.isa.bundle import SIZE, Bundle
from pvasm.isa.control_transfer import passing
from pvasm.isa.encoding import decode
from pvasm.isa.instruction import Instruction
from pvasm.isa.registers import Register
from pvasm.isa.resources import Resource
from pvsim.scenario_run import Variant, address_of
from pvsim.settable_registers import FILES, name_of

_MOST: Final = 4096  # bundles
_WORD: Final = (1 << 64) - 1
_LEAVES: Final = frozenset(["branch", "return", "rfi", "foreign"])


def straight_code(variant: Variant, entry: str) -> list[Instruction]:
    """The instructions from a label on that are executed whatever predicates say, to where control leaves for good.

    A branch without a predicate is followed to its label, unless it goes round in a circle; one with a predicate is
    taken not to be. Raises PvasmError for a label that there is not.
    """
    found: list[Instruction] = []
    place: int | None = address_of(variant, entry)
    seen: set[int] = set()
    while place is not None and place not in seen and len(seen) < _MOST:
        seen.add(place)
        place = _bundle(variant.image, place, found)
    return found


def _bundle(image: Image, place: int, found: list[Instruction]) -> int | None:
    """Adds the instructions of a bundle; where the next is, None where that is not known."""
    following: int | None = None
    for _, instruction in instructions_at(image, place):
        if instruction is None:
            return None
        found.append(instruction)
        transfer = passing(instruction.mnemonic).transfer
        if not instruction.predicate and transfer in _LEAVES:
            target = instruction.operands[-1] if transfer == "branch" else None
            return target & _WORD & ~(SIZE - 1) if isinstance(target, int) else None
        following = place + SIZE
    return following


def instructions_at(image: Image, place: int) -> Iterator[tuple[int, Instruction | None]]:
    """The instructions of the bundle at an address, each with its slot; None for bits that are no instruction."""
    for segment in image.segments:
        if segment.address <= place <= segment.address + len(segment.data) - SIZE:
            bundle = Bundle.of(bytes(segment.data[place - segment.address :][:SIZE]))
            for slot, unit, bits in bundle.instructions():
                yield slot, decode(bits, unit, place)
            return


def register_names(resources: Iterable[Resource]) -> set[str]:
    """The names of those that are registers, and can be set."""
    return {name_of(each) for each in resources if isinstance(each, Register) and each.file in FILES}
