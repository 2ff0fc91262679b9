"""Breakages of the samples: an op written bare goes wrong where it does not fault, and compare names the line."""

from __future__ import annotations

import pytest

from tests.simulator.seeded_breakages import FILES, Tries, breakages, lines_of

VISIBLE = {
    ("ivt.S", 32, "COVER"),
    *(("ivt.S", line, "THASH") for line in (201, 296, 328, 401)),
}
"""What does not fault, and does something else above level 0."""

EQUIVALENT = {("exit.S", 81, "COVER"), ("exit.S", 204, "COVER")}
"""A cover is right but for cr.ifs, which it does not write for a guest; here MOV_TO_IFS does, before rfi reads it."""

TIMES = dict.fromkeys((("exit.S", 46, "MOV_FROM_ITC"), ("fsys.S", 66, "MOV_FROM_ITC")), "line")
"""Reading the time faults where a hypervisor secures it; Xen does not, and its guest's time has an offset.

exit.S reads it into r22, which other ops of the file have as a clobber: it shows when it is stored, three lines below.
"""


def found(file: str, instance: str, states: int) -> dict[tuple[str, int, str], str]:
    """What came of each breakage of a file."""
    tries = Tries(file, [instance], states, 0)
    return {(file, each.line, each.op): tries.answers(each)[instance].kind for each in breakages(file)}


@pytest.mark.slow
def test_each_breakage_of_the_samples_is_found_under_trap() -> None:
    """All but two, which make no difference; what the variant has in any case is none."""
    kinds = {key: kind for file in FILES for key, kind in found(file, "trap", 3).items() if kind != "same text"}
    assert kinds == dict.fromkeys(VISIBLE, "line") | dict.fromkeys(EQUIVALENT, "unseen")


@pytest.mark.slow
@pytest.mark.parametrize("file", ["exit.S", "fsys.S", "switch_to.S"])
def test_under_xen_what_is_not_found_is_emulated(file: str) -> None:
    kinds = {key: kind for key, kind in found(file, "xen", 5).items() if kind != "emulated"}
    wanted = TIMES | dict.fromkeys(EQUIVALENT, "unseen")
    assert kinds == {key: kind for key, kind in wanted.items() if key[0] == file}


def test_breakages_are_where_ops_are() -> None:
    """Comments and strings have none; in a macro, the lines are the macro's and those of its uses, and of theirs."""
    of_ivt = list(breakages("ivt.S"))
    (cover,) = (each for each in of_ivt if each.op == "COVER")
    assert (cover.line, cover.bare) == (32, "cover")
    assert "\tcover;;" in cover.text()
    assert {418, 454} <= lines_of(cover)
    assert len(of_ivt) == 56
