"""The xen instance against Linux's own Xen macros: sizes after assembly, and the table of them in docs/instances.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pvasm.paravirt.loading import load_instance
from tests.paravirt.assembler import Size, assemble, in_cases, sizes
from tests.paravirt.cases import CATALOG, LINUX, OPS, plain

DOCUMENT = Path(__file__).parents[2] / "docs" / "instances.md"
XEN = load_instance("xen")
ROW = re.compile(r"\| [A-Z][A-Z_0-9]+ \| \d")

# Linux 3.12's Xen macros, measured after assembly: with registers that are nothing special as arguments, and (IN_PLACE)
# with the arguments already in r8 and r9.
READ = Size(2, 2, 2)
THEIRS = {
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
IN_PLACE = {
    "MOV_FROM_IVR": (["r8", "r9"], Size(1, 1, 1)),
    "MOV_FROM_PSR": (["p6", "r8", "r9"], Size(1, 1, 1)),
    "MOV_TO_KR": (["CURRENT", "r9", "r8", "r10"], Size(2, 2, 1)),
    "ITC_I": (["p6", "r8", "r9"], Size(1, 1, 1)),
    "ITC_D": (["p6", "r8", "r9"], Size(1, 1, 1)),
    "ITC_I_AND_D": (["p6", "p7", "r8", "r9"], Size(2, 2, 1)),
    "THASH": (["p6", "r8", "r9", "r10"], Size(2, 1, 1)),
}
# What does more than Linux's, and may have more instructions for it; docs/instances.md says what.
DOES_MORE = {"SSM_PSR_IC_AND_DEFAULT_BITS_AND_SRLZ_I": Size(5, 2, 2)}
EXTENSION = [op for op in OPS if op.extension]
EXTENSION_IN_PLACE = {
    **{name: ["p6", "r8", "r20"] for name in ("FC", "FC_I", "MOV_TO_EFLAG", "MOV_TO_TPR", "MOV_TO_EOI")},
    **{name: ["p6", "r8", "r8", "r20"] for name in ("MOV_FROM_CPUID", "MOV_FROM_PMD")},
    "MOV_FROM_EFLAG": ["p6", "r8", "r20"],
    **{name: ["p6", "r8", "r9", "r20", "r21"] for name in ("PTC_GA", "ITR_D", "MOV_TO_RR")},
}
# Xen takes no notice of what the register holds: that a NaT in it faults is an instruction more.
MORE_THAN_A_CALL = {"MOV_TO_EOI": Size(2, 1, 1)}


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, bool], Size]:
    """The sizes of the expansions, by op, and whether the arguments are in place."""
    cases = {(op.name, False): plain(op) for op in OPS}
    cases |= {(name, True): arguments for name, (arguments, _) in IN_PLACE.items()}
    cases |= {(name, True): arguments for name, arguments in EXTENSION_IN_PLACE.items()}
    lines = [XEN.expand(CATALOG.ops[name], arguments).lines for (name, _), arguments in cases.items()]
    output, messages = assemble(in_cases(lines), tmp_path_factory.mktemp("sizes"))
    assert messages == ""
    return dict(zip(cases, sizes(output), strict=True))


def test_none_is_larger_than_linux_has_it(ours: dict[tuple[str, bool], Size]) -> None:
    limits = {(name, False): DOES_MORE.get(name, size) for name, size in THEIRS.items()}
    limits |= {(name, True): size for name, (_, size) in IN_PLACE.items()}
    assert {op.name for op in LINUX} == set(THEIRS)
    for case, limit in limits.items():
        assert all(mine <= theirs for mine, theirs in zip(ours[case], limit, strict=True)), (case, ours[case], limit)


def test_a_call_whose_arguments_are_in_place_is_the_call_alone(ours: dict[tuple[str, bool], Size]) -> None:
    for name in EXTENSION_IN_PLACE:
        assert ours[name, True] == MORE_THAN_A_CALL.get(name, Size(1, 1, 1)), name


def test_the_tables_are_those_of_the_document(ours: dict[tuple[str, bool], Size]) -> None:
    def cell(name: str, sizes: dict[tuple[str, bool], Size]) -> str:
        in_place = sizes.get((name, True))
        return "/".join(map(str, sizes[name, False])) + (f" [{'/'.join(map(str, in_place))}]" if in_place else "")

    theirs = {(name, False): size for name, size in THEIRS.items()}
    theirs |= {(name, True): size for name, (_, size) in IN_PLACE.items()}
    rows = [line for line in DOCUMENT.read_text().splitlines() if ROW.match(line)]
    listed = {row.split("|")[1].strip() for row in rows}
    assert {op.name for op in LINUX} <= listed  # what is compared with Linux is compared whole
    due = [f"| {op.name} | {cell(op.name, ours)} |" for op in EXTENSION if op.name in listed]
    due += [f"| {op.name} | {cell(op.name, theirs)} | {cell(op.name, ours)} |" for op in LINUX]
    assert len(rows) == len(due)
    # The rows of the extension have more cells: what it is made of, which is for people.
    assert [row[: len(text)] for row, text in zip(rows, due, strict=True)] == due, "\n".join(due)
