"""What forms do that no other test looks at by themselves: state before, an instruction, and what is different after.

Numbers are chosen so that floating-point results are exact, and that each operand and each half shows.
"""

from __future__ import annotations

import ast
import contextlib
import itertools
import re
import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Final

import pytest
from pvsim.machine.interruptions import Interruption, Vector
from pvsim.machine.machine import Machine

from pvasm.asm.reading import assembly_parser
from pvasm.asm.resolve import resolve
from pvasm.asm.scope import OperandError, Scope
from pvasm.isa.registers import APPLICATION, CONTROL
from pvasm.isa.table import all_forms
from pvasm.syntax import tree
from pvasm.syntax.document import read_document
from tests.simulator import test_floating_point, test_integer, test_parallel
from tests.simulator.code import END, START, assembled

DATA: Final = 0x2_0000
NATVAL: Final = 0x1FFFE << 64
IC, DT, IT, BN, VM = 1 << 13, 1 << 17, 1 << 36, 1 << 44, 1 << 46
_USUAL: Final = 0x9804C0270033F
_BYTES: Final = bytes(range(0x81, 0xA1))
_RESERVED, _UNIMPLEMENTED = "general exception 0x30", "virtualization 0x0"

State = dict[str, int]
"""Registers by name (`r8`, `f8`, `p6`, `b6`, `ar.lc`, `cr.eoi`, `psr`), NaT bits (`n8`), and words of memory (`m0`:
the 8 bytes at DATA, lowest first)."""


def number(value: float | Fraction) -> int:
    """A number that is not 0 as a floating-point register has it."""
    exact = abs(Fraction(value))
    exponent = exact.numerator.bit_length() - exact.denominator.bit_length()
    exponent -= Fraction(2) ** exponent > exact
    significand = exact * Fraction(2) ** (63 - exponent)
    return (value < 0) << 81 | exponent + 0xFFFF << 64 | int(significand)


def pair(high: float, low: float) -> int:
    """Two singles as a floating-point register has them."""
    return 0x1003E << 64 | int.from_bytes(struct.pack(">ff", high, low))


def integers(high: int, low: int) -> int:
    """Two integers of 32 bits in a significand."""
    return 0x1003E << 64 | (high % 2**32) << 32 | low % 2**32


def machine_with(text: str, before: State) -> Machine:
    """About to run an instruction."""
    machine = Machine()
    machine.memory.write(START, assembled(text))
    machine.memory.write(DATA, _BYTES)
    machine.ip = START
    machine.psr = IC | BN
    machine.gr[9] = DATA
    machine.ar[APPLICATION["fpsr"]] = _USUAL
    for name, value in before.items():
        put(machine, name, value)
    return machine


_FILES: Final = {"r": "gr", "n": "nat", "f": "fr", "p": "pr", "b": "br"}


def put(machine: Machine, name: str, value: int) -> None:
    """Gives a part of the state a value, by its name."""
    file, dot, rest = name.partition(".")
    if dot:
        names = APPLICATION if file == "ar" else CONTROL
        getattr(machine, file)[names[rest]] = value
    elif name == "psr":
        machine.set_psr(value)
    elif name[0] == "m":
        machine.memory.write(DATA + int(name[1:]), value.to_bytes(8, "little"))
    else:
        getattr(machine, _FILES[name[0]])[int(name[1:])] = value


def got(machine: Machine, name: str) -> int:
    """A part of the state, by its name."""
    file, dot, rest = name.partition(".")
    if dot:
        names = APPLICATION if file == "ar" else CONTROL
        return int(getattr(machine, file)[names[rest]])
    if name in ("psr", "cfm", "dirty"):
        return int(getattr(machine, name))
    if name[0] == "m":
        return int.from_bytes(machine.memory.read(DATA + int(name[1:]), 8), "little")
    return int(getattr(machine, _FILES[name[0]])[int(name[1:])])


def word(at: int, size: int = 8) -> int:
    """Bytes of DATA."""
    return int.from_bytes(_BYTES[at : at + size], "little")


def _of_three(kind: str, a: Fraction, b: Fraction, c: Fraction) -> Fraction:
    return {"ma": a * b + c, "ms": a * b - c, "nma": c - a * b}[kind]


