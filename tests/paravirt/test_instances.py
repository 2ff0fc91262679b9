"""All instances that are shipped: complete, accepted by GNU as without a word, and each what it says that it is."""

from __future__ import annotations

import re
import subprocess
from itertools import product
from pathlib import Path

import pytest
from msgspec.structs import replace

from pvasm.asm.reading import assembly_parser
from pvasm.asm.scope import Scope
from pvasm.check.instance_files import check_instance_file
from pvasm.check.rule import all_instance_rules
from pvasm.paravirt.catalog import Op
from pvasm.paravirt.instance import Instance
from pvasm.paravirt.loading import load_instance
from pvasm.paravirt.patterns import Patterns
from pvasm.paravirt.shipped import instance_names
from pvasm.syntax import tree
from pvasm.syntax.document import read_document
from tests.oracle import require_tool
from tests.paravirt.assembler import SERIALIZED, assemble, complained_of, in_cases
from tests.paravirt.cases import CATALOG, OPS, all_cases
from tests.paravirt.test_xen import NAMES, NEVER_KEPT, guest

INSTANCES = {name: load_instance(name) for name in instance_names()}
NATIVE, POISON, TRAP = INSTANCES["native"], INSTANCES["native-poison"], INSTANCES["trap"]
RULES = list(all_instance_rules().values())
VALUE = 0xDEADBEEFBAADF00D
ROWS = Path(__file__).parents[2] / "pvasm" / "isa" / "instructions"


@pytest.fixture(scope="module", params=INSTANCES)
def instance(request: pytest.FixtureRequest) -> Instance:
    """Each instance."""
    return INSTANCES[request.param]


