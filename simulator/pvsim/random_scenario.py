"""Random scenarios: states that a kernel's code may find itself in, what is awkward more often than by chance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from pvsim.function_run import BACKING_STORE, RETURN
from pvsim.modes import MODES
from pvsim.scenario import PAGE_SIZES, Interrupt, Scenario

DATA: Final = 0x0300_0000
"""Where random addresses of data lie."""

_WINDOW: Final = 1 << 12
_SIZES: Final = tuple(sorted(PAGE_SIZES))
_WORD: Final = 64
_STACKED: Final = 8
_ATTRIBUTES: Final = (0, 4, 5, 6)


def _word(random: Random) -> int:
    return random.getrandbits(_WORD)


def _small(random: Random) -> int:
    return random.choice((0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 63, 64, 255))


def _data(random: Random) -> int:
    return DATA + 16 * random.randrange(_WINDOW // 16)


def _region_address(random: Random) -> int:
    """An address of some region, implemented, near its start."""
    return random.randrange(8) << 61 | random.getrandbits(random.choice((20, 32, 44)))


def _entry(random: Random) -> int:
    """A page table entry without reserved fields."""
    bits = 1 | random.choice(_ATTRIBUTES) << 2 | random.getrandbits(2) << 5
    return bits | random.getrandbits(2) << 7 | random.getrandbits(3) << 9 | random.getrandbits(30) << 12


def _itir(random: Random) -> int:
    return random.choice(_SIZES) << 2 | random.getrandbits(24) << 8


def _region_register(random: Random) -> int:
    return random.getrandbits(1) | random.choice(_SIZES) << 2 | (1000 + random.getrandbits(16)) << 8


_KINDS: Final[tuple[Callable[[Random], int], ...]] = (
    *(_word, _small, _data, _region_address, _entry, _itir, _region_register),
)


def random_scenario(
    random: Random, entry: str, stop: Sequence[str] = (), *, moments: int = 0, steps: int = 2000
) -> Scenario:
    """A random state to begin with at a label; with `moments` an interrupt may come at one of so many."""
    registers: dict[str, int] = {}
    for number in (*range(1, 12), *range(13, 32 + _STACKED)):
        registers[f"r{number}"] = random.choice(_KINDS)(random)
    for number in range(1, 64):
        registers[f"p{number}"] = random.getrandbits(1)
    for number in range(1, 8):
        registers[f"b{number}"] = random.choice((RETURN, _word(random)))
    registers |= {"ar.unat": _word(random), "ar.lc": _small(random), "ar.ec": random.randrange(4)}
    registers |= {
        "ar.ccv": _word(random),
        "ar.itc": random.getrandbits(50) | 1 << 50,
        "ar.bspstore": BACKING_STORE + 8 * random.randrange(200),
    }
    registers |= {f"ar.k{number}": _word(random) for number in range(8)}
    registers |= {f"rr[{number}]": number << 8 | _region_register(random) & 0xFC for number in range(8)}
    registers |= _control(random)
    collects = random.getrandbits(1)
    registers["psr.bn"] = collects or random.getrandbits(1)  # an interruption's handler begins in bank 0
    registers |= {"psr.ic": collects, "psr.i": collects & random.getrandbits(1), "psr.ac": random.getrandbits(1)}
    nat = [f"r{number}" for number in (*range(1, 12), *range(13, 40)) if random.random() < 0.05]
    interrupts = []
    if moments and registers["psr.i"] and random.getrandbits(1):
        interrupts.append(Interrupt(random.randrange(16, 256), random.randrange(moments)))
    memory = {f"{DATA:#x}": random.randbytes(_WINDOW).hex()}
    return Scenario(
        entry=entry,
        registers={**registers},
        nat=nat,
        memory=memory,
        interrupts=interrupts,
        stop=list(stop),
        steps=steps,
    )


def _control(random: Random) -> dict[str, int]:
    """Control registers, with values that they take."""
    status = MODES[random.choice(("sys", "user"))]
    return {
        "cr.ifa": _region_address(random),
        "cr.itir": _itir(random),
        "cr.isr": random.getrandbits(40),
        "cr.iip": RETURN,
        "cr.ipsr": status | random.getrandbits(1) << 14 | random.getrandbits(1) << 3,
        "cr.iha": random.getrandbits(60) << 2,
        "cr.iim": random.getrandbits(21),
        "cr.ifs": random.getrandbits(1) << 63 | random.randrange(_STACKED + 1),
        "cr.dcr": random.getrandbits(7) << 8,
        "cr.pta": random.randrange(1 << 20) << 40 | random.randrange(15, 30) << 2,
        "cr.tpr": random.randrange(16) << 4 if random.getrandbits(1) else 0,
    }
