"""sample_S/patch.S, run at boot, makes of an image what `pvasm patch` makes of it ahead of time."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from pvsim import Machine, load_image
from pvsim.machine.notes import StaleCode

from pvasm.objects.elf_file import elf_file_of
from pvasm.objects.object_image import image_of_object
from pvasm.patch.patching import patched, sites_of
from pvasm.patch.single_binary import ROOMS, Room
from tests.oracle import require_tool
from tests.patch.made import SAMPLES, assembled, single
from tests.slow import few

_BEGIN = """
	.section .pv_alternatives, "a", "progbits"
from:
	.text
	.global boot
boot:
	alloc loc0 = ar.pfs, 1, 2, 3, 0
	mov loc1 = b0
	movl out0 = from
	movl out1 = to
	mov out2 = in0
	;;
	br.call.sptk.many b0 = pv_patch
	;;
	mov ar.pfs = loc0
	mov b0 = loc1
	break.m 1
	;;
"""
_END = """
	.section .pv_alternatives, "a", "progbits"
	.global to
to:
	.section .wanted, "a", "progbits"
	.global wanted
wanted:
	stringz "{}"
"""


def linked(tmp_path: Path, room: Room, name: str) -> bytes:
    """An image of samples' single binaries, between labels at the ends of their records."""
    sources = {
        part: single(SAMPLES / f"{part}.S", ("native", "xen", "trap"), room).text
        for part in ("ivt", "exit", "switch_to")
    }
    return linked_texts(tmp_path, sources, name)


def linked_texts(tmp_path: Path, sources: Mapping[str, str], name: str, options: Sequence[str] = ()) -> bytes:
    """An image of sources by their names, between labels at the ends of their records; `options` are the linker's."""
    objects = []
    texts = {"begin": _BEGIN, **sources, "patch": (SAMPLES / "patch.S").read_text(), "end": _END.format(name)}
    for part, text in texts.items():
        assembled(text, tmp_path / f"{part}.o")
        objects.append(str(tmp_path / f"{part}.o"))
    image = tmp_path / "image"
    command = [require_tool("ia64-linux-gnu-ld"), "-e", "boot", "-Ttext", "0x100000", "-Tdata", "0x400000"]
    subprocess.run(
        [*command, "--unresolved-symbols=ignore-all", *options, "-o", str(image), *objects],
        check=True,
        capture_output=True,
        text=True,
    )
    return image.read_bytes()


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("name", [*few(("xen", "trap", "native", "nobody"), "xen")])
def test_it_does_what_patch_does(room: Room, name: str, tmp_path: Path) -> None:
    data = linked(tmp_path, room, name)
    sites = sites_of(data, "image")
    assert len(sites.sites) == 59 + 16 + 4
    assert set(sites.states) == {"native"}
    wanted = data if name == "nobody" else patched(data, "image", name)
    assert_boot_makes(data, wanted, sum(name in site.records for site in sites.sites if name != "native"))


def boot_gives(data: bytes) -> int:
    """What pv_patch returns in an image."""
    return _booted(data).gr[8]


def _booted(data: bytes) -> Machine:
    image = image_of_object(elf_file_of(data, "image"))
    machine = Machine()
    load_image(machine, image)
    machine.ip = image.symbols["boot"]
    machine.gr[32] = image.symbols["wanted"]
    stop = machine.run(1_000_000)
    assert str(stop).startswith("break instruction")
    return machine


def assert_boot_makes(data: bytes, patched_image: bytes, number: int) -> None:
    """Fails unless an image patches so many sites of itself, and then has the code of another."""
    wanted = elf_file_of(patched_image, "image")
    machine = _booted(data)
    assert machine.gr[8] == number
    for section in wanted.sections:
        if section.is_code:
            assert machine.memory.read(section.address, section.size) == bytes(section.data), section.name
    assert not [note for note in machine.notes if isinstance(note, StaleCode)]
