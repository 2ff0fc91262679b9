"""Environments, measured by what is said elsewhere: the SDM's volume 2, and Xen's public header and sources (4.1).

The words of the shared page are read from memory by the offsets of `xen/include/public/arch-ia64.h`; what each call
does is told in `vcpu.c`, `hyperprivop.S`, `privop.c` and `faults.c`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final

import pytest
from msgspec import Struct
from msgspec.structs import replace
from pvsim.comparison import compare
from pvsim.environments.choice import environment_of
from pvsim.environments.environment import Costs, Environment, RefusedError
from pvsim.environments.shared_page import PLACE
from pvsim.machine.configuration import Configuration
from pvsim.machine.machine import Machine
from pvsim.scenario import Interrupt, Page, Scenario
from pvsim.scenario_run import COUNTS, ScenarioRun, Variant
from pvsim.source_image import image_of_text

from pvasm.isa.registers import CONTROL
from pvasm.paravirt.instance import Instance
from pvasm.paravirt.loading import load_instance

# Offsets in the page from its start, arch-ia64.h: struct mapped_regs begins at XSI_BASE + XMAPPEDREGS_OFS.
REGISTERS: Final = 0x4000
BANK1, BANK0, BANK1_NATS, BANK0_NATS = 0x400, 0x480, 0x500, 0x508
IPSR, ISR, IIP, IFA, ITIR, IIPA, IFS, IIM, IHA = 0x880, 0x888, 0x898, 0x8A0, 0x8A8, 0x8B0, 0x8B8, 0x8C0, 0x8C8
TPR, COLLECTS, MASK_ADDRESS, METAPHYSICAL, BANK, RRS, ITC_OFFSET = 0xA10, 0xC10, 0xC18, 0xC48, 0xC4C, 0xC50, 0xD50
MASK_BYTE: Final = 1 - REGISTERS
XSI_BASE: Final = 0xFFFF_FFFF_FFF0_0000

PSR_IC, PSR_I, PSR_DT, PSR_CPL, PSR_IT, PSR_BN = 1 << 13, 1 << 14, 1 << 17, 3 << 32, 1 << 36, 1 << 44
PSR_UP, PSR_BE, PSR_RT = 1 << 2, 1 << 1, 1 << 27
VALID: Final = 1 << 63

DATA: Final = 0x0300_0000
FAR: Final = 0x2000_0000_0004_0000
"""A virtual address of region 1 without a translation of its own."""
WORD: Final = (1 << 64) - 1


class Ran(Struct):
    """A program that has been run."""

    end: str
    environment: Environment
    symbols: dict[str, int]

    @property
    def processor(self) -> Machine:
        """The processor as the kernel sees it."""
        return self.environment.processor

    @property
    def costs(self) -> Costs:
        """What has been counted."""
        return self.environment.costs

    def r(self, number: int) -> int:
        """A general register; it is no NaT."""
        assert not self.processor.nat[number]
        return self.processor.gr[number]

    def field(self, offset: int, size: int = 8) -> int:
        """A word of the shared page, of the registers in it."""
        return int.from_bytes(self.processor.memory.read(PLACE + REGISTERS + offset, size), "little")


@lru_cache
def variant(source: str, instance: str) -> Variant:
    """A program for an instance, which it needs only for the vectors."""
    return Variant(load_instance(instance), image_of_text(f".text\nstart:\n{source}\n", name="program"))


Making = Callable[[Instance, Configuration], Environment]
TICKING: Final = Configuration(alat_entries=None)


def ticking(instance: Instance, model: Configuration) -> Environment:
    """An environment whose time goes on."""
    return environment_of(instance, TICKING)


def ran(source: str, instance: str = "xen", *, environment: Making = environment_of, **given: Any) -> Ran:
    """Runs a program to its `done`, or to an interruption."""
    made = variant(f"{source} ;;\ndone:\n nop 0 ;;\n", instance)
    made = Variant(made.instance, made.image, environment)
    registers = {name: made.image.symbols.get(str(value), value) for name, value in given.pop("registers", {}).items()}
    started: dict[str, Any] = {"entry": "start", "stop": ["done"], "steps": 3000, **given}
    found = ScenarioRun(made, Scenario(registers=registers, **started))
    outcome = found.outcome()
    return Ran(outcome.end, found.environment, dict(made.image.symbols))


def done(source: str, instance: str = "xen", **given: Any) -> Ran:
    """Runs a program that comes to its end."""
    found = ran(source, instance, **given)
    assert found.end == "done"
    return found


# ------------------------------------------------------------------------------------ hardware


def test_on_bare_hardware_the_kernel_is_at_level_0() -> None:
    found = done("mov r20 = psr\n mov r21 = cr.ivr", "native")
    assert found.r(20) == found.processor.psr & 0xFFFF_FFFF | PSR_IT  # SDM 3:2, mov psr: bits 31:0, 36 and 35
    assert found.r(21) == 15  # spurious
    assert not found.costs.events


def test_an_interruption_of_bare_hardware_is_delivered_and_counted() -> None:
    found = ran("break 0x77", "native")
    assert found.end == "interruption: break instruction"
    assert found.processor.cr[CONTROL["iim"]] == 0x77


# --------------------------------------------------------------------------------- xen: the level


def test_the_kernel_runs_at_level_2_and_reads_0() -> None:
    """arch-ia64.h: CONFIG_CPL0_EMUL is 2; vcpu_get_psr: cpl is told to be 0."""
    made = variant("break 0x19 ;;\ndone:\n nop 0 ;;\n", "xen")
    found = ScenarioRun(made, Scenario(entry="start", stop=["done"]))
    assert found.environment.machine.psr & PSR_CPL == 2 << 32
    assert not found.environment.processor.psr & PSR_CPL
    found.outcome()
    assert found.environment.machine.psr & PSR_CPL == 2 << 32


# ---------------------------------------------------------------------------------- xen: the calls


def test_rfi_goes_where_the_page_says() -> None:
    """vcpu_rfi: psr from ipsr, control to iip, the frame from ifs if that is valid."""
    registers = {"cr.ipsr": PSR_IC | PSR_I | PSR_DT | PSR_RT | PSR_IT | PSR_BN | PSR_UP, "cr.iip": "there"}
    found = done(
        "break 1 ;;\n mov r21 = 1 ;;\nthere:\n mov r20 = 1",
        registers={**registers, "cr.ifs": VALID | 5 << 7 | 9, "psr.ic": 0},
    )
    assert (found.r(20), found.r(21)) == (1, 0)
    assert found.processor.cfm == 5 << 7 | 9
    assert (found.field(COLLECTS, 4), found.field(MASK_BYTE, 1)) == (1, 0)
    assert found.processor.psr & PSR_UP


def test_rfi_leaves_the_frame_without_a_valid_one() -> None:
    registers = {"cr.ipsr": PSR_DT | PSR_RT | PSR_IT | PSR_BN, "cr.iip": "done", "cr.ifs": 9, "psr.ic": 0}
    found = done("alloc r32 = ar.pfs, 0, 4, 0, 0 ;;\n break 1", registers=registers)
    assert found.processor.cfm == 4 | 4 << 7
    assert (found.field(COLLECTS, 4), found.field(MASK_BYTE, 1)) == (0, 1)


def test_rfi_to_bank_1_keeps_bank_0_with_its_nats() -> None:
    """vcpu_bsw1, which vcpu_set_psr comes to."""
    registers = {"cr.ipsr": PSR_IC | PSR_DT | PSR_RT | PSR_IT | PSR_BN, "cr.iip": "done"}
    registers |= {"bank1.r16": 0x11, "bank1.r17": 0x12}
    source = "movl r16 = 0x22\n ld8.s r18 = [r9]\n mov r31 = 0x44 ;;\n break 1"
    found = done(source, registers={**registers, "psr.bn": 0, "psr.ic": 0, "r9": FAR})
    assert (found.r(16), found.r(17)) == (0x11, 0x12)
    assert (found.field(BANK0), found.field(BANK0 + 8 * 15)) == (0x22, 0x44)
    assert found.field(BANK0_NATS) == 1 << 2  # r18
    assert found.field(BANK, 4) == 1


@pytest.mark.parametrize("bit", ["psr.bn: 0", "psr.bn: 1"])
def test_rfi_to_a_program_runs_it_at_level_3(bit: str) -> None:
    """A program's instruction that is privileged is a Privileged Operation fault of the guest's."""
    status = PSR_IC | PSR_DT | PSR_RT | PSR_IT | PSR_CPL | (PSR_BN if bit[-1] == "1" else 0)
    registers = {"cr.ipsr": status, "cr.iip": "user", "psr.ic": 0}
    found = ran("break 1 ;;\nuser:\n ssm 0x4000", registers=registers)
    assert found.end == "interruption: general exception"
    assert found.field(IPSR) & PSR_CPL == PSR_CPL
    assert (found.field(ISR) & 0xFF, found.field(IIP)) == (0x10, found.symbols["user"])


def test_metaphysical_mode_is_told_in_the_page_and_has_physical_addresses() -> None:
    """vcpu_reset_psr_dt, vcpu_set_psr_dt."""
    virtual, physical = FAR, 0x0400_0000
    source = (
        "break 2 ;;\n ld8 r20 = [r9]\n movl r10 = 0xfffffffffff04c48 ;;\n ld4 r21 = [r10] ;;\n break 3 ;;\n"
        " ld8 r22 = [r8]\n ld4 r23 = [r10]"
    )
    found = done(
        source,
        registers={"r8": virtual, "r9": physical},
        pages=[Page(virtual, physical, 14)],
        memory={f"{physical:#x}": "2a"},
    )
    assert [found.r(number) for number in (20, 21, 22, 23)] == [42, 1, 42, 0]


@pytest.mark.parametrize(("collects", "told"), [(1, 0x55), (0, VALID | 3 << 7 | 7)])
def test_cover_tells_of_the_frame_where_nothing_is_collected(collects: int, told: int) -> None:
    """vcpu_cover: ifs while psr.ic is 0; the frame is empty then either way."""
    found = done("alloc r32 = ar.pfs, 0, 3, 4, 0 ;;\n break 4", registers={"cr.ifs": 0x55, "psr.ic": collects})
    assert (found.field(IFS), found.processor.cfm) == (told, 0)


@pytest.mark.parametrize(("number", "kind"), [(5, "d"), (6, "i")])
def test_itc_inserts_what_the_page_says(number: int, kind: str) -> None:
    """ITC_D, ITC_I: the entry in r8, the address and the size in the page's ifa and itir."""
    entry = 0x0400_0000 | 1 | 1 << 5 | 1 << 6 | 3 << 9  # level 0: of the kernel alone
    registers = {"r8": entry, "cr.ifa": FAR + 8, "cr.itir": 14 << 2, "psr.ic": 0, "rr[1]": 0x1234 << 8 | 14 << 2}
    found = done(f"break {number}", registers=registers)
    made = [page for page in found.processor.translation_caches[kind] if page.region == 0x1234]
    assert [(page.start, page.size, page.entry) for page in made] == [(FAR & ~(7 << 61), 14, entry)]


