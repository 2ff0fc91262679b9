"""Every form of the table in the machine: turned off by its predicate, with a NaT in each of its sources."""

from __future__ import annotations

import copy
from functools import cache
from typing import Final

import pytest
from pvsim.machine.interruptions import Interruption, Vector
from pvsim.machine.machine import Machine

from pvasm.isa.bundle import SLOT_BITS, Bundle
from pvasm.isa.encoding import encode
from pvasm.isa.instruction import instruction_of
from pvasm.isa.operands import IndexedRegister, MemoryOperand, Value
from pvasm.isa.registers import APPLICATION, CONTROL, Register
from pvasm.isa.semantics.all_clauses import program_of
from pvasm.isa.table import Form, Spelling, all_forms
from tests.isa.every_form import always_faults, operands, spellings
from tests.simulator.code import END, START

DATA: Final = 0x2_0000
ELSEWHERE: Final = 0x3_0000
OFF, NATVAL = 17, 0x1FFFE << 64
_BN, _DT = 1 << 44, 1 << 17
_IFA, _ITIR = CONTROL["ifa"], CONTROL["itir"]
_PRESENT: Final = 1 | 1 << 5 | 1 << 6 | 3 << 7 | 2 << 9  # accessed, dirty, level 3, to be read and written

_NOPS: Final = {"M": 1 << 27, "I": 1 << 27, "F": 1 << 27, "B": 2 << 37}
_SLOT: Final = (1 << SLOT_BITS) - 1
# By unit: a template, the units of its slots, and which slot is used.
_PLACES: Final = {"A": (0x00, "MII", 0), "M": (0x00, "MII", 0), "I": (0x00, "MII", 2), "F": (0x0C, "MFI", 1)}
_PLACES_OF_BRANCHES: Final = (0x10, "MIB", 2)
_END: Final = Bundle(0x00, (END << 6, 1 << 27, 1 << 27))


def code_of(spelling: Spelling, chosen: tuple[Value, ...], predicate: int) -> tuple[bytes, int]:
    """A bundle with an instruction in it, and behind it the end; and the slot that it is in."""
    bits = encode(instruction_of(spelling, _in_reach(spelling.form, chosen), predicate), START)
    unit = spelling.form.unit
    if unit == "X":
        return Bundle(0x04, (_NOPS["M"], bits >> SLOT_BITS, bits & _SLOT)).to_bytes() + _END.to_bytes(), 1
    template, units, slot = _PLACES.get(unit, _PLACES_OF_BRANCHES)
    slots = [_NOPS[each] for each in units]
    slots[slot] = bits
    return Bundle(template, (slots[0], slots[1], slots[2])).to_bytes() + _END.to_bytes(), slot


def _in_reach(form: Form, chosen: tuple[Value, ...]) -> tuple[Value, ...]:
    """The operands, with targets that are there."""
    places = [spec.kind.name if spec.kind is not None and spec.kind.is_target else "" for spec in form.operands]
    targets = {"": None, **{name: START + 16 if name.startswith("tag") else ELSEWHERE for name in places if name}}
    return tuple(targets[name] or value for name, value in zip(places, chosen, strict=True))


def machine_with(spelling: Spelling, chosen: tuple[Value, ...], predicate: int) -> Machine:
    """About to run one instruction: general registers are addresses of data that are good for all sizes."""
    machine = Machine()
    code, slot = code_of(spelling, chosen, predicate)
    machine.memory.write(START, code)
    machine.memory.write(ELSEWHERE, _END.to_bytes())
    machine.memory.write(DATA, bytes(range(1, 65)))
    machine.ip = START | slot
    machine.cr[_IFA], machine.cr[_ITIR] = DATA, 16 << 2
    machine.insert_translation("d", _PRESENT | DATA)
    machine.psr = _BN | _DT
    machine.gr[1:] = [DATA] * 127
    machine.fr[2:] = [0xFFFF << 64 | 3 << 62] * 126
    machine.pr[1:] = [number % 2 for number in range(1, 64)]
    machine.pr[OFF] = 0
    machine.br = [ELSEWHERE] * 8
    machine.ar[APPLICATION["fpsr"]] = 0x9804C0270033F
    machine.ar[APPLICATION["lc"]], machine.ar[APPLICATION["ec"]] = 5, 3
    machine.write_bspstore(0x10_0000)
    return machine


