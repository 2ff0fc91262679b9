"""Branches beyond 16 MiB: `brl` where there is room for one, as GNU's objdump reads it, at boot as well."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from pvasm.errors import PvasmError
from pvasm.isa.bundle import SIZE
from pvasm.isa.encoding import EncodingError
from pvasm.objects.elf_file import elf_file_of
from pvasm.objects.long_branches import aimed_bundle, aimed_with_room
from pvasm.patch.patching import patched, sites_of
from pvasm.patch.source import CppSettings, single_binary_of_file
from tests.oracle import require_tool
from tests.patch.made import assembled
from tests.patch.test_at_boot import assert_boot_makes, boot_gives, linked_texts

NEAR, FAR = 0x10_0000, 0x1_2345_6780

_NEXT = "\t{ .mii ; nop.m 0 ; nop.i 0 ; nop.i 0 ;; }\n"

_CALL = ".mfb ; nop.m 0 ; nop.f 0 ; (p6) br.call.dpnt.many.clr b3 = here ;;"
_FIRST = ".bbb ; (p7) br.cond.spnt.many here ; nop.b 0 ; nop.b 0 ;;"
# A bundle, the slot of its branch, and what objdump shows of it when it goes to FAR; None where there is no room.
BUNDLES: list[tuple[str, int, list[str] | None]] = [
    (".mib ; ld8 r1 = [r2] ; nop.i 0 ; br.cond.sptk.few here", 2, ["[MLX] ld8 r1=[r2]", "brl.few 0x{far}"]),
    (_CALL, 2, ["[MLX] nop.m 0x0", "(p06) brl.call.dpnt.many.clr b3=0x{far};;"]),
    (".mib ; nop.m 0 ; adds r1 = 1, r2 ; br.cond.sptk.few here", 2, ["[MLX] adds r1=1,r2", "brl.few 0x{far}"]),
    (".mmb ; nop.m 0 ; st8 [r2] = r3 ; br.cond.sptk.few here", 2, ["[MLX] st8 [r2]=r3", "brl.few 0x{far}"]),
    (_FIRST, 0, ["[MLX] nop.m 0x0", "(p07) brl.cond.spnt.many 0x{far};;"]),
    (".mib ; nop.m 0 ; mov b6 = r2 ; br.cond.sptk.few here", 2, None),
    (".mib ; adds r1 = 1, r2 ; adds r3 = 1, r2 ; br.cond.sptk.few here", 2, None),
    (".mib ; nop.m 1 ; adds r3 = 1, r2 ; br.cond.sptk.few here", 2, None),
    (".bbb ; br.cond.sptk.few here ; br.ret.sptk.many b0 ; nop.b 0", 0, None),
    (".bbb ; nop.b 0 ; nop.b 0 ; br.cloop.sptk.few here", 2, None),
]


def disassembled(code: bytes, folder: Path, address: int) -> list[str]:
    """What objdump makes of code, line by line, without addresses and bytes."""
    (folder / "code").write_bytes(code)
    command = [require_tool("ia64-linux-gnu-objdump"), "-D", "-b", "binary", "-m", "ia64-elf64", "code"]
    done = subprocess.run(
        [*command, f"--adjust-vma={address:#x}"], cwd=folder, check=True, capture_output=True, text=True
    )
    lines = re.findall(r"^\s+[0-9a-f]+:(?:\s[0-9a-f]{2})+\s{2,}(\S.+)$", done.stdout, re.MULTILINE)
    return [" ".join(line.split()) for line in lines]


@pytest.mark.parametrize(("text", "slot", "wanted"), BUNDLES, ids=[each[0] for each in BUNDLES])
def test_a_bundle_with_room(text: str, slot: int, wanted: list[str] | None, tmp_path: Path) -> None:
    data = assembled(f"\t.explicit\nhere:\t{{ {text} }}\n{_NEXT}", tmp_path / "code.o")
    section = elf_file_of(data, "code.o").section_named(".text")
    assert section is not None
    code = bytes(section.data[:SIZE])
    for far in (FAR, NEAR + (1 << 24), 0x7FFF_FFFF_FFFF_FFF0):
        if wanted is None:
            with pytest.raises(EncodingError, match=r"does not fit in .*, and its bundle has no room for brl"):
                aimed_bundle(code, slot, NEAR, far)
        else:
            made = disassembled(aimed_bundle(code, slot, NEAR, far), tmp_path, NEAR)
            assert made == [each.format(far=f"{far:x}") for each in wanted]
    near = disassembled(aimed_bundle(code, slot, NEAR, NEAR + (1 << 24) - SIZE), tmp_path, NEAR)
    assert any(f"{NEAR + (1 << 24) - SIZE:x}" in line and "brl" not in line for line in near)


def test_a_bundle_more_where_a_site_has_one(tmp_path: Path) -> None:
    text = "{ .mib ; adds r1 = 1, r2 ; mov b6 = r2 ; br.cond.sptk.few here ;; }"
    data = assembled(f"\t.explicit\nhere:\t{text}\n{_NEXT}", tmp_path / "code.o")
    section = elf_file_of(data, "code.o").section_named(".text")
    assert section is not None
    made = aimed_with_room(bytes(section.data[:SIZE]), 2, NEAR, FAR)
    lines = ["[MIB] adds r1=1,r2", "mov b6=r2", "nop.b 0x0", "[MLX] nop.m 0x0", f"brl.few {FAR:#x};;"]
    assert disassembled(made, tmp_path, NEAR) == lines


# ------------------------------------------------------------------------------------- images

SOURCE = """
	.text
	.global entry