def test_what_the_guest_has_inserted_it_reaches() -> None:
    """A page of level 0, from level 2."""
    entry = 0x0400_0000 | 1 | 1 << 5 | 1 << 6 | 3 << 9
    registers = {"r8": entry, "r9": FAR, "cr.ifa": FAR, "cr.itir": 14 << 2, "psr.ic": 0}
    found = done("break 5 ;;\n ld8 r20 = [r9]", registers=registers, memory={"0x4000000": "2b"})
    assert found.r(20) == 43
    assert found.costs.events["call", "HYPER_ITC_D"] == 1


def test_itr_inserts_into_the_register_that_r8_names() -> None:
    """HYPERPRIVOP_ITR_D: slot in r8, entry in r9."""
    entry = 0x0400_0000 | 1 | 1 << 5 | 1 << 6 | 3 << 9
    registers = {"r8": 3, "r9": entry, "cr.ifa": FAR, "cr.itir": 16 << 2, "psr.ic": 0}
    found = done("break 0xf", registers=registers)
    page = found.processor.translation_registers["d"][3]
    assert (page.start, page.size, page.entry) == (FAR & ~(7 << 61), 16, entry)


def test_ptc_ga_purges_by_address_and_size() -> None:
    """HYPERPRIVOP_PTC_GA: 1 << bits 7:2 of r9 bytes from r8 on."""
    source = "ld8 r20 = [r8] ;;\n break 0xe ;;\n ld8 r21 = [r8]"
    found = ran(
        source,
        registers={"r8": FAR, "r9": 14 << 2},
        pages=[Page(FAR, 0x0400_0000, 14), Page(FAR + (1 << 20), 0x0500_0000, 14)],
    )
    assert found.end == "interruption: alternate data tlb"
    assert found.field(IFA) == FAR
    starts = {page.start for page in found.processor.translation_caches["d"]}
    assert FAR & ~(7 << 61) not in starts
    assert (FAR & ~(7 << 61)) + (1 << 20) in starts


