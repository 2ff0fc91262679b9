"""Every op, for every instance, does what native does: registers, NaTs, status, translations, interrupts."""

from __future__ import annotations

from random import Random

import pytest

from pvasm.paravirt.catalog import Op
from tests.paravirt.cases import OPS
from tests.simulator.compare_ops import INSTANCES, cases, compare_op
from tests.simulator.mutated_instances import survivors


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


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MOV_FROM_IFA", "MOV_TO_IPSR", "THASH", "ITC_D"])
def test_what_is_wrong_in_an_expansion_is_found(name: str) -> None:
    op = next(each for each in OPS if each.name == name)
    given = next(arguments for arguments, _ in cases(op, ["xen"]) if {"r8", "r9", "p0"}.isdisjoint(arguments))
    found = survivors(op, "xen", given, 12, "test")
    assert found.is_sound
    assert [each.told for each in found.left] == []