def _arithmetic() -> dict[str, tuple[State, State]]:
    """Products and sums, of one number and of pairs."""
    found: dict[str, tuple[State, State]] = {}
    a, b, c = Fraction(3), Fraction(-5, 2), Fraction(7)
    registers = {"f9": number(a), "f10": number(b), "f11": number(c)}
    for kind, form in itertools.product(("ma", "ms", "nma"), ("", ".s", ".d")):
        result = number(_of_three(kind, a, b, c))
        found[f"f{kind}{form}.s0 f8=f9,f10,f11"] = registers, {"f8": result}
        found[f"f{kind}{form}.s0 f40=f9,f10,f0"] = registers, {"f40": number(_of_three(kind, a, b, Fraction(0)))}
    pairs = {"f9": pair(3, -2), "f10": pair(-2.5, 4), "f11": pair(7, 0.5)}
    for kind in ("ma", "ms", "nma"):
        high = _of_three(kind, Fraction(3), Fraction(-5, 2), Fraction(7))
        low = _of_three(kind, Fraction(-2), Fraction(4), Fraction(1, 2))
        found[f"fp{kind}.s0 f8=f9,f10,f11"] = pairs, {"f8": pair(float(high), float(low))}
    return found


def _choices() -> dict[str, tuple[State, State]]:
    """The least, the greatest, and relations."""
    found: dict[str, tuple[State, State]] = {}
    registers = {"f9": number(-3), "f10": number(2)}
    for name, which in {"min": "f9", "max": "f10", "amin": "f10", "amax": "f9"}.items():
        found[f"f{name}.s0 f8=f9,f10"] = registers, {"f8": registers[which]}
        high, low = (-3.0, 1.0) if which == "f9" else (2.0, -4.0)
        halves = {"f9": pair(-3, 1), "f10": pair(2, -4)}
        if name in ("min", "max"):
            low = min(1.0, -4.0) if name == "min" else max(1.0, -4.0)
        else:
            low = 1.0 if name == "amin" else -4.0
        found[f"fp{name}.s0 f8=f9,f10"] = halves, {"f8": pair(high, low)}
    relations = {"eq": (False, True), "lt": (True, False), "le": (True, True), "unord": (False, False)}
    opposite = {"neq": "eq", "nlt": "lt", "nle": "le", "ord": "unord"}
    for name in (*relations, *opposite):
        holds = relations[opposite.get(name, name)]
        ones = [-int(each != (name in opposite)) for each in holds]
        halves = {"f9": pair(-3, 2), "f10": pair(2, 2)}
        found[f"fpcmp.{name}.s0 f8=f9,f10"] = halves, {"f8": integers(*ones)}
    for name, (of_less, of_same) in relations.items():
        for unc in ("", ".unc"):
            for other, is_so in (("f10", of_less), ("f9", of_same)):
                text = f"fcmp.{name}{unc}.s0 p6,p7=f9,{other}"
                found[text] = {**registers, "p6": 1, "p7": 1}, {"p6": int(is_so), "p7": int(not is_so)}
    return found


def _conversions() -> dict[str, tuple[State, State]]:
    found: dict[str, tuple[State, State]] = {}
    for name, value, result in (
        ("fx", -2.75, -3),
        ("fx.trunc", -2.75, -2),
        ("fxu", 2.5, 2),
        ("fxu.trunc", 2.0**63 + 2.0**40, 2**63 + 2**40),
    ):
        found[f"fcvt.{name}.s0 f8=f9"] = {"f9": number(value)}, {"f8": 0x1003E << 64 | result % 2**64}
    for name, (high, low), both in (
        ("fx", (-2.75, 3.5), (-3, 4)),
        ("fx.trunc", (-2.75, 3.5), (-2, 3)),
        ("fxu", (2.0**31, 3.5), (2**31, 4)),
        ("fxu.trunc", (2.0**32 - 256, 3.75), (2**32 - 256, 3)),
    ):
        found[f"fpcvt.{name}.s0 f8=f9"] = {"f9": pair(high, low)}, {"f8": integers(*both)}
    return found