def test_thash_goes_by_the_guests_table_and_regions() -> None:
    """vcpu_thash, as the SDM has it for the short format (2:4.1.5): of the page's pta and rr, by Xen's formula."""
    for pta, size, address in (
        (0xC << 60 | 20 << 2 | 1, 14, 0x2000_0000_1234_5678),
        (0x5 << 40 | 15 << 2, 12, 0x2000_00FF_FFFF_FFFF),
        (0x1234_5678 << 20 | 30 << 2, 28, 0x3FFF_FFFF_0000_0008),
    ):
        registers = {"cr.pta": pta, "rr[1]": 5 << 8 | size << 2, "r8": address}
        mask = (1 << (pta >> 2 & 63)) - 1
        offset = address >> size << 3
        wanted = address >> 61 << 61
        inside = (1 << 61) - (1 << 15)
        wanted |= (pta & ~mask | offset & mask) & inside | offset & 0x7FFF
        assert done("break 0xd", registers=registers).r(8) == wanted


def test_region_registers_are_the_guests() -> None:
    """GET_RR, SET_RR, SET_RR0_TO_RR4; rrs of the page."""
    values = {number: (0x100 * number) << 8 | 14 << 2 for number in range(5)}  # region 0 is where the code is
    given = dict(zip((8, 9, 10, 11, 14), values.values(), strict=True))
    source = "break 0x1a ;;\n movl r8 = 0x6000000000000123 ;;\n break 0x10 ;;\n mov r20 = r8"
    source += "\n movl r8 = 0xa000000000000000\n movl r9 = 0x77738 ;;\n break 0x11"
    found = done(source, registers={f"r{number}": value for number, value in given.items()})
    assert found.r(20) == values[3]
    assert [found.field(RRS + 8 * number) for number in range(5)] == list(values.values())
    assert found.field(RRS + 8 * 5) == 0x77738
    assert found.processor.gr[2] == found.processor.gr[3] == 0  # what the call needs for itself is put back


def test_kernel_registers() -> None:
    """SET_KR: the number in r8, the value in r9 (vcpu_set_ar); predicates stay."""
    source = "\n".join(f"mov r8 = {number}\n mov r9 = {number + 40} ;;\n break 0x12 ;;" for number in range(8))
    found = done(source, registers={"p6": 1, "p9": 0, "p13": 1})
    assert found.processor.ar[:8] == list(range(40, 48))
    assert found.processor.pr[6:14] == [1, 0, 0, 0, 0, 0, 0, 1]


def test_identification_is_the_guests() -> None:
    """GET_CPUID, vcpu_get_cpuid: not what the machine is. Xen says its own name there; here the guest sees the
    processor that it would see on bare hardware.
    """
    found = done("mov r8 = 3 ;;\n break 0x14 ;;\n mov r20 = r8\n mov r9 = 0 ;;\n mov r21 = cpuid[r9]")
    assert found.r(20) == TICKING.cpuid[3]
    assert found.r(21) == int.from_bytes(b"Hypervis", "little")


def test_performance_data() -> None:
    """GET_PMD: what the monitor counts, whether or not the guest's kernel may read it itself."""
    found = done("mov r8 = 4 ;;\n mov r9 = pmd[r8] ;;\n break 0x15", registers={"pmd[4]": 77, "pmc[4]": 1 << 6})
    assert (found.r(8), found.r(9)) == (77, 0)


def test_eflag() -> None:
    """GET_EFLAG, SET_EFLAG (Xen 4.1 takes both for nothing, since it has no IA-32; here they do what they are for)."""
    found = done("break 0x17 ;;\n mov r8 = 0 ;;\n break 0x16", registers={"r8": 0x246})
    assert found.r(8) == found.processor.ar[24] == 0x246


def test_rsm_be() -> None:
    found = done("rum 0 ;;\n break 0x18", registers={"psr.be": 0})
    assert not found.processor.psr & PSR_BE
    assert not found.environment.machine.psr & PSR_BE