def disassembled(output: Path) -> str:
    """What objdump shows of an object file's code."""
    command = [require_tool("ia64-linux-gnu-objdump"), "-d", str(output)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


# ----------------------------------------------------------------------------------- every instance


def test_these_are_shipped() -> None:
    expected = {"native": "hardware", "native-poison": "hardware", "hvm": "hardware", "xen": "xen", "trap": "trap"}
    assert {name: instance.environment for name, instance in INSTANCES.items()} == expected
    vectors = {name: instance.machine_vector for name, instance in INSTANCES.items() if instance.machine_vector}
    assert vectors == {"xen": "xen", "hvm": "dig"}


def test_builds_that_are_linked_together_share_no_name() -> None:
    """Xen's, trap's, and one of those for bare hardware, which are builds of the same variants."""
    hardware = {INSTANCES[name].defines for name in ("native", "native-poison", "hvm")}
    assert hardware == {"__IA64_ASM_PARAVIRTUALIZED_NATIVE"}
    assert INSTANCES["xen"].defines == "__IA64_ASM_PARAVIRTUALIZED_XEN"
    assert TRAP.defines == "__IA64_ASM_PARAVIRTUALIZED_TRAP"
    assert NATIVE.renames == POISON.renames == INSTANCES["hvm"].renames
    assert set(TRAP.renames) == set(INSTANCES["xen"].renames) == {*NATIVE.renames, "ia64_ivt"}
    names = [set(INSTANCES[name].renames.values()) for name in ("native", "xen", "trap")]
    assert all(not one & other for one, other in ((names[0], names[1]), (names[0], names[2]), (names[1], names[2])))


def test_the_rules_find_nothing(instance: Instance) -> None:
    assert check_instance_file(instance.path, RULES) == ([], [])


@pytest.mark.slow
@pytest.mark.parametrize("instance", [each for each in INSTANCES.values() if each.name != "hvm"], ids=lambda i: i.name)
def test_gnu_as_has_nothing_to_say(instance: Instance, tmp_path: Path) -> None:
    """What hvm has is native's, line by line (test_native.py)."""
    cases = [(op, case) for op in OPS for case in all_cases(op, instance)]
    assert {op.name for op, _ in cases} == {op.name for op in OPS}
    text = in_cases((instance.expand(op, case).lines for op, case in cases), SERIALIZED)
    output, messages = assemble(text, tmp_path)
    assert not [(cases[number][0].name, cases[number][1]) for number in complained_of(text, messages)]
    assert messages == ""
    if instance.calls:
        assert "break.b" not in disassembled(output)  # the hypervisor would not see the call's number (SDM 3:29)


BRANCH = "(p60) br.cond.sptk 1f\n"
AROUND = {
    "after a branch": (BRANCH, ""),
    "after a branch in slot 1": (f"nop.m 0\n{BRANCH}", ""),
    "between branches": (BRANCH, f"(p61) {BRANCH[5:]}"),
    "before branches": ("nop.m 0\n", f"(p61) {BRANCH[5:]}(p62) {BRANCH[5:]}"),
}


@pytest.mark.parametrize("place", AROUND)
def test_no_call_is_in_a_slot_for_branches(instance: Instance, place: str, tmp_path: Path) -> None:
    """There the hypervisor would not see its number: whatever shares the group (Linux's entry.S, line 991: COVER)."""
    before, after = AROUND[place]
    if not instance.calls:
        return
    text = "alloc r31 = ar.pfs, 8, 0, 0, 0\n"
    for op in OPS:
        for case in list(all_cases(op, instance))[:4]:
            text += f";;\n{before}" + "\n".join(instance.expand(op, case).lines) + f"\n{after}\n;;\n1:\n"
    output, _ = assemble(text, tmp_path)
    found = disassembled(output)
    assert "break.m" in found
    assert "break.b" not in found


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_takes_every_case_of_plain_registers(op: Op, instance: Instance) -> None:
    """All inputs may be one register, and r0; nobody forbids more than equal registers, and banked ones for banks."""
    definition = instance.definitions[op.name]
    inputs = {parameter.name for parameter in op.parameters if parameter.use == "in"}
    assert not any(set(group) <= inputs for group in definition.apart)
    assert not definition.not_among or op.name in NEVER_KEPT


def test_tables_are_complete(instance: Instance) -> None:
    assert set(instance.tables) == set(CATALOG.tables)
    for table, members in instance.tables.items():
        required = {name for name, member in CATALOG.tables[table].members.items() if not member.may_be_null}
        assert required <= {member for member, value in members.items() if value is not None}


# ----------------------------------------------------------------------------------- the catalog


# What stands for the kinds of operands of the sensitive rows; a number is what no op takes.
OPERANDS = {
    "r1": ["r14"],
    "r2": ["r15"],
    "r3": ["r16"],
    "imm8": ["5"],
    "ar3.eflag": ["ar.eflag"],
    "ar3.itc": ["ar.itc", "ar.ruc"],
    "pmd[r3]": ["pmd[r16]"],
    "cpuid[r3]": ["cpuid[r16]"],
}


def sensitive_instructions() -> list[str]:
    """An instruction of each way to write each row of the table that is marked sensitive."""
    found = []
    for path in sorted(ROWS.glob("?.txt")):
        for line in path.read_text().splitlines():
            columns = [column.strip() for column in line.split("|")]
            if not line.startswith("#") and "sensitive" in columns[-1].split() and len(columns) > 1:
                choices = [OPERANDS.get(word, [word]) for word in columns[2].split()]
                found += [" ".join((columns[1], *words)) for words in product(*choices)]
    return found


SENSITIVE = sensitive_instructions()


def test_the_table_has_the_sensitive_instructions_that_there_are() -> None:
    stems = {text.split()[0].partition(".")[0] for text in SENSITIVE}
    assert stems == {"cover", "fc", "mov", "thash", "ttag"}
    assert len(SENSITIVE) == len(set(SENSITIVE)) == 11


@pytest.mark.parametrize("text", SENSITIVE)
def test_every_sensitive_instruction_has_an_op(text: str) -> None:
    patterns = Patterns(replace(CATALOG, asks_for_extension=True))
    document = read_document(assembly_parser(), text, preprocessed=True)
    instruction = document.statements[0].syntax
    assert isinstance(instruction, tree.Instruction)
    uses = patterns.uses([instruction], [text], Scope(operand_macros=patterns.operand_macros))
    if text == "mov.m ar.eflag = 5":
        assert not uses  # arguments of ops are registers: the number goes into one first
    else:
        assert [use.op.name for use in uses if use.is_complete]


# ----------------------------------------------------------------------------------- native-poison


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_poison_follows_the_instruction_and_fills_the_clobbers(op: Op) -> None:
    clobbers = [parameter for parameter in op.parameters if parameter.use == "clobber"]
    for case in all_cases(op, POISON):
        renamed = [NAMES.get(word, word) for word in case]
        plain = statements(NATIVE.expand(op, renamed).lines)
        lines = statements(POISON.expand(op, renamed).lines)
        assert lines[: len(plain)] == plain
        before, after = guest(str(case)), guest(str(case))
        after.run(lines[len(plain) :])
        given = dict(zip((parameter.name for parameter in op.parameters), renamed, strict=True))
        due = {given[parameter.name]: VALUE if parameter.kind == "general" else True for parameter in clobbers}
        assert after.registers == before.registers | {name: due[name] for name in due if name[0] == "r"}
        assert after.predicates == before.predicates | {name: True for name in due if name[0] == "p"}
        assert not {given[parameter.name] for parameter in op.parameters if parameter.use == "out"} & set(due)


def statements(lines: tuple[str, ...]) -> list[str]:
    """The instructions and stops of an expansion, one an element, as they are written with single blanks."""
    pieces = (piece.strip() for line in lines for piece in re.split(r"(;;)|;", line) if piece and piece.strip())
    return [" ".join(piece.split()) for piece in pieces]


def test_poison_is_in_the_bytes(tmp_path: Path) -> None:
    """By objdump: as many loads of the value as there are clobbers, each to the register that is clobbered."""
    op = CATALOG.ops["RSM_PSR_I_IC"]
    output, _ = assemble("\n".join(POISON.expand(op, ["r20", "r21", "r22"]).lines) + "\n", tmp_path)
    assert re.findall(r"movl (r\d+)=0xdeadbeefbaadf00d", disassembled(output)) == ["r20", "r21", "r22"]


# ----------------------------------------------------------------------------------- trap


# What goes on with a wrong value above level 0, and does not fault. (mov = ar.itc faults where psr.si is 1.)
DOES_NOT_FAULT = re.compile(r"thash|ttag|cover|fc(\.i)?|mov \w+ = (cpuid|pmd)\[|mov ar\.eflag = ")
CALLS = {
    "COVER": 0x1C0001,
    "THASH": 0x1C0002,
    "TTAG": 0x1C0003,
    "FC": 0x1C0004,
    "FC_I": 0x1C0005,
    "MOV_FROM_CPUID": 0x1C0006,
    "MOV_FROM_PMD": 0x1C0007,
    "MOV_TO_EFLAG": 0x1C0008,
}


def test_trap_replaces_what_would_not_fault_and_nothing_else() -> None:
    without_predicate = {op.name: re.sub(r"\(\w+\) ", "", op.replaces) for op in OPS}
    due = {name for name, text in without_predicate.items() if DOES_NOT_FAULT.match(text)}
    assert {op.name for op in OPS if TRAP.definitions[op.name].template is not None} == due == set(CALLS)


def test_traps_calls_are_nobody_elses() -> None:
    numbers = sorted(TRAP.calls)
    assert numbers == sorted(CALLS.values())
    assert not set(numbers) & {*INSTANCES["xen"].calls, 0x600, 0x1000, 0x100000}  # 0x100000 is Linux's system call
    assert all(0x100000 < number < 1 << 21 for number in numbers)


@pytest.mark.parametrize("name", CALLS)
def test_trap_calls_with_the_argument_and_keeps_the_rest(name: str) -> None:
    op = CATALOG.ops[name]
    for case in all_cases(op, TRAP):
        renamed = [NAMES.get(word, word) for word in case]
        given = dict(zip((parameter.name for parameter in op.parameters), renamed, strict=True))
        before, after = guest(str(case)), guest(str(case))
        after.results = {CALLS[name]: 0x4321} if "reg" in given and "TO" not in name else {}
        kept = {"r8", "r10"} - set(renamed)
        after.nats = set(kept)
        after.run(TRAP.expand(op, renamed).lines)
        holds = before.predicates.get(given.get("pred", "p0"), True)
        argument = given.get("address", given.get("index", given.get("reg")))
        due = (CALLS[name],) if argument is None else (CALLS[name], before.read(argument))
        assert [call[: len(due)] for call in after.calls] == [due] * holds
        changed = {word for word, value in after.registers.items() if value != before.registers[word]}
        free = {given.get("clob")}
        if after.results and holds:
            assert after.registers[given["reg"]] == 0x4321
            free.add(given["reg"])
        assert changed <= free
        assert kept <= after.nats
        assert (after.predicates, after.memory, after.unat) == (before.predicates, before.memory, before.unat)