_COUNTED: Final = frozenset(
    [
        *("ip", "instructions", "groups", "bundles", "last_executed"),
        *("_blocks", "_decoded", "_lines", "_written", "code_pages", "_views_psr", "read_views", "written_views"),
    ]
)


def state(machine: Machine) -> dict[str, object]:
    """All that it holds but what counts instructions, and what is only remembered to be fast."""
    held = {name: copy.deepcopy(value) for name, value in vars(machine).items() if name not in _COUNTED}
    held["memory"] = {number: bytes(page) for number, page in machine.memory.pages.items()}
    return held


def ended(machine: Machine) -> bool:
    """Runs to the end that is in sight; whether it got there."""
    stop = machine.run(10)
    return stop is not None and stop.immediate == END


@cache
def by_form() -> dict[str, list[Spelling]]:
    """The spellings of each form."""
    found: dict[str, list[Spelling]] = {}
    for spelling in spellings():
        found.setdefault(spelling.form.id, []).append(spelling)
    return found


# ------------------------------------------------------------------------------------ turned off

_LOOPS: Final = ("B1.br.wtop", "B1.br.wexit")  # the predicate is what they test: their own tests have them
_FAULTS: Final = ("B4.br.ia",)  # a predicate is no part of it


@pytest.mark.parametrize("unit", "AIMFBX")
def test_an_instruction_that_is_turned_off_does_nothing(unit: str) -> None:
    """But for targets that are cleared: of `.unc`, and of approximations. As it is, and compiled."""
    tried = 0
    for name, given in by_form().items():
        form = given[0].form
        if name[0] != unit or form.unpredicated or name in (*_LOOPS, *_FAULTS):
            continue
        for which, spelling in enumerate(given):
            chosen = next(operands(spelling))
            machine = machine_with(spelling, chosen, OFF)
            expected = state(machine)
            predicates = list(machine.pr)
            if ".unc" in spelling.mnemonic or form.clears_when_false:
                for value in chosen[: len(form.outputs)]:
                    if isinstance(value, Register) and value.file == "p":
                        predicates[value.number] = 0
            start = machine.ip
            for _ in range(14 if which == 0 else 1):
                machine.ip = start
                assert ended(machine), spelling.mnemonic
            assert state(machine) == {**expected, "pr": predicates}, spelling.mnemonic
            tried += 1
    assert tried >= {"A": 100, "I": 70, "M": 250, "F": 150, "B": 8, "X": 3}[unit]


def test_no_form_is_left_out() -> None:
    """Forms are turned off, or cannot be: those that have no predicate, and those that ask for it."""
    assert {form.id for form in all_forms()} == by_form().keys()


@pytest.mark.parametrize("name", ["B9.hint.b", "M52.lfetch.count", "B6.brp", "M24.srlz.d", "X5.hint.x"])
def test_hints_do_nothing(name: str) -> None:
    """Those among them that GNU as does not write."""
    for spelling in by_form()[name]:
        for chosen in operands(spelling):
            machine = machine_with(spelling, chosen, 0)
            expected = state(machine)
            assert ended(machine)
            assert state(machine) == expected


# ------------------------------------------------------------------------------------------ NaTs

# What comes of a NaT in a general register that is read (SDM vol. 1, 5.3; vol. 3, chapter 2): by the form's id, up to a
# dot, and the operand. What is not here is a Register NaT Consumption fault.
_RESULT, _BASE, _CLEARED, _NATVAL, _BRANCH, _UNSEEN = "nat", "base", "cleared", "natval", "branch", "unseen"
_BY_FORMAT: Final = {
    **{f"A{number}": _RESULT for number in (1, 2, 3, 4, 5, 9, 10)},
    **{f"A{number}": "compare" for number in (6, 7, 8)},
    **{f"I{number}": _RESULT for number in (*range(1, 16), 29)},
    "I16": "compare",
    "I17": "tested",
    "I20": _BRANCH,
    "M20": _BRANCH,
    "M18": _NATVAL,
    "M13": _UNSEEN,
    "M14": _BASE,
    "M15": _BASE,
    "M52": _UNSEEN,
    "M22": _UNSEEN,
    "M26": _UNSEEN,
}
_BY_FORM: Final = {"M46.thash": _RESULT, "M46.ttag": _RESULT}