@pytest.mark.parametrize("collects", [0, 1])
@pytest.mark.parametrize("enabled", [0, 1])
def test_get_psr_is_the_virtual_one(collects: int, enabled: int) -> None:
    """vcpu_get_psr_masked: bits 31:0, 35 and 36; ic, i and dt from the page."""
    found = done("break 0x19", registers={"psr.ic": collects, "psr.i": enabled})
    assert found.r(8) & ~PSR_RT == collects << 13 | enabled << 14 | PSR_DT | PSR_IT


# ------------------------------------------------------------------------------- xen: interrupts


def test_an_interrupt_while_masked_is_pending_in_the_page() -> None:
    """arch-ia64.h: interrupt_mask_addr points to the byte that masks; that before it tells of what is pending."""
    source = " ;;\n".join(
        ["movl r9 = 0xfffffffffff04c18", "ld8 r9 = [r9]", "nop 0", "nop 0", "ld1 r20 = [r9], -1", "ld1 r21 = [r9]"]
    )
    found = done(source, registers={"psr.i": 0}, interrupts=[Interrupt(0x41, 1)])
    assert found.r(9) == XSI_BASE
    assert (found.r(20), found.r(21)) == (1, 1)
    assert not found.costs.events["reflected", "external_interrupt"]


def test_a_pending_interrupt_is_delivered_at_ssm_i() -> None:
    """vcpu_set_psr_i, and the events that are pending then; the handler counts, ends it, and returns."""
    source = "nop 0 ;;\n nop 0 ;;\n break 7 ;;\n nop 0"
    found = done(source, registers={"psr.i": 0}, interrupts=[Interrupt(0x41, 0)])
    assert found.processor.memory.read(COUNTS + 8 * 0x41, 8) == (1).to_bytes(8, "little")
    assert found.costs.events["reflected", "external_interrupt"] == 1
    assert (found.field(MASK_BYTE, 1), found.field(MASK_BYTE - 1, 1), found.field(COLLECTS, 4)) == (0, 0, 1)


def test_what_the_handler_of_an_interrupt_finds() -> None:
    """reflect_event: masked, nothing collected, bank 0; ipsr as it was."""
    source = ".org 0x3000\nhandler:\n nop 0 ;;\n .org 0x8000\nbegin:\n nop 0 ;;\n break 7"
    registers = {"psr.i": 0, "r16": 0x16}
    interrupts = [Interrupt(0x41, 0)]
    found = ran(source, registers=registers, entry="begin", vectors="start", stop=["handler"], interrupts=interrupts)
    assert found.end == "handler"
    assert (found.field(IIP), found.field(IPSR) & (PSR_I | PSR_IC)) == (found.symbols["begin"], PSR_I | PSR_IC)
    assert (found.field(MASK_BYTE, 1), found.field(COLLECTS, 4), found.field(BANK, 4)) == (1, 0, 0)
    assert found.field(BANK1) == 0x16


def test_interrupts_are_read_served_and_done_with() -> None:
    """vcpu_get_ivr, vcpu_set_eoi: by priority, 15 when there is none; one in service masks those below it."""
    source = " ;;\n".join(
        ["nop 0", "break 8", "mov r20 = r8", "break 8", "mov r21 = r8", "break 0xb", "break 8", "mov r22 = r8"]
    )
    interrupts = [Interrupt(0x41, 0), Interrupt(0x91, 0)]
    found = done(source, registers={"psr.i": 0}, interrupts=interrupts)
    assert [found.r(number) for number in (20, 21, 22)] == [0x91, 15, 0x41]
    assert found.processor.in_service == {0x41}


def test_the_task_priority_masks() -> None:
    """vcpu_set_tpr, vcpu_get_tpr: bits 7:4 mask the class and those below; bits 15:8 are reserved."""
    source = " ;;\n".join(
        [
            *("mov r8 = 0x90", "break 0xa", "break 8", "mov r20 = r8", "break 9", "mov r21 = r8"),
            *("mov r8 = 0x80", "break 0xa", "break 8", "mov r22 = r8"),
        ]
    )
    found = done(source, registers={"psr.i": 0}, interrupts=[Interrupt(0x91, 0)])
    assert [found.r(number) for number in (20, 21, 22)] == [15, 0x90, 0x91]
    assert found.field(TPR) == 0x80


@pytest.mark.parametrize("instance", ["native", "trap", "xen"])
def test_the_timer_interrupts_at_its_time(instance: str) -> None:
    """SET_ITM is in the host's time (vcpu_set_itm): the guest's is itc_offset more."""
    wait = "mov r11 = 300 ;;\n mov ar.lc = r11 ;;\nagain:\n br.cloop.sptk.few again"
    native = f"mov r9 = ar.itc ;;\n adds r9 = 200, r9 ;;\n mov cr.itm = r9 ;;\n {wait}"
    xen = f"mov r8 = ar.itc ;;\n adds r8 = 200, r8 ;;\n break 0xc ;;\n {wait}"
    registers = {"ar.itc": 1 << 50, "cr.itv": 0xEF, "psr.i": 1}
    found = done(xen if instance == "xen" else native, instance, environment=ticking, registers=registers)
    assert found.processor.memory.read(COUNTS + 8 * 0xEF, 8) == (1).to_bytes(8, "little")


def test_time_is_the_hosts_and_the_offset_is_told() -> None:
    """arch-ia64.h: itc_offset, which the guest adds itself (psr.si is 0)."""
    found = done("mov r20 = ar.itc", environment=ticking, registers={"ar.itc": 1 << 50})
    assert found.r(20) < 100
    assert (found.r(20) + found.field(ITC_OFFSET)) & WORD == (1 << 50) + found.r(20)
    assert not found.costs.events["emulated", "mov"]


