"""S8: a check holds memory that grows with a long line and with what is found, not with their product."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import pytest

from tests.check.checking import check

SIZES = (2_000, 4_000, 8_000, 16_000)
CODES = ("PV0", "PV1", "PV4", "PV9")


def peak_bytes(text: str) -> int:
    tracemalloc.start()
    try:
        check(text, *CODES)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["COVER ", "cover;", "fc r3 fc r3 ", "RFI(x) ", "FOO(cover) ", "mov r1 = COVER;"])
def test_a_long_line(unit: str) -> None:
    check("\tfc r3\n\tCOVER x\n", *CODES)  # what is loaded once is loaded
    peaks = [peak_bytes(unit * (size // len(unit)) + "\n") for size in SIZES]
    # A doubled line may double what is held, and a table may have just grown.
    assert all(larger < 2.7 * smaller for smaller, larger in pairwise(peaks)), peaks
    assert peaks[-1] < 3_000 * SIZES[-1]


def test_what_is_shown_of_a_long_statement_is_a_piece() -> None:
    found = check("COVER " * 500 + "\n", "PV105")
    assert len(found) > 400
    assert max(len(each.statement) for each in found) < 500
    assert max(len(each.source_line) for each in found) < 500
    other = check("COVER " * 501 + "\n", "PV105")
    assert found[1].statement != other[1].statement  # still told apart, by a digest
