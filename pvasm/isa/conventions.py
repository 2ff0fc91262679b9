"""The software conventions: what each register is for, and which a call, a return or an interruption leaves alone.

Everything that asks who owns a register's value asks here: which registers `--fix` may have clobbered, what PV301 takes
for live where control leaves the file, what a simulator may overwrite.

Source: Itanium Software Conventions and Runtime Architecture Guide (Intel 245358), register usage: general, floating-
point, predicate, branch and application registers. Banked registers: SDM vol. 2, 3.3.7.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

from pvasm.isa.registers import APPLICATION, FIRST_ROTATING, FIRST_STACKED, Register

Usage = Literal["constant", "special", "preserved", "scratch", "stacked", "automatic", "read-only"]
"""What the conventions make of a register.

`special` has one purpose everywhere (sp), `preserved` is the caller's: whoever writes it puts the old value back.
`scratch` is lost in a call. `stacked` is of the register stack: an input or local is alive across calls, an output is
the callee's. `automatic` is saved and restored by the hardware, in calls and returns.
"""

Frame = tuple[int, int, int]
"""The sizes of a register stack frame: inputs, locals, outputs."""

_APPLICATION_USAGES: Final[dict[str, Usage]] = {
    **{f"k{number}": "read-only" for number in range(8)},
    **dict.fromkeys(("bsp", "itc", "ruc"), "read-only"),
    **dict.fromkeys(("rsc", "bspstore", "fpsr", "pfs"), "special"),
    **dict.fromkeys(("unat", "lc"), "preserved"),
    **dict.fromkeys(("rnat", "ec"), "automatic"),
    **dict.fromkeys(("ccv", "csd", "ssd"), "scratch"),
}


def _registers(file: str, *numbers: int | range) -> Iterable[Register]:
    for each in numbers:
        yield from (Register(file, number) for number in (each if isinstance(each, range) else (each,)))


def _usages() -> dict[Register, Usage]:
    usages: dict[Register, Usage] = {}

    def are(usage: Usage, file: str, *numbers: int | range) -> None:
        usages.update(dict.fromkeys(_registers(file, *numbers), usage))

    are("constant", "r", 0)
    are("special", "r", 1, 12, 13)
    are("scratch", "r", 2, 3, range(8, 12), range(14, 32))
    are("preserved", "r", range(4, 8))
    are("stacked", "r", range(FIRST_STACKED, 128))
    are("constant", "f", 0, 1)
    are("preserved", "f", range(2, 6), range(16, 32))
    are("scratch", "f", range(6, 16), range(32, 128))
    are("constant", "p", 0)
    are("preserved", "p", range(1, 6), range(16, 64))
    are("scratch", "p", range(6, 16))
    are("scratch", "b", 0, 6, 7)
    are("preserved", "b", range(1, 6))
    for name, usage in _APPLICATION_USAGES.items():
        are(usage, "ar", APPLICATION[name])
    return usages


USAGES: Final = _usages()
"""The usage of each register of the files r, f, p, b, and of the application registers that the conventions name."""

RETURN_LINK: Final = Register("b", 0)
"""The register (rp) that a call by the conventions leaves the return address in."""

RESULTS: Final = frozenset((*_registers("r", range(8, 12)), *_registers("f", range(8, 16))))
"""The registers in which a function returns its result; apart from that they are scratch."""

GENERAL_SCRATCH: Final = tuple(_registers("r", 8, 9, range(14, 32), 2, 3, 10, 11))
"""The scratch general registers, in the order in which to take them: first those in which Xen's hypercalls take their
arguments, then those that mean nothing by any convention, last what `addl` can address by and further results."""

PREDICATE_SCRATCH: Final = tuple(_registers("p", range(6, 16)))

BANKED: Final = frozenset(_registers("r", range(16, 32)))
"""The general registers of which there are two banks; an interruption begins in bank 0."""

INTERRUPTION: Final = frozenset(
    f"cr.{name}" for name in ["ipsr", "isr", "iip", "ifa", "itir", "iipa", "ifs", "iim", "iha"]
)
"""The control registers in which an interruption leaves what it has met (SDM vol. 2, 3.3.5)."""

_SPECIAL_NAMES: Final = {
    Register("r", 1): "the global pointer (gp)",
    Register("r", 12): "the stack pointer (sp)",
    Register("r", 13): "the thread pointer (tp)",
}


def usage(register: Register) -> Usage | None:
    """What the conventions make of a register; None for one that they say nothing of (control registers)."""
    return USAGES.get(register)


def survives_calls(register: Register, frame: Frame | None) -> bool | None:
    """Whether a call leaves the register as it was. None for a stacked register where the frame is not known.

    `frame` is the caller's; a register behind its outputs is nobody's, and is taken for an output.
    """
    known = USAGES.get(register)
    if known != "stacked":
        return known in ("special", "preserved", "constant", "automatic")
    return None if frame is None else register.number < FIRST_STACKED + frame[0] + frame[1]


def is_output(register: Register, frame: Frame | None) -> bool:
    """Whether the register is an output of the frame: an argument for what the frame's function calls."""
    if frame is None or register.file != "r":
        return False
    first = FIRST_STACKED + frame[0] + frame[1]
    return first <= register.number < first + frame[2]


def belongs_to_caller(register: Register) -> bool:
    """Whether a function must return with the value in it that its caller has left there."""
    return USAGES.get(register) in ("special", "preserved")


def is_scratch(register: Register) -> bool:
    """Whether the register's value is nobody's at a call or return, unless it is an argument or a result."""
    return USAGES.get(register) == "scratch" and register not in RESULTS


def is_renamed(register: Register) -> bool:
    """Whether the register's name means another after the frame or the rotating registers have moved."""
    first = FIRST_ROTATING.get(register.file)
    return first is not None and register.number >= first


def described(register: Register) -> str:
    """What the conventions make of a special or preserved register, for a message; empty for others."""
    if register in _SPECIAL_NAMES:
        return _SPECIAL_NAMES[register]
    return "preserved by the software conventions" if usage(register) == "preserved" else ""
