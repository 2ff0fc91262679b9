"""Linux's own records: written by `pvasm tables --call-sites --records linux`, read and applied by `pvasm patch`."""

from __future__ import annotations

import random
import re
import struct
import subprocess
from pathlib import Path

import pytest
from pvsim import Machine, load_image

from pvasm.errors import PvasmError
from pvasm.objects.elf_file import elf_file_of
from pvasm.objects.object_image import image_of_object
from pvasm.patch.linux_patching import linux_patched
from pvasm.patch.linux_records import SECTIONS, linux_sites
from pvasm.patch.object_changes import original
from pvasm.patch.patching import patched, sites_of
from pvasm.patch.records import RecordKind
from pvasm.patch.single_binary import ROOMS, Room, renamed_by
from pvasm.patch.verify import difference
from tests.cli.command import pvasm
from tests.oracle import require_tool
from tests.patch.made import assembled
from tests.tables.called import NAMES, code, functions, instance, made, table

# Facts of Linux 3.12, asm/paravirt_privop.h and asm/ia64regs.h.
TYPES = {
    "fc": 1,
    "thash": 2,
    "get_cpuid": 3,
    "get_pmd": 4,
    "ptcga": 5,
    "get_rr": 6,
    "set_rr": 7,
    "set_rr0_to_rr4": 8,
    "ssm_i": 9,
    "rsm_i": 10,
    "get_psr_i": 11,
    "intrin_local_irq_restore": 12,
    "getreg": 0x1000_0000,
    "setreg": 0x2000_0000,
}
BUNDLES = ".paravirt_bundles"
NEAR = 0x10_0000
SLOW = pytest.mark.slow

BRANCH = """
	.section .paravirt_branches, "a", "progbits"
	.previous
	.global _start, ia64_native_switch_to, ia64_native_leave_kernel
_start:
	nop 0 ;;
	{ .bbb
	nop.b 0
[1:]	br.cond.sptk.many 2f
	nop.b 0 ;;
	}
2:	nop 1 ;;
	.xdata8 ".paravirt_branches", 1b, 0x30000003
ia64_native_switch_to:
	nop 2 ;;
ia64_native_leave_kernel:
	nop 3 ;;
"""
SLOTS = """
	.section .paravirt_insts, "a", "progbits"
	.previous
	.global _start
_start:
	{ .mmi
	nop.m 7
[1:]	break.m 1
	break.i 2
	}
	{ .mmi
[2:]	nop.m 8
	nop.m 9
	nop.i 10 ;;
	}
	.xdata8 ".paravirt_insts", 1b, 2b, 9
"""


def linked(text: str, folder: Path, *options: str) -> bytes:
    """An image of some code, from 0x100000 on."""
    assembled(text, folder / "linux.o")
    command = [require_tool("ia64-linux-gnu-ld"), "-e", "0", "-Ttext", hex(NEAR), *options, "-o", "image", "linux.o"]
    subprocess.run(command, cwd=folder, check=True)
    return (folder / "image").read_bytes()


def disassembled(data: bytes, folder: Path, start: int) -> list[str]:
    """What objdump makes of four bundles."""
    (folder / "patched").write_bytes(data)
    command = [require_tool("ia64-linux-gnu-objdump"), "-d", f"--start-address={start}", "patched"]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    lines = re.findall(r"^\s+[0-9a-f]+:(?:\s[0-9a-f]{2})+\s+(?:\[\w+\])?\s*(.+)$", done.stdout, re.MULTILINE)
    return [" ".join(line.split()) for line in lines]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """The same sites with Linux's records and with ours."""
    folder = tmp_path_factory.mktemp("linux")
    found = []
    kinds: tuple[RecordKind, ...] = ("linux", "pvasm")
    for records in kinds:
        found.append(linked(code(made(folder, records=records)) + functions() + table("native"), folder))
    return found[0], found[1]


