"""Random values of the kinds that a kernel's registers hold, what is awkward more often than by chance."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

from pvsim.modes import MODES
from pvsim.scenario import PAGE_SIZES

DATA: Final = 0x0300_0000
"""Where random addresses of data lie."""

WINDOW: Final = 1 << 12
"""How many bytes of data there are."""

_SIZES: Final = tuple(sorted(PAGE_SIZES))
_WORD: Final = 64
_ATTRIBUTES: Final = (0, 4, 5, 6)


def word(random: Random) -> int:
    """Any word."""
    return random.getrandbits(_WORD)


def small(random: Random) -> int:
    """A number that is on one side of something."""
    return random.choice((0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 63, 64, 255))


def data(random: Random) -> int:
    """An address of data."""
    return DATA + 16 * random.randrange(WINDOW // 16)


def region_address(random: Random) -> int:
    """An address of some region, implemented, near its start."""
    return random.randrange(8) << 61 | random.getrandbits(random.choice((20, 32, 44)))


def page_entry(random: Random) -> int:
    """A page table entry without reserved fields."""
    bits = 1 | random.choice(_ATTRIBUTES) << 2 | random.getrandbits(2) << 5
    return bits | random.getrandbits(2) << 7 | random.getrandbits(3) << 9 | random.getrandbits(30) << 12


def page_size(random: Random) -> int:
    """A page's size and key, as cr.itir has them."""
    return random.choice(_SIZES) << 2 | random.getrandbits(24) << 8


def region_register(random: Random) -> int:
    """A region's id, and the size of its pages."""
    return random.getrandbits(1) | random.choice(_SIZES) << 2 | (1000 + random.getrandbits(16)) << 8


def task_priority(random: Random) -> int:
    """Which interrupts cr.tpr masks: half of the time none."""
    return random.randrange(16) << 4 if random.getrandbits(1) else 0


def status(random: Random) -> int:
    """What psr is, or was: the kernel's or a program's, with interrupts let in or not."""
    return MODES[random.choice(("sys", "user"))] | random.getrandbits(1) << 14 | random.getrandbits(1) << 3


def interrupt_vector(random: Random) -> int:
    """The vector of an external interrupt."""
    return random.randrange(16, 256)


KINDS: Final[tuple[Callable[[Random], int], ...]] = (
    *(word, small, data, region_address, page_entry, page_size, region_register),
)
