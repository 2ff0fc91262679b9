"""The native instance against the plain instructions, by what GNU as makes of both."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from pvasm.paravirt.catalog import Op
from pvasm.paravirt.loading import load_instance
from tests.paravirt.assembler import SERIALIZED, assemble, case_bytes, in_cases
from tests.paravirt.cases import CATALOG, LINUX, OPS, all_cases

NATIVE = load_instance("native")
HVM = load_instance("hvm")

# What each op stands for, written a second time, over the numbers of its arguments.
INSTRUCTIONS = {
    "MOV_FROM_IFA": "mov {0} = cr.ifa",
    "MOV_FROM_ITIR": "mov {0} = cr.itir",
    "MOV_FROM_ISR": "mov {0} = cr.isr",
    "MOV_FROM_IHA": "mov {0} = cr.iha",
    "MOV_FROM_IIM": "mov {0} = cr.iim",
    "MOV_FROM_IIP": "mov {0} = cr.iip",
    "MOV_FROM_IPSR": "({0}) mov {1} = cr.ipsr",
    "MOV_FROM_IVR": "mov {0} = cr.ivr",
    "MOV_FROM_PSR": "({0}) mov {1} = psr",
    "MOV_FROM_ITC": "({0}) mov {2} = ar.itc",
    "MOV_TO_IFA": "mov cr.ifa = {0}",
    "MOV_TO_IIP": "mov cr.iip = {0}",
    "MOV_TO_ITIR": "({0}) mov cr.itir = {1}",
    "MOV_TO_IHA": "({0}) mov cr.iha = {1}",
    "MOV_TO_IPSR": "({0}) mov cr.ipsr = {1}",
    "MOV_TO_IFS": "({0}) mov cr.ifs = {1}",
    "MOV_TO_KR": "mov ar.k{0} = {1}",
    "ITC_I": "({0}) itc.i {1}",
    "ITC_D": "({0}) itc.d {1}",
    "ITC_I_AND_D": "({0}) itc.i {2}\n\t({1}) itc.d {2}",
    "THASH": "({0}) thash {1} = {2}",
    "SSM_PSR_IC_AND_DEFAULT_BITS_AND_SRLZ_I": "ssm 0x2008\n\t;;\n\tsrlz.i\n\t;;",
    "SSM_PSR_IC_AND_SRLZ_D": "ssm 0x2000\n\t;;\n\tsrlz.d",
    "RSM_PSR_IC": "rsm 0x2000",
    "SSM_PSR_I": "({0}) ssm 0x4000",
    "RSM_PSR_I": "({0}) rsm 0x4000",
    "RSM_PSR_I_IC": "rsm 0x6000",
    "RSM_PSR_DT": "rsm 0x20000",
    "RSM_PSR_BE_I": "rsm 0x4002",
    "SSM_PSR_DT_AND_SRLZ_I": "ssm 0x20000\n\t;;\n\tsrlz.i",
    "BSW_0": "bsw.0",
    "BSW_1": "bsw.1",
    "COVER": "cover",
    "RFI": "rfi",
}
EXTENSION = {
    "TTAG": "({0}) ttag {1} = {2}",
    "FC": "({0}) fc {1}",
    "FC_I": "({0}) fc.i {1}",
    "MOV_FROM_CPUID": "({0}) mov {1} = cpuid[{2}]",
    "MOV_FROM_PMD": "({0}) mov {1} = pmd[{2}]",
    "MOV_FROM_EFLAG": "({0}) mov {1} = ar24",
    "MOV_TO_EFLAG": "({0}) mov ar24 = {1}",
    "PTC_GA": "({0}) ptc.ga {1}, {2}",
    "ITR_D": "({0}) itr.d dtr[{1}] = {2}",
    "MOV_FROM_RR": "({0}) mov {1} = rr[{2}]",
    "MOV_TO_RR": "({0}) mov rr[{1}] = {2}",
    "MOV_FROM_TPR": "({0}) mov {1} = cr66",
    "MOV_TO_TPR": "({0}) mov cr66 = {1}",
    "MOV_TO_EOI": "({0}) mov cr67 = {1}",
    "MOV_FROM_ITM": "({0}) mov {1} = cr1",
    "MOV_TO_ITM": "({0}) mov cr1 = {1}",
    "MOV_FROM_RUC": "({0}) mov {1} = ar45",
    "MOV_FROM_IFS": "({0}) mov {1} = cr23",
    "MOV_FROM_IIPA": "({0}) mov {1} = cr22",
    "MOV_FROM_DCR": "({0}) mov {1} = cr0",
    "MOV_FROM_IVA": "({0}) mov {1} = cr2",
    "MOV_FROM_PTA": "({0}) mov {1} = cr8",
    "RSM_PSR_BE": "({0}) rsm 2",
}
KERNEL_REGISTERS = {
    "IO_BASE": 0,
    "TSSD": 1,
    "PER_CPU_DATA": 3,
    "CURRENT_STACK": 4,
    "FPU_OWNER": 5,
    "CURRENT": 6,
    "PT_BASE": 7,
}


def test_the_catalog_has_every_op() -> None:
    assert {op.name for op in LINUX} == set(INSTRUCTIONS)
    assert {op.name for op in OPS} == {*INSTRUCTIONS, *EXTENSION}
    assert CATALOG.kernel_registers == KERNEL_REGISTERS


def plain_instruction(op: Op, case: Sequence[str]) -> list[str]:
    """The instruction that an op with these arguments stands for."""
    words = [str(KERNEL_REGISTERS.get(word, word)) for word in case]
    return [{**INSTRUCTIONS, **EXTENSION}[op.name].format(*words)]


def test_assembles_to_the_bytes_of_the_instruction(tmp_path: Path) -> None:
    cases = [(op, case) for op in OPS for case in all_cases(op, NATIVE)]
    expanded, _ = assemble(in_cases((NATIVE.expand(op, case).lines for op, case in cases), SERIALIZED), tmp_path)
    got = case_bytes(expanded)
    written, _ = assemble(in_cases((plain_instruction(op, case) for op, case in cases), SERIALIZED), tmp_path)
    wrong = [case for case, ours, theirs in zip(cases, got, case_bytes(written), strict=True) if ours != theirs]
    assert not wrong


def test_full_virtualization_has_the_same_ops() -> None:
    for op in OPS:
        assert list(all_cases(op, HVM)) == list(all_cases(op, NATIVE))
        assert all(HVM.expand(op, case).lines == NATIVE.expand(op, case).lines for case in all_cases(op, HVM))


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_is_one_line(op: Op) -> None:
    for case in all_cases(op, NATIVE):
        assert len(NATIVE.expand(op, case).lines) == 1