def test_records_are_linuxs(images: tuple[bytes, bytes], tmp_path: Path) -> None:
    """Three words of 8 bytes a site, with Linux's number; a site whose register is not known has none."""
    file = elf_file_of(images[0], "image")
    section = file.section_named(BUNDLES)
    assert section is not None
    found = [*struct.iter_unpack("<QQQ", bytes(section.data))]
    known = [each for each in made(tmp_path) if each.member not in ("getreg", "setreg") or each.case is not None]
    assert [each[2] for each in found] == [TYPES[each.member] + (each.case or 0) for each in known]
    at = {each.name: each.value for each in file.symbols}
    numbers = [number for number, each in enumerate(made(tmp_path)) if each in known]
    assert [each[:2] for each in found] == [(at[f"entry_{number}"], at[f"end_{number}"]) for number in numbers]
    assert [(each.address, each.address + each.end - each.start, each.type) for each in linux_sites(file)] == sorted(
        found
    )


@pytest.mark.parametrize("name", NAMES)
def test_what_stands_there_is_what_our_records_put_there(name: str, images: tuple[bytes, bytes]) -> None:
    linux, ours = images
    done, counts = linux_patched(linux, "image", instance(name))
    other = patched(ours, "image", name)
    sites = sites_of(other, "image")
    text, wanted = elf_file_of(done, "image").section_named(".text"), elf_file_of(other, "image").section_named(".text")
    before = elf_file_of(linux, "image").section_named(".text")
    assert text is not None
    assert wanted is not None
    assert before is not None
    long = 0
    known = {each.start for each in linux_sites(elf_file_of(linux, "image"))}
    for site in sites.sites:
        start, end = site.place.offset, site.place.offset + site.length
        if site.records[name].is_branch or start not in known:
            long += start in known
            assert text.data[start:end] == before.data[start:end]  # the call stays
        else:
            assert text.data[start:end] == wanted.data[start:end]
    assert (counts.sites, counts.left, counts.branches) == (len(known) - long, long, 0)
    assert (long > 0) == (name == "xen")


def test_a_branch_goes_to_the_instances_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("image.elf").write_bytes(linked(BRANCH, tmp_path))
    done = pvasm("patch", "image.elf", "-i", "native", "-o", "native.elf")
    assert (done.status, done.output) == (
        0,
        "0 sites of Linux's with code of native, 0 left as they are; 1 branches\n",
    )
    lines = disassembled(Path("native.elf").read_bytes(), tmp_path, NEAR)
    symbols = elf_file_of(Path("native.elf").read_bytes(), "native.elf").symbols
    (target,) = [each.value for each in symbols if "kernel" in each.name]
    assert [line for line in lines if "br." in line] == [f"br.many {target:x} <ia64_native_leave_kernel>"]
    assert (
        pvasm("patch", "native.elf", "--list").output
        == f"{NEAR + 0x11:#x}: branches to {NEAR + 0x12:#x}, type 0x30000003\n"
    )
    done = pvasm("patch", "image.elf", "-i", "xen", "-o", "no.elf")
    assert done.error_lines == [
        "pvasm: error: image.elf: record 0 of .paravirt_branches: tables.pv_cpu_asm_switch.leave_kernel is "
        "xen_leave_kernel, which the image does not define"
    ]


