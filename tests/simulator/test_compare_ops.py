"""Every op, for every instance, does what native does: registers, NaTs, status, translations, interrupts."""

from __future__ import annotations

from random import Random

import pytest

from pvasm.paravirt.catalog import Op
from tests.paravirt.cases import OPS
from tests.simulator.compare_ops import INSTANCES, cases, compare_op
from tests.simulator.mutated_instances import Trial, arguments_of, reason_of, survivors


def _told(op: Op, arguments_an_op: int, states: int) -> list[str]:
    chosen = cases(op, INSTANCES)
    chosen = Random(op.name).sample(chosen, min(arguments_an_op, len(chosen)))
    found = [each for given, takers in chosen for each in compare_op(op, given, takers, states, "test").different]
    return [f"{' '.join(given)} {name} {at}: {differences[0]}" for _, given, name, at, differences in found]


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_an_op_does_what_native_does(op: Op) -> None:
    assert _told(op, 1, 2) == []


@pytest.mark.slow
@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_an_op_does_what_native_does_for_more_arguments(op: Op) -> None:
    assert _told(op, 4, 2) == []


MUTATED = (
    *(("xen", name) for name in ("MOV_FROM_IFA", "MOV_TO_IPSR", "THASH", "ITC_D", "MOV_FROM_RR", "RSM_PSR_I_IC")),
    *(("xen", name) for name in ("MOV_TO_EOI", "SSM_PSR_IC_AND_DEFAULT_BITS_AND_SRLZ_I", "SSM_PSR_IC_AND_SRLZ_D")),
    *(("trap", name) for name in ("TTAG", "COVER")),
    *(("native", name) for name in ("SSM_PSR_IC_AND_SRLZ_D", "ITC_I_AND_D", "RFI")),
    ("native-poison", "MOV_FROM_ITC"),
)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "op_name"), MUTATED)
def test_what_is_wrong_in_an_expansion_is_found(name: str, op_name: str) -> None:
    op = next(each for each in OPS if each.name == op_name)
    found = survivors(op, name, arguments_of(op, name, 1, "0")[0], 12, "test")
    assert found.is_sound
    assert [each.told for each in found.left if not reason_of(op, each)] == []
    assert sum(found.counts.values())


def test_where_nothing_is_changed_nothing_is_found() -> None:
    """Neighbours of an op, looked at with the rules of groups, are no mistake of it."""
    for name in ("BSW_1", "MOV_TO_KR", "SSM_PSR_DT_AND_SRLZ_I"):
        op = next(each for each in OPS if each.name == name)
        assert Trial(op, "xen", arguments_of(op, "xen", 1, "0")[0], 4, "test").is_sound(), name
