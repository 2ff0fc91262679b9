"""Interruptions: the vectors of the IVT, and what an instruction raises to have one delivered (SDM vol. 2, 5 and 8)."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Vector(IntEnum):
    """Offsets from cr.iva of the interruption vectors (SDM vol. 2, table 5-6)."""

    VHPT_TRANSLATION = 0x0000
    INSTRUCTION_TLB = 0x0400
    DATA_TLB = 0x0800
    ALTERNATE_INSTRUCTION_TLB = 0x0C00
    ALTERNATE_DATA_TLB = 0x1000
    DATA_NESTED_TLB = 0x1400
    INSTRUCTION_KEY_MISS = 0x1800
    DATA_KEY_MISS = 0x1C00
    DIRTY_BIT = 0x2000
    INSTRUCTION_ACCESS_BIT = 0x2400
    DATA_ACCESS_BIT = 0x2800
    BREAK_INSTRUCTION = 0x2C00
    EXTERNAL_INTERRUPT = 0x3000
    VIRTUAL_EXTERNAL_INTERRUPT = 0x3400
    PAGE_NOT_PRESENT = 0x5000
    KEY_PERMISSION = 0x5100
    INSTRUCTION_ACCESS_RIGHTS = 0x5200
    DATA_ACCESS_RIGHTS = 0x5300
    GENERAL_EXCEPTION = 0x5400
    DISABLED_FP_REGISTER = 0x5500
    NAT_CONSUMPTION = 0x5600
    SPECULATION = 0x5700
    DEBUG = 0x5900
    UNALIGNED_REFERENCE = 0x5A00
    UNSUPPORTED_DATA_REFERENCE = 0x5B00
    FLOATING_POINT_FAULT = 0x5C00
    FLOATING_POINT_TRAP = 0x5D00
    LOWER_PRIVILEGE_TRANSFER_TRAP = 0x5E00
    TAKEN_BRANCH_TRAP = 0x5F00
    SINGLE_STEP_TRAP = 0x6000
    VIRTUALIZATION = 0x6100


EXECUTE, WRITE, READ, NON_ACCESS = 1 << 32, 1 << 33, 1 << 34, 1 << 35
SPECULATIVE_LOAD, REGISTER_STACK, INCOMPLETE_FRAME, NESTED = 1 << 36, 1 << 37, 1 << 38, 1 << 39
DEFERRABLE: Final = 1 << 43
"""Bits of cr.isr (SDM vol. 2, table 3-7): what the access was, and in what state. `DEFERRABLE` is the ed of the code's
page."""

GENERAL_CODES: Final = {
    "illegal_operation": 0x00,
    "privileged_operation": 0x10,
    "privileged_register": 0x20,
    "reserved_register_field": 0x30,
    "disabled_isa_transition": 0x40,
    "illegal_dependency": 0x80,
}
"""The code of each General Exception in cr.isr (SDM vol. 2, table 8-3)."""


MANUAL_NAMES: Final[dict[Vector, str]] = {
    Vector.DIRTY_BIT: "data dirty bit fault",
    Vector.EXTERNAL_INTERRUPT: "external interrupt",
    Vector.VIRTUAL_EXTERNAL_INTERRUPT: "virtual external interrupt",
    Vector.KEY_PERMISSION: "data key permission fault",
    Vector.DISABLED_FP_REGISTER: "disabled floating-point register fault",
    Vector.SPECULATION: "speculative operation fault",
    Vector.UNALIGNED_REFERENCE: "unaligned data reference fault",
    Vector.FLOATING_POINT_FAULT: "floating-point exception fault",
    Vector.FLOATING_POINT_TRAP: "floating-point exception trap",
    Vector.LOWER_PRIVILEGE_TRANSFER_TRAP: "lower-privilege transfer trap",
    Vector.TAKEN_BRANCH_TRAP: "taken branch trap",
    Vector.SINGLE_STEP_TRAP: "single step trap",
}
"""What the manual calls the interruptions of a vector (SDM vol. 2, 5.5 and table 5-2), where that is not the vector's
name with "fault" behind it. General Exceptions have names of their own each."""


class Interruption(Exception):  # noqa: N818  (it is no error)
    """An instruction that ends in an interruption.

    `code` is what cr.isr says of it, but for the slot: the general exception's code in bits 4 to 7, access bits and so
    on (SDM vol. 2, table 8-1). `address` goes to cr.ifa, `immediate` to cr.iim; `is_trap` says that the instruction has
    been done. `origin` is the address of an instruction, with its slot, that has been done and has set the machine's
    `ip` to where control goes: of a trap, and of a fault on the way there.
    """

    def __init__(
        self,
        vector: Vector,
        code: int = 0,
        address: int | None = None,
        immediate: int | None = None,
        *,
        is_trap: bool = False,
        origin: int | None = None,
    ) -> None:
        super().__init__(vector.name.lower().replace("_", " "))
        self.vector = vector
        self.code = code
        self.address = address
        self.immediate = immediate
        self.is_trap = is_trap
        self.origin = origin


FAULTS: Final[dict[str, tuple[Vector, int]]] = {
    **{name: (Vector.GENERAL_EXCEPTION, code) for name, code in GENERAL_CODES.items()},
    "register_nat_consumption": (Vector.NAT_CONSUMPTION, 0x10),
    "virtualization": (Vector.VIRTUALIZATION, 0),
}
"""The faults that clauses name: the vector, and what cr.isr says of each."""


def fault(name: str, code: int = 0) -> Interruption:
    """The interruption of a fault by its name; `code` is what cr.isr says besides."""
    vector, always = FAULTS[name]
    return Interruption(vector, always | code)
