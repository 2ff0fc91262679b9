"""What instructions read and write besides their operands, with the resource names of SDM vol. 3, chapter 5.

A resource is a `Register`, or a name: `psr.ic`, `CFM`, `RSE`, `DTC`, `ALAT`, `mem`, `fpsr.sf0.flags`, ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from pvasm.ia64.operands import MemoryOperand, Unknown, Value
from pvasm.ia64.registers import PSR_FIELDS, REGISTERS, Register
from pvasm.ia64.table import Form, groups

Resource = Register | str

_CONSTANTS: Final = frozenset({Register("r", 0), Register("f", 0), Register("f", 1), Register("p", 0)})
_PSR: Final = frozenset(f"psr.{name}" for name in PSR_FIELDS)
_LOW_HALF: Final = frozenset(f"psr.{name}" for name, (low, _) in PSR_FIELDS.items() if low < 32)
_USER_MASK: Final = frozenset(f"psr.{name}" for name, (low, _) in PSR_FIELDS.items() if low < 6)
_PREDICATES: Final = frozenset(Register("p", number) for number in range(1, 64))
_ROTATING: Final = frozenset(Register("p", number) for number in range(16, 64))
_STATUS: Final = frozenset(
    {"fpsr.traps"} | {f"fpsr.sf{number}.{part}" for number in range(4) for part in ("controls", "flags")}
)

# Registers that stand for several resources.
_WHOLE: Final[dict[Register, frozenset[Resource]]] = {
    Register("psr", 0): _PSR,
    Register("psr.l", 0): _LOW_HALF,
    Register("psr.um", 0): _USER_MASK,
    Register("pr", 0): _PREDICATES,
    Register("pr.rot", 0): _ROTATING,
    Register("ar", 40): _STATUS | {Register("ar", 40)},
    Register("ip", 0): frozenset(),
}

# ALAT entries are made by advanced loads and dropped or kept by check loads (x6h of tables 4-30 and 4-34).
_ALAT_TYPES: Final = frozenset({0x2, 0x3, 0x8, 0x9, 0xA})


def disabled_set(register: Register) -> str:
    """The processor status bit that disables the floating-point register's half of the file."""
    return "psr.dfh" if register.number >= 32 else "psr.dfl"


def of_register(
    register: Register | Unknown, reading: bool = False, writing: bool = False, operands: Sequence[Value] = ()
) -> frozenset[Resource]:
    """The resources that reading or writing the register touches: none for a constant or an unknown one."""
    if isinstance(register, Unknown) or register in _CONSTANTS:
        return frozenset()
    whole = _WHOLE.get(register)
    if whole is None:
        if register.file == "f" and reading:
            return frozenset({register, disabled_set(register)})
        if register.file == "f" and writing:
            return frozenset({register, "psr.mfh" if register.number >= 32 else "psr.mfl"})
        return frozenset({register})
    if writing and register.file == "pr" and len(operands) == 3 and isinstance(operands[2], int):
        mask = operands[2]
        low = frozenset(Register("p", number) for number in range(1, 16) if mask >> number & 1)
        return low | (_ROTATING if mask >> 16 & 1 else frozenset())
    return whole


def _base(form: Form, operands: Sequence[Value]) -> Iterator[Resource]:
    for value in operands:
        if isinstance(value, MemoryOperand) and isinstance(value.base, Register):
            yield value.base


def _alat(fields: Mapping[str, int]) -> Iterator[Resource]:
    if fields["x6h"] in _ALAT_TYPES:
        yield "ALAT"


def _psr(operands: Sequence[Value]) -> Iterator[Resource]:
    mask = operands[-1]
    for name, (low, _) in PSR_FIELDS.items():
        if not isinstance(mask, int) or mask >> low & 1:
            yield f"psr.{name}"


_COMPUTED: Final[dict[str, Callable[[Mapping[str, int], Form, Sequence[Value]], Iterator[Resource]]]] = {
    "<base>": lambda fields, form, operands: _base(form, operands),
    "<alat>": lambda fields, form, operands: _alat(fields),
    "<psr>": lambda fields, form, operands: _psr(operands),
}


def implicit(
    names: Iterable[str], fields: Mapping[str, int], form: Form, operands: Sequence[Value]
) -> Iterator[Resource]:
    """The resources that a row's READS or WRITES column names, for an instruction with these fields and operands."""
    for name in names:
        if name in _COMPUTED:
            yield from _COMPUTED[name](fields, form, operands)
        elif name.startswith("<"):
            yield from implicit(groups()[name], fields, form, operands)
        else:
            register = REGISTERS.get(name)
            if register is not None:
                yield from _WHOLE.get(register, (register,))
            else:
                yield name.replace("sf*", f"sf{fields.get('sf', 0)}")