def expected_of(form: Form, mnemonic: str, place: int) -> str:
    """What has to come of a NaT in an operand of an instruction."""
    words = mnemonic.split(".")
    is_base = isinstance(form.operands[place].form, str) and form.operands[place].form == "memory"
    if "fault" in words:
        return "fault" if is_base or form.format == "M40" else _BASE
    if is_base and {"s", "sa"} & set(words):
        return _NATVAL if words[0].startswith("ldf") else _RESULT
    if words[1:2] == ["spill"] and not is_base:
        return _UNSEEN
    if form.format in ("M2", "M7") and not is_base:
        return _BASE
    return _BY_FORM.get(form.id) or _BY_FORMAT.get(form.format, "fault")


def outcome(spelling: Spelling, chosen: tuple[Value, ...], register: int) -> set[str]:
    """What comes of a NaT in a register."""
    machine = machine_with(spelling, chosen, 0)
    if spelling.form.format in ("M13", "M14", "M15") or ".s" in spelling.mnemonic:
        machine.psr |= 1 << 13  # faults that are not deferred
    machine.nat[register] = 1
    before, predicates = copy.deepcopy(machine.pr), spelling.form.outputs
    stop = machine.run(1)
    if isinstance(stop, Interruption):
        return {"fault"} if (stop.vector, stop.code & 0xF0) == (Vector.NAT_CONSUMPTION, 0x10) else {str(stop)}
    found = set()
    targets = [each for each in chosen[: len(spelling.form.outputs)] if isinstance(each, Register)]
    for target in targets:
        if target.file == "r" and machine.nat[target.number]:
            found.add(_RESULT)
        if target.file == "f" and machine.fr[target.number] == NATVAL:
            found.add(_NATVAL)
    if predicates and predicates[0].shape == "p":
        values = [machine.pr[target.number] for target in targets]
        found.add(_CLEARED if not any(values) else "kept" if machine.pr == before else "tested")
    if machine.ip & ~15 not in (START, START + 16):
        found.add(_BRANCH)
    bases = [each.base for each in chosen if isinstance(each, MemoryOperand) and isinstance(each.base, Register)]
    if spelling.form.writes and "<base>" in spelling.form.writes and any(machine.nat[each.number] for each in bases):
        found.add(_BASE)
    return found or {_UNSEEN}


def general_sources(form: Form, chosen: tuple[Value, ...]) -> list[tuple[int, int]]:
    """The operands that are read of general registers, and their numbers."""
    found = []
    for place, value in enumerate(chosen):
        if isinstance(value, MemoryOperand):
            value = value.base
        elif isinstance(value, IndexedRegister):
            value = value.index
        elif place < len(form.outputs):
            continue
        if isinstance(value, Register) and value.file == "r" and value.number:
            found.append((place, value.number))
    return found


def is_refused(spelling: Spelling, chosen: tuple[Value, ...]) -> bool:
    """Whether there is no such register, or number."""
    return always_faults(program_of(spelling.form, spelling.mnemonic, chosen, 0))


@pytest.mark.parametrize("unit", "AIMFBX")
def test_a_nat_in_each_source(unit: str) -> None:
    """It goes on to the result, clears the predicates of a compare, or is a fault."""
    wrong = []
    for name, given in by_form().items():
        if name[0] != unit or given[0].form.leaves_operand:
            continue
        for spelling in given:
            form = spelling.form
            chosen = next(each for each in operands(spelling) if not is_refused(spelling, each))
            for place, register in general_sources(form, chosen):
                want = {expected_of(form, spelling.mnemonic, place)}
                if want == {"compare"}:
                    words = spelling.mnemonic.split(".")
                    want = {"kept"} if "or" in words else {_CLEARED}
                if want in ({_RESULT}, {_NATVAL}) and "<base>" in form.writes:
                    want.add(_BASE)  # it is added to, as well
                found = outcome(spelling, chosen, register)
                if found != want:
                    wrong.append((spelling.mnemonic, chosen, place, found, want))
    assert wrong == []
