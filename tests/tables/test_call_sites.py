"""Calls of pv_cpu_ops: what GNU as makes of the header, which registers that touches, and what it does in each form."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest
from msgspec.structs import replace
from pvsim import Machine, load_image
from pvsim.random_comparison import RandomComparison
from pvsim.scenario_run import Variant

from pvasm.isa.bundle import SIZE, Bundle
from pvasm.isa.control_transfer import passing
from pvasm.isa.encoding import decode
from pvasm.isa.instruction import Instruction
from pvasm.isa.registers import NAMES as REGISTER_NAMES
from pvasm.isa.registers import REGISTERS, Register
from pvasm.objects.elf_file import ElfFile, elf_file_of
from pvasm.objects.object_image import image_of_object
from pvasm.patch.object_records import read_sites
from pvasm.patch.patching import patched, sites_of
from pvasm.patch.records import INDIRECT, Place
from pvasm.tables.call_site_header import call_site_header
from tests.cli.command import pvasm
from tests.oracle import require_tool
from tests.patch.made import assembled
from tests.patch.test_at_boot import assert_boot_makes, linked_texts
from tests.tables.called import CATALOG, FORMS, NAMES, Form, code, functions, instance, made, table, variants
from tests.tables.host import STRICT
from tests.tables.inline_asm import Statement, statements
from tests.tables.linux_tables import TABLES

# Linux 3.12's (asm/paravirt_privop.h): what a call takes, what it may lose, and the numbers of types.
ARGUMENTS: Final = ("r8", "r9", "r10", "r11", "r14")
LOST: Final = {
    *("r2", "r3", "r8", "r9", "r10", "r11", "r14", "r15", "r16", "r17", "b6", "b7", "ar.ccv"),
    *(f"p{number}" for number in range(6, 16)),
}
MEMBERS: Final = TABLES["pv_cpu_ops"]
Made = tuple[list[Statement], dict[tuple[str, Form], Variant]]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The sites, and images of them."""
    return variants(tmp_path_factory.mktemp("images"))


# ---------------------------------------------------------------------------------------- C