# ------------------------------------------------------------------------ xen: who may call, and what else


@pytest.mark.parametrize("number", [*range(1, 0x1B), 0x1000])
def test_calls_from_a_program_are_break_faults_of_the_guest(number: int) -> None:
    """ia64_handle_break: from another level than the kernel's, iim is told and the break is reflected."""
    found = ran(f"mov r8 = 0x33\n mov r9 = 0x44 ;;\n break {number}", mode="user", registers={"r2": 0x600})
    assert found.end == "interruption: break instruction"
    assert (found.field(IIM), found.field(ISR) & 0xFFFF) == (number, 0)
    assert found.field(IPSR) & PSR_CPL == PSR_CPL
    assert (found.r(8), found.r(9)) == (0x33, 0x44)
    assert not found.costs.of_kind("call")


@pytest.mark.parametrize("number", [0x1B, 0x77, 0x100000])
def test_other_breaks_of_the_kernel_are_reflected(number: int) -> None:
    found = ran(f"break {number}")
    assert (found.end, found.field(IIM)) == ("interruption: break instruction", number)
    assert found.field(IPSR) & PSR_CPL == 0


EMULATED: Final[Sequence[tuple[str, str, int, int]]] = (
    # source, what is counted, the register that tells, its value
    ("mov r20 = cr.ifa", "mov", 20, 0x1230),
    ("mov cr.ifa = r9 ;;\n mov r20 = cr.ifa", "mov", 20, 0x99),
    ("mov r20 = psr", "mov", 20, PSR_DT | PSR_RT | PSR_IT),
    ("mov r20 = rr[r11]", "mov", 20, 0x1234 << 8 | 14 << 2),
    ("mov ar.k3 = r9 ;;\n mov r20 = ar.k3", "mov.m", 20, 0x99),
    ("ssm 0x2000 ;;\n srlz.d ;;\n mov r20 = psr", "ssm", 20, PSR_DT | PSR_RT | PSR_IT | PSR_IC),
    ("ssm 0x2000 ;;\n rsm 0x2000 ;;\n mov r20 = psr", "rsm", 20, PSR_DT | PSR_RT | PSR_IT),
    ("bsw.0 ;;\n mov r20 = r9 ;;\n bsw.1", "bsw.0", 20, 0x2020),
    ("tpa r20 = r10", "tpa", 20, DATA),
    ("mov r20 = cr.ivr", "mov", 20, 15),
    ("mov cr.tpr = r9 ;;\n mov r20 = cr.tpr", "mov", 20, 0x90),
)


@pytest.mark.parametrize("instance", ["xen", "trap"])
@pytest.mark.parametrize(("source", "counted", "register", "value"), EMULATED, ids=[each[0] for each in EMULATED])
def test_privileged_instructions_are_emulated_and_counted(
    source: str, counted: str, register: int, value: int, instance: str
) -> None:
    """priv_emulate: on the virtual processor's state, as on bare hardware."""
    registers = {
        "cr.ifa": 0x1230,
        "r20": 0x2020,
        "r9": 0x99,
        "r10": DATA,
        "r11": FAR,
        "psr.ic": 0,
        "rr[1]": 0x1234 << 8 | 14 << 2,
    }
    found = done(source, instance, registers=registers)
    assert found.r(register) == value
    assert found.costs.events["emulated", counted] >= 1
    assert done(source, "native", registers=registers).r(register) == value


PRIVILEGED: Final = (
    *("mov psr.l = r11", "ssm 0x4000", "rsm 0x2000", "bsw.0", "mov cr.lid = r11", "mov cr.eoi = r0"),
    *("mov ar.itc = r9", "mov ar.k0 = r9", "mov rr[r10] = r12", "mov pkr[r13] = r14", "mov r20 = pkr[r13]"),
    *("mov dbr[r13] = r9", "mov r20 = dbr[r13]", "mov ibr[r13] = r9", "mov pmc[r13] = r14", "mov r20 = pmc[r13]"),
    *("mov pmd[r13] = r9", "itc.d r15 ;;", "itc.i r15 ;;", "itr.d dtr[r13] = r15", "itr.i itr[r13] = r15"),
    *("ptc.l r10, r12", "ptc.ga r10, r12", "ptc.e r10", "ptr.d r10, r12", "ptr.i r10, r12", "tpa r20 = r10"),
    *("tak r20 = r10", "rfi", "mov cr.ifa = r9 ;;\n mov r20 = cr.ifa", "mov r20 = cr.ipsr", "mov r20 = cr.irr0"),
)


@pytest.mark.parametrize("instance", ["xen", "trap"])
@pytest.mark.parametrize("source", PRIVILEGED)
def test_privileged_instructions_leave_what_bare_hardware_has(source: str, instance: str) -> None:
    """priv_emulate: whatever the kernel can observe."""
    sources = f"{source} ;;\ndone:\n nop 0 ;;\n"
    variants = [variant(sources, "native"), variant(sources, instance)]
    page = Page(0x6000_0000_0004_0000, 0x0400_0000, 14, key=5)
    registers = {
        "r9": 0x4000,
        "r10": page.at,
        "r11": PSR_DT | PSR_RT,
        "r12": 0x77 << 8 | 14 << 2,
        "r13": 4,
        "r14": 0x101,
    }
    registers |= {
        "r14": 0x101,
        "r15": 0x0400_0000 | 1 | 1 << 5 | 1 << 6 | 3 << 9,
        "cr.ifa": page.at,
        "cr.itir": 14 << 2,
    }
    registers |= {
        "psr.ic": 0,
        "cr.ipsr": PSR_IC | PSR_DT | PSR_RT | PSR_IT | PSR_BN,
        "cr.iip": variants[0].image.symbols["done"],
    }
    registers |= {"pkr[4]": 0x301, "dbr[4]": 0x8000, "pmc[4]": 0x40}
    scenario = Scenario(entry="start", registers={**registers}, stop=["done"], pages=[page], steps=100)
    found = compare(variants, scenario)
    assert not [str(each) for each in found.differences[instance]]
    outcome = found.outcomes[instance]
    assert outcome.end == "done"
    assert outcome.environment.costs.of_kind("emulated") >= 1


