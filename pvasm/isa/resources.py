"""What instructions read and write besides their operands, with the resource names of SDM vol. 3, chapter 5.

A resource is a `Register`, or a name: `psr.ic`, `CFM`, `RSE`, `DTC`, `ALAT`, `mem`, `fpsr.sf0.flags`, ...
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from pvasm.isa.operands import Value, ones_of
from pvasm.isa.registers import APPLICATION, CONTROL, PSR_FIELDS, REGISTERS, Register
from pvasm.isa.table import groups

Resource = Register | str

CONSTANTS: Final = frozenset({Register("r", 0), Register("f", 0), Register("f", 1), Register("p", 0)})
_LOW_HALF: Final = frozenset(f"psr.{name}" for name, (low, _) in PSR_FIELDS.items() if low < 32)
_PSR: Final = _LOW_HALF | {"psr.mc", "psr.it"}  # as a move reads it (SDM vol. 3, mov psr); `<status>` is all of it
_USER_MASK: Final = frozenset(f"psr.{name}" for name, (low, _) in PSR_FIELDS.items() if low < 6)
_USER_BITS: Final = (1 << 6) - 1
_SYSTEM_BITS: Final = (1 << 24) - 1
_PREDICATES: Final = frozenset(Register("p", number) for number in range(1, 64))
_ROTATING: Final = frozenset(Register("p", number) for number in range(16, 64))

FPSR_FIELDS: Final[Mapping[str, tuple[int, int]]] = {
    "fpsr.traps": (0, 6),
    **{
        f"fpsr.sf{number}.{part}": (6 + 13 * number + low, width)
        for number in range(4)
        for part, low, width in (("controls", 0, 7), ("flags", 7, 6))
    },
    "fpsr.rv": (58, 6),
}
"""The parts of ar.fpsr: the lowest bit, and how many there are (SDM vol. 1, figures 5-6 and 5-7)."""

_STATUS: Final = frozenset(FPSR_FIELDS)
_WIDTHS: Final = {"r": 64, "f": 82, "p": 1, "b": 64, "ar": 64, "cr": 64}
_FIELD_WIDTHS: Final = {
    **{f"psr.{name}": width for name, (_, width) in PSR_FIELDS.items()},
    **{name: width for name, (_, width) in FPSR_FIELDS.items()},
    "CFM": 38,
}


def width_of_cell(resource: Resource) -> int:
    """How many bits a register has, or a field of one; 64 for one of an indexed file."""
    if isinstance(resource, Register):
        return _WIDTHS.get(resource.file, 64)
    return _FIELD_WIDTHS.get(resource, 64)


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

# Check loads read only what the ALAT does not hold.
_CHECK_TYPES: Final = frozenset({0x8, 0x9, 0xA})

# Speculative loads (.s, .sa) defer the faults that cr.dcr names.
_SPECULATIVE_TYPES: Final = frozenset({0x1, 0x3})


# The terms of the tables for the registers that have names of their own, and for the indexed files.
_TERMS: Final = {
    Register("p", 63): "PR63",  # which loop branches write: the tables have it apart from the others
    **{Register("ar", number): f"AR[{name.upper()}]" for name, number in APPLICATION.items()},
    **{Register("cr", number): f"CR[{name.upper()}]" for name, number in CONTROL.items()},
}
_FILE_TERMS: Final = {name: f"{name}#" for name in ("CPUID", "DBR", "IBR", "MSR", "PKR", "PMC", "PMD", "RR")}


def term(resource: Resource) -> str:
    """What SDM vol. 3, tables 5-2 to 5-4, call the resource: `AR[LC]`, `PSR.ic`, `AR[FPSR].sf0.flags`, `RR#`, `DTC`.

    General, floating-point, branch and predicate registers (but for PR63) are named as in the source: the tables' `GR%`
    is all of them.
    """
    if isinstance(resource, Register):
        return _TERMS.get(resource) or resource.text
    family, dot, field = resource.partition(".")
    if family == "fpsr":
        return f"AR[FPSR].{field}"
    return f"PSR.{field}" if dot else _FILE_TERMS.get(resource, resource)


def disabled_set(register: Register) -> str:
    """The processor status bit that disables the floating-point register's half of the file."""
    return "psr.dfh" if register.number >= 32 else "psr.dfl"


def modified_set(register: Register) -> str:
    """The processor status bit that tells that the floating-point register's half of the file was written."""
    return "psr.mfh" if register.number >= 32 else "psr.mfl"


def whole(register: Register, written_by: Sequence[Value] = ()) -> frozenset[Resource]:
    """The resources that the register's name stands for: itself as a rule, the fields for `psr`.

    `written_by` are the operands of the move that writes it, whose mask tells which predicates of `pr` it means.
    """
    found = _WHOLE.get(register)
    if found is None:
        return frozenset({register})
    if register.file == "pr" and len(written_by) == 3 and isinstance(written_by[2], int):
        mask = written_by[2]
        low = frozenset(Register("p", number) for number in range(1, 16) if mask >> number & 1)
        return low | (_ROTATING if mask >> 16 & 1 else frozenset())
    return found


def parts(register: Register, written_by: Sequence[Value] = ()) -> frozenset[Resource]:
    """The resources of the dependency tables that the register's name stands for: the fields of ar.fpsr, not itself.

    Of what a mask that is not known names, those are given that it names for certain.
    """
    if register.file == "pr" and len(written_by) == 3:
        written_by = (*written_by[:2], ones_of(written_by[2]))
    found = whole(register, written_by)
    return found - {register} if len(found) > 1 else found


def masked_psr(mask: Value, user: bool, certain: bool = False) -> list[str]:
    """The psr fields that a mask names, of the user mask alone or of the system mask too.

    Of a mask that is not known it is all fields, or if `certain` those that it names for certain.
    """
    bits = mask if isinstance(mask, int) else ones_of(mask) if certain else -1
    bits &= _USER_BITS if user else _SYSTEM_BITS
    return [f"psr.{name}" for name, (low, _) in PSR_FIELDS.items() if bits >> low & 1]


def named(names: Iterable[str], fields: Mapping[str, int]) -> Iterator[Resource]:
    """The resources that a row's READS or WRITES column names, with these fields.

    What depends on an operand, `<base>` and `<psr>`, is left out.
    """
    for name in names:
        if name == "<alat>":
            if fields["x6h"] in _ALAT_TYPES:
                yield "ALAT"
        elif name == "<check>":
            if fields["x6h"] in _CHECK_TYPES:
                yield "ALAT"
        elif name == "<defer>":
            if fields["x6h"] in _SPECULATIVE_TYPES:
                yield REGISTERS["cr.dcr"]
                yield "psr.ed"
        elif name.startswith("<"):
            if name not in ("<base>", "<psr>"):
                yield from named(groups()[name], fields)
        else:
            register = REGISTERS.get(name)
            if register is not None:
                yield from _WHOLE.get(register, (register,))
            else:
                yield name.replace("sf*", f"sf{fields.get('sf', 0)}")
