"""Entries of instances, and the stub of a hypervisor of one's own, in an image with sample_S/head.S."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.cli.command import pvasm
from tests.oracle import require_tool
from tests.patch.made import SAMPLES, assembled
from tests.patch.test_one_image import CONSOLE, FOLDER, LOG, LOGS, image

__all__ = ["image"]


def test_a_hypervisor_of_ones_own(image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made as the documents say; the image has its code at its sites, and it boots where that is right: on Xen."""
    monkeypatch.chdir(tmp_path)
    assert pvasm("instance", "new", "kvm", "--from", "xen", "--minimal").status == 0
    text = Path("kvm.yaml").read_text()
    text, count = re.subn(r"^# (entry: {label: startup_kvm.*)$", r"\1", text, flags=re.M)
    assert count == 1
    Path("kvm.yaml").write_text(text)
    assert (
        "entry           startup_kvm, hypervisor type 2, set up by kvm_setup_hook\n"
        in pvasm("instance", "show", "kvm.yaml").output
    )
    assert pvasm("instance", "entry", "kvm.yaml", "-o", "kvm-entry.s").errors == ""
    assembled(Path("kvm-entry.s").read_text(), Path("kvm-entry.o"))
    guest = SAMPLES / "guest" / "guest.S"
    assert pvasm("expand", "--single-binary", "native,xen,kvm.yaml", guest, "-o", "guest.s").status == 0
    assert pvasm("tables", "-i", "kvm.yaml", "--assembly", "-o", "tables.s").status == 0
    head = (
        (SAMPLES / "head.S")
        .read_text()
        .replace("native_setup_hook, xen_setup_hook\n", "native_setup_hook, xen_setup_hook, kvm_setup_hook\n")
    )
    constants = (SAMPLES / "include/boot.h").read_text().replace("HYPERVISORS\t\t2", "HYPERVISORS\t\t3")
    assembled(_preprocessed(constants + head.replace('#include "boot.h"', "")), Path("head.o"))
    for name in ("guest", "tables"):
        assembled(Path(f"{name}.s").read_text(), Path(f"{name}.o"))
    others = [image.parent / f"{name}.o" for name in ("kernel", "members", "native-tables", "xen-tables")]
    objects: list[str | Path] = [
        "head.o",
        "kvm-entry.o",
        *others,
        "tables.o",
        "guest.o",
        image.parent / "patch.o",
        image.parent / "records_end.o",
    ]
    place = ["-Ttext", "0xc00000", "-Tdata", "0xc40000"]
    subprocess.run(
        [require_tool("ia64-linux-gnu-ld"), "-static", "-e", "_start", *place, "-o", "kernel", *objects], check=True
    )
    scenario = (FOLDER / "xen.yaml").read_text().replace("startup_xen", "startup_kvm").partition("    0x3002000")[0]
    Path("kvm-boot.yaml").write_text(scenario)
    done = pvasm("simulate", "kernel", "--scenario", "kvm-boot.yaml", "-i", "xen", "--text", CONSOLE, "--text", LOG)
    assert (done.status, done.errors) == (0, "")
    assert done.output.splitlines()[-1] == f"{LOG}: {LOGS['xen'][1]}"


def _preprocessed(text: str) -> str:
    command = [require_tool("gcc"), "-E", "-x", "assembler-with-cpp", "-undef", "-nostdinc", "-D__ASSEMBLY__", "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


WRONG = {
    "{label: startup_kvm, type: 256, hook: kvm_hook}": "entry.type: a hypervisor's type is a number from 0 to 255: the "
    "place of its hook in a table",
    "{label: startup_kvm, type: -1, hook: kvm_hook}": "entry.type: a hypervisor's type is a number from 0 to 255: the "
    "place of its hook in a table",
    "{label: 'start up', type: 2, hook: kvm_hook}": "entry.label: 'start up' is no symbol",
    "{label: startup_kvm, type: 2, hook: a-b}": "entry.hook: 'a-b' is no symbol",
    "{label: kvm, type: 2, hook: kvm}": "4:36: entry.hook: kvm is the entry's label already",
    "{label: startup_kvm, type: 2}": "entry: the key hook is missing",
}


@pytest.mark.parametrize("entry", WRONG)
def test_an_entry_that_is_none(entry: str, tmp_path: Path) -> None:
    file = tmp_path / "kvm.yaml"
    file.write_text(f"name: kvm\ndescription: mine\nextends: xen\nentry: {entry}\n")
    done = pvasm("instance", "show", file)
    assert (done.status, done.output) == (2, "")
    assert done.errors.startswith(f"pvasm: error: {file}:4:")
    assert WRONG[entry] in done.errors


@pytest.mark.parametrize(
    ("label", "hook", "taken"), [("_start", "k", "_start"), ("k", "kvm_setup_pv_ops", "kvm_setup_pv_ops")]
)
def test_names_that_the_entry_needs(label: str, hook: str, taken: str, tmp_path: Path) -> None:
    file = tmp_path / "kvm.yaml"
    file.write_text(f"name: kvm\ndescription: x\nextends: xen\nentry: {{label: {label}, type: 2, hook: {hook}}}\n")
    done = pvasm("instance", "entry", file, "-o", tmp_path / "entry.S")
    said = f"pvasm: error: {file}: entry: {taken} means something else in the kernel's entries"
    assert (done.status, done.error_lines) == (2, [said])
    assert not (tmp_path / "entry.S").exists()


def test_bare_hardware_needs_none() -> None:
    done = pvasm("instance", "entry", "native")
    assert (done.status, done.output) == (2, "")
    assert "native enters as bare hardware does: an entry of its own is due" in done.errors