def test_a_timer_that_is_set_bare_is_the_hosts_under_xen() -> None:
    """vcpu_set_itm, which the instruction comes to as well, knows of no offset; trap's time is the guest's own."""
    source, registers = "mov cr.itm = r9", {"r9": 1 << 50, "ar.itc": 1 << 40}
    for instance, timer in (("native", 1 << 50), ("trap", 1 << 50), ("xen", (1 << 50) + (1 << 40))):
        assert done(source, instance, registers=registers).environment.observed("timer") == timer


@pytest.mark.parametrize("instance", ["xen", "trap"])
def test_what_is_not_emulated_is_refused(instance: str) -> None:
    with pytest.raises(RefusedError, match=rf"^{instance} does not emulate vmsw.0$"):
        ran("vmsw.0", instance)


def test_ptc_g_is_refused_as_xen_does() -> None:
    """vcpu_ptc_g: not implemented."""
    with pytest.raises(RefusedError, match=r"^xen does not emulate ptc.g r8,r9$"):
        ran("ptc.g r8, r9")


# ------------------------------------------------------------------------------- xen: the hypercalls


def test_the_shared_page_moves() -> None:
    """0x600, domain_set_shared_info_va: to r28, whose mask byte is told; 0 in r8."""
    there = 0xE000_0000_0A00_0000
    source = "mov r2 = 0x600 ;;\n break 0x1000 ;;\n add r9 = r28, r10 ;;\n ld8 r20 = [r9]\n mov r21 = cr.ifa"
    found = done(source, registers={"r28": there, "r8": 5, "r10": REGISTERS + IFA, "cr.ifa": 0x1230, "psr.ic": 0})
    assert (found.r(8), found.r(20), found.r(21)) == (0, 0x1230, 0x1230)
    assert found.field(MASK_ADDRESS) == there + 1
    assert found.costs.events["call", "hypercall 0x600"] == 1


def test_where_the_page_was_there_is_nothing_afterwards() -> None:
    source = "movl r9 = 0xfffffffffff04000\n mov r2 = 0x600 ;;\n ld8 r20 = [r9]\n break 0x1000 ;;\n ld8 r20 = [r9]"
    found = ran(source, registers={"r28": 0xE000_0000_0A00_0000})
    assert found.end == "interruption: alternate data tlb"
    assert found.field(IFA) == XSI_BASE + REGISTERS


@pytest.mark.parametrize("address", [0x2000_0000_0A00_0000, 0xE000_0000_0A00_4000, 0xF100_0000_0000_0000])
def test_where_the_page_cannot_be(address: int) -> None:
    """Region 7, 64 KiB aligned, not in Xen's own space: else the domain is stopped."""
    with pytest.raises(RefusedError, match=rf"^xen has no room for the shared page at {address:#x}$"):
        ran("mov r2 = 0x600 ;;\n break 0x1000", registers={"r28": address})


def test_hypercalls_that_are_not_modelled_are_refused() -> None:
    with pytest.raises(RefusedError, match=r"^xen has no hypercall 0x110 \(r2\)$"):
        ran("mov r2 = 0x110 ;;\n break 0x1000")


# --------------------------------------------------------------------------------- xen: reflection


@pytest.mark.parametrize("mode", ["sys", "user"])
def test_a_data_miss_fills_in_the_page(mode: str) -> None:
    """ia64_do_page_fault, reflect_interruption; SDM 2:8.3: ifa, itir by the region's register, isr.w, iha."""
    registers = {"r9": FAR + 8, "rr[1]": 0x1234 << 8 | 16 << 2 | 1, "cr.pta": 1 << 40 | 20 << 2 | 1, "r10": 1}
    found = ran("st8 [r9] = r10", mode=mode, registers=registers)
    assert found.end == "interruption: vhpt translation"  # the entry's own page is not there either
    registers["rr[1]"] &= ~1
    found = ran("st8 [r9] = r10", mode=mode, registers=registers)
    assert found.end == "interruption: alternate data tlb"
    assert found.field(IFA) == FAR + 8
    assert found.field(ITIR) == 0x1234 << 8 | 16 << 2
    assert found.field(ISR) & (1 << 33 | 1 << 34 | 1 << 32) == 1 << 33  # isr.w
    assert found.field(IIP) == found.symbols["start"]
    assert found.field(IPSR) & PSR_CPL == (PSR_CPL if mode == "user" else 0)
    assert found.field(IPSR) & (PSR_IC | PSR_DT | PSR_IT | PSR_BN) == PSR_IC | PSR_DT | PSR_IT | PSR_BN


