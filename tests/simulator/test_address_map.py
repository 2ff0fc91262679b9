"""Programs as ld makes them: code in region 2, data in region 3."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from pvsim.address_map import AddressMap
from pvsim.function_run import FunctionRun

from pvasm.asm.image import Image, Segment
from pvasm.errors import PvasmError
from pvasm.objects.elf_file import read_elf_file
from pvasm.objects.object_image import image_of_object
from tests.objects.assembling import PROGRAM, assembled
from tests.oracle import require_tool


def program(folder: Path) -> Image:
    """PROGRAM, linked as ld does where nobody says otherwise."""
    assembled(PROGRAM, folder)
    command = [require_tool("ia64-linux-gnu-ld"), "-e", "start", "-o", str(folder / "made"), str(folder / "again.o")]
    subprocess.run(command, check=True)
    return image_of_object(read_elf_file(folder / "made"))


@pytest.mark.parametrize("mode", ["user", "sys"])
def test_a_program_runs_at_its_own_addresses(tmp_path: Path, mode: str) -> None:
    run = FunctionRun(program(tmp_path), None, mode)
    assert run.finish(1000), list(run.told())[-1]
    assert [run.machine.gr[number] for number in (9, 10, 20, 8)] == [0x1234, 0x1234, 42, 84]
    room, twice = (run.image.symbols[name] for name in ("room", "twice"))
    assert (room >> 61, twice >> 61) == (3, 2)
    assert f"[{room:#x}] = {twice.to_bytes(8, 'little').hex()}" in list(run.told())


def test_memory_is_set_at_a_virtual_address(tmp_path: Path) -> None:
    run = FunctionRun(program(tmp_path), None, "user")
    run.set_memory(run.image.symbols["value"], (7).to_bytes(8, "little"))
    assert run.finish(1000)
    assert run.machine.gr[9] == 7


def test_a_trace_shows_code_at_a_virtual_address(tmp_path: Path) -> None:
    run = FunctionRun(program(tmp_path), None, "user")
    first = next(run.trace(1000))
    assert first.split() == ["start", "alloc", "r35=ar.pfs,5,4,0", *["cfm.sof", "=", "0x5,", "cfm.sol", "=", "0x4"]]


def test_physical_modes_refuse_virtual_addresses(tmp_path: Path) -> None:
    with pytest.raises(PvasmError, match="is at 0x4000000000000000, a virtual address: use --mode user or --mode sys"):
        FunctionRun(program(tmp_path), None)


def test_a_segment_must_be_near_its_region() -> None:
    with pytest.raises(PvasmError, match="x is at 0x4000010000000000, too far from its region's start"):
        AddressMap(Image([Segment("x", 0x4000_0100_0000_0000, bytearray(1))]))


def test_addresses_and_places_are_one_to_one() -> None:
    found = AddressMap(Image([Segment("x", region << 61 | 0x1234, bytearray(16)) for region in (0, 2, 7)]))
    for address in (0, 0x1234, 2 << 61 | 0x1234, 7 << 61 | 0xFFFF):
        assert found.virtual(found.physical(address)) == address
    assert found.physical(1 << 61) == 1 << 61  # no part of the image is there