def test_a_branch_that_does_not_reach_is_a_long_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux cuts off the bits that do not fit, and says nothing. Here it is `brl`, or an error without room."""
    monkeypatch.chdir(tmp_path)
    full = BRANCH.replace("nop.b 0 ;;", "br.ret.sptk.many b0 ;;")
    for distance, is_far in (
        (1 << 24, True),
        ((1 << 24) - 0x10, False),
        (-(1 << 24), False),
        (-(1 << 24) - 0x10, True),
    ):
        place = NEAR + 0x1000_0000 + 0x10 + distance
        options = ("-Ttext", hex(NEAR + 0x1000_0000), f"--defsym=xen_leave_kernel={place:#x}")
        Path("image.elf").write_bytes(linked(BRANCH, tmp_path, *options))
        done = pvasm("patch", "image.elf", "-i", "xen", "-o", "xen.elf")
        assert (done.status, done.errors) == (0, ""), hex(distance)
        lines = disassembled(Path("xen.elf").read_bytes(), tmp_path, NEAR + 0x1000_0000)
        (line,) = (each for each in lines if "xen_leave_kernel" in each)
        assert line == f"{'brl' if is_far else 'br'}.many {place:x} <xen_leave_kernel>{';;' if is_far else ''}"
        Path("image.elf").write_bytes(linked(full, tmp_path, *options))
        done = pvasm("patch", "image.elf", "-i", "xen", "-o", "no.elf")
        assert done.status == 2 * is_far, hex(distance)
        if is_far:
            assert (
                f"record 0 of .paravirt_branches: the branch to xen_leave_kernel: {place:#x} does not fit"
                in done.errors
            )
            assert done.errors.endswith(", and its bundle has no room for brl\n")


def test_instructions_of_slots(tmp_path: Path) -> None:
    """The op in the first, a nop in the other; code that needs more than these leaves them as they are."""
    data = linked(SLOTS, tmp_path)
    done, counts = linux_patched(data, "image", instance("native"))
    assert (counts.sites, counts.left) == (1, 0)
    assert disassembled(done, tmp_path, NEAR)[:6] == [
        "nop.m 0x7",
        "ssm 0x4000",
        "nop.i 0x0",
        "nop.m 0x8",
        "nop.m 0x9",
        "nop.i 0xa;;",
    ]
    done, counts = linux_patched(data, "image", instance("xen"))
    assert (counts.sites, counts.left, done) == (0, 1, data)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((NEAR + 1, NEAR + 16, 1), f"from {NEAR + 1:#x} to {NEAR + 16:#x} are no bundles"),
        ((NEAR + 16, NEAR, 1), f"from {NEAR + 16:#x} to {NEAR:#x} are no bundles"),
        ((0, 16, 1), "0x0 to 0x10 is no code"),
        ((NEAR, NEAR + (1 << 40), 1), f"{NEAR:#x} to {NEAR + (1 << 40):#x} is no code"),
        ((NEAR, NEAR + 16, 13), "0xd is the number of no type"),
        ((NEAR, NEAR + 16, 0x3000_0000), "0x30000000 is the number of no type"),
    ],
)
def test_records_that_cannot_be_right(words: tuple[int, int, int], message: str, tmp_path: Path) -> None:
    written = ", ".join(map(hex, words))
    data = linked(f'\tnop 0 ;;\n\tnop 1 ;;\n\t.section {BUNDLES}, "a", "progbits"\n\tdata8 {written}\n', tmp_path)
    with pytest.raises(PvasmError, match=re.escape(f"image: record 0 of {BUNDLES}: {message}")):
        linux_patched(data, "image", instance("native"))


def test_overlapping_sites_cut_off_records_and_objects(tmp_path: Path) -> None:
    words = f"{NEAR:#x}, {NEAR + 32:#x}, 1, {NEAR + 16:#x}, {NEAR + 48:#x}, 1"
    for given, message in (
        (words, "record 1 of .paravirt_bundles: the site overlaps another"),
        ("1", "no multiple of 24"),
    ):
        text = f'\t.rept 9\n\tnop 0 ;;\n\t.endr\n\t.section {BUNDLES}, "a", "progbits"\n\tdata8 {given}\n'
        with pytest.raises(PvasmError, match=message):
            linux_patched(linked(text, tmp_path), "image", instance("native"))
    text = f'\tnop 0 ;;\n\t.section {BUNDLES}, "a", "progbits"\n\tdata8 0, 16, 1\n'
    with pytest.raises(PvasmError, match=r"linux\.o: record 0 of .*: the place is in no section"):
        linux_patched(assembled(text, tmp_path / "linux.o"), "linux.o", instance("native"))


@pytest.mark.parametrize("name", [pytest.param(each, marks=() if each == "xen" else SLOW) for each in NAMES])
def test_objects_become_what_images_do(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Patched and then linked is what is linked and then patched; the object that it was can be had again."""
    monkeypatch.chdir(tmp_path)
    slots = SLOTS.replace("_start", "slots")
    branches = BRANCH.partition("ia64_native_switch_to:")[0]  # the functions are elsewhere
    outward = branches.replace("_start", "outward").replace("2f", "elsewhere")  # a branch that has a relocation
    text = (
        code(made(tmp_path, records="linux")) + functions() + table("native") + "\t.text\n" + slots + branches + outward
    )
    data = assembled(text, tmp_path / "linux.o")
    addresses = {
        "ia64_native_leave_kernel": 0x1F_0000,
        "xen_leave_kernel": 0x1E_0000,
        "trap_leave_kernel": 0x1C_0000,
        "elsewhere": 0x1D_0000,
    }
    places = [f"--defsym={function}={address:#x}" for function, address in addresses.items()]
    done = pvasm("patch", "linux.o", "-i", name, "-o", "patched.o")
    assert (done.status, done.errors) == (0, "")
    images = []
    for target in ("linux.o", "patched.o"):
        command = [require_tool("ia64-linux-gnu-ld"), "-e", "0", "-Ttext", hex(NEAR), *places, "-o", "image", target]
        subprocess.run(command, check=True)
        images.append(Path("image").read_bytes())
    linked_first, told = linux_patched(images[0], "image", instance(name))
    assert (
        done.output == f"{told.sites} sites of Linux's with code of {name}, {told.left} left as they are; 2 branches\n"
    )
    wanted, found = (elf_file_of(each, "image").section_named(".text") for each in (linked_first, images[1]))
    assert wanted is not None
    assert found is not None
    assert bytes(found.data) == bytes(wanted.data)
    assert images[0] != linked_first
    # Another instance's code takes its place, as if it had been put in the first file.
    other = "xen" if name != "xen" else "native"
    pvasm("patch", "patched.o", "-i", other, "-o", "again.o")
    assert Path("again.o").read_bytes() == linux_patched(data, "linux.o", instance(other))[0]
    assert original(Path("again.o").read_bytes(), "again.o") == data


