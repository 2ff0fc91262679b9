"""The xen instance: accepted by GNU as without a word, no larger than what Linux had, and right."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from pvasm.ia64 import is_mnemonic
from pvasm.paravirt.catalog import Op
from pvasm.paravirt.instance import load_instance
from pvasm.syntax import tree
from pvasm.syntax.document import read_document
from pvasm.syntax.parser import Parser
from tests.paravirt.assembler import Size, assemble, in_cases, sizes
from tests.paravirt.cases import CATALOG, OPS, all_cases, plain
from tests.paravirt.xen_guest import PAGE, Guest

XEN = load_instance("xen")

# Linux 3.12's Xen macros, measured after assembly: with registers that are nothing special as arguments, and (IN_PLACE)
# with the arguments already in r8 and r9.
READ = Size(2, 2, 2)
LINUX = {
    **dict.fromkeys(("MOV_FROM_IFA", "MOV_FROM_ITIR", "MOV_FROM_ISR", "MOV_FROM_IHA", "MOV_FROM_IPSR"), READ),
    **dict.fromkeys(("MOV_FROM_IIM", "MOV_FROM_IIP"), READ),
    **dict.fromkeys(("MOV_TO_IFA", "MOV_TO_ITIR", "MOV_TO_IHA", "MOV_TO_IPSR", "MOV_TO_IFS", "MOV_TO_IIP"), READ),
    "MOV_FROM_IVR": Size(4, 4, 2),
    "MOV_FROM_PSR": Size(4, 2, 2),
    "MOV_FROM_ITC": Size(10, 9, 8),
    "MOV_TO_KR": Size(7, 2, 3),
    "ITC_I": Size(4, 3, 2),
    "ITC_D": Size(4, 3, 2),
    "ITC_I_AND_D": Size(5, 4, 2),
    "THASH": Size(5, 2, 2),
    "SSM_PSR_IC_AND_DEFAULT_BITS_AND_SRLZ_I": Size(3, 2, 2),
    "SSM_PSR_IC_AND_SRLZ_D": Size(4, 2, 3),
    "RSM_PSR_IC": Size(2, 2, 2),
    "SSM_PSR_I": Size(6, 6, 4),
    "RSM_PSR_I": Size(4, 3, 3),
    "RSM_PSR_I_IC": Size(6, 3, 4),
    "RSM_PSR_DT": Size(1, 1, 1),
    "RSM_PSR_BE_I": Size(5, 3, 3),
    "SSM_PSR_DT_AND_SRLZ_I": Size(1, 1, 1),
    "BSW_0": Size(25, 12, 14),
    "BSW_1": Size(26, 13, 14),
    "COVER": Size(1, 1, 1),
    "RFI": Size(1, 1, 1),
}
# Linux's does not set psr.ac (PSR_DEFAULT_BITS), which the op stands for; ours does, and serializes it.
MORE = {"SSM_PSR_IC_AND_DEFAULT_BITS_AND_SRLZ_I": Size(5, 3, 3)}
IN_PLACE = {
    "MOV_FROM_IVR": (["r8", "r9"], Size(1, 1, 1)),
    "MOV_FROM_PSR": (["p6", "r8", "r9"], Size(1, 1, 1)),
    "MOV_TO_KR": (["CURRENT", "r9", "r8", "r10"], Size(2, 2, 1)),
    "ITC_I": (["p6", "r8", "r9"], Size(1, 1, 1)),
    "ITC_D": (["p6", "r8", "r9"], Size(1, 1, 1)),
    "ITC_I_AND_D": (["p6", "p7", "r8", "r9"], Size(2, 2, 1)),
    "THASH": (["p6", "r8", "r9", "r10"], Size(2, 1, 1)),
}


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_assembles_without_a_warning(op: Op, tmp_path: Path) -> None:
    cases = list(all_cases(op, XEN))
    assert cases
    _, messages = assemble(in_cases([XEN.lines(op, case) for case in cases]), tmp_path)
    assert messages == ""


@pytest.mark.parametrize("op", [op for op in OPS if not op.extension], ids=lambda op: op.name)
def test_is_no_larger_than_linux(op: Op, tmp_path: Path) -> None:
    output, _ = assemble(in_cases([XEN.lines(op, plain(op))]), tmp_path)
    (size,) = sizes(output)
    limit = MORE.get(op.name, LINUX[op.name])
    assert all(ours <= theirs for ours, theirs in zip(size, limit, strict=True)), (size, limit)


@pytest.mark.parametrize("name", IN_PLACE)
def test_needs_no_saving_where_the_arguments_are_in_place(name: str, tmp_path: Path) -> None:
    arguments, limit = IN_PLACE[name]
    output, _ = assemble(in_cases([XEN.lines(CATALOG.ops[name], arguments)]), tmp_path)
    (size,) = sizes(output)
    assert all(ours <= theirs for ours, theirs in zip(size, limit, strict=True)), (size, limit)


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_parses(op: Op) -> None:
    parser = Parser(is_mnemonic)
    for instance in (XEN, load_instance("native")):
        for case in all_cases(op, instance):
            document = read_document(parser, "\n".join(instance.lines(op, case)), preprocessed=True)
            kinds = {type(statement.syntax) for statement in document.statements}
            assert kinds <= {tree.Instruction, tree.Stop, tree.Directive}


# ------------------------------------------------------------------------------------ what they do


def guest(seed: str) -> Guest:
    """A guest whose registers all hold something."""
    chance = random.Random(seed)
    state = Guest(registers={f"r{number}": chance.getrandbits(62) for number in range(1, 33)})
    state.predicates = {f"p{number}": chance.random() < 0.6 for number in range(1, 16)}
    state.unat = chance.getrandbits(64)
    for address in range(PAGE, PAGE + 0x1000):
        state.memory[address] = chance.getrandbits(8)
    state.store(PAGE + 0xC18, 0x5001, 8)
    return state


NAMES = {"ret2": "r10", "in0": "r32"}


def run(op: Op, case: list[str]) -> tuple[Guest, Guest, dict[str, str], bool]:
    """The guest before and after an op, the op's arguments by parameter, and whether its predicate holds."""
    before, after = guest(f"{op.name}{case}"), guest(f"{op.name}{case}")
    for state in (before, after):
        state.results = {0x8: 0x88, 0xD: 0xDD, 0x19: 0x1919}
        state.store(PAGE + 0xD50, 7, 8)
        state.store(PAGE + 0xD58, 900 if len(str(case)) % 2 else 5000, 8)
    renamed = [NAMES.get(word, word) for word in case]
    after.run(XEN.lines(op, renamed))
    given = {parameter.name: word for parameter, word in zip(op.parameters, renamed, strict=True)}
    predicate = given.get("pred", "p0")
    return before, after, given, predicate == "p0" or before.predicates[predicate]


