"""Branches that are sent elsewhere, with `brl` where `br` does not reach and its bundle has room for one.

`br` reaches 16 MiB (B1, B3: 21 bits of bundles), `brl` reaches everything (X3, X4). A long branch takes two slots, 1
and 2 of a bundle MLX (SDM vol. 3, 4.1): so it fits where one of the others holds a nop, and slot 0 what the other does.
"""

from __future__ import annotations

from typing import Final

from pvasm.isa.bundle import SLOT_BITS, TEMPLATES, Bundle
from pvasm.isa.encoding import EncodingError, decode, encode, nop
from pvasm.isa.instruction import Instruction, instruction_of, row_of
from pvasm.objects.object_code import is_filler
from pvasm.objects.relocations import patched_bundle, with_operand

_WITH_LONG_FORM: Final = frozenset(("B1.br.cond", "B3.br.call"))

_MLX: Final = next(code for code, each in TEMPLATES.items() if each.units == "MLX" and not each.stops)
_LAST: Final = 2


def aimed_bundle(code: bytes, slot: int, address: int, target: int) -> bytes:
    """A bundle whose branch in a slot goes to a target, by `brl` if it must.

    Raises EncodingError where neither reaches, or there is no room.
    """
    try:
        return patched_bundle(code, slot, address, target)
    except EncodingError as error:
        made = _lengthened(code, slot, address, target)
        if made is None:
            raise EncodingError(f"{error}, and its bundle has no room for brl") from None
        return made


def aimed_with_room(code: bytes, slot: int, address: int, target: int) -> bytes:
    """The same where a bundle may follow: one bundle if that is enough, or two, the second of which has the `brl`.

    Raises EncodingError where neither reaches, or something else stands behind the branch.
    """
    try:
        return aimed_bundle(code, slot, address, target)
    except EncodingError:
        bundle = Bundle.of(code)
        long = _long_of(bundle, slot)
        if long is None or not _are_nops(bundle, slot + 1):
            raise
        slots = list(bundle.slots)
        slots[slot] = nop("B")
        first = Bundle(bundle.template & ~1, (slots[0], slots[1], slots[2]))
        second = _with_long(long, nop("M"), address + len(code), target, stop=bool(bundle.template & 1))
        return first.to_bytes() + second


def _lengthened(code: bytes, slot: int, address: int, target: int) -> bytes | None:
    """The bundle with a long branch in the place of one in a slot; None if it has no room, or there is none."""
    bundle = Bundle.of(code)
    long = _long_of(bundle, slot)
    if long is None or not _are_nops(bundle, slot + 1):
        return None
    others = [(unit, bits) for at, unit, bits in bundle.instructions() if at < slot and not _is_nop(bits, unit)]
    if len(others) > 1 or any(not _may_be_first(bits, unit) for unit, bits in others):
        return None
    first = others[0][1] if others else nop("M")
    return _with_long(long, first, address, target, stop=bool(bundle.template & 1))


def _with_long(long: Instruction, first: int, address: int, target: int, *, stop: bool) -> bytes:
    """A bundle of something in slot 0, and a long branch. Raises EncodingError for a target that is no bundle."""
    bits = encode(with_operand(long, len(long.operands) - 1, target), address)
    return Bundle(_MLX | stop, (first, bits >> SLOT_BITS, bits & (1 << SLOT_BITS) - 1)).to_bytes()


def _long_of(bundle: Bundle, slot: int) -> Instruction | None:
    """The long form of the branch in a slot, which names its target last; None if there is none."""
    for at, unit, bits in bundle.instructions():
        instruction = decode(bits, unit) if at == slot and unit == "B" else None
        if instruction is not None and instruction.form.id in _WITH_LONG_FORM:
            row = row_of(f"brl{instruction.mnemonic[len('br') :]}", instruction.operands)
            return None if row is None else instruction_of(row, instruction.operands, instruction.predicate)
    return None


def _are_nops(bundle: Bundle, start: int) -> bool:
    return all(_is_nop(bits, unit) for at, unit, bits in bundle.instructions() if at >= start)


def _is_nop(bits: int, unit: str) -> bool:
    instruction = decode(bits, unit)
    return instruction is not None and is_filler(instruction)


def _may_be_first(bits: int, unit: str) -> bool:
    """Whether an instruction may stand in slot 0: one for M, or for either unit (A), which is written in both alike."""
    return unit == "M" or (unit == "I" and decode(bits, "M") == decode(bits, unit) is not None)
