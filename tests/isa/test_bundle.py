"""Bundles, against what GNU as puts in them and objdump finds there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvasm.isa.bundle import SIZE, TEMPLATES, Bundle
from tests.oracle import require_tool

_NOPS = {"M": "nop.m 0", "I": "nop.i 0", "F": "nop.f 0", "B": "nop.b 0"}


def _bodies() -> list[tuple[str, tuple[int, ...]]]:
    """Every template with the stops that it can have, as the assembler is told of them."""
    return [(each.units, each.stops) for each in TEMPLATES.values()]


def _source(units: str, stops: tuple[int, ...]) -> str:
    slots = ["nop.m 0", "movl r8 = 5"] if units == "MLX" else [_NOPS[unit] for unit in units]
    after = {len(slots) - 1 if stop == 2 else stop for stop in stops}
    lines = [text + (" ;;" if slot in after else "") for slot, text in enumerate(slots)]
    return "\n".join(["{", f" .{units.lower()}", *(f" {line}" for line in lines), "}", ""])


def test_each_template_is_the_assemblers(tmp_path: Path) -> None:
    assembler, objcopy = require_tool("ia64-linux-gnu-as"), require_tool("ia64-linux-gnu-objcopy")
    bodies = _bodies()
    (tmp_path / "t.s").write_text(".explicit\n" + "".join(_source(*body) for body in bodies))
    subprocess.run([assembler, "-o", tmp_path / "t.o", tmp_path / "t.s"], check=True)
    subprocess.run([objcopy, "-O", "binary", "-j", ".text", tmp_path / "t.o", tmp_path / "t.bin"], check=True)
    code = (tmp_path / "t.bin").read_bytes()
    found = [Bundle.of(code[at : at + SIZE]) for at in range(0, len(bodies) * SIZE, SIZE)]
    assert [bundle.template for bundle in found] == list(TEMPLATES)
    objdump = require_tool("ia64-linux-gnu-objdump")
    listing = subprocess.run([objdump, "-d", tmp_path / "t.o"], capture_output=True, text=True, check=True).stdout
    assert re.findall(r"\[(\w{3})\]", listing)[: len(bodies)] == [units for units, _ in bodies]


def test_a_long_instruction_has_its_two_halves_together() -> None:
    code = Bundle(4, (1, 2, 3)).to_bytes()
    assert Bundle.of(code).instructions() == [(0, "M", 1), (1, "X", 3 | 2 << 41)]


def test_a_reserved_template_has_no_instructions() -> None:
    assert {code for code in range(32) if not Bundle(code, (0, 0, 0)).instructions()} == {
        *(0x06, 0x07, 0x14, 0x15, 0x1A, 0x1B, 0x1E, 0x1F)
    }


@given(st.binary(min_size=SIZE, max_size=SIZE))
def test_what_is_read_is_written_back(code: bytes) -> None:
    assert Bundle.of(code).to_bytes() == code


def test_half_a_bundle_is_refused() -> None:
    with pytest.raises(ValueError, match="a bundle is 16 bytes, and not 8"):
        Bundle.of(bytes(8))