@pytest.mark.parametrize("options", [(), ("--direct", "--long-branches"), ("--records", "linux")], ids=" ".join)
def test_the_header_compiles(options: tuple[str, ...], tmp_path: Path) -> None:
    """Beside the tables' own header, called through every member with constants and without."""
    assert pvasm("tables", "--call-sites", *options, "-o", "sites.h", cwd=tmp_path).status == 0
    assert pvasm("tables", "-i", "xen", "-o", "xen.c", "--header", "xen.h", cwd=tmp_path).status == 0
    calls = []
    for name, fact in MEMBERS.items():
        for first in ("1019", "value") if name in ("getreg", "setreg") else ("value",):
            given = ["(void *)value"] if name == "fc" else [first, *["value"] * 4][: len(fact.parameters or ())]
            calls.append(f"\t{'' if fact.result == 'void' else 'sum += '}paravirt_{name}({', '.join(given)});\n")
    text = '#define ASM_SUPPORTED\n#include "xen.h"\n#include "sites.h"\nunsigned long calls(unsigned long value);\n'
    text += (
        f"unsigned long calls(unsigned long value)\n{{\n\tunsigned long sum = 0;\n\n{''.join(calls)}\treturn sum;\n}}\n"
    )
    (tmp_path / "calls.c").write_text(text)
    command = [require_tool("gcc"), *STRICT, "-fsyntax-only", "calls.c"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    (tmp_path / "calls.c").write_text('#include "sites.h"\n')
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "#error ASM_SUPPORTED must be defined" in done.stderr


def test_operands_are_linuxs(tmp_path: Path) -> None:
    """Arguments and results stand where Linux has them, and all that its functions may lose is lost."""
    for site in made(tmp_path):
        fact = MEMBERS[site.member]
        expected = list(ARGUMENTS[: len(fact.parameters or ())])
        if site.member == "setreg":
            expected = ["r9", "r8"]
        if site.case is not None:
            del expected[0]  # the site itself sets it
        assert site.inputs == set(expected), site
        assert site.outputs == {*expected, *(["r8"] if fact.result != "void" else [])}, site
        assert site.outputs.isdisjoint(site.clobbers)
        assert site.outputs | site.clobbers == LOST | {"memory"}


def test_a_convention_that_cannot_be_right() -> None:
    """The catalog's says its registers as C knows them, each that is used among those that are lost."""
    known = CATALOG.tables["pv_cpu_ops"].convention
    assert known is not None
    assert known.flaw() is None
    assert set(known.lost) == LOST
    wrong = {
        "x8 is no register": replace(known, arguments=["x8"]),
        "r20 is not among the clobbers": replace(known, result="r20"),
        "r128 is no register (did you mean r28?)": replace(known, clobbers=["r2-r400"]),
    }
    assert {each.flaw(): each for each in wrong.values()} == wrong


# ------------------------------------------------------------------------------------ assembly


def _neighbours(chance: random.Random) -> tuple[str, str]:
    """Code before and behind a site, of registers that nobody else touches, with stops or without."""
    before, behind = "", ""
    kept = [f"r{each}" for each in (*range(4, 8), *range(18, 64))]
    chance.shuffle(kept)
    for _ in range(chance.randrange(4)):
        one, two, other = kept.pop(), kept.pop(), kept.pop()
        stop = chance.choice(("", " ;;"))
        before += f"\tadd {one} = {two}, {other}{stop}\n" if chance.randrange(2) else f"\tld8 {one} = [{two}]{stop}\n"
        behind += f"\tadd {kept.pop()} = r8, {one}{stop}\n"
    return before, behind


@pytest.mark.parametrize(
    "direct", [pytest.param(False, id="in place", marks=pytest.mark.slow), pytest.param(True, id="direct")]
)
def test_gnu_as_takes_every_site_wherever_it_stands(direct: bool, tmp_path: Path) -> None:
    chance = random.Random(1)
    sites = made(tmp_path, direct=direct)
    text = "\t.text\n\t.regstk 0, 32, 0, 0\n"
    for site in sites:
        before, behind = _neighbours(chance)
        text += f"{before}{site.text}{behind}\t;;\n"
    data = assembled(text, tmp_path / "sites.o")
    found = sites_of(data, "sites.o")
    assert found.states == [INDIRECT] * len(sites)
    assert {each.length for each in found.sites} == {5 * SIZE}
    for name in NAMES:
        for_instance = patched(data, "sites.o", name)
        assert {name, "native"} >= set(sites_of(for_instance, "sites.o").states)
        assert patched(for_instance, "sites.o", INDIRECT) == data


def test_patching_leaves_all_else_alone(tmp_path: Path) -> None:
    """In a linked image: bytes outside of sites stay, and the calls come back."""
    assembled(code(made(tmp_path)) + functions() + table("native"), tmp_path / "sites.o")
    command = [require_tool("ia64-linux-gnu-ld"), "-e", "entry_0", "-Ttext", "0x100000", "-o", "image", "sites.o"]
    subprocess.run(command, cwd=tmp_path, check=True)
    data = (tmp_path / "image").read_bytes()
    places = sites_of(data, "image")
    inside: set[int] = set()
    for site in places.sites:
        start = places.file.sections[site.place.section].offset + site.place.offset
        inside.update(range(start, start + site.length))
    for name in NAMES:
        for_instance = patched(data, "image", name)
        assert for_instance != data
        changed = {at for at, (old, new) in enumerate(zip(data, for_instance, strict=True)) if old != new}
        assert changed <= inside
        assert patched(for_instance, "image", INDIRECT) == data


@pytest.mark.parametrize("direct", [False, True], ids=["in place", "direct"])
def test_it_is_patched_at_boot_as_ahead_of_time(direct: bool, tmp_path: Path) -> None:
    sites = [site for site in made(tmp_path, direct=direct) if site.case in (None, 3116)]
    sources = {"sites": code(sites) + functions() + table("native")}
    for name in (*NAMES, INDIRECT):
        data = linked_texts(tmp_path, sources, name)
        assert_boot_makes(data, patched(data, "image", name), len(sites))


# ----------------------------------------------------------------------------------- registers


def _instructions(file: ElfFile, place: Place, length: int) -> Iterator[Instruction]:
    data = file.sections[place.section].data
    for at in range(place.offset, place.offset + length, SIZE):
        for _, unit, bits in Bundle.of(bytes(data[at : at + SIZE])).instructions():
            instruction = decode(bits, unit, at)
            assert instruction is not None
            yield instruction


def touched(instructions: Sequence[Instruction], name: str) -> tuple[set[str], set[str]]:
    """The registers that code reads before it has written them, and those that it writes; calls are an instance's."""
    reads: set[str] = set()
    writes: set[str] = set()
    for each in instructions:
        taken, given = set(each.reads), set(each.writes)
        if each.mnemonic.startswith("break"):
            call = instance(name).calls[each.operands[0]]  # type: ignore[index]
            taken.update(call.takes)
            given.update(call.gives)
        reads |= _names(taken) - writes
        if not each.predicate or each.clears_when_false:
            writes |= _names(given)
        writes |= _names(given)
    return reads, writes


def _names(resources: set[Register | str]) -> set[str]:
    """Registers that C code can have something in."""
    return {
        REGISTER_NAMES.get(each, f"{each.file}{each.number}")
        for each in resources
        if isinstance(each, Register) and each not in _CONSTANTS and (each.file in "rpbf" or each in _KNOWN_TO_GCC)
    }


_CONSTANTS = (Register("r", 0), Register("p", 0))
_KNOWN_TO_GCC = frozenset(REGISTERS[f"ar.{name}"] for name in ("ccv", "unat", "pfs", "lc", "ec"))


def flaws(site: Statement, reads: set[str], writes: set[str]) -> list[str]:
    """What an `asm` does not say of the registers that its code touches."""
    asked = {_register(site.case)} if site.case is not None else set()
    # gp is the function's while it runs, and comes back.
    found = [f"reads {each}" for each in sorted(reads - site.inputs - asked - {"r1"})]
    return found + [f"writes {each}" for each in sorted(writes - site.outputs - site.clobbers - asked - {"r1"})]


def _register(number: int) -> str:
    """The register that a number of Linux's stands for (asm/ia64regs.h)."""
    (name,) = [name for name, each in CATALOG.tables["pv_cpu_ops"].registers.items() if each.number == number]
    return name


def _touching(sites: Sequence[Statement], tmp_path: Path) -> Iterator[tuple[Statement, str, set[str], set[str]]]:
    """What each form of each site touches, by instance; code that stands elsewhere is that site's as well."""
    data = assembled(code(sites), tmp_path / "sites.o")
    file = elf_file_of(data, "sites.o")
    for site, records in zip(sites, read_sites(file), strict=True):
        for name, record in records.records.items():
            place = record.replacement
            length = record.replacement_length
            if record.is_branch:  # the code is behind the branch, up to the one that leads back
                place, length = Place(place.section, place.offset + SIZE), 0
                while True:
                    *_, last = _instructions(file, Place(place.section, place.offset + length), SIZE)
                    length += SIZE
                    if passing(last.mnemonic).transfer == "branch" and not last.predicate:
                        break
            yield site, name, *touched([*_instructions(file, place, length)], name if name != INDIRECT else "native")


@pytest.mark.parametrize("direct", [False, True], ids=["in place", "direct"])
def test_constraints_cover_what_the_code_touches(direct: bool, tmp_path: Path) -> None:
    sites = made(tmp_path, direct=direct)
    seen = set()
    for site, name, reads, writes in _touching(sites, tmp_path):
        assert flaws(site, reads, writes) == [], (site.member, site.case, name)
        seen |= {(name, each) for each in writes}
    assert {(INDIRECT, "r16"), (INDIRECT, "b6"), (INDIRECT, "b7")} <= seen
    assert {("native", "r3"), ("xen", "p8"), ("xen", "r9")} <= seen or direct


def test_a_constraint_that_is_missing_is_found(tmp_path: Path) -> None:
    """Each operand and clobber that some form needs, taken away."""
    sites = made(tmp_path)
    found: dict[tuple[str, int | None], set[str]] = {}
    for site, _, reads, writes in _touching(sites, tmp_path):
        for word in sorted(reads & site.inputs):
            assert flaws(site._replace(inputs=site.inputs - {word}), reads, writes) == [f"reads {word}"]
        asked = set() if site.case is None else {_register(site.case)}
        for word in sorted((writes & site.clobbers) - asked):
            assert flaws(site._replace(clobbers=site.clobbers - {word}), reads, writes) == [f"writes {word}"]
            found.setdefault((site.member, site.case), set()).add(word)
    assert all({"r2", "r3", "r16", "r17", "b6", "b7"} <= words for words in found.values())
    assert found["intrin_local_irq_restore", None] >= {"p6", "p7", "p8"}


def test_functions_touch_what_they_may(tmp_path: Path) -> None:
    """Those that the tables name: r16 holds gp meanwhile, b6 the way back."""
    data = assembled(functions(), tmp_path / "functions.o")
    file = elf_file_of(data, "functions.o")
    starts = {each.name: Place(each.section, each.value) for each in file.symbols if each.binding == "global"}
    assert set(starts) == {str(instance(name).tables["pv_cpu_ops"][member]) for name in NAMES for member in MEMBERS}
    ends = sorted([*(place.offset for place in starts.values()), len(file.section_named(".text").data)])  # type: ignore[union-attr]
    for name in NAMES:
        for member, fact in MEMBERS.items():
            symbol = str(instance(name).tables["pv_cpu_ops"][member])
            place = starts[symbol]
            length = next(end for end in ends if end > place.offset) - place.offset
            owner = next(each for each in NAMES if symbol in instance(each).tables["pv_cpu_ops"].values())
            reads, writes = touched([*_instructions(file, place, length)], owner)
            if member in ("getreg", "setreg"):  # they have all registers to ask for
                asked = {each for each in reads | writes if each.startswith("ar.") or each in ("r1", "r12", "r13")}
                reads, writes = reads - asked, writes - asked
            taken = {*ARGUMENTS[: len(fact.parameters or ())], "b6"}
            assert reads <= taken, (symbol, reads)
            assert writes <= LOST - {"r16", "b6"}, (symbol, writes)


# -------------------------------------------------------------------------------------- states


def _compared(images: Made, number: int, states: int) -> list[object]:
    """Differences of all forms and instances from native code in place, from random states."""
    sites, found = images
    site = sites[number]
    unsettled = LOST - site.outputs
    unsettled |= {f"bank1.{each}" for each in unsettled if each[1:] in map(str, range(16, 32))}
    told: list[object] = []
    plain = found["native", "in place"]
    for key, variant in found.items():
        if variant is plain:
            continue
        entry, end = f"entry_{number}", f"end_{number}"
        comparison = RandomComparison([plain, variant], entry, [end], unsettled, f"{site.member} {site.case}", 3000)
        for state in range(states):
            compared = comparison.compared(state)
            if len({each.was_interrupted for each in compared.outcomes.values()}) > 1:
                continue  # the interrupt came within one site, and behind the other
            ends = {each.end for each in compared.outcomes.values()}
            for differences in compared.differences.values():
                kept = [each for each in differences if not _is_of_the_form(each.item, ends == {end})]
                if site.case == GP:  # a random state has another gp than the image
                    kept = [each for each in kept if (each.item, each.found) != ("r8", "gp")]
                told += [(site.member, site.case, key, state, each) for each in kept]
    return told


def _is_of_the_form(item: str, has_returned: bool) -> bool:
    """Whether an item tells where code was when it was interrupted, or holds gp while a function runs."""
    return item in ("cr.iip", "bank1.r16", "bank1.r17") or (item == "r1" and not has_returned)


def _number(images: Made, member: str, register: str | None) -> int:
    sites, _ = images
    case = None if register is None else CATALOG.tables["pv_cpu_ops"].registers[register].number
    return next(at for at, each in enumerate(sites) if (each.member, each.case) == (member, case))


GP: Final = 1025
SOME: Final = [("getreg", each) for each in (None, "psr", "ar.itc", "cr.ifa", "cr.lid")] + [
    ("setreg", each) for each in (None, "ar.k6", "cr.itm", "cr.tpr", "psr")
]


@pytest.mark.parametrize(
    ("member", "register"),
    [*((member, None) for member in MEMBERS if member not in ("getreg", "setreg")), *SOME],
)
def test_all_forms_do_the_same(member: str, register: str | None, images: Made) -> None:
    assert _compared(images, _number(images, member, register), 2) == []


@pytest.mark.slow
@pytest.mark.parametrize("member", MEMBERS)
def test_all_forms_do_the_same_from_many_states(member: str, images: Made) -> None:
    for number, site in enumerate(images[0]):
        if site.member == member:
            assert _compared(images, number, 1 if site.case is not None else 8) == []


# ------------------------------------------------------------------------------------- lengths


def _executed(variant: Variant, member: str, number: int) -> tuple[int, int]:
    """How many instructions a call takes on native, nops aside, and how many bundles."""
    machine = Machine()
    load_image(machine, variant.image)
    machine.ip = variant.image.symbols[f"entry_{number}"]
    machine.gr[9] = machine.gr[10] = machine.gr[11] = machine.gr[14] = 12 << 2  # a page size of 4 KB
    machine.gr[8] = machine.gr[9] if member == "set_rr0_to_rr4" else 4  # pmd[4] is the first there is
    end = variant.image.symbols[f"end_{number}"]
    instructions, bundles = 0, set()
    while machine.ip != end:
        place, slot = machine.ip & -SIZE, machine.ip % SIZE
        _, unit, bits = next(
            each for each in Bundle.of(machine.memory.read(place, SIZE)).instructions() if each[0] >= slot
        )
        instruction = decode(bits, unit, place)
        assert instruction is not None
        instructions += not instruction.mnemonic.startswith("nop")
        bundles.add(place)
        assert machine.run(1) is None
    return instructions, len(bundles)


def test_direct_calls_of_functions_far_away(images: Made, tmp_path: Path) -> None:
    """By `brl` they are a bundle longer, and no instruction; the functions are linked a gigabyte away."""
    header = call_site_header([instance(name) for name in NAMES], direct=True, long_branches=True)
    text = code(statements(header, tmp_path)) + functions().replace(".text", '.section .far, "ax"') + table("native")
    assembled(text, tmp_path / "far.o")
    places = ["--section-start=.far=0x50000000", "-Ttext", "0x10000000", "-Tdata", "0x60000000"]
    command = [require_tool("ia64-linux-gnu-ld"), "-e", "0", *places, "-o", "far", "far.o"]
    subprocess.run(command, cwd=tmp_path, check=True)
    file = elf_file_of(patched((tmp_path / "far").read_bytes(), "far", "native"), "far")
    far = Variant(instance("native"), image_of_object(file))
    for number, site in enumerate(images[0]):
        if site.case is None and site.member not in ("getreg", "setreg"):
            instructions, bundles = _executed(images[1]["native", "direct"], site.member, number)
            assert _executed(far, site.member, number) == (instructions, bundles + 1), site.member


def test_how_long_a_call_is_on_native(images: Made) -> None:
    """As docs/tables.md has it; in place it is the plain instructions, counted in what the catalog's ops replace."""
    sites, found = images
    text = (Path(__file__).parents[2] / "docs" / "tables.md").read_text()
    told = {row[0]: row[1:] for row in (line.strip("| ").split(" | ") for line in text.splitlines()) if len(row) == 4}
    plain = {"set_rr0_to_rr4": 9, "get_psr_i": 3, "intrin_local_irq_restore": 4}  # movl, shl, add, shl and 5 moves ...
    wrong = []
    for number, site in enumerate(sites):
        if site.case in (None, 3116) and (site.member in ("getreg", "setreg")) == (site.case is not None):
            made = {form: _executed(found["native", form], site.member, number) for form in FORMS}
            assert made["in place"] == (plain.get(site.member, 1), 5), site.member
            row = ["{} ({})".format(*made[form]) for form in ("indirect", "direct", "in place")]
            name = f"`{site.member}`" + (" of ar.itc" if site.case is not None else "")
            if told.get(name) != row:
                wrong.append(f"| {name} | {' | '.join(row)} |")
    assert wrong == []
