"""Registers that code may begin with values in: which there are by number alone, and how a processor is given one."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Final

from pvasm.isa.registers import APPLICATION, CONTROL, NAMES, Register
from pvsim.machine.machine import Machine

FILES: Final = {"r": "gr", "f": "fr", "p": "pr", "b": "br", "ar": "ar", "cr": "cr"}
"""The files that have registers with names, each with the processor's attribute that holds it."""

_STACKED: Final = 32
_NUMBERED: Final = {"ar": frozenset(APPLICATION.values()), "cr": frozenset(CONTROL.values())}
"""Of these files most numbers are reserved, or ignored."""


def is_reserved(register: Register) -> bool:
    """Whether there is nothing to set under the number of a register."""
    return register.file in _NUMBERED and register.number not in _NUMBERED[register.file]


def name_of(register: Register) -> str:
    """The name that is a register's own where it has several: `r12` of `sp`, `cr.itm` of `cr1`."""
    return NAMES.get(register, register.text)


@cache
def putting(register: Register) -> Callable[[Machine, int], None]:
    """What gives a register of a processor a value that it holds; a stacked one is in the frame then."""
    own = _OWN_WAYS.get(name_of(register))
    if own is not None:
        return own
    if register.file == "r" and register.number >= _STACKED:
        return partial(_put_stacked, register.number)
    return partial(_put_in_file, FILES[register.file], register.number)


def _put_stacked(number: int, processor: Machine, value: int) -> None:
    processor.sof = max(processor.sof, number - _STACKED + 1)
    processor.gr[number] = value


def _put_in_file(file: str, number: int, processor: Machine, value: int) -> None:
    getattr(processor, file)[number] = value


def _put_utilization(processor: Machine, value: int) -> None:
    processor.ruc_offset = value


def _put_timer(processor: Machine, value: int) -> None:
    processor.cr[CONTROL["itm"]] = value
    processor.set_timer()


_OWN_WAYS: Final[dict[str, Callable[[Machine, int], None]]] = {
    "ar.bspstore": Machine.write_bspstore,
    "ar.itc": Machine.write_itc,
    "ar.ruc": _put_utilization,
    "cr.itm": _put_timer,
}