@pytest.mark.parametrize("op", [op for op in OPS if not op.name.startswith("BSW")], ids=lambda op: op.name)
def test_touches_its_outputs_and_clobbers_alone(op: Op) -> None:
    for case in all_cases(op, XEN):
        before, after, given, holds = run(op, case)
        free = {given[parameter.name] for parameter in op.parameters if parameter.use == "clobber"}
        if holds:
            free |= {given[parameter.name] for parameter in op.parameters if parameter.use == "out"}
        for name, value in before.registers.items():
            assert name in free or after.registers[name] == value, (case, name)
        for name, truth in before.predicates.items():
            assert name in free or after.predicates[name] == truth, (case, name)
        assert after.unat == before.unat
        if not holds:
            assert (after.memory, after.calls) == (before.memory, [])


CONTROL = {
    "IPSR": 0x880,
    "ISR": 0x888,
    "IIP": 0x898,
    "IFA": 0x8A0,
    "ITIR": 0x8A8,
    "IFS": 0x8B8,
    "IIM": 0x8C0,
    "IHA": 0x8C8,
}


@pytest.mark.parametrize("name", CONTROL)
def test_control_registers_are_words_of_the_page(name: str) -> None:
    address = PAGE + CONTROL[name]
    for direction in ("FROM", "TO"):
        op = CATALOG.ops.get(f"MOV_{direction}_{name}")
        for case in [] if op is None else all_cases(op, XEN):
            assert op is not None
            before, after, given, holds = run(op, case)
            if holds and direction == "FROM":
                assert after.registers[given["reg"]] == before.load(address, 8)
            elif holds:
                assert after.load(address, 8) == before.registers[given["reg"]]


HYPERPRIVOPS = {"MOV_FROM_IVR": 0x8, "MOV_FROM_PSR": 0x19, "THASH": 0xD}


@pytest.mark.parametrize("name", HYPERPRIVOPS)
def test_results_of_hyperprivops_arrive(name: str) -> None:
    number = HYPERPRIVOPS[name]
    for case in all_cases(CATALOG.ops[name], XEN):
        before, after, given, holds = run(CATALOG.ops[name], case)
        if holds:
            assert [call[0] for call in after.calls] == [number]
            assert after.registers[given["reg"]] == before.results[number]
            if name == "THASH":
                assert after.calls[0][1] == before.registers[given["address"]]


