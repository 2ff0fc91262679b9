"""What the table says that instructions read and write, against what is different after each in the machine.

This is of what calls of the machine do as well: `tests/isa/test_touched_resources.py` takes it from what they declare.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final

import pytest
from pvsim.machine.interruptions import Interruption
from pvsim.machine.machine import Machine

from pvasm.isa.effects import plan_of, reads_of, writes_of
from pvasm.isa.operands import Value
from pvasm.isa.registers import PSR_FIELDS, Register
from pvasm.isa.resources import CONSTANTS, FPSR_FIELDS, Resource
from pvasm.isa.table import Spelling
from tests.isa.every_form import operands
from tests.simulator.test_every_form import by_form, is_refused, machine_with

_FPSR: Final = 40
_LISTS: Final = {"gr": "r", "nat": "r", "fr": "f", "pr": "p", "br": "b", "ar": "ar", "cr": "cr"}
_FRAME: Final = ("sof", "sol", "sor", "rrb_gr", "rrb_fr", "rrb_pr")
_RENAMED: Final = {"r": 128, "f": 128, "p": 64}
_STACK: Final = ("dirty", "clean", "bottom", "loads_frame")
_TRANSLATIONS: Final = {"translation_registers": "TR", "translation_caches": "TC"}

# What any instruction may have to do with, and no row names: where code is, traps behind each instruction, bits that
# last for one.
_ALWAYS: Final = frozenset(f"psr.{name}" for name in ("it", "ss", "is", "mc", "ri", "bn", "ia", "id", "da", "dd", "ed"))


class Parts(dict[Resource, object]):
    """What a machine holds, by resource: what all parts of it are."""

    def __init__(self, machine: Machine) -> None:
        super().__init__()
        for name, file in _LISTS.items():
            for number, value in enumerate(getattr(machine, name)):
                register = Register(file, number)
                if name == "nat":
                    self[register] = self[register], value
                elif (file, number) != ("ar", _FPSR):
                    self[register] = value
        status = machine.ar[_FPSR]
        self.update({name: status >> low & (1 << width) - 1 for name, (low, width) in FPSR_FIELDS.items()})
        for name, (low, width) in PSR_FIELDS.items():
            self[f"psr.{name}"] = machine.psr >> low & (1 << width) - 1
        self["psr.bn"] = self["psr.bn"], tuple(machine.other_bank), tuple(machine.other_bank_nat)
        self["CFM"] = tuple(getattr(machine, name) for name in _FRAME)
        self["RSE"] = tuple(getattr(machine, name) for name in _STACK)
        self["mem"] = {number: bytes(page) for number, page in machine.memory.pages.items()}
        self["RR"] = tuple(machine.rr)
        self.update({name.upper(): tuple(held) for name, held in machine.files.items() if name != "dahr"})
        self.update({Register("dahr", number): value for number, value in enumerate(machine.files["dahr"])})
        for name, ending in _TRANSLATIONS.items():
            for kind, held in getattr(machine, name).items():
                self[f"{kind.upper()}{ending}"] = dict(held) if isinstance(held, dict) else tuple(held)
        self["ALAT"] = repr(machine.advanced)


def tried(unit: str) -> Iterator[tuple[Spelling, tuple[Value, ...], frozenset[Resource], frozenset[Resource]]]:
    """Instructions of a unit, with what the table has them read and write."""
    for name, given in by_form().items():
        if name[0] == unit:
            for spelling in given:
                chosen = next(each for each in operands(spelling) if not is_refused(spelling, each))
                plan = plan_of(spelling)
                yield spelling, chosen, reads_of(plan, chosen, 0), writes_of(plan, chosen)


def changed(before: Parts, after: Parts) -> set[Resource]:
    """The resources that are different."""
    return {name for name, value in after.items() if before[name] != value}


def _beside(writes: frozenset[Resource]) -> frozenset[Resource]:
    """What else may be different: registers that are renamed, what belongs to a stack, what moves between banks."""
    found: set[Resource] = set()
    if "CFM" in writes:
        found |= {Register(file, number) for file, count in _RENAMED.items() for number in range(count)}
        found |= {"RSE", Register("ar", 17), Register("ar", 18), Register("ar", 19), "mem"}
    if "psr.bn" in writes:
        found |= {Register("r", number) for number in range(16, 32)}
    if "RSE" in writes:
        found |= {Register("r", number) for number in range(32, 128)}
    return frozenset(found)


@pytest.mark.slow
@pytest.mark.parametrize("nat", [0, 1])
@pytest.mark.parametrize("unit", "AIMFBX")
def test_nothing_else_changes(unit: str, nat: int) -> None:
    """Nor anything at all where an instruction faults, as many do with a NaT."""
    wrong = []
    for spelling, chosen, _, writes in tried(unit):
        machine = machine_with(spelling, chosen, 0)
        machine.nat[1:] = [nat] * 127
        before = Parts(machine)
        stop = machine.run(1)
        found = changed(before, Parts(machine))
        is_fault = isinstance(stop, Interruption) and not stop.is_trap
        allowed = _ALWAYS if is_fault else writes | _beside(writes)
        if found - allowed:
            wrong.append((spelling.form.id, spelling.mnemonic, chosen, str(stop), found - allowed))
    assert wrong == []


@pytest.mark.slow
@pytest.mark.parametrize("unit", "AIMFBX")
def test_nothing_else_matters(unit: str) -> None:
    """What is neither read nor written may hold anything: what is written becomes the same."""
    chance = random.Random(unit)
    wrong = []
    for spelling, chosen, reads, writes in tried(unit):
        results = []
        for is_changed in (False, True):
            machine = machine_with(spelling, chosen, 0)
            if is_changed:
                _disturb(machine, reads | writes | _beside(writes) | CONSTANTS, chance)
            stop = machine.run(1)
            after = Parts(machine)
            results.append((str(stop), machine.ip, {name: after[name] for name in writes if name in after}))
        if results[0] != results[1]:
            one, two = results
            different = [name for name, value in one[2].items() if two[2][name] != value]
            wrong.append((spelling.form.id, spelling.mnemonic, chosen, one[:2], two[:2], different))
    assert wrong == []


def _disturb(machine: Machine, kept: frozenset[Resource], chance: random.Random) -> None:
    """Gives everything other values but some resources, and what no instruction can do without."""
    for name, file in _LISTS.items():
        held = getattr(machine, name)
        for number in range(len(held)):
            if Register(file, number) not in kept and (file, number) not in _NEEDED:
                held[number] = chance.getrandbits(_WIDTHS[name])
    for name, (low, width) in PSR_FIELDS.items():
        if f"psr.{name}" not in kept | _ALWAYS:
            machine.psr ^= (1 << width) - 1 << low
    for name, (low, width) in FPSR_FIELDS.items():
        if name not in kept:
            machine.ar[_FPSR] ^= (1 << width) - 1 << low
    for name, held in machine.files.items():
        if name.upper() not in kept and name != "dahr":  # hints, on which nothing depends (SDM vol. 3, 5.3)
            held[:] = [chance.getrandbits(64) for _ in held]
    if "RR" not in kept:
        machine.rr[:] = [chance.getrandbits(64) for _ in machine.rr]
    machine.set_psr(machine.psr)


_WIDTHS: Final = {"gr": 64, "nat": 1, "fr": 82, "pr": 1, "br": 64, "ar": 64, "cr": 64}
_NEEDED: Final = frozenset([("ar", 16), ("ar", 17), ("ar", 18), ("ar", 19), ("ar", _FPSR)])
"""The register stack's registers belong together."""
