"""The xen instance: what its expansions do."""

from __future__ import annotations

import random

import pytest

from pvasm.isa.mnemonics import is_mnemonic
from pvasm.paravirt.catalog import Op
from pvasm.paravirt.loading import load_instance
from pvasm.syntax import tree
from pvasm.syntax.document import read_document
from pvasm.syntax.parser import Parser
from tests.paravirt.cases import CATALOG, OPS, all_cases
from tests.paravirt.xen_guest import MASK, PAGE, Guest

XEN = load_instance("xen")


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_parses(op: Op) -> None:
    parser = Parser(is_mnemonic)
    for instance in (XEN, load_instance("native")):
        for case in all_cases(op, instance):
            document = read_document(parser, "\n".join(instance.expand(op, case).lines), preprocessed=True)
            kinds = {type(statement.syntax) for statement in document.statements}
            assert kinds <= {tree.Instruction, tree.Stop, tree.Directive}


# ------------------------------------------------------------------------------------ what they do


RESULTS = {0x8: 0x88, 0xD: 0xDD, 0x14: 0x1414, 0x15: 0x1515, 0x16: 0x1616, 0x19: 0x1919}
USED = (*range(0x400, 0x510), *range(0x800, 0x8D0), *range(0xA10, 0xA18), *range(0xC00, 0xD60))
BYTES = {PAGE + offset: byte for offset, byte in zip(USED, random.Random("page").randbytes(len(USED)), strict=True)}
SPECIAL = {"cr.iva": 0x1ABC8000, "ar.ruc": 0x4545}  # what `mov` reads, at once or by the hypervisor's answer


def guest(seed: str) -> Guest:
    """A guest whose registers all hold something."""
    chance = random.Random(seed)
    state = Guest(registers={f"r{number}": chance.getrandbits(62) for number in range(1, 33)})
    state.predicates = {f"p{number}": chance.random() < 0.6 for number in range(1, 16)}
    state.unat = chance.getrandbits(64)
    state.memory = dict(BYTES)
    state.store(PAGE + 0xC18, 0x5001, 8)
    return state


NAMES = {"ret2": "r10", "in0": "r32"}


def run(op: Op, case: list[str]) -> tuple[Guest, Guest, dict[str, str], bool]:
    """The guest before and after an op, the op's arguments by parameter, and whether its predicate holds."""
    before, after = guest(f"{op.name}{case}"), guest(f"{op.name}{case}")
    for state in (before, after):
        state.results = dict(RESULTS)
        state.special = dict(SPECIAL)
        state.store(PAGE + 0xD50, 7, 8)
        state.store(PAGE + 0xD58, 900 if len(str(case)) % 2 else 5000, 8)
    renamed = [NAMES.get(word, word) for word in case]
    after.run(XEN.expand(op, renamed).lines)
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
        assert (
            (after.unat, after.user_mask) == (before.unat, before.user_mask) or not holds or "DEFAULT_BITS" in op.name
        )
        if not holds:
            assert (after.memory, after.calls) == (before.memory, [])


NEVER_KEPT = {"BSW_0", "BSW_1"}  # they have a test of their own


def is_apart(op: Op, case: list[str], name: str) -> bool:
    """Whether a register is neither read nor written by an op with these arguments, as far as the caller can tell."""
    return name not in (NAMES.get(word, word) for word in case)


@pytest.mark.parametrize("op", [op for op in OPS if op.name not in NEVER_KEPT], ids=lambda op: op.name)
def test_keeps_the_nat_bits_of_what_it_was_not_given(op: Op) -> None:
    for case in all_cases(op, XEN):
        state = guest(f"NaT {case}")
        state.results, state.special = dict(RESULTS), dict(SPECIAL)
        kept = {name for name in ("r8", "r9", "r10") if is_apart(op, case, name)}
        values = {name: state.registers[name] for name in kept}
        state.nats = set(kept)
        state.run(XEN.expand(op, [NAMES.get(word, word) for word in case]).lines)
        assert kept <= state.nats, case
        assert values == {name: state.registers[name] for name in kept}