def _memory() -> dict[str, tuple[State, State]]:
    """Forms of loads and stores that differ in their bases alone, and what comes with them."""
    unat = {"ar.unat": 1}
    double, both = 0x4008_0000_0000_0000, {"m0": 0x4008_0000_0000_0000, "m8": 0xC004_0000_0000_0000}
    singles = {"m0": int.from_bytes(struct.pack("<ff", 3, -2.5), "little")}
    three, other = number(3), number(-2.5)
    found: dict[str, tuple[State, State]] = {
        "ld8.fill r8=[r9],r10": ({**unat, "r10": 24}, {"r8": word(0), "n8": 1, "r9": DATA + 24}),
        "ld8.fill r8=[r9],-8": (unat, {"r8": word(0), "n8": 1, "r9": DATA - 8}),
        "ld16.acq r8,ar.csd=[r9]": ({}, {"r8": word(0), "ar.csd": word(8)}),
        "st8.spill [r9]=r10": ({"r10": 77, "n10": 1}, {"m0": 77, "ar.unat": 1, "r9": DATA}),
        "st16.rel [r9]=r10,ar.csd": ({"r10": 77, "ar.csd": 88}, {"m0": 77, "m8": 88}),
        "ldfd f8=[r9],r10": ({"m0": double, "r10": 8}, {"f8": three, "r9": DATA + 8}),
        "ldf.fill f8=[r9],r10": ({"r10": 16}, {"f8": word(0, 16) % 2**82, "r9": DATA + 16}),
        "ldf.fill f8=[r9],32": ({}, {"f8": word(0, 16) % 2**82, "r9": DATA + 32}),
        "stfd [r9]=f10,8": ({"f10": three}, {"m0": double, "r9": DATA + 8}),
        "stf.spill [r9]=f10,16": ({"f10": NATVAL}, {"m0": 0, "m8": 0x1FFFE, "r9": DATA + 16}),
        "ldfpd f8,f9=[r9],16": (both, {"f8": three, "f9": other, "r9": DATA + 16}),
        "ldfps f8,f9=[r9],8": (singles, {"f8": three, "f9": other, "r9": DATA + 8}),
        "ldfp8 f8,f9=[r9],16": ({}, {"f8": 0x1003E << 64 | word(0), "f9": 0x1003E << 64 | word(8), "r9": DATA + 16}),
        "ld2 r8=[r9],r10": ({"r10": 6}, {"r8": word(0, 2), "r9": DATA + 6}),
        "ldfd f8=[r9],-8": ({"m0": double}, {"f8": three, "r9": DATA - 8}),
        "fetchadd4.rel r8=[r9],-16": ({"m0": 7 << 32 | 3}, {"r8": 3, "m0": 7 << 32 | 2**32 - 13}),
        "lfetch [r9],r10": ({"r10": 40}, {"r9": DATA + 40}),
        "lfetch.fault.excl.nt1 [r9],-128": ({}, {"r9": DATA - 128}),
        "lfetch.fault [r9],r10": ({"r10": 1, "n10": 1}, {"r9": DATA + 1, "n9": 1}),
        "lfetch.nta [r9]": ({"r9": 1 << 60}, {"r9": 1 << 60}),
    }
    nothing = ("fwb", "mf", "mf.a", "srlz.d", "srlz.i ;;", "sync.i", "invala", "invala.e r8", "invala.e f8", "fc.i r9")
    hints = ("hint.m 1", "hint.i 1", "hint.f 1", "nop.f 3", "nop.x 5", "hint.x 5", "nop.b 1")
    ahead = ("brp.sptk.imp L,L", "brp.dptk b6,L", "brp.ret.sptk b0,L")
    return found | {text: ({}, {"r9": DATA, "psr": IC | BN}) for text in (*nothing, *hints, *ahead)}


