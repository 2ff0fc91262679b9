"""A scenario to begin with: what the code at a label reads before it writes it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pvasm.isa.bundle import SIZE, Bundle
from pvasm.isa.control_transfer import passing
from pvasm.isa.encoding import decode
from pvasm.isa.instruction import Instruction
from pvasm.isa.registers import NAMES, Register
from pvasm.isa.resources import Resource
from pvsim.scenario import Scenario
from pvsim.scenario_run import Variant, address_of
from pvsim.suited_state import UNCOLLECTED

_MOST: Final = 4096  # bundles
_FILES: Final = frozenset(["r", "f", "p", "b", "ar", "cr"])
_SET_ALREADY: Final = frozenset(["b0", "r1", "r12", "ar.rsc", "ar.fpsr", "ar.bsp", "ar.bspstore", "ar.rnat", "ar.itc"])
_LEAVES: Final = frozenset(["branch", "return", "rfi", "foreign"])
_CONSTANT: Final = frozenset(["r0", "p0"])


def scenario_for(variant: Variant, entry: str) -> Scenario:
    """The scenario of a variant's code from a label on to where control leaves for good; all registers are 0.

    So is psr.ic, where interruptions must not be collected.

    Branches are not followed: what only code behind one reads is left out. Raises PvasmError for a label that there is
    not.
    """
    read: dict[str, int] = {}
    written: set[str] = set()
    for instruction in straight_code(variant, entry):
        for name in sorted(_names(instruction.reads)):
            if name not in written and name not in _SET_ALREADY | _CONSTANT:
                read.setdefault(name, 0)
        if instruction.form.id in UNCOLLECTED and "psr.ic" not in written:
            read["psr.ic"] = 0
        if not instruction.predicate:
            written |= _names(instruction.writes) | {str(each) for each in instruction.writes if each == "psr.ic"}
    return Scenario(entry=entry, registers={**read})


def straight_code(variant: Variant, entry: str) -> list[Instruction]:
    """The instructions from a label on, to the first that leaves without a predicate: branches are not followed.

    Raises PvasmError for a label that there is not.
    """
    address = address_of(variant, entry)
    found: list[Instruction] = []
    for segment in variant.image.segments:
        start = address - segment.address
        if not 0 <= start < len(segment.data):
            continue
        for at in range(start, min(len(segment.data) - SIZE + 1, start + _MOST * SIZE), SIZE):
            for _, unit, bits in Bundle.of(bytes(segment.data[at : at + SIZE])).instructions():
                instruction = decode(bits, unit, segment.address + at)
                if instruction is None:
                    return found
                found.append(instruction)
                if not instruction.predicate and passing(instruction.mnemonic).transfer in _LEAVES:
                    return found
    return found


def _names(resources: Iterable[Resource]) -> set[str]:
    """The names of those that are registers, and can be set."""
    return {
        NAMES.get(each, f"{each.file}{each.number}")
        for each in resources
        if isinstance(each, Register) and each.file in _FILES
    }
