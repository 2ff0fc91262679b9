"""The software conventions, the sources that do not matter, and how control passes."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from pvasm.asm.reading import assembly_parser
from pvasm.asm.resolve import resolve
from pvasm.asm.scope import Scope
from pvasm.isa.constant_results import idle_sources
from pvasm.isa.control_transfer import Passing, passing
from pvasm.isa.conventions import (
    GENERAL_SCRATCH,
    PREDICATE_SCRATCH,
    RESULTS,
    USAGES,
    is_output,
    is_scratch,
    survives_calls,
    usage,
)
from pvasm.isa.copies import copied
from pvasm.isa.instruction import Instruction
from pvasm.isa.registers import REGISTERS, Register
from pvasm.isa.table import STEMS, mnemonics, real_candidates
from pvasm.syntax import tree
from pvasm.syntax.document import read_document

WORD = (1 << 64) - 1


def resolved(text: str) -> Instruction:
    (statement,) = read_document(assembly_parser(), text, preprocessed=True).statements
    assert isinstance(statement.syntax, tree.Instruction)
    return resolve(statement.syntax, Scope())


def test_every_register_has_a_usage() -> None:
    for file, count in (("r", 128), ("f", 128), ("p", 64), ("b", 8)):
        assert all(Register(file, number) in USAGES for number in range(count))
    assert usage(REGISTERS["cr.ifa"]) is None


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("r0 f0 f1 p0", "constant"),
        ("gp sp tp ar.pfs ar.rsc", "special"),
        ("r4 r7 f2 f5 f16 f31 p1 p5 p16 p63 b1 b5 ar.lc ar.unat", "preserved"),
        ("r2 r3 r8 r11 r14 r31 f6 f15 f32 f127 p6 p15 rp b6 b7 ar.ccv", "scratch"),
        ("r32 r127", "stacked"),
    ],
)
def test_usages(names: str, expected: str) -> None:
    assert {name: usage(REGISTERS[name]) for name in names.split()} == dict.fromkeys(names.split(), expected)


def test_what_a_call_leaves_alone() -> None:
    frame = (2, 3, 1)
    assert [survives_calls(REGISTERS[name], frame) for name in ("r4", "sp", "p1", "r32", "r36")] == [True] * 5
    assert [survives_calls(REGISTERS[name], frame) for name in ("r8", "r14", "p6", "rp", "r37")] == [False] * 5
    assert survives_calls(REGISTERS["r33"], None) is None
    assert [is_output(REGISTERS[name], frame) for name in ("r36", "r37", "r38", "p16")] == [False, True, False, False]


def test_what_may_be_clobbered_is_scratch() -> None:
    assert all(usage(register) == "scratch" for register in GENERAL_SCRATCH + PREDICATE_SCRATCH)
    assert len(GENERAL_SCRATCH) == len(
        {each for each, known in USAGES.items() if each[0] == "r" and known == "scratch"}
    )
    assert not any(is_scratch(register) for register in RESULTS)


def _lanes(size: int, operation: Callable[[int, int], int]) -> Callable[[int, int], int]:
    """The operation on each lane of so many bytes."""
    bits = 8 * size
    mask = (1 << bits) - 1
    return lambda x, y: sum((operation(x >> at & mask, y >> at & mask) & mask) << at for at in range(0, 64, bits))


def _signed(value: int, bits: int = 64) -> int:
    return value - (1 << bits) if value >> bits - 1 else value


# What the manual's pseudo-code makes of two sources (SDM vol. 3), for the instructions whose rows have a mark.
RESULT: dict[str, Callable[[int, int], int]] = {
    "sub": lambda x, y: x - y & WORD,
    "and": lambda x, y: x & y,
    "andcm": lambda x, y: x & ~y & WORD,
    "or": lambda x, y: x | y,
    "xor": lambda x, y: x ^ y,
    "add": lambda x, y: x + y & WORD,
    "adds": lambda x, y: x + y & WORD,
    "cmp.lt": lambda x, y: _signed(x) < _signed(y),
    "cmp.ltu": lambda x, y: x < y,
    "cmp.eq": lambda x, y: x == y,
    "cmp.ne": lambda x, y: x != y,
    "cmp.ge": lambda x, y: _signed(x) >= _signed(y),
    "cmp4.lt": lambda x, y: _signed(x & 0xFFFFFFFF, 32) < _signed(y & 0xFFFFFFFF, 32),
    "cmp4.ltu": lambda x, y: x & 0xFFFFFFFF < y & 0xFFFFFFFF,
    "cmp4.eq": lambda x, y: x & 0xFFFFFFFF == y & 0xFFFFFFFF,
    "psub1": _lanes(1, lambda x, y: x - y),
    "psub4": _lanes(4, lambda x, y: x - y),
    "pcmp2.gt": _lanes(2, lambda x, y: -(_signed(x, 16) > _signed(y, 16))),
    "pcmp4.eq": _lanes(4, lambda x, y: -(x == y)),
    "psad1": lambda x, y: sum(abs((x >> at & 255) - (y >> at & 255)) for at in range(0, 64, 8)),
    "padd4": _lanes(4, lambda x, y: x + y),
    "pavg1": _lanes(1, lambda x, y: x + y + 1 >> 1),
}
SOURCES = [("r17", "r17"), ("0", "r17"), ("r0", "r17"), ("r17", "r0"), ("-1", "r17"), ("1", "r17")]


def _takes_immediate(mnemonic: str) -> bool:
    return any(
        spec.kind is not None and spec.kind.shape == "i"
        for candidate in real_candidates(mnemonic)
        for spec in candidate.inputs[:1]
    )


def _value(source: str, of_r17: int) -> int:
    return of_r17 if source == "r17" else 0 if source == "r0" else int(source) & WORD


@pytest.mark.parametrize("mnemonic", RESULT)
def test_a_source_is_idle_where_the_result_is_the_same_for_all_values(mnemonic: str) -> None:
    """F7: by a second account of what the instructions do."""
    pick = random.Random(mnemonic)
    values = [0, 1, WORD, 1 << 63, *(pick.getrandbits(64) for _ in range(50))]
    target = "p6, p7" if mnemonic.startswith("cmp") else "r16"
    for first, second in SOURCES:
        if first.lstrip("-").isdigit() and not _takes_immediate(mnemonic):
            continue
        if mnemonic == "adds" and not first.lstrip("-").isdigit():
            continue
        if mnemonic.startswith("cmp.ge") and "r0" not in (first, second):
            continue
        instruction = resolved(f"{mnemonic} {target} = {first}, {second}")
        is_idle = Register("r", 17) in idle_sources(instruction.form, instruction.operands)
        results = {RESULT[mnemonic](_value(first, value), _value(second, value)) for value in values}
        assert is_idle <= (len(results) == 1), (mnemonic, first, second)
        if first == second or mnemonic in ("and", "andcm", "or", "xor"):
            assert is_idle == (len(results) == 1), (mnemonic, first, second)


def test_every_marked_form_was_tried() -> None:
    marked = {
        name
        for stem in STEMS
        for name in mnemonics(stem)
        for candidate in real_candidates(name)
        if candidate.spelling is not None and candidate.spelling.form.constants
    }
    stems = {name.partition(".")[0].rstrip("124") for name in marked if name[0] != "f"}
    assert stems <= {name.partition(".")[0].rstrip("124") for name in RESULT}


def test_copies() -> None:
    r3 = Register("r", 3)
    for text in ("mov b6 = r3", "mov r2 = r3", "adds r2 = 0, r3"):
        assert copied(resolved(text)) == r3, text
    assert copied(resolved("mov r2 = b6")) == Register("b", 6)
    for text in ("adds r2 = 8, r3", "add r2 = r3, r4", "mov r2 = ar.pfs", "mov r2 = r0", "ld8 r2 = [r3]"):
        assert copied(resolved(text)) is None, text


@pytest.mark.parametrize(
    ("mnemonic", "expected"),
    [
        ("br.cond.sptk.many", Passing("branch")),
        ("br.call.sptk.many", Passing("call")),
        ("brl.call.sptk.many", Passing("call")),
        ("br.ret.sptk.many", Passing("return")),
        ("br.cloop.sptk.few", Passing("loop")),
        ("br.ctop.sptk.few", Passing("loop", moves_frame=True)),
        ("brp.sptk.imp", Passing("")),
        ("alloc", Passing("", moves_frame=True)),
        ("bsw.0", Passing("", bank=0)),
        ("break.i", Passing("break")),
        ("chk.a.nc", Passing("check")),
        ("clrrrb.pr", Passing("", moves_frame=True)),
        ("ld8", Passing("")),
    ],
)
def test_how_control_passes(mnemonic: str, expected: Passing) -> None:
    assert passing(mnemonic) == expected