def _moves() -> dict[str, tuple[State, State]]:
    low, plain = {"psr": BN}, IC | BN
    return {
        "mov.dptk.imp b6=r10,L": ({"r10": 0x1234}, {"b6": 0x1234}),
        "mov.ret.sptk b6=r10,L": ({"r10": 0x1234}, {"b6": 0x1234}),
        "mov r8=b6": ({"b6": 0x77, "n8": 1}, {"r8": 0x77, "n8": 0}),
        "nop.m 0 ;;\n nop.m 0\n mov r8=ip": ({}, {"r8": START}),
        "mov ar.k3=-5": (low, {"ar.k3": 2**64 - 5}),
        "mov ar.eflag=7": (low, {"ar.eflag": 7}),
        "mov.m ar.rsc=3": ({"psr": BN | 2 << 32}, {"ar.rsc": 3 | 2 << 2}),
        "mov ar.bspstore=40": (low, {"ar.bspstore": 40, "ar.bsp": 40}),
        "mov ar.rnat=9": (low, {"ar.rnat": 9}),
        "mov ar.unat=-1": ({}, {"ar.unat": 2**64 - 1}),
        "mov ar.lc=-1": ({}, {"ar.lc": 2**64 - 1}),
        "mov ar.itc=100 ;;\n mov r8=ar.itc": ({}, {"r8": 101}),
        "mov r8=ar.bsp": ({"ar.bsp": 0x4000}, {"r8": 0x4000}),
        "mov cr.eoi=r10": (low, {"cr.eoi": 0}),
        "mov r8=cr.ivr": (low, {"r8": 15}),
        "mov dahr3=0x1234 ;;\n mov r9=3 ;;\n mov r8=dahr[r9]": ({"psr": plain | VM}, {"r8": 0x1234}),
        "mov pmd[r10]=r11 ;;\n mov r8=pmd[r10]": ({"r10": 5, "r11": 99}, {"r8": 99}),
        "mov ar.eflag=r10": ({"r10": 0x202}, {"ar.eflag": 0x202}),
        "mov pmc[r10]=r11 ;;\n mov r8=pmc[r10]": ({"r10": 5, "r11": 99}, {"r8": 99}),
        "mov dbr[r10]=r11 ;;\n mov r8=dbr[r10]": ({"r10": 2, "r11": 99}, {"r8": 99}),
        "mov ibr[r10]=r11 ;;\n mov r8=ibr[r10]": ({"r10": 3, "r11": 99}, {"r8": 99}),
        "ttag r8=r9": ({}, {"r8": DATA >> 14}),
        "probe.r r8=r9,3": ({"psr": BN | DT}, {"r8": 1}),
        "probe.r.fault r9,3": ({"psr": BN | DT}, {"r9": DATA}),
        "probe.w.fault r9,0": ({"psr": BN | DT}, {"r9": DATA}),
        "bsw.1 ;;": ({"psr": IC}, {"psr": IC | BN}),
        "probe.w r8=r9,3": ({"psr": BN | DT}, {"r8": 1}),
        "probe.w r8=r9,r10": ({"psr": BN | DT, "r10": 0}, {"r8": 1}),
    }


def _branches() -> dict[str, tuple[State, State]]:
    call = "{ .mlx\n nop.m 0\n brl.call.sptk.many b6=L ;;\n }\n mov r8=1 ;;\n L:"
    return {
        "{ .mlx\n nop.m 0\n brl.cond.sptk.many L ;;\n }\n mov r8=1 ;;\n L:": ({"r8": 0}, {"r8": 0}),
        call: ({"ar.ec": 3}, {"r8": 0, "b6": START + 16, "ar.pfs": 96 | 3 << 52, "cfm": 96, "dirty": 0}),
        "chk.s.i r8,L ;;\n mov r10=1 ;;\n L:": ({"n8": 1}, {"r10": 0}),
        "chk.s.i r8,L ;;\n mov r10=2 ;;\n L:": ({}, {"r10": 2}),
        "chk.s f8,L ;;\n mov r10=1 ;;\n L:": ({"f8": NATVAL}, {"r10": 0}),
        "chk.s f8,L ;;\n mov r10=2 ;;\n L:": ({"f8": 1 << 81 | NATVAL}, {"r10": 2}),
    }


CASES: Final = _arithmetic() | _choices() | _conversions() | _memory() | _moves() | _branches()