@pytest.mark.parametrize("instance", ["native", "xen", "trap"])
@pytest.mark.parametrize(
    ("entry", "end"),
    [
        (0x0400_0000 | 1 | 1 << 5 | 1 << 6 | 3 << 7 | 3 << 9, "done"),  # a page that is there, and may be reached
        (0x0400_0000 | 1 | 1 << 6 | 3 << 7 | 3 << 9, "interruption: data access bit"),
        (0x0400_0000, "interruption: page not present"),
        (0x0400_0000 | 1 | 3 << 2 | 1 << 5 | 3 << 7, "interruption: data tlb"),  # 3 is no memory attribute
    ],
)
def test_the_table_is_walked(instance: str, entry: int, end: str) -> None:
    """SDM 2:4.1.7 and 8.3: the guest's own table, in its own pages; iha of a Data TLB fault is where the entry is."""
    pta, page_size = 0x2000_0001_0000_0000 | 15 << 2 | 1, 14
    registers = {"r9": FAR + 8, "rr[1]": 0x1234 << 8 | page_size << 2 | 1, "cr.pta": pta}
    place = pta >> 15 << 15 | (FAR & (1 << 61) - 1) >> page_size << 3
    memory = {f"{0x0500_0000 + place % (1 << 16):#x}": entry.to_bytes(8, "little").hex(), "0x4000008": "4d"}
    table = [Page(place >> 16 << 16, 0x0500_0000, 16)]
    found = ran("ld8 r20 = [r9]", instance, registers=registers, pages=table, memory=memory)
    assert found.end == end
    if end == "done":
        assert found.r(20) == 0x4D
        return
    control = found.processor.cr
    assert control[CONTROL["ifa"]] == FAR + 8
    assert control[CONTROL["itir"]] == 0x1234 << 8 | page_size << 2
    if end == "interruption: data tlb":
        assert control[CONTROL["iha"]] == place
    if instance == "xen":
        assert (found.field(IFA), found.field(ITIR)) == (FAR + 8, 0x1234 << 8 | page_size << 2)
        assert found.field(IHA) == control[CONTROL["iha"]]


def with_code_pages(changed: Callable[[int], int]) -> Making:
    """Makes environments in which the entries of the pages of code are others."""

    def prepared(instance: Instance, model: Configuration) -> Environment:
        made = environment_of(instance, model)
        begin = made.begin

        def begun() -> None:
            registers = made.processor.translation_registers["i"]
            registers.update((at, replace(page, entry=changed(page.entry))) for at, page in registers.items())
            begin()

        made.begin = begun  # type: ignore[method-assign]
        return made

    return prepared


PROMOTES: Final = 7 << 9  # the rights of a page for epc, whose level is what is given


@pytest.mark.parametrize("instance", ["native", "xen", "trap"])
def test_epc_makes_a_program_the_guests_kernel(instance: str) -> None:
    """SDM 3:2, epc: the level of the page, which is the guest kernel's own and never the hypervisor's."""
    gate = with_code_pages(lambda entry: entry & ~(3 << 7) | PROMOTES)
    found = done(
        "epc ;;\n mov r20 = psr\n mov ar.k0 = r9", instance, environment=gate, mode="user", registers={"r9": 5}
    )
    assert (found.r(20), found.processor.ar[0]) == (PSR_IC | PSR_DT | PSR_RT | PSR_IT, 5)
    assert found.processor.psr & PSR_CPL == 0
    if instance != "native":
        assert found.environment.machine.psr & PSR_CPL == 2 << 32
        assert found.costs.of_kind("emulated") == 2


DEFERS_ALL: Final = 0x7F00  # cr.dcr
CODE_DEFERS: Final = 1 << 52  # of the entry of the code's page


@pytest.mark.parametrize("instance", ["native", "xen", "trap"])
@pytest.mark.parametrize("mode", ["sys", "user"])
@pytest.mark.parametrize(("collects", "deferring", "is_deferred"), [(0, 0, 1), (1, 0, 0), (1, 1, 1)])
def test_faults_of_speculative_loads_are_deferred(
    instance: str, mode: str, collects: int, deferring: int, is_deferred: int
) -> None:
    """SDM 2:5.5.5: always while psr.ic is 0, else by cr.dcr, where the code's page lets it."""

    prepared = with_code_pages(lambda entry: entry | CODE_DEFERS if deferring else entry)
    registers = {"r9": FAR, "psr.ic": collects, "cr.dcr": DEFERS_ALL}
    found = ran("ld8.s r18 = [r9]", instance, environment=prepared, mode=mode, registers=registers)
    assert (found.end, found.processor.nat[18]) == (
        ("done", 1) if is_deferred else ("interruption: alternate data tlb", 0)
    )
    assert not found.processor.psr & 1 << 43  # psr.ed: of that instruction alone


@pytest.mark.parametrize("mode", ["sys", "user"])
def test_the_banks_are_switched_with_nats(mode: str) -> None:
    """vcpu_bsw0: r16 to r31 of bank 1 into the page, bit 0 of their NaTs r16's; the handler is in bank 0."""
    registers = {f"r{number}": 0x100 + number for number in range(16, 32)}
    found = ran("break 0x77", mode=mode, registers=registers, nat=["r16", "r19", "r31"])
    values = [found.field(BANK1 + 8 * number) for number in range(16)]
    assert [value for number, value in enumerate(values) if number not in (0, 3, 15)] == [
        0x110 + number for number in range(16) if number not in (0, 3, 15)
    ]
    assert found.field(BANK1_NATS) == 1 | 1 << 3 | 1 << 15
    assert found.field(BANK, 4) == 0
    assert not any(found.processor.nat[16:32])


def test_an_interruption_masks_and_stops_collecting() -> None:
    """reflect_interruption: the mask byte 1, interrupt_collection_enabled 0; ipsr says what they were."""
    found = ran("break 0x77", registers={"psr.i": 1})
    assert (found.field(MASK_BYTE, 1), found.field(COLLECTS, 4)) == (1, 0)
    assert found.field(IPSR) & (PSR_I | PSR_IC) == PSR_I | PSR_IC
    assert found.field(IFS) >> 63 == 0


