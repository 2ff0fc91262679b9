"""Random scenarios: states that a kernel's code may find itself in, what is awkward more often than by chance."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from random import Random
from typing import Final

from pvasm.isa.instruction import Instruction
from pvasm.isa.registers import FIRST_STACKED
from pvsim.function_run import BACKING_STORE, RETURN
from pvsim.random_values import (
    DATA,
    KINDS,
    WINDOW,
    interrupt_vector,
    page_size,
    region_address,
    region_register,
    small,
    status,
    task_priority,
    word,
)
from pvsim.scenario import Interrupt, Scenario
from pvsim.suited_state import suit

_STACKED: Final = 8
_GENERAL: Final = (*range(1, 12), *range(13, FIRST_STACKED + _STACKED))  # all of a frame but the stack's pointer
_NAT: Final = 0.05


def random_scenario(
    random: Random,
    entry: str,
    stop: Sequence[str] = (),
    *,
    moments: int = 0,
    steps: int = 2000,
    code: Sequence[Instruction] = (),
    own_regions: Collection[int] = range(8),
) -> Scenario:
    """A random state to begin with at a label; with `moments` an interrupt may come at one of so many.

    `code` is what is executed first: the state is one that bare hardware takes it in, more often than by chance.
    `own_regions` are those of its image, with identifiers that its pages go by.
    """
    registers: dict[str, int] = {}
    for number in _GENERAL:
        registers[f"r{number}"] = random.choice(KINDS)(random)
    for number in range(1, 64):
        registers[f"p{number}"] = random.getrandbits(1)
    for number in range(1, 8):
        registers[f"b{number}"] = random.choice((RETURN, word(random)))
    registers |= {"ar.unat": word(random), "ar.lc": small(random), "ar.ec": random.randrange(4)}
    registers |= {
        "ar.ccv": word(random),
        "ar.itc": random.getrandbits(50) | 1 << 50,
        "ar.ruc": random.getrandbits(50),
        "ar.eflag": random.getrandbits(22) & ~0x8028 | 2,  # bits that are reserved are 0, and one is 1
        "ar.bspstore": BACKING_STORE + 8 * random.randrange(200),
    }
    registers |= {f"ar.k{number}": word(random) for number in range(8)}
    for number in range(8):
        region = region_register(random)
        registers[f"rr[{number}]"] = number << 8 | region & 0xFC if number in own_regions else region & ~1
    registers |= _control(random)
    collects = random.getrandbits(1)
    registers["psr.bn"] = collects or random.getrandbits(1)  # an interruption's handler begins in bank 0
    registers |= {"psr.ic": collects, "psr.i": int(random.random() < 0.75), "psr.ac": random.getrandbits(1)}
    nat = [f"r{number}" for number in _GENERAL if random.random() < _NAT]
    memory = {f"{DATA:#x}": random.randbytes(WINDOW).hex()}
    made = Scenario(entry=entry, registers={**registers}, nat=nat, memory=memory, stop=list(stop), steps=steps)
    suit(made, code, random)
    if not made.numbers["psr.bn"]:
        _other_bank(made, random)
    # Nobody lets interrupts in whose state is not collected, or whose registers are the handler's.
    made.numbers["psr.i"] &= made.numbers["psr.ic"] & made.numbers["psr.bn"]
    if moments and random.random() < (0.75 if made.numbers["psr.i"] else 0.25) and not made.interrupts:
        after = random.randrange(moments) if made.numbers["psr.i"] else 0  # one that is masked waits
        made.interrupts.append(Interrupt(interrupt_vector(random), after))
    return made


def _other_bank(state: Scenario, random: Random) -> None:
    """Bank 1 while bank 0 is there; the other way round, nobody goes by what is in it."""
    for number in range(16, 32):
        state.numbers[f"bank1.r{number}"] = random.choice(KINDS)(random)
        if random.random() < _NAT:
            state.nat.append(f"bank1.r{number}")


def _control(random: Random) -> dict[str, int]:
    """Control registers, with values that they take."""
    return {
        "cr.ifa": region_address(random),
        "cr.itir": page_size(random),
        "cr.isr": random.getrandbits(40),
        "cr.iip": RETURN,
        "cr.iipa": random.getrandbits(60) << 4,
        "cr.itm": word(random),
        "cr.ipsr": status(random),
        "cr.iha": random.getrandbits(60) << 2,
        "cr.iim": random.getrandbits(21),
        "cr.ifs": random.getrandbits(1) << 63 | random.randrange(_STACKED + 1),
        "cr.dcr": random.getrandbits(7) << 8,
        "cr.pta": random.randrange(1 << 20) << 40 | random.randrange(15, 30) << 2,
        "cr.tpr": task_priority(random),
    }
