"""The instructions of a section of code, bundle by bundle."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from msgspec import Struct

from pvasm.isa.bundle import SIZE, TEMPLATES, Bundle
from pvasm.isa.encoding import decode
from pvasm.isa.instruction import Instruction
from pvasm.objects.elf_file import Section
from pvasm.objects.relocations import with_operand

NOPS: Final = frozenset(("nop.m", "nop.i", "nop.f", "nop.b", "nop.x"))
_AHEAD: Final = 3  # bundles that a run goes on for


def is_filler(instruction: Instruction) -> bool:
    """Whether an instruction is what the assembler fills slots with: of other nops, the number may say something."""
    return instruction.mnemonic in NOPS and instruction.operands == (0,) and not instruction.predicate


class Slot(Struct, frozen=True):
    """What is in a slot: the instruction, None for bits that are none, and whether a stop follows.

    A long instruction is in slot 1. `targets` are its operands that name bundles: their places, and how far away these
    are.
    """

    slot: int
    unit: str
    bits: int
    instruction: Instruction | None
    stop: bool
    targets: tuple[tuple[int, int], ...] = ()


class CodeBundle(Struct, frozen=True):
    """A bundle of a section; `slots` is empty where the template is reserved."""

    offset: int
    bundle: Bundle
    slots: tuple[Slot, ...]

    @property
    def units(self) -> str:
        """The kinds of slot, as the assembler names the template: `mii`."""
        return TEMPLATES[self.bundle.template].units.lower()

    @property
    def ends_group(self) -> bool:
        """Whether a stop follows the bundle's last instruction."""
        return bool(self.slots) and self.slots[-1].stop


def bundles_of(section: Section, start: int = 0, end: int | None = None) -> Iterator[CodeBundle]:
    """The bundles of a section from an offset until another; what is left of 16 bytes at the end is left out.

    Targets of instructions count from their bundle: the operand of a branch to its own bundle is 0.
    """
    data = section.data[: len(section.data) if end is None else end]
    for offset in range(start, len(data) - SIZE + 1, SIZE):
        yield bundle_at(offset, bytes(data[offset : offset + SIZE]))


def bundle_at(offset: int, code: bytes) -> CodeBundle:
    """The bundle that 16 bytes at an offset are."""
    return CodeBundle(offset, *_decoded(code))


@lru_cache(maxsize=1 << 14)
def _decoded(code: bytes) -> tuple[Bundle, tuple[Slot, ...]]:
    bundle = Bundle.of(code)
    stops = bundle.stops
    slots = (_slot(slot, unit, bits, slot in stops) for slot, unit, bits in bundle.instructions())
    return bundle, tuple(slots)


@lru_cache(maxsize=1 << 16)
def _slot(slot: int, unit: str, bits: int, stop: bool) -> Slot:
    instruction = decode(bits, unit)
    return Slot(slot, unit, bits, instruction, stop, _targets(instruction) if instruction is not None else ())


def run_from(section: Section, bundle: CodeBundle, slot: int) -> list[Instruction]:
    """The instruction in a slot of a bundle and those that follow it, a few bundles far, without nops."""
    start = bundle.offset + SIZE
    ahead = bundles_of(section, start, min(start + _AHEAD * SIZE, section.size))
    rest = [each for each in bundle.slots if each.slot >= slot]
    slots = [*rest, *(each for later in ahead for each in later.slots)]
    return [
        each.instruction for each in slots if each.instruction is not None and each.instruction.mnemonic not in NOPS
    ]


def _targets(instruction: Instruction) -> tuple[tuple[int, int], ...]:
    """The operands of an instruction that name bundles: a `brp` has two."""
    pairs = zip(instruction.form.operands, instruction.operands, strict=True)
    return tuple(
        (place, value)
        for place, (spec, value) in enumerate(pairs)
        if spec.kind is not None and spec.kind.is_target and isinstance(value, int)
    )


def placed(instruction: Instruction, address: int) -> Instruction:
    """An instruction of `bundles_of` as it is in a bundle at an address: with the addresses that it names."""
    for place, value in _targets(instruction):
        instruction = with_operand(instruction, place, value + address)
    return instruction


def without_targets(instruction: Instruction) -> Instruction:
    """The instruction with its own bundle wherever it names one."""
    for place, _ in _targets(instruction):
        instruction = with_operand(instruction, place, 0)
    return instruction