def test_the_slot_is_told() -> None:
    """SDM 2:3.3.5.1: ipsr.ri and isr.ei are the slot's number."""
    found = ran("{ .mfi\n nop.m 0\n nop.f 0\n break.i 0x77 }")
    assert found.field(IPSR) >> 41 & 3 == found.field(ISR) >> 41 & 3 == 2


def test_a_miss_while_nothing_is_collected_is_a_nested_one() -> None:
    """SDM 2:8.3, Data Nested TLB vector: no register is changed."""
    found = ran("ld8 r20 = [r9]", registers={"r9": FAR, "psr.ic": 0, "cr.ifa": 0x55, "cr.isr": 0x66})
    assert found.end == "interruption: data nested tlb"
    assert (found.field(IFA), found.field(ISR)) == (0x55, 0x66)


def test_a_program_cannot_reach_the_kernels_pages() -> None:
    """Pages of level 0 are the kernel's, at level 2; a program at level 3 has no right to them."""
    page = Page(FAR, 0x0400_0000, 14, level=0)
    assert done("ld8 r20 = [r9]", registers={"r9": FAR}, pages=[page]).costs.events["translation", "d"] >= 1
    found = ran("ld8 r20 = [r9]", mode="user", registers={"r9": FAR}, pages=[page])
    assert (found.end, found.field(IFA)) == ("interruption: data access rights", FAR)


# ------------------------------------------------------------------------------------- trap


def test_time_faults_where_it_is_secured() -> None:
    """SDM 3:2, mov ar.itc: a Privileged Register fault above level 0 while psr.si is 1, which is emulated."""
    found = done("mov r20 = ar.itc", "trap", environment=ticking, registers={"ar.itc": 1 << 50})
    assert 1 << 50 <= found.r(20) < (1 << 50) + 100
    assert found.environment.machine.psr & 1 << 23
    assert found.costs.of_kind("emulated") == 1


REGIONS: Final = {"cr.pta": 0x2000_0001_0000_0000 | 20 << 2 | 1, "rr[1]": 0x1234 << 8 | 14 << 2, "r9": FAR}


@pytest.mark.parametrize("mnemonic", ["thash", "ttag"])
@pytest.mark.parametrize("instance", ["xen", "trap"])
def test_bare_hashes_are_of_the_machines_own_table(mnemonic: str, instance: str) -> None:
    """They fault nowhere (SDM 3:2), and go by the hypervisor's pta and rr."""
    source = f"{mnemonic} r20 = r9"
    found = done(source, instance, registers=REGIONS)
    machine = found.environment.machine
    assert found.r(20) != done(source, "native", registers=REGIONS).r(20)
    if mnemonic == "thash":
        assert found.r(20) >> 61 == FAR >> 61
        low = machine.cr[CONTROL["pta"]] & (1 << 61) - (1 << 20)
        assert found.r(20) & (1 << 61) - (1 << 20) == low
    assert not found.costs.of_kind("emulated")


def test_a_bare_cover_does_not_tell_of_the_frame() -> None:
    """The machine's own psr.ic is 1: cr.ifs stays, which a kernel without collection counts on."""
    source = "alloc r32 = ar.pfs, 0, 3, 4, 0 ;;\n cover ;;\n mov r20 = cr.ifs"
    registers = {"psr.ic": 0, "cr.ifs": 0x55}
    assert done(source, "native", registers=registers).r(20) == VALID | 3 << 7 | 7
    assert done(source, "trap", registers=registers).r(20) == 0x55


@pytest.mark.parametrize("instance", ["xen", "trap"])
def test_a_bare_cpuid_is_the_machines(instance: str) -> None:
    found = done("mov r9 = 0 ;;\n mov r20 = cpuid[r9]", instance)
    assert found.r(20) != TICKING.cpuid[0]
    assert done("mov r9 = 0 ;;\n mov r20 = cpuid[r9]", "native").r(20) == TICKING.cpuid[0]


@pytest.mark.parametrize("instance", ["xen", "trap"])
def test_a_bare_pmd_reads_0_where_it_is_not_permitted(instance: str) -> None:
    """SDM 3:2, mov pmd: 0 for a monitor that is privileged, above level 0."""
    registers = {"pmd[4]": 77, "pmc[4]": 1 << 6, "r9": 4}
    assert done("mov r20 = pmd[r9]", instance, registers=registers).r(20) == 0
    assert done("mov r20 = pmd[r9]", "native", registers=registers).r(20) == 77


CALLS: Final[Sequence[tuple[int, int, str]]] = (
    (0x1C0002, FAR, "thash r8 = r8"),
    (0x1C0003, FAR, "ttag r8 = r8"),
    (0x1C0006, 0, "mov r8 = cpuid[r8]"),
    (0x1C0007, 4, "mov r8 = pmd[r8]"),
)


@pytest.mark.parametrize(("number", "given", "native"), CALLS, ids=[each[2] for each in CALLS])
def test_calls_of_trap_do_what_the_instruction_would(number: int, given: int, native: str) -> None:
    registers = {**REGIONS, "r8": given, "pmd[4]": 77}
    found = done(f"break {number}", "trap", registers=registers)
    assert found.r(8) == done(native, "native", registers=registers).r(8)
    assert found.costs.of_kind("call") == 1


def test_cover_and_eflag_by_calls_of_trap() -> None:
    source = "alloc r32 = ar.pfs, 0, 3, 4, 0 ;;\n break 0x1c0001 ;;\n mov r20 = cr.ifs\n break 0x1c0008"
    found = done(source, "trap", registers={"psr.ic": 0, "r8": 0x246})
    assert (found.r(20), found.processor.ar[24]) == (VALID | 3 << 7 | 7, 0x246)
