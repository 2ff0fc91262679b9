"""A scenario to begin with: what the code at a label reads before it writes it."""

from __future__ import annotations

from typing import Final

from pvasm.isa.control_transfer import passing
from pvasm.isa.instruction import Instruction
from pvasm.isa.registers import Register
from pvsim.function_run import RETURN
from pvsim.modes import MODES
from pvsim.scenario import NOT_SET, Scenario
from pvsim.scenario_run import Variant
from pvsim.suited_state import UNCOLLECTED
from pvsim.variant_code import register_names, straight_code

_SET_ALREADY: Final = frozenset(
    ["b0", "r1", "r12", "ar.rsc", "ar.pfs", "ar.fpsr", "ar.bsp", "ar.bspstore", "ar.rnat", "ar.itc"]
)
_STATUS: Final = frozenset(["psr.ic", "psr.bn"])
_HASHES: Final = frozenset(["M46.thash", "M46.ttag"])
_BY_THE_WAY: Final = frozenset(["cr.pta", "cr.gpta", "cr.tpr", "ar.ec"])
"""What accesses to memory, changes of psr.i, calls and returns go by: nothing is asked of it where it is 0."""

_WHOLE: Final = frozenset(["pr", "pr.rot"])
_BEGUN: Final = {
    "cr.itir": 14 << 2,  # 16 KiB: there is no page of 1 << 0 bytes
    "cr.pta": 15 << 2,  # the smallest table, which the walker does not search
    "cr.iip": RETURN,
    "cr.ipsr": MODES["sys"],
}
"""Where 0 is a value that native faults for: another one."""


def scenario_for(variant: Variant, entry: str) -> Scenario:
    """The scenario of a variant's code from a label on to where control leaves for good, so that native can begin.

    Registers that it reads before it writes them are 0, or something that it takes; what it reads only to put it back
    as a whole, as `mov =pr` does, is left out. psr.ic is 0 where interruptions must not be collected, and so is psr.bn
    then, as behind an interruption.

    Branches with a predicate are not followed: what only code behind one reads is left out. Raises PvasmError for a
    label that there is not.
    """
    read: dict[str, int] = {}
    written: set[str] = set()
    for instruction in straight_code(variant, entry):
        for name in sorted(_asked(instruction)):
            if name not in written and name not in _SET_ALREADY | NOT_SET.keys():
                read.setdefault(name, _BEGUN.get(name, 0))
        form = instruction.form.id
        is_first = form in UNCOLLECTED and "psr.ic" not in written
        if is_first:
            read["psr.ic"] = 0
        if (is_first or form == "B8.bsw.1") and "psr.bn" not in written:
            read["psr.bn"] = 0
        if passing(instruction.mnemonic).transfer in ("branch", "return"):
            read |= {
                name: RETURN for name in register_names(instruction.reads) if name in read and name.startswith("b")
            }
        if not instruction.predicate:
            written |= register_names(instruction.writes) | {
                str(each) for each in instruction.writes if each in _STATUS
            }
    return Scenario(entry=entry, registers={**read})


def _asked(instruction: Instruction) -> set[str]:
    """The names of registers whose values an instruction asks for."""
    operands = {each for each in instruction.operands if isinstance(each, Register)}
    found = register_names(instruction.reads)
    if any(each.file in _WHOLE for each in operands):
        found -= {f"p{number}" for number in range(64) if number != instruction.predicate}
    kept = {"cr.pta"} if instruction.form.id in _HASHES else set()
    return found - (_BY_THE_WAY - register_names(operands) - kept)