OPS = """
	.text
	.global entry, __paravirt_leave_syscall
	.proc entry
entry:
	.regstk 2, 0, 0, 0
	adds r27 = 1, r28 ;;
	THASH(p0, r8, r8, r2)		// one instruction for all of them
	;;
	adds r26 = 1, r28
	SSM_PSR_I(p0, p6, r2)		// xen's ends the group before, and native's does not
	;;
	RSM_PSR_I(p0, r2, r3)		// longer for xen
	;;
	RSM_PSR_I(p0, r18, r21)		// registers that are not those of Linux's type
	;;
	MOV_FROM_IFA(r19)
	;;
	adds r26 = 1, r28
	(p6) br.cond.sptk.many __paravirt_leave_kernel
	br.cond.sptk.many __paravirt_leave_syscall
	;;
__paravirt_leave_syscall:
	br.call.sptk.many b0 = __paravirt_switch_to
	br.ret.sptk.many b0 ;;
	.endp entry
"""


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize(
    "names", [pytest.param(("native", "trap"), marks=SLOW), ("native", "xen", "trap")], ids=",".join
)
def test_single_binaries_have_linuxs_records(
    names: tuple[str, ...], room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a number stands for the code of all; patched by both kinds, an object is what each instance is alone."""
    monkeypatch.chdir(tmp_path)
    Path("ops.s").write_text(OPS)
    words = ("expand", "--single-binary", ",".join(names), "--records", "linux", "--room", room, "ops.s", "-o")
    done = pvasm(*words, "single.s")
    assert (done.status, done.errors) == (0, "")
    has_xen = "xen" in names
    told = {".paravirt_bundles": int(has_xen and room == "exact"), ".paravirt_insts": 1, ".paravirt_branches": 2}
    counts = ", ".join(f"{count} in {name}" for name, count in told.items() if count)
    assert f"records of Linux's: {counts}\n" in done.output
    data = assembled(Path("single.s").read_text(), tmp_path / "single.o")
    file = elf_file_of(data, "single.o")
    sites = {site.type: site for site in linux_sites(file)}
    assert sites.keys() == {2, 0x3000_0000, 0x3000_0003} | ({10} if told[".paravirt_bundles"] else set())
    assert (file.section_named(".pv_alternatives") is not None) == has_xen
    # Native code is right where a record says that another instance's takes its place, and nowhere else.
    checked = pvasm("check", "single.o")
    assert (checked.status, checked.output) == ((0, "nothing found in 1 file\n") if has_xen else (1, checked.output)), (
        checked.output
    )
    assert "thash" not in checked.output
    symbols = {each.name: each for each in file.symbols}
    for name in names:
        assert pvasm("patch", "single.o", "-i", name, "-o", "patched.o").status == 0
        assert pvasm("expand", "ops.s", "-i", name, "-o", "alone.s").status == 0
        alone = assembled(Path("alone.s").read_text(), tmp_path / "alone.o")
        made = elf_file_of(Path("patched.o").read_bytes(), "patched.o")
        sites_of_ours = sites_of(Path("patched.o").read_bytes(), "patched.o") if has_xen else None
        chosen = zip(sites_of_ours.sites, sites_of_ours.states, strict=True) if sites_of_ours else ()
        records = [(site, site.records[state]) for site, state in chosen]
        assert (
            difference(made, records, elf_file_of(alone, "alone.o"), renamed_by(instance(name), instance("native")))
            is None
        )
        own = instance(name).tables["pv_cpu_asm_switch"]["leave_syscall"]
        assert symbols[str(own)].value == symbols["ia64_native_leave_syscall"].value


BRANCHES = """
	.text
	.global _start
_start:
	adds r31 = 1, r0
	PV_BRANCH_SWITCH_TO(r8, b7)
	PV_BRANCH_LEAVE_SYSCALL(r8, b7)
	PV_BRANCH_WORK_PROCESSED_SYSCALL(r8, b7)
	PV_BRANCH_LEAVE_KERNEL(r8, b7)
	.data
	.align 8
pv_cpu_asm_switch:
	data8 0x210000, 0x220000, 0x230000, 0x240000
"""
SWITCH = ("switch_to", "leave_syscall", "work_processed_syscall", "leave_kernel")


def test_branches_of_assembly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the table, as the simulator runs them; patched, they are the direct branches that objdump shows."""
    monkeypatch.chdir(tmp_path)
    assert pvasm("tables", "--call-sites", "--records", "linux", "-o", "sites.h").status == 0
    Path("b.S").write_text(f'#include "sites.h"\n{BRANCHES}')
    command = [require_tool("gcc"), "-E", "-P", "-D__ASSEMBLY__", "-x", "assembler-with-cpp", "b.S"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    own = {str(instance("xen").tables["pv_cpu_asm_switch"][each]): at for at, each in enumerate(SWITCH, 1)}
    data = linked(text, tmp_path, "-Tdata", "0x180000", *(f"--defsym={name}={at << 16:#x}" for name, at in own.items()))
    sites = linux_sites(elf_file_of(data, "image"))
    assert [each.type for each in sites] == [0x3000_0000, 0x3000_0001, 0x3000_0002, 0x3000_0003]
    made, counts = linux_patched(data, "image", instance("xen"))
    assert counts.branches == 4
    for number, site in enumerate(sites, 1):
        machine = Machine()
        load_image(machine, image_of_object(elf_file_of(data, "image")))
        machine.ip = site.address & -16
        for _ in range(20):
            if machine.ip >= 0x20_0000:
                break
            assert machine.run(1) is None
        assert machine.ip == (0x20 + number) << 16
        assert f"br.many {number << 16:x} <{[*own][number - 1]}>" in disassembled(made, tmp_path, site.address & -16)


def test_damaged_records(images: tuple[bytes, bytes]) -> None:
    """Each is refused with the file's name, or changes code alone."""
    file = elf_file_of(images[0], "image")
    section = file.section_named(BUNDLES)
    text = file.section_named(".text")
    assert section is not None
    assert text is not None
    refused = 0
    for seed in range(60):
        chance = random.Random(seed)
        data = bytearray(images[0])
        data[section.offset + chance.randrange(len(section.data))] ^= 1 << chance.randrange(8)
        try:
            done, _ = linux_patched(bytes(data), "image", instance("native"))
        except PvasmError as error:
            refused += str(error).startswith("image: record ")
            continue
        outside = slice(0, text.offset), slice(text.offset + len(text.data), None)
        assert all(done[each] == data[each] for each in outside)
    assert 0 < refused < 60
    assert set(SECTIONS) == {BUNDLES, ".paravirt_insts", ".paravirt_branches"}
