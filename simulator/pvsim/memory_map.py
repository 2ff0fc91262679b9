"""Where a program of a batch finds itself in memory; virtual addresses of region 0 are the physical ones."""

from __future__ import annotations

from typing import Final

from pvasm.isa.bundle import Bundle
from pvasm.isa.encoding import nop
from pvsim.machine.translation_cache import Translation

HANDLERS: Final = 0x0010_0000
"""cr.iva, where an interruption ends the program."""

HANDLERS_OF_BANK_0: Final = 0x0010_8000
"""The same for programs of which bank 0 is told."""

CODE: Final = 0x0100_0000
"""The end stub, and behind it places for programs, one stride each."""

CODE_SIZE: Final = 1 << 24
DATA: Final = 0x0200_0000
BACKING_STORE: Final = 0x0300_0000
INPUT: Final = 0x0400_0000

FIRST_BSP: Final = BACKING_STORE + 512
"""ar.bsp, unless a program says another."""

END_IMMEDIATE: Final = 0x1FF0
"""Of the `break` that ends a program."""

END_BUNDLE: Final = Bundle(0x11, (END_IMMEDIATE << 6, nop("I"), nop("B"))).to_bytes()  # break.m, nop.i, nop.b ;;

REGIONS: Final = (14 << 2, *((0x100 + number) << 8 | 14 << 2 for number in range(1, 8)))
"""The region registers: identifiers that no page of the map has but region 0's, pages of 16 KB, no walker."""

PTA: Final = 15 << 2

_PRESENT: Final = 1 | 1 << 5 | 1 << 6  # accessed and dirty
_DEFERS: Final = 1 << 52
_SUPERVISOR, _USER = 0, 3 << 7
_RX, _RW, _RWX = 1 << 9, 2 << 9, 3 << 9


def pages(data_size: int, backing_store_size: int) -> dict[str, dict[int, Translation]]:
    """The translation registers, of data (`d`) and instructions (`i`), by slot; the sizes are powers of two.

    The first 16 MB are for level 0 alone, and so are the inputs; code is read and executed, and lets the faults of
    speculative loads be deferred; data and the backing store are read and written.
    """

    def page(address: int, size: int, bits: int) -> Translation:
        return Translation(address, size.bit_length() - 1, 0, 0, _PRESENT | address | bits)

    return {
        "d": {
            0: page(0, 1 << 24, _SUPERVISOR | _RWX),
            1: page(CODE, CODE_SIZE, _USER | _RW),
            2: page(DATA, data_size, _USER | _RW),
            3: page(BACKING_STORE, backing_store_size, _USER | _RW),
            4: page(INPUT, 1 << 26, _SUPERVISOR | _RW),
        },
        "i": {
            0: page(0, 1 << 24, _SUPERVISOR | _RWX),
            1: page(CODE, CODE_SIZE, _USER | _RX | _DEFERS),
        },
    }
