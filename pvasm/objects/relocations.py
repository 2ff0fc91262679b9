"""The relocations of IA-64: what each fills in, and where (Intel's IA-64 psABI, table 4-1, "Relocation Types")."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from pvasm.isa.bundle import SLOT_BITS, Bundle
from pvasm.isa.encoding import EncodingError, decode, encode
from pvasm.isa.instruction import Instruction, instruction_of
from pvasm.isa.operands import Value

Quantity = Literal[
    "direct",
    "gprel",
    "ltoff",
    "pltoff",
    "fptr",
    "pcrel",
    "branch",
    "ltoff_fptr",
    "segrel",
    "secrel",
    "rel",
    "ltv",
    "iplt",
    "tprel",
    "ltoff_tprel",
    "dtpmod",
    "ltoff_dtpmod",
    "dtprel",
    "ltoff_dtprel",
    "none",
    "mark",
    "copy",
    "sub",
]
"""What is filled in, of a symbol plus the addend. `branch` is the distance to it, in bundles; `mark` changes nothing:
it says that an `ld8` loads what a `@ltoffx` points to."""


class RelocationType(Struct, frozen=True):
    """A type of relocation: its name, what is filled in, and in how many bytes; 0 bytes are an instruction's field.

    `operator` is how the assembler's text says it, with `{}` for the symbol and the addend; empty where it cannot.
    """

    name: str
    quantity: Quantity
    size: int = 0
    big_endian: bool = False
    operator: str = ""


_OPERATORS: Final[dict[Quantity, str]] = {
    "direct": "{}",
    "branch": "{}",
    "gprel": "@gprel({})",
    "ltoff": "@ltoff({})",
    "pltoff": "@pltoff({})",
    "fptr": "@fptr({})",
    "pcrel": "@pcrel({})",
    "ltoff_fptr": "@ltoff(@fptr({}))",
    "segrel": "@segrel({})",
    "secrel": "@secrel({})",
    "ltv": "@ltv({})",
    "iplt": "@iplt({})",
    "tprel": "@tprel({})",
    "ltoff_tprel": "@ltoff(@tprel({}))",
    "dtpmod": "@dtpmod({})",
    "ltoff_dtpmod": "@ltoff(@dtpmod({}))",
    "dtprel": "@dtprel({})",
    "ltoff_dtprel": "@ltoff(@dtprel({}))",
}


def _types() -> dict[int, RelocationType]:
    types: dict[int, RelocationType] = {}

    def add(number: int, name: str, quantity: Quantity, operator: str | None = None) -> None:
        said = _OPERATORS.get(quantity, "") if operator is None else operator
        types[number] = RelocationType(f"R_IA64_{name}", quantity, operator=said)

    def data(number: int, name: str, quantity: Quantity, *sizes: int) -> None:
        for size in sizes:
            for big_endian in (True, False):
                order = "MSB" if big_endian else "LSB"
                bits = "" if size == 16 else 8 * size
                code = number + (0 if size == 4 else 2) + (not big_endian) if size < 16 else number + (not big_endian)
                said = _OPERATORS.get(quantity, "")
                types[code] = RelocationType(f"R_IA64_{name}{bits}{order}", quantity, size, big_endian, said)

    add(0x00, "NONE", "none")
    add(0x21, "IMM14", "direct")
    add(0x22, "IMM22", "direct")
    add(0x23, "IMM64", "direct")
    data(0x24, "DIR", "direct", 4, 8)
    add(0x2A, "GPREL22", "gprel")
    add(0x2B, "GPREL64I", "gprel")
    data(0x2C, "GPREL", "gprel", 4, 8)
    add(0x32, "LTOFF22", "ltoff")
    add(0x33, "LTOFF64I", "ltoff")
    add(0x3A, "PLTOFF22", "pltoff")
    add(0x3B, "PLTOFF64I", "pltoff")
    data(0x3C, "PLTOFF", "pltoff", 8)
    add(0x43, "FPTR64I", "fptr")
    data(0x44, "FPTR", "fptr", 4, 8)
    add(0x48, "PCREL60B", "branch")
    add(0x49, "PCREL21B", "branch")
    add(0x4A, "PCREL21M", "branch")
    add(0x4B, "PCREL21F", "branch")
    data(0x4C, "PCREL", "pcrel", 4, 8)
    add(0x52, "LTOFF_FPTR22", "ltoff_fptr")
    add(0x53, "LTOFF_FPTR64I", "ltoff_fptr")
    data(0x54, "LTOFF_FPTR", "ltoff_fptr", 4, 8)
    data(0x5C, "SEGREL", "segrel", 4, 8)
    data(0x64, "SECREL", "secrel", 4, 8)
    data(0x6C, "REL", "rel", 4, 8)
    data(0x74, "LTV", "ltv", 4, 8)
    add(0x79, "PCREL21BI", "branch")
    add(0x7A, "PCREL22", "pcrel")
    add(0x7B, "PCREL64I", "pcrel")
    data(0x80, "IPLT", "iplt", 16)
    add(0x84, "COPY", "copy")
    add(0x85, "SUB", "sub")
    add(0x86, "LTOFF22X", "ltoff", "@ltoffx({})")
    add(0x87, "LDXMOV", "mark")
    add(0x91, "TPREL14", "tprel")
    add(0x92, "TPREL22", "tprel")
    add(0x93, "TPREL64I", "tprel")
    data(0x94, "TPREL", "tprel", 8)
    add(0x9A, "LTOFF_TPREL22", "ltoff_tprel")
    data(0xA4, "DTPMOD", "dtpmod", 8)
    add(0xAA, "LTOFF_DTPMOD22", "ltoff_dtpmod")
    add(0xB1, "DTPREL14", "dtprel")
    add(0xB2, "DTPREL22", "dtprel")
    add(0xB3, "DTPREL64I", "dtprel")
    data(0xB4, "DTPREL", "dtprel", 4, 8)
    add(0xBA, "LTOFF_DTPREL22", "ltoff_dtprel")
    return types


TYPES: Final = _types()
"""The types by number."""


def type_of(number: int) -> RelocationType:
    """The type of a number; one of its own for a number that there is none for."""
    return TYPES.get(number) or RelocationType(f"R_IA64_{number:#x}", "none")


def relocated_operand(instruction: Instruction) -> int | None:
    """Which operand of an instruction a linker may fill in: an immediate or the target of a branch; None if none."""
    for place, spec in enumerate(instruction.form.operands):
        if spec.kind is not None and (spec.kind.is_target or spec.kind.takes_symbols):
            return place
    return None


def with_operand(instruction: Instruction, place: int, value: Value) -> Instruction:
    """The instruction with another value for one of its operands."""
    operands = (*instruction.operands[:place], value, *instruction.operands[place + 1 :])
    return instruction_of(instruction.spelling, operands, instruction.predicate, instruction.others)


def patched_bundle(code: bytes, slot: int, address: int, value: int) -> bytes:
    """A bundle with a value filled in an instruction's field; for a long one slot 1 and 2 mean the same.

    `value` is an address for a branch. Raises EncodingError where there is no such field, or the value does not fit.
    """
    bundle = Bundle.of(code)
    found = bundle.instructions()
    where, unit, bits = found[min(slot, len(found) - 1)] if found else (0, "", 0)
    instruction = decode(bits, unit, address) if unit else None
    place = relocated_operand(instruction) if instruction is not None else None
    if instruction is None or place is None:
        raise EncodingError("there is no instruction with a field to fill in")
    kind = instruction.form.operands[place].kind
    assert kind is not None
    distance = value - address if kind.is_target else value
    if not kind.accepts(distance):
        raise EncodingError(f"{value:#x} does not fit in `{instruction.text}', which takes {kind.noun}")
    made = encode(with_operand(instruction, place, value), address)
    slots = list(bundle.slots)
    if unit == "X":
        slots[1], slots[2] = made >> SLOT_BITS, made & (1 << SLOT_BITS) - 1
    else:
        slots[where] = made
    return Bundle(bundle.template, (slots[0], slots[1], slots[2])).to_bytes()