def test_arguments_of_hyperprivops_are_in_place() -> None:
    for name, number in (("ITC_I", 6), ("ITC_D", 5)):
        for case in all_cases(CATALOG.ops[name], XEN):
            before, after, given, holds = run(CATALOG.ops[name], case)
            assert [call[:2] for call in after.calls] == [(number, before.registers[given["reg"]])] * holds
    for case in all_cases(CATALOG.ops["ITC_I_AND_D"], XEN):
        before, after, given, _ = run(CATALOG.ops["ITC_I_AND_D"], case)
        truth = {"p0": True} | before.predicates
        numbers = [6] * truth[given["pred_i"]] + [5] * truth[given["pred_d"]]
        assert [call[:2] for call in after.calls] == [(number, before.registers[given["reg"]]) for number in numbers]
    for case in all_cases(CATALOG.ops["MOV_TO_KR"], XEN):
        before, after, given, _ = run(CATALOG.ops["MOV_TO_KR"], case)
        number = {"CURRENT": 6, "IO_BASE": 0}[given["kr"]]
        assert after.calls == [(0x12, number, before.registers[given["reg"]])]


@pytest.mark.parametrize(
    ("name", "number"),
    [("COVER", 4), ("RFI", 1), ("RSM_PSR_DT", 2), ("SSM_PSR_DT_AND_SRLZ_I", 3)],
)
def test_ops_that_are_one_hyperprivop(name: str, number: int) -> None:
    assert XEN.lines(CATALOG.ops[name], [])[0].removesuffix(" ;;") == f"break {number:#x}"


def test_time_does_not_go_backwards() -> None:
    op = CATALOG.ops["MOV_FROM_ITC"]
    for case in all_cases(op, XEN):
        before, after, given, holds = run(op, case)
        if holds:
            last = before.load(PAGE + 0xD58, 8)
            expected = max(before.itc + 7, last + 1)
            assert after.registers[given["reg"]] == expected
            assert after.load(PAGE + 0xD58, 8) == expected


def test_psr_bits() -> None:
    for op in OPS:
        if "PSR_" not in op.name or op.name.startswith("MOV"):
            continue
        for case in all_cases(op, XEN):
            _, after, _, holds = run(op, case)
            turned_on = op.name.startswith("SSM")
            if "_IC" in op.name:
                assert after.load(PAGE + 0xC10, 4) == turned_on
            if (op.name.endswith("_I") and "SRLZ" not in op.name) or op.name == "RSM_PSR_I_IC":
                assert after.memory.get(0x5001, 0) == (not turned_on) or not holds
            assert after.user_mask == ({"psr.ac"} if "DEFAULT_BITS" in op.name else set())
            assert [call[0] for call in after.calls] == {
                "RSM_PSR_BE_I": [0x18],
                "RSM_PSR_DT": [2],
                "SSM_PSR_DT_AND_SRLZ_I": [3],
            }.get(op.name, [])


@pytest.mark.parametrize("pending", [0, 1])
def test_unmasking_delivers_what_is_pending(pending: int) -> None:
    op = CATALOG.ops["SSM_PSR_I"]
    for case in all_cases(op, XEN):
        state = guest(str(case))
        state.memory.update({0x5001: 1, 0x5000: pending})
        holds = case[0] == "p0" or state.predicates[case[0]]
        state.run(XEN.lines(op, [NAMES.get(word, word) for word in case]))
        assert state.memory[0x5001] == (not holds)
        assert [call[0] for call in state.calls] == [7] * (pending and holds)


@pytest.mark.parametrize("seed", range(20))
def test_bank_switches_keep_registers_and_their_nat_bits(seed: int) -> None:
    state = guest(f"banks {seed}")
    banked = [f"r{number}" for number in range(16, 32)]
    state.nats = {name for name in banked if random.Random(f"{seed}{name}").random() < 0.4}
    values, nats, unat = {name: state.registers[name] for name in banked}, set(state.nats), state.unat
    state.run(XEN.lines(CATALOG.ops["BSW_0"], ["r2", "r3", "r14"]))
    assert state.load(PAGE + 0xC4C, 4) == 0
    assert state.unat == unat
    assert [state.load(PAGE + 0x400 + 8 * number, 8) for number in range(16)] == list(values.values())
    assert state.load(PAGE + 0x500, 8) & 0xFFFF == sum(1 << n for n, name in enumerate(banked) if name in nats)
    state.registers.update(dict.fromkeys(banked, 0xBAD))
    state.nats = {"r17", "r28"}
    state.unat = unat = 0x123456789ABCDEF0 + seed
    state.written.clear()
    state.run(XEN.lines(CATALOG.ops["BSW_1"], ["r3", "r14"]))
    assert state.load(PAGE + 0xC4C, 4) == 1
    assert state.unat == unat
    assert {name: state.registers[name] for name in banked} == values
    assert state.nats == nats