@pytest.mark.parametrize("text", CASES)
@pytest.mark.parametrize("times", [1, 13])
def test_what_an_instruction_does(text: str, times: int) -> None:
    """Once as it is carried out, and compiled."""
    before, after = CASES[text]
    machine = machine_with(text if "L:" in text else f"{text} ;;\n L:", before)
    _map_data(machine)
    for turn in range(times):
        machine.ip = START
        if turn:
            machine.sof, machine.sol, machine.dirty = 96, 0, 0
            machine.gr[8], machine.nat[8], machine.gr[9], machine.nat[9] = 0, 0, DATA, 0
            machine.itc_offset = 0
            for name, value in before.items():
                put(machine, name, value)
        stop = machine.run(100)
        assert stop is not None
        assert stop.immediate == END, stop
    assert {name: got(machine, name) for name in after} == after


def _map_data(machine: Machine) -> None:
    """A page of data, to be read and written at any level."""
    psr = machine.psr
    machine.cr[CONTROL["ifa"]], machine.cr[CONTROL["itir"]] = DATA, 14 << 2
    machine.insert_translation("d", 1 | 1 << 5 | 1 << 6 | 3 << 7 | 2 << 9 | DATA)
    machine.set_psr(psr)


# ---------------------------------------------------------------------------------------- faults


@pytest.mark.parametrize(
    ("text", "before", "ended"),
    [
        ("break.i 0x12345", {}, ("break instruction", 0, 0x12345)),
        ("break.f 0x12345", {}, ("break instruction", 0, 0x12345)),
        ("break.b 0x12345 ;;", {}, ("break instruction", 0, 0)),
        ("vmsw.1 ;;", {"psr": BN}, ("virtualization", 0, None)),
        ("mov msr[r9]=r10", {"psr": BN}, ("general exception", 0x30, None)),
        ("mov r8=msr[r9]", {"psr": BN}, ("general exception", 0x30, None)),
        ("fc.i r9", {"psr": IC | BN | DT}, ("alternate data tlb", 1 << 35 | 1 << 34 | 1, None)),
        ("probe.w r8=r9,3", {"psr": IC | BN | DT}, ("alternate data tlb", 1 << 35 | 1 << 33 | 2, None)),
    ],
)
def test_how_an_instruction_faults(text: str, before: State, ended: tuple[str, int, int | None]) -> None:
    stop = machine_with(text, before).run(10)
    assert isinstance(stop, Interruption)
    assert (str(stop), stop.code, stop.immediate) == ended


# -------------------------------------------------------------------------------- approximations


def value(register: int) -> Fraction:
    """The number in a floating-point register."""
    exponent = (register >> 64 & 0x1FFFF) - 0xFFFF - 63
    return Fraction(register % 2**64) * Fraction(2) ** exponent * (-1 if register >> 81 else 1)


def singles(register: int) -> tuple[float, float]:
    """The pair in a floating-point register."""
    high, low = struct.unpack(">ff", (register % 2**64).to_bytes(8))
    return high, low


_CLOSE: Final = Fraction(1, 2**8)


@pytest.mark.parametrize(("a", "b"), [(1.0, 3.0), (-7.0, 1.25), (2.0**-40, -(2.0**50)), (1.0, 1.0)])
def test_a_reciprocal_is_approximate(a: float, b: float) -> None:
    """Within 2**-8.886 of 1/b, whatever is divided (SDM vol. 3, frcpa)."""
    machine = machine_with("frcpa.s0 f8,p6=f9,f10\n fprcpa.s0 f11,p7=f12,f13", {})
    machine.fr[9], machine.fr[10] = number(a), number(b)
    machine.fr[12], machine.fr[13] = pair(a, 1), pair(b, -3)
    machine.run(10)
    assert (machine.pr[6], machine.pr[7]) == (1, 1)
    assert abs(value(machine.fr[8]) * Fraction(b) - 1) < _CLOSE
    high, low = singles(machine.fr[11])
    assert abs(Fraction(high) * Fraction(b) - 1) < _CLOSE
    assert abs(Fraction(low) * -3 - 1) < _CLOSE