CONTROL = {
    "DCR": 0x800,
    "PTA": 0x840,
    "IIPA": 0x8B0,
    "TPR": 0xA10,
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
        op = CATALOG.ops.get(f"MOV_{direction}_{name}") if (direction, name) != ("TO", "TPR") else None  # a call
        for case in [] if op is None else all_cases(op, XEN):
            assert op is not None
            before, after, given, holds = run(op, case)
            if holds and direction == "FROM":
                assert after.registers[given["reg"]] == before.load(address, 8)
            elif holds:
                assert after.load(address, 8) == before.read(given["reg"])


HYPERPRIVOPS = {
    "MOV_FROM_IVR": 0x8,
    "MOV_FROM_PSR": 0x19,
    "THASH": 0xD,
    "MOV_FROM_CPUID": 0x14,
    "MOV_FROM_PMD": 0x15,
    "MOV_FROM_EFLAG": 0x16,
}


@pytest.mark.parametrize("name", HYPERPRIVOPS)
def test_results_of_hyperprivops_arrive(name: str) -> None:
    number = HYPERPRIVOPS[name]
    for case in all_cases(CATALOG.ops[name], XEN):
        before, after, given, holds = run(CATALOG.ops[name], case)
        if holds:
            assert [call[0] for call in after.calls] == [number]
            assert after.registers[given["reg"]] == before.results[number]
            argument = given.get("address", given.get("index"))
            assert argument is None or after.calls[0][1] == before.read(argument)


ONE_ARGUMENT = {
    "ITC_I": 0x6,
    "ITC_D": 0x5,
    "FC": 0x13,
    "FC_I": 0x13,
    "MOV_TO_EFLAG": 0x17,
    "MOV_TO_TPR": 0xA,
}
TWO_ARGUMENTS = {"PTC_GA": 0xE, "ITR_D": 0xF, "MOV_TO_RR": 0x11}


@pytest.mark.parametrize("name", [*ONE_ARGUMENT, *TWO_ARGUMENTS])
def test_arguments_of_hyperprivops_are_in_place(name: str) -> None:
    op = CATALOG.ops[name]
    number = {**ONE_ARGUMENT, **TWO_ARGUMENTS}[name]
    inputs = [parameter.name for parameter in op.parameters if (parameter.kind, parameter.use) == ("general", "in")]
    assert len(inputs) == 1 + (name in TWO_ARGUMENTS)
    for case in all_cases(op, XEN):
        before, after, given, holds = run(op, case)
        due = (number, *(before.read(given[word]) for word in inputs))
        assert [call[: len(due)] for call in after.calls] == [due] * holds
        assert after.memory == before.memory


def test_the_end_of_an_interrupt_has_no_argument() -> None:
    """Xen ends the highest in service whatever is written (ia64_hyperprivop in privop.c: vcpu_set_eoi with 0)."""
    for case in all_cases(CATALOG.ops["MOV_TO_EOI"], XEN):
        _, after, _, holds = run(CATALOG.ops["MOV_TO_EOI"], case)
        assert [call[0] for call in after.calls] == [0xB] * holds


def test_arguments_of_calls_that_depend_on_more_are_in_place() -> None:
    for case in all_cases(CATALOG.ops["ITC_I_AND_D"], XEN):
        before, after, given, _ = run(CATALOG.ops["ITC_I_AND_D"], case)
        truth = {"p0": True} | before.predicates
        numbers = [6] * truth[given["pred_i"]] + [5] * truth[given["pred_d"]]
        assert [call[:2] for call in after.calls] == [(number, before.read(given["reg"])) for number in numbers]
    for case in all_cases(CATALOG.ops["MOV_TO_KR"], XEN):
        before, after, given, _ = run(CATALOG.ops["MOV_TO_KR"], case)
        number = {"CURRENT": 6, "IO_BASE": 0}[given["kr"]]
        assert after.calls == [(0x12, number, before.read(given["reg"]))]


@pytest.mark.parametrize(
    ("name", "number"),
    [("COVER", 4), ("RFI", 1), ("RSM_PSR_DT", 2), ("SSM_PSR_DT_AND_SRLZ_I", 3)],
)
def test_ops_that_are_one_hyperprivop(name: str, number: int) -> None:
    assert XEN.expand(CATALOG.ops[name], []).lines[0].removesuffix(" ;;") == f"break.m {number:#x}"


def test_time_does_not_go_backwards() -> None:
    op = CATALOG.ops["MOV_FROM_ITC"]
    for case in all_cases(op, XEN):
        before, after, given, holds = run(op, case)
        if holds:
            last = before.load(PAGE + 0xD58, 8)
            expected = max(before.itc + 7, last + 1)
            assert after.registers[given["reg"]] == expected
            assert after.load(PAGE + 0xD58, 8) == expected


def test_the_timer_goes_by_the_guests_time() -> None:
    """What is asked for is less by the offset that MOV_FROM_ITC adds, and MOV_FROM_ITM yields what was asked for."""
    to, back = CATALOG.ops["MOV_TO_ITM"], CATALOG.ops["MOV_FROM_ITM"]
    for case in all_cases(to, XEN):
        before, after, given, holds = run(to, case)
        wanted = before.read(given["reg"])
        assert [call[:2] for call in after.calls] == [(0xC, wanted - 7 & MASK)] * holds
        if holds:
            after.run(XEN.expand(back, ["p0", "r20"]).lines)
            assert after.registers["r20"] == wanted
            changed = {address for address, byte in after.memory.items() if byte != before.memory[address]}
            assert changed <= set(range(PAGE + 0x808, PAGE + 0x810))


@pytest.mark.parametrize("name", ["MOV_FROM_IVA", "MOV_FROM_RUC"])
def test_what_the_page_does_not_have_is_left_to_the_instruction(name: str) -> None:
    op = CATALOG.ops[name]
    for case in all_cases(op, XEN):
        _, after, given, holds = run(op, case)
        if holds:
            assert after.registers[given["reg"]] == SPECIAL[op.replaces.rpartition("= ")[2]]


def region_register(identifier: int, size: int) -> int:
    return identifier << 8 | size << 2 | 1


def test_region_registers_are_words_of_the_page() -> None:
    op = CATALOG.ops["MOV_FROM_RR"]
    for case in all_cases(op, XEN):
        before, after, given, holds = run(op, case)
        if holds:
            region = before.read(given["index"]) >> 61
            assert after.registers[given["reg"]] == before.load(PAGE + 0xC50 + 8 * region, 8)


def tagged(address: int, identifier: int, size: int, case: tuple[str, ...] = ("p0", "r20", "r21", "r22")) -> int:
    """What TTAG yields for an address, where its region has that id and pages of 2**size bytes."""
    state = guest("tag")
    for region in range(8):
        state.store(PAGE + 0xC50 + 8 * region, region_register(0x3FFFF, 14), 8)  # some others
    state.store(PAGE + 0xC50 + 8 * (address >> 61), region_register(identifier, size), 8)
    state.registers[case[2]] = address
    state.run(XEN.expand(CATALOG.ops["TTAG"], case).lines)
    return state.registers[case[1]]


@pytest.mark.parametrize("size", [12, 13, 14, 16, 18, 20, 22, 24, 26, 28])
def test_tags_are_unique_together_with_the_hash(size: int) -> None:
    """One tag for a page, in whatever region; and another for another page that thash may yield the same for."""
    chance = random.Random(size)
    tags: dict[int, tuple[int, int]] = {}
    shift = min(12, 61 - size)  # of the page's number, the least that is in the hash: that of a table of 2**15 bytes
    for _ in range(60):
        identifier, page = chance.getrandbits(18), chance.getrandbits(61 - size)
        near = [page, page ^ 1 << chance.randrange(61 - size), page]
        for identity, number in zip(
            (identifier, identifier, identifier ^ 1 << chance.randrange(18)), near, strict=True
        ):
            offset = chance.getrandbits(size)
            tag = tagged(chance.randrange(8) << 61 | number << size | offset, identity, size)
            assert tag >> 63 == 0  # bit 63 says that an entry is invalid
            assert tags.setdefault(tag, (identity, number >> shift)) == (identity, number >> shift)
            assert tag == tagged(chance.randrange(8) << 61 | number << size | chance.getrandbits(size), identity, size)


def test_tags_do_not_depend_on_the_registers() -> None:
    op = CATALOG.ops["TTAG"]
    address = 0xA123456789ABCDEF
    for case in all_cases(op, XEN):
        renamed = tuple(NAMES.get(word, word) for word in case)
        if case[0] == "p0" and case[2] != "r0":
            assert tagged(address, 0x2AAAA, 14, renamed) == tagged(address, 0x2AAAA, 14)


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
                "RSM_PSR_BE": [0x18] * holds,
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
        state.run(XEN.expand(op, [NAMES.get(word, word) for word in case]).lines)
        assert state.memory[0x5001] == (not holds)
        assert [call[0] for call in state.calls] == [7] * (pending and holds)


@pytest.mark.parametrize("seed", range(20))
def test_bank_switches_keep_registers_and_their_nat_bits(seed: int) -> None:
    state = guest(f"banks {seed}")
    banked = [f"r{number}" for number in range(16, 32)]
    state.nats = {name for name in banked if random.Random(f"{seed}{name}").random() < 0.4}
    values, nats, unat = {name: state.registers[name] for name in banked}, set(state.nats), state.unat
    state.run(XEN.expand(CATALOG.ops["BSW_0"], ["r2", "r3", "r14"]).lines)
    assert state.load(PAGE + 0xC4C, 4) == 0
    assert state.unat == unat
    assert [state.load(PAGE + 0x400 + 8 * number, 8) for number in range(16)] == list(values.values())
    assert state.load(PAGE + 0x500, 8) & 0xFFFF == sum(1 << n for n, name in enumerate(banked) if name in nats)
    state.registers.update(dict.fromkeys(banked, 0xBAD))
    state.nats = {"r17", "r28"}
    state.unat = unat = 0x123456789ABCDEF0 + seed
    state.written.clear()
    state.run(XEN.expand(CATALOG.ops["BSW_1"], ["r3", "r14"]).lines)
    assert state.load(PAGE + 0xC4C, 4) == 1
    assert state.unat == unat
    assert {name: state.registers[name] for name in banked} == values
    assert state.nats == nats
