"""Damaged objects (`mutations.py`): few here, 10,000 by hand."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tests.objects.mutations import failures, sound_files, try_out


def test_what_is_damaged_is_an_error_or_read() -> None:
    assert failures(120, seed=7) == []


@pytest.mark.slow
def test_what_is_damaged_is_an_error_or_read_always() -> None:
    assert failures(1500, seed=50_000) == []


def test_what_is_sound_is_read() -> None:
    with tempfile.TemporaryDirectory() as folder:
        said = {try_out(data) for data in sound_files(Path(folder))}
    assert said == {"read", "nothing defines `sym' (.text+0x0)", "the relocation R_IA64_TPREL14"} - {
        "the relocation R_IA64_TPREL14"
    }