@pytest.mark.parametrize("a", [2.0, 3.0, 2.0**-41, 12345.0])
def test_a_reciprocal_root_is_approximate(a: float) -> None:
    """Within 2**-8.831 of the reciprocal of the root (SDM vol. 3, frsqrta)."""
    machine = machine_with("frsqrta.s0 f8,p6=f9\n fprsqrta.s0 f11,p7=f12", {"f9": number(a), "f12": pair(a, 7)})
    machine.run(10)
    assert (machine.pr[6], machine.pr[7]) == (1, 1)
    assert abs(value(machine.fr[8]) ** 2 * Fraction(a) - 1) < 2 * _CLOSE
    high, low = singles(machine.fr[11])
    assert abs(Fraction(high) ** 2 * Fraction(a) - 1) < 2 * _CLOSE
    assert abs(Fraction(low) ** 2 * 7 - 1) < 2 * _CLOSE


# ----------------------------------------------------------------------------------- translations

_ENTRY: Final = 1 | 1 << 5 | 1 << 6 | 3 << 7 | 2 << 9


def test_translations_come_and_go() -> None:
    """itc.d and ptc.g for data, itr.i and ptr.i for instructions: each leaves the other kind and other pages alone."""
    source = """
    itc.d r10 ;;
    itr.i itr[r11]=r10 ;;
    tak r14=r9
    ptc.g r12,r13 ;;
    tak r15=r9
    ptc.g r9,r13 ;;
    tak r16=r9
    ptr.i r12,r13 ;;"""
    machine = machine_with(source, {"psr": BN, "r10": _ENTRY | DATA, "r11": 3, "r13": 14 << 2, "r12": DATA + 0x10000})
    machine.cr[CONTROL["ifa"]], machine.cr[CONTROL["itir"]] = DATA, 14 << 2 | 0x55 << 8
    stop = machine.run(100)
    assert stop is not None
    assert stop.immediate == END, stop
    assert machine.gr[14:17] == [0x5500, 0x5500, 1]
    assert [page.start for page in machine.translation_registers["i"].values()] == [DATA]
    machine.memory.write(START, assembled("ptr.i r9,r13 ;;"))
    machine.forget_code()
    machine.ip = START
    stop = machine.run(10)
    assert stop is not None
    assert (stop.vector, stop.immediate) == (Vector.BREAK_INSTRUCTION, END)
    assert not machine.translation_registers["i"]


# --------------------------------------------------------------------------------- none left out

_NOT_FOR_AS: Final = frozenset(["B9.hint.b", "M52.lfetch.count"])
"""Hints that GNU as does not write: `test_every_form.py` has them."""


def _texts() -> Iterator[str]:
    """What tests of this folder are about: the texts in their tables, and those that stand in them as they are."""
    for table in (test_integer.INSTRUCTIONS, test_parallel.INSTRUCTIONS, test_floating_point.MOVES, CASES):
        yield from table
    for width, name, kind in itertools.product((64, 32), test_integer.RELATIONS, test_integer.KINDS):
        for left in ("r0", "r9", "1"):
            yield test_integer.compare_text(width, name, kind, left)
    for what, asked, kind in itertools.product(test_integer.TESTED, ("z", "nz"), test_integer.KINDS):
        yield test_integer.bit_test_text(what, asked, kind)
    for path in Path(__file__).parent.glob("test_*.py"):
        if path.name != "test_every_form.py":
            nodes = ast.walk(ast.parse(path.read_text()))
            yield from (node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))


def _forms(text: str) -> Iterator[str]:
    """The forms of what is an instruction among the lines of a text."""
    for line in re.split(r"\n|;;", text):
        bare = re.sub(r"^\s*(\w+:)?\s*(\(p\d+\))?\s*", "", line).strip()
        if not re.match(r"[a-z][\w.]+( |$)", bare):
            continue
        for statement in read_document(assembly_parser(), f"{bare}\n", preprocessed=True).statements:
            if isinstance(statement.syntax, tree.Instruction):
                with contextlib.suppress(OperandError):
                    yield resolve(statement.syntax, Scope()).form.id


def test_no_form_is_without_a_test_of_what_it_does() -> None:
    found = {form for text in _texts() for form in _forms(text)}
    assert {form.id for form in all_forms()} - found == _NOT_FOR_AS