entry:
	.regstk 2, 0, 0, 0
	adds r27 = 1, r28 ;;
	RSM_PSR_I(p0, r18, r21)
	;;
	MOV_FROM_ITC(p0, p6, r19, r20)
	;;
	SSM_PSR_I(p0, p6, r20)
	;;
	br.ret.sptk.many b0 ;;
"""


def test_replacements_far_away(tmp_path: Path) -> None:
    """They are linked 256 MiB away. `pvasm patch` makes `brl`; patch.S does at boot with `--long-branches` alone.

    GNU ld has made it `brl` that leads back where it is `br` in the source.
    """
    (tmp_path / "source.s").write_text(SOURCE)
    for is_long in (False, True):
        made = single_binary_of_file(
            str(tmp_path / "source.s"), ("native", "xen"), "slots", CppSettings(), long_branches=is_long
        )
        assert made.counts.elsewhere["xen"] > 0
        data = linked_texts(tmp_path, {"op": made.text}, "xen", ["--section-start=.pv_replacements=0x10000000"])
        for_xen = patched(data, "image", "xen")
        sites = sites_of(for_xen, "image")
        assert patched(for_xen, "image", "native") == data
        if is_long:
            assert_boot_makes(data, for_xen, sum("xen" in each.records for each in sites.sites))
        else:  # what stands before the first of those that would not reach is patched
            assert boot_gives(data) == (1 << 64) - 1
        branches = [each for each in sites.sites if each.records["xen"].is_branch]
        assert len(branches) == made.counts.elsewhere["xen"]
        for site in branches:
            section = sites.file.sections[site.place.section]
            address = section.address + site.place.offset
            code = bytes(section.data[site.place.offset : site.place.offset + SIZE])
            (_, line) = disassembled(code, tmp_path, address)
            target = int(line.removeprefix("brl.few ").removesuffix(";;"), 16)
            assert target >> 28 == 1


# Two functions that a call may go to, and calls of 2 and of 1 bundles, whose code for xen is linked between both.
CALLS = """
	.section .low, "ax", "progbits"
	.global entry
entry:
	nop 1 ;;
site:	nop 2 ;;
	{extra}
site_end:
	.section .pv_replacements, "ax", "progbits"
native:	nop 2 ;;
	{extra}
native_end:
xen:	{{ .mib ; nop.m 0 ; mov b6 = r17 ; br.cond.sptk.few far ;; }}
xen_end:
	.section .high, "ax", "progbits"
far:	nop 3 ;;
	.section .pv_names, "aMS", "progbits", 1
1:	stringz "native"
2:	stringz "xen"
	.section .pv_alternatives, "a", "progbits"
	data4 site - ., site_end - site, 1b - ., native - ., native_end - native, 2
	data4 site - ., site_end - site, 2b - ., xen - ., xen_end - xen, 4
"""


@pytest.mark.parametrize("has_room", [True, False])
def test_a_call_that_reaches_only_from_the_copy(has_room: bool, tmp_path: Path) -> None:
    """The copy is 12 MiB from both, the site 24 MiB from the function."""
    text = CALLS.format(extra="{ .mmi ; nop.m 4 ; nop.m 0 ; nop.i 0 ;; }" if has_room else "")
    assembled(text, tmp_path / "call.o")
    sections = {
        ".low": 0x10_0000,
        ".pv_replacements": 0xD0_0000,
        ".high": 0x190_0000,
        ".pv_alternatives": 0x20_0000,
        ".pv_names": 0x30_0000,
    }
    places = [f"--section-start={name}={at:#x}" for name, at in sections.items()]
    command = [require_tool("ia64-linux-gnu-ld"), "-e", "entry", *places, "-o", "image", "call.o"]
    subprocess.run(command, cwd=tmp_path, check=True)
    data = (tmp_path / "image").read_bytes()
    if not has_room:
        with pytest.raises(PvasmError) as caught:
            patched(data, "image", "xen")
        assert str(caught.value) == (
            "image: site: the code for xen: 0x1900000 does not fit in `br.few 0xd00000', "
            "which takes the address of a bundle, from -0x1000000 to 0xfffff0 away, and its bundle has no room for brl"
        )
        return
    made = patched(data, "image", "xen")
    low = elf_file_of(made, "image").section_named(".low")
    assert low is not None
    lines = ["[MIB] nop.m 0x0", "mov b6=r17", "nop.b 0x0", "[MLX] nop.m 0x0", "brl.few 0x1900000;;"]
    assert disassembled(bytes(low.data[SIZE:]), tmp_path, 0x10_0010) == lines
    assert sites_of(made, "image").states == ["xen"]
    assert patched(made, "image", "native") == data
