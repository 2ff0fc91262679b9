"""Random states suit the code that begins in them, and what two variants leave is compared item by item."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from pvsim.random_scenario import random_scenario
from pvsim.scenario import Scenario
from pvsim.scenario_run import CODE, ScenarioRun, Variant
from pvsim.source_image import image_of_text
from pvsim.variant_code import straight_code
from pvsim.variants_of_file import unsettled_by

from pvasm.asm.reading import assembly_parser
from pvasm.expand.expander import Reading
from pvasm.paravirt.loading import load_catalog, load_instance
from pvasm.syntax.document import read_document
from tests.cli.command import pvasm

NUMBER = 40


def native(code: str) -> Variant:
    """Code for bare hardware."""
    return Variant(load_instance("native"), image_of_text(f"entry:\n{code}\n;;\nend: nop 0\n", address=CODE))


def states(code: str, moments: int = 4) -> Iterator[Scenario]:
    """Random states for code."""
    instructions = straight_code(native(code), "entry")
    for number in range(NUMBER):
        yield random_scenario(Random(f"{code} {number}"), "entry", ["end"], moments=moments, code=instructions)


@pytest.mark.parametrize(
    "code",
    ["mov r20 = cr.ifa", "mov cr.iip = r20", "itc.d r20", "itr.i itr[r20] = r21", "rfi", "nop 0\n;; mov r3 = cr.isr"],
)
def test_interruptions_are_not_collected_where_their_registers_are_used(code: str) -> None:
    assert {each.numbers["psr.ic"] for each in states(code)} == {0}


@pytest.mark.parametrize("code", ["nop 0", "mov r20 = cr.dcr", "rsm psr.ic ;;\nsrlz.d ;;\nmov r20 = cr.ifa"])
def test_elsewhere_they_are_or_are_not(code: str) -> None:
    assert {each.numbers["psr.ic"] for each in states(code)} == {0, 1}


def test_indexes_are_of_registers_that_there_are() -> None:
    for state in states("mov r20 = cpuid[r21] ;;\nmov r22 = pmd[r23] ;;\nitr.d dtr[r24] = r25"):
        assert state.numbers["r21"] < 5
        assert state.numbers["r23"] < 64
        assert f"pmd[{state.numbers['r23']}]" in state.numbers
        assert 8 <= state.numbers["r24"] < 64


def test_code_stays_in_its_region() -> None:
    for state in states("mov rr[r20] = r21"):
        assert state.numbers["r20"] >> 61
    for code in ("mov rr[r0] = r21", "mov rr[r21] = r21"):
        for state in states(code):
            assert state.numbers["r21"] == state.numbers["rr[0]"]


def test_there_is_something_to_purge() -> None:
    for state in states("ptc.ga r20, r21"):
        assert state.numbers["r20"] in {page.at | state.numbers["r20"] & (1 << page.size) - 1 for page in state.pages}


def test_an_interrupt_waits_to_be_let_in_and_one_to_be_ended() -> None:
    waiting = [each for each in states("ssm psr.i") if not each.numbers["psr.i"] and each.numbers["psr.ic"]]
    assert any(each.interrupts for each in waiting)
    assert {len(each.in_service) for each in states("mov cr.eoi = r20")} == {0, 1, 2}


def test_no_interrupt_comes_that_nobody_could_take() -> None:
    for state in states("bsw.1"):
        assert (state.numbers["psr.bn"], state.numbers["psr.i"]) == (0, 0)
        assert {f"bank1.r{number}" for number in range(16, 32)} <= set(state.numbers)


def test_what_is_written_before_is_left_alone() -> None:
    """The index is no longer what the state has in the register."""
    assert any(each.numbers["r21"] > 4 for each in states("adds r21 = 1, r0 ;;\nmov r20 = cpuid[r21]"))


def test_what_is_not_settled() -> None:
    def left(text: str, name: str) -> set[str]:
        document = read_document(assembly_parser(), text, "a", preprocessed=True)
        return unsettled_by(Reading(document, load_catalog()), load_instance(name))

    assert left("MOV_FROM_IVR(r16, r17)", "xen") == {"r17", "bank1.r17"}
    assert left("MOV_FROM_IVR(r16, r16)", "trap") == set()
    behind = left("BSW_0(r2, r3, r9)", "xen")
    assert "r16" in behind
    assert "bank1.r16" not in behind


# ---------------------------------------------------------------------------------- what is compared

ONLY_XEN = "#ifdef __IA64_ASM_PARAVIRTUALIZED_XEN\n{xen}\n#else\n{other}\n#endif\n"


def compared(folder: Path, xen: str, other: str, scenario: str, *words: str) -> tuple[int, str]:
    """Compares code that is one thing for xen and another elsewhere, from a state."""
    (folder / "a.S").write_text(f"entry:\n{ONLY_XEN.format(xen=xen, other=other)}\n;;\n\tbr.ret.sptk b0\n")
    (folder / "s.yaml").write_text(f"entry: entry\n{scenario}\n")
    given = ("compare", "a.S", "--instances", "native,xen", "--scenario", "s.yaml", *words)
    done = pvasm(*given, cwd=folder)
    assert done.errors == ""
    return done.status, done.output.partition("\n")[2] if done.output.startswith("native ended at ") else done.output


def test_a_word_that_becomes_0_is_a_difference(tmp_path: Path) -> None:
    state = "registers: {r20: 0x3000000}\nmemory: {'0x3000000': '1100000000000000'}"
    status, output = compared(tmp_path, "st8 [r20] = r0", "nop 0", state)
    assert (status, "memory at 0x3000000: what it was and 0x0" in output) == (1, True)
    same = "ld8 r21 = [r20] ;;\nst8 [r20] = r21 ;;\nmov r21 = r0"
    assert compared(tmp_path, same, "mov r21 = r0", state) == (0, "The same.\n")


def test_a_number_that_happens_to_be_an_address_is_a_number(tmp_path: Path) -> None:
    """The code of one variant is longer, and has that address; that of the other has not."""
    longer = "mov r21 = r0\n;;\nnop 0\n;;\nnop 0\n;;\nnop 0\n;;"
    assert compared(tmp_path, longer, "mov r21 = r0", f"registers: {{r1: 7, r13: {CODE + 0x20:#x}}}") == (
        0,
        "The same.\n",
    )


def test_a_stop_that_matters_is_missed_where_groups_are_looked_at(tmp_path: Path) -> None:
    broken, right = "mov r20 = 1\nmov r21 = r20", "mov r20 = 1 ;;\nmov r21 = r20"
    assert compared(tmp_path, broken, right, "") == (0, "The same.\n")
    status, output = compared(tmp_path, broken, right, "", "--strict")
    assert (status, "return and dependency violation: RAW of r20, without stop" in output) == (1, True)


def test_a_serialization_is_missed_where_groups_are_looked_at(tmp_path: Path) -> None:
    broken, right = ("rsm psr.ic ;;\n" + middle + "mov r20 = cr.iim" for middle in ("", "srlz.d ;;\n"))
    assert compared(tmp_path, broken, right, "")[0] == 0
    status, output = compared(tmp_path, right, right, "", "--strict")
    assert (status, output) == (0, "The same.\n")
    # Native's own code is looked at, too: what it may not do is no measure.
    (tmp_path / "b.S").write_text(f"entry:\n{broken}\n;;\n\tbr.ret.sptk b0\n")
    done = pvasm("simulate", "b.S", "--scenario", "s.yaml", cwd=tmp_path)
    assert done.output.endswith("It ended at return.\n")


@pytest.mark.parametrize(
    "op", ["TTAG(p0, r20, r21, r22)", "MOV_TO_EOI(p0, r21, r22)", "MOV_FROM_RR(p0, r20, r21, r22)"]
)
def test_a_nat_is_for_xen_what_it_is_for_native(tmp_path: Path, op: str) -> None:
    """A tag of one, or a fault before anything is written."""
    assert compared(tmp_path, op, op, "registers: {r20: 5}\nnat: [r21]") == (0, "The same.\n")


def test_an_interrupt_in_service_is_ended(tmp_path: Path) -> None:
    status, output = compared(tmp_path, "nop 0", "MOV_TO_EOI(p0, r0, r22)", "in_service: [0x50]")
    assert (status, "in service 0x50: 0x0 and 0x1" in output) == (1, True)


def test_what_is_wrong_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.S").write_text("entry:\tbr.ret.sptk b0\n")
    for text, error in (
        ("in_service: [5]", "s.yaml:2:14: in_service.0: no interrupt has the vector 5: there are 0, 2 and 16 to 255"),
        ("nat: [bank1.r15]", "s.yaml:2:7: nat.0: bank1.r15 cannot be Not a Thing"),
    ):
        (tmp_path / "s.yaml").write_text(f"entry: entry\n{text}\n")
        done = pvasm("compare", "a.S", "--scenario", "s.yaml", cwd=tmp_path)
        assert (done.status, error in done.errors) == (2, True), done.errors


def test_registers_of_the_other_bank_are_what_a_state_says() -> None:
    state = Scenario(
        entry="entry", stop=["end"], registers={"psr.bn": 0, "bank1.r16": 7}, nat=["bank1.r17", "bank0.r18"]
    )
    found = ScenarioRun(native("bsw.1 ;;\nmov r3 = ar.ruc"), state).outcome().observed
    assert (found["r16"], found["r17"], found["r18"]) == (7, "NaT", 0)


def test_the_utilization_counter_does_not_follow_the_time() -> None:
    state = Scenario(entry="entry", stop=["end"], registers={"ar.ruc": 0x1234, "ar.itc": 0x99, "r4": 0x5678})
    found = ScenarioRun(native("mov ar.itc = r4 ;;\nmov r3 = ar.ruc\nmov r5 = ar.itc"), state).outcome().observed
    assert (found["r3"], found["r5"]) == (0x1234, 0x5678)
